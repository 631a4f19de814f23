"""The page on CI: its ini file, put into a project as it stands, finds the leak and leaves the evidence behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import lifeguard
from lifeguard.reporting.formats import read_report

PAGE = Path(__file__).parents[1] / "docs" / "ci.md"

TESTS = """\
from lifeguard import Resource, acquires, releases

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name): ...

    @releases(image, key="name")
    def delete(self, name): ...


def test_clean():
    Images().create("a")
    Images().delete("a")


def test_leaves_one():
    Images().create("b")
"""


def test_the_ini_file_of_the_page(tmp_path: Path) -> None:
    """One of two tests fails with LG101; the page has a scope for each, and the other files say the same."""
    ini = re.search(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert ini is not None
    (tmp_path / "pytest.ini").write_text(ini[1], encoding="utf-8")
    (tmp_path / "test_images.py").write_text(TESTS, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(lifeguard.__file__).parents[1]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "lifeguard_pytest", "-p", "no:cacheprovider"]
    for times in (1, 2):  # a second run writes to the journal's end, and reports what is its own
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert 1 == ran.returncode, ran.stdout + ran.stderr
        assert "1 failed, 1 passed" in ran.stdout
        page = (tmp_path / "lifeguard.html").read_text(encoding="utf-8")
        assert '<strong class="bad">1 violation</strong> in 2 scopes' in page
        assert "test_images.py::test_clean" in page
        report = read_report(tmp_path / "lifeguard.json")
        assert [1, 1] == [len(scope.lives) for scope in report.scopes]
        (run,) = json.loads((tmp_path / "lifeguard.sarif").read_text(encoding="utf-8"))["runs"]
        assert ["LG101"] == [result["ruleId"] for result in run["results"]]
        assert times == (tmp_path / "summary.md").read_text(encoding="utf-8").count("## lifeguard: ")
