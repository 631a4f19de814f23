"""The steps of a ledger, told to a world: what the watched thread handed over, in the words of that world.

A call is told to the memory of its process and to each world that it is in; each of them knows it by a copy of its own, with
its own sequence, its own scopes and the spans that it was told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lifeguard.kinds import OUTSIDE, Kind
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.judging import Excused
from lifeguard.ledger.records import Act, Call, Finding, Generation, Outcome, Ref, Verb
from lifeguard.ledger.spans import Choice, Span
from lifeguard.ledger.states import State
from lifeguard.places import Place
from lifeguard.stores.books import SharedBook, settings_out
from lifeguard.stores.rows import Kept

if TYPE_CHECKING:
    from lifeguard.keys import Key
    from lifeguard.stores.worlds import World

Chain = tuple[Book, ...]


class Told:
    """What one world knows of a call that runs."""

    __slots__ = ("call", "targets")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.targets: dict[tuple[int, str], Generation | None] = {}


def of_world(chain: Chain, world: World) -> tuple[SharedBook, ...]:
    """The scopes of a chain that belong to a world."""
    return tuple([book for book in chain if isinstance(book, SharedBook) and book.world is world])


def _place(world: World, call: Call, chain: Chain, around: int) -> Told:
    copy = Call(
        call.function,
        chain=of_world(chain, world),
        around=len(of_world(chain[:around], world)),
        site=call.site,
        actor=call.actor,
        thread=str(call.thread),
        awaiting=call.awaiting,
        spans=tuple([world.shadows[span] for span in call.spans if span in world.shadows]),
        receiver=call.receiver,
    )
    copy.asynchronous, copy.nests, copy.lasts = call.asynchronous, call.nests, call.lasts
    copy.ident = call.ident
    return Told(copy)


def begin(
    world: World,
    call: Call,
    chain: Chain,
    around: int,
    named: tuple[Ref, ...],
    spans: tuple[Span, ...],
    failing: tuple[Ref, ...],
) -> None:
    """A call begins."""
    told = _place(world, call, chain, around)
    if call.elsewhere is None:
        call.elsewhere = {}
    call.elsewhere[world] = told
    shadows = []
    for span in spans:
        shadow = Span(
            span.rule,
            told.call,
            choice=_choice(world, span.choice),
            restores=span.restores,
            ended=span.ended,
            task=world.kinds.one(span.task) if span.task is not None else None,  # type: ignore[arg-type]
        )
        world.shadows[span] = shadow
        shadows.append(shadow)
    refs = [(world.kinds.one(kind), key) for kind, key in named]
    targets = world.ledger.begin(told.call, refs, shadows, tuple((world.kinds.one(kind), key) for kind, key in failing))
    told.call.ident = call.ident
    slots = [(world.kinds.number(kind), world.rows.keys.ident(key)) for kind, key in named]
    told.targets = dict(zip(slots, targets or (), strict=False))


def _choice(world: World, choice: Choice | None) -> Choice | None:
    if choice is None:
        return None
    return Choice(
        frozenset(map(world.kinds.one, choice.kinds)) if choice.kinds is not None else None,
        choice.keys,
        _subjects(world, choice.about) if choice.about is not None else None,
    )


def _subjects(world: World, subjects: Iterable[tuple[Kind | None, Key]]) -> tuple[tuple[Kind | None, Key], ...]:
    return tuple([(world.kinds.one(kind) if kind is not None else None, key) for kind, key in subjects])


def _told_of(world: World, call: Call, chain: Chain, around: int) -> Told:
    """What a world knows of a call; of one that had begun before the world was entered, that it began before all."""
    told: Told | None = call.elsewhere.get(world) if call.elsewhere is not None else None
    if told is None:
        told = _place(world, call, chain, around)
        told.call.began = world.entered_at
    return told


def end(
    world: World,
    call: Call,
    chain: Chain,
    around: int,
    outcome: Outcome,
    acts: list[Act],
    spans: tuple[Span, ...],
    steps: tuple[Ref, ...],
    failing: bool,
    error: str,
    error_place: Place | None,
    nests: bool,
) -> list[Finding]:
    """A call has ended. What of it may change later is told apart from it."""
    told = _told_of(world, call, chain, around)
    copy = told.call
    copy.chain, copy.around = of_world(chain, world), len(of_world(chain[:around], world))
    copy.nests, copy.error, copy.error_place = nests, error, error_place
    if not failing:
        copy.failing = ()
    shadows = []
    for span in spans:
        shadow = world.shadows.pop(span, None)
        if shadow is not None:
            shadow.rule, shadow.choice = span.rule, _choice(world, span.choice)
            shadow.about = shadow.choice.about if shadow.choice is not None else None
            _bring_up(world, shadow)
            shadows.append(shadow)
    told_acts = _acts(world, told, acts)
    if call.elsewhere is not None:
        call.elsewhere.pop(world, None)
    return world.ledger.end(copy, outcome, told_acts, shadows, [(world.kinds.one(kind), key) for kind, key in steps])


def _bring_up(world: World, span: Span) -> None:
    """What other processes did to what a span has opened or taken is known before it is judged."""
    concerned = {one.born: one for one in (*span.shares, *span.taken)}
    found = {one.born for one in world.tables.by_number(concerned)}
    for born, one in concerned.items():
        if born not in found:
            one.state = State.UNSEEN
    for one in [one for one in span.shares if not is_open(one)]:
        del span.shares[one]


def _acts(world: World, told: Told, acts: list[Act]) -> list[Act]:
    made_here = {(act.kind, act.key) for act in acts if act.verb is Verb.ACQUIRE}
    found = []
    for act in acts:
        copy = Act(act.verb, world.kinds.one(act.kind), act.key)
        for name in _SAME:
            setattr(copy, name, getattr(act, name))
        copy.about = _subjects(world, act.about) if act.about else ()
        if act.within is not None:
            copy.within = (world.kinds.one(act.within[0]), act.within[1])
        if isinstance(act.to, tuple):
            copy.to = (world.kinds.one(act.to[0]), act.to[1])
        elif act.to is OUTSIDE or isinstance(act.to, SharedBook):
            copy.to = act.to
        slot = world.kinds.number(act.kind), world.rows.keys.ident(act.key)
        if slot in told.targets:
            target = told.targets[slot]
            if target is not None:
                target = next(iter(world.tables.by_number([target.born])), None)
                if target is not None:
                    world.tables.touch(target)
            again = act.verb is Verb.TRANSFER and not is_open(target) and (act.kind, act.key) in made_here
            if not again:
                copy.resolved, copy.target = True, target
        elif isinstance(act.target, Kept):
            copy.resolved, copy.target = True, next(iter(world.tables.by_number([act.target.born])), None)
            if copy.target is not None:
                world.tables.touch(copy.target)
        found.append(copy)
    return found


_SAME = ("amount", "cascade", "excused", "gone", "idempotent", "in_doubt", "part", "reraised", "succeeded", "to_key")


def abandon(world: World, call: Call, spans: tuple[Span, ...]) -> None:
    """A call was abandoned."""
    told: Told | None = call.elsewhere.pop(world, None) if call.elsewhere is not None else None
    shadows = [shadow for shadow in (world.shadows.pop(span, None) for span in spans) if shadow is not None]
    if told is not None:
        world.ledger.abandon(told.call, shadows)


def _known_call(world: World, call: Call | None, chain: Chain) -> Call | None:
    if call is None:
        return None
    told = _told_of(world, call, chain, len(chain))
    told.call.error, told.call.error_place = call.error, call.error_place
    return told.call


def complain(
    world: World,
    chain: Chain,
    code: str,
    text: str,
    call: Call | None,
    kind: Kind | None,
    key: Key | None,
    about: object,
    severity: str | None,
) -> list[Finding]:
    """Something is wrong that is no generation's fault."""
    found = world.ledger.complain(
        of_world(chain, world),
        code,
        text,
        call=_known_call(world, call, chain),
        kind=world.kinds.one(kind) if kind is not None else None,
        key=key,
        about=about,
    )
    for one in found:
        one.severity = severity
    return found


def report(
    world: World,
    chain: Chain,
    code: str,
    text: str,
    call: Call | None,
    kind: Kind | None,
    key: Key | None,
    about: object,
    own: bool,
) -> list[Finding]:
    """Somebody outside of the ledger found something."""
    found = world.ledger.report(
        of_world(chain, world),
        code,
        text,
        call=_known_call(world, call, chain),
        kind=world.kinds.one(kind) if kind is not None else None,
        key=key,
        about=about,
        own=own,
    )
    for one in found:
        world.touch_finding(one)
    return found


def breached(
    world: World, book: SharedBook, description: str, breach: Breach, key: Key | None, call: Call | None, ident: object
) -> list[Finding]:
    """An invariant does not hold."""
    told = Breach(world.kinds.one(breach.kind), breach.key, breach.why)
    return world.ledger.breached(book, description, told, key, _known_call(world, call, (book,)), ident)


def open_scope(world: World, book: SharedBook, reach: str) -> None:
    """A scope opens."""
    world.open_scope(book, settings_out(book, world.kinds, reach))


def seed(world: World, book: SharedBook, kind: Kind, keys: tuple[Key, ...], call: Call, chain: Chain, why: str) -> None:
    """Something was there before a scope."""
    copy = _place(world, call, chain, len(chain)).call
    world.ledger.seed(book, world.kinds.one(kind), keys, copy, why)


def judge(world: World, book: SharedBook, error: bool, ended: str, excused: Excused) -> list[Finding]:
    """A scope is judged, where it was opened."""
    users = world.kinds.users

    def excused_here(code: str, kind: Kind, key: Key, subjects: Any) -> bool:
        return excused(code, users(kind), key, tuple([(of and users(of), one) for of, one in subjects]))

    world.read_findings(book)
    found = world.ledger.judge(book, error=error, ended=ended, excused=excused_here)
    for one in book.findings:
        world.touch_finding(one)
        if one.kind is not None:
            one.kind = users(one.kind)
    world.seal_scope(book)
    return found


def close(world: World, book: SharedBook) -> int:
    """A judged scope is closed; gives how many acquires of its world went to other scopes while it was open."""
    elsewhere = world.engine.acquired - book.shared_since - book.inside
    world.ledger.close(book)
    return elsewhere


# -- questions ---------------------------------------------------------------------------------------------------------


def outstanding(world: World, book: SharedBook) -> list[Generation]:
    """What a scope holds and owes, oldest first."""
    world.tables.fetch_book(book)
    return world.ledger.outstanding(book)


def owed(world: World, book: SharedBook) -> frozenset[int]:
    """The same, by number."""
    world.tables.fetch_book(book)
    return world.ledger.owed(book)


def held(world: World, kind: Kind, chain: Chain) -> list[Generation]:
    """What the scopes of a chain hold of a kind."""
    return world.ledger.held(world.kinds.one(kind), chain)


def named(world: World, chain: Chain, refs: tuple[Ref, ...]) -> list[Generation | None]:
    """What some resources name now."""
    return world.ledger.named(of_world(chain, world), [(world.kinds.one(kind), key) for kind, key in refs])


def look(world: World, book: SharedBook) -> None:
    """Have the findings and the counts of a scope at hand."""
    if not book.closed:
        world.read_findings(book)


def knows(world: World, call: Call, ref: Ref) -> bool:
    """Whether something is, or was when a call began, known of a resource."""
    kind, key = world.kinds.one(ref[0]), ref[1]
    told: Told | None = call.elsewhere.get(world) if call.elsewhere is not None else None
    slot = world.kinds.number(kind), world.rows.keys.ident(key)
    if told is not None and told.targets.get(slot) is not None:
        return True
    return world.ledger.named((), [(kind, key)])[0] is not None


def bring_up(world: World, numbers: list[int]) -> None:
    """Some generations are at hand as they are now; those that are gone are unseen."""
    world.tables.refresh(numbers)


STEPS: dict[str, Callable[..., Any]] = {
    "open": open_scope,
    "begin": begin,
    "end": end,
    "abandon": abandon,
    "complain": complain,
    "report": report,
    "breached": breached,
    "seed": seed,
    "judge": judge,
    "close": close,
}
"""What changes a world."""
