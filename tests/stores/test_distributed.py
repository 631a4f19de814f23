"""The demonstration over four processes: what it prints, whole, but for the numbers of processes and the name of the host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lifeguard

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environ: str) -> str:
    """What the program prints."""
    path = str(Path(lifeguard.__file__).parents[1])
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "", **environ}
    command = [sys.executable, "examples/distributed/run.py", *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert (0, "") == (ran.returncode, ran.stderr), ran.stdout
    told = re.sub(r"process \d+ on \S+?(?=[)\],;]|\s)", "process N on HOST", ran.stdout)
    told = re.sub(r"Thread-\d+", "Thread-N", told)
    return re.sub(
        r"RemoteDisconnected|ConnectionResetError|URLError", "ERROR", told
    )  # what a dead server is like, is a race


BEFORE = """\
there is now:
  allocation web-1 compute1
  binding port-7 compute1
  disk web-1 compute1
  guest web-1 compute1
"""


def test_good_path_balances() -> None:
    """Four processes, one scope: what one acquires another releases, and the verdict knows it."""
    assert """\
=== 1. one resize

  conductor  asks compute2 to prep_resize
  conductor  asks compute1 to resize
  conductor  asks compute2 to finish_resize
  conductor  asks compute2 to keep
  conductor  asks compute1 to confirm_resize
  api        web-1 is on compute2

scope 'resize of web-1' balanced

watched allocation: 1 acquired, 1 released, 1 handed over
watched guest: 1 acquired, 1 released, 1 handed over
watched image: 1 acquired, 1 released
watched port binding: 1 acquired, 1 released, 1 handed over

there is now:
  allocation web-1 compute2
  binding port-7 compute2
  disk web-1 compute2
  guest web-1 compute2
""" == run("--alone")


@pytest.mark.parametrize("point", ["compute1:after-snapshot", "compute2:after-claim", "compute2:finish_resize"])
def test_failures_are_rolled_back_by_three_processes(point: str) -> None:
    """Wherever a service fails, the others undo what they have done, and everything is as it was."""
    told = run("--fault", point)
    assert "scope 'resize of web-1' balanced\n" in told
    assert told.endswith(BEFORE)


def test_forgotten_image_is_named_with_the_process_that_made_it() -> None:
    """The API is told of an image that a compute host made and that the conductor should have deleted."""
    told = run("--fault", "compute2:finish_resize", "--careless")
    assert (
        """\
1 violation in scope 'resize of web-1', which ended normally

LG101 leaked (CWE-772)
  image 'snapshot-of-web-1': still held when the scope ended
"""
        in told
    )
    assert "in Compute.resize (Thread-N (process_request_thread), process N on HOST)" in told
    assert told.endswith(f"{BEFORE}  image snapshot-of-web-1\n")
