"""Events told by hand: for what no contract stands on, through the same ledger."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any, Final

from lifeguard import context
from lifeguard.allowances import read_subjects
from lifeguard.context import LEDGER
from lifeguard.contracts import check_part, expect_errors, expect_resource, expect_rollback
from lifeguard.errors import DeclarationError
from lifeguard.keys import identify, problem_text, repr_safely
from lifeguard.kinds import OUTSIDE, Outside, Resource, Rollback
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Act, Call, Outcome, Verb
from lifeguard.places import caller
from lifeguard.telling import tell

_UNSET: Final[Any] = object()


class HandEvents(ABC):
    """The part of a scope that takes events by hand."""

    book: Book

    @abstractmethod
    def expect_open(self, what: str) -> None:
        """Raise UsageError unless the scope is open."""

    @abstractmethod
    def chain(self) -> tuple[tuple[Book, ...], int]:
        """The books of this scope and of the open ones around it, and how many of them do not only reach the process."""

    def _by_hand(self, act: Act, what: str, error: BaseException | None) -> None:
        __tracebackhide__ = True
        self.expect_open(what)
        thread, actor = context.actor()
        chain, around = self.chain()
        site = caller(sys._getframe(2))
        call = Call("by hand", chain=chain, around=around, site=site, actor=actor, thread=thread)
        if error is not None:
            call.error = problem_text(error)
        ties = [one[0] for one in (act.to, act.within) if isinstance(one, tuple)]
        LEDGER.tie([*ties, act.kind] if act.to_key is not None else ties)
        LEDGER.begin(call)
        tell(call, Outcome.RETURNED if error is None else Outcome.RAISED, [act])

    def acquired(
        self,
        kind: Resource,
        key: object,
        *,
        about: object = None,
        within: object = None,
        amount: float | tuple[float, ...] | None = None,
        in_doubt: bool = False,
        error: BaseException | None = None,
    ) -> None:
        """Record an acquire by hand, as if a call in this scope had made it.

        Args:
            kind: what was acquired.
            key: which one: a plain value, or an object that stands for itself.
            about: a subject: a key, (kind, key), or a list of these.
            within: the key of what it is a part of, where the kind names its parent's kind; else (kind, key).
            amount: how much, where the thing has no identity.
            in_doubt: it failed with `error`, and may have taken effect.
            error: what the call raised, if it did.

        Raises:
            DeclarationError: a value of the wrong sort.
            UsageError: the scope is not open.
        """
        expect_resource(kind, "acquired(…)")
        act = Act(Verb.ACQUIRE, kind, identify(key))
        act.about = read_subjects(about)
        act.amount = _amount(amount)
        act.in_doubt = in_doubt
        if within is not None:
            if isinstance(within, tuple) and within and isinstance(within[0], Resource):
                act.within = (within[0], identify(within[1]))
            elif kind.within is None:
                raise DeclarationError.at_caller(
                    f"acquired(within={repr_safely(within)}): {kind!r} names no parent kind"
                )
            else:
                act.within = (kind.within, identify(within))
        self._by_hand(act, "acquired()", error)

    def released(
        self,
        kind: Resource,
        key: object,
        *,
        part: str | None = None,
        amount: float | tuple[float, ...] | None = None,
        gone: type[BaseException] | tuple[type[BaseException], ...] = (),
        idempotent: bool = False,
        cascade: bool | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Record a release by hand; arguments as for `lifeguard.releases`, and `error`, what the call raised, if it
        did.

        Raises:
            DeclarationError: a value of the wrong sort.
            UsageError: the scope is not open.
        """
        expect_resource(kind, "released(…)")
        check_part(kind, part, "released(…)")
        act = Act(Verb.RELEASE, kind, identify(key))
        act.part, act.amount, act.idempotent, act.cascade = part, _amount(amount), idempotent, cascade
        act.gone = error is not None and isinstance(error, expect_errors(gone, "gone="))
        self._by_hand(act, "released()", error)

    def transferred(
        self,
        kind: Resource,
        key: object,
        *,
        to: Outside | HandEvents | tuple[Resource, object] = _UNSET,
        to_key: object = _UNSET,
        error: BaseException | None = None,
    ) -> None:
        """Record a transfer by hand: to OUTSIDE, to an open scope, to a resource as (kind, key), or to another key.

        Raises:
            DeclarationError: neither or both of `to` and `to_key`, or a value of the wrong sort.
            UsageError: the scope is not open.
        """
        expect_resource(kind, "transferred(…)")
        if (to is _UNSET) == (to_key is _UNSET):
            raise DeclarationError.at_caller("transferred(…) takes either to= or to_key=")
        act = Act(Verb.TRANSFER, kind, identify(key))
        if to_key is not _UNSET:
            act.to_key = identify(to_key)
        elif isinstance(to, HandEvents):
            act.to = to.book
        elif isinstance(to, Outside):
            act.to = OUTSIDE
        elif isinstance(to, tuple) and len(to) == 2:
            act.to = (expect_resource(to[0], "to=(…)"), identify(to[1]))
        else:
            raise DeclarationError.at_caller(
                f"transferred(to=…) takes OUTSIDE, a scope or (kind, key), not {repr_safely(to)}"
            )
        self._by_hand(act, "transferred()", error)

    def used(
        self,
        kind: Resource,
        key: object,
        *,
        gone: type[BaseException] | tuple[type[BaseException], ...] = (),
        error: BaseException | None = None,
    ) -> None:
        """Record a use by hand.

        Raises:
            DeclarationError: a value of the wrong sort.
            UsageError: the scope is not open.
        """
        expect_resource(kind, "used(…)")
        act = Act(Verb.USE, kind, identify(key))
        act.gone = error is not None and isinstance(error, expect_errors(gone, "gone="))
        self._by_hand(act, "used()", error)

    def failed(
        self, rollback: Rollback, key: object, *, about: object = None, error: BaseException | None = None
    ) -> None:
        """Record by hand that a call failed which must be rolled back.

        Raises:
            DeclarationError: a value of the wrong sort.
            UsageError: the scope is not open.
        """
        act = Act(Verb.FAIL, expect_rollback(rollback, "failed(…)"), identify(key))
        act.about = read_subjects(about)
        self._by_hand(act, "failed()", error)

    def rolled_back(self, rollback: Rollback, key: object, *, error: BaseException | None = None) -> None:
        """Record by hand that a rollback was done or, with `error`, tried in vain.

        Raises:
            DeclarationError: a value of the wrong sort.
            UsageError: the scope is not open.
        """
        act = Act(Verb.ROLL_BACK, expect_rollback(rollback, "rolled_back(…)"), identify(key))
        self._by_hand(act, "rolled_back()", error)

    def seed(self, kind: Resource, *keys: object, why: str) -> None:
        """Declare what was there before the scope opened: it may be used, handed over and released once, and is not
        owed.

        Args:
            kind: what is there.
            *keys: which ones.
            why: where they come from, shown in histories.

        Raises:
            DeclarationError: a value of the wrong sort, or no reason.
            UsageError: the scope is not open.
        """
        expect_resource(kind, "seed(…)")
        if not isinstance(why, str) or not why.strip():
            raise DeclarationError.at_caller(
                f"seed(…, why=…) takes the reason (a non-empty text), not {repr_safely(why)}"
            )
        self.expect_open("seed()")
        _, actor = context.actor()
        call = Call("seed", chain=self.chain()[0], site=caller(sys._getframe(1)), actor=actor)
        LEDGER.seed(self.book, kind, [identify(key) for key in keys], call, why)


def _amount(value: float | tuple[float, ...] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers = value if isinstance(value, tuple) else (value,)
    for one in numbers:
        if isinstance(one, bool) or not isinstance(one, int | float) or one < 0:
            raise DeclarationError.at_caller(
                f"amount= takes a number from 0 or a tuple of them, not {repr_safely(value)}"
            )
    return numbers
