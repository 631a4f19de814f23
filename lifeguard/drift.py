"""Drift: an object's own state and the ledger must say the same (LG109).

A scope that sees such an object at work gets an observer. It takes down what the object has at that moment, and compares
when the scope is judged and, where that is asked for, after every watched call.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from lifeguard import context
from lifeguard.context import LEDGER, OPEN, Event
from lifeguard.contracts import expect_flag, expect_resource, read_key
from lifeguard.data import record
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError
from lifeguard.keys import Key, KeyExpression, problem_text, repr_safely
from lifeguard.kinds import Resource
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.records import Act, Call, Generation, Outcome, Verb
from lifeguard.ledger.states import State
from lifeguard.telling import report
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

C = TypeVar("C", bound=type)


@record(eq=False)
class Tracker:
    """What is compared of the objects of a class. Made by `tracks`."""

    kind: Resource
    state: KeyExpression
    key: KeyExpression
    always: bool

    def read(self, owner: object) -> frozenset[Key]:
        """The keys of what the object has now.

        Raises:
            Exception: whatever went wrong with reading them.
        """
        state: Any = self.state.parts[0].read({"self": owner}, None)
        if isinstance(state, str | bytes) or not isinstance(state, Iterable):
            raise TypeError(f"{self.state.source} gives {repr_safely(state, 60)}, which is no collection")
        found: set[Key] = set()
        for item in tuple(state):
            arguments = {"self": owner, "item": item}
            found.update(self.key.finish(self.key.begin(arguments), arguments, None))
        return frozenset(found)


_TRACKED: weakref.WeakKeyDictionary[type, tuple[Tracker, ...]] = weakref.WeakKeyDictionary()


def tracks(
    kind: Resource,
    *,
    state: str | Callable[..., Iterable[object]],
    key: object = "item",
    always: bool = False,
) -> Callable[[C], C]:
    """An object's own state must agree with the ledger (LG109): for services and, above all, for their fakes.

    What an object has when a scope first sees a watched call on it is taken as given. From then on everything that the
    ledger holds of it must be in its state, and nothing may come or go that no contract told of. What was handed outside
    may be there or not. Compared are the objects that the scope saw at work, those of subclasses too, when it closes;
    until then it keeps them (those with a `__del__` only weakly: they are compared if they are still there).

    Args:
        kind: the kind of what is in the state.
        state: the collection, read from the object: `lambda self: self.images`, or an expression: `"self.images"`. Of a
            mapping the keys count.
        key: how an item of it becomes the key of the contracts: an expression over `item` and `self`, such as
            `"item['id']"`, or `"self, item"` where each object numbers by itself.
        always: compare after every watched call on the object, too, and not only at the end of the scope.

    Returns:
        the class decorator; it gives back the class.

    Raises:
        DeclarationError: something is written wrongly, or it decorates no class.
    """
    expect_resource(kind, "tracks(…)")
    expression = read_key(state, "state")
    if expression.composite or expression.many or expression.late:
        raise DeclarationError.at_caller(
            f'tracks(state=…) takes one collection of the object, as "self.images" or lambda self: self.images, '
            f"not {expression.source}"
        )
    expression.check(("self",), function="tracks(…)", result="an object's state is no call")
    item = read_key(key)
    item.check(("self", "item"), function="tracks(…)", result="an item is no call")
    tracker = Tracker(kind, expression, item, expect_flag(always, "tracks(always=…)"))

    def decorate(cls: C) -> C:
        if not isinstance(cls, type):
            raise DeclarationError.at_caller(f"tracks(…) decorates a class, not {repr_safely(cls)}")
        if switch() != "off":
            _TRACKED[cls] = (*_TRACKED.get(cls, ()), tracker)
            kind._tracked = True
            LEDGER.close_lanes([scope.book for scope in OPEN])
            if _meet not in context.meeting:
                context.meeting.append(_meet)
        return cls

    return decorate


def _trackers_of(owner: object) -> tuple[Tracker, ...]:
    cls = owner if isinstance(owner, type) else type(owner)
    return tuple(tracker for base in cls.__mro__ for tracker in _TRACKED.get(base, ()))


class _Seen:
    """An object at work in a scope: what it had when it was first seen, and which calls run on it."""

    __slots__ = ("before", "first", "name", "owner", "running", "since")

    def __init__(self, owner: object, trackers: tuple[Tracker, ...], call: Call) -> None:
        self.owner = _reference(owner)
        self.name = f"the class {owner.__qualname__}" if isinstance(owner, type) else type(owner).__qualname__
        self.first = call.ident
        self.since = call.began
        self.before: dict[Tracker, frozenset[Key] | None] = dict.fromkeys(trackers)
        self.running: set[int] = set()
        self.look()

    def look(self) -> None:
        """Take down what it has; what cannot be read yet, in an `__init__`, is tried again when the call has ended."""
        owner = self.owner()
        for tracker, before in self.before.items():
            if before is None:
                try:
                    self.before[tracker] = tracker.read(owner)
                except Exception:
                    continue

    def made(self, acts: tuple[Act, ...]) -> None:
        """What its first call made was not there before, though an acquire may be told as begun only when it has ended."""
        keys = {act.key for act in acts if act.verb is Verb.ACQUIRE}
        self.before = {tracker: before - keys if before else before for tracker, before in self.before.items()}


def _reference(owner: object) -> Callable[[], object]:
    """Keep an object until the scope closes, when it is compared: a fake is often the variable of a function that ends
    before. One whose end is an event of its own (`__del__`) is kept weakly, and compared if it is there.
    """
    if hasattr(type(owner), "__del__"):
        with contextlib.suppress(TypeError):
            return weakref.ref(owner)
    return lambda: owner


class Drift:
    """The observer that compares."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._seen: dict[int, _Seen] = {}
        self._released: set[tuple[Resource, Key]] = set()  # of what was there before
        self._moved: set[tuple[Resource, Key]] = set()
        self._told: set[tuple[int, Tracker, Key]] = set()

    def began(self, call: Call) -> None:
        """A watched call begins: of an object not seen before, take down what it has."""
        owner = call.on
        trackers = _trackers_of(owner) if owner is not None else ()
        if not trackers:
            return
        seen = self._seen.get(id(owner))
        if seen is None or seen.owner() is not owner:
            seen = self._seen[id(owner)] = _Seen(owner, trackers, call)
        if not call.lasts:
            seen.running.add(call.ident)

    def event(self, event: Event) -> None:
        """A watched call has ended."""
        call = event.call
        for act in event.acts:
            if isinstance(act.kind, Resource) and (event.outcome is Outcome.RETURNED or act.gone):
                paid = {Verb.RELEASE: self._released, Verb.TRANSFER: self._moved}.get(act.verb)
                if paid is not None and self._was_there(act.kind, act.key):
                    paid.add((act.kind, act.key))
        seen = self._seen.get(call.receiver) if isinstance(call.receiver, int) else None
        if seen is None or seen.owner() is None:
            return
        seen.running.discard(call.ident)
        seen.look()
        if call.ident == seen.first:
            seen.made(event.acts)
        if not seen.running:
            for tracker in seen.before:
                if tracker.always and self._is_judge(tracker.kind, call.chain):
                    self._compare(seen, tracker, call)

    def judging(self, scope: Scope) -> None:
        """The scope is about to be judged: compare, and let the scopes around take what is there as given."""
        for seen in list(self._seen.values()):
            if seen.owner() is not None:
                for tracker in seen.before:
                    self._compare(seen, tracker, None)
        for other in tuple(OPEN):
            for observer in other.book.observers:
                if isinstance(observer, Drift) and observer is not self:
                    observer._accept(self)

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged."""
        self._seen.clear()

    def _was_there(self, kind: Resource, key: Key) -> bool:
        return any(
            tracker.kind is kind and before is not None and key in before
            for seen in list(self._seen.values())
            for tracker, before in seen.before.items()
        )

    def _is_judge(self, kind: Resource, chain: tuple[Book, ...]) -> bool:
        """Whether this is the innermost scope that a call tells of this kind."""
        return next((book for book in chain if not book.closed and book.watches(kind)), None) is self._book

    def _accept(self, inner: Drift) -> None:
        """What an inner scope has judged is not to be judged again."""
        for number, seen in inner._seen.items():
            mine = self._seen.get(number)
            owner = seen.owner()
            if mine is None or owner is None or mine.owner() is not owner:
                continue
            for tracker, before in mine.before.items():
                try:
                    mine.before[tracker] = (before or frozenset()) | tracker.read(owner)
                except Exception:
                    continue  # told by the inner one

    def _compare(self, seen: _Seen, tracker: Tracker, call: Call | None) -> None:
        kind = tracker.kind
        owner, before = seen.owner(), seen.before[tracker]
        if not self._book.watches(kind):
            return
        try:
            state = tracker.read(owner)
        except Exception as error:
            if not isinstance(owner, type):  # a class has the state of its objects only where it has one itself
                text = f"the state of {seen.name} could not be read: {problem_text(error)}"
                LEDGER.complain((self._book,), "LG401", text, call=call, kind=kind, about=text)
            return
        before = before or frozenset()
        chain = call.chain if call is not None else (self._book,)
        for generation in LEDGER.held(kind, chain):
            if generation.key not in state and self._belongs(generation, seen, before):
                self._say(seen, tracker, generation.key, f"the ledger holds it, but {seen.name} has it no more", call)
        for key in sorted((state - before) | (state & self._keys(self._released, kind)), key=repr):
            known = self._named(kind, key)
            if known is None and (kind, key) in self._released:
                self._say(seen, tracker, key, f"released, but {seen.name} still has it", call)
            elif known is None:
                self._say(seen, tracker, key, f"{seen.name} has it, but no acquire of it was seen", call)
            elif not is_open(known) and known.state is not State.OUTSIDE:
                self._say(seen, tracker, key, f"{known.state.value}, but {seen.name} still has it", call)
        for key in sorted(before - state, key=repr):
            told = (kind, key) in self._released or (kind, key) in self._moved
            if not told and self._named(kind, key) is None:
                self._say(seen, tracker, key, f"{seen.name} had it and has it no more, but no release was seen", call)

    def _belongs(self, generation: Generation, seen: _Seen, before: frozenset[Key]) -> bool:
        """Whether what the ledger holds must be in the state of this object: it came from there, or was there before."""
        if generation.state is not State.HELD:
            return False
        receiver = generation.receiver
        made_here = isinstance(receiver, int) and self._seen.get(receiver) is seen
        return (made_here and generation.born > seen.since) or generation.key in before

    def _named(self, kind: Resource, key: Key) -> Generation | None:
        found = LEDGER.named((self._book,), [(kind, key)])
        return found[0] if found else None

    @staticmethod
    def _keys(pairs: set[tuple[Resource, Key]], kind: Resource) -> set[Key]:
        return {key for one, key in pairs if one is kind}

    def _say(self, seen: _Seen, tracker: Tracker, key: Key, text: str, call: Call | None) -> None:
        which = (id(seen), tracker, key)
        if which in self._told or self._book.leaves_out(tracker.kind, key):
            return
        self._told.add(which)
        chain = call.chain if call is not None else (self._book,)
        report("LG109", text, call=call, chain=chain, kind=tracker.kind, key=key, own=True, outcome=Outcome.RETURNED)


_NOT_COMPARED: weakref.WeakKeyDictionary[Book, set[tuple[type, Resource]]] = weakref.WeakKeyDictionary()
"""What was said of classes whose state is not compared, by the scopes with a shared ledger where it was said."""


def _tell_not_compared(book: Book, owner: object, kinds: set[Resource], call: Call) -> None:
    """An object is of one process, and what a shared ledger holds is not: its state says nothing of that."""
    cls = owner if isinstance(owner, type) else type(owner)
    told = _NOT_COMPARED.setdefault(book, set())
    for kind in kinds:
        if book.watches(kind) and (cls, kind) not in told:
            told.add((cls, kind))
            text = (
                f"the state of {cls.__qualname__} is not compared: other processes may hold what is in the same ledger"
            )
            LEDGER.complain((book,), "LG401", text, call=call, kind=kind, about=text, severity="warning")


def _meet(owner: object, call: Call) -> None:
    """A call is made on an object: if its state is to be compared, the scopes of the call look on from now on."""
    kinds = {tracker.kind for tracker in _trackers_of(owner)}
    for book in call.chain if kinds else ():
        if not book.alone:
            _tell_not_compared(book, owner, kinds, call)
        elif not any(isinstance(one, Drift) for one in book.observers) and any(map(book.watches, kinds)):
            book.observers += (Drift(book),)
