"""Calls that a plan cannot reach are seen all the same, so that they can be listed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from lifeguard.context import Event
from lifeguard.ledger.records import Call
from lifeguard.places import resolve
from lifeguard.scopes import scope
from lifeguard.verdict import Verdict


class Listener:
    """Hears every watched call of the process, and remembers those that no plan of a sort could see."""

    def __init__(self, sort: type) -> None:
        self._sort = sort
        self.count = 0
        self.heard: dict[str, None] = {}
        self._counts: Callable[[Call], bool] = lambda call: True

    def only(self, counts: Callable[[Call], bool]) -> None:
        """Count only some calls."""
        self._counts = counts

    def began(self, call: Call) -> None:
        """A watched call begins."""
        if not self._counts(call):
            return
        for book in call.chain:
            for one in book.observers:
                if isinstance(one, self._sort):
                    return
        self.count += 1
        place = f" at {resolve(call.site)}" if call.site is not None else ""
        self.heard[f"{call.function}{place} ({call.actor})"] = None

    def event(self, event: Event) -> None:
        """Nothing to do."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do."""


@contextlib.contextmanager
def listening(sort: type) -> Iterator[Listener]:
    """Hear the calls of all threads. The scope that does it watches no kind, so that nothing is recorded in it."""
    listener = Listener(sort)
    ear = scope("lifeguard listens", reach="process", on_violation="record", only=[], observers=[listener]).open()
    try:
        yield listener
    finally:
        ear.close()
