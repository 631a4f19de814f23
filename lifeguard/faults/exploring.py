"""`explore`: every declared call fails once."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from lifeguard.errors import DeclarationError, LifeguardWarning
from lifeguard.faults import canary
from lifeguard.faults.injected import Make
from lifeguard.faults.plan import Plan
from lifeguard.faults.points import KINDS, Kind, Menu, expect_kinds
from lifeguard.faults.progress import showing
from lifeguard.faults.replaying import replay_in
from lifeguard.faults.results import Counted, Result
from lifeguard.faults.running import Backend, Scenario, World, expect_scenario, name_of, random_kept
from lifeguard.faults.searching import EXAMPLES, Bounds, Search
from lifeguard.faults.threads import Listener, listening
from lifeguard.faults.tokens import Token
from lifeguard.keys import repr_safely
from lifeguard.kinds import Grace
from lifeguard.places import user_place
from lifeguard.scopes import Scope
from lifeguard.settings import Reach

REPLAY = "LIFEGUARD_REPLAY"
"""The environment variable with a token: an exploration then runs that alone."""


def explore(
    scenario: Scenario,
    *,
    depth: int = 2,
    pairs: Literal["reaction", "all"] = "reaction",
    kinds: Iterable[Kind] = KINDS,
    max_runs: int = 500,
    exhaustive: bool = False,
    strict: bool = False,
    reach: Reach = "context",
    backend: Backend = "asyncio",
    timeout: float | None = None,
    grace: Grace | None = None,
    prepare: Callable[[Scope], object] | None = None,
    make: Mapping[type[BaseException], Make] | None = None,
    first: Iterable[str] = (),
    shard: tuple[int, int] = (0, 1),
    replay: str | None = None,
    progress: bool = True,
    name: str | None = None,
) -> Result:
    """Run a scenario again and again, each time with another watched call made to fail, and see what is left.

    Each run has a scope of its own, opened here. The scenario runs twice without faults; then every call that carries a
    contract fails in every way that is asked for; then every call that runs because of such a failure (the rollback)
    fails as well.

    Args:
        scenario: a function or coroutine function without parameters, which builds its own world.
        depth: how many faults may befall one run: 1 or 2.
        pairs: which calls may be the second to fail: those that run in "reaction" to the first, or "all" after it.
        kinds: what may befall a call: "before" (it fails without effect), "after" (it takes effect, and its caller gets
            an error), "stuck" (it and every later call of its name fail), "raises" (each exception that it is declared to
            raise), "cancel" (a coroutine is cancelled at its begin and at its end), "interrupt" (KeyboardInterrupt).
        max_runs: how many runs with faults there may be; a search that ends there says INCOMPLETE.
        exhaustive: run points that are taken to be equivalent, too.
        strict: `raise_if_found` fails for doubts as well: a search that is not complete, a scenario that is not
            deterministic, or that watches nothing.
        reach: that of the scopes: "process" for scenarios whose threads have no context of the scenario.
        backend: what runs a coroutine: "asyncio" or "trio".
        timeout: seconds after which a run is stopped (a coroutine) or shown on standard error (a function, which nothing
            can stop). None for no limit.
        grace: that of the scopes, for work that ends in the background.
        prepare: called with the scope of each run before the scenario: for `allow` and `seed`.
        make: functions that make exceptions whose types cannot be called with a text.
        first: tokens to run first: those that failed last time.
        shard: which part of the points to run, and of how many: (0, 8) to (7, 8).
        replay: a token: run that alone. By default what the environment variable LIFEGUARD_REPLAY says.
        progress: whether a long search shows on standard error how far it has come.
        name: what reports call the scenario; by default its own name.

    Returns:
        what was found; see `Result.report` and `Result.raise_if_found`.

    Raises:
        UsageError: the scenario cannot be explored, or lifeguard is switched off.
        DeclarationError: an argument of the wrong sort.
        ReplayDiverged: a replay cannot follow the way of its token.
    """
    expect_scenario(scenario, "explore(…)")
    _expect(depth in (1, 2) and not isinstance(depth, bool), "depth", "1 or 2", depth)
    _expect(pairs in ("reaction", "all"), "pairs", "'reaction' or 'all'", pairs)
    _expect(backend in ("asyncio", "trio"), "backend", "'asyncio' or 'trio'", backend)
    _expect(_is_number(max_runs, 1), "max_runs", "a whole number from 1", max_runs)
    _expect(
        isinstance(shard, tuple) and len(shard) == 2 and _is_number(shard[1], 1) and shard[0] in range(shard[1]),
        "shard",
        "(which, of how many), such as (0, 8)",
        shard,
    )
    _expect(
        timeout is None or (isinstance(timeout, int | float) and timeout > 0), "timeout", "seconds or None", timeout
    )
    world = World(
        scenario=scenario,
        name=name if name is not None else name_of(scenario),
        menu=Menu(expect_kinds(kinds)),
        reach=reach,
        backend=backend,
        timeout=timeout,
        grace=grace,
        prepare=prepare,
        makers=dict(make or {}),
    )
    token = replay if replay is not None else os.environ.get(REPLAY) or None
    with random_kept():
        if token is not None:
            return replay_in(world, Token.parse(token))
        canary.check()
        tokens = [Token.parse(one) for one in first]
        bounds = Bounds(depth=depth, pairs=pairs, max_runs=max_runs, exhaustive=exhaustive, shard=shard)
        result = _search(world, bounds, tokens, strict=strict, progress=progress)
    _warn_of(result)
    return result


def _search(world: World, bounds: Bounds, first: list[Token], *, strict: bool, progress: bool) -> Result:
    with showing(world.name, wanted=progress) as step, _ear(world) as ear:
        search = Search(world, bounds, step)
        organic = search.baselines()
        if organic:
            return Result(scenario=world.name, runs=search.runs, organic=organic, complete=False, strict=strict)
        search.go([one.schedule for one in first])
        findings = search.findings()
    counted = {name: tally.counted() for name, tally in search.tallies.items()}
    return Result(
        scenario=world.name,
        findings=findings,
        absorbed=counted["absorbed"],
        residue=counted["residue"],
        lost=counted["lost"],
        timed_out=counted["timed_out"],
        not_reached=counted["not_reached"],
        points=tuple(search.points),
        runs=search.runs,
        complete=not search.bound,
        diverged=search.diverged,
        bound=search.bound,
        strict=strict,
        unguarded=Counted(ear.count, tuple(ear.heard)[:EXAMPLES]) if ear is not None else Counted(),
    )


def _ear(world: World) -> contextlib.AbstractContextManager[Listener | None]:
    return listening(Plan) if world.reach == "context" else contextlib.nullcontext()


def _warn_of(result: Result) -> None:
    if result.strict:
        return
    for doubt in result.doubts:
        place = user_place()
        text = f"explore({result.scenario}): {doubt}"
        try:
            if place is None:
                warnings.warn(text, LifeguardWarning, stacklevel=3)
            else:
                warnings.warn_explicit(text, LifeguardWarning, place.file, place.line)
        except LifeguardWarning:
            if not result.findings:  # what was found is worth more, and its report names the doubt
                raise


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _expect(fine: bool, what: str, expected: str, value: object) -> None:
    if not fine:
        raise DeclarationError.at_caller(f"explore({what}=…) takes {expected}, not {repr_safely(value)}")
