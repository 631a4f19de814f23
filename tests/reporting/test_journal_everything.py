"""Other tests once more, every scope of theirs with a journal: judged again, it says what the process said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lifeguard

TESTS = Path(__file__).parent.parent
FILES = """
test_allowances test_blindness test_drift test_enforcement test_enforcement_chains test_failures test_forms test_forms_generators
test_forms_managers test_grace test_nested_calls test_nested_generators test_places test_report test_rules_planted
test_scopes test_scopes_reach test_shares test_spans test_threads conditions/test_icontract conditions/test_deal
conditions/test_typeguard
""".split()


def test_whatever_other_tests_do() -> None:
    """Spans, steps, invariants, allowances, seeds, threads, tasks, forks, nested scopes, objects as keys: all of it."""
    files = [str(TESTS / f"{name}.py") for name in FILES]
    path = os.pathsep.join([str(Path(lifeguard.__file__).parent.parent), str(TESTS)])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "journal_everything", "-p", "no:cacheprovider", *files],
        env={**os.environ, "PYTHONPATH": path},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
    )
    assert not run.returncode, run.stdout[-5000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
