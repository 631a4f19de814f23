"""Conditions of icontract, deal and typeguard that break inside a scope: found where they break, told once (LG301).

Each library has one place through which every broken condition goes. While a scope asks for it, a hook stands there; with
the last such scope it is taken away again. The program gets the library's own exception, as without lifeguard.
"""

from __future__ import annotations

import importlib
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final

from lifeguard import context, managers
from lifeguard.context import LEDGER, Event
from lifeguard.data import GENERATED
from lifeguard.errors import ViolationError
from lifeguard.keys import Key, KeyExpression, shorten
from lifeguard.kinds import Kind
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Call
from lifeguard.places import caller
from lifeguard.telling import here, own_defect, report
from lifeguard.verdict import Verdict
from lifeguard.watching import Woven
from lifeguard.weaving import reached

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

TEXT_LIMIT: Final = 300
"""A message has no more characters than this."""

_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_PLACE = re.compile(r"^(\w+: )?File .*, line \d+ in .*:\n", re.MULTILINE)
_EMPTY_VALUE = re.compile(r" was (<.* object at 0x[0-9a-f]+>|Resource\(.*\)|Rollback\(.*\))$")

_lock = threading.Lock()
_wanted: dict[str, int] = {}
_installed: dict[str, Hooks] = {}


class Hooks:
    """The hooks of one library, put in place and taken away together.

    Where somebody else has put something over one of them since, that is left alone, and the hook under it lets
    everything pass from then on.
    """

    def __init__(self) -> None:
        self._live = True
        self._put: list[tuple[Any, str, Any, Any]] = []

    @property
    def idle(self) -> bool:
        """Whether nobody wants to know."""
        return not self._live or not context.OPEN

    def put(self, owner: Any, name: str, hook: Any) -> None:
        """Put one in the place of an attribute."""
        self._put.append((owner, name, vars(owner)[name], hook))
        setattr(owner, name, hook)

    def remove(self) -> None:
        """Take them away."""
        self._live = False
        for owner, name, before, hook in self._put:
            if vars(owner).get(name) is hook:
                setattr(owner, name, before)


class Conditions:
    """The observer of a scope that reports broken conditions.

    Args:
        names: the libraries: "icontract", "deal", "typeguard".
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._holds: list[str] = []
        for name in names:
            importlib.import_module(f"lifeguard.integrations.{name}")

    def opening(self, scope: Scope) -> None:
        """The scope opens: put the hooks in place."""
        with _lock:
            try:
                for name in self.names:
                    if name not in _installed:
                        _installed[name] = importlib.import_module(f"lifeguard.integrations.{name}").install()
                    _wanted[name] = _wanted.get(name, 0) + 1
                    self._holds.append(name)
            except BaseException:
                self._let_go()
                raise

    def began(self, call: Call) -> None:
        """Nothing to do."""

    def event(self, event: Event) -> None:
        """Nothing to do."""

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged: take away the hooks that no other scope needs."""
        with _lock:
            self._let_go()

    def _let_go(self) -> None:
        while self._holds:
            name = self._holds.pop()
            _wanted[name] -= 1
            if not _wanted[name]:
                _installed.pop(name).remove()


def tell(
    library: str,
    what: str,
    text: Callable[[], str],
    *,
    function: Callable[..., object] | None = None,
    code: CodeType | None = None,
    name: str = "",
    frame: FrameType | None = None,
    asked: Iterable[tuple[Kind, Key]] = (),
    arguments: Mapping[str, object] | None = None,
) -> None:
    """A condition broke. Never raises but what `fail_fast` asks for.

    Args:
        library: whose condition.
        what: which of its conditions: "deal.pre".
        text: gives what the condition itself says of it.
        function: what it stands on.
        code: the code of that, where only this is known.
        name: what reports call it, where the function is not known.
        frame: who called it, or some frame inside of that; by default the caller of this.
        asked: the resources that its predicates asked about, the last one last.
        arguments: those of the call, by name, to find the resource that its contracts name.

    Raises:
        ViolationError: the scope has `fail_fast=True`.
    """
    called = name or str(getattr(function, "__qualname__", "")) or "a call"
    try:
        chain = tuple(
            book
            for book in context.chain()[0]
            if any(isinstance(one, Conditions) and library in one.names for one in book.observers)
        )
        if not chain:
            return
        spoken = list(asked)
        wovens = _wovens(function, code)
        ref = spoken[-1] if spoken else _named_by(wovens, arguments or {}, chain)
        kind, key = ref if ref is not None else (None, None)
        call = here(called, chain)
        if frame is not None:
            call.site = caller(frame)
        first, *values = _lines(text()) or ["it gives no reason"]
        told = f"{first.rstrip(':')} ({'; '.join(values)})" if values else first
        line = shorten(f"{called}: {what} broke: {told}", TEXT_LIMIT)
        report("LG301", line, call=call, kind=kind, key=key, about=(library, called, what, first))
    except ViolationError:
        raise
    except Exception as error:  # a defect of lifeguard's own must not hide the condition's exception
        own_defect(called, error)


def _lines(text: str) -> list[str]:
    """A condition's message without colours, without its place, and without values that say nothing."""
    plain = _PLACE.sub(r"\1", _COLOURS.sub("", text))
    return [line for part in plain.splitlines() if (line := part.strip()) and not _EMPTY_VALUE.search(line)]


def _named_by(wovens: list[Woven], arguments: Mapping[str, object], chain: tuple[Book, ...]) -> tuple[Kind, Key] | None:
    """The resource that the contracts of a function name, as far as its arguments say; the first that the ledger knows."""
    found: list[tuple[Kind, Key]] = []
    for woven in wovens:
        for contract in woven.contracts:
            key = contract.key
            if isinstance(key, KeyExpression) and not (key.mentions_result and "result" not in arguments):
                with suppress(Exception):
                    keys = key.finish(key.begin(arguments), arguments, arguments.get("result"))
                    found += [(contract.kind, one) for one in keys]
    known = zip(found, LEDGER.named(chain, found), strict=False)
    return next((ref for ref, generation in known if generation is not None), found[0] if found else None)


def _wovens(function: Callable[..., object] | None, code: CodeType | None) -> list[Woven]:
    """What was woven into a function or, where our wrapper stands around it, into that wrapper, which is running now."""
    own = list(reached(function))
    if own:
        return own
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        woven = _running(frame)
        if woven is not None and _leads_to(woven.function, function, code):
            return [woven]
        frame = frame.f_back
    return []


def _running(frame: FrameType) -> Woven | None:
    """What was woven into the wrapper that a frame belongs to, if it is one of ours."""
    file = frame.f_code.co_filename
    if file.startswith(GENERATED):
        return frame.f_globals.get("lg_woven")
    if file == managers.__file__:
        manager = frame.f_locals.get("self")
        if isinstance(manager, managers.WatchedManager | managers.WatchedAsyncManager):
            return manager._woven
    return None


def _leads_to(outer: Any, function: object, code: CodeType | None) -> bool:
    """Whether a function is in the chain of wrappers that begins with another one."""
    seen: set[int] = set()
    while outer is not None and id(outer) not in seen:
        if outer is function or (code is not None and getattr(outer, "__code__", None) is code):
            return True
        seen.add(id(outer))
        outer = getattr(outer, "__wrapped__", None)
    return False
