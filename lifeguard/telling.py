"""An event on its way: to the ledger, then to the user's invariants, then to whoever observes the scope."""

from __future__ import annotations

from collections.abc import Iterable

from lifeguard.context import LEDGER, Event
from lifeguard.contracts import Invariant
from lifeguard.keys import Key, identify, problem_text
from lifeguard.kinds import Kind
from lifeguard.ledger.book import Book
from lifeguard.ledger.invariants import LedgerView, breaches
from lifeguard.ledger.records import Act, Call, Finding, Outcome
from lifeguard.ledger.spans import Span


def tell(
    call: Call,
    outcome: Outcome,
    acts: list[Act],
    *,
    spans: tuple[Span, ...] = (),
    steps: Iterable[tuple[Kind, Key]] = (),
    problems: Iterable[tuple[Kind | None, str]] = (),
) -> None:
    """The end of a call, told to all that have to know.

    Args:
        call: the call, begun.
        outcome: how it ended.
        acts: what its contracts say.
        spans: the spans that began with it.
        steps: the rollbacks of which it is a completed step.
        problems: what of its contracts could not be read (LG401), each with the kind that it is about.

    Raises:
        whatever an observer raises: with `fail_fast`, ViolationError.
    """
    findings = LEDGER.end(call, outcome, acts, spans, steps) if acts or spans or steps or call.failing else []
    for kind, text in problems:
        findings += LEDGER.complain(call.chain, "LG401", text, call=call, kind=kind, about=text)
    findings += _invariants(call, acts, spans)
    observers = [observer for book in call.chain for observer in book.observers]
    for book in {finding.book for finding in findings}:
        observers += [observer for observer in book.observers if observer not in observers]
    if observers:
        event = Event(call, outcome, tuple(acts), tuple(findings))
        for observer in observers:
            observer.event(event)


def _invariants(call: Call, acts: list[Act], spans: tuple[Span, ...]) -> list[Finding]:
    findings: list[Finding] = []
    if not call.chain:
        return findings
    touched = {act.kind for act in acts}
    judged: set[Kind] = set()
    for span in spans:
        if span.choice is not None and span.choice.kinds is not None:
            judged |= span.choice.kinds
    done: list[Invariant] = []
    for kind in touched | judged:
        for invariant in kind._invariants:
            if invariant not in done and (kind in judged or invariant.always):
                done.append(invariant)
                findings += check_invariant(invariant, call.chain, call)
    return findings


def check_invariant(invariant: Invariant, chain: tuple[Book, ...], call: Call | None) -> list[Finding]:
    """Ask one invariant about what the scopes of a chain hold now."""
    view = LedgerView(lambda kind: LEDGER.held(kind, chain))
    name = getattr(invariant.function, "__qualname__", "invariant")
    try:
        found = breaches(invariant.kinds, invariant.function(view))
    except AssertionError as error:
        from lifeguard.ledger.invariants import Breach

        found = [Breach(invariant.kinds[0], None, str(error))]
    except Exception as error:
        text = f"invariant {name} could not be evaluated: {problem_text(error)}"
        return LEDGER.complain(chain, "LG401", text, call=call, kind=invariant.kinds[0], about=text)
    findings: list[Finding] = []
    for breach in found:
        key = identify(breach.key) if breach.key is not None else None
        findings += LEDGER.breached(chain[0], invariant.description, breach, key, call, invariant)
    return findings
