"""Where a run can be made to fail: each occurrence of a call that carries a contract, and what may befall it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Literal

from lifeguard.context import Attempt
from lifeguard.contracts import Contract
from lifeguard.data import GENERATED
from lifeguard.errors import DeclarationError
from lifeguard.faults.injected import InjectedFault
from lifeguard.faults.tokens import CANCELLED, Phase, Planned, safe_name
from lifeguard.keys import repr_safely
from lifeguard.ledger.book import Book
from lifeguard.places import Place, Site, is_plumbing, resolve

Kind = Literal["before", "after", "stuck", "raises", "cancel", "interrupt"]

KINDS: Final[tuple[Kind, ...]] = ("before", "after", "stuck", "raises", "cancel")
"""What is tried by default."""

ON_REQUEST: Final[tuple[Kind, ...]] = ("interrupt",)

_SPANNING = frozenset({"atomic", "settles"})
_EFFECTIVE = frozenset({"acquires", "releases", "transfers", "on_failure", "rolls_back"})
_PAYING = frozenset({"releases", "rolls_back"})
_GENERAL = (Exception, BaseException)

CLAMP: Final = 2
"""Two of a sort are as good as many, when two states of the ledger are compared."""

Chain = tuple[Site, ...]
State = tuple[tuple[tuple[str, str, str], int], ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that may befall a call.

    Attributes:
        phase: "before", "after" or "stuck".
        error: the type of what it raises; None for a cancellation.
    """

    phase: Phase
    error: type[BaseException] | None

    @property
    def error_name(self) -> str:
        """As it stands in tokens."""
        return CANCELLED if self.error is None else safe_name(self.error.__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a run.

    Attributes:
        call: its name, as it stands in tokens.
        nth: which of the calls of that name it is, counted from 1.
        position: how many watched calls came before it.
        chain: where in the user's code it was made, the innermost place first.
        state: what the scopes held, with the numbers clamped.
        options: what may befall it.
        pays: it is a release or a rollback.
        armed: it was made in a block of `armed()`.
    """

    call: str
    nth: int
    position: int
    chain: Chain
    state: State
    options: tuple[Option, ...]
    pays: bool = False
    armed: bool = False

    @property
    def place(self) -> Place | None:
        """The line that made the call."""
        return resolve(self.chain[0]) if self.chain else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fault that can be tried: a step, and one of its options."""

    step: Step
    option: Option

    @property
    def planned(self) -> Planned:
        """It, as a part of a schedule."""
        return Planned(self.step.call, self.step.nth, self.option.phase, self.option.error_name)

    @property
    def sort(self) -> object:
        """Candidates of one sort are taken to be equivalent."""
        return self.step.call, self.option, self.step.chain, self.step.state


class Menu:
    """What may befall the calls of each function, worked out once."""

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        self.kinds = frozenset(kinds)
        self._known: dict[Any, tuple[str, tuple[Option, ...], bool]] = {}

    def of(self, attempt: Attempt) -> tuple[str, tuple[Option, ...], bool]:
        """The name of a call in tokens, what may befall it, and whether it pays; () where it is no place for faults."""
        known = self._known.get(attempt.woven)
        if known is None:
            woven = attempt.woven
            options = tuple(_options(woven.function, woven.contracts, self.kinds, awaits=attempt.awaits))
            pays = any(one.verb in _PAYING for one in woven.contracts)
            known = self._known[woven] = safe_name(woven.name), options, pays
        return known

    def plain_errors(self) -> dict[str, str]:
        """For each call that was seen, the name of the exception that it raises unless something else is asked for."""
        return {name: options[0].error_name for name, options, _ in self._known.values() if options}


def expect_kinds(kinds: object) -> tuple[str, ...]:
    """The kinds of faults that were given.

    Raises:
        DeclarationError: something else was given.
    """
    allowed = (*KINDS, *ON_REQUEST)
    values = (kinds,) if isinstance(kinds, str) else tuple(kinds) if isinstance(kinds, Iterable) else ()
    if not values or any(one not in allowed for one in values):
        raise DeclarationError.at_caller(
            f"explore(kinds=…) takes some of {', '.join(map(repr, allowed))}, not {repr_safely(kinds)}"
        )
    return tuple(dict.fromkeys(values))


def declared(
    function: Any, contracts: Iterable[Contract]
) -> tuple[list[type[BaseException]], list[type[BaseException]]]:
    """What a function is declared to raise: its failures, and the exceptions that say that something is gone."""
    failures: dict[type[BaseException], None] = {}
    gone: dict[type[BaseException], None] = {}
    for contract in contracts:
        failures.update(dict.fromkeys(one for one in contract.raises if one not in _GENERAL))
        if contract.verb == "on_failure":
            failures.update(dict.fromkeys(one for one in contract.exc if one not in _GENERAL))
        gone.update(dict.fromkeys(one for one in contract.gone if one not in _GENERAL))
    failures.update(dict.fromkeys(_declared_to_deal(function)))
    return [one for one in failures if one not in gone], list(gone)


def _declared_to_deal(function: Any) -> list[type[BaseException]]:
    if "deal" not in sys.modules:  # nobody can have used it
        return []
    from lifeguard.integrations.deal import declared_failures

    return [one for one in declared_failures(function) or () if one not in _GENERAL]


def _options(
    function: Any, contracts: tuple[Contract, ...], kinds: frozenset[str], *, awaits: bool
) -> Iterable[Option]:
    verbs = {contract.verb for contract in contracts}
    if not verbs - _SPANNING:
        return
    effective = bool(verbs & _EFFECTIVE) and not verbs & _SPANNING
    failures, gone = declared(function, contracts)
    main = failures[0] if failures else InjectedFault
    if "before" in kinds:
        yield Option("before", main)
    if "after" in kinds and effective:
        yield Option("after", main)
    if "stuck" in kinds:
        yield Option("stuck", main)
    if "raises" in kinds:
        for error in (*failures, *gone):
            if error is not main or "before" not in kinds:
                yield Option("before", error)
    if "cancel" in kinds and awaits:
        yield Option("before", None)
        if effective:
            yield Option("after", None)
    if "interrupt" in kinds:
        yield Option("before", KeyboardInterrupt)
        if effective:
            yield Option("after", KeyboardInterrupt)


def composite(steps: Iterable[Step]) -> set[int]:
    """The positions of the calls inside of which others of these were made."""
    found: set[int] = set()
    last: dict[Chain, int] = {}
    for step in steps:
        for start in range(1, len(step.chain)):
            outer = last.get(step.chain[start:])
            if outer is not None:
                found.add(outer)
        last[step.chain] = step.position
    return found


def options_of(step: Step, composites: set[int]) -> tuple[Option, ...]:
    """What is tried of a step: a release or rollback that consists of other watched calls fails in its parts."""
    if step.pays and step.position in composites:
        return tuple(one for one in step.options if one.phase == "after")
    return step.options


def chain_from(frame: FrameType | None, stop: object) -> Chain:
    """The places in the user's code that lead to a call, the innermost first.

    Args:
        frame: where to begin.
        stop: the code object at which the scenario begins; None for no end.
    """
    found: list[Site] = []
    while frame is not None:
        code = frame.f_code
        if code is stop:
            break
        if not code.co_filename.startswith(GENERATED) and not is_plumbing(code.co_filename):
            found.append((code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def state_of(books: Iterable[Book]) -> State:
    """What some scopes hold, as far as it tells two moments of a program apart."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for book in books:
        for one in tuple(book.held):
            by = one.first[0].function if one.first else ""
            counts[one.kind.name, one.state.value, by] += 1
    return tuple(sorted((what, min(count, CLAMP)) for what, count in counts.items()))
