"""An example for every rule: a few lines that break it, what mends them, and the report that they give.

They stand in `planted/`, one file a rule. Two marks say what mends it: a line that ends in `#-` goes, and the rest of a
line that begins with `#+` comes.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.resources
import io
import linecache
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from lifeguard.errors import ViolationError
from lifeguard.extensions import installed
from lifeguard.rules import Rule

_GOES: Final = re.compile(r"  #-$")
_COMES: Final = re.compile(r"^( *)#\+ ?(.*)$")

NEEDS: Final = {"LG301": "icontract"}
"""The library that an example needs, which is also the name of its extra."""


@dataclass(frozen=True, slots=True)
class Example:
    """What breaks a rule.

    Attributes:
        name: the name of its file, as reports print it.
        broken: the program that breaks the rule.
        mended: the same program, mended.
        changes: what mends it, line by line, as in a diff: "- …", "+ …", "  …".
        needs: the library that it needs; "" where it needs none.
    """

    name: str
    broken: str
    mended: str
    changes: tuple[str, ...]
    needs: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or installed(self.needs)


def example(rule: Rule) -> Example:
    """The example of a rule."""
    name = f"{rule.code.lower()}.py"
    planted = importlib.resources.files("lifeguard.cli").joinpath("planted", name).read_text(encoding="utf-8")
    broken: list[str] = []
    mended: list[str] = []
    for line in planted.splitlines():
        comes = _COMES.match(line)
        goes = _GOES.search(line)
        if comes is not None:
            mended.append(f"{comes[1]}{comes[2]}")
        elif goes is not None:
            broken.append(line[: goes.start()])
        else:
            broken.append(line)
            mended.append(line)
    return Example(name, _text(broken), _text(mended), tuple(_changes(broken, mended)), NEEDS.get(rule.code, ""))


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _changes(broken: list[str], mended: list[str]) -> Iterator[str]:
    """What mends it: the lines that go and come, each with its neighbours, without the indentation that all of them have."""
    rows = [row for row in difflib.unified_diff(broken, mended, n=1, lineterm="") if not row.startswith(("---", "+++"))]
    common = min(len(row[1:]) - len(row[1:].lstrip()) for row in rows if row[1:].strip() and not row.startswith("@@"))
    for number, row in enumerate(rows):
        if not row.startswith("@@"):
            yield f"{row[0]} {row[1 + common :]}".rstrip()
        elif number:
            yield "  …"


def report_of(source: str, name: str) -> str:
    """Run an example; what it prints, and the report with which it ends. A warning of ours is told as its line."""
    from lifeguard.faults import ExplorationFailed

    printed = io.StringIO()
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # icontract reads it there
    failed = ""
    module = ModuleType(f"lifeguard example {name.removesuffix('.py')}")
    sys.modules[module.__name__] = module  # where a class is looked for by its name
    with _undisturbed(), contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, name, "exec"), vars(module))
        except (ViolationError, ExplorationFailed) as error:
            failed = str(error)
        except OSError:  # mended, too, the program of LG102 fails
            pass
        finally:
            del sys.modules[module.__name__]
    return "\n".join(part for part in (printed.getvalue().rstrip("\n"), failed) if part)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without what LIFEGUARD says in the environment: an example that is switched off shows nothing."""
    said = os.environ.pop("LIFEGUARD", None)
    try:
        yield
    finally:
        if said is not None:
            os.environ["LIFEGUARD"] = said
