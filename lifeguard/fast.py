"""The fast lane of plain events: one contract with one plain key, on a resource to which there is nothing but that.

A wrapper with such a contract records its call itself (see `lifeguard.templates`): it looks up its lane in the context,
checks that the event is plain, and writes one tuple. Nothing else is made, and no lock is taken: `ledger.lanes` says why
that is safe. Whatever is not plain takes the long way (`watching`, `reading`, `telling`, the ledger's verbs), as if it had
begun there; the two leave behind the same, which property tests hold together. The functions here are what a wrapper does
inline, for calls that find their lane only on the way.

An event is plain where its key is a str or an int; its scopes look on by themselves, without observers; it happens outside
of atomic and settling calls and of watched coroutines; its caller is the user's own code, known by its file; and it runs in
a thread, not in a task or a greenlet, whose names the long way finds out.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from types import FrameType
from typing import Any, Final

from lifeguard import context
from lifeguard.context import AWAITING, CURRENT, FOREIGN, LANES, LEDGER, SPANS
from lifeguard.contracts import Contract
from lifeguard.keys import Key, KeyExpression
from lifeguard.kinds import Resource
from lifeguard.ledger.lanes import Lane, Plain, Who, used
from lifeguard.ledger.records import Verb
from lifeguard.places import USER_FILES, is_plumbing
from lifeguard.roster import ROSTER

_VERBS: Final = {"acquires": Verb.ACQUIRE, "releases": Verb.RELEASE, "uses": Verb.USE}

RECEIVERS: Final = 64
"""So many objects of a lane are told apart; of more, no further ones are looked at."""

CLOCK: Final = LEDGER.clock

WHO: dict[int, Who] = {}
"""The threads that plain events may happen in, by their identity."""

_mine = threading.local()

_WITHOUT_LOCK: Final = getattr(sys, "_is_gil_enabled", lambda: True)
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
    """How a wrapper finds out that an event loop runs in its thread."""

    __slots__ = ("loop",)

    def __init__(self) -> None:
        self.loop: Any = [].clear  # says None, as fast as anything can


HERE: Final = Here()


class _Ending:
    """Goes with its thread, and takes the thread's name off the list: the next one may get the same identity."""

    __slots__ = ("who",)

    def __init__(self, who: Who) -> None:
        self.who = who

    def __del__(self) -> None:
        if WHO.get(self.who.ident) is self.who:
            WHO.pop(self.who.ident, None)


def _know_thread() -> bool:
    """Put the running thread on the list; False where a task or a greenlet runs, which have names of their own."""
    if "greenlet" in sys.modules:
        return False
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        HERE.loop = asyncio._get_running_loop
    if context.running_loop() is not None:
        return False
    ident = get_ident()
    if ident not in WHO:
        who = WHO[ident] = Who(ident, context.actor()[1])
        _mine.ending = _Ending(who)
    return True


# -- lanes -------------------------------------------------------------------------------------------------------------


def find(woven: Any, receiver: object) -> Lane | None:
    """The lane of a function in the running context, opened if there was none; None where there can be none."""
    simple = woven.simple
    if simple is None or not woven.active or SPANS.get(()) or AWAITING.get(()):
        return None
    if not _WITHOUT_LOCK() or not _know_thread():
        return None
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


def acquired(woven: Any, lane: Lane, key: Key, frame: FrameType, receiver: object) -> bool:
    """An acquire has returned; False where it is not plain."""
    code = frame.f_code
    if not _is_users(frame):
        return False
    if lane.around and lane.meets_around(key):
        return False
    number = CLOCK.seq
    plain = (woven.name, code, frame.f_lasti, number + 1, WHO[get_ident()], None if receiver is None else id(receiver))
    if CLOCK.seq is not number or key in lane.held or key in lane.odd:
        return False
    CLOCK.seq = number + 1
    CLOCK.recorded += 1
    lane.acquired += 1
    lane.held[key] = plain
    return True


def released(woven: Any, lane: Lane, key: Key, held: Plain, frame: FrameType) -> bool:
    """A release of what was held at its begin has returned; False where it is not plain."""
    code = frame.f_code
    if not _is_users(frame):
        return False
    number = CLOCK.seq
    entry = (key, held, woven.name, code, frame.f_lasti, number + 1, WHO[get_ident()])
    table = lane.table
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    table.released += 1
    del lane.held[key]
    table.log.append(entry)
    return True


def was_used(woven: Any, lane: Lane, key: Key, held: Plain, frame: FrameType) -> bool:
    """A use of what was held at its begin has returned; False where it is not plain."""
    code = frame.f_code
    if not _is_users(frame):
        return False
    number = CLOCK.seq
    plain = used(held, (woven.name, code, frame.f_lasti, number + 1, WHO[get_ident()]))
    if CLOCK.seq is not number or key not in lane.held or lane.held[key] is not held:
        return False
    CLOCK.seq = number + 1
    lane.table.used += 1
    lane.held[key] = plain
    return True
