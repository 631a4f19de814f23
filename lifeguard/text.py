"""The text report: a function over the verdict. Plain at any width; the same data stands in `Verdict.as_dict`.

What one finding says is made here once, as labelled fields (`fields`), for this text and for every format of a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lifeguard.verdict import Counts, Entry, Outstanding, Verdict, Violation

KEYS_SHOWN = 5
"""So many keys of a group of equal leaks are named."""

UNUSED_SHOWN = 8
"""So many contracts that saw no call are named."""

LABEL = 10
"""So many columns are kept for the label of a field."""

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
    """One violation as text, in the order: rule, what, owed, done, why here, acquired, history, with it, how to mend
    it.
    """
    return "\n".join(_violation((violation,)))


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == _ONE else f"{number} {word}s"


def headline(verdict: Verdict) -> str:
    """How a scope came out, in one line."""
    how = {"normally": "which ended normally", "open": "which is still open"}.get(
        verdict.ended, f"which was left by {verdict.ended}"
    )
    if verdict.violations:
        return f"{_plural(len(verdict.violations), 'violation')} in scope {verdict.scope!r}, {how}"
    if verdict.ended == "open":
        return f"scope {verdict.scope!r}, {how}"
    return f"scope {verdict.scope!r} balanced" + (f", though it was left by {verdict.ended}" if verdict.error else "")


def _lines(verdict: Verdict, outstanding: Iterable[Outstanding]) -> Iterator[str]:
    yield headline(verdict)
    for group in grouped(verdict.violations):
        yield ""
        yield from _violation(group)
    held = list(outstanding)
    if held:
        yield ""
        yield f"outstanding now: {len(held)}"
        for one in held:
            yield f"  {one}" + (f", from {one.place}" if one.place else "")
    for warning in verdict.warnings:
        yield ""
        yield f"warning: {warning}"
    seen = list(summary(verdict))
    if seen:
        yield ""
        yield from seen


def grouped(violations: Iterable[Violation]) -> list[tuple[Violation, ...]]:
    """Those that say the same of different keys acquired in one line, together."""
    found: dict[object, list[Violation]] = {}
    for violation in violations:
        found.setdefault(_ident(violation), []).append(violation)
    return [tuple(group) for group in found.values()]


def _ident(violation: Violation) -> object:
    if violation.children or violation.hint or not violation.history:
        return violation.seq, violation.key_text, violation.message
    return (
        violation.code,
        violation.kind,
        violation.acquired,
        violation.place,
        violation.ended,
        violation.also,
        _of_each(violation, violation.message),
        _of_each(violation, violation.owed),
        tuple((entry.verb, entry.function, entry.place, entry.note) for entry in violation.history),
    )


def _of_each(violation: Violation, text: str) -> str:
    """What a text says of one key, said of each key of a group."""
    return text.replace(f"{violation.kind} {violation.key_text}", f"each {violation.kind}")


def _violation(group: tuple[Violation, ...]) -> Iterator[str]:
    yield title(group[0])
    yield f"  {message(group)}"
    for label, text in fields(group):
        first, *rest = text.split("\n")
        yield f"  {label:<{LABEL}}{first}"
        for line in rest:
            yield f"  {'':<{LABEL}}{line}"


def title(violation: Violation) -> str:
    """The rule that was broken: its code, name and weakness."""
    return f"{violation.code} {violation.name}" + (f" ({violation.cwe})" if violation.cwe else "")


def message(group: tuple[Violation, ...]) -> str:
    """What happened, of one finding or of several that say the same of different keys."""
    first = group[0]
    if len(group) == _ONE or not first.kind:
        return first.message
    rest = first.message.removeprefix(f"{first.kind} {first.key_text}: ")
    return f"{len(group)} times {first.kind}: {rest}"


def fields(
    group: tuple[Violation, ...], *, shown: int | None = KEYS_SHOWN, all_of_it: str = "scope.violations has all"
) -> Iterator[tuple[str, str]]:
    """What one finding, or several that say the same of different keys, have to say beside their title and message.

    Args:
        group: the findings, as `grouped` gives them.
        shown: so many keys are named; None for all.
        all_of_it: what is said of the others.

    Yields:
        a label and its text; where it is a list, a line for each entry.
    """
    violation = group[0]
    many = len(group) > _ONE and bool(violation.kind)
    if many:
        yield "keys", _some(dict.fromkeys(one.key_text for one in group), shown, all_of_it)
    subjects = dict.fromkeys(str(subject) for one in group for subject in one.subjects)
    if subjects:
        yield "about", _some(subjects, shown, all_of_it)
    if violation.owed:
        yield "owed", _of_each(violation, violation.owed) if many else violation.owed
        yield "done", violation.done + (", likewise the others" if many and violation.done != "nothing" else "")
    yield "here", violation.ended
    if violation.acquired is not None:
        label, actor = "acquired", ""
        if violation.history:
            label = _BEGINNINGS.get(violation.history[0].verb, label)
            actor = ", ".join(dict.fromkeys(one.history[0].actor for one in group))
        yield label, f"{violation.acquired}" + (f" ({actor})" if actor else "")
    elif violation.history and violation.history[0].actor:
        first = violation.history[0]
        actors = ", ".join(dict.fromkeys(one.history[0].actor for one in group))
        yield _BEGINNINGS.get(first.verb, "acquired"), f"in {actors}, by {first.function}"
    elif violation.place is not None:
        yield "at", str(violation.place)
    if violation.history:
        head = [f"of {violation.key_text}, like those of the other {len(group) - 1}:"] if many else []
        yield "history", "\n".join([*head, *_history(violation)])
    if violation.children:
        yield "with it", "\n".join(violation.children)
    if violation.also:
        yield "also", "\n".join(violation.also)
    if violation.hint:
        yield "hint", violation.hint
    yield "fix", violation.fix
    if violation.allow:
        yield "or allow", _of_any(violation) if many else violation.allow


def _of_any(violation: Violation) -> str:
    """The line that would allow a whole group."""
    kind, _, rest = violation.allow.partition(", ")
    return f"{kind}, rule={rest.rpartition('rule=')[2]}"


_BEGINNINGS = {
    "failed": "failed",
    "completed": "completed",
    "seeded": "seeded",
    "acquire raised, in doubt": "tried",
}
"""How a history may begin, other than by an acquire, and what the place of that is called."""


def _some(texts: Iterable[str], shown: int | None, where: str) -> str:
    """The first of some texts, and how many more there are and where."""
    found = list(texts)
    shown = len(found) if shown is None else shown
    more = f" and {len(found) - shown} more ({where})" if len(found) > shown else ""
    return ", ".join(found[:shown]) + more


def _history(violation: Violation) -> Iterator[str]:
    for position, entry in enumerate(violation.history):
        if violation.cut and position == _FIRST_SHOWN:
            kept = f"a history keeps its first {_FIRST_SHOWN} and last {len(violation.history) - _FIRST_SHOWN}"
            yield f"… {_plural(violation.cut, 'event')} left out: {kept}"
        yield step(entry)


_FIRST_SHOWN = 2


def step(entry: Entry) -> str:
    """One event of a history, in one line."""
    place = f" at {entry.place}" if entry.place is not None else ""
    note = f": {entry.note}" if entry.note else ""
    by = entry.function if entry.function == "by hand" else f"by {entry.function}"
    return f"{entry.seq} {entry.verb} {by}{place} [{entry.actor}]{note}"


_COUNTED = (
    ("acquired", "acquired"),
    ("released", "released"),
    ("transferred", "handed over"),
    ("used", "used"),
    ("failed", "failed"),
    ("rolled_back", "rolled back"),
    ("unmatched", "unmatched"),
)


def counted(counts: Counts) -> str:
    """What was seen of one kind; empty where nothing was."""
    return ", ".join(f"{getattr(counts, name)} {word}" for name, word in _COUNTED if getattr(counts, name))


def summary(verdict: Verdict, *, all_of_it: str = "") -> Iterator[str]:
    """What a scope saw, line by line: the counts of each kind, what was allowed, what it could not see.

    Args:
        verdict: what the scope has to say.
        all_of_it: what is said of what is left out of a long list; by default, which attribute of the scope has it.
    """
    for kind, counts in sorted(verdict.watched.items()):
        told = counted(counts)
        if told:
            yield f"watched {kind}: {told}{_unmatched(counts, verdict.remember)}"
    if not verdict.watched and not verdict.violations and verdict.ended != "open":
        yield "watched nothing: no contract told an event to this scope"
    reasons: dict[str, list[str]] = {}
    for one in verdict.allowed:
        what = f"{one.violation.code} {one.violation.kind} {one.violation.key_text}".strip()
        reasons.setdefault(one.why, []).append(what)
    for why, covered in reasons.items():
        yield f"allowed {_some(covered, KEYS_SHOWN, all_of_it or 'scope.verdict.allowed has all')}: {why}"
    if verdict.nowhere:
        where = 'made in threads or tasks without a scope (see reach="process")'
        yield f"{_plural(verdict.nowhere, 'acquire')} went nowhere while it was open: {where}"
    if verdict.elsewhere:
        yield f"{_plural(verdict.elsewhere, 'acquire')} went to scopes of other contexts while it was open"
    if verdict.unused:
        names = _some(verdict.unused, UNUSED_SHOWN, all_of_it or "scope.verdict.unused has all")
        yield f"contracts that saw no call: {names}"
    if verdict.sample < 1:
        acquired = sum(counts.acquired for counts in verdict.watched.values())
        left_out = sum(counts.left_out for counts in verdict.watched.values())
        part = f"{verdict.sample * 100:.6g} %"
        yield f"a sample of {part}: {left_out:,} of {acquired + left_out:,} acquires not watched"
    if verdict.remember == 0:
        yield "remember=0: double releases and uses after release are not told"


def _unmatched(counts: Counts, remember: int | None) -> str:
    if not counts.unmatched:
        return ""
    forgotten = f", or doubles of the {counts.forgotten} forgotten (remember={remember})" if counts.forgotten else ""
    return f": never seen acquired{forgotten}"
