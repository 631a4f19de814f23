"""What a running story has at hand: the things that its calls opened, by name, as the ledger holds them now."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

from lifeguard.context import LEDGER
from lifeguard.contracts import Contract
from lifeguard.keys import AmountExpression, Condition, Key, KeyExpression, ObjectKey, Part, Unreadable, identify, plain
from lifeguard.kinds import Kind, Resource
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Generation
from lifeguard.ledger.states import State

Ref = tuple[Kind, Key]

POOL = 12
"""So many values of a call are looked through for one that a key expression can be read from."""


@final
class Handle:
    """A thing of a story: what a variable of a bundle stands for.

    Attributes:
        kind: its kind.
        key: its key, as the ledger has it.
        name: the variable's name.
        raw: its key as the call gave it, not yet normalised.
        pool: what the call took and gave: that from which arguments of later calls are made.
    """

    __slots__ = ("key", "kind", "name", "pool", "raw")

    def __init__(self, kind: Kind, key: Key, name: str, raw: object, pool: tuple[object, ...]) -> None:
        self.kind = kind
        self.key = key
        self.name = name
        self.raw = raw
        self.pool = pool

    def __repr__(self) -> str:
        return self.name


def read_keys(expression: KeyExpression, arguments: Mapping[str, Any], result: object = None) -> tuple[Key, ...]:
    """The keys that an expression reads from a call; none where it cannot be read, which the ledger reports (LG401)."""
    try:
        return expression.finish(expression.begin(arguments), arguments, result)
    except Unreadable:
        return ()


def read_condition(condition: Condition | None, arguments: Mapping[str, Any]) -> bool:
    """Whether a contract may apply to a call that is still to be made."""
    if condition is None or condition.late:
        return True
    try:
        return condition.finish(condition.begin(arguments), arguments, None)
    except Unreadable:
        return True


def read_ended(condition: Condition | None, arguments: Mapping[str, Any], result: object) -> bool:
    """Whether a contract applied to a call that has ended."""
    if condition is None:
        return True
    try:
        return condition.finish(condition.begin(arguments), arguments, result)
    except Unreadable:
        return False


def read_amounts(
    amount: AmountExpression | None, arguments: Mapping[str, Any], result: object = None
) -> tuple[Any, ...] | None:
    """The amounts of a call; None where there are none or they cannot be read."""
    if amount is None:
        return None
    try:
        return amount.finish(amount.begin(arguments), arguments, result)
    except Unreadable:
        return None


def raw_keys(expression: KeyExpression, arguments: Mapping[str, Any], result: object) -> list[object]:
    """What an expression reads from a call before it is normalised, in the order of its keys."""
    values: list[Any] = []
    for part in expression.parts:
        value: Any = part.read(arguments, result)
        values.append(list(value) if part.many else [value])
    if not expression.composite:
        return list(values[0])
    return [tuple(one) for one in itertools.product(*values)]


def _parts(expression: KeyExpression, handle: Handle) -> list[tuple[Part, Key, object]] | None:
    """Each part of an expression with the part of a thing's key that it must read; None where they cannot agree."""
    key: Any = handle.key
    if not expression.composite:
        return [(expression.parts[0], key, handle.raw)]
    if not isinstance(key, tuple) or len(key) != len(expression.parts):
        return None
    raws: Sequence[object] = handle.raw if isinstance(handle.raw, tuple) and len(handle.raw) == len(key) else key
    return list(zip(expression.parts, key, raws, strict=True))


def _reads(part: Part, arguments: Mapping[str, Any], wanted: Key) -> bool:
    try:
        return bool(identify(part.read(arguments, None)) == wanted)
    except Exception:
        return False


def solve(
    expression: KeyExpression, handles: Sequence[Handle], known: Mapping[str, Any], wanted: Iterable[str]
) -> dict[str, Any] | None:
    """Arguments from which an expression reads the keys of some things.

    A bare name takes the key itself; for anything else ("image['id']", "instance.uuid", a function) what the calls
    that opened the things took and gave is tried, and the first that reads right is taken.

    Args:
        expression: the expression; with `each`, of several things.
        handles: the things, of which all parts but that of `each` are alike.
        known: the arguments that are fixed.
        wanted: the parameters to find values for.

    Returns:
        their values; None where there are none.
    """
    first = handles[0]
    found: dict[str, Any] = {}
    parts = _parts(expression, first)
    if parts is None:
        return None
    for index, (part, key, raw) in enumerate(parts):
        missing = sorted(name for name in part.names if name in wanted and name not in known and name not in found)
        if not missing:
            continue
        if part.many:
            if len(missing) > 1 or part.code != missing[0]:
                return None
            several = [_parts(expression, handle) for handle in handles]
            found[missing[0]] = [one[index][2] for one in several if one is not None]
            continue
        if len(missing) == 1 and part.code == missing[0]:
            found[missing[0]] = raw
            continue
        pool = [raw, first.raw, *first.pool][:POOL]
        for values in itertools.product(pool, repeat=len(missing)):
            trial = dict(zip(missing, values, strict=True))
            if _reads(part, {**known, **found, **trial}, key):
                found |= trial
                break
        else:
            return None
    return found


class Stock:
    """The things of one story."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._handles: dict[Ref, Handle] = {}
        self._counts: Counter[str] = Counter()
        self.open: dict[Ref, Generation] = {}
        self.released: dict[Ref, Handle] = {}
        self.outside: set[Ref] = set()

    # -- what happened ----------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Compare with the ledger: what is open now, and what was settled since the last look, and how."""
        now = {(one.kind, one.key): one for one in LEDGER.outstanding(self._book)}
        gone = [ref for ref in self._handles if ref in self.open and ref not in now]
        for ref, generation in zip(gone, LEDGER.named((self._book,), gone), strict=True):
            handle = self._handles.pop(ref)
            if generation is None:
                continue
            if generation.state is State.RELEASED and isinstance(ref[0], Resource):
                self.released[ref] = handle
            elif generation.state is State.OUTSIDE:
                self.outside.add(ref)
        self.open = now
        for ref in now:
            self.released.pop(ref, None)
            self.outside.discard(ref)

    def take(self, kind: Kind, key: Key, name: str, raw: object, pool: tuple[object, ...]) -> Handle | None:
        """A thing that a call has opened; None where it is not held now, or has a name already."""
        ref = kind, key
        if ref not in self.open or ref in self._handles:
            return None
        handle = Handle(kind, key, f"{name}_{self._counts[name]}", raw, pool)
        self._counts[name] += 1
        self._handles[ref] = handle
        return handle

    def take_rest(self, pool: tuple[object, ...], name_of: Any) -> None:
        """Everything that is open and has no name: what was there when the story began."""
        for (kind, key), _ in list(self.open.items()):
            raw = key.target() if isinstance(key, ObjectKey) else plain(key)
            self.take(kind, key, name_of(kind), raw, pool)

    # -- what there is ----------------------------------------------------------------------------------------------------------

    def fitting(self, contract: Contract, kind: Kind, *, as_key: bool, alone: bool = True) -> list[Handle]:
        """The things that a call with a contract may be made with, oldest first.

        Args:
            contract: the contract.
            kind: of which kind.
            as_key: whether its key is asked for, and not the parent or new owner that it names beside.
            alone: whether the same call releases nothing else.
        """
        handles = self.free(kind)
        if as_key:
            leaving = set() if alone else set(self.open)
            handles = [handle for handle in handles if not self.may(contract, (kind, handle.key), leaving)]
        return handles

    def free(self, kind: Kind) -> list[Handle]:
        """The things of a kind that are held, and not handed to another owner, oldest first."""
        return [handle for ref, handle in self._handles.items() if ref[0] is kind and self.is_free(ref)]

    def stale(self, kind: Kind) -> list[Handle]:
        """The things of a kind that were released, oldest first."""
        return [handle for ref, handle in self.released.items() if ref[0] is kind]

    def is_free(self, ref: Ref) -> bool:
        """Whether a thing is held, and by the scope itself."""
        generation = self.open.get(ref)
        return generation is not None and generation.owner is None

    def in_doubt(self, ref: Ref) -> bool:
        """Whether an acquire failed that may have taken effect."""
        generation = self.open.get(ref)
        return generation is not None and generation.state is State.DOUBT

    def named(self, ref: Ref) -> Handle | None:
        """The thing of this kind and key, if the story has it."""
        return self._handles.get(ref)

    def all_named(self) -> Iterator[Ref]:
        """Everything that the story has a name for and that is open."""
        return (ref for ref in self._handles if ref in self.open)

    # -- what a contract asks for -------------------------------------------------------------------------------------------

    def may(self, contract: Contract, ref: Ref, leaving: set[Ref], amounts: tuple[Any, ...] | None = None) -> str:
        """Why a call with this contract would be the story's own mistake for this key; "" where it would not.

        Args:
            contract: the contract.
            ref: of which thing.
            leaving: what the same call releases or hands over.
            amounts: how much, where the thing is counted by amount.
        """
        generation = self.open.get(ref)
        verb = contract.verb
        if verb == "acquires":
            return "" if ref in leaving or self._may_acquire(contract, ref, generation) else "it is held already"
        if generation is None:
            return "it is owed nothing" if verb == "rolls_back" else "it is not held"
        if generation.state is State.DOUBT and not contract.gone:
            return "it is in doubt"
        if generation.owner is not None and verb != "uses":
            return f"it belongs to {generation.owner.kind.name} {plain(generation.owner.key)!r}"
        if verb == "releases":
            return self._may_release(contract, generation, leaving, amounts)
        return ""

    def may_become(self, contract: Contract, ref: Ref) -> bool:
        """Whether something may get this key: it is not held yet, or may be held again."""
        return self._may_acquire(contract, ref, self.open.get(ref))

    def _may_acquire(self, contract: Contract, ref: Ref, generation: Generation | None) -> bool:
        kind = ref[0]
        counted = contract.amount is not None or (isinstance(kind, Resource) and kind.again != "error")
        return counted or (generation is None and ref not in self.outside)

    def _may_release(
        self, contract: Contract, generation: Generation, leaving: set[Ref], amounts: tuple[Any, ...] | None
    ) -> str:
        if contract.part is not None and contract.part in generation.paid:
            return f"its {contract.part} was done"
        held_amounts = generation.amounts or ()
        if any(less > more for less, more in zip(amounts or (), held_amounts, strict=False)):
            return "it is more than is held"
        if contract.cascade is None and not contract.idempotent:
            for part in generation.parts:
                held = self.open.get((part.kind, part.key)) is part
                cascades = isinstance(part.kind, Resource) and part.kind.cascade
                if held and not cascades and (part.kind, part.key) not in leaving:
                    return f"{part.kind.name} {plain(part.key)!r}, a part of it, is still held"
        return ""

    def leaks(self, settled: set[Kind]) -> list[Generation]:
        """What is held although nothing is left that the story itself could still settle.

        Args:
            settled: the kinds that some rule settles.

        Returns:
            the obligations, oldest first; none while the story has something to settle.
        """
        own = set(self.all_named())
        if any(ref[0] in settled for ref in own):
            return []
        return [
            one for ref, one in self.open.items() if ref not in own and not any(_belongs(one, ref_) for ref_ in own)
        ]


def _belongs(generation: Generation | None, ref: Ref) -> bool:
    seen = 0
    while generation is not None and seen < POOL:
        if (generation.kind, generation.key) == ref:
            return True
        generation = generation.owner or generation.parent
        seen += 1
    return False


def refusal(
    stock: Stock, contracts: Iterable[Contract], arguments: Mapping[str, Any], stale: Contract | None = None
) -> str:
    """Why a call would be the story's own mistake: what a contract forbids its callers. "" where it would not be.

    Args:
        stock: what the story has.
        contracts: what the method says.
        arguments: every argument by name, the receiver included.
        stale: the contract whose key is released already, on purpose.
    """
    active = [one for one in contracts if one.verb not in ("atomic", "settles") and read_condition(one.when, arguments)]
    leaving: set[Ref] = set()
    keys: list[tuple[Contract, tuple[Ref, ...]]] = []
    for contract in active:
        if contract is stale or not isinstance(contract.key, KeyExpression) or contract.key.late:
            continue
        refs = tuple((contract.kind, key) for key in read_keys(contract.key, arguments))
        keys.append((contract, refs))
        if contract.verb in ("releases", "transfers") and contract.part is None and contract.amount is None:
            if len(set(refs)) < len(refs) or leaving & set(refs):
                return f"{contract}: one thing is named twice"
            leaving |= set(refs)
    for contract, refs in keys:
        if contract.verb == "on_failure":
            continue
        amounts = read_amounts(contract.amount, arguments)
        if contract.amount is not None and not contract.amount.late and amounts is None:
            return f"{contract}: its amount cannot be read"
        for ref in refs:
            why = stock.may(contract, ref, leaving, amounts)
            if why:
                return f"{contract}: {ref[0].name} {plain(ref[1])!r}: {why}"
        if contract.verb == "acquires" and len(set(refs)) < len(refs):
            return f"{contract}: one thing is named twice"
        if contract.to_key is not None and not contract.to_key.late:
            for key in read_keys(contract.to_key, arguments):
                if (contract.kind, key) not in refs and not stock.may_become(contract, (contract.kind, key)):
                    return f"{contract}: {contract.kind.name} {plain(key)!r} is held already"
    for contract in active:
        for kind, expression in _beside(contract):
            if expression.late:
                continue
            for key in read_keys(expression, arguments):
                if not stock.is_free((kind, key)):
                    return f"{contract}: {kind.name} {plain(key)!r} is not held"
                if (kind, key) in leaving:
                    return f"{contract}: {kind.name} {plain(key)!r} is released by the same call"
    return ""


def _beside(contract: Contract) -> Iterator[tuple[Resource, KeyExpression]]:
    if contract.within is not None:
        yield contract.within
    if isinstance(contract.to, tuple):
        yield contract.to
