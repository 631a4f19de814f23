"""`lifeguard orphans`, `reap` and `prune`: what dead processes left in a shared ledger."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_lines import command, python, write

CLOUD = """
from lifeguard import Resource, acquires, releases

image = Resource("image")


@acquires(image, key="name")
def create(name): ...


@releases(image, key="name")
def delete(name):
    print("deleted", name)
    if name == "stuck":
        raise OSError("no route")
"""

DIES = """
import os, signal
from cloud import create
from lifeguard import scope

watched = scope("resize", ledger="sqlite:///run.db").open()
with watched.active():
    for name in NAMES:
        create(name)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module whose contracts release images."""
    write(tmp_path, "cloud.py", CLOUD)
    return tmp_path


def dies(folder: Path, *names: str) -> None:
    """A process acquires some, and is killed."""
    write(folder, "dies.py", DIES.replace("NAMES", repr(names)))
    assert -9 == python("dies.py", cwd=folder).returncode


def test_orphans(folder: Path) -> None:
    """One line each, and the exit code of violations."""
    dies(folder, "a", "b")
    done = command("orphans", "sqlite:///run.db", cwd=folder)
    assert (3, "") == (done.returncode, done.stderr)
    heading, *lines = done.stdout.splitlines()
    assert "2 obligations of dead processes in sqlite:///run.db:" == heading
    where = r"dies\.py:8 in <module>, process \d+ on \S+ \(dies\.py, MainThread\), "
    pattern = r"  image '(\w)' \(held\), acquired by create at " + where
    assert ["a", "b"] == [found[1] for found in (re.match(pattern, line) for line in lines) if found is not None]


def test_as_json_and_by_the_environment(folder: Path) -> None:
    """Programs read JSON; the URL may stand in the environment."""
    dies(folder, "a")
    done = command("orphans", "--format", "json", cwd=folder, LIFEGUARD_LEDGER="sqlite:///run.db")
    told = json.loads(done.stdout)
    assert (3, 1, ["'a'"]) == (done.returncode, told["schema"], [one["key"] for one in told["orphans"]])


def test_reap_says_what_it_would_do_and_then_does_it(folder: Path) -> None:
    """A dry run by default; what fails is told, and is owed still."""
    dies(folder, "a", "stuck")
    dry = command("reap", "sqlite:///run.db", "-c", "cloud", cwd=folder)
    assert (3, "nothing was done: --for-real does it") == (dry.returncode, dry.stdout.splitlines()[-1])
    assert "deleted" not in dry.stdout
    real = command("reap", "sqlite:///run.db", "-c", "cloud.py", "--for-real", cwd=folder)
    assert 3 == real.returncode
    outcomes = [line.partition(":")[0] for line in real.stdout.splitlines() if ": image" in line]
    assert ["failed by delete", "released by delete"] == outcomes
    left = command("orphans", "sqlite:///run.db", "--format", "json", cwd=folder)
    assert ["'stuck'"] == [one["key"] for one in json.loads(left.stdout)["orphans"]]


def test_prune(folder: Path) -> None:
    """What is over goes."""
    write(folder, "fine.py", 'from lifeguard import scope\nwith scope("s", ledger="sqlite:///run.db"): pass\n')
    assert 0 == python("fine.py", cwd=folder).returncode
    assert "0 scopes" in command("prune", "sqlite:///run.db", "--older-than", "7d", cwd=folder).stdout
    done = command("prune", "sqlite:///run.db", "--older-than", "0s", "--format", "json", cwd=folder)
    assert (0, {"schema": 1, "scopes": 1, "settled": 0, "processes": 1}) == (done.returncode, json.loads(done.stdout))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("orphans",), "no ledger: give its URL, or set LIFEGUARD_LEDGER"),
        (("orphans", "mysql://me:pw@h/d"), "not 'mysql://me:***@h/d'"),
        (("orphans", "sqlite:///no/folder/run.db"), "cannot be reached"),
        (("reap", "sqlite:///run.db"), "missing option"),
        (("reap", "sqlite:///run.db", "-c", "nowhere"), "'nowhere' cannot be imported"),
        (("reap", "sqlite:///run.db", "-c", "json"), "has none"),
        (("prune", "sqlite:///run.db", "--older-than", "a week"), "'a week' is no span of time: 90s, 30m, 12h or 7d"),
    ],
)
def test_mistakes_are_one_line(folder: Path, words: tuple[str, ...], text: str) -> None:
    """Each says what would be right."""
    done = command(*words, cwd=folder)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert text in line
    assert "pw@" not in line
