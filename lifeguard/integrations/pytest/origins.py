"""In which test a thread or a task was first seen, so that work that outlives its test is told with that test's name."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final

from lifeguard.fast import WHO

_SEEN: Final = ", first seen in "


class Origins:
    """Who was seen in which test. Installed as `lifeguard.context.name_origin`.

    A thread counts as seen when it was alive at the end of a test; a task, when it made a watched call.
    """

    def __init__(self) -> None:
        self._now = ""
        self._threads: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
        self._earlier: dict[int, str] = {}
        self._tasks: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def begin(self, test: str) -> None:
        """A test begins: whoever is there already was there before it."""
        main = threading.main_thread()
        alive = [one for one in threading.enumerate() if one is not main]
        self._earlier = {}
        for thread in alive:
            first = self._threads.setdefault(thread, self._now)
            if first and thread.ident is not None:
                self._earlier[thread.ident] = first
        self._now = test
        for ident, who in list(WHO.items()):  # names of threads are made once, for good
            who.name = self._with_origin(who.name, self._earlier.get(ident))

    def end(self) -> None:
        """A test has ended."""
        main = threading.main_thread()
        for thread in threading.enumerate():
            if thread is not main:
                self._threads.setdefault(thread, self._now)

    def __call__(self, name: str, task: object) -> str:
        """A name with, behind it, in which earlier test its bearer was first seen."""
        first = self._earlier.get(threading.get_ident()) if task is None else self._tasks.setdefault(task, self._now)
        return self._with_origin(name, first)

    def _with_origin(self, name: str, first: str | None) -> str:
        own = name.partition(_SEEN)[0]
        return own if not first or first == self._now else f"{own}{_SEEN}{first}"
