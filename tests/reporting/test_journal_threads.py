"""One journal, and scopes that open and close in many threads at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifeguard import Resource, acquires, releases, scope
from lifeguard.reporting.replay import read

ticket = Resource("ticket")


@acquires(ticket, key="number")
def take(number: str) -> None:
    """Take one."""


@releases(ticket, key="number")
def give_back(number: str) -> None:
    """Give it back."""


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns after a microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_what_other_threads_open_does_not_disturb_the_writing(tmp_path: Path) -> None:
    """Scopes that are opened while another one is judged neither break its lines nor get its number."""
    path = tmp_path / "threads.jsonl"
    stop = threading.Event()

    def come_and_go(thread: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with scope(f"{thread}-{turn}", journal=path, on_violation="record") as mine:
                mine.allow(ticket, f"{thread}-{turn}", why="it is left on purpose")
                take(f"{thread}-{turn}")

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    long = [scope(f"long-{number}", journal=path, on_violation="record").open() for number in range(150)]
    for one in reversed(long):  # the last one, so that all the others are looked through
        with one.active():
            take(one.name)
            give_back(one.name)
        one.close()
    stop.set()
    for thread in threads:
        thread.join()

    found = read([path])
    assert () == found.differing
    assert () == found.report.notes
    assert found.report.balanced
    assert 150 == sum(one.name.startswith("long-") for one in found.report.scopes)
    assert len({one.ident for one in found.report.scopes}) == len(found.report.scopes)
