"""SQLAlchemy 2.1.9, explored: a session over two databases, of which one refuses to give its connection back."""

# ruff: noqa: D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import gc
import logging
import sqlite3
from typing import cast

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from lifeguard import BoundContracts, Resource, acquires, contracts_for, releases, uses
from lifeguard.faults import Result, armed, explore

connection = Resource("connection")


@contracts_for("sqlalchemy.engine:Connection")
class ConnectionContracts(BoundContracts):
    """A connection goes back to its pool with `close`."""

    @releases(connection, key="self")
    def close(self) -> None: ...


@contracts_for("sqlalchemy.engine:Engine")
class EngineContracts(BoundContracts):
    """A connection is checked out with `connect`."""

    @acquires(connection, key="result", raises=OperationalError)
    def connect(self) -> object: ...


def gone() -> OperationalError:
    """The error of a database that went away."""
    return OperationalError("", None, Exception("gone"))


@contracts_for("sqlalchemy.engine.default:DefaultDialect")
class DialectContracts(BoundContracts):
    """What goes to the database at the end of a transaction; any of it may fail."""

    @uses(connection, key="dbapi_connection", raises=OperationalError)
    def do_commit(self, dbapi_connection: object) -> None: ...

    @uses(connection, key="dbapi_connection", raises=OperationalError)
    def do_rollback(self, dbapi_connection: object) -> None: ...


metadata = MetaData()
left = Table("left", metadata, Column("id", Integer, primary_key=True))
right = Table("right", metadata, Column("id", Integer, primary_key=True))


def two_engines() -> tuple[Engine, Engine]:
    """Two databases in memory, each with a table."""
    engines = create_engine("sqlite://", poolclass=QueuePool), create_engine("sqlite://", poolclass=QueuePool)
    for engine, table in zip(engines, (left, right), strict=True):
        with engine.begin() as setup:
            table.create(setup)
    return engines


def explored() -> Result:
    """Write to both databases in one session, with each call failing once."""

    def write_both() -> None:
        one, two = two_engines()
        try:
            with armed(), Session(binds={left: one, right: two}) as session:
                session.execute(left.insert().values(id=1))
                session.execute(right.insert().values(id=1))
                session.commit()
        finally:
            one.dispose()
            two.dispose()

    with EngineContracts.applied(), ConnectionContracts.applied(), DialectContracts.applied():
        return explore(
            write_both, kinds=["before", "stuck"], pairs="all", make={OperationalError: gone}, progress=False
        )


def without_lifeguard() -> tuple[int, int, int]:
    """Nothing injected: both connections are lost and the session is closed; what do the pools count as checked out?

    Returns:
        how many before, how many while the error is kept, and how many when it is gone.
    """
    engines = two_engines()
    session = Session(binds={left: engines[0], right: engines[1]})
    for engine in engines:
        lost = session.connection(bind_arguments={"bind": engine})
        cast(sqlite3.Connection, lost.connection.dbapi_connection).close()
    del lost
    counts = [checked_out(engines)]
    try:
        session.close()
    except ProgrammingError:
        counts.append(checked_out(engines))
    gc.collect()
    counts.append(checked_out(engines))
    before, kept, after = counts
    return before, kept, after


def checked_out(engines: tuple[Engine, ...]) -> int:
    """How many connections the pools of some engines have given out."""
    return sum(cast(QueuePool, engine.pool).checkedout() for engine in engines)


if __name__ == "__main__":
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)  # each rollback that is made to fail is logged otherwise
    print(explored().report())
    print("checked out before, while the error is kept, and after it:", without_lifeguard())
