"""The page on CI: its conftest, put into a project as it stands, finds the leak and leaves the timeline behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import lifeguard

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


def test_the_conftest_of_the_page(tmp_path: Path) -> None:
    """One of two tests fails with LG101, and the page has a scope for each."""
    conftest = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert conftest is not None
    (tmp_path / "conftest.py").write_text(conftest[1], encoding="utf-8")
    (tmp_path / "test_images.py").write_text(TESTS, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(lifeguard.__file__).parents[1]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    for _ in range(2):  # a second run begins with a new journal
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert 1 == ran.returncode, ran.stdout + ran.stderr
        assert "2 passed, 1 error" in ran.stdout
        assert "LG101 leaked (CWE-772)" in ran.stdout
        page = (tmp_path / "lifeguard.html").read_text(encoding="utf-8")
        assert '<strong class="bad">1 violation</strong> in 2 scopes' in page
        assert "test_images.py::test_clean" in page
