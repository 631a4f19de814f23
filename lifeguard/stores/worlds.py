"""A world: scopes that may pay for one another, in whatever processes; its steps come one after the other.

The machine is the one of `lifeguard.ledger`, told the same steps in the same words. Only where its tables lie is another
matter (see `tables`): each step is done in a transaction that holds the world's row.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from lifeguard.keys import Key, ObjectKey, Tagged
from lifeguard.kinds import Kind
from lifeguard.ledger.acts import Engine
from lifeguard.ledger.book import Book
from lifeguard.ledger.machine import Ledger
from lifeguard.ledger.records import Act, Call, Finding, Generation, Subject, Verb
from lifeguard.ledger.spans import Span
from lifeguard.stores.books import SharedBook, book_of
from lifeguard.stores.rows import Kept, RowCodec
from lifeguard.stores.schema import FINDINGS, LATE, SCOPES, WORLDS, inserted
from lifeguard.stores.tables import StoredTables

if TYPE_CHECKING:
    from lifeguard.stores.store import Store

OBJECTS: Final = 4096
"""So many objects that are keys are known again after they were settled."""


class StoredEngine(Engine):
    """The verbs, over tables in a database."""

    __slots__ = ("_lateness", "world")

    generation = Kept

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.tables: StoredTables = StoredTables(world)

    def apply(self, call: Call, act: Act, *, raised: bool) -> None:
        """Do what one contract of one call says; what comes too late for a scope is written down for it."""
        late = self._too_late_for(call, act)
        if late is None:
            super().apply(call, act, raised=raised)
        else:
            self.tick()
            self.world.come_late(late, call, act, raised=raised)

    def _too_late_for(self, call: Call, act: Act) -> SharedBook | None:
        """The judged scope that an event is about."""
        naming = act.verb not in (Verb.ACQUIRE, Verb.FAIL)
        if naming:
            target = act.target if act.resolved else self.named(act.kind, act.key, call.chain)
            if target is not None:
                return target.book if target.book.sealed and isinstance(target.book, SharedBook) else None
        if self.home(act.kind, act.key, call.chain) is not None:
            return None
        for book in call.chain:
            if book.sealed and book.watches(act.kind) and isinstance(book, SharedBook):
                return book
        return None

    def blame(
        self, generation: Generation, code: str, text: str, call: Call | None, children: tuple[Generation, ...] = ()
    ) -> None:
        """Find fault with one generation."""
        self.tables.touch(generation)
        super().blame(generation, code, text, call, children)
        if generation.finding is not None:
            self.world.touch_finding(generation.finding)

    def complain(
        self,
        book: Book,
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
    ) -> None:
        """Find fault with something that is no generation."""
        ident = (code, kind, key, about)
        if ident not in book.loose:
            known = self.world.loose_finding(book, ident)
            if known is not None:
                book.loose[ident] = known
        super().complain(book, code, text, call=call, kind=kind, key=key, about=about)
        self.world.touch_finding(book.loose[ident], ident)

    def note(self, generation: Generation, call: Call, verb: str, text: str = "") -> None:
        """Write an event into a history."""
        self.tables.touch(generation)
        super().note(generation, call, verb, text)

    def tell(self, generation: Generation, call: Call, verb: Verb) -> None:
        """Remember which event last told a verb."""
        self.tables.touch(generation)
        super().tell(generation, call, verb)

    def open(
        self,
        call: Call,
        book: Book,
        kind: Kind,
        key: Key,
        verb: str,
        about: tuple[Subject, ...] = (),
        text: str = "",
        *,
        amounts: tuple[float, ...] | None = None,
    ) -> Generation:
        """Begin a new generation."""
        generation = super().open(call, book, kind, key, verb, about, text, amounts=amounts)
        assert isinstance(generation, Kept)
        generation.inside = any(span.running and span.rule != "steps" for span in generation.opened_in)
        return generation

    def _inherit(self, old: Generation, new: Generation) -> None:
        for one in (*old.parts, *old.owned):
            self.tables.touch(one)
        super()._inherit(old, new)


class WorldLedger(Ledger):
    """The door of a world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._engine: StoredEngine = StoredEngine(world)

    @property
    def engine(self) -> StoredEngine:
        """What is behind the door."""
        return self._engine


class World:
    """One world, as this process sees it. Used by one thread at a time."""

    def __init__(self, store: Store, ident: str, of_scope: str = "") -> None:
        self.store = store
        self.ident = ident
        self.of_scope = of_scope  # the scope by which it will be found, where its identity is not known yet
        self.number = 0
        self.ledger = WorldLedger(self)
        self.engine = self.ledger.engine
        self.tables = self.engine.tables
        self.kinds = store.kinds
        self.rows: RowCodec = store.rows
        self.process = store.process.number
        self.judging = 0  # so many scopes of this process are being judged: their steps are waited for
        self.state: dict[str, Any] = {"scopes": {}, "version": 0, "recorded": 0, "applied": {}}
        self.shadows: dict[Span, Span] = {}  # of the spans that run here
        self.entered_at = 0  # the number of its last event when this process came in
        self._scopes: dict[int, SharedBook] = {}  # those that are not closed
        self._elsewhere: dict[int, SharedBook] = {}
        self._here: weakref.WeakValueDictionary[str, SharedBook] = weakref.WeakValueDictionary()
        columns = (WORLDS.c.id, WORLDS.c.seq, WORLDS.c.state, store.database.now)
        self._lock = select(*columns).where(WORLDS.c.ident == bindparam("b_ident")).with_for_update()
        self._version = -1
        self._good = False
        self._written_state: tuple[int, str] = (-1, "")
        self._findings: dict[tuple[int, int], Finding] = {}
        self._numbers: dict[Finding, tuple[int, int]] = {}
        self._written: dict[Finding, str] = {}
        self._touched: dict[Finding, object] = {}
        self._late: list[dict[str, Any]] = []
        self._objects: OrderedDict[str, Key] = OrderedDict()

    # -- a transaction ----------------------------------------------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """A transaction begins: from now to its end nobody else writes here."""
        tables = self.tables
        tables.connection = connection
        if not self.ident:
            found = select(WORLDS.c.ident).join_from(WORLDS, SCOPES, WORLDS.c.id == SCOPES.c.world)
            self.ident = connection.execute(found.where(SCOPES.c.ident == self.of_scope)).scalar() or uuid.uuid4().hex
        this = {"b_ident": self.ident}
        row = connection.execute(self._lock, this).one_or_none()
        if row is None:
            first = {"ident": self.ident, "seq": self.engine.clock.seq, "state": json.dumps(self.state)}
            connection.execute(insert(WORLDS).values(**first))
            row = connection.execute(self._lock, this).one()
        self.number, seq, state, tables.now = row
        if not self._good or seq != self.engine.clock.seq:
            self._read_anew(seq, json.loads(state))
            self._written_state = seq, state
        self.engine.found = []

    def _read_anew(self, seq: int, state: dict[str, Any]) -> None:
        self.tables.forget_all()
        self.tables.touched.clear()
        self._touched.clear()
        self._late.clear()
        self._findings.clear()
        self.state = state
        self.engine.clock.seq = seq
        self.engine.acquired = state["recorded"]
        self._read_scopes()
        for number, book in self._scopes.items():
            book.counts_in(self.kinds, self.rows.keys.read, state["scopes"].get(str(number), {}))
        self._good = True

    def _read_scopes(self) -> None:
        if self.state["version"] == self._version:
            return
        connection = self._connected()
        found: dict[int, SharedBook] = {}
        statement = select(SCOPES).where(SCOPES.c.world == self.number, SCOPES.c.state != "closed")
        for row in connection.execute(statement).all():
            book = self._here.get(row.ident) or self._scopes.get(row.id)
            if book is None:
                book = book_of(row.ident, row.name, row.settings, self.kinds)
            book.number, book.world, book.opened_by = row.id, self, row.process
            book.sealed = row.state != "open"
            found[row.id] = book
        for book in {*self._scopes.values(), *self._here.values()}:
            if book.number and book.number not in found:
                book.sealed = True
                book.closed = book.closed or (not book.judged_here and book.ident not in self._here)
        self._scopes = found
        self._version = self.state["version"]

    def commit(self, process: int, last: int) -> None:
        """Write back what has changed; the transaction is about to be committed.

        Args:
            process: the number of this process.
            last: the number of its last step that is done then; 0 where there was none.
        """
        if last:
            self.state["applied"][str(process)] = last
        tables, connection = self.tables, self._connected()
        self._number_findings()
        tables.write_back()
        self._write_findings()
        if self._late:
            connection.execute(insert(LATE), self._late)
            self._late.clear()
        scopes = self.state["scopes"]
        for number, book in self._scopes.items():
            scopes[str(number)] = book.counts_out(self.kinds, self.rows.keys.write, scopes.get(str(number), {}))
        self.state["recorded"] = self.engine.acquired
        seq, state = self.engine.clock.seq, json.dumps(self.state, separators=(",", ":"))
        if (seq, state) != self._written_state:
            connection.execute(_WRITE_WORLD, {"b_id": self.number, "seq": seq, "state": state})
            self._written_state = seq, state

    def done(self) -> None:
        """The transaction is committed."""
        self.tables.connection = None
        self.tables.make_room()

    def undone(self) -> None:
        """The transaction was rolled back: nothing that is at hand is good."""
        self._good = False
        self._version = -1
        self._written_state = -1, ""
        self.tables.connection = None

    def _connected(self) -> Connection:
        assert self.tables.connection is not None
        return self.tables.connection

    # -- scopes -----------------------------------------------------------------------------------------------------------------

    def here(self, ident: str) -> SharedBook | None:
        """The book of a scope that this process is in, or was."""
        return self._here.get(ident)

    def come_in(self, book: SharedBook) -> None:
        """This process joins a scope."""
        self.entered_at = self.entered_at or self.engine.clock.seq
        self._version = -1
        self._read_scopes()
        for number, one in self._scopes.items():
            if one is book:
                book.counts_in(self.kinds, self.rows.keys.read, self.state["scopes"].get(str(number), {}))

    def lose(self, book: SharedBook) -> None:
        """A scope was closed here without the database: there it is closed by another book, later."""
        self._here.pop(book.ident, None)
        self._scopes.pop(book.number, None)
        self._good, self._version = False, -1

    def enter(self, book: SharedBook) -> None:
        """A scope of this process belongs to this world."""
        book.world = self
        self._here[book.ident] = book

    def book_of(self, number: int) -> SharedBook:
        """The book of a scope; a closed one where it is closed."""
        known = self._scopes.get(number) or self._elsewhere.get(number)
        if known is None:
            name = self._connected().execute(select(SCOPES.c.name).where(SCOPES.c.id == number)).scalar()
            known = self._elsewhere[number] = SharedBook(str(name or "a scope that is forgotten"), ident="")
            known.number = number
            known.sealed = known.closed = True
        return known

    def scope_number(self, book: Book) -> int:
        """The number of a scope in the database."""
        assert isinstance(book, SharedBook)
        return book.number

    def open_scope(self, book: SharedBook, settings: str) -> None:
        """A scope opens."""
        connection = self._connected()
        now = self.tables.now
        values = {
            "ident": book.ident,
            "world": self.number,
            "process": self.process,
            "name": book.name,
            "state": "open",
            "settings": settings,
            "since": now,
            "late": 0,
        }
        book.number = inserted(connection.execute(insert(SCOPES).values(**values)))
        book.opened_by = self.process
        book.shared_since, book.world_at_open = self.engine.acquired, self.engine.clock.seq
        self.enter(book)
        self._scopes[book.number] = book
        self.entered_at = self.entered_at or self.engine.clock.seq
        self._changed()

    def _changed(self) -> None:
        """Another scope is open, or judged, or closed: other processes have to look at the scopes again."""
        self._version = self.state["version"] = self.state["version"] + 1

    @property
    def waits(self) -> bool:
        """Whether a step is waited for until the database has committed it."""
        return self.judging > 0 or self.store.ledger.writing == "through"

    def open_books(self) -> tuple[SharedBook, ...]:
        """The scopes of this process that are open."""
        return tuple([book for book in self._here.values() if not book.closed])

    def seal_scope(self, book: SharedBook) -> None:
        """A scope is being judged."""
        self._set_scope(book, state="judged")

    def clear_away(self, book: Book) -> None:
        """A scope was judged, and closes: what it held is out of the way."""
        assert isinstance(book, SharedBook)
        self.tables.fetch_book(book)
        for one in list(book.held):
            assert isinstance(one, Kept)
            one.settled, one.number = True, _LEFT
            self.tables.touched[one] = None
        book.held.clear()
        counts = book.counts_out(self.kinds, self.rows.keys.write, self.state["scopes"].pop(str(book.number), {}))
        self._set_scope(book, state="closed", closed=self.tables.now, counts=json.dumps(counts), late=book.late)
        self._scopes.pop(book.number, None)
        self._elsewhere[book.number] = book

    def _set_scope(self, book: SharedBook, **values: object) -> None:
        self._connected().execute(update(SCOPES).where(SCOPES.c.id == book.number).values(**values))
        self._changed()

    def windows(self, kind: int) -> list[tuple[int, int]]:
        """The open scopes that remember settled ones of a kind, each with the number of the last one that it has forgotten."""
        known = self.kinds.of(kind)
        floors = [(number, book.floor(known)) for number, book in self._scopes.items()]
        return [(number, floor) for number, floor in floors if floor is not None]

    def file(self, generation: Kept) -> int:
        """One more was settled of a kind in a scope; its number."""
        assert isinstance(generation.book, SharedBook)
        return generation.book.filed(generation.kind)

    def kind_of(self, number: int) -> Kind:
        """The kind with a number."""
        return self.kinds.of(number)

    def remember_key(self, key: Key) -> None:
        """Keep a key that stands for an object: the object, seen again, has to be the same."""
        if _speaks_of_objects(key):
            ident = self.rows.keys.ident(key)
            self._objects[ident] = key
            self._objects.move_to_end(ident)
            while len(self._objects) > OBJECTS:
                self._objects.popitem(last=False)

    # -- what was found ---------------------------------------------------------------------------------------------------------

    def finding(self, ref: list[int]) -> Finding | None:
        """A finding, by its scope and number; None where that scope is closed."""
        scope, number = ref
        if scope not in self._scopes:
            return None
        known = self._findings.get((scope, number))
        if known is None:
            statement = select(FINDINGS.c.data).where(FINDINGS.c.scope == scope, FINDINGS.c.number == number)
            text = self._connected().execute(statement).scalar()
            if text is None:
                return None
            known = self._take_finding(scope, number, text)
        return known

    def _take_finding(self, scope: int, number: int, text: str) -> Finding:
        same = next((one for one, at in self._numbers.items() if at == (scope, number)), None)
        one = same or Finding("", self.book_of(scope), 0, "")
        self._findings[scope, number] = one
        self._numbers[one] = scope, number
        self._written[one] = text

        def known(born: int) -> Generation | None:
            return next(iter(self.tables.by_number([born])), None)

        self.rows.fill_finding(one, text, self.kind_of, known)
        return one

    def read_findings(self, book: SharedBook) -> None:
        """Have all that was found in a scope at hand."""
        statement = select(FINDINGS.c.number, FINDINGS.c.data).where(FINDINGS.c.scope == book.number)
        told = []
        for number, text in self._connected().execute(statement.order_by(FINDINGS.c.number)).all():
            known = self._findings.get((book.number, number))
            told.append(known or self._take_finding(book.number, number, text))
        fresh = [one for one in self._touched if one.book is book and one not in self._numbers]
        book.findings[:] = [*told, *fresh]

    def touch_finding(self, finding: Finding, ident: object = None) -> None:
        """A finding is new, or may have changed."""
        self._touched.setdefault(finding, ident)

    def _number_findings(self) -> None:
        for one in self._touched:
            book = one.book
            assert isinstance(book, SharedBook)
            if one not in self._numbers:
                book.found += 1
                self._numbers[one] = book.number, book.found
                self._findings[book.number, book.found] = one

    def finding_ref(self, finding: Finding | None) -> list[int] | None:
        """How the row of a generation names its finding."""
        at = self._numbers.get(finding) if finding is not None else None
        return list(at) if at is not None else None

    def _write_findings(self) -> None:
        connection = self._connected()
        for one, ident in self._touched.items():
            text = self.rows.write_finding(one)
            before = self._written.get(one)
            scope, number = self._numbers[one]
            if before is None:
                values = {"scope": scope, "number": number, "data": text, "ident": self._loose_ident(ident)}
                connection.execute(insert(FINDINGS).values(**values))
            elif before != text:
                connection.execute(
                    update(FINDINGS).where(FINDINGS.c.scope == scope, FINDINGS.c.number == number).values(data=text)
                )
            self._written[one] = text
        self._touched.clear()

    def loose_finding(self, book: Book, ident: tuple[Any, ...]) -> Finding | None:
        """What was found before of the same, by whatever process."""
        assert isinstance(book, SharedBook)
        statement = select(FINDINGS.c.number).where(
            FINDINGS.c.scope == book.number, FINDINGS.c.ident == self._loose_ident(ident)
        )
        number = self._connected().execute(statement).scalar()
        return self.finding([book.number, number]) if number is not None else None

    def _loose_ident(self, ident: Any) -> str | None:
        if ident is None:
            return None
        code, kind, key, about = ident
        about = about if isinstance(about, str | None) else f"{self.process}:{self.store.number_of(about)}"
        told = [code, self.kinds.number(kind) if kind is not None else 0]
        text = json.dumps([*told, self.rows.keys.ident(key) if key is not None else None, about])
        return hashlib.sha256(text.encode()).hexdigest()

    # -- what comes late --------------------------------------------------------------------------------------------------------

    def come_late(self, book: SharedBook, call: Call, act: Act, *, raised: bool) -> None:
        """An event came after its scope had been judged: it is kept for whoever asks."""
        book.late += 1
        data = [
            act.verb.name,
            self.kinds.number(act.kind),
            self.rows.keys.write(act.key),
            call.function,
            self.rows_place(call),
            call.actor,
            call.error if raised else "",
        ]
        self._late.append(
            {"scope": book.number, "process": self.process, "at": self.tables.now, "data": json.dumps(data)}
        )

    def rows_place(self, call: Call) -> list[object] | None:
        """The place of a call, for a row."""
        from lifeguard.stores.rows import place_of

        return place_of(call.site)


_LEFT: Final = -1
"""The number of what a scope left: among the settled, and remembered by nobody."""

_WRITE_WORLD: Final = (
    update(WORLDS).where(WORLDS.c.id == bindparam("b_id")).values(seq=bindparam("seq"), state=bindparam("state"))
)


def _speaks_of_objects(key: Key) -> bool:
    if type(key) is ObjectKey:
        return True
    if type(key) is Tagged:
        return any(_speaks_of_objects(part) for part in key[3]) if len(key) > 3 else False
    return isinstance(key, tuple) and any(map(_speaks_of_objects, key))
