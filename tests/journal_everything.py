"""A pytest plugin for the tests' own use: every scope keeps a journal, and every journal is judged again.

`python -m pytest -p journal_everything tests/test_spans.py`: whatever the tests do, what is judged again has to say what
the process said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifeguard.context import Observer
from lifeguard.reporting.journal import Journal
from lifeguard.reporting.replay import read
from lifeguard.settings import Settings


@pytest.fixture(autouse=True)
def _journal(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = Path(tmp_path_factory.getbasetemp(), f"{os.urandom(8).hex()}.jsonl")
    looking_on = Settings.looking_on

    def journaled(self: Settings) -> tuple[Observer, ...]:
        return (*looking_on(self), Journal(str(path)))

    monkeypatch.setattr(Settings, "looking_on", journaled)
    yield
    if path.exists():
        found = read([path])
        problems = [note for note in found.report.notes if "was never closed" not in note]
        assert ([], ()) == (problems, found.differing), path
