"""The tables of a ledger.

A *world* is a set of scopes that may pay for one another, as those of one process do in its memory: it has one sequence, and
its row is the lock under which its steps come one after the other. A process has a world of its own; whoever joins a scope
joins that scope's world.

What is open is in `OPEN`, the table that steps and judgements read; what was settled moves to `SETTLED`, where it is found by
its key only, until `prune` takes it away.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    CursorResult,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION: Final = 3
"""The version of the schema that this lifeguard reads and writes (see `migrations`)."""

METADATA: Final = MetaData()

_SERIAL = BigInteger().with_variant(Integer, "sqlite")

SCHEMA: Final = Table("lifeguard_schema", METADATA, Column("version", Integer, nullable=False))

WORLDS: Final = Table(
    "lifeguard_worlds",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    Column("ident", String(32), nullable=False, unique=True),
    Column("seq", BigInteger, nullable=False),  # the number of the last event
    Column("state", Text, nullable=False),  # what is counted in it (see `worlds.Counting`)
)

PROCESSES: Final = Table(
    "lifeguard_processes",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    Column("ident", String(32), nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("host_ident", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started", Text, nullable=False),  # as the system tells it: two processes of one pid differ in it
    Column("program", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("seen", Float, nullable=False),  # when it last said that it lives, by the database's clock
    Column("lease", Float, nullable=False),
    Column("ended", Float),  # when it left in good order
)

SCOPES: Final = Table(
    "lifeguard_scopes",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    Column("ident", String(32), nullable=False, unique=True),
    Column("world", BigInteger, nullable=False, index=True),
    Column("process", BigInteger, nullable=False),  # where it was opened, and will be judged
    Column("name", Text, nullable=False),
    Column("state", String(8), nullable=False),  # open, judged, closed
    Column("settings", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("closed", Float),
    Column("late", BigInteger, nullable=False, default=0),
    Column("counts", Text),  # its tallies, once it is closed
    Column("verdict", Text),
)

JOINS: Final = Table(
    "lifeguard_joins",
    METADATA,
    Column("scope", BigInteger, primary_key=True, autoincrement=False),
    Column("process", BigInteger, primary_key=True, autoincrement=False),
    Column("since", Float, nullable=False),
    Column("ended", Float),
)

KINDS: Final = Table(
    "lifeguard_kinds",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rollback", Boolean, nullable=False),
    Column("settings", String(900), nullable=False),
    Column("payers", Text, nullable=False),
    UniqueConstraint("name", "rollback", "settings"),
)


def _generations(name: str) -> Table:
    return Table(
        name,
        METADATA,
        Column("world", BigInteger, primary_key=True, autoincrement=False),
        Column("born", BigInteger, primary_key=True, autoincrement=False),
        Column("scope", BigInteger, nullable=False),
        Column("kind", BigInteger, nullable=False),
        Column("key", String(250), nullable=False),  # what makes two keys the same one
        Column("placed", BigInteger, nullable=False),  # when it came to its place: orders what is held of a key
        Column("since", BigInteger, nullable=False),
        Column("number", BigInteger, nullable=False),  # of the settled ones of its scope and kind; 0 while open
        Column("owner", BigInteger),
        Column("parent", BigInteger),
        Column("steps", BigInteger),  # the failed call to whose steps it belongs
        Column("process", BigInteger, nullable=False),  # which one acquired it
        Column("at", Float, nullable=False),
        Column("data", Text, nullable=False),
    )


OPEN: Final = _generations("lifeguard_open")
SETTLED: Final = _generations("lifeguard_settled")

Index("lifeguard_open_key", OPEN.c.world, OPEN.c.kind, OPEN.c.key)
Index("lifeguard_open_scope", OPEN.c.scope)
Index("lifeguard_open_process", OPEN.c.process)
BELONGING: Final = tuple(
    Index(f"lifeguard_open_{name}", OPEN.c.world, OPEN.c[name], sqlite_where=found, postgresql_where=found)
    for name in ("owner", "parent", "steps")
    for found in [OPEN.c[name].is_not(None)]
)
"""Of the few that belong to another one: what stands alone costs nothing here."""
Index("lifeguard_settled_key", SETTLED.c.scope, SETTLED.c.kind, SETTLED.c.key, SETTLED.c.number)

FINDINGS: Final = Table(
    "lifeguard_findings",
    METADATA,
    Column("scope", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("ident", String(64)),  # of what it is about, where that is no generation
    Column("data", Text, nullable=False),
)
Index("lifeguard_findings_ident", FINDINGS.c.scope, FINDINGS.c.ident)

RUNNING: Final = Table(
    "lifeguard_running",
    METADATA,
    Column("world", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(250), primary_key=True),
    Column("calls", Text, nullable=False),  # so many calls of each process run that would owe this rollback
    Column("early", Text, nullable=False),  # the rollbacks that were done inside of them
)

LATE: Final = Table(
    "lifeguard_late",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    Column("scope", BigInteger, nullable=False, index=True),
    Column("process", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("data", Text, nullable=False),
)

CLAIMS: Final = Table(
    "lifeguard_claims",
    METADATA,
    Column("world", BigInteger, primary_key=True, autoincrement=False),
    Column("born", BigInteger, primary_key=True, autoincrement=False),
    Column("process", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("outcome", Text),  # None while it is tried
    Column("tries", Integer, nullable=False, default=1),
)


def inserted(result: CursorResult[Any]) -> int:
    """The number that a row was given which has just been inserted."""
    keys = result.inserted_primary_key
    assert keys is not None
    return int(keys[0])
