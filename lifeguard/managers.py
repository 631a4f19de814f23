"""Context managers that a watched function returned: what they acquire is recorded at entry and paid when they are left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from lifeguard.context import LEDGER, OPEN
from lifeguard.keys import Unreadable, problem_text
from lifeguard.kinds import Kind
from lifeguard.ledger.book import is_open
from lifeguard.ledger.records import Act, Generation, Outcome, Verb
from lifeguard.reading import Ending, unreadable
from lifeguard.telling import tell
from lifeguard.watching import (
    Watched,
    Woven,
    abandoned,
    begin,
    entering,
    leaving,
    raised,
    restore_awaiting,
    returned,
)


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
        restore_awaiting(watched)
        acquiring = [one for one in watched.readings if one.contract.verb == "acquires"]
        watched.readings = [one for one in watched.readings if one.contract.verb != "acquires"]
        acts: list[Act] = []
        problems: list[tuple[Kind | None, str]] = []
        for reading in acquiring:
            try:
                acts += reading.acts(Ending(result=result), watched.targets)
            except Unreadable as problem:
                problems.append((reading.contract.kind, unreadable(call, reading.contract, problem)))
        if not acts and not problems:
            return
        refs = [(act.kind, act.key) for act in acts]
        call.nests = True  # until here no code of the caller's has run
        before = LEDGER.named(call.chain, refs)
        told = [one is not None and is_open(one) and one.book.told_inside(call, one, Verb.ACQUIRE) for one in before]
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
        LEDGER.bring_up([generation for generation, _ in self._entered])
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
