"""Nova's own tests under our contracts, and Nova broken on purpose. Skipped where Nova is not installed (`nox -s nova` does).

Each runs in a process of its own: Nova's tests patch the whole process before anything else is imported.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "examples" / "nova" / "run.py"

# Not by a look for a package of this name: this folder has it, too.
INSTALLED = any(one.name == "nova" for one in importlib.metadata.distributions())
needs_nova = pytest.mark.skipif(not INSTALLED, reason="Nova is not installed: see docs/nova.md")


def run(*arguments: str) -> tuple[int, str]:
    """Run the runner; gives its exit code and what it printed."""
    done = subprocess.run([sys.executable, RUNNER, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@needs_nova
def test_two_of_novas_tests_pass_and_nothing_is_found_that_is_not_allowed() -> None:
    """Unbroken Nova is not blamed, and the failing spawn shows what was owed and what was done."""
    code, printed = run("--short")
    assert (0, "2 tests, 0 bad") == (code, next(line for line in printed.splitlines() if "tests," in line)), printed
    failed = printed[printed.index("spawn_fails: passed") :]
    row = next(line for line in failed.splitlines() if line.strip().startswith("spawn on the destination"))
    assert [".", ".", ".", ".", "1", "1", "."] == row.split()[4:]


@needs_nova
@pytest.mark.parametrize(
    ("breakage", "named"),
    [
        ("leaves the snapshot", "LG204 image image="),
        ("leaves the port's binding", "LG204 port binding port=ce531f90-199f-48c0-816c-13e38010b442 host=host2"),
        ("revert leaves the destination's disks", "LG111 guest disks host=host2 server="),
        ("deleted before the guest is spawned", "LG104 image image="),
        ("in the order in which they were done", "LG206 conductor task"),
    ],
)
def test_a_broken_nova_is_named_where_its_own_test_passes(breakage: str, named: str) -> None:
    """Each of these leaves Nova's own test green, and lifeguard says which kind and which key."""
    code, printed = run("--breakages", "-k", breakage)
    assert (0, True) == (code, "[Nova's test passes]" in printed), printed
    assert named in printed
