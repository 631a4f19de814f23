"""What a pair of calls costs, `create_image` and `delete_image`, against the same pair under a do-nothing wrapper."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from time import thread_time_ns
from types import FunctionType
from typing import Any

from benchmarks.measuring import Options, Row, Sample, in_turns, ratios, spread
from benchmarks.services import ABOUT, OURS, async_service, do_nothing, do_nothing_async, rivals, service, which
from lifeguard import Scope, scope

PAIRS = 300
FILLING = 1100
"""So many pairs come first in a new scope, so that it remembers as many settled ones as it ever will."""

Scopes = Callable[[], list[Scope]]


# No parameter here has the name of something that this module imports: the compiler would take `service.create_image(…)` for a
# function of a module, and make a bound method for each call, which programs do not.


def _loop(one: Any, names: list[str]) -> int:
    began = thread_time_ns()
    for name in names:
        one.create_image(name)
        one.delete_image(name)
    return thread_time_ns() - began


def _one_pair(one: Any, name: str) -> None:
    one.create_image(name)
    one.delete_image(name)


def _loop_of_frames(one: Any, names: list[str]) -> int:
    pair = _one_pair
    began = thread_time_ns()
    for name in names:
        pair(one, name)
    return thread_time_ns() - began


async def _async_loop(one: Any, names: list[str]) -> int:
    began = thread_time_ns()
    for name in names:
        await one.create_image(name)
        await one.delete_image(name)
    return thread_time_ns() - began


def own(function: Any) -> Any:
    """A copy with code of its own: the interpreter adapts code to what it meets there, and contenders must not share it."""
    return FunctionType(function.__code__.replace(), function.__globals__)


_numbers = iter(range(sys.maxsize))


def names(count: int) -> list[str]:
    """Names that have never been used before."""
    return [f"image-{next(_numbers)}" for _ in range(count)]


def sample_of(one: Any, loop: Any = _loop, scopes: Scopes = list, filling: int = FILLING, pairs: int = PAIRS) -> Sample:
    """Times pairs of calls, in scopes that are opened for each sample and filled first."""
    loop = own(loop)

    def sample() -> float:
        fresh = names(pairs)
        with ExitStack() as stack:
            opened: list[AbstractContextManager[Any]] = [*scopes()]
            for each in opened:
                stack.enter_context(each)
            if opened and filling:
                loop(one, names(filling))
            return int(loop(one, fresh)) / pairs

    return sample


def _async_sample_of(one: Any, scopes: Scopes = list) -> Sample:
    loop = own(_async_loop)

    async def run() -> float:
        fresh = names(PAIRS)
        with ExitStack() as stack:
            opened = scopes()
            for each in opened:
                stack.enter_context(each)
            if opened:
                await loop(one, names(FILLING))
            return int(await loop(one, fresh)) / PAIRS

    return lambda: asyncio.run(run())


class Onlooker:
    """An observer that does nothing."""

    def began(self, call: object) -> None:
        """Nothing."""

    def event(self, event: object) -> None:
        """Nothing."""

    def closed(self, verdict: object) -> None:
        """Nothing."""


def _contenders() -> dict[str, tuple[str, Sample]]:
    ours, nothing = service(*OURS), service(do_nothing, do_nothing)
    found = {
        "do-nothing": ("the do-nothing wrapper", sample_of(nothing)),
        "undecorated": ("no decorator", sample_of(service())),
        "no scope": ("contracts declared, no scope open anywhere", sample_of(ours)),
        "recording": ("scope open, everything on, `remember=1024`", sample_of(ours, scopes=lambda: [scope("s")])),
        "remember=0": (
            "the same with `remember=0`",
            sample_of(ours, scopes=lambda: [scope("s", remember=0)]),
        ),
        "remember=None": (
            "the same with `remember=None`",
            sample_of(ours, scopes=lambda: [scope("s", remember=None)]),
        ),
        "sampled": (
            "scope open, `sample=0.01`: 1 of 100 keys is watched",
            sample_of(ours, scopes=lambda: [scope("s", sample=0.01)]),
        ),
        "process": (
            'one `reach="process"` scope',
            sample_of(ours, scopes=lambda: [scope("s", reach="process")]),
        ),
        "nested": (
            'a second, `reach="process"` scope nested',
            sample_of(ours, scopes=lambda: [scope("outer"), scope("inner", reach="process")]),
        ),
        "fresh frame": (
            "everything on, each pair from a fresh caller frame",
            sample_of(ours, _loop_of_frames, lambda: [scope("s")]),
        ),
        "do-nothing, fresh frame": ("the do-nothing wrapper, likewise", sample_of(nothing, _loop_of_frames)),
        "subject": (
            "everything on, the acquire with a subject (`about=`)",
            sample_of(service(ABOUT, OURS[1]), scopes=lambda: [scope("s")]),
        ),
        "observed": (
            "everything on, with an observer that does nothing",
            sample_of(ours, scopes=lambda: [scope("s", observers=[Onlooker()])]),
        ),
        "coroutines": (
            "coroutine functions, everything on, against a do-nothing async wrapper",
            _async_sample_of(async_service(*OURS), lambda: [scope("s")]),
        ),
        "coroutines, no scope": (
            "coroutine functions, no scope open, likewise",
            _async_sample_of(async_service(*OURS)),
        ),
        "do-nothing async": (
            "the do-nothing async wrapper",
            _async_sample_of(async_service(do_nothing_async, do_nothing_async)),
        ),
    }
    for name, decorators in rivals().items():
        found[name] = (_RIVALS[name], sample_of(service(*decorators)))
    return found


_RIVALS = {
    "icontract": "icontract `require` + `ensure`",
    "deal": "deal `pre` + `post`",
    "deal with _": "deal `pre` + `post`, the `_` style",
    "typeguard": "typeguard `typechecked`",
    "beartype": "beartype `beartype`",
    "wrapt": "wrapt, a decorator that does nothing",
}

_BASE = {
    "fresh frame": "do-nothing, fresh frame",
    "coroutines": "do-nothing async",
    "coroutines, no scope": "do-nothing async",
}

_AIMS: dict[str, dict[str, float]] = {
    "no scope": {"": 0.70},
    "recording": {"compiled": 1.8, "pure 3.11": 2.6, "pure": 2.9},
    "remember=0": {"compiled": 1.5, "pure 3.11": 1.9, "pure": 2.1},
    "nested": {"": 2.5},
    "coroutines": {"": 2.2},
}

_TIMES_FASTER = {"icontract": 8.0, "typeguard": 8.0, "deal": 1.0, "deal with _": 1.0}


def aim_of(name: str) -> float | None:
    """The aim of a row, for this Python and with or without the compiled helper."""
    aims = _AIMS.get(name, {})
    kind = which()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return next((aims[key] for key in (f"{kind} {version}", kind, "") if key in aims), None)


def rows(options: Options) -> list[Row]:
    """The rows of this family."""
    contenders = _contenders()
    against = {name: f"lifeguard against {name}" for name in _RIVALS if name in contenders}
    wanted = {name for name in contenders if options.wants("pair", name)}
    wanted_against = {name for name, row in against.items() if options.wants("pair", "rivals", row)}
    if not wanted and not wanted_against:
        return []
    needed = wanted | wanted_against | {_BASE.get(name, "do-nothing") for name in wanted}
    if wanted_against:
        needed |= {"recording", "do-nothing"}
    found = in_turns({name: sample for name, (_, sample) in contenders.items() if name in needed}, options.rounds)
    result: list[Row] = []
    for name, (what, _) in contenders.items():
        if name in wanted and not name.startswith("do-nothing"):
            base = _BASE.get(name, "do-nothing")
            result.append(Row("pair", name, what, *spread(ratios(found, name, base)), aim=aim_of(name)))
        elif name in wanted:
            result.append(Row("pair", name, what, *spread(found[name]), unit="ns"))
    for name, row in against.items():
        if name in wanted_against:
            measured = spread(ratios(found, name, "recording"))
            what = f"so many times faster, everything on, than {_RIVALS[name]}"
            aim = _TIMES_FASTER.get(name)
            result.append(Row("pair", row, what, *measured, unit="times faster", aim=aim, at_least=True))
    return result
