"""The text report: a function over the verdict. Plain at any width; the same data stands in `Verdict.as_dict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from lifeguard.verdict import Counts, Entry, Outstanding, Verdict, Violation

KEYS_SHOWN = 5
"""So many keys of a group of equal leaks are named."""

UNUSED_SHOWN = 8
"""So many contracts that saw no call are named."""

_LABEL = 10
_ONE = 1


def render(verdict: Verdict, outstanding: Iterable[Outstanding] = ()) -> str:
    """A verdict as text.

    Args:
        verdict: what to tell.
        outstanding: what is held now, for a scope that is still open.

    Returns:
        lines without a newline at the end.
    """
    return "\n".join(_lines(verdict, outstanding))


def render_violation(violation: Violation) -> str:
    """One violation as text, in the order: rule, what, owed, done, why here, acquired, history, with it, how to mend it."""
    return "\n".join(_violation(violation, (violation,)))


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == _ONE else f"{number} {word}s"


def _lines(verdict: Verdict, outstanding: Iterable[Outstanding]) -> Iterator[str]:
    how = {"normally": "which ended normally", "open": "which is still open"}.get(
        verdict.ended, f"which was left by {verdict.ended}"
    )
    if verdict.violations:
        yield f"{_plural(len(verdict.violations), 'violation')} in scope {verdict.scope!r}, {how}"
    else:
        yield f"scope {verdict.scope!r} balanced" if verdict.ended != "open" else f"scope {verdict.scope!r}, {how}"
    for group in _grouped(verdict.violations):
        yield ""
        yield from _violation(group[0], group)
    held = list(outstanding)
    if held:
        yield ""
        yield f"outstanding now: {len(held)}"
        for one in held:
            yield f"  {one}" + (f", from {one.place}" if one.place else "")
    for warning in verdict.warnings:
        yield ""
        yield f"warning: {warning}"
    summary = list(_summary(verdict))
    if summary:
        yield ""
        yield from summary


def _grouped(violations: tuple[Violation, ...]) -> list[tuple[Violation, ...]]:
    """Equal leaks from one line, together."""

    def ident(violation: Violation) -> object:
        if violation.also or violation.children or violation.hint or violation.code not in ("LG101", "LG102"):
            return violation.seq, violation.key_text
        return violation.code, violation.kind, violation.acquired, tuple(entry.verb for entry in violation.history)

    found: dict[object, list[Violation]] = {}
    for violation in violations:
        key = ident(violation)
        if violation.acquired is None:
            key = (key, violation.key_text, violation.seq)
        found.setdefault(key, []).append(violation)
    return [tuple(group) for group in found.values()]


def _field(label: str, text: str) -> Iterator[str]:
    first, *rest = text.split("\n")
    yield f"  {label:<{_LABEL}}{first}"
    for line in rest:
        yield f"  {'':<{_LABEL}}{line}"


def _violation(violation: Violation, group: tuple[Violation, ...]) -> Iterator[str]:
    cwe = f" ({violation.cwe})" if violation.cwe else ""
    yield f"{violation.code} {violation.name}{cwe}"
    if len(group) > 1:
        keys = ", ".join(one.key_text for one in group[:KEYS_SHOWN])
        more = f" and {len(group) - KEYS_SHOWN} more" if len(group) > KEYS_SHOWN else ""
        rest = violation.message.partition(f"{violation.kind} {violation.key_text}: ")[2]
        yield f"  {len(group)} times {violation.kind}: {rest}"
        yield f"  {'':<2}{keys}{more}"
    else:
        yield f"  {violation.message}"
    if violation.subjects:
        yield from _field("about", ", ".join(map(str, violation.subjects)))
    if violation.owed:
        yield from _field("owed", violation.owed)
        yield from _field("done", violation.done)
    yield from _field("here", violation.ended)
    if violation.acquired is not None:
        verb = violation.history[0].verb if violation.history else "acquired"
        label = "failed" if verb == "failed" else "acquired"
        yield from _field(
            label, f"{violation.acquired}" + (f" ({violation.history[0].actor})" if violation.history else "")
        )
    elif violation.place is not None:
        yield from _field("at", str(violation.place))
    if violation.history:
        yield from _field("history", "\n".join(_history(violation)))
    if violation.children:
        yield from _field("with it", "\n".join(violation.children))
    if violation.also:
        yield from _field("also", "\n".join(violation.also))
    if violation.hint:
        yield from _field("hint", violation.hint)
    yield from _field("fix", violation.fix)


def _history(violation: Violation) -> Iterator[str]:
    for position, entry in enumerate(violation.history):
        if violation.cut and position == _FIRST_SHOWN:
            yield f"… {_plural(violation.cut, 'event')} left out"
        yield _entry(entry)


_FIRST_SHOWN = 2


def _entry(entry: Entry) -> str:
    place = f" at {entry.place}" if entry.place is not None else ""
    note = f": {entry.note}" if entry.note else ""
    return f"{entry.seq} {entry.verb} by {entry.function}{place} [{entry.actor}]{note}"


_COUNTED = (
    ("acquired", "acquired"),
    ("released", "released"),
    ("transferred", "handed over"),
    ("used", "used"),
    ("failed", "failed"),
    ("rolled_back", "rolled back"),
    ("unmatched", "unmatched"),
)


def _summary(verdict: Verdict) -> Iterator[str]:
    for kind, counts in sorted(verdict.watched.items()):
        told = [f"{getattr(counts, name)} {word}" for name, word in _COUNTED if getattr(counts, name)]
        if told:
            yield f"watched {kind}: {', '.join(told)}{_doubles(counts, verdict.remember)}"
    if not verdict.watched and verdict.ended != "open":
        yield "watched nothing: no contract told an event to this scope"
    for why, many in groupby(verdict.allowed, key=lambda one: one.why):
        covered = list(many)
        codes = ", ".join(sorted({one.violation.code for one in covered}))
        yield f"allowed {len(covered)} ({codes}): {why}"
    if verdict.nowhere:
        yield f'{_plural(verdict.nowhere, "acquire")} went nowhere while it was open: made in threads or tasks without a scope (see reach="process")'
    if verdict.elsewhere:
        yield f"{_plural(verdict.elsewhere, 'acquire')} went to scopes of other contexts while it was open"
    if verdict.unused:
        more = f" and {len(verdict.unused) - UNUSED_SHOWN} more" if len(verdict.unused) > UNUSED_SHOWN else ""
        yield f"contracts that saw no call: {', '.join(verdict.unused[:UNUSED_SHOWN])}{more}"
    if verdict.remember == 0:
        yield "remember=0: double releases and uses after release are not told"


def _doubles(counts: Counts, remember: int | None) -> str:
    if counts.unmatched and counts.forgotten and remember != 0:
        return f" (the unmatched may be doubles of the {counts.forgotten} forgotten; remember={remember})"
    return ""
