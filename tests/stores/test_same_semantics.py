"""A shared ledger means what the memory of a process means: the same tests, the model among them, in another home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgresql import PostgreSQL

TESTS = Path(__file__).parents[1]

SHORT = ["test_ledger_table.py", "test_rules_planted.py", "test_failures.py", "test_ledger_property.py"]
WHOLE = [
    *SHORT,
    "test_ledger_rules.py",
    "test_spans.py",
    "test_shares.py",
    "test_allowances.py",
    "test_nested_calls.py",
    "test_nested_generators.py",
    "test_forms_managers.py",
    "test_predicates.py",
    "test_scopes_reach.py",
    "test_threads.py",
]
"""What is run where `LIFEGUARD_STORES=whole`: `nox -s stores`."""


def passes(url: str, writing: str, *files: str) -> None:
    """Run some tests in another process, every scope of theirs with this ledger."""
    whole = os.environ.get("LIFEGUARD_STORES") == "whole"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS / "stores"), os.environ.get("PYTHONPATH", "")]),
        "LIFEGUARD_TEST_LEDGER": url,
        "LIFEGUARD_TEST_WRITING": writing,
        "LIFEGUARD_EXAMPLES": os.environ.get("LIFEGUARD_EXAMPLES", "100" if whole else "15"),
    }
    chosen = [str(TESTS / file) for file in (WHOLE if whole else SHORT)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "everywhere", "-p", "no:cacheprovider", *files, *chosen]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=TESTS.parent, check=False)
    assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("writing", ["through", "background"])
def test_sqlite(writing: str) -> None:
    """In a file, each test in one of its own."""
    passes("sqlite:///FOLDER/ledger.db", writing)


def test_postgresql(postgresql: PostgreSQL) -> None:
    """In a database."""
    passes(postgresql.database(), "through")
