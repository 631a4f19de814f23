"""One run again, from its token; a run that cannot follow the way of its token fails."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lifeguard.errors import DeclarationError
from lifeguard.faults.injected import Make
from lifeguard.faults.points import KINDS, ON_REQUEST, Menu
from lifeguard.faults.results import ExplorationFailed, Finding, ReplayDiverged, Result
from lifeguard.faults.running import Backend, Run, World, expect_scenario, name_of, random_kept, run_once
from lifeguard.faults.searching import Case, finding_of, token_of
from lifeguard.faults.tokens import Token
from lifeguard.faults.verdicts import judge
from lifeguard.keys import problem_text, repr_safely
from lifeguard.scopes import Scope
from lifeguard.settings import Reach

F = TypeVar("F", bound=Callable[..., Any])

WAY_SHOWN = 12
"""So many of the last calls of a way are named."""


def replay_in(world: World, token: Token, *, strict: bool = False) -> Result:
    """Run one schedule.

    Args:
        world: the scenario.
        token: the schedule, and the hash of its way.
        strict: that of the result.

    Returns:
        what was found.

    Raises:
        ReplayDiverged: it could not be followed.
    """
    __tracebackhide__ = True
    alone = run_once(world, token.schedule[:1]) if len(token.schedule) > 1 else None
    run = run_once(world, token.schedule, detail=True, timeline=True)
    _expect_followed(run, token, world.name)
    told = judge(run, first_passes=alone is not None and judge(alone).propagated)
    text = str(token)
    found: dict[object, Finding] = {}
    for said in told.findings:
        case = Case(said, {run.schedule: text})
        found.setdefault(said.origin, finding_of(case, run.schedule, run))
    return Result(
        scenario=world.name,
        findings=tuple(found.values()),
        runs=1 if alone is None else 2,
        replayed=text,
        strict=strict,
    )


def _expect_followed(run: Run, token: Token, name: str) -> None:
    __tracebackhide__ = True
    plan, missed = run.plan, run.plan.missed()
    if missed is not None:
        times = plan.count(missed.call)
        many = "never called" if not times else f"called {times} time{'s' if times > 1 else ''}"
        why = plan.problem or f"{missed.call} was {many}, so there was no call {missed.nth} to fail"
        if not plan.problem and times >= missed.nth:
            why = f"call {missed.nth} of {missed.call} raised by itself, so there was no answer to lose"
        how = f"it raised {problem_text(run.ended)}" if run.ended is not None else "it returned"
        raise ReplayDiverged(
            f"{token} does not fit {name} any more: {why}\n  the run: {_way(plan.path)}; {how}"
        ) from run.ended
    seen = Token.parse(token_of(run)).way
    if token.way and seen != token.way:
        last = plan.fired[len(token.schedule) - 1]
        raise ReplayDiverged(
            f"{token} does not fit {name} any more: other calls come before call {last.planned.nth} of "
            f"{last.planned.call} than when the token was made (their hash is {seen}, and was {token.way})\n"
            f"  now they are: {_way(plan.path[: last.position])}\n"
            "  explore again; where this way is the right one, it ends in "
            f"~{seen}"
        )


def _way(path: list[str]) -> str:
    if not path:
        return "no watched call"
    cut = f"… ({len(path) - WAY_SHOWN} before) " if len(path) > WAY_SHOWN else ""
    return cut + ", ".join(path[-WAY_SHOWN:])


def replay(
    *tokens: str,
    reach: Reach = "context",
    backend: Backend = "asyncio",
    prepare: Callable[[Scope], object] | None = None,
    make: Mapping[type[BaseException], Make] | None = None,
) -> Callable[[F], F]:
    """Pin runs for good: a call of the decorated function runs it once for each token, and fails where something is found.

    Args:
        *tokens: the tokens, as findings name them.
        reach: as for `explore`.
        backend: as for `explore`.
        prepare: as for `explore`.
        make: as for `explore`.

    Returns:
        the decorator. What it gives back is a plain function, also for a coroutine function.

    Raises:
        UsageError: a text is no token.
        DeclarationError: there is no token, or what is decorated is no function.
    """
    parsed = [Token.parse(one) for one in tokens]
    if not parsed:
        raise DeclarationError.at_caller("replay() names no token")

    def decorate(function: F) -> F:
        if not callable(function) or isinstance(function, type):
            raise DeclarationError.at_caller(f"@replay(…) decorates a function, not {repr_safely(function)}")

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            scenario = functools.partial(function, *args, **kwargs) if args or kwargs else function
            expect_scenario(scenario, "@replay(…)")
            world = World(
                scenario=scenario,
                name=name_of(function),
                menu=Menu((*KINDS, *ON_REQUEST)),
                reach=reach,
                backend=backend,
                prepare=prepare,
                makers=dict(make or {}),
            )
            with random_kept():
                results = [replay_in(world, token) for token in parsed]
            for result in results:
                if result.findings:
                    raise ExplorationFailed(result)

        if inspect.iscoroutinefunction(function):
            del run.__wrapped__  # else a test runner takes it for a coroutine function
            run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return decorate
