"""The fast lane of plain events: one contract with one plain key, on a resource to which there is nothing but that.

A wrapper with such a contract records its call itself (see `lifeguard.templates`): it looks up its lane in the context,
checks that the event is plain, and writes one tuple. Nothing else is made, and no lock is taken: `ledger.lanes` says why
that is safe. Whatever is not plain takes the long way (`watching`, `reading`, `telling`, the ledger's verbs), as if it had
begun there; the two leave behind the same, which property tests hold together. The functions here are what a wrapper does
inline, for calls that find their lane only on the way.

An event is plain where its key is a str or an int, and so is what it is about; its scopes look on by themselves, without
observers; it happens outside of atomic and settling calls; and its caller is the user's own code, known by its file.
"""

from __future__ import annotations

import sys
import threading
import weakref
from _thread import get_ident
from itertools import count
from types import CodeType, FrameType
from typing import Any, Final

from lifeguard import context
from lifeguard.context import CURRENT, FLOW, FOREIGN, LEDGER, SPANS
from lifeguard.contracts import Contract
from lifeguard.keys import Key, KeyExpression, lot
from lifeguard.kinds import Kind, Resource
from lifeguard.ledger.lanes import Flow, Lane, Plain, Way, Who, call_around, used, with_use
from lifeguard.ledger.records import Verb
from lifeguard.places import USER_FILES, is_plumbing, is_step
from lifeguard.roster import ROSTER
from lifeguard.speedups import COMPILED

_VERBS: Final = {"acquires": Verb.ACQUIRE, "releases": Verb.RELEASE, "uses": Verb.USE}

RECEIVERS: Final = 64
"""So many objects of a lane are told apart; of more, no further ones are looked at."""

CLOCK: Final = LEDGER.clock

WHO: dict[int, Who] = {}
"""The threads that plain events may happen in, by their identity."""

MINE: Final = threading.local()
"""Its `who` is the running thread's, once that is on the list."""

_HAS_LOCK: Final = getattr(sys, "_is_gil_enabled", lambda: True)
"""Whether an interpreter lets only one thread run at a time."""


class Simple:
    """What the fast lane needs to know of a function's one contract."""

    __slots__ = ("about", "code", "kind", "kinds", "late", "verb")

    def __init__(
        self,
        verb: Verb,
        kind: Resource,
        code: str,
        *,
        late: bool,
        about: tuple[str, ...] = (),
        kinds: tuple[Kind | None, ...] = (),
    ) -> None:
        self.verb = verb
        self.kind = kind
        self.code = code  # the key, as a Python expression
        self.late = late  # whether it is read when the call has ended
        self.about = about  # its subjects, as Python expressions that are read when the call begins
        self.kinds = kinds  # of these


def simple_of(contracts: tuple[Contract, ...]) -> Simple | None:
    """What the fast lane needs to know; None where the contracts of a function are not that plain."""
    if len(contracts) != 1:
        return None
    contract = contracts[0]
    verb, key = _VERBS.get(contract.verb), contract.key
    if verb is None or not isinstance(key, KeyExpression) or key.composite or key.many or len(key.parts) != 1:
        return None
    kind = contract.kind
    special = contract.when or contract.within or contract.amount or contract.in_doubt or contract.part
    if special or contract.cascade is not None or not isinstance(kind, Resource) or kind.needs is not None:
        return None
    part = key.parts[0]
    if part.code is None or (part.late and verb is not Verb.ACQUIRE):
        return None
    about: list[str] = []
    for _, subject in contract.about:
        code = subject.parts[0].code
        if code is None or subject.composite or subject.many or subject.late:
            return None
        about.append(code)
    kinds = tuple([one for one, _ in contract.about])
    return Simple(verb, kind, part.code, late=part.late, about=tuple(about), kinds=kinds)


# -- who runs ----------------------------------------------------------------------------------------------------------


class Here:
    """How a wrapper finds out that a task or a greenlet may run, which has a name of its own."""

    __slots__ = ("apart",)

    def __init__(self) -> None:
        self.apart: Any = ()  # true while one may run, in whatever thread


HERE: Final = Here()


def _how_to_ask() -> Any:
    """What is true while a task or a greenlet may run."""
    modules = sys.modules
    if "greenlet" in modules or "trio" in modules:
        return _ALWAYS
    tasks = getattr(modules.get("asyncio.tasks"), "_current_tasks", None)
    if isinstance(tasks, dict) and sys.version_info < (3, 14):
        return tasks  # those that run now, by their loops: without one there is nothing to ask
    return _ALWAYS if "asyncio" in modules else ()


_ALWAYS: Final = (True,)

_TASKS: dict[int, tuple[weakref.ref[Any], Who]] = {}
"""The tasks of asyncio that were seen, by identity; each goes with its task."""


def runner() -> Who:
    """The thread, task or greenlet that runs now.

    Raises:
        KeyError: a thread that is not on the list.
    """
    modules = sys.modules
    if "greenlet" in modules or "trio" in modules:
        return WHO[get_ident()] if context.runs_apart() is None else Who(*context.actor())
    task = _task(modules["asyncio"])
    if task is None:
        return WHO[get_ident()]
    if context.name_origin is not None:
        return Who(*context.actor())
    number = id(task)
    known = _TASKS.get(number)
    if known is not None and known[0]() is task:
        return known[1]
    who = Who(*context.actor())
    _TASKS[number] = weakref.ref(task, lambda _: _TASKS.pop(number, None)), who
    return who


def _task(asyncio: Any) -> Any:
    """The task of asyncio that runs in this thread; None where there is none."""
    if _ASKING_IS_DEAR:
        try:
            ((loop, task),) = HERE.apart.items()
            here = loop._thread_id == get_ident()
        except Exception:  # several tasks, or a loop of another make
            here, task = False, None
        if here:
            return task
    return asyncio.current_task() if asyncio._get_running_loop() is not None else None


_ASKING_IS_DEAR: Final = sys.version_info < (3, 12)
"""There asyncio makes a system call to find the running loop, in case that the process was forked. Where one task runs in
the whole process, whose loop says that this is its thread, it need not be asked.
"""


def who_runs(flow: Flow) -> Who:
    """The same, with the coroutine call that something is inside of which happens there."""
    who = runner() if HERE.apart else WHO[get_ident()]
    inside = call_around(flow)
    if inside is None:
        return who
    known = inside.who
    if known is None or known[0] is not who:
        known = inside.who = who, Who(who.ident, who.name, inside)
    return known[1]


class _Ending:
    """Goes with its thread, and takes the thread's name off the list: the next one may get the same identity."""

    __slots__ = ("ident", "who")

    def __init__(self, ident: int, who: Who) -> None:
        self.ident = ident
        self.who = who

    def __del__(self, known: dict[int, Who] = WHO, helper: Any = COMPILED) -> None:  # globals may have gone before
        if known.get(self.ident) is self.who:
            known.pop(self.ident, None)
            if helper is not None:
                helper.forget_threads()


def _know_thread() -> None:
    """Put the running thread on the list."""
    apart = _how_to_ask()
    if apart is not HERE.apart:
        HERE.apart = apart
        if COMPILED is not None:
            COMPILED.ask(apart)
    ident = get_ident()
    if ident not in WHO:
        name, origin = context.thread_name(ident), context.name_origin
        who = WHO[ident] = Who(ident, name if origin is None else origin(name, None))
        MINE.ending = _Ending(ident, who)
    MINE.who = WHO[ident]


# -- lanes -------------------------------------------------------------------------------------------------------------


def find(woven: Any, receiver: object) -> Lane | None:
    """The lane of a function in the running context, opened if there was none; None where there can be none."""
    simple = woven.simple
    if simple is None or not woven.active or SPANS.get(()):
        return None
    if not _HAS_LOCK():
        return None
    _know_thread()
    node = CURRENT.get(None)
    if node is not None and node.gone:
        return None
    lanes = FOREIGN if node is None else node.lanes
    lane = lanes.get(woven.way)
    if lane is None:
        lane = LEDGER.lane(woven.way, simple.kind, lanes, lambda: context.chain_of(node))
        if lane is None:
            return None
        if woven.last < ROSTER.opened:
            ROSTER.called(woven, CLOCK.seq)
        if FLOW.get().lanes is not lanes:
            context.use_lanes(lanes)
    if receiver is not None:
        meet(woven, lane, receiver)
    return lane


def meet(woven: Any, lane: Lane, receiver: object) -> None:
    """Take note of an object that a call was made on."""
    woven.saw(receiver, CLOCK.seq)
    lane.classes.add(type(receiver))
    if COMPILED is None:
        lane.cls = type(receiver)
    if len(lane.receivers) >= RECEIVERS:
        lane.receivers = range(sys.maxsize)
    elif type(lane.receivers) is dict:
        number = id(receiver)
        lane.receivers[number] = number


def _is_users(code: CodeType) -> bool:
    file = code.co_filename
    return file in USER_FILES or (not is_plumbing(file) and file in USER_FILES)


def is_caller(woven: Any, code: CodeType) -> bool:
    """Whether it is the user's own code that calls a function; its wrapper then knows it the next time."""
    if not _is_users(code):
        return False
    woven.caller = code
    return True


def acquired(woven: Any, key: object, receiver: object, frame: FrameType, about: Any = None) -> bool:
    """An acquire has returned to its caller; False where it is not plain."""
    if COMPILED is not None:
        way = woven.way
        done: bool = (
            way.acquired(key, receiver, frame) if about is None else way.acquired_of(key, receiver, about, frame)
        )
        return done
    return _is_users(frame.f_code) and _acquire(woven, key, receiver, frame.f_code, frame.f_lasti, about)


def released(woven: Any, key: Key, held: Plain, frame: FrameType) -> bool:
    """A release of what was held at its begin has returned to its caller; False where it is not plain."""
    if COMPILED is not None:
        done: bool = woven.way.released(key, held, frame)
        return done
    return _is_users(frame.f_code) and _release(woven, key, held, frame.f_code, frame.f_lasti)


def was_used(woven: Any, key: Key, held: Plain, frame: FrameType) -> bool:
    """A use of what was held at its begin has returned to its caller; False where it is not plain."""
    if COMPILED is not None:
        done: bool = woven.way.was_used(key, held, frame)
        return done
    return _is_users(frame.f_code) and _use(woven, key, held, frame.f_code, frame.f_lasti)


_KEYS: Final = frozenset({str, int})


def _acquire(woven: Any, key: Any, receiver: object, code: CodeType | None, offset: int, about: Any = None) -> bool:
    flow = FLOW.get()
    lane = flow.lanes.get(woven.way)
    if lane is None or type(key) not in _KEYS:
        return False
    on = None
    if receiver is not None:
        on = id(receiver)
        if on not in lane.receivers:
            return False
        on = lane.receivers[on]
    if lane.limit is not None and lot(key) >= lane.limit:
        lane.table.left_out += 1
        return True
    who = who_runs(flow)
    number = CLOCK.seq
    if lane.around and lane.meets_around(key):
        return False
    plain = (woven.name if about is None else about, code, offset, number + 1, who, on)
    if CLOCK.seq is not number or key in lane.held or key in lane.odd:
        return False
    CLOCK.seq = number + 1
    lane.acquired += 1
    lane.held[key] = plain
    return True


def _release(woven: Any, key: Key, held: Plain, code: CodeType | None, offset: int) -> bool:
    flow = FLOW.get()
    lane = flow.lanes.get(woven.way)
    if lane is None:
        return False
    who = who_runs(flow)
    number = CLOCK.seq
    entry = (key, held, woven.name, code, offset, number + 1, who)
    table = lane.table
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    table.released += 1
    del lane.held[key]
    table.log.append(entry)
    return True


def _use(woven: Any, key: Key, held: Plain, code: CodeType | None, offset: int) -> bool:
    flow = FLOW.get()
    lane = flow.lanes.get(woven.way)
    if lane is None:
        return False
    who = who_runs(flow)
    number = CLOCK.seq
    plain = used(held, (woven.name, code, offset, number + 1, who))
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    lane.table.used += 1
    lane.held[key] = plain
    return True


# -- coroutines --------------------------------------------------------------------------------------------------------

_idents = count(1)
"""The numbers of plain calls count downwards, those of the long way upwards."""


def enter(key: object, receiver: object, woven: Any) -> Flow | None:
    """A call of a coroutine function begins: its flow, which is current from now on; None where it is not plain.

    Args:
        key: its key, where that is read at the begin.
        receiver: the object that it is called on, or None.
        woven: the function.
    """
    try:
        now, simple = FLOW.get(), woven.simple
        lane = now.lanes.get(woven.way)
        if lane is None or (receiver is not None and id(receiver) not in lane.receivers):
            lane, now = find(woven, receiver), FLOW.get()
        if lane is None or not (simple.late or type(key) in _KEYS):
            return None
        frame = sys._getframe(2)
        code: CodeType | None = frame.f_code
        if code is not woven.caller and not is_caller(woven, frame.f_code):
            if not is_step(frame.f_code):
                return None
            code = None
        held = None if simple.verb is Verb.ACQUIRE else lane.held.get(key)  # type: ignore[call-overload]
        if held is None and simple.verb is not Verb.ACQUIRE:
            return None
        flow = Flow(now.lanes, call_around(now) if now.apart else None, -next(_idents))
        flow.held, flow.code, flow.offset, flow.began = held, code, frame.f_lasti, CLOCK.seq
        FLOW.set(flow)
    except Exception:
        return None
    return flow


def ended(woven: Any, flow: Flow, key: Any, receiver: object) -> bool:
    """A call of a coroutine function has returned: it is left, and recorded; False where it is not plain."""
    flow.leave()
    try:
        if flow.held is None:
            return _acquire(woven, key, receiver, flow.code, flow.offset)
        step = _release if woven.simple.verb is Verb.RELEASE else _use
        return step(woven, key, flow.held, flow.code, flow.offset)
    except Exception:
        return False


if COMPILED is not None:
    COMPILED.connect(CLOCK, FLOW, USER_FILES, WHO, runner, find, with_use, lot)


def way_of(name: str, simple: Simple | None) -> Way:
    """What the lanes of a function are found by.

    Args:
        name: of the function.
        simple: what the fast lane needs to know of it.
    """
    acquires, uses = (simple is not None and simple.verb is verb for verb in (Verb.ACQUIRE, Verb.USE))
    return Way(name, acquires, uses, simple is not None and simple.late)


def began_at(last: Any) -> int:
    """The number of the event that was the last one when a wrapper noted it."""
    number: int = last if COMPILED is None else COMPILED.number(last)
    return number
