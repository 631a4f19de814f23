"""Who is woven, and who was called lately: kept as it changes, so that a closing scope need not look at all of them."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lifeguard.contracts import Contract
    from lifeguard.kinds import Kind
    from lifeguard.watching import Woven


class Entry:
    """One woven function. It outlives it for a moment only."""

    __slots__ = ("contracts", "kinds", "name", "numbers", "serial", "woven")

    def __init__(self, serial: int, woven: Woven, numbers: frozenset[int]) -> None:
        self.serial = serial
        self.woven = weakref.ref(woven)
        self.name = woven.name
        self.contracts = woven.contracts
        self.numbers = numbers
        self.kinds = frozenset(kind for contract in woven.contracts for kind in contract.kinds)


Expected = tuple[tuple[int, str, frozenset[int]], ...]
"""Functions whose calls are expected: serial number and name of each, and the numbers of its contracts."""

T = TypeVar("T")


class Roster:
    """Every woven function that still exists.

    Functions that were called are kept in the order of their first call since a scope was last opened. What was called
    since any scope opened stands together at the end, so that one call in a scope is enough to be found, and later ones
    cost nothing.
    """

    __slots__ = (
        "_called",
        "_entries",
        "_gone",
        "_kept",
        "_latest",
        "_lock",
        "_new",
        "_numbers",
        "_of_kind",
        "_serials",
        "opened",
    )

    def __init__(self) -> None:
        self.opened = 0  # the ledger's number when a scope was last opened
        self._latest = 0
        self._serials = count()
        self._lock = RLock()
        self._entries: dict[int, Entry] = {}
        self._new: deque[Entry] = deque()
        self._gone: deque[int] = deque()  # filled by the garbage collector, at any time
        self._of_kind: dict[Kind, dict[int, Entry]] = {}
        self._numbers: dict[Contract, list[int]] = {}  # the number of each contract, and how many carry it
        self._kept: dict[Kind, dict[str, Any]] = {}
        self._called: dict[int, Entry] = {}

    def __iter__(self) -> Iterator[Woven]:
        with self._lock:
            self._tidy()
            entries = list(self._entries.values())
        for entry in entries:
            woven = entry.woven()
            if woven is not None:
                yield woven

    def enrol(self, woven: Woven) -> None:
        """A function has been woven."""
        with self._lock:
            self._tidy()
            for contract in woven.contracts:
                self._numbers.setdefault(contract, [next(self._serials), 0])[1] += 1
            numbers = frozenset(self._numbers[contract][0] for contract in woven.contracts)
            entry = woven.entry = Entry(next(self._serials), woven, numbers)
            self._entries[entry.serial] = entry
            self._new.append(entry)
            for kind in entry.kinds:
                self._of_kind.setdefault(kind, {})[entry.serial] = entry
                self._kept.pop(kind, None)
        weakref.finalize(woven, self._gone.append, entry.serial).atexit = False

    def changed(self, woven: Woven) -> None:
        """What its calls mean is another matter now: what was kept of its kinds is made anew."""
        with self._lock:
            for kind in woven.entry.kinds if woven.entry is not None else ():
                self._kept.pop(kind, None)

    def scope_opened(self, number: int) -> None:
        """A scope was opened at this number of the ledger's sequence."""
        self.opened = max(self.opened, number)

    def called(self, woven: Woven, number: int) -> None:
        """A function is called, the first time since a scope was opened (`woven.last` is before `opened`)."""
        entry = woven.entry
        if entry is None:
            woven.last = number
            return
        with self._lock:
            self._called.pop(entry.serial, None)
            woven.last = self._latest = max(self._latest, number)
            self._called[entry.serial] = entry

    def called_since(self, number: int) -> list[Woven]:
        """The functions that were called since this number of the sequence."""
        while True:
            try:
                return list(self._walk_back(number))
            except RuntimeError:  # a finaliser, which ran in this very thread, called one
                continue

    def _walk_back(self, number: int) -> Iterator[Woven]:
        with self._lock:
            for entry in reversed(self._called.values()):
                woven = entry.woven()
                if woven is not None:
                    if woven.last < number:
                        return
                    yield woven

    def newcomers(self) -> list[Entry]:
        """Those who were enrolled since this was asked last."""
        return [self._new.popleft() for _ in range(len(self._new))]

    def of_kind(self, kind: Kind) -> list[Woven]:
        """Those whose contracts speak of a kind."""
        with self._lock:
            self._tidy()
            found = [entry.woven() for entry in self._of_kind.get(kind, _NOBODY).values()]
        return [woven for woven in found if woven is not None]

    def kept(self, kind: Kind, what: str, make: Callable[[], T]) -> T:
        """Something about those whose contracts speak of a kind, made anew when one has come, changed or gone."""
        with self._lock:
            self._tidy()
            if kind not in self._of_kind:
                return make()
            kept = self._kept.setdefault(kind, {})
            if what not in kept:
                kept[what] = make()
            found: T = kept[what]
            return found

    def expected(self, kind: Kind) -> Expected:
        """The functions whose calls are expected: declared where they are written, and not taken over by a fake."""
        return self.kept(
            kind,
            "expected",
            lambda: tuple(
                (woven.entry.serial, woven.name, woven.entry.numbers)
                for woven in self.of_kind(kind)
                if woven.entry is not None and woven.active and not woven.origin and not woven.state.get("taken over")
            ),
        )

    def _tidy(self) -> None:
        """Forget those who have gone."""
        while self._gone:
            serial = self._gone.popleft()
            entry = self._entries.pop(serial)
            self._called.pop(serial, None)
            for kind in entry.kinds:
                self._kept.pop(kind, None)
                left = self._of_kind[kind]
                del left[serial]
                if not left:
                    del self._of_kind[kind]
            for contract in entry.contracts:
                carried = self._numbers[contract]
                carried[1] -= 1
                if not carried[1]:
                    del self._numbers[contract]


_NOBODY: dict[int, Entry] = {}


ROSTER = Roster()
"""Of this process, as what is woven is a fact about the process."""
