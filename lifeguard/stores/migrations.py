"""The versions of the schema, and the way from each to the next: forwards only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text, update

from lifeguard.errors import UsageError
from lifeguard.stores import schema


def bring_up_to_date(connection: Connection) -> None:
    """Make the tables where there are none; take older ones step by step to the version of this lifeguard.

    Raises:
        UsageError: they are of a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7205759403792)"))  # one at a time makes the tables
    if not inspect(connection).has_table(schema.SCHEMA.name):
        schema.METADATA.create_all(connection)
        connection.execute(insert(schema.SCHEMA).values(version=schema.VERSION))
        return
    version = connection.execute(select(schema.SCHEMA.c.version)).scalar_one()
    if version > schema.VERSION:
        raise UsageError.at_caller(
            f"this ledger was written by a newer lifeguard: its tables have version {version}, and this one reads up to "
            f"{schema.VERSION}"
        )
    while version < schema.VERSION:
        STEPS[version](connection)
        version += 1
        connection.execute(update(schema.SCHEMA).values(version=version))


def _to_2(connection: Connection) -> None:
    """Claims on what is reaped came, and scopes keep their verdict."""
    schema.CLAIMS.create(connection)
    connection.execute(text("ALTER TABLE lifeguard_scopes ADD COLUMN verdict TEXT"))


def _to_3(connection: Connection) -> None:
    """The indexes by what an obligation belongs to have only those that belong to something."""
    for index in schema.BELONGING:
        index.drop(connection)
        index.create(connection)


STEPS: Final[dict[int, Callable[[Connection], None]]] = {1: _to_2, 2: _to_3}
"""From each version to the next."""
