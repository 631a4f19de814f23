"""A scope that many processes are in: what travels to them, and how each of them enters it.

Facts for whoever carries the identity from process to process: `SharedScope` has no URL; the same ledger has to be named on both
sides. Joining asks the database once, when the block is entered; what is recorded in it is judged where the scope was opened,
so the opener has to stay until the others are done. A scope may be joined any number of times, also in the process that opened
it. A join that is left keeps what it acquired: it is still owed.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, select

from lifeguard import context
from lifeguard.context import LEDGER, OPEN, PROCESS, Event
from lifeguard.data import record
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.keys import repr_safely
from lifeguard.ledger.records import Call
from lifeguard.scopes import Scope
from lifeguard.settings import Reach, read_settings
from lifeguard.stores.books import SharedBook, book_of
from lifeguard.stores.naming import Ledger, read_ledger
from lifeguard.stores.schema import SCOPES, WORLDS
from lifeguard.stores.sharing import refuse_another
from lifeguard.stores.store import Store, store_of
from lifeguard.stores.switchboard import SWITCHBOARD
from lifeguard.stores.worlds import World
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    pass

Late = Literal["refuse", "record"]
"""What becomes of a join after the scope was closed: an error, or a join whose events are kept as late ones."""


@record
class SharedScope:
    """What travels to another process: enough to join the scope there, and never a URL with credentials.

    Attributes:
        ident: the scope's identity, 32 hexadecimal digits.
        name: what reports call it.
    """

    ident: str
    name: str


def shared(scope: Scope) -> SharedScope:
    """What another process needs to join a scope.

    Args:
        scope: an open scope that has a shared ledger.

    Raises:
        UsageError: it is not open, or its ledger is the memory of this process.
    """
    book = scope.book
    if not isinstance(book, SharedBook):
        raise UsageError.at_caller(
            f"{scope!r} has no shared ledger that others could join: scope(ledger=…) gives it one"
        )
    scope.expect_open("shared(…)")
    return SharedScope(book.ident, scope.name)


class _Joining:
    """Gives a join the book of the scope that it joins; an observer, so that every call is told whole."""

    def __init__(self, join: Join) -> None:
        self._join = join

    def opening(self, scope: Scope) -> None:
        """The join is entered."""
        self._join._find_scope()

    def began(self, call: Call) -> None:
        """Nothing to do: the ledger is told."""

    def event(self, event: Event) -> None:
        """Nothing to do: the ledger is told."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do: nothing is judged here."""


class Join(Scope):
    """One process's part in a shared scope. Made by `join`; used like a scope, but judges nothing."""

    judges = False

    def __init__(self, which: SharedScope, ledger: Ledger, reach: Reach, late: Late) -> None:
        super().__init__(which.name or f"scope {which.ident}", _settings(reach, _Joining(self)))
        self.which = which
        self._ledger = ledger
        self._late = late

    def __repr__(self) -> str:
        return f"<join of scope {self.name!r}, {self._state}>"

    def _find_scope(self) -> None:
        store = store_of(self._ledger)
        refuse_another(context.chain()[0], store, self)
        found = store.ask(None, _look_up, self.which.ident, store, otherwise=_UNKNOWN)
        if found is None:
            raise UsageError.at_caller(f"there is no scope {self.which.ident} in the ledger {self._ledger.name}")
        if found is _UNKNOWN:
            world = store.world_of_scope(self.which.ident)
            book = world.here(self.which.ident) or SharedBook(self.name, ident=self.which.ident)
        else:
            row, world_ident, fresh = found
            if row.state != "open" and self._late == "refuse":
                raise UsageError.at_caller(
                    f"scope {row.name!r} ({self.which.ident}) was closed before: join(…, late='record') would keep what "
                    "happens now as late events"
                )
            world = store.world(world_ident)
            known = world.here(self.which.ident)
            book = known if known is not None and not known.closed else fresh
            book.number, book.sealed = row.id, row.state != "open"
            self.name = row.name
        book.observers = (*book.observers, *(one for one in self.book.observers if one not in book.observers))
        world.enter(book)
        self.book = book
        store.ask(world, _enter, book)
        SWITCHBOARD.enter(book)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """Leave the scope: what is held stays owed, and is judged where the scope was opened."""
        node = self._entered[0] if self._entered is not None else None
        super().__exit__(kind, error, traceback)
        if node is not None:
            node.left = True  # for the tasks that were started inside

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        """The same in a coroutine."""
        self.__exit__(kind, error, traceback)

    def _end(self, error: BaseException | None) -> Verdict:
        book = self.book
        assert isinstance(book, SharedBook)
        self._state = "closed"
        OPEN.remove(self)
        if self in PROCESS:
            PROCESS.remove(self)
        LEDGER.stop_observing(self)
        book.observers = tuple(one for one in book.observers if one not in self._settings.observers)
        if book.world is not None:
            book.world.store.ask(book.world, _leave, book)
        SWITCHBOARD.leave(book)
        return Verdict(self.name, ended="left, not judged here", remember=book.remember)


_UNKNOWN: Any = object()


def _settings(reach: Reach, observer: _Joining) -> Any:
    return read_settings(
        reach=reach,
        on_violation="record",
        fail_fast=False,
        grace=None,
        remember=1024,
        only=None,
        ignore=(),
        on_leak=None,
        observers=(observer,),
        journal=None,
        ledger="memory",
        conditions=(),
        check_types=False,
        sample=1.0,
    )


def _look_up(connection: Connection, ident: str, store: Store) -> Any:
    row = connection.execute(select(SCOPES).where(SCOPES.c.ident == ident)).one_or_none()
    if row is None:
        return None
    world = connection.execute(select(WORLDS.c.ident).where(WORLDS.c.id == row.world)).scalar_one()
    return row, world, book_of(row.ident, row.name, row.settings, store.kinds)


def _enter(world: World, book: SharedBook) -> None:
    world.come_in(book)
    world.store.join(world.tables.connected(), book)


def _leave(world: World, book: SharedBook) -> None:
    world.store.part(world.tables.connected(), book)


def join(which: SharedScope | str, *, ledger: str | Ledger, reach: Reach = "context", late: Late = "refuse") -> Join:
    """Be in a scope that another process has opened.

    What the block acquires, releases, hands over and rolls back is recorded there, and is judged when the scope is closed
    where it was opened. Leaving the block judges nothing.

    Args:
        which: what `shared` gave, or the identity alone.
        ledger: the URL of the ledger, or `Ledger(url, …)`: the same database by which the scope was opened.
        reach: "context", or "process" for what threads, tasks and greenlets without a scope of their own do, too.
        late: what happens where the scope has been closed: "refuse" is a UsageError; "record" enters all the same, and what
            happens in the block is kept as late events (see `lifeguard.stores.late_events`).

    Returns:
        a context manager, sync and async; it may be entered once.

    Raises:
        DeclarationError: a value of the wrong sort.
        UsageError: on entering: there is no such scope in that ledger, or it has been closed. Where the database cannot be
            reached, the block runs, and its events wait in a file.
    """
    given = which
    if isinstance(which, str):
        which = SharedScope(which, "")
    if not isinstance(which, SharedScope) or not _is_ident(which.ident):
        raise DeclarationError.at_caller(
            f"join(…) takes what shared(scope) gave, or its identity (32 hexadecimal digits), not {repr_safely(given)}"
        )
    if late not in ("refuse", "record"):
        raise DeclarationError.at_caller(f"join(late=…) takes 'refuse' or 'record', not {repr_safely(late)}")
    if reach not in ("context", "process"):
        raise DeclarationError.at_caller(f"join(reach=…) takes 'context' or 'process', not {repr_safely(reach)}")
    read = read_ledger(ledger)
    if read is None:
        raise DeclarationError.at_caller("join(ledger=…) takes the URL of a shared ledger, not 'memory'")
    return Join(which, read, reach, late)


def _is_ident(text: object) -> bool:
    try:
        return isinstance(text, str) and uuid.UUID(text).hex == text
    except ValueError:
        return False
