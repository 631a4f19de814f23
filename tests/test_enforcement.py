"""What happens when a scope has been judged; and that nobody's exception is lost by it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio

from lifeguard import (
    DeclarationError,
    LifeguardWarning,
    Outstanding,
    Resource,
    Verdict,
    Violation,
    ViolationError,
    acquires,
    atomic,
    releases,
    scope,
)

image = Resource("image")


class Images:
    """A fake service."""

    @acquires(image, key="image_id")
    def create(self, image_id: str) -> str:
        """Make one."""
        return image_id

    @releases(image, key="image_id")
    def delete(self, image_id: str, error: BaseException | None = None) -> None:
        """Remove one."""
        if error is not None:
            raise error

    @atomic(image)
    def fail(self, error: BaseException) -> None:
        """Leave something behind, and fail."""
        self.create("half")
        raise error


images = Images()


def leak() -> None:
    """Acquire something; the next line but one is where a report has to point at."""
    images.create("i")


LEAK_LINE = leak.__code__.co_firstlineno + 2


def codes(error: ViolationError) -> list[tuple[str, object]]:
    """What it says, in short."""
    return [(one.code, one.key) for one in error.violations]


# --- on_violation -------------------------------------------------------------------------------------------------------


def test_raise_is_the_default() -> None:
    """ViolationError, with the report as its text."""
    with pytest.raises(ViolationError) as caught:
        with scope("night") as s:
            leak()
    assert s.report() == str(caught.value)
    assert s.verdict is caught.value.verdict
    assert caught.value.__cause__ is None


def test_warn_points_at_the_acquire() -> None:
    """A LifeguardWarning for each violation, at the file and line of the acquire."""
    with pytest.warns(LifeguardWarning) as caught, scope("night", on_violation="warn"):
        leak()
        images.create("j")
    assert [(__file__, LEAK_LINE)] == [(one.filename, one.lineno) for one in caught[:1]]
    assert ["LG101 image 'i'", "LG101 image 'j'"] == [str(one.message)[:15] for one in caught]


def test_warn_again_and_again() -> None:
    """Python's "once for each line" does not hide what the next scope finds at the same line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            with scope(on_violation="warn"):
                leak()
    assert 2 == len(caught)


def test_log_points_at_the_acquire(caplog: pytest.LogCaptureFixture) -> None:
    """One record for each violation, to the logger "lifeguard", with the data as an attribute."""
    with caplog.at_level(logging.WARNING, "lifeguard"), scope("night", on_violation="log") as s:
        leak()
        s.allow(image, "never", why="it may")
    first, second = caplog.records
    assert ("lifeguard", "ERROR", __file__, LEAK_LINE, "leak") == (
        first.name,
        first.levelname,
        first.pathname,
        first.lineno,
        first.funcName,
    )
    assert "LG101 leaked (CWE-772)" in first.getMessage()
    assert "LG101" == first.__dict__["lifeguard"]["code"]
    assert ("WARNING", True) == (second.levelname, "LG403" in second.getMessage())


def test_a_log_that_is_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """Levels are those of logging."""
    with caplog.at_level(logging.CRITICAL, "lifeguard"), scope(on_violation="log"):
        leak()
    assert [] == caplog.records


def test_record_says_nothing() -> None:
    """What was found stands on the scope."""
    with scope("night", on_violation="record") as s:
        leak()
        s.allow(image, "never", why="it may")
    assert ["LG101"] == [one.code for one in s.violations]
    assert ["LG403"] == [one.code for one in s.verdict.warnings] if s.verdict else None


def test_a_function_gets_the_verdict() -> None:
    """It is called where something was found, and only there; the scope has its verdict by then."""
    seen: list[Verdict] = []
    with scope("fine", on_violation=seen.append):
        images.create("i")
        images.delete("i")
    assert [] == seen
    with scope("night", on_violation=seen.append) as s:
        leak()
    assert [s.verdict] == seen


def test_a_function_that_raises() -> None:
    """It may raise what it likes; the body's exception stays its cause."""

    def refuse(verdict: Verdict) -> None:
        raise LookupError(verdict.scope)

    with pytest.raises(LookupError, match="night"):
        with scope("night", on_violation=refuse):
            leak()
    with pytest.raises(LookupError) as caught:
        with scope("night", on_violation=refuse):
            leak()
            raise RuntimeError("body")
    assert "RuntimeError('body')" == repr(caught.value.__cause__)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        with scope("night", on_violation=refuse):
            leak()
            raise KeyboardInterrupt
    assert ["on_violation raised LookupError: night"] == interrupted.value.__notes__


def test_warnings_never_raise() -> None:
    """LG403 is told as a warning even where violations raise; it does not fail a scope."""
    with pytest.warns(LifeguardWarning, match="LG403"):
        with scope() as s:
            s.allow(image, "never", why="it may")
    assert s.verdict is not None
    assert s.verdict.balanced


def test_a_warning_filter_does_not_hide_the_violations() -> None:
    """Where warnings are errors, what raises is still the ViolationError; the warning is a note of it."""
    with pytest.raises(ViolationError) as caught:
        with scope() as s:
            leak()
            s.allow(image, "never", why="it may")
    assert [("LG101", "i")] == codes(caught.value)
    assert "LG403" in caught.value.__notes__[0]


def test_warnings_that_are_errors() -> None:
    """By themselves they are raised, the first with the others as notes; beside a body's exception they are notes of that."""
    with pytest.raises(LifeguardWarning, match="'i'") as caught:
        with scope(on_violation="warn"):
            leak()
            images.create("j")
    assert ["LG101 image 'j'"] == [note[:15] for note in caught.value.__notes__]
    with pytest.raises(RuntimeError, match="body") as body:
        with scope(on_violation="warn"):
            leak()
            raise RuntimeError("body")
    assert ["LG102 image 'i'"] == [note[:15] for note in body.value.__notes__]


# --- LIFEGUARD ----------------------------------------------------------------------------------------------------------


def test_lifeguard_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope that would raise warns."""
    monkeypatch.setenv("LIFEGUARD", "warn")
    with pytest.warns(LifeguardWarning, match="LG101"):
        with scope():
            leak()


@pytest.mark.parametrize("policy", ["warn", "log"])
def test_lifeguard_raise(monkeypatch: pytest.MonkeyPatch, policy: Any) -> None:
    """A scope that would only warn or log raises."""
    monkeypatch.setenv("LIFEGUARD", "RAISE")
    with pytest.raises(ViolationError):
        with scope(on_violation=policy):
            leak()


@pytest.mark.parametrize("value", ["warn", "raise"])
def test_lifeguard_leaves_record_and_functions(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """They are read by a program, which reckons with them."""
    monkeypatch.setenv("LIFEGUARD", value)
    seen: list[Verdict] = []
    with scope(on_violation="record") as s:
        leak()
    with scope(on_violation=seen.append):
        leak()
    assert (1, 1) == (len(s.violations), len(seen))


def test_lifeguard_of_another_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen is said, and does not switch anything off."""
    monkeypatch.setenv("LIFEGUARD", "loud")
    with pytest.raises(DeclarationError, match="LIFEGUARD takes off, warn or raise, not 'loud'"):
        scope()


# --- fail_fast ----------------------------------------------------------------------------------------------------------


def test_fail_fast_raises_at_the_call() -> None:
    """Where the rule was broken; the error that passes the end is the same one."""
    reached = []
    with pytest.raises(ViolationError) as caught:
        with scope("night", fail_fast=True):
            images.create("i")
            images.delete("i")
            try:
                images.delete("i")
            except ViolationError as error:
                reached.append(error)
                raise
    assert reached == [caught.value]
    assert [("LG103", "i")] == codes(caught.value)


def test_fail_fast_that_was_swallowed() -> None:
    """What it said is said again at the end."""
    with pytest.raises(ViolationError) as caught:
        with scope(fail_fast=True):
            images.create("i")
            images.delete("i")
            try:
                images.delete("i")
            except AssertionError:
                pass
    assert [("LG103", "i")] == codes(caught.value)


def test_fail_fast_and_more_at_the_end() -> None:
    """A leak that comes on top is raised from what was raised at the call."""
    with pytest.raises(ViolationError) as caught:
        with scope(fail_fast=True):
            images.create("j")
            images.create("i")
            images.create("i")
    assert [("LG106", "i"), ("LG102", "j")] == codes(caught.value)
    assert isinstance(caught.value.__cause__, ViolationError)
    assert [("LG106", "i")] == codes(caught.value.__cause__)


def test_fail_fast_of_a_call_that_raised() -> None:
    """The call's own exception is the cause; what is no Exception gets a note."""
    with pytest.raises(ViolationError) as caught:
        with scope(fail_fast=True):
            images.fail(OSError("disk"))
    assert [("LG204", "half")] == codes(caught.value)
    assert "OSError('disk')" == repr(caught.value.__cause__)
    s = scope(fail_fast=True, on_violation="record").open()
    with s.active(), pytest.raises(KeyboardInterrupt) as interrupted:
        images.fail(KeyboardInterrupt())
    assert "LG204" in interrupted.value.__notes__[0]
    s.close()


def test_fail_fast_heeds_allowances() -> None:
    """What is allowed is not raised at the call, and counts as used at the end."""
    with scope(fail_fast=True) as s:
        s.allow(image, "i", rule="LG103", why="known")
        images.create("i")
        images.delete("i")
        images.delete("i")
    assert s.verdict is not None
    assert ["known"] == [one.why for one in s.verdict.allowed]


def test_fail_fast_only_for_its_own_findings() -> None:
    """What an inner scope holds is the inner one's affair; what a thread breaks is raised there."""
    with scope("outer", fail_fast=True), scope("inner", on_violation="record") as inner:
        images.create("i")
        images.delete("i")
        images.delete("i")
    assert ["LG103"] == [one.code for one in inner.violations]


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
    with pytest.warns(LifeguardWarning, match="LG102") as warned, pytest.raises(interruption) as caught, scope() as s:
        leak()
        raise interruption
    assert [s.report()] == caught.value.__notes__
    assert [(__file__, LEAK_LINE)] == [(one.filename, one.lineno) for one in warned]
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
    with pytest.warns(LifeguardWarning, match="LG102"), pytest.raises(BaseExceptionGroup) as base, scope():
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


# --- on_leak ------------------------------------------------------------------------------------------------------------


def test_on_leak_comes_after_the_verdict() -> None:
    """Called for each outstanding obligation, oldest first; what it does changes nothing any more."""
    seen: list[tuple[str, bool]] = []

    def clean(one: Outstanding) -> None:
        seen.append((str(one), s.verdict is not None))
        images.delete(str(one.key))

    with pytest.raises(ViolationError) as caught:
        with scope(on_leak=clean) as s:
            images.create("i")
            images.create("j")
    assert [("image 'i' (held)", True), ("image 'j' (held)", True)] == seen
    assert [("LG101", "i"), ("LG101", "j")] == codes(caught.value)


def test_on_leak_not_where_nothing_is_left() -> None:
    """A double release is no leak."""
    seen: list[Outstanding] = []
    with scope(on_leak=seen.append, on_violation="record"):
        images.create("i")
        images.delete("i")
        images.delete("i")
    assert [] == seen


def test_on_leak_that_raises() -> None:
    """The others are told all the same, the verdict is enforced, and the trouble is warned."""
    seen: list[object] = []

    def clean(one: Outstanding) -> None:
        seen.append(one.key)
        raise OSError("cannot")

    trouble = pytest.warns(LifeguardWarning, match="on_leak failed: OSError: cannot")
    with trouble, pytest.raises(ViolationError), scope(on_leak=clean):
        images.create("i")
        images.create("j")
    assert ["i", "j"] == seen
    with pytest.raises(ViolationError) as caught:  # where warnings are errors
        with scope(on_leak=clean):
            images.create("i")
    assert "on_leak failed" in caught.value.__notes__[0]


# --- the error ----------------------------------------------------------------------------------------------------------


def caught_from(work: Callable[[], object]) -> ViolationError:
    """The error of a scope around something."""
    with pytest.raises(ViolationError) as caught:
        with scope("night"):
            work()
    return caught.value


def test_it_is_an_assertion_error() -> None:
    """Every test runner counts it as a failure."""
    error = caught_from(leak)
    assert isinstance(error, AssertionError)
    assert "lifeguard.ViolationError" == f"{type(error).__module__}.{type(error).__qualname__}"
    assert all(isinstance(one, Violation) for one in error.violations)


def test_it_pickles() -> None:
    """It crosses the process border of a parallel test run, keys that stand for objects included."""

    def work() -> None:
        leak()
        with pytest.raises(OSError):
            images.delete("i", OSError("busy"))
        objects.acquire(object())

    objects = ObjectService()
    error = caught_from(work)
    again = pickle.loads(pickle.dumps(error))
    assert (str(error), error.violations, error.scope) == (str(again), again.violations, again.scope)
    assert error.as_dict() == again.as_dict()


class ObjectService:
    """What is keyed by an object."""

    @acquires(image, key="thing")
    def acquire(self, thing: object) -> None:
        """Take it."""


def test_as_dict_is_json_with_a_version() -> None:
    """Names, codes and reprs as plain strings, versioned from the first day."""
    data = json.loads(json.dumps(caught_from(leak).as_dict()))
    assert 1 == data["schema"]
    assert ("night", False, "normally") == (data["scope"], data["balanced"], data["ended"])
    (found,) = data["violations"]
    assert ("LG101", "leaked", "CWE-772", "image", "'i'") == tuple(
        found[name] for name in ("code", "name", "cwe", "kind", "key")
    )
    assert {"file": __file__, "line": LEAK_LINE, "function": "leak"} == found["acquired"]
    assert ["acquired"] == [one["verb"] for one in found["history"]]
    assert 1 == data["watched"]["image"]["acquired"]


def test_our_frames_are_hidden() -> None:
    """pytest shows the user's line, and none of lifeguard's."""
    with pytest.raises(ViolationError) as caught:
        with scope():
            leak()
    shown = [entry.path for entry in caught.traceback.filter(caught)]
    assert [__file__] == [str(path) for path in shown]
