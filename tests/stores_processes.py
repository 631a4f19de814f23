"""Workers of the tests of shared ledgers: started, talked to, waited for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WORKERS = Path(__file__).with_name("stores_workers.py")


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """A worker, as a process of its own."""
    command = [sys.executable, str(WORKERS), name, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(name: str, *arguments: str) -> int:
    """A worker that was waited for; gives its exit code."""
    with start(name, *arguments) as worker:
        worker.communicate()
    return worker.returncode


def say(worker: subprocess.Popen[str]) -> None:
    """Let a worker go on."""
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def hear(worker: subprocess.Popen[str], word: str) -> None:
    """Wait for a word of a worker."""
    assert worker.stdout is not None
    assert f"{word}\n" == worker.stdout.readline()
