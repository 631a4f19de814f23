"""Of two processes that do the same at once exactly one wins, as the database committed them."""

from __future__ import annotations

import os
import re
import socket

import pytest
from findings import said
from stores_elsewhere import create, delete, held, watching
from stores_processes import hear, say, start

from lifeguard.stores import shared

ROUNDS = 8


@pytest.mark.parametrize(("verb", "code"), [("delete", "LG103"), ("create", "LG106")])
def test_exactly_one_wins(url: str, verb: str, code: str) -> None:
    """One pays, or holds; what the other one did is told, with the process and the host that came second."""
    names = [f"i{number}" for number in range(ROUNDS)]
    with watching(url) as watched:
        if verb == "delete":
            for name in names:
                create(name)
        workers = [start("race", url, shared(watched).ident, verb, *names) for _ in range(2)]
        for _ in names:
            for worker in workers:
                hear(worker, "ready")
            for worker in workers:
                say(worker)
            for worker in workers:
                hear(worker, "done")
        for worker in workers:
            worker.communicate()
            assert 0 == worker.returncode
        if verb == "create":
            assert names == sorted(set(held(watched)))
            for name in names * 2:  # the key counts, so that one mistake makes one finding
                delete(name)
    assert [f"{code} image {name!r}" for name in names] == sorted(said(watched))
    pids = {worker.pid for worker in workers}
    for violation in watched.violations:
        told = [entry for entry in violation.history if "process" in entry.actor]
        second = re.search(r"process (\d+) on (\S+)", told[-1].actor)
        assert second is not None
        assert (int(second[1]) in pids, socket.gethostname()) == (True, second[2])
        assert str(os.getpid()) != second[1]
        assert [entry.seq for entry in violation.history] == sorted(entry.seq for entry in violation.history)
