"""How a ledger is named: by a URL, or by a URL with settings. What is shown of a URL never holds its password."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, Literal

from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.extensions import installed, missing
from lifeguard.keys import repr_safely

Writing = Literal["through", "background"]

MEMORY: Final = "memory"
"""The ledger of scopes that say nothing else: of one process, and gone with it."""

BACK_ENDS: Final = ("sqlite", "postgresql")
"""The databases that a ledger may be kept in."""

_SECRETS: Final = re.compile(r"(?i)(password|passwd|pwd|secret|token|sslkey|passfile)")


@record
class Ledger:
    """A ledger that many processes share, and how this process writes to it.

    Attributes:
        url: "memory", or a URL of SQLAlchemy: "sqlite:///run.db", "postgresql+psycopg://user@host/database".
        writing: "through": a watched call returns when the database has committed what it did; "background": it returns at
            once, and a thread writes in order, in batches, and all of it before a scope is judged. Where 20,000 steps wait to be
            written, the next call waits for them.
        patience: seconds that a watched call, or the judgement, waits for a database that does not answer; then its events
            wait in a file, and the call goes on.
        lease: seconds after which a process on another host is taken for dead when nothing was heard of it.
        waiting_room: the folder for events that wait; None for one of the user's own among the temporary files.
    """

    url: str
    writing: Writing = "through"
    patience: float = 5.0
    lease: float = 15.0
    waiting_room: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.url, str) or not self.url:
            raise DeclarationError.at_caller(f"Ledger(url) takes 'memory' or a URL, not {repr_safely(self.url)}")
        if self.writing not in ("through", "background"):
            raise DeclarationError.at_caller(
                f"Ledger(writing=…) takes 'through' or 'background', not {repr_safely(self.writing)}"
            )
        for name in ("patience", "lease"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise DeclarationError.at_caller(f"Ledger({name}=…) takes seconds above 0, not {repr_safely(value)}")
        if self.url != MEMORY:
            check(self.url)

    def __repr__(self) -> str:
        return f"Ledger({shown(self.url)!r}, writing={self.writing!r})"

    @property
    def name(self) -> str:
        """What may be shown of it, and what makes two ledgers the same: the URL without its password."""
        return shown(self.url)

    @property
    def fingerprint(self) -> str:
        """A name for files that belong to it, of which nothing can be read."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


def check(url: str) -> None:
    """See that a URL can name a ledger.

    Raises:
        DeclarationError: it cannot; the text shows no password.
        UsageError: SQLAlchemy, or the driver that it asks for, is not installed.
    """
    what = "scope(ledger=…)"
    if not installed("sqlalchemy"):
        raise missing("sqlalchemy", "sql", what)
    from sqlalchemy.engine import make_url

    try:
        parsed = make_url(url)
        back_end, driver, database = parsed.get_backend_name(), parsed.get_driver_name(), parsed.database
    except Exception:  # no URL at all, or a dialect or driver that SQLAlchemy does not know
        back_end = driver = database = ""
    if back_end not in BACK_ENDS or driver not in ("pysqlite", "psycopg"):
        raise DeclarationError.at_caller(
            f"{what} takes 'memory', a URL like 'sqlite:///run.db' or 'postgresql+psycopg://user@host/database', "
            f"not {shown(url)!r}"
        )
    if back_end == "sqlite" and database in (None, "", ":memory:"):
        raise DeclarationError.at_caller(
            f"{what} takes the file of a SQLite database that others can open, not {shown(url)!r}"
        )
    if driver == "psycopg" and not installed("psycopg"):
        raise missing("psycopg", "postgresql", f"{what} with PostgreSQL")


def shown(url: Any) -> str:
    """A URL as it may be shown anywhere: without its password, and without what else may be a secret."""
    text = str(url)
    scheme, found, rest = text.partition("://")
    if not found:
        return text if re.fullmatch(r"[\w.\-/\\ ]*", text) else "a text that is no URL"
    place, _, query = rest.partition("?")
    user, at, host = place.rpartition("@")
    if at:
        place = f"{user.partition(':')[0]}{':***' if ':' in user else ''}@{host}"
    kept = [
        f"{name}=***" if _SECRETS.search(name) else f"{name}={value}"
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    ]
    return f"{scheme}://{place}{'?' if kept else ''}{'&'.join(kept)}"


def read_ledger(value: Any) -> Ledger | None:
    """What `scope(ledger=…)` was given, checked; None for the memory of the process.

    Raises:
        DeclarationError: it names no ledger.
        UsageError: a library that it needs is not installed.
    """
    if isinstance(value, str) and value:
        value = Ledger(value)
    if not isinstance(value, Ledger):
        raise DeclarationError.at_caller(
            f"scope(ledger=…) takes 'memory', a URL or Ledger(url, …), not {repr_safely(value)}"
        )
    return None if value.url == MEMORY else value


def expect_ledger(value: Any, what: str) -> Ledger:
    """A shared ledger, and not the memory of a process.

    Raises:
        DeclarationError: it is none.
    """
    ledger = read_ledger(value) if value is not None else None
    if ledger is None:
        raise DeclarationError.at_caller(
            f"{what} takes the URL of a shared ledger or Ledger(url, …), not {repr_safely(value)}"
        )
    return ledger
