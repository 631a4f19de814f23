"""Markdown as GitHub shows it, for the summary of a CI job or a comment: what was found in a table, then each in full.

It is bounded: a summary that is too long is not shown at all. Whatever a program names stands in code, so that it cannot
be markup, a link, or a mention of somebody.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Final

from lifeguard import text as words
from lifeguard.reporting.findings import Found, counts, findings, headline, one_line, plural, visible, where
from lifeguard.reporting.model import Report, ScopeReport
from lifeguard.reporting.text_format import render_scope
from lifeguard.rules import RULES

LIMIT: Final = 1024 * 1024
"""So many bytes of summary GitHub takes from one step of a job."""

ROWS: Final = 100
"""So many rows a table has."""

CELL: Final = 300
"""So many characters of a text go into a table."""

SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""The variable of the environment that names the file for a job's summary."""

MORE: Final = "the JSON report has all"
"""What is said of what is left out."""

_NOTE: Final = 400
"""So many bytes are kept free for what is said of the rest."""

_WORTH_IT: Final = 1_000
"""A part of a scope's text is shown if so many bytes of it fit."""


def render(report: Report, *, limit: int = LIMIT) -> str:
    """A report as Markdown.

    Args:
        report: what to tell.
        limit: so many bytes in UTF-8 at most. What does not fit is left out, and it is said how much that is.

    Returns:
        the text, with a newline at its end.
    """
    page = _Page(limit)
    title = f" {_code(report.title)}:" if report.title else ""
    page.add(f"## lifeguard:{title} {headline(report)}\n", reserve=0)
    for note in report.notes:
        page.add(f"\n> {_code(note)}\n")
    found = _together(report)
    _put_table(page, found)
    _put_counts(page, report)
    _put_details(page, report)
    return page.text()


def append(report: Report, path: str | os.PathLike[str] | None = None) -> bool:
    """Add a report to the summary of the running CI job.

    Args:
        report: what to tell.
        path: the file; by default, the one that GITHUB_STEP_SUMMARY names.

    Returns:
        whether it was added: not where there is no such file to add to, or no room is left in it.

    Raises:
        OSError: the file cannot be written.
    """
    named = path if path is not None else os.environ.get(SUMMARY)
    if not named:
        return False
    file = Path(named)
    there = file.stat().st_size if file.exists() else 0
    room = LIMIT - there - 1
    if room < _NOTE:
        return False
    text = render(report, limit=room)
    with file.open("ab") as out:
        out.write((b"\n" if there else b"") + text.encode())
    return True


class _Page:
    """A text that does not grow over its limit: a part goes in whole, or not at all."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._parts: list[str] = []
        self.left_out: list[str] = []

    def add(self, part: str, *, reserve: int = _NOTE) -> bool:
        """Add a part if there is room for it."""
        size = len(part.encode())
        if size > self._room - reserve:
            return False
        self._parts.append(part)
        self._room -= size
        return True

    def fitting(self, text: str, around: int) -> str:
        """The first lines of a text, as far as there is room for them, with so many bytes around."""
        room = self._room - _NOTE - around - _NOTE
        if room < _WORTH_IT:
            return ""
        return text.encode()[:room].decode(errors="ignore").rpartition("\n")[0]

    def text(self) -> str:
        """All parts, and what was left out."""
        if self.left_out:
            self.add(f"\n{'; '.join(self.left_out)}: {MORE}.\n", reserve=0)
        return "".join(self._parts)


def _together(report: Report) -> list[list[Found]]:
    """What was found, that of one rule, kind and line together; violations first, most of them first."""
    groups: dict[object, list[Found]] = {}
    for scope in report.scopes:
        for found in findings(scope):
            if found.status != "allowed":
                one = found.violation
                what = where(one) if one.kind else one.message
                groups.setdefault((found.status, one.code, one.kind, what), []).append(found)
    return sorted(groups.values(), key=lambda group: (group[0].status != "violation", -len(group)))


def _put_table(page: _Page, groups: list[list[Found]]) -> None:
    if not groups:
        return
    head = "\n| rule | what | where | times | scopes |\n|---|---|---|--:|---|\n"
    if not page.add(head):
        page.left_out.append(f"{plural(len(groups), 'row')} of the table left out")
        return
    for number, group in enumerate(groups):
        if number == ROWS or not page.add(_row(group)):
            page.left_out.append(f"{plural(len(groups) - number, 'row')} of the table left out")
            return


def _row(group: list[Found]) -> str:
    first = group[0].violation
    place = where(first)
    scopes = list(dict.fromkeys(found.scope.name for found in group))
    more = f" and {len(scopes) - 1} more" if len(scopes) > 1 else ""
    rule = f"{first.code} {first.name}" if first.code in RULES else _code(f"{first.code} {first.name}")
    warned = " (a warning)" if group[0].status == "warning" else ""
    cells = [
        f"{rule}{warned}",
        _cell(first.message),
        _cell(str(place)) if place is not None else "",
        str(len(group)),
        _cell(scopes[0]) + more,
    ]
    return f"| {' | '.join(cells)} |\n"


def _put_counts(page: _Page, report: Report) -> None:
    """What the verdict rests on: a report of scopes that watched nothing says so."""
    seen = [(kind, words.counted(told)) for kind, told in counts(report.scopes).items()]
    rows = [f"| {_cell(kind)} | {told} |\n" for kind, told in seen if told]
    if not rows:
        page.add("\nWatched nothing: no contract told an event to any of these scopes.\n")
        return
    if page.add("\n| watched | |\n|---|---|\n"):
        for number, row in enumerate(rows):
            if number == ROWS or not page.add(row):
                page.left_out.append(f"{plural(len(rows) - number, 'kind')} left out")
                return


def _put_details(page: _Page, report: Report) -> None:
    """Each scope with findings in full, folded."""
    scopes = [one for one in report.scopes if one.verdict.violations or one.verdict.warnings]
    for number, scope in enumerate(scopes):
        told = visible(render_scope(scope, more=MORE))
        if not page.add(_folded(scope, told)):
            kept = page.fitting(told, len(_folded(scope, "").encode()))
            if kept:
                page.add(_folded(scope, f"{kept}\n… cut here: {MORE}"))
            left = len(scopes) - number - bool(kept)
            page.left_out += [f"{plural(left, 'scope')} not told in full"] if left else []
            return


def _folded(scope: ScopeReport, told: str) -> str:
    summary = html.escape(_short(one_line(scope.name)))
    fence = "`" * max(3, 1 + _longest_run(told))
    return f"\n<details><summary><code>{summary}</code></summary>\n\n{fence}text\n{told}\n{fence}\n\n</details>\n"


# -- text that is only text ---------------------------------------------------------------------------------------------------


def _code(text: str) -> str:
    """A text as code in a line: nothing in it means anything."""
    text = _short(one_line(text))
    if not text.strip():
        return ""
    fence = "`" * (1 + _longest_run(text))
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _cell(text: str) -> str:
    """A text as code in a table, where a bar would end the cell, even in code."""
    return _code(text).replace("|", "\\|")


def _short(text: str) -> str:
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
