"""The example that makes a timeline: it runs as its first lines say, and the page is about the four moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import lifeguard

ROOT = Path(__file__).parents[1]


def test_the_example_writes_its_page(tmp_path: Path) -> None:
    """One file, with the scopes of all four moves and the findings of the three that have a mistake."""
    output = tmp_path / "page.html"
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1]), "PYTHONSAFEPATH": ""}
    command = [sys.executable, "-W", "error", "examples/timeline.py", "-o", str(output)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (0, f"written: {output}\n", "") == (ran.returncode, ran.stdout, ran.stderr)
    page = output.read_text(encoding="utf-8")
    assert '<strong class="bad">4 violations</strong> in 4 scopes' in page
    text = page.partition("<pre>")[2].partition("</pre>")[0]
    for words in (
        "&#x27;resize and confirm&#x27; balanced",
        "LG111 overdue",
        "LG101 leaked",
        "LG202 rollback tried and failed",
    ):
        assert words in text


def test_in_another_format(tmp_path: Path) -> None:
    """The suffix of the file says which."""
    output = tmp_path / "moves.sarif"
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1]), "PYTHONSAFEPATH": ""}
    command = [sys.executable, "-W", "error", "examples/timeline.py", "-o", str(output)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (run,) = json.loads(output.read_text(encoding="utf-8"))["runs"]
    assert ["LG111", "LG101", "LG202"] == [result["ruleId"] for result in run["results"]]
    assert [1, 2, 1] == [result["occurrenceCount"] for result in run["results"]]
    files = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert {"examples/multi_cell/conductor.py"} == files
