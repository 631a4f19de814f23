"""Contracts on functions of `contextlib.contextmanager` and `asynccontextmanager`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from findings import held, said, watching
from watched_forms import CleanupError, host, image, make, opened, session, spawn

from lifeguard import Resource, acquires, on_failure, releases, uses
from lifeguard.scopes import Scope


def verbs(watched: Scope) -> list[str]:
    """The events of the only violation, oldest first."""
    (violation,) = watched.violations
    return [one.verb for one in violation.history]


# -- functions of contextlib ----------------------------------------------------------------------------------------------


@releases(session, key="name")
def settle(name: str) -> None:
    """Settle a session by hand."""


def test_a_context_manager_acquires_at_entry_and_pays_when_left() -> None:
    """`result` is what `as` gets; the block's end pays."""
    with watching() as watched:
        manager = opened("a")
        assert [] == held(watched)
        with manager as name:
            assert "session a" == name
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)
    assert [] == said(watched)
    assert (1, 1) == (watched.watched["session"].acquired, watched.watched["session"].released)


def test_a_context_manager_whose_body_raises_pays_all_the_same() -> None:
    """The manager cleaned up and let the body's exception pass."""
    with watching() as watched:
        with pytest.raises(ValueError, match="body"):
            with opened("a"):
                raise ValueError("body")
        assert [] == held(watched)
        with opened("b", swallow=True):
            raise ValueError("body")
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_whose_entry_raises_acquired_nothing() -> None:
    """The exception is the program's own."""
    with watching() as watched:
        with pytest.raises(OSError, match="a"):
            with opened("a", broken="enter"):
                raise AssertionError("never reached")
    assert [] == said(watched)


def test_a_context_manager_whose_cleanup_raises_has_not_paid() -> None:
    """A release that raised has not paid: the attempt is noted."""
    with watching() as watched:
        with pytest.raises(CleanupError):
            with opened("a", broken="exit"):
                pass
    assert ["LG101 session 'session a'"] == said(watched)
    assert ["acquired", "release raised"] == verbs(watched)


def test_a_body_that_settles_itself_is_not_paid_twice() -> None:
    """What the body released, and what it acquired anew, is not touched when the block is left."""
    with watching() as watched:
        with opened("a") as name:
            settle(name)
    assert [] == said(watched)
    with watching() as watched:
        with opened("a") as name:
            settle(name)
            watched.acquired(session, name)
        assert ["session 'session a' (held)"] == held(watched)


def test_context_managers_nest() -> None:
    """Each with-block pays once what it acquired itself."""
    with watching() as watched:
        with opened("a"), opened("a"):
            pass
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_pays_the_amount_that_it_acquired() -> None:
    """Of what is counted by amount, a block gives back its own share."""

    @acquires(host, key="name", amount="vcpus")
    @contextlib.contextmanager
    def claim(name: str, vcpus: int) -> Iterator[None]:
        yield

    with watching() as watched:
        with claim("h1", 2):
            with claim("h1", 3):
                pass
            assert ["host 'h1' (partly released)"] == held(watched)
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_used_as_a_decorator() -> None:
    """Every call of the decorated function enters anew, also when it was decorated before any scope opened."""

    @opened("a")
    def work(number: int) -> list[str]:
        return [*held(watched), str(number)]

    for number in (1, 2):
        with watching() as watched:
            assert ["session 'session a' (held)", str(number)] == work(number)
            assert [] == held(watched)


def test_a_context_manager_looks_its_scope_up_at_entry() -> None:
    """Made before the scope opened, it is watched by the scope that it is entered in."""
    manager = opened("a")
    with watching() as watched, manager:
        assert ["session 'session a' (held)"] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_entered_without_a_scope() -> None:
    """It works as ever, also where a scope opens inside it."""
    with opened("a") as name, watching() as watched:
        assert "session a" == name
    assert [] == said(watched)


def test_a_context_manager_is_single_use_as_before() -> None:
    """Entering twice fails as contextlib's own does."""

    def enter_twice(manager: Any) -> str:
        with manager:
            pass
        with pytest.raises(Exception) as caught:
            manager.__enter__()
        return repr(caught.value)

    with watching():
        assert enter_twice(opened.__wrapped__("a")) == enter_twice(opened("a"))  # type: ignore[attr-defined]


def test_a_context_manager_that_overrides_another_is_one_event() -> None:
    """An override that enters its parent's manager acquires once, and pays once."""

    class Base:
        @acquires(session, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            yield

    class Derived(Base):
        @acquires(session, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            with super().open(name):
                yield

    with watching() as watched:
        watched.acquired(session, "a")
        with Derived().open("a"):
            assert 2 == watched.watched["session"].acquired
        assert ["session 'a' (partly released)"] == held(watched)
        watched.released(session, "a")
    assert [] == said(watched)


def test_exit_stack_enters_a_watched_manager() -> None:
    """It is a context manager for `isinstance` and for `ExitStack`."""
    with watching() as watched:
        manager = opened("a")
        assert isinstance(manager, contextlib.AbstractContextManager)
        with contextlib.ExitStack() as stack:
            assert "session a" == stack.enter_context(manager)
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)


@acquires(session, key="result")
@contextlib.asynccontextmanager
async def opened_async(name: str, *, swallow: bool = False) -> AsyncIterator[str]:
    """A session for the length of an async with-block."""
    await asyncio.sleep(0)
    try:
        yield f"session {name}"
    except ValueError:
        if not swallow:
            raise
    await asyncio.sleep(0)


def test_an_async_context_manager() -> None:
    """The same with `async with`, as a decorator, and with a body that raises, swallows, settles."""

    async def main() -> None:
        async with opened_async("a") as name:
            assert "session a" == name
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)
        with pytest.raises(ValueError, match="body"):
            async with opened_async("b"):
                raise ValueError("body")
        async with opened_async("c", swallow=True):
            raise ValueError("body")
        async with opened_async("d") as name:
            settle(name)

        @opened_async("e")
        async def work() -> list[str]:
            return held(watched)

        assert [["session 'session e' (held)"]] * 2 == [await work(), await work()]
        assert [] == held(watched)

    with watching() as watched:
        asyncio.run(main())
    assert [] == said(watched)


def test_other_tasks_in_an_async_with_are_not_the_same_call() -> None:
    """While one task enters, another may acquire the same key: that is a second acquire."""
    lock = Resource("lock")
    steps: list[str] = []

    @acquires(lock, key="name")
    @contextlib.asynccontextmanager
    async def locked(name: str) -> AsyncIterator[None]:
        steps.append("begin")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield

    @acquires(lock, key="name")
    async def steal(name: str) -> None:
        steps.append("steal")

    async def enter() -> None:
        async with locked("a"):
            steps.append("inside")

    async def main() -> None:
        await asyncio.gather(enter(), steal("a"))

    with watching() as watched:
        asyncio.run(main())
    assert ["begin", "steal", "inside"] == steps
    assert ["LG106 lock 'a' LG110"] == said(watched)


def test_an_async_with_that_is_cancelled_pays_when_it_was_left() -> None:
    """Cancellation of the body passes through, and the block has been left."""

    async def work() -> None:
        async with opened_async("a"):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0)
        assert ["session 'session a' (held)"] == held(watched)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with watching() as watched:
        asyncio.run(main())
    assert [] == said(watched)


def test_a_with_block_in_a_generator_that_is_closed_pays() -> None:
    """The block is left by GeneratorExit: the manager cleaned up."""

    def produce() -> Iterator[str]:
        with opened("a") as name:
            yield name

    with watching() as watched:
        generator = produce()
        assert "session a" == next(generator)
        generator.close()  # type: ignore[attr-defined]
        assert [] == held(watched)
    assert [] == said(watched)


def test_other_contracts_of_a_context_manager_end_with_the_block() -> None:
    """A failure of the block is a failure of the call; a use is told when it was left."""

    @uses(image, key="name")
    @on_failure(spawn, key="name")
    @contextlib.contextmanager
    def using(name: str) -> Iterator[None]:
        yield

    with watching() as watched:
        make("a")
        with using("a"):
            assert 0 == watched.watched["image"].used
        assert 1 == watched.watched["image"].used
        with pytest.raises(OSError, match="inside"):
            with using("a"):
                raise OSError("inside")
        assert ["image 'a' (held)", "spawn 'a' (owed)"] == held(watched)
