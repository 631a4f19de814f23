"""How a ledger is named: by a URL, or by a URL with settings."""

from __future__ import annotations

from typing import Literal

from lifeguard.data import record

Writing = Literal["through", "background"]


@record
class Ledger:
    """A ledger that many processes share, and how this process writes to it.

    Attributes:
        url: "memory", or a URL of SQLAlchemy: "sqlite:///run.db", "postgresql+psycopg://user@host/database".
        writing: "through": a watched call returns when the database has committed what it did; "background": it returns at
            once, and a thread writes in order, in batches, and to the end before the scope is judged.
    """

    url: str
    writing: Writing = "through"
