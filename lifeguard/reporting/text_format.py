"""Text: what every scope has to say, for people, in a terminal or a log.

It is the text of one verdict (`lifeguard.text`) over a whole report. Plain text is the product: it is the same wherever it
goes. `show` adds colour, and draws what belongs to what as a tree, where somebody looks on and rich is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TextIO

from lifeguard import text as words
from lifeguard.extensions import installed
from lifeguard.places import Place, short_path
from lifeguard.reporting.findings import counts, findings, headline, life_of, plural, visible
from lifeguard.reporting.model import Life, Report, ScopeReport
from lifeguard.verdict import Entry, Verdict, Violation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

NAMES_SHOWN: Final = 5
"""So many scopes that balanced are named."""

MORE: Final = "full=True shows all"
"""What is said of what is left out, unless the caller says it otherwise."""

_FIELD: Final = 2 + words.LABEL


@dataclass(frozen=True, slots=True)
class Branch:
    """Something that was left, and what belongs to it and was left with it."""

    text: str
    below: list[Branch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the report, before it is wrapped: a text, or what was left as a tree; further lines begin at `hang`."""

    text: str
    hang: int = 0
    tree: tuple[Branch, ...] = ()


def render(report: Report, *, width: int | None = None, full: bool = False, more: str = MORE) -> str:
    """A report as plain text.

    Args:
        report: what to tell.
        width: so many columns; a file with its line is never broken. None for lines as long as they come.
        full: also what is left out otherwise: all keys of a group, all contracts that saw no call, the whole history of a
            resource where a journal has it, and what was seen in scopes that balanced.
        more: what is said of what is left out: how to see it.

    Returns:
        the text, with a newline at its end.
    """
    kept = _unbreakable(report) if width is not None else ()
    return "".join(f"{row}\n" for line in _lines(report, full, more) for row in _rows(line, width, kept))


def render_scope(scope: ScopeReport, *, full: bool = False, more: str = MORE) -> str:
    """What one scope has to say, as plain text, without a newline at its end."""
    return "\n".join(row for line in _scope(scope, full, more) for row in _rows(line, None, ()))


def render_finding(
    scope: ScopeReport, group: tuple[Violation, ...], *, width: int | None = None, more: str = MORE
) -> str:
    """One finding of a scope, or several that `lifeguard.text.grouped` puts together, as plain text."""
    kept = _unbreakable(Report((scope,))) if width is not None else ()
    return "\n".join(row for line in _violation(scope, group, False, more) for row in _rows(line, width, kept))


def show(
    report: Report,
    stream: TextIO | None = None,
    *,
    width: int | None = None,
    full: bool = False,
    more: str = MORE,
    colour: bool | None = None,
) -> None:
    """Write a report where people look: in colour on a terminal if rich is installed, else as `render` gives it.

    Args:
        report: what to tell.
        stream: where to write; by default, `sys.stdout`.
        width: so many columns; by default those of the terminal, and as many as it takes elsewhere.
        full: see `render`.
        more: see `render`.
        colour: whether to use colour; by default what the stream and the environment say (see `wants_colour`).
    """
    out: TextIO = sys.stdout if stream is None else stream
    if width is None and out.isatty():
        width = shutil.get_terminal_size().columns
    if (wants_colour(out) if colour is None else colour) and installed("rich"):
        _show(report, out, width, _lines(report, full, more))
        return
    text = render(report, width=width, full=full, more=more)
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding))


def wants_colour(stream: TextIO) -> bool:
    """Whether to use colour: not where NO_COLOR is set, always where FORCE_COLOR is, else on a terminal that is not "dumb"."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


# -- what is said ---------------------------------------------------------------------------------------------------------------


def _lines(report: Report, full: bool, more: str) -> Iterator[_Line]:
    title = f"{report.title}: " if report.title else ""
    yield _Line(title + headline(report))
    for note in report.notes:
        yield _Line(f"note: {note}", 2)
    quiet: list[ScopeReport] = []
    for scope in report.scopes:
        if scope.verdict.balanced and scope.verdict.ended != "open" and not full:
            quiet.append(scope)
        else:
            yield _Line("")
            yield from _scope(scope, full, more)
    if quiet:
        yield _Line("")
        yield from _balanced(quiet, more)


def _scope(scope: ScopeReport, full: bool, more: str) -> Iterator[_Line]:
    verdict = scope.verdict
    yield _Line(words.headline(verdict))
    if scope.test and scope.test != scope.name:
        yield _Line(f"  {'test':<{words.LABEL}}{scope.test}", _FIELD)
    if scope.place is not None:
        yield _Line(f"  {'opened':<{words.LABEL}}{scope.place}", _FIELD)
    for group in words.grouped(verdict.violations):
        yield _Line("")
        yield from _violation(scope, group, full, more)
    yield from _warnings([verdict])
    seen = list(words.summary(verdict if not full else _counted(verdict), all_of_it=more))
    if full:
        seen += [*_allowed(scope), *(f"saw no call: {name}" for name in verdict.unused)]
    if seen:
        yield _Line("")
        yield from (_Line(line, 2) for line in seen)


def _counted(verdict: Verdict) -> Verdict:
    """A verdict without what is told line by line where everything is told."""
    return replace(verdict, allowed=(), unused=())


def _allowed(scope: ScopeReport) -> Iterator[str]:
    for one in findings(scope):
        if one.status == "allowed":
            yield f"allowed {one.violation}: {one.why}"


def _violation(scope: ScopeReport, group: tuple[Violation, ...], full: bool, more: str) -> Iterator[_Line]:
    first = group[0]
    yield _Line(words.title(first))
    yield _Line(f"  {words.message(group)}", 4)
    if full:
        first = _whole(scope, first)
    shown = None if full else words.KEYS_SHOWN
    for label, text in words.fields((first, *group[1:]), shown=shown, all_of_it=more):
        if label == "with it":
            yield _Line(f"  {label:<{words.LABEL}}", _FIELD, tuple(branches(scope, first)))
            continue
        for number, line in enumerate(text.split("\n")):
            head = "" if number else label
            yield _Line(f"  {head:<{words.LABEL}}{line}", _FIELD + 2 * (label == "history"))


def _whole(scope: ScopeReport, violation: Violation) -> Violation:
    """A violation with the whole history of its resource, where the journal has it."""
    life = life_of(scope, violation) if violation.cut else None
    if life is None:
        return violation
    history = tuple(Entry(one.seq, one.verb, one.function, one.place, one.actor, one.note) for one in life.events)
    return replace(violation, history=history, cut=0)


def branches(scope: ScopeReport, violation: Violation) -> list[Branch]:
    """What was left with a resource: each below what it belongs to, as far as the journal says what that is."""
    made = {text: Branch(text) for text in violation.children}
    lives: dict[str, tuple[Life, Branch]] = {}
    for life in scope.lives:
        for text, branch in made.items():
            if text.startswith(f"{life} (") and life.standing != "fine":
                lives[life.ident] = life, branch
    top = list(made.values())
    for life, branch in lives.values():
        above = lives.get(life.part_of) or lives.get(life.owner_ident)
        if above is not None and above[1] is not branch and not _is_below(above[1], branch):
            above[1].below.append(branch)
            top.remove(branch)
    return top


def _is_below(branch: Branch, other: Branch) -> bool:
    return branch is other or any(_is_below(branch, one) for one in other.below)


def _warnings(verdicts: Iterable[Verdict]) -> Iterator[_Line]:
    """The warnings, each text once, with the scopes that have it where there are several."""
    verdicts = list(verdicts)
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        for warning in verdict.warnings:
            found.setdefault(str(warning), []).append(verdict.scope)
    for text, scopes in found.items():
        yield _Line("")
        yield _Line(f"warning: {text}" + (f" ({_in(scopes)})" if len(verdicts) > 1 else ""), 2)


def _in(scopes: list[str]) -> str:
    names = list(dict.fromkeys(scopes))
    return f"in scope {names[0]!r}" if len(names) == 1 else f"in {len(names)} scopes, first in {names[0]!r}"


def _balanced(scopes: list[ScopeReport], more: str) -> Iterator[_Line]:
    """The scopes without a violation, together."""
    names = ", ".join(repr(one.name) for one in scopes[:NAMES_SHOWN])
    left = len(scopes) - NAMES_SHOWN
    yield _Line(
        f"{plural(len(scopes), 'scope')} balanced: {names}" + (f" and {left} more ({more})" if left > 0 else ""), 2
    )
    yield from _warnings(one.verdict for one in scopes)
    verdicts = [one.verdict for one in scopes]
    together = Verdict(
        "all",
        allowed=tuple(one for verdict in verdicts for one in verdict.allowed),
        watched=counts(scopes),
        nowhere=sum(verdict.nowhere for verdict in verdicts),
        remember=next((verdict.remember for verdict in verdicts if verdict.remember is not None), None),
    )
    for line in words.summary(together, all_of_it=more) if together.watched or len(scopes) == 1 else _nothing(scopes):
        yield _Line(line, 2)


def _nothing(scopes: list[ScopeReport]) -> Iterator[str]:
    yield f"watched nothing: no contract told an event to any of these {len(scopes)} scopes"


# -- lines of a width -----------------------------------------------------------------------------------------------------------


def _rows(line: _Line, width: int | None, kept: Iterable[str]) -> Iterator[str]:
    if line.tree:
        for row in _of_tree(line):
            yield from _wrapped(row, width, kept)
        return
    yield from _wrapped(line, width, kept)


def _of_tree(line: _Line) -> Iterator[_Line]:
    """What was left, each thing below what it belongs to, two columns further in."""
    head = line.text
    todo = [(0, branch) for branch in reversed(line.tree)]
    while todo:
        depth, branch = todo.pop()
        yield _Line(f"{head}{'  ' * depth}{branch.text}", line.hang + 2 * depth + 2)
        head = " " * line.hang
        todo += [(depth + 1, below) for below in reversed(branch.below)]


def _wrapped(line: _Line, width: int | None, kept: Iterable[str]) -> list[str]:
    first, *rest = visible(line.text).split("\n")
    hang = line.hang if width is None else min(line.hang, width // 2)
    rows = [first.rstrip(), *(" " * (hang or 2) + row.rstrip() for row in rest)]
    if width is None:
        return rows
    return [part for row in rows for part in (_cut(row, hang, width, kept) or [""])]


def _cut(row: str, hang: int, width: int, kept: Iterable[str]) -> list[str]:
    for text in kept:
        row = row.replace(text, text.replace(" ", "\0"))
    parts = textwrap.wrap(
        row,
        max(width, 1),
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return [part.replace("\0", " ") for part in parts]


def _unbreakable(report: Report) -> tuple[str, ...]:
    """Every file with its line that has a space in it: it must stay in one piece, so that an editor can go there."""
    places: set[Place | None] = set()
    for scope in report.scopes:
        places.add(scope.place)
        places.update(event.place for life in scope.lives for event in life.events)
        for one in findings(scope):
            violation = one.violation
            places |= {violation.place, violation.acquired, *(entry.place for entry in violation.history)}
    texts = {f"{visible(short_path(one.file))}:{one.line}" for one in places if one is not None and " " in one.file}
    return tuple(sorted(texts, key=len, reverse=True))


# -- colour ---------------------------------------------------------------------------------------------------------------------

_STYLES: Final = {
    "bad": "bold red",
    "good": "bold green",
    "warn": "yellow",
    "rule": "bold red",
    "label": "cyan",
    "place": "underline",
    "soft": "dim",
}

_NARROW: Final = 20
"""A branch is never made narrower than this."""

_GUIDE: Final = 4
"""So many columns rich draws before a branch."""

_PATTERNS: Final = [
    r"^(?P<bad>\d[\d,]* violations?) in scope ",
    r"(?:^|: )(?P<bad>\d[\d,]* violations?)(?:, | in )",
    r"(?:^|: )(?P<good>balanced)(?:, | in )",
    r"^(?P<good>[\d,]+ scopes? balanced)",
    r"^(?P<rule>LG\d{3} [^:]+)$",
    r"^(?P<warn>warning:)",
    r"^  (?P<label>[a-z][a-z ]{0,9}?) {1,}(?= \S)",
    r"(?P<place>[^\s:(\[]+\.\w+:\d+)(?= in |\b)",
    r"(?P<soft>\[[^\[\]]+\])(?=$|:)",
]


def _show(report: Report, stream: TextIO, width: int | None, lines: Iterable[_Line]) -> None:
    from rich.console import Console
    from rich.highlighter import RegexHighlighter
    from rich.table import Table
    from rich.text import Text
    from rich.theme import Theme

    kept = _unbreakable(report)
    columns = width or shutil.get_terminal_size().columns

    class Words(RegexHighlighter):
        base_style = "lifeguard."
        highlights: ClassVar = [*_PATTERNS, *(f"(?P<place>{re.escape(text)})" for text in kept)]

    console: Console = Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        width=columns,
        theme=Theme({f"lifeguard.{name}": style for name, style in _STYLES.items()}),
        highlight=False,
        legacy_windows=False,
    )
    highlighted: Any = Words()
    for line in lines:
        if line.tree:
            grid = Table.grid(padding=0)
            grid.add_column(width=line.hang, no_wrap=True)
            grid.add_column(overflow="fold")
            grid.add_row(Text(line.text.rstrip(), style="lifeguard.label"), _tree(line.tree, columns - line.hang, kept))
            console.print(grid)
            continue
        for row in _wrapped(line, width, kept):
            console.print(highlighted(Text(row)), soft_wrap=True)


def _tree(top: Iterable[Branch], width: int, kept: Iterable[str]) -> Tree:
    """What was left, as rich draws a tree."""
    from rich.text import Text
    from rich.tree import Tree

    def grow(tree: Tree, branch: Branch, room: int) -> None:
        rows = _wrapped(_Line(branch.text, 2), max(room, _NARROW), kept)
        below = tree.add(Text("\n".join(rows), no_wrap=True, overflow="ignore"))
        for one in branch.below:
            grow(below, one, room - _GUIDE)

    root = Tree("", hide_root=True, guide_style="dim")
    for branch in top:
        grow(root, branch, width)
    return root
