"""Nobody's exception is lost by a scope: not the body's, not an interrupt, not that of an inner scope."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
import weakref
from typing import Any

import pytest
import trio
from leaking_images import LEAK_FILE, LEAK_LINE, codes, images, leak

from lifeguard import (
    LifeguardWarning,
    ViolationError,
    scope,
)

# --- the body's exception -----------------------------------------------------------------------------------------------


def test_violations_are_raised_from_the_bodys_exception() -> None:
    """A body that raised and left obligations."""
    body = RuntimeError("body")
    with pytest.raises(ViolationError) as caught:
        with scope():
            leak()
            raise body
    assert body is caught.value.__cause__
    assert [("LG102", "i")] == codes(caught.value)


def test_a_body_that_raised_and_balanced() -> None:
    """Its exception passes untouched."""
    body = RuntimeError("body")
    with pytest.raises(RuntimeError) as caught:
        with scope():
            raise body
    assert (body, None, False) == (caught.value, body.__cause__, hasattr(body, "__notes__"))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_never_replaced(interruption: type[BaseException]) -> None:
    """It carries the report as a note, and it is warned, at the line of the acquire."""
    with pytest.warns(LifeguardWarning, match="LG102") as warned, pytest.raises(interruption) as caught, scope() as s:  # noqa: PT031
        leak()
        raise interruption
    assert [s.report()] == caught.value.__notes__
    assert [(LEAK_FILE, LEAK_LINE)] == [(one.filename, one.lineno) for one in warned]
    with pytest.raises(interruption) as again:  # as the suite is configured: warnings are errors
        with scope("night"):
            leak()
            raise interruption
    assert 1 == len(again.value.__notes__)


def test_an_interrupt_without_leaks() -> None:
    """Nothing was found: it gets no note."""
    with pytest.raises(KeyboardInterrupt) as caught:
        with scope():
            raise KeyboardInterrupt
    assert not hasattr(caught.value, "__notes__")


def test_cancellation_in_asyncio() -> None:
    """A cancelled task stays cancelled."""
    notes: list[str] = []

    async def work(started: asyncio.Event) -> None:
        try:
            async with scope("task"):
                leak()
                started.set()
                await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            notes.extend(error.__notes__)
            raise

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(work(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    with pytest.warns(LifeguardWarning, match="LG102"):
        asyncio.run(main())
    assert "left by CancelledError" in notes[0]


def test_asyncio_timeout_around_and_inside() -> None:
    """A timeout inside the scope is an exception like any other; around it, it stays a timeout."""

    async def inside() -> None:
        async with scope():
            leak()
            async with asyncio.timeout(0):
                await asyncio.sleep(60)

    async def around() -> None:
        async with asyncio.timeout(0):
            async with scope():
                leak()
                await asyncio.sleep(60)

    with pytest.raises(ViolationError) as caught:
        asyncio.run(inside())
    assert isinstance(caught.value.__cause__, TimeoutError)
    with pytest.warns(LifeguardWarning, match="LG102"), pytest.raises(TimeoutError):
        asyncio.run(around())


def test_cancellation_in_trio() -> None:
    """trio's cancel scope gets its own exception back; a deadline inside does not even end the scope by one."""
    after: list[str] = []

    async def main() -> None:
        with trio.CancelScope() as cancel:
            async with scope("task"):
                leak()
                cancel.cancel()
                await trio.sleep(60)
        assert cancel.cancelled_caught
        after.append("went on")

    with pytest.warns(LifeguardWarning, match="LG102"):
        trio.run(main)
    assert ["went on"] == after


def test_a_generator_that_is_closed() -> None:
    """close() does not raise."""

    def items() -> Any:
        with scope("generator"):
            leak()
            yield 1

    generator = items()
    next(generator)
    with pytest.warns(LifeguardWarning, match="LG102"):
        generator.close()


def test_exception_groups() -> None:
    """A group of Exceptions is the cause; one with a KeyboardInterrupt in it is never replaced."""
    group = ExceptionGroup("two", [OSError(), ValueError()])
    with pytest.raises(ViolationError) as caught:
        with scope():
            leak()
            raise group
    assert group is caught.value.__cause__
    with pytest.warns(LifeguardWarning, match="LG102"), pytest.raises(BaseExceptionGroup) as base, scope():  # noqa: PT031
        leak()
        raise BaseExceptionGroup("two", [OSError(), KeyboardInterrupt()])
    assert "LG102" in base.value.__notes__[0]


def test_task_group() -> None:
    """An inner scope's error that comes in the group of a task group is on its way, and not said again."""

    async def child() -> None:
        with scope("child"):
            leak()

    async def main() -> None:
        async with scope("parent"):
            async with asyncio.TaskGroup() as group:
                group.create_task(child())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert [ViolationError] == [type(one) for one in caught.value.exceptions]


# --- inner scopes -------------------------------------------------------------------------------------------------------


def test_a_swallowed_inner_error_is_raised_again() -> None:
    """By the outer scope, with the inner one's violations and text."""
    with pytest.raises(ViolationError) as caught:
        with scope("outer"):
            try:
                with scope("inner"):
                    leak()
            except Exception:
                pass
    assert "outer" == caught.value.scope
    assert [("LG101", "i")] == codes(caught.value)
    assert "scope 'outer' balanced, but:" in str(caught.value)
    assert "raised by an inner scope, and swallowed:\n1 violation in scope 'inner'" in str(caught.value)


def test_swallowed_beside_the_outer_ones_own() -> None:
    """Both are told, the outer's first; and beside an exception of the body, which is the cause."""
    with pytest.raises(ViolationError) as caught:
        with scope("outer"):
            images.create("o")
            try:
                with scope("inner"):
                    leak()
            except Exception:
                pass
            raise RuntimeError("body")
    assert [("LG102", "o"), ("LG101", "i")] == codes(caught.value)
    assert "RuntimeError('body')" == repr(caught.value.__cause__)


def test_an_inner_error_on_its_way_is_not_said_again() -> None:
    """Bare, or as the cause or context of another."""
    with pytest.raises(ViolationError) as bare:
        with scope("outer"):
            with scope("inner"):
                leak()
    assert "inner" == bare.value.scope
    with pytest.raises(RuntimeError):
        with scope("outer"):
            try:
                with scope("inner"):
                    leak()
            except ViolationError as error:
                raise RuntimeError("wrapped") from error
    with pytest.raises(KeyError):
        with scope("outer"):
            try:
                with scope("inner"):
                    leak()
            except ViolationError:
                raise KeyError("in the handler")


def test_swallowed_two_levels_up() -> None:
    """It passed the middle one and was swallowed above: the outermost says it."""
    with pytest.raises(ViolationError) as caught:
        with scope("outermost"):
            try:
                with scope("middle"):
                    with scope("inner"):
                        leak()
            except Exception:
                pass
    assert "outermost" == caught.value.scope
    assert [("LG101", "i")] == codes(caught.value)


def test_swallowed_twice() -> None:
    """What the middle one said again was swallowed as well."""
    with pytest.raises(ViolationError) as caught:
        with scope("outermost"):
            try:
                with scope("middle"):
                    try:
                        with scope("inner"):
                            leak()
                    except Exception:
                        pass
            except Exception:
                pass
    assert [("LG101", "i")] == codes(caught.value)


def test_a_swallowed_fail_fast_error_of_an_inner_scope() -> None:
    """It passed its own scope as it was, so the outer one looks after it."""
    with pytest.raises(ViolationError) as caught:
        with scope("outer"):
            try:
                with scope("inner", fail_fast=True):
                    images.create("i")
                    images.delete("i")
                    images.delete("i")
            except Exception:
                pass
    assert ("outer", [("LG103", "i")]) == (caught.value.scope, codes(caught.value))


def test_swallowed_by_asyncio_gather() -> None:
    """`return_exceptions=True` swallows, too."""

    async def child() -> None:
        with scope("child"):
            leak()

    async def main() -> None:
        async with scope("parent"):
            await asyncio.gather(child(), return_exceptions=True)

    with pytest.raises(ViolationError) as caught:
        asyncio.run(main())
    assert "parent" == caught.value.scope


def test_swallowed_in_a_thread_under_a_process_scope() -> None:
    """The process-reach scope is around the scopes of the threads."""

    def work() -> None:
        try:
            with scope("worker"):
                leak()
        except Exception:
            pass

    with pytest.raises(ViolationError) as caught:
        with scope("process", reach="process"):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert ("process", [("LG101", "i")]) == (caught.value.scope, codes(caught.value))


@pytest.mark.parametrize("policy", ["record", lambda verdict: None])
def test_an_outer_scope_that_does_not_raise_passes_it_on(policy: Any) -> None:
    """It is not for it to say; the next one that raises does. It was judged once: it is not in the verdict."""
    with pytest.raises(ViolationError) as caught:
        with scope("outermost"):
            with scope("middle", on_violation=policy) as middle:
                try:
                    with scope("inner"):
                        leak()
                except Exception:
                    pass
    assert "outermost" == caught.value.scope
    assert () == middle.violations


def test_an_outer_scope_that_warns_or_logs_says_it_so(caplog: pytest.LogCaptureFixture) -> None:
    """In its own manner."""
    for policy in ("warn", "log"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with scope("outer", on_violation=policy):  # type: ignore[arg-type]
                try:
                    with scope("inner"):
                        leak()
                except Exception:
                    pass
        told = [str(one.message) for one in caught] or [record.getMessage() for record in caplog.records]
        assert 1 == len(told)
        assert "image 'i': still held" in told[0]


def test_the_error_is_not_kept() -> None:
    """A swallowed error's frames hold the program's objects: the outer scope keeps what was said, and not the error."""

    class Held:
        """Something of the program's."""

    def swallow() -> weakref.ref[Held]:
        held = Held()
        try:
            with scope("inner"):
                leak()
        except ViolationError:
            pass
        return weakref.ref(held)

    s = scope("outer", on_violation=lambda verdict: None)
    with s:
        ref = swallow()
        gc.collect()
        assert ref() is None
