"""A pytest plugin that gives every scope of a run the shared ledger that LIFEGUARD_TEST_LEDGER names: the same tests, another home.

Where the URL is that of a SQLite file, each test has a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(autouse=True)
def _another_home(tmp_path: Path) -> Iterator[None]:
    url = os.environ["LIFEGUARD_TEST_LEDGER"].replace("FOLDER", str(tmp_path))
    HOME["ledger"] = Ledger(url, writing=os.environ.get("LIFEGUARD_TEST_WRITING", "through"))  # type: ignore[arg-type]
    yield
    HOME.clear()
    let_go()
