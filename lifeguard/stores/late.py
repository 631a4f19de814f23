"""What happened in a scope after it had been judged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from lifeguard.data import record
from lifeguard.errors import UsageError
from lifeguard.keys import plain, show_fields
from lifeguard.places import Place
from lifeguard.stores.books import SharedBook
from lifeguard.stores.database import opened
from lifeguard.stores.keys import KeyCodec
from lifeguard.stores.kinds import Kinds
from lifeguard.stores.naming import Ledger, expect_ledger
from lifeguard.stores.schema import LATE, PROCESSES, SCOPES

if TYPE_CHECKING:
    from lifeguard.scopes import Scope
    from lifeguard.stores.joining import SharedScope

_DONE = {
    "ACQUIRE": "acquired",
    "RELEASE": "released",
    "TRANSFER": "transferred",
    "USE": "used",
    "FAIL": "failed",
    "ROLL_BACK": "rolled back",
}


@record
class LateEvent:
    """An event that came after its scope had been judged.

    Attributes:
        verb: what happened: "acquired", "released", "transferred", "used", "failed", "rolled back".
        kind: name of the kind.
        key: which one: the plain value, or a text where the key is the identity of an object.
        key_text: the key as reports print it.
        function: whose contract told it.
        place: the caller's line; None where there is none.
        actor: thread, task or greenlet.
        error: what the call raised, as a text; "" where it returned.
        host: on which host.
        pid: in which process.
        at: when, in seconds since 1970 by the database's clock.
    """

    verb: str
    kind: str
    key: object
    key_text: str
    function: str
    place: Place | None
    actor: str
    error: str
    host: str
    pid: int
    at: float

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place is not None else ""
        raised = f", which raised {self.error}" if self.error else ""
        return f"{self.kind} {self.key_text} {self.verb} by {self.function}{where}{raised}, process {self.pid} on {self.host}"


def late_events(scope: Scope | SharedScope | str, *, ledger: str | Ledger | None = None) -> tuple[LateEvent, ...]:
    """What happened in a scope after it had been judged, in whatever process.

    Args:
        scope: a scope with a shared ledger that this process opened, or what `shared` gave of it, or its identity.
        ledger: the URL of the ledger, or `Ledger(url, …)`; not needed with the scope itself.

    Returns:
        the events, in the order in which the database got them.

    Raises:
        DeclarationError: no ledger is named.
        UsageError: there is no such scope, or the ledger cannot be reached.
    """
    book = getattr(scope, "book", None)
    if isinstance(book, SharedBook) and book.world is not None:
        book.world.store.flush()
        ident, named = book.ident, book.world.store.ledger
    else:
        ident = scope if isinstance(scope, str) else str(getattr(scope, "ident", ""))
        named = expect_ledger(ledger, "late_events(ledger=…)")

    def find(connection: Connection) -> tuple[LateEvent, ...]:
        number = connection.execute(select(SCOPES.c.id).where(SCOPES.c.ident == ident)).scalar()
        if number is None:
            raise UsageError.at_caller(f"there is no scope {ident!r} in the ledger {named.name}")
        keys, kinds = KeyCodec(""), Kinds(lambda: connection)
        statement = select(LATE.c.data, LATE.c.at, PROCESSES.c.host, PROCESSES.c.pid).join_from(
            LATE, PROCESSES, LATE.c.process == PROCESSES.c.id
        )
        told = []
        for data, at, host, pid in connection.execute(
            statement.where(LATE.c.scope == number).order_by(LATE.c.id)
        ).all():
            verb, kind_number, key_data, function, place, actor, error = json.loads(data)
            kind, key = kinds.of(kind_number), keys.read(key_data)
            told.append(
                LateEvent(
                    _DONE[verb],
                    kind.name,
                    plain(key),
                    show_fields(key, kind.fields),
                    function,
                    Place(*place) if place is not None else None,
                    actor,
                    error,
                    host,
                    pid,
                    at,
                )
            )
        return tuple(told)

    with opened(named) as database:
        return database.run(find)
