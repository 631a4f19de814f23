"""The result of an exploration as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lifeguard.rules import RULES

if TYPE_CHECKING:
    from lifeguard.faults.plan import Row
    from lifeguard.faults.results import Counted, Finding, Result

SHOWN = 5
"""So many findings are told with all that led to them."""

TOKENS_SHOWN = 3
"""So many of the other schedules of a finding are named."""

LINES = 40
"""A timeline is cut in its middle where it has more lines than this."""

_LABEL = 10


def render(result: Result, *, hint: str = "") -> str:
    """A result as text.

    Args:
        result: what to tell.
        hint: how a replay is called for; "{token}" in it stands for the token.

    Returns:
        lines without a newline at the end.
    """
    return "\n".join(_lines(result, hint))


def doubts_of(result: Result) -> tuple[str, ...]:
    """What takes away from the claim that nothing else is wrong."""
    return tuple(_doubts(result))


def plural(number: int, word: str) -> str:
    """A number of things."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _doubts(result: Result) -> Iterator[str]:
    if result.replayed or result.organic:
        return
    if result.diverged:
        yield f"the scenario is not deterministic: {result.diverged}; that all points were run is not certain"
    if result.bound:
        yield f"INCOMPLETE: {result.bound} (max_runs=)"
    if not result.points and not result.bound:
        yield "no call with a contract was made in the scope of the scenario, so that nothing could be made to fail"
    if result.unguarded.count:
        where = "made in threads or tasks that the plan cannot reach (see reach='process')"
        yield f"{plural(result.unguarded.count, 'unguarded call')}, {where}: {_some(result.unguarded)}"
    if result.timed_out.count:
        yield f"{plural(result.timed_out.count, 'run')} timed out and said nothing: {_some(result.timed_out)}"
    if result.not_reached.count:
        yield f"{plural(result.not_reached.count, 'run')} did not come to the call to fail: {_some(result.not_reached)}"


def _some(counted: Counted) -> str:
    more = counted.count - len(counted.examples)
    return ", ".join(counted.examples) + (f" and {more} more" if more > 0 else "")


def _lines(result: Result, hint: str) -> Iterator[str]:
    name = result.scenario
    if result.organic:
        yield f"{name} fails without any fault: {result.organic}"
        yield "  nothing was made to fail, and nothing else is claimed"
        return
    if result.replayed:
        many = plural(len(result.findings), "finding") if result.findings else "nothing found"
        yield f"{many} in the replay of {name}: {result.replayed}"
    else:
        yield _heading(result)
    for finding in result.findings[:SHOWN]:
        yield ""
        yield from _finding(finding, "" if result.replayed else hint)
    rest = result.findings[SHOWN:]
    if rest:
        yield ""
        yield f"and {plural(len(rest), 'more finding')}:"
        for finding in rest:
            yield f"  {finding}"
    if not result.replayed:
        yield from _counted(result)


def _heading(result: Result) -> str:
    many = plural(len(result.findings), "finding") if result.findings else "nothing found"
    return f"{many} in {plural(result.runs, 'run')} of {result.scenario}: {_points(result)}"


def _points(result: Result) -> str:
    told = []
    for reaction, word in ((False, "point"), (True, "reaction")):
        points = [one for one in result.points if one.reaction is reaction]
        if not points and reaction:
            continue
        run = sum(one.status == "run" for one in points)
        text = f"{run} of {plural(len(points), word)} run"
        for status in ("equivalent", "left out"):
            count = sum(one.status == status for one in points)
            text += f", {count} {status}" if count else ""
        told.append(text)
    return "; ".join(told)


def _field(label: str, text: str) -> Iterator[str]:
    first, *rest = text.split("\n")
    yield f"  {label:<{_LABEL}}{first}"
    for line in rest:
        yield f"  {'':<{_LABEL}}{line}"


def _finding(finding: Finding, hint: str) -> Iterator[str]:
    rule = RULES.get(finding.code)
    cwe = f" ({rule.cwe_id})" if rule is not None and rule.cwe_id else ""
    yield f"{finding.verdict}: {rule.code} {rule.name}{cwe}" if rule is not None else finding.verdict
    yield f"  {finding.message}"
    for fault in finding.faults:
        yield from _field("fault", fault)
    if finding.faults:
        yield from _field("left by", finding.ended or "the scenario returned")
    violation = finding.violation
    if violation is not None:
        if violation.owed:
            yield from _field("owed", violation.owed)
            yield from _field("done", violation.done)
        if violation.acquired is not None:
            yield from _field("acquired", str(violation.acquired))
        elif violation.place is not None:
            yield from _field("at", str(violation.place))
        if violation.children:
            yield from _field("with it", "\n".join(violation.children))
    elif finding.place is not None:
        yield from _field("raised", str(finding.place))
    if finding.timeline:
        yield from _field("run", "\n".join(timeline(finding.timeline)))
    yield from _field("replay", (hint or "{token}").replace("{token}", finding.token))
    others = finding.schedules[1:]
    if others:
        more = f", and {len(others) - TOKENS_SHOWN} more" if len(others) > TOKENS_SHOWN else ""
        lines = "\n".join(others[:TOKENS_SHOWN]) + more
        yield from _field("also", f"{plural(len(others), 'more schedule')}:\n{lines}")


def timeline(rows: Iterable[Row]) -> list[str]:
    """A run, call by call: its place, the call, what it did to the ledger, what it raised; `!!` where a fault befell it."""
    lines: list[str] = []
    for row in rows:
        effects = " ".join(row.effects)
        fault = f"  !! {row.fault}" if row.fault else ""
        raised = f"  raised {row.raised}" if row.raised and not row.fault else ""
        place = f"  {row.place}" if row.place is not None else ""
        lines.append(f"{row.call}" + (f"  {effects}" if effects else "") + fault + raised + place)
    if len(lines) > LINES:
        half = LINES // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} calls left out …", *lines[-half:]]
    return lines


def _counted(result: Result) -> Iterator[str]:
    notes: list[str] = []
    if result.absorbed.count:
        notes.append(f"absorbed: {plural(result.absorbed.count, 'run')} went on as if nothing had failed")
    for counted, word, what in (
        (result.residue, "residue", "left what could not be released, because its own release failed"),
        (result.lost, "lost reply", "acquired something without getting the answer"),
    ):
        if counted.count:
            more = ", …" if counted.count > len(counted.examples) else ""
            notes.append(f"{word}: {plural(counted.count, 'run')} {what}: {', '.join(counted.examples)}{more}")
    doubts = list(doubts_of(result))
    if result.findings and (notes or doubts):
        yield ""
    for doubt in doubts:
        yield doubt if doubt.startswith("INCOMPLETE") else f"doubt: {doubt}"
    yield from notes
