"""The sample project, copied and run: its nox session installs lifeguard as it is here, and is a gate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, its session run once without a leak."""
    folder = tmp_path_factory.mktemp("sample") / "project"
    shutil.copytree(
        ROOT / "examples" / "sample_project",
        folder,
        ignore=shutil.ignore_patterns(".nox", "__pycache__", "lifeguard.*"),
    )
    ran = session(folder)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert "3 passed, 1 skipped" in ran.stdout
    assert "lifeguard: 3 tests watched; 3 of 3 contracts called" in ran.stdout
    return folder


def session(folder: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `nox -s lifecycle` as its user would, with lifeguard from this tree."""
    requirement = f"lifeguard-contracts[cli,pytest] @ {ROOT.as_uri()}"
    kept = environment(LIFEGUARD_REQUIREMENT=requirement, **more)
    kept.pop("PYTHONPATH")
    return subprocess.run(
        [sys.executable, "-m", "nox", "-s", "lifecycle", *options],
        cwd=folder,
        env={name: value for name, value in kept.items() if name not in ("CI", "VIRTUAL_ENV", "NOX_CURRENT_SESSION")},
        capture_output=True,
        text=True,
        timeout=300,
    )


def results(folder: Path) -> list[str]:
    """The rules of the alerts in the SARIF file."""
    told = json.loads((folder / "lifeguard.sarif").read_text(encoding="utf-8"))
    return [result["ruleId"] for run in told["runs"] for result in run["results"]]


def test_a_clean_run(project: Path) -> None:
    """The reports are there, and say that nothing was found."""
    session(project, "-R")
    assert [] == results(project)
    assert "test_no_room" in (project / "lifeguard.html").read_text(encoding="utf-8")


def test_a_run_with_a_leak(project: Path) -> None:
    """The session fails, and the reports are written all the same."""
    ran = session(project, "-R", NIGHTLY_LEAK="1")
    assert 1 == ran.returncode, ran.stdout + ran.stderr
    assert "LG101 leaked (CWE-772)" in ran.stdout
    assert "Session lifecycle failed" in ran.stderr + ran.stdout
    assert ["LG101"] == results(project)
    assert "forgotten-1" in (project / "lifeguard.html").read_text(encoding="utf-8")
    verified = subprocess.run(
        [next(project.glob(".nox/lifecycle/*/lifeguard*")), "verify", "lifeguard.jsonl"],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert 3 == verified.returncode
    assert "4 scopes judged again: 1 violation; 4 of 4 verdicts" in verified.stdout
