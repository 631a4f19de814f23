"""A violation, raised as if the line that acquired what was left had raised it, and told in one line.

pytest shows the source of the line that an exception came from, editors jump to it, and annotations on pull requests are
put there. Of a leak that is the acquire; the plugin's own lines would say nothing.
"""

from __future__ import annotations

import ast
import os
from types import TracebackType
from typing import Any

from lifeguard.errors import ViolationError
from lifeguard.places import Place
from lifeguard.verdict import Verdict, Violation


def place_of(violation: Violation) -> Place | None:
    """The line to point at: where it was acquired or, where that was not seen, where the rule was broken."""
    for place in (violation.acquired, violation.place):
        if place is not None and place.line:
            return place
    return None


def one_line(verdict: Verdict) -> str:
    """What was found, in one line: the first violation, and how many more there are."""
    first = verdict.violations[0]
    text = " ".join(str(first).split())
    place = place_of(first)
    if place is not None:
        text += f", at {place}" if first.acquired is None else f", acquired at {place}"
    more = len(verdict.violations) - 1
    return f"{text} (and {more} more)" if more else text


def shorten(report: Any, verdict: Verdict) -> None:
    """Let the short summary and JUnit XML say of a failed report what was found, in one line; its body stays whole."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and verdict.violations:
        crash.message = one_line(verdict)


def put_there(error: Exception, fallback: tuple[str, int]) -> None:
    """Give an error the traceback that it would have if the line that its first violation points at had raised it.

    Args:
        error: the error, or a warning that was made one.
        fallback: file and line (counted from 1) for what has no place of its own.
    """
    violations = error.violations if isinstance(error, ViolationError) else ()
    place = next((found for one in violations if (found := place_of(one)) is not None), None)
    file, line = (place.file, place.line) if place is not None else fallback
    name = place.function if place is not None else "<module>"
    code = compile(_raise_error(), file, "exec")
    code = code.replace(co_firstlineno=max(line, 1), co_name=name.rpartition(".")[2], co_qualname=name)
    error.__traceback__ = None
    try:
        exec(code, {"error": error})
    except type(error) as raised:
        here = raised.__traceback__
        raised.__traceback__ = here.tb_next if here is not None else None


def _raise_error() -> ast.Module:
    """A statement that stands in no column, so that nothing in the user's line is underlined."""
    tree = ast.parse("raise error")
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.col_offset = node.end_col_offset = -1
    return tree


def without_pytest(error: BaseException) -> TracebackType | None:
    """The traceback of an exception up to the last line that is not pytest's own: to the line that called pytest.fail()."""
    rows: list[TracebackType] = []
    row = error.__traceback__
    while row is not None:
        rows.append(row)
        row = row.tb_next
    while rows and f"{os.sep}_pytest{os.sep}" in rows[-1].tb_frame.f_code.co_filename:
        rows.pop()
    found: TracebackType | None = None
    for row in reversed(rows):
        found = TracebackType(found, row.tb_frame, row.tb_lasti, row.tb_lineno)
    return found
