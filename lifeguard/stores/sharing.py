"""What a scope with a shared ledger has beside an ordinary one: a book in the database, opened and closed with it."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, update

from lifeguard import context
from lifeguard.context import Event
from lifeguard.errors import UsageError
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Call
from lifeguard.stores.books import SharedBook
from lifeguard.stores.jobs import Job
from lifeguard.stores.naming import Ledger
from lifeguard.stores.schema import SCOPES
from lifeguard.stores.store import Store, store_of
from lifeguard.stores.switchboard import SWITCHBOARD
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.scopes import Scope


ASKED_AGAIN: Final = 0.05
"""Seconds after which a database that does not answer is asked again, when a scope is about to be judged."""


class Sharing:
    """The observer behind `scope(ledger=…)`."""

    def __init__(self, ledger: Ledger, reach: str) -> None:
        self.ledger = ledger
        self._reach = reach
        self._book: SharedBook | None = None

    def opening(self, scope: Scope) -> None:
        """The scope is about to open: it gets a book in the database.

        Raises:
            UsageError: the database was never reached by this process, or is of a newer lifeguard; or a scope around has
                another shared ledger.
        """
        chain = context.chain()[0]
        store = store_of(self.ledger)
        refuse_another(chain, store, scope)
        before = scope.book
        book = SharedBook(
            scope.name, ident=uuid.uuid4().hex, remember=before.remember, only=before.only, ignore=before.ignore
        )
        book.observers = before.observers
        book.judged_here = True
        world = next((one.world for one in chain if isinstance(one, SharedBook) and one.world is not None), None)
        world = world or store.world_of_process()
        world.enter(book)
        job = store.tell(Job("open", world, (book, self._reach)), wait=True)
        if job.error is not None:
            raise job.error
        if not book.number and not store.ever_reached:
            raise UsageError.at_caller(
                f"the ledger {self.ledger.name} cannot be reached: {store.trouble or 'no answer'}"
            )
        scope.book = self._book = book
        SWITCHBOARD.enter(book)

    def began(self, call: Call) -> None:
        """Nothing to do: the ledger is told."""

    def event(self, event: Event) -> None:
        """Nothing to do: the ledger is told."""

    def judging(self, scope: Scope) -> None:
        """The scope is about to be judged: what waits is written first, and from here on each step is waited for."""
        if self._book is not None and self._book.world is not None:
            self._book.world.judging += 1
            store = self._book.world.store
            until = time.monotonic() + self.ledger.patience
            while not store.flush() and time.monotonic() < until:
                time.sleep(ASKED_AGAIN)

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged, and closed."""
        book, self._book = self._book, None
        if book is None or book.world is None:
            return
        book.world.judging -= 1
        text = json.dumps(verdict.as_dict())
        book.world.store.ask(None, _write_verdict, book, text)
        SWITCHBOARD.leave(book)


def refuse_another(chain: tuple[Book, ...], store: Store, what: object) -> None:
    """See that no scope around has a shared ledger of another database.

    Raises:
        UsageError: one has.
    """
    for book in chain:
        if isinstance(book, SharedBook) and book.world is not None and book.world.store is not store:
            raise UsageError.at_caller(
                f"{what!r} has the ledger {store.ledger.name}, and scope {book.name!r} around it another one "
                f"({book.world.store.ledger.name}): nothing could be handed from one to the other"
            )


def _write_verdict(connection: Connection, book: SharedBook, text: str) -> None:
    connection.execute(update(SCOPES).where(SCOPES.c.id == book.number).values(verdict=text))
