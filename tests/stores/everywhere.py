"""A pytest plugin: every scope of a run has the shared ledger that LIFEGUARD_TEST_LEDGER names. The same tests, another home.

Where the URL is that of a SQLite file, each test has a file of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import programs
import pytest

from lifeguard import scopes
from lifeguard.stores import Ledger
from lifeguard.stores.store import let_go

HOME: dict[str, Any] = {}
_read_settings = scopes.read_settings


def _with_ledger(**settings: Any) -> Any:
    if settings["ledger"] == "memory" and settings["journal"] is None and HOME:
        settings["ledger"] = HOME["ledger"]
    return _read_settings(**settings)


scopes.read_settings = _with_ledger


def _renumbered(text: str, watched: Any) -> str:
    """A report whose events are counted from the scope's first one: by the sequence of its world."""
    since = watched.book.world_at_open
    return NUMBERS.sub(lambda found: f"{found[1]}{int(found[2]) - since}", text)


NUMBERS = re.compile(r"(event |^  history   |^            )(\d+)(?=[ ,);]|$)", re.MULTILINE)
programs.renumbered = _renumbered


@pytest.fixture(autouse=True)
def _another_home(tmp_path: Path) -> Iterator[None]:
    url = os.environ["LIFEGUARD_TEST_LEDGER"].replace("FOLDER", str(tmp_path))
    HOME["ledger"] = Ledger(url, patience=60, writing=os.environ.get("LIFEGUARD_TEST_WRITING", "through"))  # type: ignore[arg-type]
    yield
    HOME.clear()
    let_go()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what a shared ledger does not do, and says so: objects are of one process, and their state is not compared."""
    items[:] = [item for item in items if "LG109" not in item.name]
