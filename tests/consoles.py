"""The console blocks of a page: their commands are run in a shell, and what they print is compared, or written anew."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from command_lines import environment

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "== a command has ended =="


def commands(block: str) -> list[str]:
    """What is typed in a block: the lines behind `$ `; those that end in a backslash go on."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)


def anew(page: str, files: Path) -> str:
    """A page with what its commands print now.

    Args:
        page: its text.
        files: a folder; the commands run in a copy of it, one block after the other.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "nightly")
        shutil.copytree(files, folder, ignore=shutil.ignore_patterns("__pycache__"))
        programs = Path(place, "bin")
        programs.mkdir()
        for name, words in (("lifeguard", "-m lifeguard"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        kept = environment(PATH=path, COLUMNS="100", PYTHONDONTWRITEBYTECODE="1")
        return BLOCK.sub(lambda found: f"```console\n{_block(found[1], folder, kept)}```", page)


def _block(block: str, folder: Path, kept: dict[str, str]) -> str:
    """A block with what its commands print."""
    typed = commands(block)
    script = "".join(f"{one}\nended=$?; printf '{_MARK}'; (exit $ended)\n" for one in typed)
    ran = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    *printed, rest = ran.stdout.split(_MARK)
    assert "" == rest
    return "".join(f"$ {line}\n{output}" for line, output in zip(typed, printed, strict=True))
