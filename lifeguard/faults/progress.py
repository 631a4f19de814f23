"""How far a long search has come: a bar where somebody looks on and rich is installed, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

QUIET: Final = 2.0
"""Seconds in which nothing is said: most searches are over by then."""

BETWEEN: Final = 5.0
"""Seconds between two lines."""

Step = Callable[[int, int, int], object]


class _Lines:
    def __init__(self, name: str, stream: TextIO, clock: Callable[[], float]) -> None:
        self._name = name
        self._stream = stream
        self._clock = clock
        self._next = clock() + QUIET

    def __call__(self, done: int, wanted: int, found: int) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + BETWEEN
            text = f"exploring {self._name}: {done} of {max(done, wanted)} runs, {found} found"
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to clear away."""


class _Bar:
    """Begins only when the search turns out to be a long one."""

    def __init__(self, name: str, make: Callable[[], Any], clock: Callable[[], float]) -> None:
        self._name = name
        self._make = make
        self._clock = clock
        self._begin = clock() + QUIET
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, wanted: int, found: int) -> None:
        if self._bar is None:
            if self._clock() < self._begin:
                return
            self._bar = self._make()
            self._task = self._bar.add_task(f"exploring {self._name}", total=wanted)
            self._bar.start()
        text = f"exploring {self._name}, {found} found"
        self._bar.update(self._task, completed=done, total=max(done, wanted), description=text)

    def close(self) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.stop()


@contextlib.contextmanager
def showing(
    name: str, *, wanted: bool, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Step]:
    """Give what is called after every run.

    Args:
        name: what is explored.
        wanted: whether to show anything.
        stream: where; by default standard error.
        clock: seconds that only grow.
    """
    out = stream if stream is not None else sys.stderr
    if not wanted or out is None:
        yield lambda done, wanted, found: None
        return
    shown = _bar(name, out, clock) or _Lines(name, out, clock)
    try:
        yield shown
    finally:
        shown.close()


def _bar(name: str, stream: TextIO, clock: Callable[[], float]) -> _Bar | None:
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        return None
    return _Bar(name, lambda: Progress(console=Console(file=stream), transient=True), clock)
