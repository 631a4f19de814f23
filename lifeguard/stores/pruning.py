"""What nobody needs any more is taken out of a ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, exists, select, update

from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.keys import repr_safely
from lifeguard.stores import processes
from lifeguard.stores.database import Database, opened
from lifeguard.stores.naming import Ledger, expect_ledger
from lifeguard.stores.schema import CLAIMS, FINDINGS, JOINS, LATE, OPEN, PROCESSES, SCOPES, SETTLED, WORLDS


@record
class Pruned:
    """How much was taken out.

    Attributes:
        scopes: closed scopes, with all that they held, found and heard late.
        settled: settled obligations, those of closed scopes and the forgotten ones of open ones.
        processes: processes that have ended, and of which nothing is left.
    """

    scopes: int
    settled: int
    processes: int

    def __str__(self) -> str:
        counts = (
            (self.scopes, "scope", "scopes"),
            (self.settled, "settled obligation", "settled obligations"),
            (self.processes, "process", "processes"),
        )
        *some, last = [f"{number} {word if number == 1 else many}" for number, word, many in counts]
        return f"taken out: {', '.join(some)} and {last}"


def prune(ledger: str | Ledger, *, older_than: float | timedelta) -> Pruned:
    """Take out of a ledger what was closed, settled or has ended some time ago. Nothing that is owed is touched.

    Args:
        ledger: the URL, or `Ledger(url, …)`.
        older_than: seconds, or a timedelta, by the database's clock: since a scope was closed; since an obligation began that an
            open scope has settled and remembers no more; since a process has ended.

    Returns:
        how much it was.

    Raises:
        DeclarationError: it names no ledger, or no span of time.
        UsageError: it cannot be reached, or is of a newer lifeguard.
    """
    seconds = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise DeclarationError.at_caller(
            f"prune(older_than=…) takes seconds from 0 or a timedelta, not {repr_safely(older_than)}"
        )
    named = expect_ledger(ledger, "prune(…)")
    with opened(named) as database:
        return database.run(lambda connection: _prune(connection, database, seconds))


def _prune(connection: Connection, database: Database, seconds: float) -> Pruned:
    now = database.clock(connection)
    before = now - seconds
    _close_abandoned(connection, now)
    old = select(SCOPES.c.id).where(SCOPES.c.state == "closed", SCOPES.c.closed <= before)
    settled = _gone(connection, delete(SETTLED).where(SETTLED.c.scope.in_(old)))
    for table in (FINDINGS, LATE, JOINS):
        _gone(connection, delete(table).where(table.c.scope.in_(old)))
    scopes = _gone(connection, delete(SCOPES).where(SCOPES.c.id.in_(old)))
    settled += _forgotten(connection, before)
    there = exists().where(OPEN.c.world == CLAIMS.c.world, OPEN.c.born == CLAIMS.c.born)
    _gone(connection, delete(CLAIMS).where(~there, CLAIMS.c.at <= before))
    _gone(connection, delete(WORLDS).where(~exists().where(SCOPES.c.world == WORLDS.c.id), _of_the_dead(before)))
    needed = [
        exists().where(table.c.process == PROCESSES.c.id) for table in (OPEN, SETTLED, SCOPES, JOINS, LATE, CLAIMS)
    ]
    ended = [PROCESSES.c.ended.is_not(None), PROCESSES.c.ended <= before]
    return Pruned(scopes, settled, _gone(connection, delete(PROCESSES).where(*ended, *(~one for one in needed))))


def _close_abandoned(connection: Connection, now: float) -> None:
    """What a dead process opened, and nobody owes anything in any more, is closed."""
    rows = {row.id: row for row in connection.execute(select(PROCESSES)).all()}
    for row in connection.execute(select(SCOPES).where(SCOPES.c.state != "closed")).all():
        process = rows.get(row.process)
        if process is not None and not processes.is_dead(process, now):
            continue
        if connection.execute(select(OPEN.c.born).where(OPEN.c.scope == row.id).limit(1)).scalar() is None:
            closed = process.seen if process is not None else row.since
            connection.execute(update(SCOPES).where(SCOPES.c.id == row.id).values(state="closed", closed=closed))


def _of_the_dead(before: float) -> Any:
    """A world whose process has ended."""
    return exists().where(PROCESSES.c.ident == WORLDS.c.ident, PROCESSES.c.ended <= before)


def _forgotten(connection: Connection, before: float) -> int:
    """What open scopes have settled, and remember no more."""
    from json import loads

    count = 0
    for row in connection.execute(select(SCOPES).where(SCOPES.c.state != "closed")).all():
        remember = loads(row.settings)["remember"]
        if remember is None:
            continue
        state = loads(connection.execute(select(WORLDS.c.state).where(WORLDS.c.id == row.world)).scalar_one())
        for kind, counts in state["scopes"].get(str(row.id), {}).get("kinds", {}).items():
            statement = delete(SETTLED).where(
                SETTLED.c.scope == row.id,
                SETTLED.c.kind == int(kind),
                SETTLED.c.number <= counts[_FILED] - remember,
                SETTLED.c.at <= before,
            )
            count += _gone(connection, statement)
    return count


_FILED = 7
"""Where in the counts of a kind stands how many were settled."""


def _gone(connection: Connection, statement: Any) -> int:
    return int(connection.execute(statement).rowcount)
