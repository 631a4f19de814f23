"""Coroutines are explored like functions, and are cancelled, too: for real, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import trio

from lifeguard import Resource, acquires, releases
from lifeguard.faults import Result, explore

image = Resource("image")
port = Resource("port")


@acquires(image, key="name")
def make(name: str) -> None:
    """An image."""


@releases(image, key="name")
def drop(name: str) -> None:
    """Away with it."""


@acquires(image, key="name")
async def make_async(name: str) -> None:
    """An image."""


@releases(image, key="name")
async def drop_async(name: str) -> None:
    """Away with it."""


def shape(result: Result) -> list[tuple[str, ...]]:
    """What was found and tried, without the names of the two forms."""
    found = [(one.verdict, one.kind, str(one.key), *_calls(one.schedules)) for one in result.findings]
    points = [(one.phase, str(one.nth), one.status, one.call.removesuffix("_async")) for one in result.points]
    return [*found, *points]


def _calls(tokens: tuple[str, ...]) -> list[str]:
    return [token.partition("~")[0].replace("_async", "") for token in tokens]


def test_both_forms_agree() -> None:
    """The same mistakes are found at the same points, whichever form the calls have."""

    def plain() -> None:
        make("a")
        make("b")
        try:
            make("c")
        except Exception:
            drop("b")
            drop("a")
            raise
        for name in "cba":
            drop(name)

    async def awaiting() -> None:
        await make_async("a")
        await make_async("b")
        try:
            await make_async("c")
        except Exception:
            await drop_async("b")
            await drop_async("a")
            raise
        for name in "cba":
            await drop_async(name)

    kinds = ("before", "after", "stuck", "raises")
    expected = explore(plain, kinds=kinds)
    assert expected.findings
    assert shape(expected) == shape(explore(awaiting, kinds=kinds))
    assert shape(expected) == shape(explore(awaiting, kinds=kinds, backend="trio"))


def test_a_cancellation_is_a_real_one() -> None:
    """The task is cancelled, at the begin and at the end of each call; clean-up that awaits is not disturbed by it."""
    seen: list[int] = []

    async def careful() -> None:
        await make_async("a")
        try:
            await asyncio.sleep(0)
        finally:
            task = asyncio.current_task()
            assert task is not None
            seen.append(task.cancelling())
            await drop_async("a")

    result = explore(careful, kinds=["cancel"], depth=1)
    assert () == result.findings
    assert [
        "drop_async@1:after:cancelled",
        "drop_async@1:before:cancelled",
        "make_async@1:after:cancelled",
        "make_async@1:before:cancelled",
    ] == sorted(map(str, result.points))
    assert {0} == set(seen), "those at the end of the acquire leave before the block"


def test_what_a_cancellation_leaves_is_found() -> None:
    """`except Exception` does not see a cancellation."""

    async def careless() -> None:
        await make_async("a")
        try:
            await make_async("b")
        except Exception:
            await drop_async("a")
            raise
        await drop_async("b")
        await drop_async("a")

    result = explore(careless, kinds=["cancel"], depth=1)
    assert {("leak", "image", "a")} == {(one.verdict, one.kind, one.key) for one in result.findings}
    assert result.findings[0].token.startswith("lg1:make_async@2:before:cancelled~")


def test_a_task_of_the_scenario_is_cancelled_where_it_stands() -> None:
    """The call's own task is the one that is cancelled, not the one that waits for it."""
    ended: list[str] = []

    async def work() -> None:
        try:
            await make_async("a")
        except asyncio.CancelledError:
            ended.append("worker")
            raise
        await drop_async("a")

    async def scenario() -> None:
        task = asyncio.create_task(work())
        with contextlib.suppress(asyncio.CancelledError):
            await task

    result = explore(scenario, kinds=["cancel"], depth=1)
    assert () == result.findings
    assert ["worker", "worker"] == ended


def test_on_trio_every_await_of_a_cancelled_scope_fails() -> None:
    """The same scenario, whose clean-up awaits, is fine on asyncio and leaks on trio unless it is shielded."""

    async def scenario(*, shield: bool) -> None:
        await make_async("a")
        try:
            await make_async("b")
            await drop_async("b")
        finally:
            with trio.CancelScope(shield=shield):
                await trio.lowlevel.checkpoint()
                await drop_async("a")

    async def open_to_it() -> None:
        await scenario(shield=False)

    async def shielded() -> None:
        await scenario(shield=True)

    found = explore(open_to_it, kinds=["cancel"], depth=1, backend="trio").findings
    assert [("leak", "a")] == [(one.verdict, one.key) for one in found]
    assert () == explore(shielded, kinds=["cancel"], depth=1, backend="trio").findings


def test_an_interrupt_leaves_the_event_loop() -> None:
    """KeyboardInterrupt at a boundary of a coroutine's call."""

    async def careful() -> None:
        await make_async("a")
        try:
            await asyncio.sleep(0)
        finally:
            await drop_async("a")

    result = explore(careful, kinds=["interrupt"], depth=1)
    assert () == result.findings
    assert 4 == len(result.points)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_run_that_hangs_is_stopped(backend: str) -> None:
    """A baseline that hangs is told, and nothing else is claimed."""

    async def hanging() -> None:
        await (trio.sleep(60) if backend == "trio" else asyncio.sleep(60))

    result = explore(hanging, backend=backend, timeout=0.05)  # type: ignore[arg-type]
    assert "it was stopped, because it took too long" == result.organic
