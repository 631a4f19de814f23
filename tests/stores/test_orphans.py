"""What dead processes owe is listed, and released through the contracts that say how."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import stores_elsewhere
from findings import said
from sqlalchemy import create_engine, text
from stores_elsewhere import create, held, image, watching
from stores_processes import run

from lifeguard import DeclarationError, Resource, all_of, releases, scope
from lifeguard.stores import join, orphans, reap, shared

DONE: list[str] = []

door = Resource("door", needs=all_of("shut", "locked"))


@releases(image, key="name")
def really_delete(name: str) -> None:
    """Release one, and remember that it was done."""
    DONE.append(name)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


def kill_with(url: str, *names: str) -> tuple[str, int]:
    """A process that opens a scope, lets another one acquire some in it, and dies as that one does; scope and number."""
    program = (
        "import os, signal, sys\n"
        "from stores_elsewhere import create, watching\n"
        "from lifeguard.stores import shared\n"
        "url, *names = sys.argv[1:]\n"
        "scope = watching(url, 'opened elsewhere').open()\n"
        "with scope.active():\n"
        "    for name in names: create(name)\n"
        "    print(shared(scope).ident, os.getpid(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folder = str(Path(stores_elsewhere.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(
        [sys.executable, "-c", program, url, *names], stdout=subprocess.PIPE, text=True, env=environment, check=False
    )
    assert -signal.SIGKILL == done.returncode
    ident, pid = done.stdout.split()
    return ident, int(pid)


def test_what_a_killed_worker_owes(url: str) -> None:
    """What, since when, acquired where, by which host and process; and what the living owe is not among it."""
    with watching(url) as watched:
        create("of the living")
        assert -signal.SIGKILL == run("die", url, shared(watched).ident, "a", "b")
        run("leave", url, shared(watched).ident, "left well")
        found = orphans(url)
        assert ["a", "b"] == [one.key for one in found]
        (one, _) = found
        assert one.place is not None
        assert ("image", "held", "create", "shared", True) == (
            one.kind,
            one.state,
            one.function,
            one.scope,
            one.scope_lives,
        )
        assert (socket.gethostname(), "stores_workers.py", "stores_workers.py") == (
            one.host,
            one.program,
            Path(one.place.file).name,
        )
        assert 0 <= one.age < 60
        assert 3 == found.exit_code
        line = str(found).splitlines()[1]
        assert f"image 'a' (held), acquired by create at {one.place}, process {one.pid} on {one.host}" in line
        told = json.loads(found.as_json())
        assert (["a", "b"], 1) == ([one["key"].strip("'") for one in told["orphans"]], told["schema"])
    assert {"LG101"} == {text.split()[0] for text in said(watched)}


def test_nobody_owes_anything(url: str) -> None:
    """A clean ledger says so in one line."""
    with watching(url):
        pass
    found = orphans(url)
    assert (0, [], f"No dead process owes anything in {url}.") == (found.exit_code, list(found), str(found))


def test_a_process_of_another_host_is_dead_when_its_lease_has_run_out(url: str) -> None:
    """By the clock of the database: what the host's own clock says does not matter."""
    kill_with(url, "a")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE lifeguard_processes SET host = 'far away', host_ident = 'far away'"))
    assert [] == list(orphans(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE lifeguard_processes SET seen = seen - lease - 1"))
    assert [("a", "far away")] == [(one.key, one.host) for one in orphans(url)]
    engine.dispose()


def test_a_number_that_was_given_out_again_is_another_process(url: str) -> None:
    """A process is known by the moment of its start, too."""
    kill_with(url, "a")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE lifeguard_processes SET pid = {os.getpid()}"))  # that one lives
    assert ["a"] == [one.key for one in orphans(url)]
    engine.dispose()


def test_reaping_is_a_dry_run_unless_it_is_meant(url: str) -> None:
    """What would be done is said, and nothing is done."""
    kill_with(url, "a")
    told = reap(url, contracts=[really_delete])
    assert [] == DONE
    assert [("would be released", "really_delete")] == [(one.outcome, one.by) for one in told.results]
    assert ["a"] == [one.key for one in orphans(url)]
    assert (3, True) == (told.exit_code, told.dry_run)


def test_the_newest_first_and_only_once(url: str) -> None:
    """Each is released through its contract, in the scope that holds it; a second run finds nothing."""
    kill_with(url, "a", "b", "c")
    told = reap(url, contracts=[really_delete], dry_run=False)
    assert ["c", "b", "a"] == DONE
    assert (["released"] * 3, 0) == ([one.outcome for one in told.results], told.exit_code)
    assert [] == list(orphans(url))
    assert [] == list(reap(url, contracts=[really_delete], dry_run=False).results)
    assert ["c", "b", "a"] == DONE
    outcomes = create_engine(url)
    with outcomes.connect() as connection:
        assert [("released",)] * 3 == [
            tuple(row) for row in connection.execute(text("SELECT outcome FROM lifeguard_claims"))
        ]
    outcomes.dispose()


def test_two_that_reap_at_once_release_nothing_twice(url: str) -> None:
    """Each obligation is claimed before it is touched."""
    names = [f"i{number}" for number in range(6)]
    kill_with(url, *names)
    program = (
        "import sys\n"
        "from lifeguard.stores import reap\n"
        "import stores_elsewhere\n"
        "sys.stdin.readline()\n"
        "for one in reap(sys.argv[1], contracts=[stores_elsewhere], dry_run=False).results:\n"
        "    print(one.outcome, one.orphan.key)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(stores_elsewhere.__file__).parent)}
    reapers = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    outputs: list[str] = []
    threads = [threading.Thread(target=lambda one=one: outputs.append(one.communicate("go\n")[0])) for one in reapers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    released = [line.split()[1] for output in outputs for line in output.splitlines() if line.startswith("released")]
    assert sorted(names) == sorted(released)
    assert [] == list(orphans(url))


def test_what_lives_is_left_alone_unless_asked_for(url: str) -> None:
    """A scope whose own process lives may still release it itself."""
    with watching(url) as watched:
        run("die", url, shared(watched).ident, "a")
        told = reap(url, contracts=[really_delete], dry_run=False)
        assert ([], (), 1) == (DONE, told.results, told.spared)
        assert "left alone: 1 in scopes whose own process lives" in str(told)
        reap(url, contracts=[really_delete], dry_run=False, living_scopes=True)
        assert ["a"] == DONE
        assert [] == held(watched)
    assert [] == said(watched)


def test_what_fails_is_told_and_tried_again(url: str) -> None:
    """A release that raises leaves the obligation where it is."""
    broken = [True]

    @releases(image, key="name")
    def fragile(name: str) -> None:
        if broken:
            raise OSError("no route")
        DONE.append(name)

    kill_with(url, "a")
    (one,) = reap(url, contracts=[fragile], dry_run=False).results
    assert ("failed", "OSError: no route") == (one.outcome, one.why)
    assert ["a"] == [orphan.key for orphan in orphans(url)]
    broken.clear()
    (one,) = reap(url, contracts=[fragile], dry_run=False).results
    assert ("released", ["a"]) == (one.outcome, DONE)


def test_a_contract_says_how_it_is_called(url: str) -> None:
    """Where the key alone does not make the call: `call=` is given the obligation."""

    @releases(image, key="name", call=lambda obligation: with_client(SimpleNamespace(host="h1"), obligation.key))
    def with_client(client: SimpleNamespace, name: str) -> None:
        DONE.append(f"{client.host} {name}")

    kill_with(url, "a")
    assert ["released"] == [one.outcome for one in reap(url, contracts=[with_client], dry_run=False).results]
    assert ["h1 a"] == DONE


def test_an_object_whose_methods_release(url: str) -> None:
    """Its methods need nothing but the key."""

    class Client:
        @releases(image, key="name")
        def delete(self, name: str) -> None:
            DONE.append(f"client {name}")

    kill_with(url, "a")
    (no_object,) = reap(url, contracts=[Client]).results
    assert ("impossible", True) == (no_object.outcome, "releases(…, call=…)" in no_object.why)
    reap(url, contracts=[Client()], dry_run=False)
    assert ["client a"] == DONE


def test_what_nobody_releases(url: str) -> None:
    """It is said to be impossible, and why."""

    @releases(door, key="number", part="shut")
    def shut(number: int) -> None: ...

    kill_with(url, "a")
    (one,) = reap(url, contracts=[shut], dry_run=False).results
    assert ("impossible", "none of the given contracts releases image") == (one.outcome, one.why)


def test_all_parts_that_are_due(sqlite: str) -> None:
    """Of a resource that needs several releases each one is called."""
    program = (
        "import os, signal, sys\n"
        "from lifeguard import *\n"
        "door = Resource('door', needs=all_of('shut', 'locked'))\n"
        "@acquires(door, key='number')\n"
        "def open_(number): ...\n"
        "with scope('s', ledger=sys.argv[1]):\n"
        "    open_(7)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, sqlite], check=False)

    @releases(door, key="number", part="shut")
    def shut(number: int) -> None:
        DONE.append(f"shut {number}")

    @releases(door, key="number", part="locked")
    def lock(number: int) -> None:
        DONE.append(f"locked {number}")

    assert ["released"] == [one.outcome for one in reap(sqlite, contracts=[shut, lock], dry_run=False).results]
    assert ["locked 7", "shut 7"] == sorted(DONE)


def test_what_makes_no_sense(sqlite: str) -> None:
    """What is no contract, and what is no ledger, is told at once."""
    with scope("s", ledger=sqlite):
        pass
    with pytest.raises(DeclarationError, match="has none"):
        reap(sqlite, contracts=[print])
    with pytest.raises(DeclarationError, match="takes the URL of a shared ledger"):
        orphans("memory")
    with pytest.raises(DeclarationError, match="'postgresql\\+psycopg"):
        orphans("mysql://somewhere/db")
    with pytest.raises(DeclarationError, match="call=…"):
        releases(image, key="name", call="delete")  # type: ignore[arg-type]


def test_a_join_that_ends_well_leaves_no_orphan(url: str) -> None:
    """What it acquired belongs to a scope that lives."""
    with watching(url) as watched:
        run("leave", url, shared(watched).ident, "a")
        assert [] == list(orphans(url))
        with join(shared(watched), ledger=url):
            really_delete("a")
    assert [] == said(watched)
