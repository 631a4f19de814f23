"""What icontract itself does, as we rely on it or warn of it: a fact that changes is told by a test of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import icontract
import pytest
from findings import held as outstanding_now
from findings import said, watching

from lifeguard import (
    Resource,
    held,
    scope,
    uses,
)
from lifeguard.scopes import Scope

image = Resource("image")


def conditioned() -> Scope:
    """A scope that records what it finds, conditions of icontract included."""
    return scope("conditions", on_violation="record", conditions="icontract")


def test_fact_conditions_are_evaluated_twice_when_they_break() -> None:
    """The second time for the message: predicates must not change anything, and ours do not."""
    calls: list[str] = []

    def asked(name: str) -> bool:
        calls.append(name)
        return held(image, name)

    @icontract.require(lambda name: asked(name))
    def function(name: str) -> None: ...

    with watching() as watched:
        with pytest.raises(icontract.ViolationError):
            function("a")
        assert [] == outstanding_now(watched)
    assert ["a", "a"] == calls


def test_fact_recursion_is_not_checked() -> None:
    """icontract checks the outermost call of a function only; our contract sees each."""

    @icontract.require(lambda depth: depth == 2)
    @uses(image, key="depth")
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)

    with conditioned() as watched:
        down(2)
    assert [] == said(watched)
    assert 3 == watched.watched["image"].unmatched


def test_fact_tasks_that_overlap_are_not_all_checked() -> None:
    """Once a checked call has run in the context that they were started from, only the first of them is checked."""

    @icontract.require(lambda x: x > 0)
    @uses(image, key="x")
    async def function(x: int) -> int:
        await asyncio.sleep(0)
        return x

    async def main() -> list[Any]:
        await function(1)
        return await asyncio.gather(function(1), function(-1), function(-2), return_exceptions=True)

    with conditioned() as watched:
        assert [1, -1, -2] == asyncio.run(main())
    assert [] == said(watched)
    assert 4 == watched.watched["image"].unmatched


def test_fact_a_generator_is_checked_when_it_is_called() -> None:
    """A precondition at the call; a postcondition gets the generator object."""

    @icontract.require(lambda name: held(image, name))
    @icontract.ensure(lambda result: hasattr(result, "send"))
    @uses(image, key="name")
    def lines(name: str) -> Any:
        yield name

    with conditioned() as watched:
        with pytest.raises(icontract.ViolationError):
            lines("a")
        watched.acquired(image, "a")
        assert ["a"] == list(lines("a"))
        watched.released(image, "a")
    assert ["LG301 image 'a'"] == said(watched)
