"""The homes of a ledger: a file of SQLite, and a database of a PostgreSQL that is started here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import PostgreSQL

from lifeguard.stores import let_go


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running server."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh ledger, of one sort after the other."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
    else:
        yield request.getfixturevalue("postgresql").database()
    let_go()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh ledger in a file."""
    yield f"sqlite:///{tmp_path}/ledger.db"
    let_go()
