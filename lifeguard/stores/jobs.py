"""What the thread that writes is given: a step of a world, or a question."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lifeguard.ledger.records import Ref
from lifeguard.stores.worlds import World


class Job:
    """Something for the thread that writes."""

    __slots__ = ("done", "error", "lost", "name", "number", "refs", "result", "seen", "what", "world")

    def __init__(self, name: str, world: World | None, what: tuple[Any, ...], refs: Iterable[Ref] = ()) -> None:
        self.name = name
        self.world = world
        self.what = what
        self.refs = tuple(refs)  # the resources that it speaks of
        self.number = 0
        self.done: Any = None  # a lock that is let go when it is done
        self.result: Any = None
        self.error: Exception | None = None
        self.lost = False  # it was put aside: there is no result
        self.seen = False

    def finish(self) -> None:
        """Let whoever waits for it go on."""
        done, self.done = self.done, None
        if done is not None:
            done.release()
