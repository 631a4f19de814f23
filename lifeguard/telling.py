"""An event on its way: to the ledger, then to the user's invariants, then to whoever observes the scope."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable

from lifeguard import context
from lifeguard.context import LEDGER, Event, Observer
from lifeguard.contracts import Invariant
from lifeguard.errors import ViolationError
from lifeguard.keys import Key, identify, problem_text, repr_safely
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.book import Book
from lifeguard.ledger.invariants import Breach, LedgerView, breaches
from lifeguard.ledger.records import Act, Call, Finding, Outcome
from lifeguard.ledger.spans import Span
from lifeguard.places import caller


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
        ViolationError: an observer raised it (`fail_fast`).
    """
    findings: list[Finding] = []
    try:
        if acts or spans or steps or call.failing:
            findings = LEDGER.end(call, outcome, acts, spans, steps)
        for kind, text in problems:
            findings += LEDGER.complain(call.chain, "LG401", text, call=call, kind=kind, about=text)
        findings += _invariants(call, acts, spans)
    except Exception as error:  # a defect of lifeguard's own must not become one of the program
        own_defect(call.function, error)
    observers = [observer for book in call.chain for observer in book.observers]
    for book in {finding.book for finding in findings}:
        observers += [observer for observer in book.observers if observer not in observers]
    if observers:
        _show(observers, Event(call, outcome, tuple(acts), tuple(findings)))


def here(function: str, chain: tuple[Book, ...] | None = None) -> Call:
    """A call that nobody watches, as of here and now: for what is found outside of watched calls.

    Args:
        function: what reports call it.
        chain: the scopes that it is in; by default those of this context, and those of the process.
    """
    thread, actor = context.actor()
    around = None
    if chain is None:
        chain, around = context.chain()
    return Call(function, chain=chain, around=around, site=caller(sys._getframe(1)), actor=actor, thread=thread)


def report(
    code: str,
    text: str,
    *,
    call: Call | None,
    chain: tuple[Book, ...] | None = None,
    kind: Kind | None = None,
    key: Key | None = None,
    about: object = None,
    own: bool = False,
    outcome: Outcome = Outcome.RAISED,
) -> list[Finding]:
    """What somebody outside of the ledger found, recorded in the scope where it belongs and told to its observers.

    Args:
        code: the rule.
        text: one line, without the name of the resource.
        call: where it was found: a watched call, or `here(…)`; None for what is found at the end of a scope.
        chain: the scopes; it goes to the first one that watches the kind. By default those of the call.
        kind: of which kind.
        key: for which key; its history is told with it.
        about: what makes it the same as an earlier one of this kind and key, under which it is then listed.
        own: whether it is a fault in the life of that resource (see `Ledger.report`).
        outcome: how the call ended.

    Returns:
        the findings that are new.

    Raises:
        ViolationError: an observer raised it (`fail_fast`).
    """
    if chain is None:
        chain = call.chain if call is not None else context.chain()[0]
    findings = LEDGER.report(chain, code, text, call=call, kind=kind, key=key, about=about, own=own)
    observers = [observer for finding in findings for observer in finding.book.observers]
    if observers and call is not None:
        _show(observers, Event(call, outcome, (), tuple(findings)))
    return findings


def _show(observers: Iterable[Observer], event: Event) -> None:
    """Tell every observer, whatever the others do."""
    violation: ViolationError | None = None
    for observer in observers:
        try:
            observer.event(event)
        except ViolationError as error:
            violation = violation or error
        except Exception as error:
            text = f"the observer {type(observer).__qualname__} failed: {problem_text(error)}"
            LEDGER.complain(event.call.chain, "LG401", text, call=event.call, about=text)
    if violation is not None:
        raise violation


def own_defect(function: str, error: Exception) -> None:
    """Say, as LG401, that lifeguard itself failed in a call of this function; a warning, where the program left it no room."""
    with contextlib.suppress(Exception):  # near the limit of recursion even that may fail
        no_room = isinstance(error, RecursionError | MemoryError)
        text = f"{function}: lifeguard itself failed ({problem_text(error)}); please report it"
        if no_room:
            text = f"{function}: a call could not be watched ({problem_text(error)})"
        LEDGER.complain(context.chain()[0], "LG401", text, about=text, severity="warning" if no_room else None)


def _invariants(call: Call, acts: list[Act], spans: tuple[Span, ...]) -> list[Finding]:
    findings: list[Finding] = []
    if not call.chain or LEDGER.busy:  # in the middle of another step: asked again at the next call, and at the end
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
    if any(book.limit is not None for book in chain):
        return []  # of a part, a rule over the whole need not hold
    view = LedgerView(lambda kind: LEDGER.held(kind, chain))
    name = getattr(invariant.function, "__qualname__", "invariant")
    try:
        found = _checked(breaches(invariant.kinds, invariant.function(view)))
    except AssertionError as error:
        found = [Breach(invariant.kinds[0], None, problem_text(error).partition(": ")[2])]
    except Exception as error:
        text = f"invariant {name} could not be evaluated: {problem_text(error)}"
        return LEDGER.complain(chain, "LG401", text, call=call, kind=invariant.kinds[0], about=text)
    findings: list[Finding] = []
    for breach in found:
        key = identify(breach.key) if breach.key is not None else None
        book = next((book for book in chain if not book.closed and book.watches(breach.kind)), None)
        if book is not None:
            findings += LEDGER.breached(book, invariant.description, breach, key, call, invariant)
    return findings


def _checked(found: Iterable[Breach]) -> list[Breach]:
    for breach in found:
        if not isinstance(breach.kind, Resource | Rollback):
            raise TypeError(f"a breach names a kind, not {repr_safely(breach.kind)}")
    return [Breach(breach.kind, breach.key, str(breach.why)) for breach in found]
