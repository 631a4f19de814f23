"""A database that a ledger is kept in: opened, asked for the time, and written to in transactions that are tried again."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from lifeguard.errors import UsageError
from lifeguard.stores import migrations
from lifeguard.stores.naming import Ledger, shown

T = TypeVar("T")

TRIES: Final = 8
"""So many times a transaction is tried that others were in the way of."""

_IN_THE_WAY: Final = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATE of PostgreSQL: serialization failure, dead-lock, a lock that could not be had."""

BUSY: Final = 2_000
"""Milliseconds that SQLite waits for another process's transaction before it says that it is busy."""


class Unreachable(Exception):
    """The database does not answer, or cannot take what it is given: a full disk, a lost connection. Carries no URL."""


class Database:
    """One ledger's database, as this process reaches it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._url = make_url(ledger.url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = self._make()
        self.ready = False

    def _make(self) -> Engine:
        seconds = max(1, round(self.ledger.patience))
        if self.is_sqlite:
            engine = create_engine(
                self._url, poolclass=NullPool, connect_args={"timeout": BUSY / 1000, "check_same_thread": False}
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_immediate)
            return engine
        options = {
            "connect_timeout": seconds,
            "options": f"-c statement_timeout={seconds * 1000 * 6} -c lock_timeout={seconds * 1000}",
        }
        if "application_name" not in self._url.query:
            options["application_name"] = "lifeguard"
        return create_engine(self._url, poolclass=NullPool, connect_args={"prepare_threshold": 2, **options})

    def prepare(self) -> None:
        """Make the tables, or bring them up to date.

        Raises:
            Unreachable: it does not answer.
            UsageError: its tables are of a newer lifeguard.
        """
        if not self.ready:
            self.run(migrations.bring_up_to_date)
            self.ready = True

    def connect(self) -> Connection:
        """A connection of its own, for a thread that keeps it.

        Raises:
            Unreachable: it does not answer.
        """
        try:
            return self._engine.connect()
        except Exception as error:
            raise unreachable(error) from None

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one transaction, on a connection of its own.

        Raises:
            Unreachable: it does not answer, or others were in the way too often.
        """
        connection = self.connect()
        try:
            return in_transaction(connection, work)
        finally:
            with contextlib.suppress(Exception):
                connection.close()

    def forget_connections(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self._engine.dispose(close=False)
        self._engine = self._make()

    @property
    def now(self) -> Any:
        """The database's clock, in seconds, as an expression: no host's clock is asked."""
        if self.is_sqlite:
            return text("(julianday('now') - 2440587.5) * 86400.0")
        return text("extract(epoch from clock_timestamp())")

    def clock(self, connection: Connection) -> float:
        """What the database's clock says."""
        return float(connection.execute(select(self.now)).scalar_one())


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def in_transaction(
    connection: Connection, work: Callable[[Connection], T], before_again: Callable[[], object] | None = None
) -> T:
    """Do some work in one transaction; again, a bounded number of times, where others were in the way.

    Args:
        connection: an open one.
        work: what is to be done; may be done several times, of which one counts.
        before_again: called before each further time.

    Raises:
        Unreachable: the database does not answer, or others were in the way too often.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(random.uniform(0, 0.004 * 2**attempt))
            if before_again is not None:
                before_again()
        try:
            with connection.begin():
                return work(connection)
        except DBAPIError as error:
            _roll_back(connection)
            if is_in_the_way(error) and attempt + 1 < TRIES:
                continue
            raise unreachable(error) from None
    raise AssertionError("the last attempt returns or raises")


def _roll_back(connection: Connection) -> None:
    with contextlib.suppress(Exception):
        connection.rollback()


def is_in_the_way(error: DBAPIError) -> bool:
    """Whether another transaction is why this one failed, so that it may be tried again."""
    origin = error.orig
    if isinstance(origin, sqlite3.OperationalError):
        return "locked" in str(origin) or "busy" in str(origin)
    return getattr(origin, "sqlstate", None) in _IN_THE_WAY


def unreachable(error: Exception) -> Exception:
    """What is said of a database's error: its kind and its own words, without statements, parameters or URL."""
    if isinstance(error, UsageError | Unreachable):
        return error
    origin = getattr(error, "orig", None) or error
    if isinstance(error, InterfaceError | OperationalError | DBAPIError | OSError):
        words = str(origin).strip().splitlines()
        return Unreachable(f"{type(origin).__name__}: {shown_words(words[0]) if words else 'no words'}")
    return Unreachable(type(error).__name__)


def shown_words(words: str) -> str:
    """The words of a database, any URL in them without its password."""
    return " ".join(shown(word) if "://" in word else word for word in words.split(" "))


@contextlib.contextmanager
def opened(ledger: Ledger) -> Iterator[Database]:
    """A database for some questions: prepared, and let go in the end.

    Raises:
        UsageError: it does not answer, or is of a newer lifeguard.
    """
    database = Database(ledger)
    try:
        database.prepare()
    except Unreachable as error:
        raise UsageError.at_caller(f"the ledger {ledger.name} cannot be reached: {error}") from None
    yield database
