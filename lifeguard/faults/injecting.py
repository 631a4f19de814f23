"""`inject`: one call fails, and its contracts see it."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from lifeguard import context
from lifeguard.context import Attempt, Event, Fault
from lifeguard.contracts import Contract
from lifeguard.data import GENERATED
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.faults.injected import InjectedFault, again, make, mark
from lifeguard.faults.points import declared
from lifeguard.faults.results import FaultNotReached
from lifeguard.faults.threads import listening
from lifeguard.keys import problem_text, repr_safely
from lifeguard.ledger.records import Call
from lifeguard.places import resolve, user_place
from lifeguard.scopes import scope
from lifeguard.settings import Reach
from lifeguard.verdict import Verdict
from lifeguard.weaving import describe, inner_of, reached

When = Literal["before", "after", "stuck"]
Error = BaseException | type[BaseException] | Callable[[], BaseException]

CALLS_KEPT: Final = 20
"""So many of the calls that did not fail are named."""


class Injection:
    """A fault that is armed for the length of a with-block.

    Attributes:
        fired: how many calls it made fail.
        calls: how many calls of the function there were that `where` took, those that failed included.
        unguarded: calls of the function that it cannot reach, each with its place and thread.
    """

    def __init__(
        self,
        target: object,
        contracts: tuple[Contract, ...],
        error: Error | None,
        when: When,
        nth: int,
        where: Callable[..., object] | None,
        reach: Reach | None,
    ) -> None:
        self.fired = 0
        self.calls = 0
        self.unguarded: list[str] = []
        self._name = describe(inner_of(target))
        self._contracts = contracts
        self._error = error
        self._when = when
        self._nth = nth
        self._where = where
        self._reach: Reach | None = reach
        self._others: list[str] = []  # calls that `where` did not take
        self._problem: Exception | None = None
        self._chosen: set[Call] = set()  # calls that are to fail at their end
        self._lock = threading.Lock()
        self._armed = False
        self._used = False
        self._block = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<inject {self._describe()}, {'armed' if self._armed else 'not armed'}>"

    def _describe(self) -> str:
        which = "and every later call" if self._when == "stuck" else self._when
        return f"{self._name}, call {self._nth}, {which}"

    # -- the with-block -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Injection:
        if self._used:
            raise UsageError.at_caller(f"{self!r} was used before: make another one")
        self._used = True
        reach = self._reach if self._reach is not None else self._reach_around()
        if reach == "context":
            ear = self._block.enter_context(listening(Injection))
            ear.only(self._is_target_name)
            self._block.callback(lambda: self.unguarded.extend(ear.heard))
        place = user_place()
        # A scope that watches no kind: it records nothing, and what is opened inside it or around it sees nothing of it.
        self._block.enter_context(
            scope(f"inject at {place}", reach=reach, on_violation="record", only=[], observers=[self])
        )
        self._armed = True
        return self

    @staticmethod
    def _reach_around() -> Reach:
        around = context.scopes_of(context.CURRENT.get(None))[0]
        return "process" if any(one.reach == "process" for one in around) else "context"

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        self._armed = False
        self._block.close()
        problem = self._complaint()
        if problem is None:
            return
        if error is not None:
            error.add_note(str(problem))
            return
        raise problem

    def _complaint(self) -> Exception | None:
        if self._problem is not None:
            return UsageError.at_caller(f"inject(where=…) of {self._name} failed: {problem_text(self._problem)}")
        if self.fired:
            return None
        lines = [f"armed and never reached: {self._describe()}"]
        lines.append(f"  calls that it counted: {self.calls}")
        if self._others:
            lines.append(f"  calls that where= did not take: {', '.join(self._others[:CALLS_KEPT])}")
        if self.unguarded:
            lines.append("  unguarded calls, in threads that it cannot reach (see reach='process'):")
            lines += [f"    {one}" for one in self.unguarded[:CALLS_KEPT]]
        return FaultNotReached("\n".join(lines))

    # -- as an observer ---------------------------------------------------------------------------------------------------------

    def began(self, call: Call) -> None:
        """Nothing to do: `before` sees the same call."""

    def event(self, event: Event) -> None:
        """Nothing to do."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do."""

    def before(self, attempt: Attempt) -> Fault | None:
        """A call is about to run."""
        if not self._armed or not self._is_target(attempt):
            return None
        if self._where is not None and not self._takes(attempt):
            site = attempt.call.site
            self._others.append(str(resolve(site)) if site is not None else attempt.call.actor)
            return None
        with self._lock:
            self.calls += 1
            number = self.calls
        due = number >= self._nth if self._when == "stuck" else number == self._nth
        if not due:
            return None
        if self._when == "after":
            self._chosen.add(attempt.call)
            return None
        return self._strike(attempt)

    def after(self, attempt: Attempt) -> Fault | None:
        """A call has run to its end."""
        if attempt.call not in self._chosen:
            return None
        self._chosen.discard(attempt.call)
        return self._strike(attempt) if self._armed else None

    # -- inside -----------------------------------------------------------------------------------------------------------------

    def _is_target(self, attempt: Attempt) -> bool:
        return any(one in self._contracts for one in attempt.woven.contracts)

    def _is_target_name(self, call: Call) -> bool:
        return call.function == self._name

    def _takes(self, attempt: Attempt) -> bool:
        assert self._where is not None
        try:
            return bool(_called(self._where, arguments_of(attempt)))
        except Exception as error:
            self._problem = self._problem or error
            return False

    def _strike(self, attempt: Attempt) -> BaseException:
        with self._lock:
            self.fired += 1
            first = self.fired == 1
        what = self._describe()
        error = self._error
        if isinstance(error, BaseException):
            return mark(error, what) if first else again(error, what)
        if isinstance(error, type):
            return make(error, what, {})
        if error is not None:
            return mark(error(), what)
        failures, _ = declared(attempt.woven.function, attempt.woven.contracts)
        return make(failures[0] if failures else InjectedFault, what, {})


def arguments_of(attempt: Attempt) -> Mapping[str, object]:
    """All arguments of a call by name; where the wrapper hides them, those that its contracts read."""
    frame = sys._getframe(1)
    while frame is not None and not frame.f_code.co_filename.startswith(f"{GENERATED}{attempt.woven.name} "):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return attempt.arguments
    ours = ("lg_", "__tracebackhide__")
    found = {name: value for name, value in frame.f_locals.items() if not name.startswith(ours)}
    given = frame.f_locals.get("lg_args")
    if given is not None:
        with contextlib.suppress(TypeError, ValueError):
            signature = inspect.signature(attempt.woven.function)
            bound = signature.bind(*given, **frame.f_locals.get("lg_kwargs", {}))
            bound.apply_defaults()
            found.update(bound.arguments)
    return {**attempt.arguments, **found}


def _called(function: Callable[..., object], arguments: Mapping[str, object]) -> object:
    wanted = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in wanted):
        return function(**arguments)
    given = {}
    for one in wanted:
        if one.name in arguments:
            given[one.name] = arguments[one.name]
        elif one.default is one.empty:
            have = ", ".join(sorted(arguments)) or "none"
            raise LookupError(f"the call has no argument {one.name}; it has: {have}")
    return function(**given)


def inject(
    target: object,
    *,
    error: Error | None = None,
    when: When = "before",
    nth: int = 1,
    where: Callable[..., object] | None = None,
    reach: Reach | None = None,
) -> Injection:
    """Make one call of a function fail for the length of a with-block; its contracts see the failure.

    Args:
        target: a function or method with a contract; of a service, the calls of the fakes that `@implements` it count, too.
        error: what it raises: an exception, a class, or a function that makes one. By default the first exception that
            the function is declared to raise, else `InjectedFault`.
        when: "before": the call fails without effect; "after": the effect takes place and the caller gets the error (a
            lost reply); "stuck": this and every later call fail without effect.
        nth: which of the calls, counted from 1.
        where: a condition on the call's arguments, by their names: `lambda self: self.host == "host2"`. Only the calls
            that it takes are counted.
        reach: "context": the calls of this context and of the tasks that are started in it; "process": those of all
            threads. By default that of the scopes around.

    Returns:
        the context manager; it gives itself, with `fired`, `calls` and `unguarded`.

    Raises:
        DeclarationError: something is written wrongly.
        UsageError: the function has no contract, so that nobody would see the failure.
        FaultNotReached: on leaving: no call came to it.
    """
    if when not in ("before", "after", "stuck"):
        raise DeclarationError.at_caller(f"inject(when=…) takes 'before', 'after' or 'stuck', not {repr_safely(when)}")
    if isinstance(nth, bool) or not isinstance(nth, int) or nth < 1:
        raise DeclarationError.at_caller(f"inject(nth=…) takes a whole number from 1, not {repr_safely(nth)}")
    if where is not None and not callable(where):
        raise DeclarationError.at_caller(f"inject(where=…) takes a function of arguments, not {repr_safely(where)}")
    if reach not in (None, "context", "process"):
        raise DeclarationError.at_caller(f"inject(reach=…) takes 'context' or 'process', not {repr_safely(reach)}")
    if isinstance(error, type) and not issubclass(error, BaseException):
        raise DeclarationError.at_caller(f"inject(error=…) takes an exception, not the class {error.__qualname__}")
    if error is not None and not isinstance(error, BaseException) and not callable(error):
        raise DeclarationError.at_caller(f"inject(error=…) takes an exception, not {repr_safely(error)}")
    return Injection(target, _contracts_of(target), error, when, nth, where, reach)


def _contracts_of(target: object) -> tuple[Contract, ...]:
    inner: Any = inner_of(target)
    inner = getattr(inner, "__func__", inner)
    found = tuple(contract for woven in reached(inner) for contract in woven.contracts)
    if not found:
        hint = "put a contract on it, or bind one with contracts_for; a context in which LIFEGUARD=off has none"
        if isinstance(target, type):
            hint = f"name one of its methods, such as {target.__qualname__}.__init__"
        raise UsageError.at_caller(
            f"inject({repr_safely(target)}): it has no contract that could see the failure: {hint}"
        )
    return found
