"""The tables of a ledger's engine over a database: read as far as a step needs them, and written back with what has changed.

While nobody else has written in the world, what was read stays good; else it is read anew. Objects that somebody refers to
(a running atomic call, a call that is still on its way) stay the same objects all the while.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from lifeguard.keys import Key, forget, hold
from lifeguard.kinds import Kind
from lifeguard.ledger.book import Book, Tables
from lifeguard.ledger.lanes import Table
from lifeguard.ledger.records import Generation, Ref, Steps
from lifeguard.ledger.states import OPEN_STATES, State
from lifeguard.stores.rows import Kept, Row
from lifeguard.stores.schema import OPEN, SETTLED

if TYPE_CHECKING:
    from lifeguard.stores.worlds import World

AT_ONCE: Final = 400
"""So many keys are asked for in one statement."""

ROOM: Final = 20_000
"""So many obligations are kept at hand before they are forgotten, to be read again when they are needed."""


class Lazily(dict[Generation, None]):
    """What an obligation owns, or its parts: read when somebody looks at all of them."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Iterable[Generation]] | None) -> None:
        super().__init__()
        self._read = read

    def _all(self) -> None:
        read, self._read = self._read, None
        if read is not None:
            taken = set(self)
            for one in read():
                if one not in taken:
                    super().__setitem__(one, None)

    def __iter__(self) -> Iterator[Generation]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0

    def items(self) -> Any:
        """All of them."""
        self._all()
        return super().items()

    def keys(self) -> Any:
        """All of them."""
        self._all()
        return super().keys()


class StoredTables(Tables):
    """The generations of one world, as its database holds them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.connection: Connection | None = None  # while a transaction runs
        self.now = 0.0
        self._all: weakref.WeakValueDictionary[int, Kept] = weakref.WeakValueDictionary()
        self._good: dict[int, Kept] = {}  # what is known to be as the database has it
        self._by_key: dict[tuple[int, str], list[Kept]] = {}  # of the keys that were asked for: open and settled
        self._whole: set[Book] = set()  # the scopes of which all that is open is at hand
        self._whole_kinds: set[int] = set()
        self.touched: dict[Kept, None] = {}  # what the transaction may have changed

    # -- what is at hand --------------------------------------------------------------------------------------------------------

    def forget_all(self) -> None:
        """Another process has written: nothing that was read is good any more."""
        for one in self._good.values():
            one.book.held.pop(one, None)
        self._good.clear()
        self._by_key.clear()
        self._whole.clear()
        self._whole_kinds.clear()

    def make_room(self) -> None:
        """Forget what was read where it has become too much."""
        if len(self._good) > ROOM:
            self.forget_all()

    def _slot(self, kind: Kind, key: Key) -> tuple[int, str]:
        return self.world.rows.kind_number(kind), self.world.rows.keys.ident(key)

    def fetch(self, refs: Iterable[Ref]) -> None:
        """Read the generations of some keys in one go."""
        missing: dict[int, dict[str, None]] = {}
        for kind, key in refs:
            slot = self._slot(kind, key)
            if slot not in self._by_key:
                missing.setdefault(slot[0], {})[slot[1]] = None
        for kind_number, idents in missing.items():
            wanted = list(idents)
            for start in range(0, len(wanted), AT_ONCE):
                self._read_keys(kind_number, wanted[start : start + AT_ONCE])

    def _read_keys(self, kind: int, idents: list[str]) -> None:
        connection = self.connected()
        for ident in idents:
            self._by_key.setdefault((kind, ident), [])
        windows = self.world.windows(kind)
        if len(idents) == 1 and len(windows) < len(_OF_KEY):
            asked: dict[str, object] = {"b_world": self.world.number, "b_kind": kind, "b_key": idents[0]}
            for scope, floor in windows:
                asked["b_scope"], asked["b_floor"] = scope, floor
            self._take_up(connection.execute(_OF_KEY[len(windows)], asked).all())
            return
        statement = select(OPEN).where(OPEN.c.world == self.world.number, OPEN.c.kind == kind, OPEN.c.key.in_(idents))
        rows = list(connection.execute(statement).all())
        if windows:
            remembered = or_(*[and_(SETTLED.c.scope == scope, SETTLED.c.number > floor) for scope, floor in windows])
            of_keys = SETTLED.c.key.in_(idents)
            rows += connection.execute(select(SETTLED).where(remembered, SETTLED.c.kind == kind, of_keys)).all()
        self._take_up(rows)

    def connected(self) -> Connection:
        """The connection of the transaction that runs."""
        assert self.connection is not None, "outside of a transaction"
        return self.connection

    def _take_up(self, rows: Iterable[Any]) -> list[Kept]:
        """Make rows into generations, with what they refer to."""
        found = []
        outward: dict[int, None] = {}
        fresh: list[tuple[Kept, Row]] = []
        for raw in rows:
            row = Row(*raw)
            one = self._good.get(row.born)
            if one is None:
                one = self._make(row)
                fresh.append((one, row))
            elif self._slot(one.kind, one.key) == (row.kind, row.key):
                self._file(one, row.kind, row.key)  # it was read before its key was asked for
            found.append(one)
        for _, row in fresh:
            for other in (row.owner, row.parent, row.steps):
                if other is not None and other not in self._good:
                    outward[other] = None
        if outward:
            self.by_number(outward)
        for one, row in fresh:
            self._tie(one, row)
        return found

    def _make(self, row: Row) -> Kept:
        world = self.world
        kind, book = world.kind_of(row.kind), world.book_of(row.scope)
        one = self._all.get(row.born)
        if one is None:
            one = Kept(kind, world.rows.key_of(row), book, row.born)
            self._all[row.born] = one
        elif one.row is not None and one.row.key != row.key:
            one.key = world.rows.key_of(row)
        one.book = book
        one.row = None
        finding = world.rows.fill(one, row, world.kind_of)
        one.finding = world.finding(finding) if finding is not None else None
        self._good[row.born] = one
        if not one.settled:
            book.held[one] = None
        self._file(one, row.kind, row.key)
        return one

    def _file(self, one: Kept, kind: int, ident: str) -> None:
        """Put something that was read where its key is looked up, if that has been asked for."""
        slot = self._by_key.get((kind, ident))
        if slot is not None and one not in slot:
            slot.append(one)
            slot.sort(key=lambda other: (other.placed, other.born))

    def _tie(self, one: Kept, row: Row) -> None:
        """Let a generation that was read refer to others."""
        one.owner = self._good.get(row.owner) if row.owner is not None else None
        one.parent = self._good.get(row.parent) if row.parent is not None else None
        one.owned = self._children(one, "owner")
        one.parts = self._children(one, "parent")
        one.group = None
        if row.steps is not None:
            failed = self._good.get(row.steps)
            if failed is not None:
                one.group = self._group(failed)

    def _children(self, one: Kept, what: str) -> dict[Generation, None]:
        number = one.born
        column = OPEN.c[what]

        def read() -> list[Kept]:
            if self.connection is None:
                return []
            rows = self.connection.execute(
                select(OPEN).where(OPEN.c.world == self.world.number, column == number).order_by(OPEN.c.born)
            ).all()
            return [child for child in self._take_up(rows) if getattr(child, what) is one]

        return Lazily(read)

    def _group(self, failed: Kept) -> Steps:
        if failed.group is not None and failed.group.failed is failed:
            return failed.group
        group = failed.group = Steps(failed)
        rows = [
            row
            for table in (OPEN, SETTLED)
            for row in self.connected()
            .execute(select(table).where(table.c.world == self.world.number, table.c.steps == failed.born))
            .all()
        ]
        members = [one for one in self._take_up(rows) if one is not failed]
        for one in sorted(members, key=lambda one: one.steps_at):
            one.group = group
            group.steps.append(one)
        group.tried.update(one for one in (failed, *members) if one.tried)
        return group

    def by_number(self, numbers: Iterable[int]) -> list[Kept]:
        """The generations of some numbers, open or settled; those that are gone are left out."""
        wanted = list(dict.fromkeys(numbers))
        missing = [number for number in wanted if number not in self._good]
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            for table in (OPEN, SETTLED):
                statement = select(table).where(table.c.world == self.world.number, table.c.born.in_(some))
                self._take_up(self.connected().execute(statement).all())
        return [self._good[number] for number in wanted if number in self._good]

    def refresh(self, numbers: Iterable[int]) -> None:
        """Let those that somebody refers to be as they are now; what is gone is unseen."""
        wanted = list(numbers)
        found = {one.born for one in self.by_number(wanted)}
        for number in wanted:
            known = self._all.get(number)
            if number not in found and known is not None:
                known.state = State.UNSEEN

    def fetch_book(self, book: Book) -> None:
        """Read all that a scope holds."""
        if book not in self._whole:
            self._whole.add(book)
            scope = self.world.scope_number(book)
            self._take_up(self.connected().execute(select(OPEN).where(OPEN.c.scope == scope)).all())

    def _fetch_kind(self, kind: Kind) -> None:
        number = self.world.rows.kind_number(kind)
        if number not in self._whole_kinds:
            self._whole_kinds.add(number)
            statement = select(OPEN).where(OPEN.c.world == self.world.number, OPEN.c.kind == number)
            self._take_up(self.connected().execute(statement).all())

    # -- what the engine asks ---------------------------------------------------------------------------------------------------

    def table(self, kind: Kind, book: Book) -> Table:
        """Nothing is held plainly here."""
        raise AssertionError("a shared ledger has no lanes")

    def claim(self, kind: Kind, key: Key, book: Book) -> Any:
        """Nobody comes in between: the world's row is the lock."""

    @staticmethod
    def unclaim(table: Any, key: Key) -> None:
        """Nothing was claimed."""

    def take_all(self, book: Book) -> None:
        """All that a scope holds is at hand."""
        self.fetch_book(book)

    def _of_key(self, kind: Kind, key: Key) -> list[Kept]:
        slot = self._slot(kind, key)
        if slot not in self._by_key:
            self._read_keys(slot[0], [slot[1]])
        return self._by_key[slot]

    def held(self, kind: Kind, key: Key) -> list[Generation]:
        """The open generations of a key, in the order in which they came to it."""
        return self._seen([one for one in self._of_key(kind, key) if not one.settled and one.state in OPEN_STATES])

    def _remembered(self, kind: Kind, key: Key) -> list[Generation]:
        floors = dict(self.world.windows(self.world.rows.kind_number(kind)))
        found = []
        for one in self._of_key(kind, key):
            if one.settled:
                floor = floors.get(self.world.scope_number(one.book))
                if floor is not None and one.number > floor and not one.book.closed:
                    found.append(one)
        return self._seen(found)

    def _seen(self, found: list[Kept]) -> list[Generation]:
        """What the engine gets to see, it may change."""
        for one in found:
            self.touched[one] = None
        return list(found)

    def kinds(self) -> Iterator[Kind]:
        """The kinds of which something is held."""
        rows = self.connected().execute(select(OPEN.c.kind).where(OPEN.c.world == self.world.number).distinct()).all()
        fresh = {self.world.rows.kind_number(one.kind): None for one in self.touched if not one.settled}
        return iter([self.world.kind_of(number) for number in dict.fromkeys([*(row[0] for row in rows), *fresh])])

    def all_held(self, kind: Kind) -> list[Generation]:
        """Every open generation of a kind, oldest first."""
        return self._seen(self._all_of(kind))

    def view(self, kind: Kind) -> list[Generation]:
        """The same to look at only."""
        return list(self._all_of(kind))

    def _all_of(self, kind: Kind) -> list[Kept]:
        self._fetch_kind(kind)
        found = [
            one for one in self._good.values() if one.kind is kind and not one.settled and one.state in OPEN_STATES
        ]
        found.sort(key=lambda one: one.born)
        return found

    def books(self) -> list[Book]:
        """Nothing is held plainly here."""
        return []

    # -- what the engine changes ------------------------------------------------------------------------------------------------

    def touch(self, generation: Generation) -> None:
        """Something may have changed in it."""
        assert isinstance(generation, Kept)
        self.touched[generation] = None

    def put(self, generation: Generation) -> None:
        """Take up an open generation."""
        assert isinstance(generation, Kept)
        hold(generation.key)
        self.world.remember_key(generation.key)
        generation.process, generation.at = self.world.process, self.now
        self._all[generation.born] = generation
        self._good[generation.born] = generation
        self._place(generation)

    def _place(self, one: Kept) -> None:
        self._of_key(one.kind, one.key)
        one.placed = self.world.engine.seq
        one.book.held[one] = None
        self._by_key[self._slot(one.kind, one.key)].append(one)
        self.touched[one] = None

    def _displace(self, one: Kept) -> None:
        one.book.held.pop(one, None)
        slot = self._by_key.get(self._slot(one.kind, one.key))
        if slot is not None and one in slot:
            slot.remove(one)
        self.touched[one] = None

    def move(self, generation: Generation, book: Book) -> None:
        """Let another scope hold an open generation."""
        assert isinstance(generation, Kept)
        self._displace(generation)
        generation.book = book
        self._place(generation)

    def rename(self, generation: Generation, key: Key) -> None:
        """Give an open generation another key."""
        assert isinstance(generation, Kept)
        self._displace(generation)
        forget(generation.key)
        hold(key)
        self.world.remember_key(key)
        generation.key = key
        self._place(generation)

    def drop(self, generation: Generation) -> None:
        """Let an open generation go without remembering it."""
        assert isinstance(generation, Kept)
        self._displace(generation)
        self._good.pop(generation.born, None)
        forget(generation.key)

    def settle(self, generation: Generation, state: State) -> None:
        """Close an open generation. It is remembered while it is among the last of its scope and kind."""
        assert isinstance(generation, Kept)
        generation.book.held.pop(generation, None)
        generation.state = state
        generation.settled = True
        generation.number = self.world.file(generation)
        self.touched[generation] = None
        forget(generation.key)

    def close(self, book: Book) -> None:
        """Forget everything of a scope that has been judged."""
        self.world.clear_away(book)

    # -- writing back -----------------------------------------------------------------------------------------------------------

    def write_back(self) -> None:
        """Write what has changed."""
        world, rows = self.world, self.world.rows
        new: dict[Any, list[dict[str, Any]]] = {OPEN: [], SETTLED: []}
        changed: dict[Any, list[dict[str, Any]]] = {OPEN: [], SETTLED: []}
        gone: list[dict[str, int]] = []
        for one in self.touched:
            before = one.row
            kept = one.settled or (one.state in OPEN_STATES and one.born in self._good)
            if not kept:
                if before is not None:
                    gone.append({"b_world": world.number, "b_born": one.born})
                    one.row = None
                continue
            if one.group is not None:
                one.tried = one in one.group.tried
                one.steps_at = one.group.steps.index(one) + 1 if one in one.group.steps else 0
            finding = world.finding_ref(one.finding)
            row = rows.write(world.number, world.scope_number(one.book), one, finding)
            if row == before:
                continue
            one.row = row
            table = SETTLED if one.settled else OPEN
            if before is None:
                new[table].append(row._asdict())
            elif one.settled and before.number == 0:
                gone.append({"b_world": world.number, "b_born": one.born})
                new[table].append(row._asdict())
            else:
                changed[table].append({**row._asdict(), "b_world": world.number, "b_born": one.born})
        connection = self.connected()
        if gone:
            connection.execute(_DELETE, gone)
        for table, inserted in new.items():
            if inserted:
                connection.execute(_INSERT[table], inserted)
        for table, written in changed.items():
            if written:
                connection.execute(_UPDATE[table], written)
        self.touched.clear()


def _this(table: Any) -> Any:
    return and_(table.c.world == bindparam("b_world"), table.c.born == bindparam("b_born"))


_DELETE: Final = delete(OPEN).where(_this(OPEN))
_INSERT: Final = {table: insert(table) for table in (OPEN, SETTLED)}
_UPDATE: Final = {
    table: update(table)
    .where(_this(table))
    .values({name: bindparam(name) for name in Row._fields if name not in ("world", "born")})
    for table in (OPEN, SETTLED)
}


_OPEN_OF_KEY: Final = select(OPEN).where(
    OPEN.c.world == bindparam("b_world"), OPEN.c.kind == bindparam("b_kind"), OPEN.c.key == bindparam("b_key")
)
_SETTLED_OF_KEY: Final = select(SETTLED).where(
    SETTLED.c.scope == bindparam("b_scope"),
    SETTLED.c.number > bindparam("b_floor"),
    SETTLED.c.kind == bindparam("b_kind"),
    SETTLED.c.key == bindparam("b_key"),
)
_OF_KEY: Final = (_OPEN_OF_KEY, _OPEN_OF_KEY.union_all(_SETTLED_OF_KEY))
"""What there is of one key, where no scope remembers settled ones of its kind, and where one does."""


def counted(text: str) -> dict[str, Any]:
    """The state of a world, as its row has it."""
    told: dict[str, Any] = json.loads(text)
    return told
