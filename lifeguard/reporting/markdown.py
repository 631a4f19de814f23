"""Markdown as GitHub shows it, for the summary of a CI job or a comment: what was found in a table, then each in full.

It is bounded: a summary that is too long is not shown at all. Whatever a program names stands in code, so that it cannot
be markup, a link, or a mention of somebody.
"""

from __future__ import annotations

import html
import os
import re
from collections import Counter
from pathlib import Path
from typing import Final

from lifeguard import text as words
from lifeguard.reporting.findings import Found, counts, findings, headline, one_line, plural, visible, where
from lifeguard.reporting.model import Report
from lifeguard.reporting.text_format import render_finding
from lifeguard.rules import RULES

LIMIT: Final = 1024 * 1024
"""So many bytes of summary GitHub takes from one step of a job."""

ROWS: Final = 100
"""So many rows a table has."""

SCOPES: Final = 20
"""So many scopes that found the same are named."""

WIDTH: Final = 110
"""So many columns a text has: what GitHub shows without scrolling."""

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
    _put_allowed(page, report)
    _put_counts(page, report)
    _put_details(page, found)
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
    head = "\n| rule | what | where | times | scopes |\n|---|---|---|--:|---|\n"
    _put_rows(page, head, [_row(group) for group in groups], "row")


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


def _put_allowed(page: _Page, report: Report) -> None:
    """What allowances cover, each reason once."""
    reasons: Counter[tuple[str, str, str]] = Counter()
    for scope in report.scopes:
        for one in scope.verdict.allowed:
            reasons[one.violation.code, one.violation.kind, one.why] += 1
    rows = [
        f"| {_cell(f'{code} {kind}'.strip())} | {_cell(why)} | {times} |\n"
        for (code, kind, why), times in reasons.items()
    ]
    _put_rows(page, "\n| allowed | why | times |\n|---|---|--:|\n", rows, "allowance")


def _put_rows(page: _Page, head: str, rows: list[str], what: str) -> None:
    """A table, as far as there is room for it."""
    if not rows:
        return
    shown = 0
    if page.add(head):
        while shown < min(len(rows), ROWS) and page.add(rows[shown]):
            shown += 1
    if shown < len(rows):
        page.left_out.append(f"{plural(len(rows) - shown, what)} left out")


def _put_counts(page: _Page, report: Report) -> None:
    """What the verdict rests on: a report of scopes that watched nothing says so."""
    seen = [(kind, words.counted(told)) for kind, told in counts(report.scopes).items()]
    rows = [f"| {_cell(kind)} | {told} |\n" for kind, told in seen if told]
    if not rows:
        page.add("\nWatched nothing: no contract told an event to any of these scopes.\n")
    _put_rows(page, "\n| kind | seen |\n|---|---|\n", rows, "kind")


def _put_details(page: _Page, groups: list[list[Found]]) -> None:
    """Each row of the table in full, folded."""
    for number, group in enumerate(groups):
        told = _told(group)
        if not page.add(_folded(group, told)):
            kept = page.fitting(told, len(_folded(group, "").encode()))
            if kept:
                page.add(_folded(group, f"{kept}\n… cut here: {MORE}"))
            left = len(groups) - number - bool(kept)
            page.left_out += [f"{plural(left, 'row')} not told in full"] if left else []
            return


def _told(group: list[Found]) -> str:
    """What was found, in full: the first, with all that say the same of other keys; and the scopes that found it."""
    alike = words.grouped(found.violation for found in group)[0]
    scopes = list(dict.fromkeys(repr(found.scope.name) for found in group))
    more = f" and {len(scopes) - SCOPES} more ({MORE})" if len(scopes) > SCOPES else ""
    label = "scope" if len(scopes) == 1 else "scopes"
    names = f"\n  {'':<{words.LABEL}}".join(map(visible, scopes[:SCOPES]))
    told = render_finding(group[0].scope, alike, width=WIDTH, more=MORE)
    return f"{told}\n  {label:<{words.LABEL}}{names}{more}"


def _folded(group: list[Found], told: str) -> str:
    violation = group[0].violation
    summary = html.escape(_short(one_line(f"{violation.code} {violation.message}")))
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
