"""What a watched call costs, counted and not timed: calls, instructions and memory stay at their recorded numbers.

Everything is counted beyond what the same work costs without contracts, in a process of its own. A change of a number is
a change of the hot path: where it is meant, `python tests/test_counts.py` rewrites the record of the Python that runs it, and
`nox -s counts` those of all.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lifeguard
from lifeguard import Resource, acquires, releases, scope, uses

CALLS = 100
WARM = 400
"""So many calls come first: the numbers of events are no small, shared ints any more, and no table grows after them."""

HELPER = "-compiled" if lifeguard.SPEEDUPS else ""
RECORD = Path(__file__).parent / "counts" / f"{sys.version_info.major}.{sys.version_info.minor}{HELPER}.json"
"""One for each Python, and for each with the compiled helper."""

image = Resource("image")
Decorate = Callable[[Any], Any]


def leave(function: Any) -> Any:
    """No contract."""
    return function


def service(creates: Decorate, deletes: Decorate, shows: Decorate, owns: Decorate) -> Any:
    """A service whose methods are decorated so."""

    class Images:
        @creates
        def create(self, name: str) -> dict[str, str]:
            return {"id": name}

        @deletes
        def delete(self, image_id: str) -> None:
            return None

        @shows
        def show(self, image_id: str) -> None:
            return None

        @owns
        def create_for(self, name: str, server: str) -> dict[str, str]:
            return {"id": name}

        @creates
        async def create_soon(self, name: str) -> dict[str, str]:
            return {"id": name}

        @deletes
        async def delete_soon(self, image_id: str) -> None:
            return None

    return Images()


BARE = service(leave, leave, leave, leave)
WATCHED = service(
    acquires(image, key="result['id']"),
    releases(image, key="image_id"),
    uses(image, key="image_id"),
    acquires(image, key="result['id']", about="server"),
)

_numbers = iter(range(sys.maxsize))
_kept: list[list[str]] = []


def names(count: int) -> list[str]:
    """Names that were never used before. They are kept: whose memory a key is, is not the question."""
    fresh = [f"image-{next(_numbers)}" for _ in range(count)]
    _kept.append(fresh)
    return fresh


# -- what is counted -----------------------------------------------------------------------------------------------------------

Work = Callable[[], object]


def calls_in(work: Work) -> tuple[int, int]:
    """How many Python functions, and how many C functions, are called."""
    seen = {"call": 0, "c_call": 0}

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event in seen:
            seen[event] += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen["call"], seen["c_call"]


def instructions_in(work: Work) -> int:
    """How many instructions of Python's code run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def blocks_in(work: Work) -> int:
    """How many blocks of memory are left allocated."""
    gc.collect()
    before = sys.getallocatedblocks()
    work()
    return sys.getallocatedblocks() - before


def bytes_in(work: Work) -> int:
    """How many bytes are left allocated; traced from before the work on, so that what it frees is known."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    work()
    return tracemalloc.get_traced_memory()[0] - before


COUNTERS: dict[str, Callable[[Work], int]] = {
    "Python calls": lambda work: calls_in(work)[0],
    "C calls": lambda work: calls_in(work)[1],
    "instructions": instructions_in,
    "blocks left": blocks_in,
    "bytes left": bytes_in,
}


# -- what is done --------------------------------------------------------------------------------------------------------------

Prepare = Callable[[Any, int], Work]
"""Makes the work: so many calls on a service, their names made beforehand."""


def _pairs(images: Any, count: int) -> Work:
    fresh = names(count)

    def work() -> None:
        for name in fresh:
            images.create(name)
            images.delete(name)

    return work


def _acquires(images: Any, count: int) -> Work:
    fresh = names(count)

    def work() -> None:
        for name in fresh:
            images.create(name)

    return work


def _acquires_about(images: Any, count: int) -> Work:
    fresh, servers = names(count), names(count)

    def work() -> None:
        for name, server in zip(fresh, servers, strict=True):
            images.create_for(name, server)

    return work


def _releases(images: Any, count: int) -> Work:
    fresh = names(count)
    for name in fresh:
        images.create(name)

    def work() -> None:
        for name in fresh:
            images.delete(name)

    return work


def _unmatched(images: Any, count: int) -> Work:
    fresh = names(count)

    def work() -> None:
        for name in fresh:
            images.delete(name)

    return work


def _uses(images: Any, count: int) -> Work:
    fresh = names(count)
    for name in fresh:
        images.create(name)

    def work() -> None:
        for name in fresh:
            images.show(name)

    return work


def _coroutines(images: Any, count: int) -> Work:
    fresh = names(count)

    async def run() -> None:
        for name in fresh:
            await images.create_soon(name)
            await images.delete_soon(name)

    coroutine = run()

    def work() -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            return

    return work


@contextmanager
def _allowing(**settings: Any) -> Iterator[None]:
    """A scope that says nothing of what is left."""
    with scope("counted", on_violation="record", **settings):
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _nested() -> Iterator[None]:
    with _allowing(), _allowing(reach="process"):
        yield


@contextmanager
def _loop() -> Iterator[None]:
    """As inside of a running event loop: what is called finds that one runs."""
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)
    try:
        with _allowing():
            yield
    finally:
        asyncio._set_running_loop(None)
        loop.close()


CASES: dict[str, tuple[Callable[[], Any], Prepare]] = {
    "a pair, no scope": (_nothing, _pairs),
    "a pair of coroutines, no scope": (_nothing, _coroutines),
    "an acquire": (_allowing, _acquires),
    "an acquire about a subject": (_allowing, _acquires_about),
    "a release": (_allowing, _releases),
    "a use": (_allowing, _uses),
    "an unmatched release": (_allowing, _unmatched),
    "a pair, remember=0": (lambda: _allowing(remember=0), _pairs),
    "a pair, remember=64": (lambda: _allowing(remember=64), _pairs),
    "a pair, one process scope": (lambda: _allowing(reach="process", remember=64), _pairs),
    "a pair, a process scope in a scope": (_nested, _pairs),
    "a pair of coroutines": (_loop, _coroutines),
}


def _count(case: str, images: Any, counter: Callable[[Work], int]) -> float:
    around, prepare = CASES[case]
    if counter is bytes_in:
        tracemalloc.start()
    with around():
        prepare(images, WARM)()
        counter(prepare(images, 1))  # what a first look costs is not the call's
        counted = counter(prepare(images, CALLS)) / CALLS
    tracemalloc.stop()
    return counted


def _closing(pairs: int, left: int) -> Work:
    """Closes a scope that saw so many pairs and holds so many obligations."""
    watched = scope("counted", on_violation="record", remember=64).open()
    with watched.active():
        _pairs(WATCHED, pairs)()
        _acquires(WATCHED, left)()
    return watched.close


def _count_closing(pairs: int, left: int, woven: int = 0) -> dict[str, float]:
    """Counts that, while so many more functions are woven."""
    kept = [acquires(image, key="name")(_plain()) for _ in range(woven)]
    _closing(pairs, left)()  # what is kept of the functions of a kind is made when one has come or gone
    python, c = calls_in(_closing(pairs, left))
    del kept
    return {"Python calls": python, "C calls": c}


def _plain() -> Any:
    def create(name: str) -> None:
        return None

    return create


CLOSINGS: dict[str, dict[str, int]] = {
    "closing after 100 pairs": {"pairs": 100, "left": 0},
    "closing after 1000 pairs": {"pairs": 1000, "left": 0},
    "closing with 10 left": {"pairs": 100, "left": 10},
    "closing with 20 left": {"pairs": 100, "left": 20},
    "closing with 30 left": {"pairs": 100, "left": 30},
    "closing with 10 left, 50 more woven": {"pairs": 100, "left": 10, "woven": 50},
}


def measure() -> dict[str, dict[str, float]]:
    """Count everything, beyond what it costs without contracts."""
    gc.disable()
    found: dict[str, dict[str, float]] = {}
    for case in CASES:
        found[case] = {
            name: round(_count(case, WATCHED, counter) - _count(case, BARE, counter), 2)
            for name, counter in COUNTERS.items()
        }
    found |= {case: _count_closing(**how) for case, how in CLOSINGS.items()}
    return found


def measured() -> dict[str, dict[str, float]]:
    """The same, counted in a process of its own, with nobody else tracing or allocating."""
    folder = str(Path(lifeguard.__file__).parent.parent)
    environment = {
        key: value for key, value in os.environ.items() if key != "LIFEGUARD" and not key.startswith(("COV", "PYTEST"))
    }
    environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": folder}
    environment.pop("PYTHONSAFEPATH", None)
    environment["LIFEGUARD_SPEEDUPS"] = "on" if lifeguard.SPEEDUPS else "off"
    run = subprocess.run(
        [sys.executable, __file__, "--print"], capture_output=True, text=True, check=True, env=environment
    )
    counted: dict[str, dict[str, float]] = json.loads(run.stdout)
    return counted


def differences(now: dict[str, dict[str, float]], recorded: dict[str, dict[str, float]]) -> list[str]:
    """What has changed, a line each."""
    return [
        f"{case}: {name}: {recorded.get(case, {}).get(name)} -> {now.get(case, {}).get(name)}"
        for case in {**recorded, **now}
        for name in {**recorded.get(case, {}), **now.get(case, {})}
        if recorded.get(case, {}).get(name) != now.get(case, {}).get(name)
    ]


def test_counts_are_the_recorded_ones() -> None:
    """Calls, instructions and memory of every case; where a change is meant, `python tests/test_counts.py` records it."""
    assert [] == differences(measured(), json.loads(RECORD.read_text()))


def test_closing_costs_what_is_left() -> None:
    """Not what happened before, nor how much is woven; and the same for each obligation that is left."""
    recorded = json.loads(RECORD.read_text())
    assert recorded["closing after 100 pairs"] == recorded["closing after 1000 pairs"]
    assert recorded["closing with 10 left"] == recorded["closing with 10 left, 50 more woven"]
    for name, none in recorded["closing after 100 pairs"].items():
        ten, twenty, thirty = (recorded[f"closing with {left} left"][name] for left in (10, 20, 30))
        assert none < ten < twenty
        assert twenty - ten == thirty - twenty


def test_the_counters_count() -> None:
    """One call more, one instruction more, one object more: each is seen."""
    kept: list[object] = []

    def python() -> None:
        return None

    assert (1, 1) == calls_in(lambda: None)  # the work itself, and the end of counting
    assert (2, 1) == calls_in(lambda: python())
    assert (1, 2) == calls_in(lambda: len(kept))
    assert instructions_in(_often(lambda: None)) < instructions_in(_often(lambda: not kept))
    assert 0 < blocks_in(lambda: kept.append(object()))
    tracemalloc.start()
    assert 0 < bytes_in(lambda: kept.append(bytearray(1000)))
    tracemalloc.stop()


def _often(work: Work) -> Work:
    """A Python may notice that it is traced from the second call on."""

    def repeat() -> None:
        for _ in range(9):
            work()

    return repeat


def test_a_difference_is_told_with_both_numbers() -> None:
    """Also where a case or a number is new or gone."""
    recorded = {"a call": {"C calls": 5.0, "blocks left": 1.0}, "gone": {"C calls": 1.0}}
    now = {"a call": {"C calls": 6.0, "blocks left": 1.0}, "new": {"C calls": 2.0}}
    assert ["a call: C calls: 5.0 -> 6.0", "gone: C calls: 1.0 -> None", "new: C calls: None -> 2.0"] == differences(
        now, recorded
    )


def main(arguments: list[str]) -> None:
    """Print what is counted (`--print`), or write it to the record of this Python."""
    if arguments == ["--print"]:
        print(json.dumps(measure()))
        return
    now = measured()
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(now, indent=1) + "\n")
    print(*differences(now, before), f"wrote {RECORD}", sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
