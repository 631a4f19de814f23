"""The life of one watched call: its begin, and its end, which is told once."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Mapping
from contextvars import Token
from types import FrameType
from typing import Any, Final

from lifeguard import context, fast
from lifeguard.context import CURRENT, LEDGER, NO_LANES, PROCESS, SPANS, Attempt, Fault, Saboteur
from lifeguard.contracts import Contract
from lifeguard.errors import ViolationError
from lifeguard.fast import simple_of, way_of
from lifeguard.keys import Key, KeyExpression, Unreadable, problem_text
from lifeguard.kinds import Kind, Rollback
from lifeguard.ledger.book import is_open
from lifeguard.ledger.lanes import Flow, Lane, Plain, born
from lifeguard.ledger.records import Act, Call, Generation, Outcome, Ref, Verb
from lifeguard.ledger.spans import Span
from lifeguard.places import Site, caller, raised_at
from lifeguard.reading import Ending, Reading, is_left_out, unreadable
from lifeguard.roster import ROSTER, Entry
from lifeguard.telling import own_defect, tell

Function = Callable[..., Any]

_NOT_READ: Final = object()

RECEIVERS = 64
"""So many of the last receivers of a function are remembered, weakly."""


class Woven:
    """A function and the contracts that were woven into its wrapper."""

    __slots__ = (
        "__weakref__",
        "active",
        "caller",
        "classes",
        "contracts",
        "entry",
        "function",
        "last",
        "name",
        "origin",
        "receiver",
        "receivers",
        "simple",
        "state",
        "way",
        "wrapper",
    )

    def __init__(self, function: Function, contracts: tuple[Contract, ...], name: str, origin: str = "") -> None:
        self.function = function
        self.contracts = contracts
        self.name = name
        self.origin = origin  # by which stand-in it was bound; "" where the decorator stands at the function
        self.receiver: str | None = None  # the name of the parameter that is the receiver
        self.active = True
        self.entry: Entry | None = None  # its place in the roster
        self.last = -1  # the ledger's number at its first watched call since a scope was last opened
        self.wrapper: weakref.ref[Any] | None = None
        self.simple = simple_of(contracts)  # what the fast lane needs; None where they are not that plain
        self.way = way_of(name, self.simple)
        self.caller: object = None  # the user's code that called it last, as far as its wrapper noticed
        self.classes: dict[int, tuple[weakref.ref[type], int]] = {}  # their classes, with the number of the call
        self.receivers: dict[int, weakref.ref[Any]] = {}  # the last objects that it was called on
        self.state: dict[str, Any] = {"name": name, "bound": not origin}  # outlives it, for `weaving.DROPPED`

    def was_called(self, receiver: object) -> None:
        """It was called, though nothing is told of that."""
        if fast.find(self, receiver) is None:
            if self.last < ROSTER.opened:
                ROSTER.called(self, fast.CLOCK.seq)
            if receiver is not None:
                self.saw(receiver, fast.CLOCK.seq)

    def saw(self, receiver: object, when: int) -> None:
        """Remember an object that it was called on, and its class, so that what hides its methods can be found."""
        cls = receiver if isinstance(receiver, type) else type(receiver)
        seen = self.classes.get(id(cls))
        if seen is None or seen[1] != when or seen[0]() is not cls:
            self.classes[id(cls)] = (weakref.ref(cls) if seen is None or seen[0]() is not cls else seen[0], when)
        known = self.receivers.get(id(receiver))
        if known is not None and known() is receiver:
            return
        while len(self.receivers) >= RECEIVERS:
            with contextlib.suppress(RuntimeError):  # another thread came between the look and the step
                self.receivers.pop(next(iter(self.receivers), 0), None)
        with contextlib.suppress(TypeError):
            self.receivers[id(receiver)] = weakref.ref(receiver)


class Watched:
    """One running call of a woven function."""

    __slots__ = (
        "attempt",
        "awaiting",
        "call",
        "handling",
        "lost",
        "problems",
        "readings",
        "saboteurs",
        "span_readings",
        "spans",
        "spans_token",
        "targets",
    )

    def __init__(self, call: Call) -> None:
        self.call = call
        self.readings: list[Reading] = []
        self.targets: dict[Ref, Generation | None] = {}
        self.spans: tuple[Span, ...] = ()
        self.span_readings: list[tuple[Span, Reading]] = []
        self.spans_token: Token[tuple[Span, ...]] | None = None
        self.awaiting: Flow | None = None  # what is inside of it, while it is awaited
        self.problems: list[tuple[Kind | None, str]] = []
        self.handling: BaseException | None = None  # what was being handled when a rollback began
        self.saboteurs: tuple[Saboteur, ...] = ()  # who may make it fail
        self.attempt: Attempt | None = None  # what they are told of it
        self.lost: Ending | None = None  # how it ended in truth, where its caller does not get the answer


# -- the life of one call ----------------------------------------------------------------------------------------------


def begin(
    woven: Woven, arguments: Mapping[str, object], form: str, value: object = _NOT_READ
) -> Watched | Short | None:
    """A watched call begins; None where it is not to be watched.

    Args:
        woven: the function.
        arguments: what its contracts read.
        form: "sync", "async", "generator", "with" or "async with".
        value: the value of its one key, where the wrapper has read it already.
    """
    if not woven.active:
        return None
    try:
        key = _begun(woven, value)
        if LEDGER.sampling and not LEDGER.observed and is_left_out(woven.contracts, arguments, key):
            woven.was_called(_receiver(woven, arguments))
            return None
        if form == "sync" and woven.simple is not None and not LEDGER.observed:
            short = _begin_short(woven, arguments, key)
            if short is not None:
                return short
        watched = _begin(woven, arguments, form, caller(sys._getframe(1)), key)
    except Exception as error:  # a defect of lifeguard's own must not become one of the program
        own_defect(woven.name, error)
        return None
    if watched.saboteurs and not _awaits(watched):
        _strike(watched, _fault(watched, "before"))
    return watched


def _begun(woven: Woven, value: object) -> object:
    """The one key of a function's contract, its value having been read; None where it has not."""
    return None if value is _NOT_READ else _single_key(woven).begun(value)


def unread(woven: Woven, error: Exception) -> object:
    """What a wrapper passes on in place of the value of a key that it could not read."""
    return _single_key(woven).unread(error)


class Short:
    """A running call that may be plain, and found its lane on the way."""

    __slots__ = ("arguments", "began", "held", "key", "lane", "woven")

    def __init__(self, woven: Woven, arguments: Mapping[str, object], lane: Lane) -> None:
        self.woven = woven
        self.arguments = arguments
        self.lane = lane
        self.began = fast.CLOCK.seq
        self.key: object = None
        self.held: Plain | None = None


def _begin_short(woven: Woven, arguments: Mapping[str, object], key: object) -> Short | None:
    simple = woven.simple
    assert simple is not None
    if simple.about:  # had they been plain, the wrapper would not have come here
        return None
    lane = fast.find(woven, _receiver(woven, arguments))
    if lane is None:
        return None
    short = Short(woven, arguments, lane)
    if simple.late:
        return short
    short.key = _single_key(woven).begin(arguments) if key is None else key
    if simple.verb is not Verb.ACQUIRE:
        short.held = lane.held.get(short.key) if isinstance(short.key, str | int) else None
        return short if short.held is not None else None
    return short


def _receiver(woven: Woven, arguments: Mapping[str, object]) -> object:
    return arguments.get(woven.receiver) if woven.receiver is not None else None


def _single_key(woven: Woven) -> KeyExpression:
    key = woven.contracts[0].key
    assert isinstance(key, KeyExpression)
    return key


def _returned_short(short: Short, result: object, frame: FrameType) -> bool:
    """Record a plain event; False where it turns out not to be plain."""
    woven, simple = short.woven, short.woven.simple
    assert simple is not None
    try:
        lane = fast.find(woven, _receiver(woven, short.arguments))
        if simple.late:
            short.key = _single_key(woven).ended(short.arguments, result)
        key = short.key
        if lane is not short.lane or not isinstance(key, str | int):
            return False
        if simple.verb is Verb.ACQUIRE:
            return fast.acquired(woven, key, _receiver(woven, short.arguments), frame)
        record = fast.released if simple.verb is Verb.RELEASE else fast.was_used
        return short.held is not None and record(woven, key, short.held, frame)
    except Exception:
        return False


def _go_long(short: Short, site: Site | None) -> Watched:
    """A call that began as if it were plain goes on the long way, as if it had begun there."""
    return _as_if_begun(short.woven, short.arguments, short.began, site, short.key, short.held)


def _as_if_begun(
    woven: Woven,
    arguments: Mapping[str, object],
    began: int,
    site: Site | None,
    key: object,
    held: Plain | None = None,
    form: str = "sync",
) -> Watched:
    watched = _begin(woven, arguments, form, site, key)
    watched.call.began = began
    if held is not None and isinstance(key, str | int):
        target = LEDGER.generation(woven.contracts[0].kind, key, held)
        if target is not None:
            watched.targets = {(woven.contracts[0].kind, key): target}
    return watched


def late(
    woven: Woven,
    arguments: Mapping[str, object],
    began: object,
    value: object = _NOT_READ,
    held: Plain | None = None,
) -> Watched | None:
    """A call that was taken for plain has ended, and is not: it goes the long way, as if it had begun there.

    Args:
        woven: the function.
        arguments: what its contract reads.
        began: the last event when it began (see `fast.began_at`); None where `held` will do, of which nothing was told
            yet when it began.
        value: the value of its key, where that is read at the begin.
        held: what it named then, where that was plainly held.
    """
    try:
        if not woven.active:
            return None
        site = caller(sys._getframe(1))
        number = fast.began_at(began) if held is None else born(held)
        return _as_if_begun(woven, arguments, number, site, _begun(woven, value), held)
    except Exception as error:
        own_defect(woven.name, error)
        return None


def late_awaited(
    woven: Woven, arguments: Mapping[str, object], flow: Flow, value: object = _NOT_READ
) -> Watched | None:
    """The same for a call of a coroutine function, which has been left.

    Args:
        woven: the function.
        arguments: what its contract reads.
        flow: the call as it began.
        value: the value of its key, where that was read.
    """
    try:
        if not woven.active:
            return None
        key = _begun(woven, value)
        watched = _as_if_begun(woven, arguments, flow.began, flow.site, key, flow.held, form="async")
        watched.call.ident = flow.ident
    except Exception as error:
        own_defect(woven.name, error)
        return None
    return watched


def late_acquire(
    woven: Woven, arguments: Mapping[str, object], began: object, value: object, about: Any = None
) -> Watched | None:
    """An acquire that was taken for plain has returned, and found no lane: it looks for one, else goes the long way.

    Args:
        woven: the function.
        arguments: what its contract reads.
        began: the last event when it began (see `fast.began_at`).
        value: the value of its key.
        about: its subjects as they were when it began, behind their label.
    """
    if not woven.active:
        return None
    if CURRENT.get(None) is None and not PROCESS and not LEDGER.observed:
        LEDGER.acquired_nowhere()
        return None
    try:
        receiver = _receiver(woven, arguments)
        key = _begun(woven, value)
        if isinstance(key, str | int):
            lane = fast.find(woven, receiver)
            if lane is not None and fast.acquired(woven, key, receiver, sys._getframe(2), about):
                return None
        watched = _as_if_begun(woven, arguments, fast.began_at(began), caller(sys._getframe(1)), key)
        if about is not None:
            watched.readings[0].take_subjects(about[1:])
        return watched
    except Exception as error:
        own_defect(woven.name, error)
        return None


def _begin(woven: Woven, arguments: Mapping[str, object], form: str, site: Site | None, key: object = None) -> Watched:
    thread, actor = context.actor()
    receiver = _receiver(woven, arguments)
    chain, around = context.chain()
    call = Call(
        woven.name,
        chain=chain,
        around=around,
        site=site,
        actor=actor,
        thread=thread,
        awaiting=context.awaiting(),
        spans=SPANS.get(()),
        receiver=id(receiver) if receiver is not None else None,
    )
    call.asynchronous = form in ("async", "async with", "generator")
    call.nests = form in ("sync", "async", "generator")
    if form == "generator":
        call.lasts = True
        call.awaiting += tuple(context.generators_around(sys._getframe(1)))
    watched = Watched(call)
    named: list[Ref] = []
    failing: list[Ref] = []
    spans: list[Span] = []
    for contract in woven.contracts:
        reading = Reading(contract, arguments, key)
        if contract.verb in ("atomic", "settles"):
            spans += _start_span(watched, contract, reading)
            continue
        watched.readings.append(reading)
        named += reading.named()
        if contract.verb == "rolls_back":
            watched.handling = sys.exc_info()[1]
        if contract.verb == "on_failure":
            failing += reading.failing()
            if isinstance(contract.kind, Rollback) and contract.kind.order is not None:
                spans.append(Span("steps", call, task=contract.kind))
    watched.spans = tuple(spans)
    targets = LEDGER.begin(call, named, watched.spans, tuple(failing))
    if targets is not None:
        watched.targets = dict(zip(named, targets, strict=True))
    if woven.last < ROSTER.opened:
        ROSTER.called(woven, call.began)
    if receiver is not None:
        woven.saw(receiver, call.began)
    if spans and form != "generator":
        watched.spans_token = SPANS.set((*call.spans, *spans))
        context.use_lanes(NO_LANES)
    if call.asynchronous and not call.lasts:
        watched.awaiting = context.enter_call(call.ident)
    call.on = receiver
    if receiver is not None:
        for meet in context.meeting:
            meet(receiver, call)
    for book in call.chain:
        if book.observers:
            for observer in book.observers:
                observer.began(call)
            watched.saboteurs += context.saboteurs_in((book,))
    call.on = None
    if watched.saboteurs:
        watched.attempt = Attempt(call, woven, arguments, _awaits(watched))
    return watched


def _start_span(watched: Watched, contract: Contract, reading: Reading) -> list[Span]:
    late = contract.verb == "settles" and (contract.key is not None or contract.about)
    try:
        choice = None if late else reading.choice(Ending())
    except Unreadable as problem:
        watched.problems.append(
            (contract.kinds[0] if contract.kinds else None, unreadable(watched.call, contract, problem))
        )
        return []
    span = Span(contract.verb, watched.call, choice=choice, restores=contract.restores, ended=contract.ended)
    if late:
        watched.span_readings.append((span, reading))
    return [span]


def returned(watched: Watched | Short | None, result: object) -> None:
    """A watched call has returned."""
    if watched is None:
        return
    if type(watched) is Short:
        if _returned_short(watched, result, sys._getframe(2)):
            return
        watched = _go_long(watched, caller(sys._getframe(1)))
    assert isinstance(watched, Watched)
    ending = Ending(result=result)
    if watched.saboteurs and not _awaits(watched):
        fault = _fault(watched, "after")
        if fault is not None:
            watched.lost = ending
            _strike(watched, fault)
    _end(watched, ending, Outcome.RETURNED)


def raised(watched: Watched | Short | None, error: BaseException) -> None:
    """A watched call has raised."""
    if watched is None:
        return
    if type(watched) is Short:
        watched = _go_long(watched, caller(sys._getframe(1)))
    assert isinstance(watched, Watched)
    call = watched.call
    call.error = problem_text(error)
    call.error_place = raised_at(error)
    try:
        _end(watched, Ending(error=error), Outcome.RAISED)
    except ViolationError as violation:
        if isinstance(error, Exception):
            raise violation from error
        error.add_note(str(violation))


# -- calls that are made to fail ------------------------------------------------------------------------------------------


def _awaits(watched: Watched) -> bool:
    """Whether faults befall the call where it can be interrupted, in `entering` and `leaving`."""
    return watched.call.asynchronous and not watched.call.lasts


def _fault(watched: Watched, when: str) -> Fault | None:
    """What the first saboteur that has something for this call makes of it."""
    assert watched.attempt is not None
    for one in watched.saboteurs:
        try:
            fault = one.before(watched.attempt) if when == "before" else one.after(watched.attempt)
        except Exception as error:
            text = f"the observer {type(one).__qualname__} failed: {problem_text(error)}"
            LEDGER.complain(watched.call.chain, "LG401", text, call=watched.call, about=text)
        else:
            if fault is not None:
                return fault
    return None


def _strike(watched: Watched, fault: Fault | None) -> None:
    """The call fails: its contracts see it, then its caller."""
    __tracebackhide__ = True
    if isinstance(fault, BaseException):
        try:
            raise fault
        except BaseException as error:
            raised(watched, error)
            raise


async def entering(watched: Watched) -> None:
    """A call that is awaited may be made to fail before it runs. What is raised here is told by its wrapper."""
    __tracebackhide__ = True
    await _strike_here(_fault(watched, "before"))


async def leaving(watched: Watched, result: object) -> None:
    """A call that is awaited may be made to fail after it has run. What is raised here is told by its wrapper."""
    __tracebackhide__ = True
    fault = _fault(watched, "after")
    if fault is not None:
        watched.lost = Ending(result=result)
        await _strike_here(fault)
        watched.lost = None  # the interruption was swallowed on its way


async def _strike_here(fault: Fault | None) -> None:
    __tracebackhide__ = True
    if isinstance(fault, BaseException):
        raise fault
    if fault is not None:
        await fault()


def abandoned(watched: Watched | Short | None) -> None:
    """A generator was closed before its end, a coroutine was never awaited to its end: nothing is told."""
    if isinstance(watched, Watched):
        _restore(watched)
        LEDGER.abandon(watched.call, watched.spans)


def _restore(watched: Watched) -> None:
    restore_awaiting(watched)
    if watched.spans_token is not None:
        with contextlib.suppress(ValueError):  # closed by the collector, in another context
            SPANS.reset(watched.spans_token)
            context.change_lanes()
        watched.spans_token = None


def restore_awaiting(watched: Watched) -> None:
    """What it calls from now on does not run inside of it."""
    if watched.awaiting is not None:
        watched.awaiting.leave()
        watched.awaiting = None


def _end(watched: Watched, ending: Ending, outcome: Outcome) -> None:
    _restore(watched)
    call = watched.call
    try:
        acts, steps, spans = _read(watched, ending)
    except Exception as error:
        own_defect(call.function, error)
        LEDGER.abandon(call, watched.spans)
        return
    if call.nests and not call.lasts:
        call.chain, call.around = (
            context.chain()
        )  # scopes are looked up when the event is recorded; else at first entry
    tell(call, outcome, acts, spans=spans, steps=steps, problems=watched.problems)


def _read(watched: Watched, ending: Ending) -> tuple[list[Act], list[tuple[Kind, Key]], tuple[Span, ...]]:
    acts: list[Act] = []
    steps: list[tuple[Kind, Key]] = []
    for reading in watched.readings:
        try:
            if watched.lost is not None and reading.contract.verb == "acquires":
                made = reading.lost(watched.lost, watched.targets)
            else:
                made = reading.acts(ending, watched.targets)
            if ending.error is not None and ending.error is watched.handling:
                for act in made:
                    act.reraised = act.verb is Verb.ROLL_BACK
            acts += made
            if ending.error is None and not any(
                act.kind is reading.contract.kind and not act.succeeded for act in made
            ):
                steps += reading.step(ending)
        except Unreadable as problem:
            watched.problems.append((reading.contract.kind, unreadable(watched.call, reading.contract, problem)))
    made_here = {(act.kind, act.key) for act in acts if act.verb is Verb.ACQUIRE}
    for act in acts:
        if act.verb is Verb.TRANSFER and not is_open(act.target) and (act.kind, act.key) in made_here:
            act.resolved = False  # the call hands over what it has acquired itself
    spans = watched.spans
    for span, reading in watched.span_readings:
        if span.ends_with(raised=ending.error is not None):
            try:
                span.choice = reading.choice(ending)
            except Unreadable as problem:
                kinds = reading.contract.kinds
                watched.problems.append(
                    (kinds[0] if kinds else None, unreadable(watched.call, reading.contract, problem))
                )
        if span.choice is None:
            span.rule = "none"
    return acts, steps, spans
