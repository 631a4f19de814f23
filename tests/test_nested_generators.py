"""A generator that delegates to the one that it overrides tells its events once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from findings import codes_and_keys, held, watching

from lifeguard import Resource, acquires, releases

image = Resource("image")


def test_a_generator_that_delegates_to_what_it_overrides_is_one_event() -> None:
    """`yield from super()…` under the same contract tells the acquire and the release once; the consumer's own calls count."""

    class Real:
        @acquires(image, key="name")
        def opening(self, name: str) -> Iterator[str]:
            yield name

        @releases(image, key="name")
        def closing(self, name: str) -> Iterator[str]:
            yield name

    class Fake(Real):
        @acquires(image, key="name")
        def opening(self, name: str) -> Iterator[str]:
            yield from super().opening(name)

        @releases(image, key="name")
        def closing(self, name: str) -> Iterator[str]:
            yield from super().closing(name)

    with watching() as watched:
        assert ["a"] == list(Fake().opening("a"))
        for name in Fake().closing("a"):
            assert ["a"] == list(Real().closing(name))
    assert [("LG103", "a")] == codes_and_keys(watched)
    with watching() as watched:
        assert ["a"] == list(Fake().opening("a"))
        assert ["a"] == list(Fake().closing("a"))
    assert [] == codes_and_keys(watched)


def test_an_async_generator_that_delegates_to_what_it_overrides_is_one_event() -> None:
    """The same for async generators."""

    class Real:
        @acquires(image, key="name")
        async def opening(self, name: str) -> AsyncIterator[str]:
            yield name

    class Fake(Real):
        @acquires(image, key="name")
        async def opening(self, name: str) -> AsyncIterator[str]:
            async for one in super().opening(name):
                yield one

    async def consume() -> list[str]:
        return [one async for one in Fake().opening("a")]

    with watching() as watched:
        assert ["a"] == asyncio.run(consume())
        assert ["image 'a' (held)"] == held(watched)
        watched.allow(image, "a", why="what is left of it is told above")
    assert [] == codes_and_keys(watched)
