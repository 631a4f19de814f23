"""One run of a scenario, in a scope of its own, under a plan."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import functools
import inspect
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lifeguard import context
from lifeguard.errors import UsageError
from lifeguard.faults.injected import Make, was_injected
from lifeguard.faults.plan import Plan
from lifeguard.faults.points import Menu
from lifeguard.faults.tokens import Schedule
from lifeguard.keys import repr_safely
from lifeguard.kinds import Grace
from lifeguard.scopes import Scope, scope
from lifeguard.settings import Reach
from lifeguard.verdict import Verdict

SEED: Final = 20_140_811
"""Every run begins with the same random numbers."""

Scenario = Callable[[], object]
Backend = Literal["asyncio", "trio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A scenario, and how it is run."""

    scenario: Scenario
    name: str
    menu: Menu
    reach: Reach = "context"
    backend: Backend = "asyncio"
    timeout: float | None = None
    grace: Grace | None = None
    prepare: Callable[[Scope], object] | None = None
    makers: Mapping[type[BaseException], Make] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """What came of one run.

    Attributes:
        schedule: what was meant to happen.
        plan: what did happen.
        scope: the scope, closed.
        ended: what the scenario raised; None where it returned.
        timed_out: whether it was stopped, or took too long.
    """

    schedule: Schedule
    plan: Plan
    scope: Scope
    ended: BaseException | None
    timed_out: bool

    @property
    def verdict(self) -> Verdict:
        """What the scope had to say."""
        assert self.scope.verdict is not None
        return self.scope.verdict


def run_once(world: World, schedule: Schedule = (), *, detail: bool = False, timeline: bool = False) -> Run:
    """Run a scenario once.

    Args:
        world: the scenario.
        schedule: what is to fail.
        detail: remember every call in detail, not only those after the first fault.
        timeline: remember what every call did.

    Returns:
        the run.

    Raises:
        BaseException: the scenario was interrupted by somebody else, or skipped itself.
    """
    plan = Plan(schedule, world.menu, stop=_call.__code__, detail=detail, timeline=timeline, makers=world.makers)
    watched = scope(
        world.name, reach=world.reach, on_violation="record", remember=None, grace=world.grace, observers=[plan]
    )
    plan.book = watched.book
    stopped = _Stopped()
    ended: BaseException | None = None
    _reseed()
    try:
        with watched:
            if world.prepare is not None:
                world.prepare(watched)
            _call(world, plan, stopped)
    except BaseException as error:
        if not isinstance(error, Exception) and not stopped.yes and not _is_of_the_fault(error, plan):
            raise
        ended = error
    return Run(schedule, plan, watched, ended, stopped.yes)


def _is_of_the_fault(error: BaseException, plan: Plan) -> bool:
    """Whether what is no plain exception came of the fault; else somebody interrupts, or the scenario skips itself."""
    if not plan.fired:
        return False
    return not isinstance(error, KeyboardInterrupt | GeneratorExit) or plan.is_ours(error) or was_injected(error)


class _Stopped:
    """Whether a run was stopped because it took too long."""

    yes = False


def _call(world: World, plan: Plan, stopped: _Stopped) -> None:
    """Where a scenario begins: no place outside of this function counts as a part of it."""
    with _dumping(world.timeout, stopped) if world.timeout is not None else contextlib.nullcontext():
        came = world.scenario()
    if inspect.isawaitable(came):
        _drive(world, plan, came, stopped)


def _drive(world: World, plan: Plan, awaitable: Awaitable[object], stopped: _Stopped) -> None:
    if world.backend == "trio":
        _drive_trio(world, plan, awaitable, stopped)
        return

    async def main() -> None:
        if world.timeout is not None:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_later(world.timeout, _stop_task, task, stopped)
        await awaitable

    with asyncio.Runner() as runner:
        runner.run(main())


def _stop_task(task: asyncio.Task[None], stopped: _Stopped) -> None:
    stopped.yes = True
    task.cancel("the run took too long")


def _drive_trio(world: World, plan: Plan, awaitable: Awaitable[object], stopped: _Stopped) -> None:
    trio = _trio()

    async def main() -> None:
        with trio.CancelScope() as plan.cancel_scope:
            limit = world.timeout if world.timeout is not None else float("inf")
            with trio.move_on_after(limit) as watch:
                await awaitable
            stopped.yes = watch.cancelled_caught

    trio.run(main)


def _trio() -> Any:
    try:
        import trio
    except ImportError as error:
        raise UsageError.at_caller(
            "explore(backend='trio') needs trio, which is not installed: pip install trio"
        ) from error
    return trio


@contextlib.contextmanager
def _dumping(limit: float, stopped: _Stopped) -> Iterator[None]:
    """Where code that cannot be stopped takes too long: show where it stands, and say so in the end."""
    began = time.monotonic()
    with contextlib.suppress(Exception):  # no real standard error: nothing to show it on
        faulthandler.dump_traceback_later(limit, exit=False)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        if time.monotonic() - began > limit:
            stopped.yes = True


def _reseed() -> None:
    random.seed(SEED)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        with contextlib.suppress(AttributeError):
            numpy.random.seed(SEED % 2**32)


@contextlib.contextmanager
def random_kept() -> Iterator[None]:
    """Give the program its own random numbers back in the end."""
    state = random.getstate()
    numpy = sys.modules.get("numpy")
    others = numpy.random.get_state() if numpy is not None and hasattr(numpy, "random") else None
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None and others is not None:
            numpy.random.set_state(others)


def expect_scenario(scenario: object, what: str) -> None:
    """Refuse what cannot be explored.

    Raises:
        UsageError: it is no function without parameters, or this is no place for it.
    """
    if not callable(scenario) or isinstance(scenario, type):
        raise UsageError.at_caller(f"{what} takes a function that builds its own world, not {repr_safely(scenario)}")
    inner = scenario.func if isinstance(scenario, functools.partial) else scenario
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise UsageError.at_caller(f"{what} takes no generator function: nobody would consume {name_of(scenario)}")
    with contextlib.suppress(TypeError, ValueError):
        for one in inspect.signature(scenario).parameters.values():
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                raise UsageError.at_caller(
                    f"{what} calls its scenario without arguments; {name_of(scenario)} needs {one.name}"
                )
    if any(isinstance(one, Plan) for one in context.saboteurs_in(context.chain()[0])):
        raise UsageError.at_caller(f"{what} inside of a scenario that is being explored")
    if context.running_loop() is not None:
        raise UsageError.at_caller(
            f"{what} runs its own event loop for every run, so it is not called from a coroutine: "
            "call it from a plain function, and give it the coroutine function"
        )


def name_of(scenario: object) -> str:
    """What a scenario is called."""
    inner = scenario.func if isinstance(scenario, functools.partial) else scenario
    name = getattr(inner, "__qualname__", None) or getattr(inner, "__name__", None)
    return str(name).rpartition("<locals>.")[2] if name else repr_safely(scenario)
