"""Concurrent histories: what several processes do at once looks as if it had been done one after the other, in one order.

The order is that of the numbers which the database committed. It has to agree with real time: a call that had returned before
another one was made comes first. And the verdict is the one that the ledger of a single process gives of the calls in that order.
Herlihy and Wing, Linearizability: a correctness condition for concurrent objects (1990).
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from findings import said
from stores_elsewhere import create, delete, look_at, watching
from stores_processes import hear, say, start

from lifeguard import scope
from lifeguard.stores import shared

WORKERS = 4
STEPS = 15
CALLS = {call.__name__: call for call in (create, look_at, delete)}


@pytest.mark.parametrize("seed", [1, 2])
def test_one_order_that_agrees_with_real_time(url: str, seed: int) -> None:
    """For each key, and for all of them together, since a world has one sequence."""
    with watching(url) as watched:
        which = shared(watched).ident
        workers = [start("at_random", url, which, f"{seed}-{number}", str(STEPS)) for number in range(WORKERS)]
        for worker in workers:
            hear(worker, "ready")
        for worker in workers:
            say(worker)
        told = [line.split() for worker in workers for line in worker.communicate()[0].splitlines()]
    assert set(CALLS) == {verb for verb, *_ in told}
    calls = sorted((int(number), int(began), int(ended), verb, key) for verb, key, began, ended, number in told)
    assert WORKERS * STEPS == len(calls)
    assert len(calls) == len({number for number, *_ in calls})
    latest_begin = 0
    for _, began, ended, *_ in calls:
        assert ended > latest_begin, "it had returned before one that comes before it was made"
        latest_begin = max(latest_begin, began)
    overlapping = sum(one[2] > two[1] for one, two in pairwise(calls))
    assert overlapping, "nothing happened at once"

    with scope("one after the other", on_violation="record") as alone:
        for _, _, _, verb, key in calls:
            CALLS[verb](key)
    assert Counter(said(alone)) == Counter(said(watched))
    assert alone.watched == watched.watched
