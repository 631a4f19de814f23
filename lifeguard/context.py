"""What is current: the scopes that are open, the chain of a context, who runs.

This is the one place with state of the whole process, since "which scopes are open" is a fact about the process. It is
emptied by closing scopes, and in a forked child.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lifeguard.ledger.book import Book
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
"""Those of them that reach the whole process."""


class Node:
    """One scope that is current in a context, and what was current before it."""

    __slots__ = ("left", "outer", "scope")

    def __init__(self, scope: Scope, outer: Node | None) -> None:
        self.scope = scope
        self.outer = outer
        self.left = False  # left where the variable could not be reset: in another context, or out of order

    @property
    def gone(self) -> bool:
        """Whether it counts no more, though a context still points at it."""
        return self.left or self.scope.book.closed


CURRENT: ContextVar[Node | None] = ContextVar("lifeguard.scope")
SPANS: ContextVar[tuple[Span, ...]] = ContextVar("lifeguard.spans")
AWAITING: ContextVar[tuple[int, ...]] = ContextVar("lifeguard.awaiting")


@dataclass(frozen=True, slots=True)
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
    then goes to whoever opens the scope.
    """

    def began(self, call: Call) -> None:
        """A watched call begins."""

    def event(self, event: Event) -> None:
        """A watched call has ended."""

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged."""


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


def actor() -> tuple[object, str]:
    """Who runs: something to compare by, and its name for people."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None:
        running = greenlet.getcurrent()
        if running.parent is not None:
            return ("greenlet", id(running)), f"greenlet {id(running):x}"
    ident = threading.get_ident()
    name = _task_name()
    return ident, name if name is not None else _thread_name(ident)


def _thread_name(ident: int) -> str:
    name: str | None = getattr(_names, "name", None)
    if name is None:
        # threading.current_thread() would leave a dummy behind for a thread that Python did not start
        name = next((thread.name for thread in threading.enumerate() if thread.ident == ident), f"thread {ident}")
        _names.name = name
    return name


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


def _task_name() -> str | None:
    loop = running_loop()
    if loop is None:
        return None
    if loop == "asyncio":
        task = sys.modules["asyncio"].current_task()
        return f"task {task.get_name()}" if task is not None else None
    try:
        return f"task {sys.modules['trio'].lowlevel.current_task().name}"
    except RuntimeError:  # a callback of the loop's own
        return None


Blind = tuple[str, str, object]
"""A contract that could not see its calls: severity, text, and what it is about."""

blind_spots: list[Callable[[int, Scope], Iterable[Blind]]] = []
"""Asked when a scope closes: which contracts could not see their calls since this number of the sequence (LG402)."""

opening: list[Callable[[], object]] = []
"""Called when a scope opens, before anything is recorded."""

unused_contracts: list[Callable[[int, Scope], Iterable[str]]] = []
"""Asked when a scope closes: which contracts saw no call since this number of the sequence."""


def _after_fork() -> None:
    for scope in OPEN:
        scope.inert = True
        scope.book.sealed = scope.book.closed = True
        scope.book.held.clear()
        scope.book.settled.clear()
    OPEN.clear()
    PROCESS.clear()
    LEDGER.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
