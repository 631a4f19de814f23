"""From the arguments and the result of one call to what its contracts say: every expression read, nothing recorded yet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from lifeguard.context import LEDGER
from lifeguard.contracts import Contract
from lifeguard.data import record
from lifeguard.extensions import load
from lifeguard.keys import (
    NOTHING,
    AmountExpression,
    Key,
    KeyExpression,
    ObjectKey,
    Pattern,
    PatternExpression,
    Unreadable,
    show,
)
from lifeguard.kinds import OUTSIDE, Kind, Outside, Rollback
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Act, Call, Ref, Subject, Verb
from lifeguard.ledger.spans import Choice

if TYPE_CHECKING:
    from lifeguard.ledger.records import Generation

Arguments = Mapping[str, object]
Targets = Mapping[Ref, "Generation | None"]

_VERBS = {
    "acquires": Verb.ACQUIRE,
    "releases": Verb.RELEASE,
    "transfers": Verb.TRANSFER,
    "uses": Verb.USE,
    "on_failure": Verb.FAIL,
    "rolls_back": Verb.ROLL_BACK,
}

_NAMING = frozenset({"releases", "transfers", "uses", "rolls_back"})
"""The end of these speaks of the generation that the key named when the call began."""


@record
class Ending:
    """How a call ended: with a result, or with an error."""

    result: object = None
    error: BaseException | None = None


class Reading:
    """One contract of one call: what was read at its begin."""

    __slots__ = ("_about", "_amount", "_arguments", "_key", "_to", "_to_key", "_when", "_within", "contract")

    def __init__(self, contract: Contract, arguments: Arguments, key: object = None) -> None:
        self.contract = contract
        self._arguments = arguments
        self._key = key  # where it was read already
        if key is None and contract.key is not None:
            self._key = contract.key.begin(arguments)
        self._when = contract.when.begin(arguments) if contract.when is not None else None
        self._about = tuple([expression.begin(arguments) for _, expression in contract.about])
        self._amount = contract.amount.begin(arguments) if contract.amount is not None else None
        self._within = contract.within[1].begin(arguments) if contract.within is not None else None
        self._to_key = contract.to_key.begin(arguments) if contract.to_key is not None else None
        to = self._to_expression()
        self._to = to.begin(arguments) if to is not None else None

    def _to_expression(self) -> KeyExpression | None:
        to = self.contract.to
        if isinstance(to, tuple):
            return to[1]
        return to if isinstance(to, KeyExpression) else None

    # -- at the begin -----------------------------------------------------------------------------------------------------------

    def take_subjects(self, values: tuple[object, ...]) -> None:
        """Take what the call is about as it was when it began, and not as it is now."""
        about = zip(self.contract.about, values, strict=True)
        self._about = tuple([expression.begun(value) for (_, expression), value in about])

    def keys_now(self) -> tuple[Key, ...]:
        """The keys, as far as they are known before the call; what cannot be read is told at the end."""
        contract = self.contract
        key = contract.key
        if not isinstance(key, KeyExpression):
            return ()
        try:
            if contract.when is not None and contract.when.now(self._when) is False:
                return ()
            return key.now(self._key) or ()
        except Unreadable:
            return ()

    def named(self) -> list[Ref]:
        """The resources that the call will release, hand over, use or roll back."""
        if self.contract.verb not in _NAMING:
            return []
        return [(self.contract.kind, key) for key in self.keys_now()]

    def failing(self) -> list[Ref]:
        """The rollbacks that will be owed should the call fail."""
        return [(self.contract.kind, key) for key in self.keys_now()] if self.contract.verb == "on_failure" else []

    # -- at the end -------------------------------------------------------------------------------------------------------------

    def acts(self, ending: Ending, targets: Targets) -> list[Act]:
        """What the contract says now that the call has ended.

        Raises:
            Unreadable: an expression that matters could not be read.
        """
        if ending.error is not None:
            return self._raised(ending, ending.error, targets)
        return self._returned(ending, targets)

    def _holds(self, ending: Ending) -> bool:
        when = self.contract.when
        return when is None or when.finish(self._when, self._arguments, ending.result)

    def _raised(self, ending: Ending, error: BaseException, targets: Targets) -> list[Act]:
        contract = self.contract
        key = contract.key
        if key is None or key.mentions_result:
            return []
        by_result = contract.when is not None and contract.when.mentions_result
        if contract.verb == "on_failure":
            failures = contract.exc
            if not contract.exc_given and "deal" in sys.modules:
                failures = load("declared failures")(error) or failures
            if not isinstance(error, failures) or not (by_result or self._holds(ending)):
                return []
            return self._make(ending, targets)
        gone = isinstance(error, contract.gone)
        matters = gone or contract.in_doubt or contract.verb == "rolls_back"
        try:
            if not by_result and not self._holds(ending):
                return []
            acts = self._make(ending, targets, raised=True)
        except Unreadable:
            if matters:
                raise
            return []  # a call that failed before its arguments made sense
        for act in acts:
            act.gone = gone
            act.in_doubt = contract.in_doubt
        return acts

    def _returned(self, ending: Ending, targets: Targets) -> list[Act]:
        contract = self.contract
        if contract.verb != "on_failure":
            return self._make(ending, targets) if self._holds(ending) else []
        failed = contract.when is not None and contract.when.mentions_result and self._holds(ending)
        if not failed and not contract.success_pays:
            return []
        acts = self._make(ending, targets)
        for act in acts:
            act.succeeded = not failed
        return acts

    def lost(self, ending: Ending, targets: Targets) -> list[Act]:
        """What an acquire says whose answer was lost on its way to the caller: it is in doubt to them.

        Args:
            ending: how it ended in truth.
            targets: as for `acts`.
        """
        acts = self._returned(ending, targets)
        for act in acts:
            act.in_doubt = True
            act.excused = self.contract.lost_reply == "excused" and not self.contract.in_doubt
        return acts

    def step(self, ending: Ending) -> list[tuple[Kind, Key]]:
        """The rollbacks of which the call, having returned, is a completed step for an outer one."""
        contract = self.contract
        if contract.verb != "on_failure" or not isinstance(contract.kind, Rollback) or contract.kind.order is None:
            return []
        key = contract.key
        assert isinstance(key, KeyExpression)
        if contract.when is not None and not contract.when.mentions_result and not self._holds(ending):
            return []
        return [(contract.kind, one) for one in key.finish(self._key, self._arguments, ending.result)]

    def _make(self, ending: Ending, targets: Targets, *, raised: bool = False) -> list[Act]:
        contract = self.contract
        key, verb, kind = contract.key, _VERBS[contract.verb], contract.kind
        assert isinstance(key, KeyExpression)
        keys = key.finish(self._key, self._arguments, ending.result)
        acts = [Act(verb, kind, one) for one in keys]
        if not raised or verb in (Verb.ACQUIRE, Verb.RELEASE):
            self._complete(acts, ending, raised)
        if contract.verb in _NAMING:
            for act in acts:
                ref = (kind, act.key)
                if ref in targets:
                    act.resolved, act.target = True, targets[ref]
        return acts

    def _complete(self, acts: list[Act], ending: Ending, raised: bool) -> None:
        contract, arguments, result = self.contract, self._arguments, ending.result

        def readable(*expressions: KeyExpression | AmountExpression) -> bool:
            return not raised or not any(one.mentions_result for one in expressions)

        about = self.subjects(ending) if readable(*(one for _, one in contract.about)) else ()
        amount: tuple[float, ...] | None = None
        if contract.amount is not None and readable(contract.amount):
            amount = contract.amount.finish(self._amount, arguments, result)
        for act in acts:
            act.about = about
            act.amount = amount
            act.part = contract.part
            act.idempotent = contract.idempotent
            act.cascade = contract.cascade
        if contract.within is not None and readable(contract.within[1]):
            parents = contract.within[1].finish(self._within, arguments, result)
            for act, parent in _paired(acts, parents, contract.within[1]):
                act.within = (contract.within[0], parent)
        if contract.to_key is not None:
            for act, to_key in _paired(acts, contract.to_key.finish(self._to_key, arguments, result), contract.to_key):
                act.to_key = to_key
        elif contract.verb == "transfers":
            to = self._owner(ending)
            for act in acts:
                act.to = to

    def _owner(self, ending: Ending) -> Outside | Book | Ref:
        to = self.contract.to
        if to is OUTSIDE or to is None:
            return OUTSIDE
        expression = self._to_expression()
        assert expression is not None
        keys = expression.finish(self._to, self._arguments, ending.result)
        if len(keys) != 1:
            raise Unreadable(expression.source, f"gives {len(keys)} owners, where one is needed")
        if isinstance(to, tuple):
            return to[0], keys[0]
        target = keys[0].target() if isinstance(keys[0], ObjectKey) else None
        if target is OUTSIDE:
            return OUTSIDE
        book = getattr(target, "book", None)
        if not isinstance(book, Book):
            raise Unreadable(expression.source, f"gives {show(keys[0])}, which is neither a scope nor OUTSIDE")
        return book

    def subjects(self, ending: Ending) -> tuple[Subject, ...]:
        """What the contract is about, as far as it can be read."""
        found: list[Subject] = []
        for (kind, expression), begun in zip(self.contract.about, self._about, strict=True):
            keys = expression.finish(begun, self._arguments, ending.result)
            found += [(kind, key) for key in keys if key is not NOTHING]  # there is no such subject
        return tuple(found)

    def choice(self, ending: Ending) -> Choice:
        """What an atomic or settling call speaks of.

        Raises:
            Unreadable: its key or subject could not be read.
        """
        contract = self.contract
        key = contract.key
        matches: tuple[Callable[[Key], bool], ...] | None = None
        if isinstance(key, PatternExpression):
            patterns: tuple[Pattern, ...] = key.finish(self._key, self._arguments, ending.result)
            matches = tuple([pattern.matches for pattern in patterns])
        elif key is not None:
            keys = frozenset(key.finish(self._key, self._arguments, ending.result))
            matches = (keys.__contains__,)
        return Choice(
            frozenset(contract.kinds) if contract.kinds else None,
            matches,
            self.subjects(ending) if contract.about else None,
        )


def is_left_out(contracts: Iterable[Contract], arguments: Arguments, key: object) -> bool:
    """Whether a call does nothing but release, hand over or use what no open scope has in its sample.

    Args:
        contracts: the contracts of the function.
        arguments: what they read.
        key: the key of its one contract, where that was read already.
    """
    for contract in contracts:
        if contract.verb not in ("releases", "transfers", "uses") or contract.to_key is not None:
            return False
        keys = Reading(contract, arguments, key).keys_now()
        if not keys or any(LEDGER.is_watched(contract.kind, one) for one in keys):
            return False
    return True


def unreadable(call: Call, contract: Contract, problem: Unreadable) -> str:
    """The text of an LG401."""
    return f"{contract} on {call.function}: {problem.source} could not be read: {problem.problem}"


def _paired(acts: list[Act], keys: tuple[Key, ...], expression: KeyExpression) -> list[tuple[Act, Key]]:
    if not expression.many:
        return [(act, keys[0]) for act in acts]
    if len(keys) != len(acts):
        raise Unreadable(expression.source, f"gives {len(keys)} keys for {len(acts)} resources")
    return list(zip(acts, keys, strict=True))
