"""Asking a scope for conditions and types: what is wrong is said at once, a missing library with its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import icontract
import pytest

from lifeguard import DeclarationError, scope

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("pydantic", r"scope\(conditions=…\) takes some of 'icontract', 'deal', 'typeguard', not 'pydantic'"),
        (["deal", 7], r"not 7\n  at .*test_asking\.py"),
        (True, "not True"),
    ],
)
def test_conditions_that_there_are_not(value: Any, text: str) -> None:
    """The value, what is taken, and the line."""
    with pytest.raises(DeclarationError, match=text):
        scope(conditions=value)


def test_check_types_takes_a_flag() -> None:
    """And says so."""
    with pytest.raises(DeclarationError, match=r"scope\(check_types=…\) takes True or False, not 'yes'"):
        scope(check_types="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asking", "library"),
    [
        *[(f"scope(conditions={name!r})", name) for name in ("icontract", "deal", "typeguard")],
        ("scope(check_types=True)", "typeguard"),
        ("implements(object, check_types=True)", "typeguard"),
    ],
)
def test_a_library_that_is_missing(asking: str, library: str) -> None:
    """In a Python without any: the error names the extra, and the line that asks."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport lifeguard\nlifeguard.{asking}\n"
    ran = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True)
    who = asking.replace("object, ", "")
    text = f"{who} needs {library}, which is not installed: pip install 'lifeguard-contracts[{library}]'"
    assert f"UsageError: {text}\n  at <string>:3 in <module>" in ran.stderr


def test_several_libraries_in_one_scope() -> None:
    """Each is asked for once, however often it is named; the scope decorates functions like any other."""

    @icontract.require(lambda x: x > 0)
    def root(x: int) -> None: ...

    found: list[str] = []

    @scope(
        conditions=["icontract", "deal", "icontract"],
        on_violation=lambda verdict: found.append(verdict.violations[0].code),
    )
    def work() -> None:
        with pytest.raises(icontract.ViolationError):
            root(0)

    work()
    work()
    assert ["LG301", "LG301"] == found


def test_nothing_is_imported_that_nobody_asked_for() -> None:
    """Predicates and drift need no other library."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from lifeguard import Resource, held, scope, tracks\n"
        "image = Resource('image')\n"
        "@tracks(image, state='self.x')\n"
        "class A: x = ()\n"
        "with scope(): held(image, 'a')\n"
        "print([name for name in ('icontract', 'deal', 'typeguard') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ("[]\n", "") == (ran.stdout, ran.stderr)
