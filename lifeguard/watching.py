"""The life of one watched call: its begin, and its end, which is told once."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import Token
from types import FrameType
from typing import Any

from lifeguard import context, quick
from lifeguard.context import AWAITING, LEDGER, OPEN, SPANS, Attempt, Fault, Saboteur
from lifeguard.contracts import Contract
from lifeguard.errors import ViolationError
from lifeguard.keys import Key, Unreadable, problem_text
from lifeguard.kinds import Kind, Rollback
from lifeguard.ledger.book import is_open
from lifeguard.ledger.records import Act, Call, Generation, Outcome, Ref, Verb
from lifeguard.ledger.spans import Span
from lifeguard.places import GENERATED, Site, caller, raised_at
from lifeguard.quick import Plain, Quick, plain_of
from lifeguard.reading import Ending, Reading
from lifeguard.telling import own_defect, tell

Function = Callable[..., Any]

RECEIVERS = 64
"""So many of the last receivers of a function are remembered, weakly."""


class Woven:
    """A function and the contracts that were woven into its wrapper."""

    __slots__ = (
        "__weakref__",
        "active",
        "classes",
        "contracts",
        "function",
        "last",
        "name",
        "origin",
        "plain",
        "receiver",
        "receivers",
        "state",
        "wrapper",
    )

    def __init__(self, function: Function, contracts: tuple[Contract, ...], name: str, origin: str = "") -> None:
        self.function = function
        self.contracts = contracts
        self.name = name
        self.origin = origin  # by which stand-in it was bound; "" where the decorator stands at the function
        self.receiver: str | None = None  # the name of the parameter that is the receiver
        self.active = True
        self.last = -1  # the ledger's number at the last call that was watched
        self.wrapper: weakref.ref[Any] | None = None
        self.plain = plain_of(contracts)  # what the short way needs; None where they are not that plain
        self.classes: dict[int, tuple[weakref.ref[type], int]] = {}  # their classes, with the number of the call
        self.receivers: dict[int, weakref.ref[Any]] = {}  # the last objects that it was called on
        self.state: dict[str, Any] = {"name": name, "bound": not origin}  # outlives it, for `weaving.DROPPED`

    def saw(self, receiver: object, when: int) -> None:
        """Remember an object that it was called on, and its class, so that what hides its methods can be found."""
        cls = receiver if isinstance(receiver, type) else type(receiver)
        seen = self.classes.get(id(cls))
        if seen is None or seen[1] != when or seen[0]() is not cls:
            self.classes[id(cls)] = (weakref.ref(cls) if seen is None or seen[0]() is not cls else seen[0], when)
        known = self.receivers.get(id(receiver))
        if known is not None and known() is receiver:
            return
        if len(self.receivers) >= RECEIVERS:
            self.receivers.pop(next(iter(self.receivers)), None)
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
        self.awaiting: Token[tuple[int, ...]] | None = None
        self.problems: list[tuple[Kind | None, str]] = []
        self.handling: BaseException | None = None  # what was being handled when a rollback began
        self.saboteurs: tuple[Saboteur, ...] = ()  # who may make it fail
        self.attempt: Attempt | None = None  # what they are told of it
        self.lost: Ending | None = None  # how it ended in truth, where its caller does not get the answer


# -- the life of one call ----------------------------------------------------------------------------------------------


def begin(woven: Woven, arguments: Mapping[str, object], form: str) -> Watched | Quick | None:
    """A watched call begins; None where it is not to be watched."""
    if not woven.active:
        return None
    try:
        site = caller(sys._getframe(1))
        if form == "sync" and woven.plain is not None:
            short = _begin_short(woven, woven.plain, arguments, site)
            if short is not None:
                return short
        watched = _begin(woven, arguments, form, site)
    except Exception as error:  # a defect of lifeguard's own must not become one of the program
        own_defect(woven.name, error)
        return None
    if watched.saboteurs and not _awaits(watched):
        _strike(watched, _fault(watched, "before"))
    return watched


def _begin_short(woven: Woven, plain: Plain, arguments: Mapping[str, object], site: Site | None) -> Quick | None:
    try:
        return quick.begin(woven, plain, arguments, site)
    except Exception:  # a key that cannot be read: the long way says so
        return None


def _go_long(short: Quick) -> Watched:
    """A call that began the short way goes on the long way, as if it had begun there."""
    watched = _begin(short.woven, short.arguments, "sync", short.site, short.key)
    watched.call.began = short.began
    if short.target is not None and short.key is not None:
        watched.targets = {(short.target.kind, short.key): short.target}
    return watched


def _begin(
    woven: Woven, arguments: Mapping[str, object], form: str, site: Site | None, key: Key | None = None
) -> Watched:
    thread, actor = context.actor()
    receiver = arguments.get(woven.receiver) if woven.receiver is not None else None
    chain, around = context.chain()
    call = Call(
        woven.name,
        chain=chain,
        around=around,
        site=site,
        actor=actor,
        thread=thread,
        awaiting=AWAITING.get(()),
        spans=SPANS.get(()),
        receiver=(type(receiver).__qualname__, id(receiver)) if receiver is not None else None,
    )
    call.asynchronous = form in ("async", "async with", "generator")
    call.nests = form in ("sync", "async", "generator")
    if form == "generator":
        call.lasts = True
        call.awaiting += tuple(_generators_around(sys._getframe(1)))
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
    woven.last = call.began
    if receiver is not None:
        woven.saw(receiver, call.began)
    if spans and form != "generator":
        watched.spans_token = SPANS.set((*call.spans, *spans))
    if call.asynchronous and not call.lasts:
        watched.awaiting = AWAITING.set((*call.awaiting, call.ident))
    for book in call.chain:
        if book.observers:
            for observer in book.observers:
                observer.began(call)
            watched.saboteurs += context.saboteurs_in((book,))
    if watched.saboteurs:
        watched.attempt = Attempt(call, woven, arguments, _awaits(watched))
    return watched


def _generators_around(frame: FrameType | None) -> Iterator[int]:
    """The watched generators whose bodies run now and wait for this call, as an override waits for what it overrides."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(GENERATED):
            outer = frame.f_locals.get("lg_call")
            if isinstance(outer, Watched) and outer.call.lasts:
                yield outer.call.ident
        frame = frame.f_back


def _start_span(watched: Watched, contract: Contract, reading: Reading) -> list[Span]:
    late = contract.verb == "settles" and (contract.key is not None or contract.about)
    try:
        choice = None if late else reading.choice(Ending())
    except Unreadable as problem:
        watched.problems.append(
            (contract.kinds[0] if contract.kinds else None, _unreadable(watched.call, contract, problem))
        )
        return []
    span = Span(contract.verb, watched.call, choice=choice, restores=contract.restores, ended=contract.ended)
    if late:
        watched.span_readings.append((span, reading))
    return [span]


def returned(watched: Watched | Quick | None, result: object) -> None:
    """A watched call has returned."""
    if watched is None:
        return
    if type(watched) is Quick:
        if _returned_short(watched, result):
            return
        watched = _go_long(watched)
    assert isinstance(watched, Watched)
    ending = Ending(result=result)
    if watched.saboteurs and not _awaits(watched):
        fault = _fault(watched, "after")
        if fault is not None:
            watched.lost = ending
            _strike(watched, fault)
    _end(watched, ending, Outcome.RETURNED)


def _returned_short(short: Quick, result: object) -> bool:
    plain = short.woven.plain
    try:
        return plain is not None and quick.returned(short, plain, result)
    except Exception:
        return False


def raised(watched: Watched | Quick | None, error: BaseException) -> None:
    """A watched call has raised."""
    if watched is None:
        return
    if type(watched) is Quick:
        watched = _go_long(watched)
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


def abandoned(watched: Watched | Quick | None) -> None:
    """A generator was closed before its end, a coroutine was never awaited to its end: nothing is told."""
    if isinstance(watched, Watched):
        _restore(watched)
        LEDGER.abandon(watched.call, watched.spans)


def _restore(watched: Watched) -> None:
    _restore_awaiting(watched)
    if watched.spans_token is not None:
        with contextlib.suppress(ValueError):  # closed by the collector, in another context
            SPANS.reset(watched.spans_token)
        watched.spans_token = None


def _restore_awaiting(watched: Watched) -> None:
    if watched.awaiting is not None:
        with contextlib.suppress(ValueError):
            AWAITING.reset(watched.awaiting)
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
            watched.problems.append((reading.contract.kind, _unreadable(watched.call, reading.contract, problem)))
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
                    (kinds[0] if kinds else None, _unreadable(watched.call, reading.contract, problem))
                )
        if span.choice is None:
            span.rule = "none"
    return acts, steps, spans


def _unreadable(call: Call, contract: Contract, problem: Unreadable) -> str:
    return f"{contract} on {call.function}: {problem.source} could not be read: {problem.problem}"


class _Manager:
    """Stands for the context manager that a watched function returned.

    An acquire is recorded at entry, where `result` is what `as` gets, and paid when the block was left, if its body has
    not settled it.
    """

    def __init__(self, woven: Woven, arguments: Mapping[str, object], make: Callable[[], Any]) -> None:
        self._woven = woven
        self._arguments = arguments
        self._make = make
        self._manager = make()
        self._watched: Watched | None = None
        self._entered: list[tuple[Generation, Act]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_manager"], name)

    def _recreate_cm(self) -> Any:
        return type(self)(self._woven, self._arguments, self._make)

    def _begin(self, form: str) -> None:
        watched = begin(self._woven, self._arguments, form) if OPEN else None
        self._watched = watched if isinstance(watched, Watched) else None

    def _has_entered(self, result: object) -> None:
        watched = self._watched
        if watched is None:
            return
        call = watched.call
        _restore_awaiting(watched)
        acquiring = [one for one in watched.readings if one.contract.verb == "acquires"]
        watched.readings = [one for one in watched.readings if one.contract.verb != "acquires"]
        acts: list[Act] = []
        problems: list[tuple[Kind | None, str]] = []
        for reading in acquiring:
            try:
                acts += reading.acts(Ending(result=result), watched.targets)
            except Unreadable as problem:
                problems.append((reading.contract.kind, _unreadable(call, reading.contract, problem)))
        if not acts and not problems:
            return
        refs = [(act.kind, act.key) for act in acts]
        call.nests = True  # until here no code of the caller's has run
        before = LEDGER.named(call.chain, refs)
        told = [is_open(one) and one is not None and call.told_inside(one.told.get(Verb.ACQUIRE)) for one in before]
        self._tell(Outcome.RETURNED, acts, problems)
        call.nests = False
        self._entered = [
            (one, act)
            for one, act, inside in zip(LEDGER.named(call.chain, refs), acts, told, strict=True)
            if one is not None and not inside
        ]

    def _tell(self, outcome: Outcome, acts: list[Act], problems: list[tuple[Kind | None, str]] | None = None) -> None:
        """One step of a call that has not ended yet: the failures that it may still be are expected further on."""
        assert self._watched is not None
        call = self._watched.call
        failing, call.failing = call.failing, ()
        try:
            tell(call, outcome, list(acts), problems=problems or [])
        finally:
            call.failing = failing

    def _left(self, error: BaseException | None, *, cleaned: bool) -> None:
        watched = self._watched
        if watched is None:
            return
        call = watched.call
        acts = []
        for generation, acquired in self._entered:
            if is_open(generation):
                act = Act(Verb.RELEASE, generation.kind, generation.key)
                act.resolved, act.target = True, generation
                act.amount = acquired.amount
                acts.append(act)
        if acts:
            call.error = "" if cleaned or error is None else problem_text(error)
            self._tell(Outcome.RETURNED if cleaned else Outcome.RAISED, acts)
        if error is None:
            returned(watched, None)
        elif isinstance(error, GeneratorExit):
            abandoned(watched)
        else:
            raised(watched, error)


class WatchedManager(_Manager, contextlib.ContextDecorator):
    """Stands for what a function of `contextlib.contextmanager` returned."""

    def __enter__(self) -> Any:
        __tracebackhide__ = True
        self._begin("with")
        try:
            result = self._manager.__enter__()
        except BaseException as error:
            raised(self._watched, error)
            raise
        self._has_entered(result)
        return result

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> Any:
        __tracebackhide__ = True
        try:
            swallowed = self._manager.__exit__(kind, error, traceback)
        except BaseException as other:
            self._left(other, cleaned=other is error)
            raise
        self._left(None if swallowed else error, cleaned=True)
        return swallowed


class WatchedAsyncManager(_Manager, contextlib.AsyncContextDecorator):
    """Stands for what a function of `contextlib.asynccontextmanager` returned."""

    async def __aenter__(self) -> Any:
        __tracebackhide__ = True
        self._begin("async with")
        try:
            if self._watched is not None and self._watched.saboteurs:
                await entering(self._watched)
            result = await self._manager.__aenter__()
        except BaseException as error:
            raised(self._watched, error)
            raise
        self._has_entered(result)
        return result

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> Any:
        __tracebackhide__ = True
        try:
            swallowed = await self._manager.__aexit__(kind, error, traceback)
        except BaseException as other:
            self._left(other, cleaned=other is error)
            raise
        if (swallowed or error is None) and self._watched is not None and self._watched.saboteurs:
            try:
                await leaving(self._watched, None)
            except BaseException as fault:
                self._left(fault, cleaned=True)
                raise
        self._left(None if swallowed else error, cleaned=True)
        return swallowed
