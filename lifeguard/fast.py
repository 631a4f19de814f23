"""The fast lane of plain events: one contract with one plain key, on a resource to which there is nothing but that.

A wrapper with such a contract records its call itself (see `lifeguard.templates`): it looks up its lane in the context,
checks that the event is plain, and writes one tuple. Nothing else is made, and no lock is taken: `ledger.lanes` says why
that is safe. Whatever is not plain takes the long way (`watching`, `reading`, `telling`, the ledger's verbs), as if it had
begun there; the two leave behind the same, which property tests hold together. The functions here are what a wrapper does
inline, for calls that find their lane only on the way.

An event is plain where its key is a str or an int; its scopes look on by themselves, without observers; it happens outside
of atomic and settling calls and of watched coroutines; and its caller is the user's own code, known by its file.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from _thread import get_ident
from contextvars import Token
from itertools import count
from types import FrameType
from typing import Any, Final

from lifeguard import context
from lifeguard.context import AWAITING, CURRENT, FOREIGN, LANES, LEDGER, NO_LANES, SPANS
from lifeguard.contracts import Contract
from lifeguard.keys import Key, KeyExpression, lot
from lifeguard.kinds import Resource
from lifeguard.ledger.lanes import Lane, Plain, Who, used, with_use
from lifeguard.ledger.records import Verb
from lifeguard.places import USER_FILES, is_plumbing
from lifeguard.roster import ROSTER
from lifeguard.speedups import COMPILED

_VERBS: Final = {"acquires": Verb.ACQUIRE, "releases": Verb.RELEASE, "uses": Verb.USE}

RECEIVERS: Final = 64
"""So many objects of a lane are told apart; of more, no further ones are looked at."""

CLOCK: Final = LEDGER.clock

WHO: dict[int, Who] = {}
"""The threads that plain events may happen in, by their identity."""

_mine = threading.local()

_HAS_LOCK: Final = getattr(sys, "_is_gil_enabled", lambda: True)
"""Whether an interpreter lets only one thread run at a time."""


class Simple:
    """What the fast lane needs to know of a function's one contract."""

    __slots__ = ("code", "kind", "late", "verb")

    def __init__(self, verb: Verb, kind: Resource, code: str, *, late: bool) -> None:
        self.verb = verb
        self.kind = kind
        self.code = code  # the key, as a Python expression
        self.late = late  # whether it is read when the call has ended


def simple_of(contracts: tuple[Contract, ...]) -> Simple | None:
    """What the fast lane needs to know; None where the contracts of a function are not that plain."""
    if len(contracts) != 1:
        return None
    contract = contracts[0]
    verb, key = _VERBS.get(contract.verb), contract.key
    if verb is None or not isinstance(key, KeyExpression) or key.composite or key.many or len(key.parts) != 1:
        return None
    kind = contract.kind
    special = (
        contract.when or contract.about or contract.within or contract.amount or contract.in_doubt or contract.part
    )
    if special or contract.cascade is not None or not isinstance(kind, Resource) or kind.needs is not None:
        return None
    part = key.parts[0]
    if part.code is None or (part.late and verb is not Verb.ACQUIRE):
        return None
    return Simple(verb, kind, part.code, late=part.late)


# -- who runs ----------------------------------------------------------------------------------------------------------


class Here:
    """How a wrapper finds out that a task or a greenlet runs, which has a name of its own."""

    __slots__ = ("special",)

    def __init__(self) -> None:
        self.special: Any = _NOTHING_SPECIAL


_NOTHING_SPECIAL: Final[Any] = [].clear
"""Says None, as fast as anything can."""

HERE: Final = Here()


def _how_to_ask() -> Any:
    """What says whether a task or a greenlet runs: anything but None if one does."""
    modules = sys.modules
    if "greenlet" in modules or "trio" in modules:
        return context.runs_apart
    return getattr(modules.get("asyncio"), "_get_running_loop", _NOTHING_SPECIAL)


_TASKS: dict[int, tuple[weakref.ref[Any], Who]] = {}
"""The tasks of asyncio that were seen, by identity; each goes with its task."""


def who_runs() -> Who:
    """The task or greenlet that runs now."""
    if HERE.special is context.runs_apart or context.name_origin is not None:
        return Who(*context.actor())
    task = sys.modules["asyncio"].current_task()
    number = id(task)
    known = _TASKS.get(number)
    if known is not None and known[0]() is task:
        return known[1]
    who = Who(*context.actor())
    if task is not None:
        _TASKS[number] = weakref.ref(task, lambda _: _TASKS.pop(number, None)), who
    return who


class _Ending:
    """Goes with its thread, and takes the thread's name off the list: the next one may get the same identity."""

    __slots__ = ("ident", "who")

    def __init__(self, ident: int, who: Who) -> None:
        self.ident = ident
        self.who = who

    def __del__(self) -> None:
        if WHO.get(self.ident) is self.who:
            WHO.pop(self.ident, None)
            if COMPILED is not None:
                COMPILED.forget_threads()


def _know_thread() -> None:
    """Put the running thread on the list."""
    special = _how_to_ask()
    if special is not HERE.special:
        HERE.special = special
        if COMPILED is not None:
            nothing, of_asyncio = special is _NOTHING_SPECIAL, special is not context.runs_apart
            COMPILED.ask(None if nothing else special, not nothing and of_asyncio)
    ident = get_ident()
    if ident not in WHO:
        name, origin = context.thread_name(ident), context.name_origin
        who = WHO[ident] = Who(ident, name if origin is None else origin(name, None))
        _mine.ending = _Ending(ident, who)


# -- lanes -------------------------------------------------------------------------------------------------------------


def find(woven: Any, receiver: object) -> Lane | None:
    """The lane of a function in the running context, opened if there was none; None where there can be none."""
    simple = woven.simple
    if simple is None or not woven.active or SPANS.get(()) or AWAITING.get(()):
        return None
    if not _HAS_LOCK():
        return None
    _know_thread()
    node = CURRENT.get(None)
    if node is not None and node.gone:
        return None
    lanes = FOREIGN if node is None else node.lanes
    lane = lanes.get(woven)
    if lane is None:
        lane = LEDGER.lane(woven, simple.kind, lanes, lambda: context.chain_of(node))
        if lane is None:
            return None
        if woven.last < ROSTER.opened:
            ROSTER.called(woven, CLOCK.seq)
        if LANES.get() is not lanes:
            LANES.set(lanes)
    if receiver is not None:
        meet(woven, lane, receiver)
    return lane


def meet(woven: Any, lane: Lane, receiver: object) -> None:
    """Take note of an object that a call was made on."""
    woven.saw(receiver, CLOCK.seq)
    lane.classes.add(type(receiver))
    if len(lane.receivers) >= RECEIVERS:
        lane.receivers = range(sys.maxsize)
    elif type(lane.receivers) is set:
        lane.receivers.add(id(receiver))


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file in USER_FILES or (not is_plumbing(file) and file in USER_FILES)


def _running() -> Who | None:
    return WHO.get(get_ident()) if HERE.special() is None else who_runs()


def _acquired(woven: Any, name: str, key: object, receiver: object, frame: FrameType | None = None) -> bool:
    """An acquire has returned; False where it is not plain."""
    frame = sys._getframe(2) if frame is None else frame
    lane, who, code = LANES.get().get(woven), _running(), frame.f_code
    if lane is not None and lane.limit is not None and _is_left_out(lane, key, receiver):
        return True
    if lane is None or who is None or not isinstance(key, str | int) or type(key) not in _KEYS or not _is_users(frame):
        return False
    if (receiver is not None and id(receiver) not in lane.receivers) or (lane.around and lane.meets_around(key)):
        return False
    number = CLOCK.seq
    plain = (name, code, frame.f_lasti, number + 1, who, None if receiver is None else id(receiver))
    if CLOCK.seq is not number or key in lane.held or key in lane.odd:
        return False
    CLOCK.seq = number + 1
    CLOCK.recorded += 1
    lane.acquired += 1
    lane.held[key] = plain
    return True


def _is_left_out(lane: Lane, key: object, receiver: object) -> bool:
    """Whether an acquire that has returned is of a key that is in no scope's sample; it is counted."""
    if type(key) not in _KEYS or lot(key) < lane.limit:  # type: ignore[arg-type, operator]
        return False
    if receiver is not None and id(receiver) not in lane.receivers:
        return False
    lane.table.left_out += 1
    return True


def _released(woven: Any, name: str, key: Key, held: Plain, frame: FrameType | None = None) -> bool:
    """A release of what was held at its begin has returned; False where it is not plain."""
    frame = sys._getframe(2) if frame is None else frame
    lane, who = LANES.get().get(woven), _running()
    if lane is None or who is None or not _is_users(frame):
        return False
    number = CLOCK.seq
    entry = (key, held, name, frame.f_code, frame.f_lasti, number + 1, who)
    table = lane.table
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    table.released += 1
    del lane.held[key]
    table.log.append(entry)
    return True


def _was_used(woven: Any, name: str, key: Key, held: Plain, frame: FrameType | None = None) -> bool:
    """A use of what was held at its begin has returned; False where it is not plain."""
    frame = sys._getframe(2) if frame is None else frame
    lane, who = LANES.get().get(woven), _running()
    if lane is None or who is None or not _is_users(frame):
        return False
    number = CLOCK.seq
    plain = used(held, (name, frame.f_code, frame.f_lasti, number + 1, who))
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    lane.table.used += 1
    lane.held[key] = plain
    return True


acquired, released, was_used = _acquired, _released, _was_used
if COMPILED is not None:
    COMPILED.connect(CLOCK, LANES, USER_FILES, WHO, who_runs, with_use, lot)
    acquired, released, was_used = COMPILED.acquired, COMPILED.released, COMPILED.was_used


# -- coroutines --------------------------------------------------------------------------------------------------------


class Inside:
    """A running call of a coroutine function that may be plain. All that it calls takes the long way, which writes down
    that it ran inside of this one.
    """

    __slots__ = ("_awaiting", "_lanes", "held", "ident")

    def __init__(self, held: Plain | None) -> None:
        self.held = held  # what it named when it began
        self.ident = -next(_idents)  # the long way counts upwards
        self._awaiting: Token[tuple[int, ...]] = AWAITING.set((self.ident,))
        self._lanes: Token[dict[Any, Lane]] = LANES.set(NO_LANES)

    def leave(self) -> None:
        """It has ended."""
        with contextlib.suppress(ValueError):  # closed by the collector, in another context
            LANES.reset(self._lanes)
            AWAITING.reset(self._awaiting)


_idents = count(1)
_KEYS: Final = frozenset({str, int})


def enter(woven: Any, receiver: object, key: object) -> Inside | None:
    """A call of a coroutine function begins; None where it is not plain.

    Args:
        woven: the function.
        receiver: the object that it is called on, or None.
        key: its key, where that is read at the begin.
    """
    lane = LANES.get().get(woven)
    if lane is None or (receiver is not None and id(receiver) not in lane.receivers):
        lane = find(woven, receiver)
    if lane is None:
        return None
    simple = woven.simple
    if simple.late:
        return Inside(None)
    if type(key) not in _KEYS:
        return None
    if simple.verb is Verb.ACQUIRE:
        return Inside(None)
    held = lane.held.get(key)  # type: ignore[call-overload]
    return Inside(held) if held is not None else None
