"""The mixin and the fixture for those who run their tests without pytest."""

from __future__ import annotations

import io
import threading
import unittest
from collections.abc import Callable
from typing import Any

import pytest
from watched_images import image, images

from lifeguard import DeclarationError, Scope, UsageError, context
from lifeguard.integrations.unittest import ScopeFixture, Watched

fixtures = pytest.importorskip("fixtures")
testtools = pytest.importorskip("testtools")
oslotest = pytest.importorskip("oslotest.base")

BASES = [unittest.TestCase, testtools.TestCase, oslotest.BaseTestCase]


def run(case: unittest.TestCase) -> tuple[list[str], list[str]]:
    """Run one test; the last lines of its failures, and of its errors."""
    result = unittest.TestResult()
    case.run(result)
    assert [] == context.OPEN
    return [_first(text) for _, text in result.failures], [_first(text) for _, text in result.errors]


def _first(text: str) -> str:
    """The first line of what was raised last."""
    lines = [line for line in text.splitlines() if line and not line.startswith(" ")]
    raised = [line for line in lines if "Error: " in line or "Exception: " in line]
    return raised[-1] if raised else lines[-1]


def case_of(base: type, body: Callable[[Any], object], **attributes: Any) -> unittest.TestCase:
    """A watched test with this body."""
    made: unittest.TestCase = type("TestIt", (Watched, base), {"test_it": body, "__module__": "app", **attributes})(
        "test_it"
    )
    return made


def leaks(case: object) -> None:
    """A body that leaves something."""
    images.create("a")


def fails(case: Any) -> None:
    """A body that leaves something and fails."""
    images.create("a")
    case.fail("1 != 2")


@pytest.mark.parametrize("base", BASES)
def test_a_test_that_leaks_fails(base: type) -> None:
    """With what was left, named after the test."""
    failures, errors = run(case_of(base, leaks))
    assert [] == errors
    assert ["lifeguard.ViolationError: 1 violation in scope 'app.TestIt.test_it', which ended normally"] == failures


@pytest.mark.parametrize("base", BASES)
def test_a_test_that_balances_passes(base: type) -> None:
    """Set-up, cleanups and tear-down are part of it, whichever class of the family they stand in."""

    class Base(base):  # type: ignore[misc]
        def setUp(self) -> None:
            images.create("before the base's own set-up")
            self.addCleanup(images.delete, "before the base's own set-up")
            super().setUp()
            images.create("torn down")

        def tearDown(self) -> None:
            images.delete("torn down")
            super().tearDown()

    assert ([], []) == run(case_of(Base, lambda case: None))


@pytest.mark.parametrize("base", BASES)
def test_a_failure_and_a_leak_show_both(base: type) -> None:
    """Neither hides the other: testtools puts them into one text, unittest into two."""
    result = unittest.TestResult()
    case_of(base, fails).run(result)
    text = "\n".join(text for _, text in [*result.failures, *result.errors])
    assert "1 != 2" in text
    assert "LG102 leaked on error (CWE-460)" in text


@pytest.mark.parametrize("base", BASES)
def test_a_set_up_that_fails(base: type) -> None:
    """What it had acquired is owed all the same."""

    def set_up(case: Any) -> None:
        images.create("a")
        raise RuntimeError("no disk")

    result = unittest.TestResult()
    case_of(base, lambda case: None, setUp=set_up).run(result)
    text = "\n".join(text for _, text in [*result.failures, *result.errors])
    assert "RuntimeError: no disk" in text
    assert "LG102 leaked on error" in text
    assert [] == context.OPEN


@pytest.mark.parametrize("base", BASES)
def test_a_skipped_test(base: type) -> None:
    """Skipping is no failure, and leaving something before it is none of skipping's."""
    result = unittest.TestResult()
    case_of(base, lambda case: case.skipTest("not here")).run(result)
    assert ([], [], 1) == (result.failures, result.errors, len(result.skipped))


def test_coroutines() -> None:
    """IsolatedAsyncioTestCase: asynchronous set-ups, bodies and cleanups."""

    async def body(case: Any) -> None:
        images.create("a")

    async def clean(case: Any) -> None:
        images.delete("a")

    assert ([], []) == run(case_of(unittest.IsolatedAsyncioTestCase, body, asyncTearDown=clean))
    failures, _ = run(case_of(unittest.IsolatedAsyncioTestCase, body))
    assert "1 violation" in failures[0]


def test_other_threads_count() -> None:
    """The scope reaches the process, as that of the pytest plugin does."""

    def body(case: object) -> None:
        thread = threading.Thread(target=images.create, args=["a"])
        thread.start()
        thread.join()

    failures, _ = run(case_of(unittest.TestCase, body))
    assert "1 violation" in failures[0]


def test_settings_and_the_scope() -> None:
    """Settings stand on the class; the scope of the running test is at hand in it."""
    seen: list[Scope] = []

    def body(case: Any) -> None:
        seen.append(case.lifeguard_scope)
        case.lifeguard_scope.allow(image, why="the test needs it")
        images.create("a")

    assert ([], []) == run(case_of(unittest.TestCase, body, lifeguard_settings={"reach": "context"}))
    assert ([], []) == run(case_of(unittest.TestCase, leaks, lifeguard_settings={"ignore": [image]}))
    assert seen[0].verdict is not None
    assert ["the test needs it"] == [one.why for one in seen[0].verdict.allowed]


def test_a_test_can_be_run_again() -> None:
    """Each run has a scope of its own, and nothing stays on the object."""
    case = case_of(unittest.TestCase, leaks)
    before = dict(vars(case))
    assert run(case) == run(case)
    assert set(before) == set(vars(case)) - {"lifeguard_scope", "_lifeguard_error", "_lifeguard_current"}


def test_an_interrupted_test_leaves_no_scope_open() -> None:
    """Ctrl-C goes through, and nothing is judged."""

    def body(case: object) -> None:
        images.create("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case_of(unittest.TestCase, body).run(unittest.TestResult())
    assert [] == context.OPEN


def test_subtests_are_judged_as_one() -> None:
    """A test with subtests that fail goes on to its end, and is judged then."""

    def body(case: Any) -> None:
        for name in ("a", "b"):
            with case.subTest(name):
                images.create(name)

    failures, _ = run(case_of(unittest.TestCase, body))
    assert "2 violations" in failures[0]


def test_a_runner_of_unittest() -> None:
    """The text runner shows the report."""
    output = io.StringIO()
    suite = unittest.TestSuite([case_of(unittest.TestCase, leaks)])
    result = unittest.TextTestRunner(output).run(suite)
    assert (1, 0) == (len(result.failures), len(result.errors))
    assert "    LG101 leaked (CWE-772)".strip() in output.getvalue()


# --- the fixture -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [testtools.TestCase, oslotest.BaseTestCase])
def test_the_fixture_in_a_test_case(base: type) -> None:
    """`useFixture` opens it, and its cleanup judges, after those that were added later."""

    class TestIt(base):  # type: ignore[misc]
        def setUp(self) -> None:
            super().setUp()
            self.watched = self.useFixture(ScopeFixture("of the test"))

        def test_balances(self) -> None:
            self.addCleanup(images.delete, "a")
            images.create("a")

        def test_leaks(self) -> None:
            images.create("a")

        def test_allows(self) -> None:
            self.watched.scope.allow(image, why="needed")
            images.create("a")

    assert ([], []) == run(TestIt("test_balances"))
    assert ([], []) == run(TestIt("test_allows"))
    result = unittest.TestResult()
    TestIt("test_leaks").run(result)
    assert "1 violation in scope 'of the test'" in "".join(text for _, text in [*result.failures, *result.errors])


def test_the_fixture_inside_another_one() -> None:
    """Fixtures use fixtures."""

    class Outer(fixtures.Fixture):
        def _setUp(self) -> None:
            self.useFixture(ScopeFixture("inner"))

    with pytest.raises(Exception, match="1 violation in scope 'inner'"), Outer():
        images.create("a")
    with Outer():
        pass


def test_the_fixture_as_a_block() -> None:
    """A block that raised is chained to, not replaced."""
    with pytest.raises(AssertionError, match="which was left by RuntimeError") as raised, ScopeFixture("block"):
        images.create("a")
        raise RuntimeError("no disk")
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_the_fixture_anew() -> None:
    """`reset` judges what was and begins anew; a fixture that is in use cannot be set up again."""
    fixture = ScopeFixture("again")
    fixture.setUp()
    first = fixture.scope
    fixture.reset()
    assert fixture.scope is not first
    with pytest.raises(UsageError, match="is in use"):
        fixture.setUp()
    fixture.cleanUp()
    fixture.cleanUp()


def test_a_setting_that_makes_no_sense() -> None:
    """Is refused where it is written."""
    with pytest.raises(DeclarationError, match="reach"):
        ScopeFixture(reach="all")
