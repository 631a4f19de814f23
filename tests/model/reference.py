"""The reference model: what the design says about obligations, in plain lists and linear scans.

It knows nothing of the library and shares no code with it. A :class:`World` holds every generation that ever was in
one list; every question ("which one does this release mean?", "is it still remembered?") is answered by looking
through that list. It takes the same events by hand as the library's scopes do, with the same names, and gives a
verdict for each scope: violations with what was added to them, what is outstanding, what was unmatched.

Not modelled: calls (`atomic`, `settles`, order of rollbacks, nesting), since events by hand have no extent.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

Key = Hashable
Errors = type[BaseException] | tuple[type[BaseException], ...]

# Open states: something is still owed.
HELD = "held"
IN_DOUBT = "in doubt"
# Settled states: nothing is owed, the generation is only remembered.
RELEASED = "released"
GONE = "settled with its owner, or overwritten"
HANDED_OUT = "handed outside"


@dataclass(frozen=True, repr=False)
class Kind:
    """A resource kind or, with `rollback`, a rollback kind; the fields are those of the public declarations."""

    name: str
    again: str = "error"
    unseen: str = "ignore"
    needs: tuple[str, ...] = ()
    within: Kind | None = None
    cascade: bool = False
    rollback: bool = False

    def __repr__(self) -> str:
        return self.name


class Outside:
    """The type of :data:`OUTSIDE`, the owner that is nobody's business any more."""


OUTSIDE = Outside()


@dataclass(eq=False)
class Finding:
    """One violation: its code and what it is about, and the codes of what later rules said of the same generation."""

    code: str
    kind: Kind
    key: Key
    scope: RefScope
    also: list[str] = field(default_factory=list)
    children: list[Generation] = field(default_factory=list)


@dataclass(eq=False)
class Generation:
    """One life of a key; for a rollback, one failure (with its repetitions) that waits to be rolled back."""

    number: int
    kind: Kind
    key: Key
    scope: RefScope
    state: str = HELD
    owed: bool = True  # False for what a seed declared: held, but nobody has to release it
    count: int = 1  # how many releases it takes; for a rollback it stays 1
    parts: list[str] = field(default_factory=list)  # the parts already released of an all-of
    amount: int | None = None
    reduced: bool = False  # something of it was paid: one of several acquires, a part, some of the amount
    again_said: bool = False  # LG106 is said once
    owner: Generation | None = None  # the resource it was transferred to
    parent: Generation | None = None  # the resource it was acquired within
    tried: bool = False  # a rollback was tried and raised
    settled_as: int | None = None  # position in the order of settling, for the memory of the settled
    finding: Finding | None = None  # its primary violation

    @property
    def open(self) -> bool:
        """Whether something is still owed or, for a seed, held; what a closed scope judged is past."""
        return self.state in (HELD, IN_DOUBT) and self.scope.is_open


@dataclass(frozen=True)
class RefVerdict:
    """What one scope has to say.

    Attributes:
        violations: the code, kind, repr of the key, codes of what was added, and names of the children of each; sorted.
        unmatched: events on keys that were never seen, by the name of their kind.
    """

    violations: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], ...]
    unmatched: dict[str, int]


def same_key(one: Key, other: Key) -> bool:
    """Tell whether two plain keys are the same: equal in value and in type, so that 1 is neither True nor "1"."""
    return type(one) is type(other) and one == other


class World:
    """Everything there is: all scopes and all generations, open, settled and forgotten."""

    def __init__(self) -> None:
        self.scopes: list[RefScope] = []
        self.generations: list[Generation] = []
        self._numbers = 0

    def open(
        self, name: str, *, parent: RefScope | None = None, reach: str = "context", remember: int | None = 1024
    ) -> RefScope:
        """Open a scope below `parent` (the scope that is current where it is opened) and return it."""
        scope = RefScope(self, name, parent, reach, remember)
        self.scopes.append(scope)
        return scope

    def next_number(self) -> int:
        """Return the next number of the one sequence that orders all acquires and all settlings."""
        self._numbers += 1
        return self._numbers

    def of_key(self, kind: Kind, key: Key) -> list[Generation]:
        """Return all generations of this key in open scopes that are still known: open, or settled and remembered."""
        return [
            g
            for g in self.generations
            if g.kind is kind and same_key(g.key, key) and g.scope.is_open and (g.open or self._remembered(g))
        ]

    def _remembered(self, generation: Generation) -> bool:
        # "A scope remembers its last `remember` settled generations per kind."
        scope, kind = generation.scope, generation.kind
        if scope.remember is None:
            return True
        settled = [g for g in self.generations if g.scope is scope and g.kind is kind and g.settled_as is not None]
        settled.sort(key=lambda g: g.settled_as or 0)
        return generation in settled[len(settled) - min(scope.remember, len(settled)) :]


class RefScope:
    """A scope of the model. Its methods are the events by hand of the library's scope."""

    def __init__(self, world: World, name: str, parent: RefScope | None, reach: str, remember: int | None) -> None:
        self.world = world
        self.name = name
        self.parent = parent
        self.reach = reach
        self.remember = remember
        self.is_open = True
        self.findings: list[Finding] = []
        self.unmatched: dict[str, int] = {}

    # --- the events -------------------------------------------------------------------------------------------------

    def acquired(
        self,
        kind: Kind,
        key: Key,
        *,
        within: Key = None,
        amount: int | None = None,
        in_doubt: bool = False,
        error: BaseException | None = None,
    ) -> None:
        """Record that an acquire returned or, with `error`, raised."""
        held = self._open_in(self._chain(), kind, key)
        if error is not None:
            # Raised: nothing owed, or in doubt if so declared, where the key is unseen; in every other row only noted.
            if in_doubt and held is None and not self._settled_in_chain(kind, key):
                self._begin(kind, key, state=IN_DOUBT, parent=self._parent_for(kind, within))
            return
        if held is None:
            self._begin(kind, key, amount=amount, parent=self._parent_for(kind, within))
            return
        if held.state == IN_DOUBT:
            held.state = HELD
        elif amount is not None:
            held.amount = (held.amount or 0) + amount  # amounts count, whatever `again` says
        else:
            self._again(held)
            if not held.open:
                self._inherit(held, self._begin(kind, key, parent=self._parent_for(kind, within)))
        held.parent = held.parent or self._parent_for(kind, within)

    def released(
        self,
        kind: Kind,
        key: Key,
        *,
        part: str | None = None,
        amount: int | None = None,
        idempotent: bool = False,
        cascade: bool | None = None,
        error: BaseException | None = None,
        gone: Errors = (),
    ) -> None:
        """Record that a release returned or, with `error`, raised (and paid nevertheless if `error` is of `gone`)."""
        meant = self._which(kind, key)
        if error is not None and (meant is None or not meant.open or not isinstance(error, gone)):
            return  # noted
        if meant is None:
            self._not_seen(kind, key)
        elif meant.state == HANDED_OUT:
            pass  # fine
        elif meant.state == GONE:
            meant.state = RELEASED  # fine once
        elif meant.state == RELEASED:
            if not idempotent:
                self._say(meant, "LG103")
        elif meant.state == IN_DOUBT and error is not None:
            self._never_was(meant)
        else:
            self._pay(meant, part, amount, cascade)

    def transferred(
        self,
        kind: Kind,
        key: Key,
        *,
        to: Outside | RefScope | tuple[Kind, Key] | None = None,
        to_key: Key = None,
        error: BaseException | None = None,
    ) -> None:
        """Record that a transfer returned; one that raised is only noted."""
        if error is not None:
            return
        meant = self._which(kind, key)
        if meant is None:
            self._not_seen(kind, key)
        elif meant.state == HANDED_OUT:
            pass  # fine
        elif not meant.open:
            self._say(meant, "LG104")
        elif isinstance(to, Outside):
            for each in self._with_children(meant):
                each.owner = None
                self._settle(each, HANDED_OUT)
        elif isinstance(to, RefScope):
            if to.is_open:
                self._move(meant, to, owner=None)
            else:
                self._say(meant, "LG107")
        elif to is not None:
            owner = self._which(*to)
            if owner is not None and owner.open:
                self._move(meant, owner.scope, owner=owner)
            else:
                self._say(meant, "LG107")
        else:
            self._change_key(meant, to_key)

    def used(self, kind: Kind, key: Key, *, error: BaseException | None = None, gone: Errors = ()) -> None:
        """Record that a use returned or, with `error`, raised."""
        meant = self._which(kind, key)
        if error is not None:
            if meant is not None and meant.state == IN_DOUBT and isinstance(error, gone):
                self._never_was(meant)
        elif meant is None:
            self._not_seen(kind, key)
        elif meant.state == IN_DOUBT:
            meant.state = HELD
        elif meant.state in (RELEASED, GONE):
            self._say(meant, "LG104")

    def failed(self, rollback: Kind, key: Key, *, error: BaseException | None = None) -> None:
        """Record that a call failed that must be rolled back; a repeated failure of a key is the same obligation."""
        meant = self._which(rollback, key)
        if meant is None or not meant.open:
            self._begin(rollback, key)

    def rolled_back(self, rollback: Kind, key: Key, *, error: BaseException | None = None) -> None:
        """Record that a rollback returned (it pays) or raised (it was tried)."""
        meant = self._which(rollback, key)
        if meant is None:
            if error is None:
                self._not_seen(rollback, key)
        elif meant.open and error is not None:
            meant.tried = True
        elif meant.open:
            self._settle(meant, RELEASED)

    def seed(self, kind: Kind, *keys: Key, why: str) -> None:
        """Declare what was there before the scope: held, so that it may be used and released, but not owed."""
        for key in keys:
            if self._open_in(self._chain(), kind, key) is None:
                self._begin(kind, key).owed = False

    def close(self, exc: BaseException | None = None) -> RefVerdict:
        """Judge what this scope still holds, close it, and return its verdict."""
        leaked = self.outstanding
        for each in leaked:
            above = self._above(each)
            if above is not None and above is each.owner and not above.owed:
                continue  # handed to what was there before: nothing is owed
            # What is owned by, or part of, something that leaks here is reported under that and not for itself.
            if above not in leaked or (each.finding is not None and each.finding.scope.is_open):
                finding = self._say(each, self._leak_code(each, exc))
                finding.children += [c for c in self._with_children(each)[1:] if c not in finding.children]
        self.is_open = False
        return self.verdict

    # --- what can be seen -------------------------------------------------------------------------------------------

    @property
    def outstanding(self) -> list[Generation]:
        """What this scope still holds and owes."""
        return [g for g in self.world.generations if g.scope is self and g.open and g.owed]

    @property
    def verdict(self) -> RefVerdict:
        """The violations said in this scope so far, and the unmatched events."""
        said = [
            (
                f.code,
                f.kind.name,
                repr(f.key),
                tuple(f.also),
                tuple(sorted(f"{c.kind.name} {c.key!r}" for c in f.children)),
            )
            for f in self.findings
        ]
        return RefVerdict(tuple(sorted(said)), dict(self.unmatched))

    # --- which one --------------------------------------------------------------------------------------------------

    def _chain(self) -> list[RefScope]:
        chain: list[RefScope] = []
        scope: RefScope | None = self
        while scope is not None:
            if scope.is_open:
                chain.append(scope)
            scope = scope.parent
        # A process-reach scope surrounds every context, the last opened one nearest.
        chain += [s for s in reversed(self.world.scopes) if s.is_open and s.reach == "process" and s not in chain]
        return chain

    def _open_in(self, chain: list[RefScope], kind: Kind, key: Key) -> Generation | None:
        # `again` looks along the current chain of scopes, the innermost first, never into unrelated ones.
        for scope in chain:
            here = [g for g in self.world.of_key(kind, key) if g.scope is scope and g.open]
            if here:
                return here[-1]
        return None

    def _settled_in_chain(self, kind: Kind, key: Key) -> bool:
        return any(not g.open and g.scope in self._chain() for g in self.world.of_key(kind, key))

    def _which(self, kind: Kind, key: Key) -> Generation | None:
        # The one held in the innermost scope; else, of all held and all remembered settled generations of this key in
        # all open scopes, the one acquired last; else the key is unseen.
        known = self.world.of_key(kind, key)
        here = [g for g in known if g.scope is self and g.open]
        return max(here or known, key=lambda g: g.number, default=None)

    def _parent_for(self, kind: Kind, within: Key) -> Generation | None:
        if kind.within is None or within is None:
            return None
        parent = self._which(kind.within, within)
        return parent if parent is not None and parent.open else None

    # --- what is done -----------------------------------------------------------------------------------------------

    def _begin(
        self, kind: Kind, key: Key, *, state: str = HELD, amount: int | None = None, parent: Generation | None = None
    ) -> Generation:
        new = Generation(self.world.next_number(), kind, key, self, state, amount=amount, parent=parent)
        self.world.generations.append(new)
        return new

    def _again(self, held: Generation, times: int = 1) -> None:
        """Do what the kind says of a held key that is acquired again."""
        again = held.kind.again
        if again == "error" and not held.again_said:
            held.again_said = True
            self._say(held, "LG106")
        if again in ("error", "count") and not held.kind.needs:
            held.count += times  # with "error" the key then counts, so that one mistake makes one finding
        elif again == "replace":
            self._settle(held, GONE)  # overwritten

    def _pay(self, generation: Generation, part: str | None, amount: int | None, cascade: bool | None) -> None:
        if generation.amount is not None and amount is not None:
            if amount > generation.amount:
                self._say(generation, "LG103")  # never below zero
            generation.amount = max(0, generation.amount - amount)
            rest = generation.amount
        else:
            if part is not None and generation.kind.needs:
                if part in generation.parts:
                    self._say(generation, "LG103")
                    return
                generation.parts.append(part)
                if len(generation.parts) < len(generation.kind.needs):
                    return
            generation.count -= 1
            rest = generation.count
        if rest:
            generation.reduced = True
        else:
            self._settle(generation, RELEASED)
            self._judge_children(generation, cascade)

    def _judge_children(self, parent: Generation, cascade: bool | None) -> None:
        for owned in [g for g in self.world.generations if g.open and g.owner is parent]:
            self._gone_with_owner(owned)
        parts = [g for g in self.world.generations if g.open and g.parent is parent]
        for part in parts:
            if part.kind.cascade or cascade:
                self._gone_with_owner(part)
        stay = [part for part in parts if part.open]
        if stay and cascade is None:  # a release with cascade=False lets them live on
            self._say(parent, "LG108").children += stay

    def _gone_with_owner(self, generation: Generation) -> None:
        for each in self._with_children(generation):
            self._settle(each, GONE)

    def _settle(self, generation: Generation, state: str) -> None:
        generation.state = state
        generation.settled_as = self.world.next_number()

    def _never_was(self, generation: Generation) -> None:
        # In doubt, and then found not to be there: nothing was ever owed.
        self.world.generations.remove(generation)

    def _move(self, generation: Generation, scope: RefScope, *, owner: Generation | None) -> None:
        # The whole obligation moves, with its count, its parts and its children.
        generation.state = HELD
        generation.owner = owner
        for each in self._with_children(generation):
            each.scope = scope

    def _change_key(self, generation: Generation, to_key: Key) -> None:
        held = self._open_in([generation.scope, *self._chain()], generation.kind, to_key)
        if held is generation:
            return
        if held is not None:
            if held.state == IN_DOUBT:
                held.state = HELD
            elif held.amount is not None and generation.amount is not None:
                held.amount += generation.amount
            else:
                self._again(held, generation.count)
            if held.open:
                # The two have become one; nothing is known of the old key any more.
                self._inherit(generation, held)
                self.world.generations.remove(generation)
                return
            self._inherit(held, generation)
        # It begins a life under the new key; nothing is known of the old key any more.
        generation.key = to_key
        generation.number = self.world.next_number()
        generation.state = HELD

    def _inherit(self, old: Generation, new: Generation) -> None:
        for child in self.world.generations:
            if child.owner is old:
                child.owner = new
            if child.parent is old:
                child.parent = new

    def _with_children(self, generation: Generation) -> list[Generation]:
        """The generation, and below it what is open and owned by it or part of it, however deep."""
        found = [generation]
        for each in found:
            found += [
                g for g in self.world.generations if g.open and (g.owner is each or g.parent is each) and g not in found
            ]
        return found

    def _above(self, generation: Generation) -> Generation | None:
        return next((g for g in (generation.owner, generation.parent) if g is not None and g.open), None)

    # --- what is said -----------------------------------------------------------------------------------------------

    def _not_seen(self, kind: Kind, key: Key) -> None:
        self.unmatched[kind.name] = self.unmatched.get(kind.name, 0) + 1
        if kind.unseen == "error":
            code = "LG203" if kind.rollback else "LG105"
            for said in self.findings:
                if said.code == code and said.kind is kind and same_key(said.key, key):
                    said.also.append(code)  # one cause, one finding
                    return
            self.findings.append(Finding(code, kind, key, self))

    def _say(self, generation: Generation, code: str) -> Finding:
        # A generation has at most one primary violation; what later rules would say of it is listed under that.
        # What a scope said that is closed now is no longer the place for it.
        if generation.finding is None or not generation.finding.scope.is_open:
            generation.finding = Finding(code, generation.kind, generation.key, generation.scope)
            generation.scope.findings.append(generation.finding)
        else:
            generation.finding.also.append(code)
        return generation.finding

    def state_of(self, generation: Generation) -> str:
        """Return the word that the library has for the state of something outstanding."""
        if generation.kind.rollback:
            return "owed"
        return "partly released" if self._partly(generation) else generation.state

    def _partly(self, generation: Generation) -> bool:
        return bool(generation.parts) or generation.reduced

    def _leak_code(self, generation: Generation, exc: BaseException | None) -> str:
        if generation.kind.rollback:
            return "LG202" if generation.tried else "LG201"
        if generation.state == IN_DOUBT:
            return "LG205"
        if self._partly(generation):
            return "LG110"
        return "LG101" if exc is None else "LG102"
