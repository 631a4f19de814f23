"""What is current: the scopes that are open, the chain of a context, who runs.

This is the one place with state of the whole process, since "which scopes are open" is a fact about the process. It is
emptied by closing scopes, and in a forked child.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar, Token
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from lifeguard.data import GENERATED, record
from lifeguard.ledger.book import Book
from lifeguard.ledger.lanes import Flow, Lane, Who, call_around
from lifeguard.ledger.machine import Ledger
from lifeguard.ledger.records import Act, Call, Finding, Outcome
from lifeguard.ledger.spans import Span
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

LEDGER = Ledger()
"""What all open scopes of this process hold together."""

OPEN: list[Scope] = []
"""The scopes that are open, oldest first. Wrappers look only at whether it is empty."""

PROCESS: list[Scope] = []
"""Those of them that reach the whole process. What has no scope in its own context goes to the last one."""


_taking_over: list[Scope] = []


@contextlib.contextmanager
def taking_over(scope: Scope) -> Iterator[None]:
    """For the length of a with-block, what has no scope in its own context goes to this one. Afterwards it rests: it keeps
    what it holds, takes no acquires, and stands behind the scope that these go to again.

    For what is set up and torn down in the middle of something else: a fixture that outlives the test that needs it first.

    Args:
        scope: one that reaches the process, open.
    """
    _taking_over.append(scope)
    before = next((one for one in reversed(PROCESS) if one not in _taking_over), None)
    PROCESS.remove(scope)
    PROCESS.append(scope)
    scope.book.only = scope.kinds
    LEDGER.close_lanes([one.book for one in OPEN])
    try:
        yield
    finally:
        _taking_over[:] = [one for one in _taking_over if one is not scope]
        if scope in PROCESS:
            PROCESS.remove(scope)
            PROCESS.insert(PROCESS.index(before) if before in PROCESS else 0, scope)
        scope.book.only = frozenset()
        LEDGER.close_lanes([one.book for one in OPEN])


class Node:
    """One scope that is current in a context, and what was current before it."""

    __slots__ = ("lanes", "left", "outer", "scope")

    def __init__(self, scope: Scope, outer: Node | None) -> None:
        self.scope = scope
        self.outer = outer
        self.lanes: dict[Any, Lane] = {}  # of the plain events that happen while it is current
        self.left = False  # left where the variable could not be reset: in another context, or out of order

    @property
    def gone(self) -> bool:
        """Whether it counts no more, though a context still points at it."""
        return self.left or self.scope.book.closed


CURRENT: ContextVar[Node | None] = ContextVar("lifeguard.scope")
SPANS: ContextVar[tuple[Span, ...]] = ContextVar("lifeguard.spans")

FOREIGN: dict[Any, Lane] = {}
"""The lanes of contexts that have no scope of their own."""

_FOREIGN = Flow(FOREIGN)

FLOW: ContextVar[Flow] = ContextVar("lifeguard.flow", default=_FOREIGN)
"""The lanes of the plain events of a context (see `lifeguard.fast`), those of its current node or `NO_LANES`, and the watched
call of a coroutine function that it is inside of.
"""

NO_LANES: dict[Any, Lane] = {}
"""In atomic and settling calls: always empty, so that all that they call takes the long way."""


def make_current(node: Node) -> Token[Node | None]:
    """Make a node current in this context."""
    token = CURRENT.set(node)
    use_lanes(node.lanes)
    return token


def change_lanes() -> None:
    """Use the lanes of what is current now."""
    node = CURRENT.get(None)
    if SPANS.get(()):
        use_lanes(NO_LANES)
    else:
        use_lanes(FOREIGN if node is None or node.gone else node.lanes)


def use_lanes(lanes: dict[Any, Lane]) -> None:
    """Use these lanes in this context."""
    inside = call_around(FLOW.get())
    FLOW.set(_FOREIGN if lanes is FOREIGN and inside is None else Flow(lanes, inside))


def enter_call(ident: int) -> Flow:
    """A watched call of a coroutine function begins: what happens in this context from now on, and in the tasks and threads
    that are started there, is inside of it until it is left.
    """
    now = FLOW.get()
    flow = Flow(now.lanes, call_around(now), ident)
    FLOW.set(flow)
    return flow


def generators_around(frame: FrameType | None) -> Iterator[int]:
    """The numbers of the watched generators whose bodies run in a frame or around it, and wait for what is called there, as an
    override waits for what it overrides.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith(GENERATED):
            call = getattr(frame.f_locals.get("lg_call"), "call", None)
            if isinstance(call, Call) and call.lasts:
                yield call.ident
        frame = frame.f_back


def awaiting() -> tuple[int, ...]:
    """The numbers of the coroutine calls that a call made here and now is inside of, the outermost first."""
    inside = call_around(FLOW.get())
    return () if inside is None else Who(None, "", inside).awaiting


@record
class Event:
    """The end of one watched call, as observers are told of it."""

    call: Call
    outcome: Outcome
    acts: tuple[Act, ...]
    findings: tuple[Finding, ...]


class Observer(Protocol):
    """Looks on while a scope is open. A scope that has one takes the full path, which builds event objects.

    Only a ViolationError that `event` raises goes to the caller; anything else that an observer raises is reported
    (LG401). One that also has a method `opening(scope)` is told of its scope just before that opens; what it raises
    then goes to whoever opens the scope. One that has a method `judging(scope)` is told just before its scope is
    judged.
    """

    def began(self, call: Call) -> None:
        """A watched call begins."""

    def event(self, event: Event) -> None:
        """A watched call has ended."""

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged."""


@record
class Attempt:
    """One call that a saboteur may make fail.

    Attributes:
        call: the call.
        woven: the function and its contracts, as they were woven.
        arguments: the arguments that its contracts read, by name; the receiver is among them.
        awaits: whether it is awaited, so that it can be interrupted where it stands.
    """

    call: Call
    woven: Any
    arguments: Mapping[str, object]
    awaits: bool


Fault = BaseException | Callable[[], Awaitable[object]]
"""What befalls a call: an exception that it raises or, where it awaits, something that is awaited in its place and ends
by being cancelled.
"""


class Saboteur(Observer, Protocol):
    """An observer that makes calls fail (see `lifeguard.faults`). The contracts of the call see the failure."""

    def before(self, attempt: Attempt) -> Fault | None:
        """A call is about to run: what it raises without having run; None to let it run."""

    def after(self, attempt: Attempt) -> Fault | None:
        """A call has run to its end, its effect took place: what its caller gets instead of its result; None for that."""


def saboteurs_in(chain: Iterable[Book]) -> tuple[Saboteur, ...]:
    """Those of the observers of some scopes that make calls fail, the innermost scope's first."""
    return tuple([one for book in chain for one in book.observers if hasattr(one, "before")])


def outwards(node: Node | None) -> Iterator[Node]:
    """A node and what was current before it, the innermost first."""
    while node is not None:
        yield node
        node = node.outer


def living(node: Node | None) -> Node | None:
    """The first node, from this one outwards, that still counts. Those that do not are cut out of the chain behind it."""
    first = _skip_gone(node)
    for one in outwards(first):
        one.outer = _skip_gone(one.outer)
        one.scope.outer = _skip_gone(one.scope.outer)
    return first


def _skip_gone(node: Node | None) -> Node | None:
    while node is not None and node.gone:
        node = node.outer if node.outer is not None else node.scope.outer
    return node


def scopes_of(node: Node | None) -> tuple[list[Scope], int]:
    """The open scopes that a call is in.

    Args:
        node: what is current where the call is made.

    Returns:
        those of its context, the innermost first, then those of the process, the last opened first; and how many of
        them are of its context.
    """
    seen: list[Scope] = []
    todo = [node]
    while todo:
        node = todo.pop()
        if node is None:
            continue
        todo.append(node.outer)
        if not node.left and node.scope not in seen:
            seen.append(node.scope)
            if node.scope.outer is not node.outer:
                todo.append(node.scope.outer)  # made current elsewhere: what it was opened in encloses it all the same
    found = [scope for scope in seen if not scope.book.closed]
    own = len(found)
    found += [scope for scope in reversed(tuple(PROCESS)) if scope not in seen and not scope.book.closed]
    return found, own


def chain_of(node: Node | None) -> tuple[tuple[Book, ...], int]:
    """The books of the scopes that a call is in which has this node, and how many of them are of its own context."""
    scopes, own = scopes_of(node)
    return tuple([scope.book for scope in scopes]), own


def chain() -> tuple[tuple[Book, ...], int]:
    """The same for a call made here and now."""
    return chain_of(CURRENT.get(None))


_names = threading.local()


name_origin: Callable[[str, object], str] | None = None
"""Set by a test runner's plugin: adds to the name of who runs where it was first seen; given the task, or None for a
thread.
"""


def actor() -> tuple[object, str]:
    """Who runs: something to compare by, and its name for people."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None:
        running = greenlet.getcurrent()
        if running.parent is not None:
            return ("greenlet", id(running)), f"greenlet {id(running):x}"
    ident = threading.get_ident()
    task = _task()
    name = thread_name(ident) if task is None else f"task {_name_of(task)}"
    return ident, name if name_origin is None else name_origin(name, task)


def thread_name(ident: int) -> str:
    """The name of the running thread."""
    name: str | None = getattr(_names, "name", None)
    if name is None:
        # threading.current_thread() would leave a dummy behind for a thread that Python did not start
        name = next((thread.name for thread in threading.enumerate() if thread.ident == ident), f"thread {ident}")
        _names.name = name
    return name


def runs_apart() -> bool | None:
    """True in a task or in a greenlet, which have names of their own; else None."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and greenlet.getcurrent().parent is not None:
        return True
    return True if running_loop() is not None else None


def running_loop() -> str | None:
    """Which event loop runs in this thread: "asyncio", "trio" or None."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return "asyncio"
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return None
    return "trio"


def _task() -> object:
    """The task that runs; None where a thread does, or a callback of the loop's own."""
    loop = running_loop()
    if loop is None:
        return None
    if loop == "asyncio":
        return sys.modules["asyncio"].current_task()
    try:
        return sys.modules["trio"].lowlevel.current_task()
    except RuntimeError:
        return None


def _name_of(task: Any) -> str:
    return str(task.get_name() if hasattr(task, "get_name") else task.name)


Blind = tuple[str, str, object]
"""A contract that could not see its calls: severity, text, and what it is about."""

blind_spots: list[Callable[[int, Scope], Iterable[Blind]]] = []
"""Asked when a scope closes: which contracts could not see their calls since this number of the sequence (LG402)."""

opening: list[Callable[[Scope], object]] = []
"""Called with each scope that opens, before anything is recorded."""

meeting: list[Callable[[object, Call], object]] = []
"""Told of the object that a call is made on, before observers are told of the call."""


def moments(scope: Scope, name: str) -> list[Callable[[Scope], object]]:
    """What the observers of a scope want to be told of a moment that not all of them know."""
    found = [getattr(observer, name, None) for observer in scope.book.observers]
    return [one for one in found if one is not None]


unused_contracts: list[Callable[[int, Scope], Callable[[], Iterable[str]]]] = []
"""Asked when a scope closes: which contracts saw no call since this number of the sequence. What they give back says so
when somebody wants to know, by what was true at the closing.
"""


def _after_fork() -> None:
    for scope in OPEN:
        scope.inert = True
        scope.book.sealed = scope.book.closed = True
        scope.book.held.clear()
        scope.book.settled.clear()
        for lanes in scope.book.lanes.values():
            for lane in lanes.values():
                lane.close()
            lanes.clear()
    OPEN.clear()
    PROCESS.clear()
    _taking_over.clear()
    LEDGER.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
