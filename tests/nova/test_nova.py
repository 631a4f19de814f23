"""Nova's own tests under our contracts, and Nova broken on purpose. Skipped where Nova is not installed (`nox -s nova` does).

Each run is a process of its own: Nova's tests patch the whole process before anything else is imported.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOVA = Path(__file__).parents[2] / "examples" / "nova"
NAMES = re.compile(r'    Breakage\(\n        "([^"]+)"')
BREAKAGES = [
    name
    for module in ("rollback", "resize", "revert")
    for name in NAMES.findall((NOVA / "breakages" / f"{module}.py").read_text())
]
FAULTS = NAMES.findall((NOVA / "breakages" / "faults.py").read_text())

# Not by a look for a package of this name: this folder has it, too.
INSTALLED = any(one.name == "nova" for one in importlib.metadata.distributions())
if not INSTALLED:
    pytest.skip("Nova is not installed: `nox -s nova` runs these", allow_module_level=True)


def run(*arguments: str) -> tuple[int, list[str]]:
    """Run the runner; gives its exit code and the lines that it printed."""
    done = subprocess.run([sys.executable, NOVA / "run.py", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def outcomes(lines: list[str]) -> dict[str, tuple[str, str]]:
    """For each breakage whether it was named, and by what, from what the runner printed."""
    found = {}
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(("named ", "MISSED ")):
            found[line[8:].partition("  [")[0]] = (line.split()[0], after.strip())
    assert found, "\n".join(lines)
    return found


@pytest.fixture(scope="module")
def broken() -> dict[str, tuple[str, str]]:
    """What came of every breakage: run once, since each needs a test of Nova's."""
    return outcomes(run("--breakages")[1])


@pytest.fixture(scope="module")
def faulty() -> dict[str, tuple[str, str]]:
    """What came of every call that fails in unbroken Nova."""
    return outcomes(run("--faults")[1])


def test_a_failing_spawn_shows_what_was_owed_and_what_was_done() -> None:
    """The mock on the driver object is seen: the failure, the rollback that it calls for, and the rollback done."""
    code, lines = run("-k", "spawn_fails")
    assert (0, True) == (code, "1 tests, 0 bad" in lines), "\n".join(lines)
    rows = {line[2:28].strip(): line[28:].split() for line in lines if line.startswith("  ")}
    assert [".", ".", ".", ".", "1", "1", "."] == rows["spawn on the destination"]
    assert "6" == rows["conductor task"][5]


def test_faults_in_place_of_mocks_show_the_same() -> None:
    """Nova's own assertions hold, and nothing is found that its mocks do not show."""
    code, lines = run("--explore", "1", "-k", "fails")
    assert 0 == code, "\n".join(lines)
    assert ["  injected: 1 call(s) of spawn", "  injected: 1 call(s) of destroy"] == [
        line for line in lines if line.startswith("  injected")
    ]
    assert 2 == len([line for line in lines if line.endswith(" not allowed 0")])


@pytest.mark.parametrize("how", [[], ["--threads"]], ids=["eventlet", "threads"])
def test_all_of_novas_tests_pass_and_nothing_is_found_that_is_not_allowed(how: list[str]) -> None:
    """Unbroken Nova is not blamed for anything that is not so, and no allowance is left over."""
    code, lines = run("--quiet", *how)
    assert (0, True) == (code, "14 tests, 0 bad" in lines), "\n".join(lines)
    assert [] == [line for line in lines if "warning:" in line]


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_nova_is_named(name: str, broken: dict[str, tuple[str, str]]) -> None:
    """With the right kind, and a key or subject that contains the right values."""
    assert "named" == broken[name][0], broken[name]


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_found_in_unbroken_nova_is_found_again(name: str, faulty: dict[str, tuple[str, str]]) -> None:
    """The findings of docs/nova.md that need a call to fail."""
    assert "named" == faulty[name][0], faulty[name]
