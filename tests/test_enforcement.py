"""What happens when a scope has been judged: raised, warned, logged, recorded, at the call or at the end."""

from __future__ import annotations

import json
import logging
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from leaking_images import LEAK_FILE, LEAK_LINE, codes, image, images, leak

from lifeguard import (
    DeclarationError,
    LifeguardWarning,
    Outstanding,
    Verdict,
    Violation,
    ViolationError,
    acquires,
    scope,
)

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
    with pytest.warns(LifeguardWarning) as caught, scope("night", on_violation="warn"):  # noqa: PT031
        leak()
        images.create("j")
    assert [(LEAK_FILE, LEAK_LINE)] == [(one.filename, one.lineno) for one in caught[:1]]
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
    assert ("lifeguard", "ERROR", LEAK_FILE, LEAK_LINE, "leak") == (
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
    assert {"file": LEAK_FILE, "line": LEAK_LINE, "function": "leak"} == found["acquired"]
    assert ["acquired"] == [one["verb"] for one in found["history"]]
    assert 1 == data["watched"]["image"]["acquired"]


def test_our_frames_are_hidden() -> None:
    """pytest shows the user's line, and none of lifeguard's."""
    with pytest.raises(ViolationError) as caught:
        with scope():
            leak()
    shown = [entry.path for entry in caught.traceback.filter(caught)]
    assert [__file__] == [str(path) for path in shown]
