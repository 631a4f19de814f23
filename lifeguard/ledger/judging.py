"""The judgement at an end: of a call that had to be atomic or to settle things, and of a scope."""

from __future__ import annotations

from collections.abc import Callable

from lifeguard.keys import Key
from lifeguard.kinds import Kind, Rollback
from lifeguard.ledger.acts import Engine
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.records import Call, Generation, Subject
from lifeguard.ledger.spans import Span
from lifeguard.ledger.states import State


def judge_span(engine: Engine, span: Span, call: Call, *, raised: bool) -> None:
    """Find fault with what an atomic call that raised, or a settling call that returned, left behind."""
    engine.tick()
    because = f" ({call.error})" if raised and call.error else ""
    if span.rule == "settles" and span.ends_with(raised=raised):
        how = "raised" if raised else "returned"
        _blame_all(
            engine,
            engine.spans.still_open(span, engine.tables),
            "LG111",
            f"still open when {call.function}, which settles it, {how}{because}",
            call,
        )
    elif span.rule == "atomic" and raised:
        _blame_all(
            engine,
            engine.spans.left_behind(span),
            "LG204",
            f"left behind by {call.function}, which raised{because}",
            call,
        )
        for generation, word in engine.spans.not_restored(span, engine.tables):
            text = f"{word} though {call.function}, which restores what it found, raised{because}"
            engine.blame(generation, "LG204", text, call)


def _blame_all(engine: Engine, found: list[Generation], code: str, text: str, call: Call) -> None:
    """Each that is not told with another one of them."""
    for generation in found:
        if _above(generation) not in found:
            engine.blame(generation, code, text, call, below(generation))


Excused = Callable[[str, Kind, Key, tuple[Subject, ...]], bool]
"""Whether a scope allows such a finding: its code, kind, key and subjects."""


def judge_scope(engine: Engine, book: Book, *, error: bool, ended: str, excused: Excused) -> None:
    """Find fault with everything that a closing scope still holds.

    What belongs to something that is left, too, is told with that; but with something that may be left, it is judged by
    itself.
    """
    engine.tick()
    owed = sorted((one for one in book.held if not one.seeded), key=lambda one: one.born)
    codes = {one: _left(one, error, ended) for one in owed}
    may_stay = {
        one
        for one, (code, _) in codes.items()
        if excused(one.finding.code if one.finding is not None else code, one.kind, one.key, one.about)
    }
    for generation in owed:
        above = _above(generation)
        if above is not None and above.seeded and above is generation.owner:
            continue  # handed to something that was there before: nothing is owed
        if generation.finding is not None and not generation.finding.book.closed:
            generation.finding.later = "still open at the end"
        elif above in codes and above not in may_stay:
            continue  # told with the one that it belongs to
        code, text = codes[generation]
        engine.blame(generation, code, text, None, () if generation in may_stay else below(generation))
    for finding in book.findings:
        blamed = finding.generation
        if finding.code in ("LG204", "LG111") and not finding.later and blamed is not None:
            history = blamed.history
            if not is_open(blamed) and history and history[-1].seq > finding.seq:
                finding.later = f"{blamed.state.value} later, as event {history[-1].seq}"


def _above(generation: Generation) -> Generation | None:
    """The open generation that this one is told under."""
    if is_open(generation.owner):
        return generation.owner
    if is_open(generation.parent):
        return generation.parent
    group = generation.group
    if group is not None and group.failed is not generation and not group.tried and is_open(group.failed):
        return group.failed if group.failed.attempts == 0 else None
    return None


def below(generation: Generation) -> tuple[Generation, ...]:
    """What is told under an open generation, the nearest first."""
    found: dict[Generation, None] = {}
    todo = [generation]
    while todo:
        one = todo.pop(0)
        group = one.group
        steps = group.steps if group is not None and group.failed is one else []
        for child in (*one.owned, *one.parts, *steps):
            if (
                is_open(child)
                and child not in found
                and child is not generation
                and (child not in steps or _above(child) is one)
            ):
                found[child] = None
                todo.append(child)
    return tuple(found)


def _left(generation: Generation, error: bool, ended: str) -> tuple[str, str]:
    kind = generation.kind
    if isinstance(kind, Rollback):
        if generation.attempts:
            return "LG202", "failed; its rollback was tried and failed, too"
        group = generation.group
        if group is not None and group.failed is not generation and (group.tried or not is_open(group.failed)):
            return "LG206", "a completed step of a failed call that was never rolled back, though others were"
        return "LG201", "failed, and was never rolled back"
    if generation.state is State.DOUBT:
        return "LG205", "in doubt: its acquire failed, and nobody checked whether it took effect"
    if generation.state is State.PARTLY:
        return (
            "LG110",
            f"released only in part: {_rest(generation)}",
        )
    if error:
        return "LG102", f"still held when the scope was left by {ended}"
    return "LG101", "still held when the scope ended"


def _rest(generation: Generation) -> str:
    if generation.remaining:
        return f"{', '.join(generation.paid)} done, {', '.join(generation.remaining)} still due"
    if generation.amounts is not None:
        return f"{', '.join(map(str, generation.amounts))} still held"
    return f"{generation.count} more due"
