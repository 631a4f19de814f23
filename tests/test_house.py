"""The house rules: what may be imported, what is exported, and how large a file may become."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import lifeguard

ROOT = Path(__file__).parent.parent
PACKAGE = Path(lifeguard.__file__).parent

PUBLIC = """
DeclarationError Grace LifeguardWarning OUTSIDE Resource Rollback UsageError Violation ViolationError
acquires after all_of atomic contracts_for contracts_of each implements invariant on_failure releases rolls_back scope
settles transfers uses
""".split()


def test_all_is_complete() -> None:
    """Every public name that the design fixes is exported, and nothing that is not in `__all__` looks public."""
    assert set(PUBLIC) - set(lifeguard.__all__) == set()
    modules = {path.stem for path in PACKAGE.iterdir()}
    # "@": pytest rewrites the assertions of every distribution that has an entry point for it
    visible = {name for name in dir(lifeguard) if not name.startswith(("_", "@"))} - modules - {"annotations"}
    assert {name for name in lifeguard.__all__ if not name.startswith("_")} == visible


def test_all_is_sorted() -> None:
    """Constants, classes, functions, each in order: a sorted list shows at a glance what there is, and merges well."""
    in_order = sorted(lifeguard.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert in_order == list(lifeguard.__all__)


def test_star_import_works() -> None:
    """No name in `__all__` is a slip of the pen."""
    namespace: dict[str, object] = {}
    exec("from lifeguard import *", namespace)
    assert set(lifeguard.__all__) <= set(namespace)


def test_public_names_say_that_they_are_lifeguards() -> None:
    """A traceback or a repr says `lifeguard.ViolationError`, whichever file it is written in."""
    elsewhere = {
        name: module
        for name in lifeguard.__all__
        if (module := getattr(getattr(lifeguard, name), "__module__", "lifeguard")) != "lifeguard"
        and (isinstance(getattr(lifeguard, name), type) or callable(getattr(lifeguard, name)))
    }
    assert {} == elsewhere


def test_version_is_that_of_the_project() -> None:
    """What is installed and what it says of itself are one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == lifeguard.__version__


def test_import_is_light() -> None:
    """Importing lifeguard costs a program neither asyncio, nor importlib.metadata, nor any other package."""
    program = (
        "import sys; before = set(sys.modules); import lifeguard\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "heavy = {'asyncio', 'importlib.metadata', 'typing_extensions', 'unittest', 'logging'} & set(sys.modules)\n"
        "print(sorted(new), sorted(heavy))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "['lifeguard'] []\n" == run.stdout


def test_imports_go_one_way() -> None:
    """The ledger knows no function and the leaves know no machine: import-linter holds the directions of the design."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert 0 == run.returncode, run.stdout + run.stderr


def test_no_file_is_too_large() -> None:
    """A file that one cannot read in one go is split."""
    lines = {path.relative_to(PACKAGE): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {} == {path: count for path, count in lines.items() if count > 600}


def test_package_is_typed() -> None:
    """Without the marker type checkers ignore the annotations."""
    assert (PACKAGE / "py.typed").exists()
