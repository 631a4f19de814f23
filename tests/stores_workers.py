"""Programs that the tests of shared ledgers run as processes of their own: `python stores_workers.py NAME URL SCOPE …`."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

from stores_elsewhere import create, delete, look_at

from lifeguard import ViolationError
from lifeguard.stores import Ledger, join
from lifeguard.stores import database as databases


def die(url: str, scope: str, *names: str) -> None:
    """Acquire some, and be killed."""
    with join(scope, ledger=url):
        for name in names:
            create(name)
        os.kill(os.getpid(), signal.SIGKILL)


def leave(url: str, scope: str, *names: str) -> None:
    """Acquire some, and leave in good order."""
    with join(scope, ledger=url):
        for name in names:
            create(name)


def race(url: str, scope: str, verb: str, *names: str) -> None:
    """Wait for a word, then do the same as others do at that moment; again for each name."""
    act: Callable[[str], object] = create if verb == "create" else delete
    with join(scope, ledger=url):
        for name in names:
            print("ready", flush=True)
            sys.stdin.readline()
            act(name)
            print("done", flush=True)


def late(url: str, scope: str) -> None:
    """Stay until the scope has been judged, then do more."""
    with join(scope, ledger=url):
        create("early")
        print("ready", flush=True)
        sys.stdin.readline()
        create("after")
        delete("early")
        print("done", flush=True)


def at_random(url: str, scope: str, seed: str, steps: str) -> None:
    """Acquire, use and release a few keys at random, and say of each call when it was made, when it returned, and its number."""
    chance = random.Random(seed)
    with join(scope, ledger=url) as joined:
        print("ready", flush=True)
        sys.stdin.readline()
        world: Any = joined.book
        for _ in range(int(steps)):
            act, key = chance.choice([create, look_at, delete]), chance.choice("xyz")
            began = time.monotonic_ns()
            act(key)
            print(act.__name__, key, began, time.monotonic_ns(), world.world.engine.clock.seq, flush=True)


def in_background(url: str, scope: str, *names: str) -> None:
    """Acquire some without waiting for the database."""
    with join(scope, ledger=Ledger(url, writing="background")):
        for name in names:
            create(name)


def die_waiting(url: str, scope: str, room: str) -> None:
    """Acquire one while another connection has the database, and be killed when the call has returned."""
    databases.TRIES, databases.BUSY = 1, 20  # type: ignore[misc]
    with join(scope, ledger=Ledger(url, waiting_room=room)):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        create("waits")
        os.kill(os.getpid(), signal.SIGKILL)


def join_without_it(url: str, scope: str, room: str) -> None:
    """Take part while the database does not answer, in good order."""
    with join(scope, ledger=Ledger(url, waiting_room=room, patience=0.5)):
        create("kept")
        create("passing")
        delete("passing")


def come(url: str, scope: str, room: str) -> None:
    """Reach the ledger, and do nothing."""
    with join(scope, ledger=Ledger(url, waiting_room=room)):
        pass


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]](*sys.argv[2:])
    except ViolationError as error:
        sys.exit(f"a worker judges nothing: {error}")
