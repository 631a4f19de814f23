"""The workflow for GitHub Actions: what `lifeguard init` writes is the example, valid, and about commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lifeguard.cli.app import COMMANDS, cli
from lifeguard.cli.starting import SESSION, workflow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ci" / "lifeguard.yml"


def parsed() -> dict[str, Any]:
    """The workflow, read as YAML."""
    read: dict[str, Any] = YAML(typ="safe").load(EXAMPLE.read_text(encoding="utf-8"))
    return read


def steps(what: str) -> list[Any]:
    """What all steps say under a name."""
    return [step[what] for job in parsed()["jobs"].values() for step in job["steps"] if what in step]


def test_the_example_is_what_init_writes() -> None:
    """There is one workflow, and not two that drift apart."""
    assert EXAMPLE.read_text(encoding="utf-8") == workflow()


def test_it_is_shown_on_the_page() -> None:
    """Included, and not copied."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- examples/ci/lifeguard.yml -->\n+```yaml\n(.*?)```\n", page, re.DOTALL)
    assert shown is not None
    assert EXAMPLE.read_text(encoding="utf-8") == shown[1]


def test_github_would_take_it() -> None:
    """By the schema of workflows that check-jsonschema brings along."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(EXAMPLE)]
    ran = subprocess.run(check, capture_output=True, text=True)
    assert 0 == ran.returncode, ran.stdout + ran.stderr


def test_the_check_can_fail(tmp_path: Path) -> None:
    """A key that GitHub does not know is found."""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(EXAMPLE.read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(wrong)]
    assert 1 == subprocess.run(check, capture_output=True, text=True).returncode


def test_it_runs_commands_that_there_are() -> None:
    """Each call of lifeguard parses, and the session is the one that the noxfile gets."""
    lines = [line for text in steps("run") for line in text.splitlines()]
    assert f"nox -s {SESSION}" in lines
    calls = [shlex.split(line) for line in lines if line.startswith("lifeguard ")]
    assert calls
    for _, name, *words in calls:
        assert name in COMMANDS
        found = cli.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        outputs = [words[at + 1] for at, word in enumerate(words) if word == "-o"]
        assert ["lifeguard.sarif", "lifeguard.html", "lifeguard.md"] == outputs


def test_code_scanning_gets_one_upload() -> None:
    """A second one of the same category would put the first one out; and it is allowed to write alerts."""
    uploads = [uses for uses in steps("uses") if uses.startswith("github/codeql-action/upload-sarif@")]
    assert 1 == len(uploads)
    job = parsed()["jobs"]["report"]
    assert "matrix" not in job.get("strategy", {})
    assert "write" == job["permissions"]["security-events"]
    assert {"contents": "read"} == parsed()["permissions"]


@pytest.mark.parametrize("job", ["tests", "report"])
def test_evidence_is_kept_when_something_failed(job: str) -> None:
    """That is when it is needed."""
    told = parsed()["jobs"][job]
    assert "!cancelled()" in str(told.get("if", "")) + "".join(str(step.get("if", "")) for step in told["steps"])
