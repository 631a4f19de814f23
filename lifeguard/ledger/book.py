"""The tables: what is held, what is remembered as settled, and what was counted, for each scope and over all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lifeguard.keys import Key, forget, hold, limit_of, lot
from lifeguard.kinds import Kind, KindsNamed, Resource
from lifeguard.ledger.lanes import FAST_TABLES, Lane, Table
from lifeguard.ledger.records import Call, Finding, Generation, Ref, Verb
from lifeguard.ledger.states import OPEN_STATES, State

STRANGERS = 64
"""So many of the last unmatched keys of a kind are kept, to tell a leak that some were released under another type."""


class Tally:
    """What a book counted of one kind."""

    __slots__ = (
        "acquired",
        "failed",
        "forgotten",
        "left_out",
        "released",
        "rolled_back",
        "strangers",
        "transferred",
        "unmatched",
        "used",
    )

    def __init__(self) -> None:
        self.acquired = 0
        self.released = 0
        self.transferred = 0
        self.used = 0
        self.failed = 0
        self.rolled_back = 0
        self.unmatched = 0
        self.forgotten = 0
        self.left_out = 0
        self.strangers: deque[Key] = deque(maxlen=STRANGERS)


class Book:
    """What one scope holds, remembers and has found."""

    alone = True
    """Whether whatever happens in it happens in this process, so that a contract that saw no call here saw none."""

    __slots__ = (
        "__weakref__",
        "closed",
        "ears",
        "findings",
        "given_up",
        "held",
        "ignore",
        "inside",
        "lanes",
        "late",
        "limit",
        "loose",
        "name",
        "nowhere_at_open",
        "observers",
        "only",
        "opened_at",
        "parted",
        "recorded_at_open",
        "remember",
        "sample",
        "sealed",
        "settled",
        "tables",
        "tallies",
        "thinned",
        "waits",
    )

    def __init__(
        self,
        name: str,
        *,
        remember: int | None = 1024,
        only: Iterable[Kind] | KindsNamed | None = None,
        ignore: Iterable[Kind] | KindsNamed = (),
        sample: float = 1.0,
    ) -> None:
        self.name = name
        self.remember = remember
        self.only = _chosen(only) if only is not None else None
        self.ignore = _chosen(ignore)
        self.sample = sample
        self.limit = limit_of(sample)  # keys with this lot or a higher one are left out; None where none are
        self.thinned: set[Kind] = set()  # kinds of which something was left out; a table may know of more
        self.parted: set[Kind] = (
            set()
        )  # kinds that were tied together when some of their keys had been left out already
        self.given_up: set[Ref] = set()  # what was tied to something that had been left out: nothing is said of it
        self.held: dict[Generation, None] = {}
        self.settled: dict[Kind, deque[Generation]] = {}  # of the kinds that are not held plainly
        self.tables: dict[Kind, Table] = {}  # of those that are
        self.lanes: dict[int, dict[Any, Lane]] = {}  # the ways of plain events that depend on this book, by identity
        self.waits = 0  # so many wait for the next payment
        self.tallies: dict[Kind, Tally] = {}
        self.findings: list[Finding] = []
        self.loose: dict[object, Finding] = {}  # findings that belong to no generation, by what they are about
        self.late = 0  # events that came after the verdict
        self.observers: tuple[Any, ...] = ()  # who looks on; opaque here
        self.ears: tuple[Callable[[Generation], None], ...] = ()  # who is told of every change of what it holds
        self.sealed = False  # judged: what comes now comes too late
        self.closed = False
        self.inside = 0  # acquires recorded here or in a scope inside this one
        self.opened_at = 0
        self.nowhere_at_open = 0
        self.recorded_at_open = 0

    def now(self) -> Book:
        """Itself, as it is now, wherever it is kept."""
        return self

    def watches(self, kind: Kind) -> bool:
        """Whether events of this kind are recorded here."""
        return kind not in self.ignore and (self.only is None or kind in self.only)

    def samples(self, kind: Kind) -> bool:
        """Whether only a sample of this kind is recorded here.

        What ties keys together is watched whole: half of it would say what is not true.
        """
        return self.limit is not None and (not kind._tied or kind in self.parted or not self.limit)

    def takes(self, kind: Kind, key: Key) -> bool:
        """Whether events of this very key are recorded here."""
        if not self.watches(kind) or (self.given_up and (kind, key) in self.given_up):
            return False
        return self.limit is None or not self.samples(kind) or lot(key) < self.limit

    def leaves_out(self, kind: Kind, key: Key) -> bool:
        """Whether it watches the kind, but not this key."""
        return (self.limit is not None or bool(self.given_up)) and self.watches(kind) and not self.takes(kind, key)

    def told_inside(self, call: Call, generation: Generation, verb: Verb) -> bool:
        """Whether a verb was told of something that this scope holds inside a call, in its own flow of control."""
        return call.told_inside(generation.told.get(verb))

    def remembered(self) -> list[Generation]:
        """What was settled and is remembered, of each kind the oldest first."""
        plainly = [one for table in self.tables.values() for one in table.all_remembered()]
        return [*plainly, *(one for memory in self.settled.values() for one in memory)]

    def tally(self, kind: Kind) -> Tally:
        """The counters of a kind."""
        tally = self.tallies.get(kind)
        if tally is None:
            tally = self.tallies[kind] = Tally()
        return tally


def _chosen(kinds: Iterable[Kind] | KindsNamed) -> frozenset[Kind] | KindsNamed:
    return kinds if isinstance(kinds, KindsNamed) else frozenset(kinds)


class Tables:
    """Every generation that some open scope holds or remembers, found by kind and key.

    Whoever asks for the generations of a key gets those that were held plainly, too: they are made when they are asked
    for.
    """

    __slots__ = ("_fast", "_held", "_past", "_settled")

    def __init__(self) -> None:
        self._held: dict[Kind, dict[Key, list[Generation]]] = {}
        self._settled: dict[Kind, dict[Key, list[Generation]]] = {}
        self._fast: dict[Kind, list[Table]] = {}
        self._past = 0  # so many were acquired plainly in scopes that are closed

    def acquired_plainly(self) -> int:
        """How many were ever acquired plainly."""
        return self._past + sum([table.acquired for tables in self._fast.values() for table in tables])

    def table(self, kind: Kind, book: Book) -> Table:
        """What a book holds and remembers of a kind."""
        table = book.tables.get(kind)
        if table is None:
            others = self._fast.setdefault(kind, [])
            fast = isinstance(kind, Resource) and kind.needs is None and len(others) < FAST_TABLES and not book.closed
            table = book.tables[kind] = Table(kind, book, fast=fast)
            if fast:
                others.append(table)
        return table

    def _take(self, kind: Kind, key: Key) -> None:
        """Make what is plainly held of a key, in whatever scope, into generations."""
        for table in self._fast.get(kind, ()):
            if key in table.held:
                self._take_from(table, key)

    def _take_from(self, table: Table, key: Key) -> None:
        _more(table.odd, key)  # before it is taken, so that meanwhile no one else acquires the key plainly
        generation = table.take(key)
        if generation is not None:
            self._add_held(generation)
        _less(table.odd, key)

    def take_all(self, book: Book) -> None:
        """Make everything that a book holds plainly into generations."""
        for table in book.tables.values():
            while table.held:
                for key in list(table.held):
                    self._take_from(table, key)

    def _add_held(self, generation: Generation) -> None:
        generation.book.held[generation] = None
        _more(self.table(generation.kind, generation.book).odd, generation.key)
        _add(self._held, generation)

    def _remove_held(self, generation: Generation) -> None:
        del generation.book.held[generation]
        _less(self.table(generation.kind, generation.book).odd, generation.key)
        _remove(self._held, generation)

    def claim(self, kind: Kind, key: Key, book: Book) -> Table:
        """Let no one acquire a key plainly in a book until `unclaim`; gives the table."""
        table = self.table(kind, book)
        _more(table.odd, key)
        return table

    @staticmethod
    def unclaim(table: Table, key: Key) -> None:
        """End a claim."""
        _less(table.odd, key)

    def put(self, generation: Generation) -> None:
        """Take up an open generation into its book."""
        hold(generation.key)
        self._add_held(generation)

    def move(self, generation: Generation, book: Book) -> None:
        """Let another book hold an open generation."""
        self._remove_held(generation)
        generation.book = book
        self._add_held(generation)

    def rename(self, generation: Generation, key: Key) -> None:
        """Give an open generation another key."""
        self._remove_held(generation)
        forget(generation.key)
        hold(key)
        generation.key = key
        self._add_held(generation)

    def drop(self, generation: Generation) -> None:
        """Let an open generation go without remembering it."""
        self._remove_held(generation)
        forget(generation.key)

    def settle(self, generation: Generation, state: State) -> None:
        """Close an open generation, and remember it for as long as its book's window allows."""
        book, kind = generation.book, generation.kind
        self._remove_held(generation)
        generation.state = state
        table = self.table(kind, book)
        if table.fast:
            table.file(generation)
        elif book.remember == 0:
            book.tally(kind).forgotten += 1
        else:
            memory = book.settled.get(kind)
            if memory is None:
                memory = book.settled[kind] = deque()
            memory.append(generation)
            _add(self._settled, generation)
            if book.remember is not None and len(memory) > book.remember:
                _remove(self._settled, memory.popleft())
                book.tally(kind).forgotten += 1
        forget(generation.key)

    def held(self, kind: Kind, key: Key) -> list[Generation]:
        """The open generations of a key, oldest first."""
        self._take(kind, key)
        return self._held.get(kind, _EMPTY).get(key, _NONE)

    def named(self, kind: Kind, key: Key, innermost: Book | None) -> Generation | None:
        """The generation that a release, transfer or use of this key means; None where the key is unseen.

        The one held in the innermost scope, if there is one; otherwise, of all that are held and all that are
        remembered settled in any open scope, the one acquired last.
        """
        held = self.held(kind, key)
        if len(held) == 1 and held[0].book is innermost:
            return held[0]
        last: Generation | None = None
        for generation in held:
            if generation.book is innermost:
                last = generation
        if last is not None:
            return last
        for generation in self.known(kind, key):
            if last is None or generation.since > last.since:
                last = generation
        return last

    def _remembered(self, kind: Kind, key: Key) -> list[Generation]:
        """The settled generations of a key that are remembered in any scope."""
        found = list(self._settled.get(kind, _EMPTY).get(key, _NONE))
        for table in self._fast.get(kind, ()):
            if table.may_remember(key):
                found += table.remembered(key)
        return found

    def known(self, kind: Kind, key: Key) -> list[Generation]:
        """All generations of a key, held or remembered."""
        return [*self.held(kind, key), *self._remembered(kind, key)]

    def held_in_chain(self, kind: Kind, key: Key, chain: tuple[Book, ...]) -> Generation | None:
        """The open generation of this key that the nearest scope of a chain holds."""
        held = self.held(kind, key)
        if not held:
            return None
        for book in chain:
            for generation in reversed(held):
                if generation.book is book:
                    return generation
        return None

    def settled_in_chain(self, kind: Kind, key: Key, chain: tuple[Book, ...]) -> Generation | None:
        """The remembered settled generation of this key, in any scope of a chain, that was acquired last."""
        settled = self._remembered(kind, key)
        return max((one for one in settled if one.book in chain), key=lambda one: one.since, default=None)

    def books(self) -> list[Book]:
        """The books that hold, or may hold, something plainly."""
        return list(dict.fromkeys(table.book for tables in self._fast.values() for table in tables))

    def kinds(self) -> Iterator[Kind]:
        """The kinds of which something is held."""
        plainly = [kind for kind, tables in self._fast.items() if any(table.held for table in tables)]
        return iter(list(dict.fromkeys([*self._held, *plainly])))

    def all_held(self, kind: Kind) -> list[Generation]:
        """Every open generation of a kind, oldest first."""
        for table in self._fast.get(kind, ()):
            for key in list(table.held):
                self._take_from(table, key)
        return self._sorted(kind, [])

    def view(self, kind: Kind) -> list[Generation]:
        """The same to look at only: what is plainly held stays so."""
        return self._sorted(kind, [one for table in self._fast.get(kind, ()) for one in table.view()])

    def _sorted(self, kind: Kind, more: list[Generation]) -> list[Generation]:
        found = more + [generation for held in self._held.get(kind, _EMPTY).values() for generation in held]
        found.sort(key=lambda generation: generation.born)
        return found

    def close(self, book: Book) -> None:
        """Forget everything of a book that has been judged."""
        for generation in book.held:
            _remove(self._held, generation)
            forget(generation.key)
        for memory in book.settled.values():
            for generation in memory:
                _remove(self._settled, generation)
        for table in book.tables.values():
            self._past += table.acquired
            if table.fast:
                fast = self._fast[table.kind]
                fast.remove(table)
                if not fast:
                    del self._fast[table.kind]
        book.held.clear()
        book.settled.clear()


_NONE: list[Generation] = []
_EMPTY: dict[Key, list[Generation]] = {}


def _more(odd: dict[Key, int], key: Key) -> None:
    odd[key] = odd.get(key, 0) + 1


def _less(odd: dict[Key, int], key: Key) -> None:
    left = odd[key] - 1
    if left:
        odd[key] = left
    else:
        del odd[key]


def _add(table: dict[Kind, dict[Key, list[Generation]]], generation: Generation) -> None:
    table.setdefault(generation.kind, {}).setdefault(generation.key, []).append(generation)


def _remove(table: dict[Kind, dict[Key, list[Generation]]], generation: Generation) -> None:
    keys = table[generation.kind]
    generations = keys[generation.key]
    generations.remove(generation)
    if not generations:
        del keys[generation.key]
        if not keys:
            del table[generation.kind]


def is_open(generation: Generation | None) -> bool:
    """Whether a generation is outstanding."""
    return generation is not None and generation.state in OPEN_STATES and not generation.book.closed
