"""The observer of one run: it counts the calls, makes those fail that the schedule names, and remembers what came of it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifeguard import context
from lifeguard.context import LEDGER, Attempt, Event, Fault, running_loop
from lifeguard.faults.injected import InjectedFault, Make, chain, is_cancellation, make
from lifeguard.faults.points import Menu, Step, chain_from, state_of
from lifeguard.faults.tokens import CANCELLED, Planned, Schedule
from lifeguard.keys import Key
from lifeguard.kinds import Kind
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.records import Act, Call, Generation, Outcome, Verb
from lifeguard.places import Place, resolve
from lifeguard.verdict import Verdict

Ref = tuple[Kind, Key]


@dataclass(frozen=True, slots=True)
class Fired:
    """A fault that has befallen a call."""

    planned: Planned
    position: int
    call: Call
    error: BaseException | None  # None for a cancellation
    place: Place | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a run's timeline: a call and what it did."""

    place: Place | None
    call: str
    effects: tuple[str, ...]
    raised: str
    fault: str


class Plan:
    """Looks on during one run of a scenario and makes calls fail.

    Attributes:
        path: the names of the calls that were begun, in order.
        steps: the calls in detail: all of them, or those since the first fault.
        fired: the faults that have befallen calls.
        residue: the obligations whose own release, hand-over or rollback is what failed.
        lost: what acquires took whose answers were lost.
        problem: why the schedule cannot be followed; "" where it can.
    """

    def __init__(
        self,
        schedule: Schedule = (),
        menu: Menu | None = None,
        *,
        stop: object = None,
        detail: bool = False,
        timeline: bool = False,
        makers: Mapping[type[BaseException], Make] | None = None,
    ) -> None:
        self.schedule = schedule
        self.path: list[str] = []
        self.steps: list[Step] = []
        self.fired: list[Fired] = []
        self.residue: dict[Generation, None] = {}
        self.lost: dict[Generation, None] = {}
        self.problem = ""
        self.timeline: list[Row] | None = [] if timeline else None
        self.book: Book | None = None
        self.cancel_scope: Any = None  # of trio
        self.regions = False  # whether the scenario says where it wants faults
        self.armed = 0  # how many blocks of `armed()` it is in
        self._menu = menu or Menu()
        self._stop = stop
        self._detail = detail
        self._makers = makers or {}
        self._counts: dict[str, int] = {}
        self._attempts: dict[Call, Attempt] = {}
        self._positions: dict[Call, int] = {}
        self._awaited: dict[Call, Planned] = {}  # calls that are to fail at their end
        self._stuck: list[Planned] = []
        self._struck: dict[Call, Planned] = {}
        self._lock = threading.Lock()

    # -- as an observer ---------------------------------------------------------------------------------------------------------

    def began(self, call: Call) -> None:
        """Nothing to do: `before` sees the same call."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do."""

    def before(self, attempt: Attempt) -> Fault | None:
        """A call is about to run."""
        name, options, pays = self._menu.of(attempt)
        call = attempt.call
        if not options:
            return None
        with self._lock:
            position = len(self.path)
            self.path.append(name)
            nth = self._counts[name] = self._counts.get(name, 0) + 1
        self._attempts[call] = attempt
        self._positions[call] = position
        if self._detail or self.fired:
            books = call.chain[: call.chain.index(self.book) + 1] if self.book in call.chain else call.chain
            where = chain_from(sys._getframe(1), self._stop)
            self.steps.append(Step(name, nth, position, where, state_of(books), options, pays, self.armed > 0))
        for stuck in self._stuck:
            if stuck.call == name:
                return self._strike(attempt, stuck)
        if len(self.fired) >= len(self.schedule):
            return None
        waiting = self._waiting()
        if waiting is None or waiting.call != name or waiting.nth != nth:
            return None
        if waiting.phase == "after":
            self._awaited[call] = waiting
            return None
        fault = self._strike(attempt, waiting)
        if waiting.phase == "stuck" and fault is not None:
            self._stuck.append(waiting)
        return fault

    def after(self, attempt: Attempt) -> Fault | None:
        """A call has run to its end."""
        waiting = self._awaited.pop(attempt.call, None)
        if waiting is None:
            return None
        if self._loses(attempt):
            self.lost.update(dict.fromkeys(_taken_inside(attempt.call)))
        return self._strike(attempt, waiting)

    def event(self, event: Event) -> None:
        """A call has ended."""
        if self.timeline is not None:
            self.timeline.append(self._row(event))
        if not self.fired or event.outcome is Outcome.RETURNED:
            return
        call = event.call
        struck = self._struck.get(call)
        if struck is None and not self.is_ours(sys.exc_info()[1]):
            return
        for act in event.acts:
            if act.in_doubt and struck is not None and struck.phase == "after":
                self._note_lost(call, act)
            elif self._excuses(call, act, struck) and act.target is not None:
                self.residue[act.target] = None

    # -- what it did ------------------------------------------------------------------------------------------------------------

    def is_ours(self, error: BaseException | None) -> bool:
        """Whether an exception is one of the faults, or has one in its chain."""
        return any(self._is(one, fired) for one in chain(error) for fired in self.fired)

    def has(self, error: BaseException | None, fired: Fired) -> bool:
        """Whether an exception is this fault, or has it in its chain."""
        return any(self._is(one, fired) for one in chain(error))

    @staticmethod
    def _is(error: BaseException, fired: Fired) -> bool:
        return error is fired.error if fired.error is not None else is_cancellation(error)

    def missed(self) -> Planned | None:
        """The first fault that no call came to; None where all befell one."""
        done = {one.planned for one in self.fired}
        return next((one for one in self.schedule if one not in done), None)

    def count(self, name: str) -> int:
        """How many calls of a name there were."""
        return self._counts.get(name, 0)

    # -- inside -----------------------------------------------------------------------------------------------------------------

    def _waiting(self) -> Planned | None:
        done = {one.planned for one in self.fired}
        return next((one for one in self.schedule if one not in done), None)

    def _strike(self, attempt: Attempt, planned: Planned) -> Fault | None:
        error: BaseException | None = None
        fault: Fault
        text = f"{attempt.call.function}, call {planned.nth}" + (
            "" if planned.phase == "before" else f", {planned.phase}"
        )
        if planned.error == CANCELLED:
            if not attempt.awaits:
                self.problem = f"{planned.call} is not awaited, so it cannot be cancelled"
                return None
            fault = self._cancellation(text)
        else:
            kind = self._error_named(attempt, planned.error)
            if kind is None:
                self.problem = f"{planned.call} is not declared to raise a {planned.error}"
                return None
            error = fault = make(kind, text, self._makers)
        call = attempt.call
        place = resolve(call.site) if call.site is not None else None
        self._struck[call] = planned
        self.fired.append(Fired(planned, self._positions[call], call, error, place))
        return fault

    def _error_named(self, attempt: Attempt, name: str) -> type[BaseException] | None:
        for option in self._menu.of(attempt)[1]:
            if option.error is not None and option.error_name == name:
                return option.error
        return {"InjectedFault": InjectedFault, "KeyboardInterrupt": KeyboardInterrupt}.get(name)

    def _cancellation(self, text: str) -> Callable[[], Awaitable[object]]:
        if running_loop() == "trio":
            return self._cancel_trio
        return lambda: _cancel_asyncio(text)

    async def _cancel_trio(self) -> None:
        import trio

        if self.cancel_scope is not None:
            self.cancel_scope.cancel()
        await trio.lowlevel.checkpoint()

    @staticmethod
    def _loses(attempt: Attempt) -> bool:
        acquiring = [one for one in attempt.woven.contracts if one.verb == "acquires"]
        return any(one.lost_reply == "excused" and not one.in_doubt for one in acquiring)

    def _note_lost(self, call: Call, act: Act) -> None:
        if act.excused:
            (generation,) = LEDGER.named(call.chain, [(act.kind, act.key)]) or [None]
            if generation is not None and is_open(generation):
                self.lost[generation] = None

    def _excuses(self, call: Call, act: Act, struck: Planned | None) -> bool:
        """Whether an obligation is left alone because what would have settled it was made to fail."""
        if act.verb is Verb.TRANSFER:
            return struck is not None and struck.phase == "after"
        if act.verb not in (Verb.RELEASE, Verb.ROLL_BACK) or act.gone:
            return False
        if struck is not None and struck.phase == "stuck":
            return True
        attempt = self._attempts.get(call)
        contracts = attempt.woven.contracts if attempt is not None else ()
        return not any(one.retried and one.kind is act.kind for one in contracts)

    def _row(self, event: Event) -> Row:
        call = event.call
        struck = self._struck.get(call)
        effects = tuple(_effects(event))
        return Row(
            resolve(call.site) if call.site is not None else None,
            call.function,
            effects,
            call.error if event.outcome is Outcome.RAISED else "",
            struck.phase if struck is not None else "",
        )


def _taken_inside(call: Call) -> Iterator[Generation]:
    """What a call took inside itself and holds still: a part of what it gives."""
    for book in call.chain:
        for one in tuple(book.held):
            if one.born > call.began and one.first and one.first[0].actor == call.actor:
                yield one


@contextlib.contextmanager
def armed() -> Iterator[None]:
    """Say where a scenario wants faults: only the calls in such a block are made to fail.

    What stands outside of it sets the scene, or checks what came of it. A scenario without such a block wants faults
    everywhere. Outside of an exploration it does nothing.
    """
    plans = [one for one in context.saboteurs_in(context.chain()[0]) if isinstance(one, Plan)]
    for plan in plans:
        plan.regions = True
        plan.armed += 1
    try:
        yield
    finally:
        for plan in plans:
            plan.armed -= 1


async def _cancel_asyncio(text: str) -> None:
    import asyncio

    task = asyncio.current_task()
    if task is not None:
        task.cancel(text)
    await asyncio.sleep(0)


_SIGNS = {
    Verb.ACQUIRE: "+",
    Verb.RELEASE: "-",
    Verb.TRANSFER: ">",
    Verb.USE: "·",
    Verb.FAIL: "!",
    Verb.ROLL_BACK: "-",
}


def _effects(event: Event) -> Iterator[str]:
    from lifeguard.ledger.account import name_of

    raised = event.outcome is Outcome.RAISED
    for act in event.acts:
        done = not raised or act.gone or act.reraised or act.verb is Verb.FAIL
        if act.verb is Verb.FAIL and act.succeeded:
            continue
        if done:
            yield f"{_SIGNS[act.verb]}{name_of(act.kind, act.key)}"
        elif act.in_doubt:
            yield f"?{name_of(act.kind, act.key)}"
