"""What a function does to a kind, as declared: frozen data, checked when it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, Literal

from lifeguard.data import field, record
from lifeguard.errors import DeclarationError
from lifeguard.keys import (
    AmountExpression,
    Condition,
    KeyExpression,
    PatternExpression,
    parse_amount,
    parse_condition,
    parse_key,
    parse_pattern,
    repr_safely,
)
from lifeguard.kinds import OUTSIDE, Kind, Outside, Resource, Rollback
from lifeguard.places import Place, user_place

Verb = Literal["acquires", "releases", "transfers", "uses", "on_failure", "rolls_back", "atomic", "settles"]

LostReply = Literal["excused", "caller", "callee"]
"""Who has to see to an acquire that took effect although its caller got an error instead of the answer."""

Errors = tuple[type[BaseException], ...]

Selector = KeyExpression | PatternExpression
"""A key, or some parts of one."""

About = tuple[Kind | None, KeyExpression]

PAYING: Final = {"releases": "released", "transfers": "handed over", "rolls_back": "rolled back"}
"""The verbs that pay an obligation."""


@record(eq=False)
class Contract:
    """What one function does to one kind (for `atomic` and `settles`: to some).

    Attributes:
        verb: which decorator wrote it.
        kinds: the kinds that it speaks of; one, but for `atomic` and `settles`, where () means every resource kind.
        key: which one; None only for `atomic` and `settles`.
        when: a condition, or None.
        about: the subjects, each with its kind or None.
        within: the parent's kind and key.
        amount: how much, where a thing has no identity.
        in_doubt: an acquire that raised may have taken effect.
        raises: what the call is declared to raise.
        lost_reply: who has to see to an acquire that took effect although its caller got an error.
        retried: whoever calls it has to try again when it fails.
        call: how it is called to release what a dead process left.
        part: of a resource that needs several releases, which one this is.
        gone: exceptions that say that the thing is not there (any more).
        idempotent: releasing again is fine.
        cascade: whether parts that are held are settled with it (True), live on (False), or are LG108 unless their kind
            cascades (None).
        to: the new owner: OUTSIDE, (kind, key), or an expression that gives an open scope.
        to_key: the key that it is held under from now on.
        exc: which exceptions are failures.
        exc_given: whether that was said; if not, what deal declares of the function narrows it.
        success_pays: whether a later success of the same call pays.
        restores: whether what was held before must be there again.
        ended: of a settling call, after which ends it judges: "returned", "raised" or "either".
        place: where it was written.
    """

    verb: Verb
    kinds: tuple[Kind, ...]
    key: Selector | None = None
    when: Condition | None = None
    about: tuple[About, ...] = ()
    within: tuple[Resource, KeyExpression] | None = None
    amount: AmountExpression | None = None
    in_doubt: bool = False
    raises: Errors = ()
    lost_reply: LostReply = "excused"
    retried: bool = False
    call: Callable[[Any], object] | None = None
    part: str | None = None
    gone: Errors = ()
    idempotent: bool = False
    cascade: bool | None = None
    to: Outside | tuple[Resource, KeyExpression] | KeyExpression | None = None
    to_key: KeyExpression | None = None
    exc: Errors = ()
    exc_given: bool = True
    success_pays: bool = False
    restores: bool = False
    ended: str = "returned"
    place: Place | None = field(default_factory=user_place)

    @property
    def kind(self) -> Kind:
        """The kind, of a contract that speaks of one."""
        return self.kinds[0]

    @property
    def ties(self) -> tuple[Kind, ...]:
        """The kinds of which it ties a key to another key: an owner, a parent, what it is called from then on.

        What is known of one key of these depends on another one, so that a scope which watches a sample watches all of them.
        """
        owner = (self.to[0],) if isinstance(self.to, tuple) else ()
        parent = (self.within[0],) if self.within is not None else ()
        return (*owner, *parent, *(self.kinds if self.to_key is not None else ()))

    def expressions(self) -> Iterator[KeyExpression | Condition | AmountExpression | PatternExpression]:
        """Everything that is read from a call."""
        for one in (self.key, self.when, self.amount, self.to_key, *(expression for _, expression in self.about)):
            if one is not None:
                yield one
        if self.within is not None:
            yield self.within[1]
        if isinstance(self.to, KeyExpression):
            yield self.to
        elif isinstance(self.to, tuple):
            yield self.to[1]

    @property
    def names(self) -> frozenset[str]:
        """The parameters that its expressions mention, `self` and `result` among them."""
        return frozenset().union(*(expression.names for expression in self.expressions()))

    def check(self, parameters: Collection[str], *, function: str, result: str | None = None) -> None:
        """Compare its expressions with the function that carries it.

        Raises:
            DeclarationError: a name is no parameter, or `result` is mentioned where there is none.
        """
        for expression in self.expressions():
            expression.check(parameters, function=function, result=result)

    def __str__(self) -> str:
        parts = [kind.name for kind in self.kinds]
        if self.key is not None:
            parts.append(f"key={self.key.source}")
        if self.when is not None:
            parts.append(f"when={self.when.source}")
        if self.part is not None:
            parts.append(f"part={self.part!r}")
        return f"{self.verb}({', '.join(parts)})"


@record(eq=False)
class Invariant:
    """A rule over the ledger that a user wrote.

    Attributes:
        kinds: the kinds that it speaks of.
        description: what holds, in one sentence.
        function: called with a `LedgerView`.
        always: whether it is checked after each call that touches its kinds.
        place: where it was written.
    """

    kinds: tuple[Kind, ...]
    description: str
    function: Callable[[Any], object]
    always: bool = False
    place: Place | None = field(default_factory=user_place)


def expect_resource(value: object, what: str) -> Resource:
    """The resource kind that was given; DeclarationError for anything else."""
    if isinstance(value, Rollback):
        raise DeclarationError.at_caller(
            f"{what} takes a Resource, not the rollback {value!r}: see on_failure and rolls_back"
        )
    if not isinstance(value, Resource):
        raise DeclarationError.at_caller(
            f"{what} takes a Resource (image = Resource('image')), not {repr_safely(value)}"
        )
    return value


def expect_rollback(value: object, what: str) -> Rollback:
    """The rollback kind that was given; DeclarationError for anything else."""
    if not isinstance(value, Rollback):
        raise DeclarationError.at_caller(
            f"{what} takes a Rollback (spawn = Rollback('spawn')), not {repr_safely(value)}"
        )
    return value


def expect_kinds(values: tuple[object, ...], what: str) -> tuple[Kind, ...]:
    """The kinds that were given; DeclarationError for anything that is none."""
    for value in values:
        if not isinstance(value, Resource | Rollback):
            raise DeclarationError.at_caller(f"{what} takes kinds (Resource or Rollback), not {repr_safely(value)}")
    return values  # type: ignore[return-value]


def expect_errors(value: object, what: str) -> Errors:
    """Exception classes as a tuple; DeclarationError for anything else."""
    errors: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    for one in errors:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise DeclarationError.at_caller(
                f"{what} takes an exception class or a tuple of them, not {repr_safely(value)}"
            )
    return errors


def expect_flag(value: object, what: str) -> bool:
    """A bool; DeclarationError for anything else."""
    if not isinstance(value, bool):
        raise DeclarationError.at_caller(f"{what} takes True or False, not {repr_safely(value)}")
    return value


def check_part(kind: Resource, part: str | None, what: str) -> None:
    """Compare the part that a release names with what its kind needs; DeclarationError where they differ."""
    if kind.needs is None:
        if part is not None:
            raise DeclarationError.at_caller(f"{what}: part={part!r}, but {kind!r} needs only one release")
        return
    if part not in kind.needs.parts:
        needed = ", ".join(map(repr, kind.needs.parts))
        raise DeclarationError.at_caller(
            f"{what}: {kind!r} needs all of {needed}; say with part= which of them this is, not {part!r}"
        )


def read_when(value: object) -> Condition | None:
    """A condition as it was written."""
    return None if value is None else parse_condition(value)


def read_about(value: object) -> tuple[About, ...]:
    """Subjects as they were written: an expression, (kind, expression), or a list of these."""
    if value is None:
        return ()
    found: list[About] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, tuple) and one and isinstance(one[0], Resource | Rollback):
            kind, expression = _pair(one, "about")
            found.append((kind, parse_key(expression, what="about")))
        else:
            found.append((None, parse_key(one, what="about")))
    if not found:
        raise DeclarationError.at_caller("about=[] names no subject")
    return tuple(found)


def _pair(value: tuple[object, ...], what: str) -> tuple[Any, object]:
    if len(value) != 2:
        raise DeclarationError.at_caller(f"{what}= takes (kind, expression), not {repr_safely(value)}")
    return value[0], value[1]


def read_within(value: object, kind: Resource) -> tuple[Resource, KeyExpression] | None:
    """The parent as it was written: (kind, expression), or an expression where the kind names its parent's kind."""
    if value is None:
        return None
    if isinstance(value, tuple) and value and isinstance(value[0], Resource | Rollback):
        parent, expression = _pair(value, "within")
        expect_resource(parent, "within=(…)")
        if kind.within is not None and parent is not kind.within:
            raise DeclarationError.at_caller(
                f"within={repr_safely(value)}: {kind!r} is declared to be a part of {kind.within!r}"
            )
        return parent, parse_key(expression, what="within")
    if kind.within is None:
        raise DeclarationError.at_caller(
            f"within={repr_safely(value)}: {kind!r} names no parent kind; "
            f"declare Resource({kind.name!r}, within=…) or write within=(kind, expression)"
        )
    return kind.within, parse_key(value, what="within")


def read_amount(value: object, kind: Resource) -> AmountExpression | None:
    """An amount as it was written."""
    if value is None:
        return None
    if kind.needs is not None:
        raise DeclarationError.at_caller(
            f"amount={repr_safely(value)}: {kind!r} needs several releases, so it is not counted by amount"
        )
    return parse_amount(value)


def read_key(value: object, what: str = "key") -> KeyExpression:
    """A key as it was written; DeclarationError where there is none."""
    if value is None:
        raise DeclarationError.at_caller(
            f'{what}=None: a contract says which one: {what}="image_id", {what}="result[\'id\']", …'
        )
    return parse_key(value, what=what)


def read_selector(value: object, kinds: tuple[Kind, ...]) -> Selector | None:
    """A key, or a mapping of some of its parts."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return parse_key(value)
    if not kinds:
        raise DeclarationError.at_caller(
            f"key={repr_safely(value)}: parts of a key can be chosen only of kinds that are named"
        )
    return parse_pattern(value, kinds[0].fields)


def read_to(value: object) -> Outside | tuple[Resource, KeyExpression] | KeyExpression:
    """The new owner as it was written."""
    if value is OUTSIDE:
        return OUTSIDE
    if isinstance(value, tuple) and value and isinstance(value[0], Resource | Rollback):
        kind, expression = _pair(value, "to")
        return expect_resource(kind, "to=(…)"), parse_key(expression, what="to")
    if isinstance(value, str) or callable(value):
        return parse_key(value, what="to")
    raise DeclarationError.at_caller(
        f"to={repr_safely(value)}: a new owner is OUTSIDE, (kind, expression), or an expression that gives an open scope"
    )


def contradiction(first: Contract, second: Contract) -> str | None:
    """Why two contracts of one function cannot both be meant; None where they can."""
    if first.verb in ("atomic", "settles") or second.verb in ("atomic", "settles"):
        if first.verb != second.verb or set(first.kinds) != set(second.kinds):
            return None
        if _sources(first) != _sources(second) or first.ended != second.ended:
            return None
        return f"{second} is written twice"
    if first.kind is not second.kind or first.when is not None or second.when is not None:
        return None
    assert first.key is not None
    assert second.key is not None
    if first.key.source != second.key.source or first.key.source.startswith("<"):
        return None
    verbs = {first.verb, second.verb}
    if len(verbs) == 1 and first.part == second.part:
        return f"{second} is written twice"
    if verbs in ({"acquires", "releases"}, {"releases", "transfers"}, {"on_failure", "rolls_back"}):
        return f"{first} and {second} contradict each other; say with when= which of them applies"
    return None


def _sources(contract: Contract) -> tuple[str | None, tuple[tuple[Kind | None, str], ...]]:
    key = contract.key.source if contract.key is not None else None
    return key, tuple((kind, expression.source) for kind, expression in contract.about)
