"""Which ledger a step goes to, where scopes with a shared ledger are open beside those of memory.

What is acquired goes to the innermost scope that watches its kind, and so to that scope's ledger. What is released, handed over,
used or rolled back goes where it is held: it is looked for in the memory of this process and in the worlds of the scopes around
(where there is none around, in those of all that this process has open), and goes home with the innermost scope where nobody
knows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from lifeguard.context import LEDGER
from lifeguard.keys import Key
from lifeguard.kinds import Kind
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.judging import Excused
from lifeguard.ledger.machine import Ledger
from lifeguard.ledger.records import Act, Call, Finding, Generation, Outcome, Ref, Verb
from lifeguard.ledger.spans import Span
from lifeguard.stores import steps as world_steps
from lifeguard.stores.books import SharedBook
from lifeguard.stores.jobs import Job
from lifeguard.stores.rows import Kept
from lifeguard.stores.store import letting_go
from lifeguard.stores.worlds import World

Chain = tuple[Book, ...]

_OPENING: Final = (Verb.ACQUIRE, Verb.FAIL)


def worlds_of(chain: Chain) -> list[World]:
    """The worlds that a chain of scopes belongs to, the innermost first."""
    found: dict[World, None] = {}
    for book in chain:
        if isinstance(book, SharedBook) and book.world is not None:
            found[book.world] = None
    return list(found)


def _home(chain: Chain, kind: Kind | None) -> Book | None:
    return next((book for book in chain if not book.sealed and (kind is None or book.watches(kind))), None)


class Switchboard:
    """Stands before the ledger of the process from the first scope on that has another one."""

    def __init__(self) -> None:
        self._open: list[SharedBook] = []  # once for each time that it was opened or joined
        self._diverted = False

    def enter(self, book: SharedBook) -> None:
        """A scope with a shared ledger opens, or is joined."""
        self._open.append(book)
        if not self._diverted:
            self._diverted = True
            LEDGER.divert({name: getattr(self, name) for name in _DIVERTED})

    def leave(self, book: SharedBook) -> None:
        """It is closed, or left."""
        self._open.remove(book)

    def step_aside(self) -> None:
        """Stand before the ledger no more, if nothing is open. Until then calls may run that began in a scope which is closed."""
        if not self._open and self._diverted:
            self._diverted = False
            LEDGER.divert({})

    def after_fork(self) -> None:
        """In a forked child no scope is open."""
        self._open.clear()
        self._diverted = False

    def _worlds(self, chain: Chain) -> list[World]:
        """The worlds that something may be known in: of the scopes around or, where there are none, of all that are open."""
        return worlds_of(chain) or worlds_of(tuple(reversed(self._open)))

    @staticmethod
    def _tell(world: World, name: str, what: tuple[Any, ...], refs: Iterable[Ref] = ()) -> Any:
        """Tell a world a step, and wait as its ledger says."""
        job = world.store.tell(Job(name, world, what, refs), wait=world.waits)
        return job.result

    # -- calls ------------------------------------------------------------------------------------------------------------------

    def begin(
        self, call: Call, named: Iterable[Ref] = (), spans: Iterable[Span] = (), failing: tuple[Ref, ...] = ()
    ) -> list[Generation | None] | None:
        """A call begins."""
        named, spans = tuple(named), tuple(spans)
        targets = Ledger.begin(LEDGER, call, named, spans, failing)
        for world in worlds_of(call.chain) or (self._worlds(()) if named else ()):
            what = (call, call.chain, call.around, named, spans, failing)
            world.store.tell(Job("begin", world, what, named), wait=False)
        return targets

    def end(
        self,
        call: Call,
        outcome: Outcome,
        acts: list[Act],
        spans: Iterable[Span] = (),
        steps: Iterable[tuple[Kind, Key]] = (),
    ) -> list[Finding]:
        """A call has ended."""
        acts.sort(key=lambda act: act.verb.value)  # observers see them in this order, wherever each goes
        spans, steps = tuple(spans), tuple(steps)
        worlds = worlds_of(call.chain)
        begun = [world for world in call.elsewhere or () if world not in worlds]
        here: list[Act] = []
        there: dict[World, list[Act]] = {world: [] for world in (*worlds, *begun)}
        found: list[Finding] = []
        for act in acts:
            world = self._where(act, call, worlds, begun)
            if self._crosses(act, world):
                found += self._refuse(call, act)
            elif world is None:
                here.append(act)
            else:
                there.setdefault(world, []).append(act)
        if here or spans or steps or call.failing:
            found += Ledger.end(LEDGER, call, outcome, here, spans, steps)
        if len(here) < len(acts):
            with LEDGER._lock:  # by the sequence of this process one knows what was called since a scope opened
                LEDGER.clock.seq += 1
        for world, told in there.items():
            what = (call, call.chain, call.around, outcome, told, spans, steps, bool(call.failing), call.error)
            refs = [ref for act in told for ref in _refs(act)]
            matters = bool(told or spans or call.failing)
            job = Job("end", world, (*what, call.error_place, call.nests), refs)
            world.store.tell(job, wait=matters and world.waits)
            found += job.result or []
        return found

    def _where(self, act: Act, call: Call, worlds: list[World], begun: list[World]) -> World | None:
        """The world that an act goes to; None for the memory of this process.

        Args:
            act: the act.
            call: the call that tells it.
            worlds: those of the scopes that it happens in.
            begun: others that were told that it begins.
        """
        chain = call.chain
        if isinstance(act.target, Kept) and isinstance(act.target.book, SharedBook):
            return act.target.book.world
        if not worlds:
            return self._where_outside(act, call, begun)
        home = _home(chain, act.kind)
        if home is None:
            judged = (book for book in chain if isinstance(book, SharedBook) and book.watches(act.kind))
            home = next(judged, None)
        at_home = home.world if isinstance(home, SharedBook) else None
        if act.verb in _OPENING:
            return at_home
        known = act.target
        if not act.resolved:
            (known,) = Ledger.named(LEDGER, chain, [(act.kind, act.key)]) or [None]
        elsewhere = [world for world in worlds if world is not at_home]
        if known is None and not elsewhere:
            return at_home
        if at_home is None and known is not None:
            return None
        if not is_open(known) and at_home is not None and not elsewhere:
            return at_home
        for world in [at_home, *elsewhere] if at_home is not None else elsewhere:
            found = world.store.ask(world, world_steps.named, chain, ((act.kind, act.key),), otherwise=[None])
            if is_open(found[0]):
                return world
        return None if is_open(known) else at_home or elsewhere[0]

    def _where_outside(self, act: Act, call: Call, begun: list[World]) -> World | None:
        """The same of what happens outside of all shared scopes: there nothing begins, and what is known may end."""
        if act.verb in _OPENING:
            return None
        known, chain = act.target, call.chain
        if not act.resolved:
            (known,) = Ledger.named(LEDGER, chain, [(act.kind, act.key)]) or [None]
        if known is not None:
            return None
        for world in dict.fromkeys([*begun, *self._worlds(chain)]):
            # A finaliser that the thread that writes came upon cannot ask that very thread.
            if world.store.writes_here or world.store.ask(world, world_steps.knows, call, (act.kind, act.key)):
                return world
        return None

    @staticmethod
    def _crosses(act: Act, world: World | None) -> bool:
        """Whether something would be handed from one ledger to another."""
        if not isinstance(act.to, Book):
            return False
        return (act.to.world if isinstance(act.to, SharedBook) else None) is not world

    def _refuse(self, call: Call, act: Act) -> list[Finding]:
        assert isinstance(act.to, Book)
        text = (
            f"{call.function} hands {act.kind.name} over to scope {act.to.name!r}, which has another ledger: "
            "the giver keeps it"
        )
        return self.complain(call.chain, "LG401", text, call=call, kind=act.kind, about=text)

    def abandon(self, call: Call, spans: Iterable[Span]) -> None:
        """A call was abandoned."""
        spans = tuple(spans)
        for world in {*worlds_of(call.chain), *(call.elsewhere or ())}:
            world.store.tell(Job("abandon", world, (call, spans)), wait=False)
        Ledger.abandon(LEDGER, call, spans)

    def complain(
        self,
        chain: Chain,
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
        severity: str | None = None,
    ) -> list[Finding]:
        """Something is wrong that is no generation's fault."""
        book = _first_open(chain, kind)
        if not isinstance(book, SharedBook) or book.world is None:
            return Ledger.complain(
                LEDGER, chain, code, text, call=call, kind=kind, key=key, about=about, severity=severity
            )
        return self._tell(book.world, "complain", (chain, code, text, call, kind, key, about, severity)) or []

    def report(
        self,
        chain: Chain,
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
        own: bool = False,
    ) -> list[Finding]:
        """Somebody outside of the ledger found something."""
        book = _first_open(chain, kind)
        if not isinstance(book, SharedBook) or book.world is None:
            return Ledger.report(LEDGER, chain, code, text, call=call, kind=kind, key=key, about=about, own=own)
        return self._tell(book.world, "report", (chain, code, text, call, kind, key, about, own)) or []

    def breached(
        self, book: Book, description: str, breach: Breach, key: Key | None, call: Call | None, ident: object
    ) -> list[Finding]:
        """An invariant does not hold."""
        if not isinstance(book, SharedBook) or book.world is None:
            return Ledger.breached(LEDGER, book, description, breach, key, call, ident)
        return self._tell(book.world, "breached", (book, description, breach, key, call, ident)) or []

    # -- scopes -----------------------------------------------------------------------------------------------------------------

    def seed(self, book: Book, kind: Kind, keys: Iterable[Key], call: Call, why: str) -> None:
        """Something was there before a scope."""
        if not isinstance(book, SharedBook) or book.world is None:
            Ledger.seed(LEDGER, book, kind, keys, call, why)
        else:
            keys = tuple(keys)
            self._tell(book.world, "seed", (book, kind, keys, call, call.chain, why), [(kind, key) for key in keys])

    def judge(self, book: Book, *, error: bool, ended: str, excused: Excused) -> list[Finding]:
        """A scope is judged."""
        if not isinstance(book, SharedBook) or book.world is None:
            return Ledger.judge(LEDGER, book, error=error, ended=ended, excused=excused)
        job = book.world.store.tell(Job("judge", book.world, (book, error, ended, excused)), wait=True)
        book.sealed = True  # and not before: what waits to be written came in time
        if job.result is None:
            self._judge_alone(book)
        return job.result or []

    @staticmethod
    def _judge_alone(book: SharedBook) -> None:
        """Say that a scope had to be judged without its ledger."""
        assert book.world is not None
        store = book.world.store
        book.unheard = True
        waiting = (
            f"{store.room.waiting} events of this process wait in {store.room.path}, and " if store.room.waiting else ""
        )
        lost = (
            f"; {store.room.lost} events could not even wait ({store.room.why_lost}), and are lost"
            if store.room.lost
            else ""
        )
        text = (
            f"judged without the ledger {store.ledger.name}, which could not be reached ({store.trouble or 'no answer'}): "
            f"{waiting}what is owed is not known{lost}"
        )
        finding = Finding("LG401", book, LEDGER.clock.seq, text)
        finding.severity = "warning"
        book.findings.append(finding)

    def close(self, book: Book) -> tuple[int, int]:
        """A judged scope is closed."""
        if not isinstance(book, SharedBook) or book.world is None:
            return Ledger.close(LEDGER, book)
        nowhere = LEDGER._engine.nowhere - book.nowhere_at_open
        elsewhere = LEDGER._engine.recorded() - book.recorded_at_open
        job = book.world.store.tell(Job("close", book.world, (book,)), wait=True)
        book.sealed = book.closed = True
        if job.lost:
            book.world.lose(book)
        return nowhere, elsewhere + (job.result or 0)

    # -- questions --------------------------------------------------------------------------------------------------------------

    def outstanding(self, book: Book) -> list[Generation]:
        """What a scope holds and owes now, oldest first."""
        found: list[Generation] = self._ask(book, world_steps.outstanding, Ledger.outstanding, [])
        return found

    def owed(self, book: Book) -> frozenset[int]:
        """The same, by number."""
        found: frozenset[int] = self._ask(book, world_steps.owed, Ledger.owed, frozenset())
        return found

    @staticmethod
    def _ask(book: Book, of_world: Any, of_memory: Any, otherwise: Any) -> Any:
        if not isinstance(book, SharedBook) or book.world is None:
            return of_memory(LEDGER, book)
        return otherwise if book.closed else book.world.store.ask(book.world, of_world, book, otherwise=otherwise)

    def held(self, kind: Kind, chain: Chain) -> list[Generation]:
        """What the scopes of a chain hold of a kind."""
        found = Ledger.held(LEDGER, kind, chain)
        for world in worlds_of(chain):
            found = [*found, *world.store.ask(world, world_steps.held, kind, chain, otherwise=())]
        return found

    def named(self, chain: Chain, refs: Iterable[Ref]) -> list[Generation | None]:
        """What some resources name now."""
        refs = tuple(refs)
        found = Ledger.named(LEDGER, chain, refs)
        for world in self._worlds(chain):
            there = world.store.ask(world, world_steps.named, chain, refs, otherwise=None)
            if there is not None:
                found = [
                    one if is_open(one) or other is None else other for one, other in zip(found, there, strict=True)
                ]
        return found

    def bring_up(self, generations: Iterable[Generation]) -> None:
        """Let some generations be as they are now."""
        there: dict[World, list[int]] = {}
        for one in generations:
            if isinstance(one.book, SharedBook) and one.book.world is not None:
                there.setdefault(one.book.world, []).append(one.born)
        for world, numbers in there.items():
            world.store.ask(world, world_steps.bring_up, numbers)

    def wait_for_payment(self, book: Book, seconds: float) -> None:
        """Wait for somebody to pay; who that is in another process says nothing here, so it is looked at again soon."""
        if not isinstance(book, SharedBook):
            Ledger.wait_for_payment(LEDGER, book, seconds)
        elif self.owed(book):
            _sleep(min(seconds, 0.02))


def _first_open(chain: Chain, kind: Kind | None) -> Book | None:
    return next((book for book in chain if not book.closed and (kind is None or book.watches(kind))), None)


def _refs(act: Act) -> Iterable[Ref]:
    yield act.kind, act.key
    if act.to_key is not None:
        yield act.kind, act.to_key
    if act.within is not None:
        yield act.within
    if isinstance(act.to, tuple):
        yield act.to


def _sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


_DIVERTED: Final = (
    "begin",
    "end",
    "abandon",
    "complain",
    "report",
    "breached",
    "bring_up",
    "seed",
    "judge",
    "close",
    "outstanding",
    "owed",
    "held",
    "named",
    "wait_for_payment",
)

SWITCHBOARD: Final = Switchboard()
"""The one of this process."""

letting_go.append(SWITCHBOARD.step_aside)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SWITCHBOARD.after_fork)
