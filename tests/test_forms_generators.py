"""Contracts on generator functions, plain and async."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from findings import held, said, watching
from watched_forms import finals, image, producing, producing_async, spawn

from lifeguard import DeclarationError, acquires, atomic, on_failure

# -- generators -----------------------------------------------------------------------------------------------------------


def test_a_generator_is_recorded_at_its_end() -> None:
    """`send`, `throw` and the return value pass through; the call ends when the generator does."""
    assert inspect.isgeneratorfunction(producing)
    with watching() as watched:
        generator = producing("a")
        assert "a: begin" == next(generator)
        assert "a: x" == generator.send("x")
        assert "a: caught 'y'" == generator.throw(KeyError("y"))
        assert [] == held(watched)
        with pytest.raises(StopIteration) as stop:
            generator.send("end")
        assert "a: done" == stop.value.value
        assert ["image 'a' (held)"] == held(watched)


def test_a_generator_that_raises_has_raised() -> None:
    """An exception out of a generator, thrown in or its own, is a raised end."""

    @on_failure(spawn, key="name")
    def produce(name: str) -> Iterator[int]:
        yield 1
        raise OSError(name)

    with watching() as watched:
        with pytest.raises(OSError, match="own"):
            list(produce("own"))
        generator = produce("thrown")
        next(generator)
        with pytest.raises(ValueError, match="thrown in"):
            generator.throw(ValueError("thrown in"))
    assert ["LG201 spawn 'own'", "LG201 spawn 'thrown'"] == said(watched)


@pytest.mark.parametrize("how", ["close", "collect", "unstarted"])
def test_a_generator_closed_or_collected_before_its_end_changes_nothing(how: str) -> None:
    """It is abandoned; its own `finally` runs as ever."""
    finals.clear()
    with watching() as watched:
        generator = producing("a")
        if how != "unstarted":
            next(generator)
        if how == "close":
            generator.close()
        del generator
        gc.collect()
    assert ([] if how == "unstarted" else ["a"]) == finals
    assert {} == dict(watched.watched)


def test_a_generator_looks_its_scope_up_at_its_first_step() -> None:
    """Made before the scope opened, it is watched by the scope that it is first stepped in."""
    generator = producing("a")
    with watching() as watched:
        next(generator)
        with pytest.raises(StopIteration):
            generator.send("end")
        assert ["image 'a' (held)"] == held(watched)


def test_a_generator_delegates_and_is_delegated_to() -> None:
    """`yield from` a watched generator hands its return value on."""

    def outer() -> Generator[str, str, str]:
        return (yield from producing("a"))

    with watching() as watched:
        generator = outer()
        next(generator)
        with pytest.raises(StopIteration) as stop:
            generator.send("end")
        assert "a: done" == stop.value.value
        assert ["image 'a' (held)"] == held(watched)


async def consume(generator: AsyncIterator[str]) -> list[str]:
    """All items."""
    return [item async for item in generator]


def test_an_async_generator_is_recorded_at_its_end() -> None:
    """`asend` and `athrow` pass through; the call ends when the generator does."""
    assert inspect.isasyncgenfunction(producing_async)

    async def main() -> None:
        generator = producing_async("a")
        assert "a: begin" == await anext(generator)
        assert "a: x" == await generator.asend("x")
        assert "a: caught 'y'" == await generator.athrow(KeyError("y"))
        assert [] == held(watched)
        with pytest.raises(StopAsyncIteration):
            await generator.asend("end")
        assert ["image 'a' (held)"] == held(watched)
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    with watching() as watched:
        asyncio.run(main())


def test_an_async_generator_that_raises_has_raised() -> None:
    """An exception out of an async generator, thrown in or its own, is a raised end."""

    @on_failure(spawn, key="name")
    async def produce(name: str) -> AsyncIterator[int]:
        yield 1
        raise OSError(name)

    async def main() -> None:
        with pytest.raises(OSError, match="own"):
            [one async for one in produce("own")]
        generator: Any = produce("thrown")
        await anext(generator)
        with pytest.raises(ValueError, match="thrown in"):
            await generator.athrow(ValueError("thrown in"))

    with watching() as watched:
        asyncio.run(main())
    assert ["LG201 spawn 'own'", "LG201 spawn 'thrown'"] == said(watched)


@pytest.mark.parametrize("how", ["aclose", "break", "unstarted"])
def test_an_async_generator_closed_before_its_end_changes_nothing(how: str) -> None:
    """It is abandoned; its own `finally` runs, inside the loop, as ever."""
    finals.clear()

    async def main() -> None:
        generator = producing_async("a")
        if how == "aclose":
            await anext(generator)
            await generator.aclose()
        elif how == "break":
            async for _ in generator:
                break
            del generator
            gc.collect()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    with watching() as watched:
        asyncio.run(main())
    assert ([] if how == "unstarted" else ["a"]) == finals
    assert {} == dict(watched.watched)


def test_an_async_generator_runs_unwatched_just_the_same() -> None:
    """Without a scope nothing is recorded, and items, sends and the end are the same."""
    finals.clear()

    @acquires(image, key="name")
    async def three(name: str) -> AsyncIterator[str]:
        for number in range(3):
            yield f"{name}{number}"

    assert ["a0", "a1", "a2"] == asyncio.run(consume(three("a")))


@pytest.mark.parametrize("form", ["generator", "async generator"])
def test_a_generator_has_no_result(form: str) -> None:
    """`result` on a generator is an error that says what to do."""

    def produce() -> Iterator[int]:
        yield 1

    async def produce_async() -> AsyncIterator[int]:
        yield 1

    target: Any = produce if form == "generator" else produce_async
    with pytest.raises(
        DeclarationError, match=rf"\ban? {form} function has no result when it is called: name the thing by"
    ):
        acquires(image, key="result")(target)


def test_atomic_on_a_generator_says_what_to_do() -> None:
    """What the consumer does between two items cannot be told from what the generator does."""
    with pytest.raises(DeclarationError, match="put the contract on the function that consumes it"):

        @atomic
        def produce() -> Iterator[int]:
            yield 1
