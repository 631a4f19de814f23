"""The README shows a file that runs, and what it really prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import lifeguard
from lifeguard.rules import RULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The fenced text between the two markers of a name."""
    found = re.search(rf"<!-- {name} -->\n+```\w*\n(.*?)```\n+<!-- end of {name} -->", README, re.DOTALL)
    assert found is not None, f"README.md has no block between the markers of {name}"
    return found[1]


def test_the_code_is_the_example() -> None:
    """The example is a file, included and not copied: the README has every character of it."""
    assert (ROOT / "examples" / "first_leak.py").read_text(encoding="utf-8") == block("examples/first_leak.py")


def test_the_output_is_what_the_example_prints() -> None:
    """Whole, to the line numbers."""
    command = [sys.executable, "examples/first_leak.py"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "" == ran.stderr
    assert block("its output") == ran.stdout


def test_the_commands_stand_on_the_first_screen() -> None:
    """Someone who has just cloned this sees how to try it without scrolling."""
    first_screen = README.splitlines()[:40]
    assert "pip install nox && nox -s demo" in "\n".join(first_screen)
    assert "pip install nox && nox -s tests" in "\n".join(first_screen)


def test_the_number_of_rules() -> None:
    """The README counts the rules as the table does."""
    assert f"there are [{len(RULES)}](docs/rules.md)" in README


def test_links_lead_somewhere() -> None:
    """Every relative link names a file of the project."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)]
    assert [] == [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()]


def test_length() -> None:
    """Short enough to be read."""
    assert len(README.splitlines()) in range(75, 161)
