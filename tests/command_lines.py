"""The command line and Python itself, run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import lifeguard

PACKAGES = str(Path(lifeguard.__file__).parents[1])

CLOUD = """
from lifeguard import Resource, acquires, releases

image = Resource("image")


class Images:
    @acquires(image, key="name")
    def create(self, name):
        return name

    @releases(image, key="name")
    def delete(self, name):
        if name == "stuck":
            raise OSError("stuck")


images = Images()
"""
"""A module that programs import: what it makes has to be deleted."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a user: nothing of what this test run has set for itself."""
    dropped = ("PYTHONSAFEPATH", "PYTHONWARNINGS", "LIFEGUARD", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("PYTEST_", "LIFEGUARD_"))
    }
    return {**kept, "PYTHONPATH": PACKAGES, **more}


def command(*words: object, cwd: Path, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lifeguard …`."""
    return python("-m", "lifeguard", *words, cwd=cwd, stdin=stdin, **more)


def python(*words: object, cwd: Path, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file, its folders with it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path
