"""What was found in all scopes of a report, and words for it that several formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from lifeguard.places import Place
from lifeguard.reporting.chronicle import mark_of
from lifeguard.reporting.model import Event, Life, Report, ScopeReport
from lifeguard.verdict import Counts, Entry, Violation

Status = Literal["violation", "warning", "allowed"]


@dataclass(frozen=True, slots=True)
class Found:
    """One finding, with the scope that found it.

    Attributes:
        scope: the scope.
        status: whether it fails the scope, is only told, or is covered by an allowance.
        why: the reason of the allowance; else "".
        violation: what was found.
    """

    scope: ScopeReport
    status: Status
    why: str
    violation: Violation


def findings(scope: ScopeReport) -> Iterator[Found]:
    """What was found in one scope: violations, then warnings, then what is allowed."""
    for violation in scope.verdict.violations:
        yield Found(scope, "violation", "", violation)
    for violation in scope.verdict.warnings:
        yield Found(scope, "warning", "", violation)
    for one in scope.verdict.allowed:
        yield Found(scope, "allowed", one.why, one.violation)


def plural(count: int, word: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def outcome(report: Report) -> tuple[str, str]:
    """How all scopes came out: "3 violations", "balanced" or that there were none, and the rest of that line."""
    if not report.scopes:
        return "no scope was judged", ""
    found, warned = len(report.violations), len(report.warnings)
    allowed = sum(len(one.verdict.allowed) for one in report.scopes)
    rest = ""
    if warned:
        rest += f", {plural(warned, 'warning')}"
    if allowed:
        rest += f", {allowed:,} allowed"
    return plural(found, "violation") if found else "balanced", f"{rest} in {plural(len(report.scopes), 'scope')}"


def headline(report: Report) -> str:
    """How all scopes came out, in one line."""
    return "".join(outcome(report))


def counts(scopes: Iterable[ScopeReport]) -> dict[str, Counts]:
    """What some scopes saw of each kind, together, by the kinds' names in order."""
    sums: dict[str, dict[str, int]] = {}
    for scope in scopes:
        for kind, seen in scope.verdict.watched.items():
            total = sums.setdefault(kind, {})
            for name, number in seen.as_dict().items():
                total[name] = total.get(name, 0) + number
    return {kind: Counts(**total) for kind, total in sorted(sums.items())}


def where(violation: Violation) -> Place | None:
    """The line to point at: that of the finding, else of the acquire, else the last one of its history that has one."""
    for place in (violation.place, violation.acquired, *(entry.place for entry in reversed(violation.history))):
        if place is not None and place.line:
            return place
    return None


def life_of(scope: ScopeReport, violation: Violation) -> Life | None:
    """The life that a finding is about, where the journal has it: the one that shares its history, else the latest begun."""
    lives = [life for life in scope.lives if (life.kind, life.key) == (violation.kind, violation.key_text)]
    first = violation.history[0].seq if violation.history else None
    for life in lives:
        if first is not None and any(event.seq == first for event in life.events):
            return life
    begun = [life for life in lives if life.begun <= violation.seq]
    return begun[-1] if begun else None


def event_of(entry: Entry) -> Event:
    """An event from what a violation keeps of it."""
    raised = "raised" in entry.verb
    return Event(
        entry.seq, mark_of(entry.verb), entry.verb, entry.function, entry.place, entry.actor, raised, note=entry.note
    )


_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What steers a terminal or turns text around, besides newlines and tabs: the program under test may name things so."""


def visible(text: str, instead: Callable[[re.Match[str]], str] | None = None) -> str:
    """A text whose control characters can be seen and do nothing; newlines and tabs stay.

    Args:
        text: the text.
        instead: what stands for such a character; by default, its escape in Python.
    """
    return _UNSEEN.sub(instead or (lambda found: ascii(found[0])[1:-1]), text)


def one_line(text: str) -> str:
    """A text in one line, all of it visible."""
    return visible(text).replace("\n", "\\n").replace("\t", " ")
