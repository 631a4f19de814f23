"""The example of the move between cells: correct code is left alone, each planted hole is named, nothing else is."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lifeguard

ROOT = Path(__file__).parents[1]


def load_example() -> ModuleType:
    """Import the example as a script sees it: its neighbours are found in its own folder."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        return importlib.import_module("multi_cell_migration")
    finally:
        sys.path.remove(str(ROOT / "examples"))


example = load_example()


@pytest.mark.parametrize("path", example.PATHS, ids=lambda path: path.__name__)
def test_correct_code_is_left_alone(path: Any) -> None:
    """Every path balances, the failing ones included, and leaves nothing unmatched that it cannot explain."""
    verdict = example.watch(path).verdict
    assert ((), ()) == (verdict.violations, verdict.warnings)


@pytest.mark.parametrize("hole", example.HOLES, ids=lambda hole: hole.name)
def test_a_hole_is_named(hole: Any) -> None:
    """Code, kind and key of everything that follows from one hole: no finding is missing, none is too many."""
    assert sorted(hole.finds, key=str) == sorted(
        ((each.code, each.kind, each.key) for each in example.watch(hole.path, hole.name).violations), key=str
    )


@pytest.mark.parametrize("hole", example.HOLES, ids=lambda hole: hole.name)
def test_a_hole_is_reported_with_its_name(hole: Any) -> None:
    """The printed report has the code, the kind and the key's parts of each finding."""
    report = example.watch(hole.path, hole.name).report()
    for code, kind, key in hole.finds:
        assert code in report
        assert kind in report
        for part in key if isinstance(key, tuple) else (key,):
            assert str(part) in report


def test_a_hole_is_named_whenever_it_is_looked_for() -> None:
    """The hosts work in threads, and the findings are still the same in every run."""
    hole = next(one for one in example.HOLES if one.name == "rollback-stops-at-first-failure")
    runs = [
        [(each.code, each.kind, each.key) for each in example.watch(hole.path, hole.name).violations] for _ in range(20)
    ]
    assert [runs[0]] * 20 == runs


def test_holes_have_different_names_and_are_in_the_code() -> None:
    """The table speaks of holes that exist: each name stands in the conductor, once in the table."""
    code = (ROOT / "examples" / "multi_cell" / "conductor.py").read_text(encoding="utf-8")
    names = [hole.name for hole in example.HOLES]
    assert sorted(set(names)) == sorted(names)
    assert [] == [name for name in names if f'"{name}"' not in code]


def test_the_holes_cover_the_rules() -> None:
    """What the show has of the rules: everything that a program can do wrong with a resource or a rollback."""
    resources = {f"LG{number}" for number in (101, 102, 103, 104, 105, 106, 107, 108, 110, 111)}
    rollbacks = {f"LG{number}" for number in (201, 202, 204, 205, 206)}
    assert resources | rollbacks | {"LG302"} == {code for hole in example.HOLES for code, _kind, _key in hole.finds}


def test_the_readme_counts_the_holes() -> None:
    """The README promises as many holes as there are."""
    assert f" {len(example.HOLES)} ways to get it wrong" in (ROOT / "README.md").read_text(encoding="utf-8")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a user does."""
    command = [sys.executable, "examples/multi_cell_migration.py", *arguments]
    # A script finds its neighbours beside itself, and lifeguard where these tests find it.
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1]), "PYTHONSAFEPATH": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_whole_show_succeeds() -> None:
    """As a script it exits with 0, shows every path and every hole, and says how many were as expected."""
    ran = run()
    assert (0, "") == (ran.returncode, ran.stderr)
    for path in example.PATHS:
        assert f"path: {example.title(path)}\n" in ran.stdout
    for hole in example.HOLES:
        assert f"hole: {hole.name} " in ran.stdout
        assert hole.broken in ran.stdout
    assert ran.stdout.endswith(
        f"\n{len(example.PATHS)} of {len(example.PATHS)} correct paths balance.\n"
        f"{len(example.HOLES)} of {len(example.HOLES)} holes were found exactly as the table says.\n"
    )


def test_one_hole_alone() -> None:
    """`--hole` shows that one and nothing else."""
    ran = run("--hole", "snapshot-left")
    assert (0, "") == (ran.returncode, ran.stderr)
    assert "hole: snapshot-left " in ran.stdout
    assert 1 == ran.stdout.count("hole: ")
    assert "\npath: " not in ran.stdout


def test_the_list_names_everything() -> None:
    """`--list` runs nothing and names every path and hole."""
    ran = run("--list")
    assert (0, "") == (ran.returncode, ran.stderr)
    assert len(example.PATHS) + len(example.HOLES) + 2 == len(ran.stdout.splitlines())


def test_a_table_that_is_wrong_makes_the_show_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is not 0 for show: a finding that is missing, and one too many, are named and counted."""
    hole = next(one for one in example.HOLES if one.name == "snapshot-left")
    wrong = example.hole(hole.name, hole.path, hole.broken, ("LG101", "image", "another"))
    monkeypatch.setattr(example, "HOLES", (wrong,))
    assert 1 == example.main(["--only", "holes"])
    printed = capsys.readouterr().out
    assert "NOT FOUND: ('LG101', 'image', 'another')\n" in printed
    assert "NOT EXPECTED: ('LG204', 'image', 'snapshot-of-migration-1')\n" in printed
    assert printed.endswith("\n0 of 1 holes were found exactly as the table says.\n")
