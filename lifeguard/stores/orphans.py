"""What dead processes still owe: as data, as a text, as JSON, and as an exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from lifeguard.data import record
from lifeguard.keys import Key, ObjectKey, Tagged, plain, show_fields
from lifeguard.kinds import Resource
from lifeguard.ledger.states import State
from lifeguard.places import Place
from lifeguard.stores import processes
from lifeguard.stores.database import Database, opened
from lifeguard.stores.keys import KeyCodec
from lifeguard.stores.kinds import Kinds
from lifeguard.stores.naming import Ledger, expect_ledger
from lifeguard.stores.rows import Row
from lifeguard.stores.schema import OPEN, PROCESSES, SCOPES


@record
class Orphan:
    """An obligation whose process is dead.

    Attributes:
        kind: name of its kind.
        key: which one: the plain value, or a text where the key is the identity of an object that was in that process.
        key_text: the key as reports print it.
        callable: whether the key means anything outside of that process, so that something can be called with it.
        state: "held", "partly released", "in doubt" or "owed" (a rollback).
        scope: name of the scope that holds it.
        scope_ident: the identity of that scope.
        scope_lives: whether the process lives that opened the scope, and will judge it.
        host: where it was acquired.
        pid: by which process there.
        program: what ran in that process.
        function: by which function.
        place: at which line; None where it is not known.
        actor: by which thread, task or greenlet.
        since: when, in seconds since 1970 by the database's clock.
        age: how many seconds ago that is, by the same clock.
        world: number of the world, and
        born: of the event in it: together what makes this obligation itself.
    """

    kind: str
    key: object
    key_text: str
    callable: bool
    state: str
    scope: str
    scope_ident: str
    scope_lives: bool
    host: str
    pid: int
    program: str
    function: str
    place: Place | None
    actor: str
    since: float
    age: float
    world: int
    born: int

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place is not None else ""
        lives = "" if not self.scope_lives else "; the scope is still open elsewhere"
        return (
            f"{self.kind} {self.key_text} ({self.state}), acquired by {self.function}{where}, process {self.pid} on {self.host} "
            f"({self.program}, {self.actor}), {_age(self.age)} ago, in scope {self.scope!r}{lives}"
        )

    def as_dict(self) -> dict[str, object]:
        """The obligation as JSON-ready data."""
        return {
            "kind": self.kind,
            "key": self.key_text,
            "state": self.state,
            "scope": self.scope,
            "scope_ident": self.scope_ident,
            "scope_lives": self.scope_lives,
            "host": self.host,
            "pid": self.pid,
            "program": self.program,
            "function": self.function,
            "place": self.place.as_dict() if self.place is not None else None,
            "actor": self.actor,
            "since": self.since,
            "age": self.age,
            "world": self.world,
            "born": self.born,
        }


class Orphans(Sequence[Orphan]):
    """What dead processes owe, oldest first.

    Attributes:
        ledger: the ledger, without its password.
    """

    def __init__(self, ledger: str, found: Sequence[Orphan]) -> None:
        self.ledger = ledger
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: Any) -> Any:
        return self._found[index]

    def __iter__(self) -> Iterator[Orphan]:
        return iter(self._found)

    def __str__(self) -> str:
        if not self._found:
            return f"No dead process owes anything in {self.ledger}."
        count = f"{len(self._found)} obligation{'s' if len(self._found) != 1 else ''}"
        return "\n".join([f"{count} of dead processes in {self.ledger}:", *(f"  {one}" for one in self._found)])

    @property
    def exit_code(self) -> int:
        """0 where nothing is owed, else 3, as everywhere on the command line."""
        return 3 if self._found else 0

    def as_dict(self) -> dict[str, object]:
        """Everything as JSON-ready data."""
        return {"schema": 1, "ledger": self.ledger, "orphans": [one.as_dict() for one in self._found]}

    def as_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(self.as_dict(), indent=2)


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} seconds"


def orphans(ledger: str | Ledger) -> Orphans:
    """What processes still owe that are known to be dead.

    One that ended in good order, having left what it acquired to a scope that is still open elsewhere, is not meant.

    One on this host is dead as soon as it has ended; one on another host when it has said nothing for as long as its lease, by
    the clock of the database.

    Args:
        ledger: the URL, or `Ledger(url, …)`.

    Returns:
        the obligations, oldest first.

    Raises:
        DeclarationError: it names no ledger.
        UsageError: it cannot be reached, or is of a newer lifeguard.
    """
    named = expect_ledger(ledger, "orphans(…)")
    with opened(named) as database:
        return Orphans(named.name, database.run(lambda connection: _find(connection, database)))


def _find(connection: Connection, database: Database) -> list[Orphan]:
    now = database.clock(connection)
    rows = {row.id: row for row in connection.execute(select(PROCESSES)).all()}
    dead = {number for number, row in rows.items() if processes.is_dead(row, now)}
    scopes = {row.id: row for row in connection.execute(select(SCOPES).where(SCOPES.c.state != "closed")).all()}
    keys, kinds = KeyCodec(""), Kinds(lambda: connection)
    found = []
    for raw in connection.execute(
        select(OPEN).where(OPEN.c.process.in_(sorted(dead))).order_by(OPEN.c.at, OPEN.c.born)
    ).all():
        row = Row(*raw)
        scope = scopes.get(row.scope)
        data = json.loads(row.data)
        seeded = bool(data[6] & 1)
        left_well = rows[row.process].ended is not None and scope is not None and scope.process not in dead
        if scope is None or seeded or left_well:
            continue
        kind, key = kinds.of(row.kind), keys.read(data[0])
        first: list[Any] = data[10][0] if data[10] else [0, "", "", None, "", 0, ""]
        process = rows[row.process]
        state = State[data[1]].value if isinstance(kind, Resource) else "owed"
        found.append(
            Orphan(
                kind.name,
                plain(key),
                show_fields(key, kind.fields),
                _means_something(key),
                state,
                scope.name,
                scope.ident,
                scope.process not in dead,
                process.host,
                process.pid,
                process.program,
                first[2],
                Place(*first[3]) if first[3] is not None else None,
                first[4],
                row.at,
                now - row.at,
                row.world,
                row.born,
            )
        )
    return found


def _means_something(key: Key) -> bool:
    """Whether nothing in a key is the identity of an object."""
    if type(key) is ObjectKey or (type(key) is Tagged and any(type(part) is ObjectKey for part in key)):
        return False
    return all(map(_means_something, key)) if isinstance(key, tuple) and type(key) is not Tagged else True
