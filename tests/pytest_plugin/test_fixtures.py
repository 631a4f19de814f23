"""Fixtures that outlive a test answer for themselves."""

from __future__ import annotations

import pytest
from suites import Suite, closing_line, counted, short_summary


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_what_a_long_fixture_acquires_is_its_own(suite: Suite, scope: str) -> None:
    """No test is blamed for what a fixture holds across tests; once it ends, it answers, in an error of its own."""
    suite.tests(
        f"""
        @pytest.fixture(scope="{scope}")
        def tidy():
            images.create("tidy")
            yield
            images.delete("tidy")

        @pytest.fixture(scope="{scope}")
        def untidy():
            images.create("untidy")

        class TestAll:
            def test_first(self, tidy, untidy): balance()
            def test_second(self, tidy): balance()
        """
    )
    result = suite.run()
    assert ({"passed": 2, "errors": 1}, 1) == (counted(result), result.ret)
    assert "ERROR test_it.py::TestAll::test_second - LG101 image 'untidy'" in short_summary(result)[0]
    assert f"{scope} fixture 'untidy'" in "\n".join(result.outlines)
    assert "2 tests and 2 fixtures watched" in closing_line(result)


def test_a_long_fixture_and_its_last_test_both_leak(suite: Suite) -> None:
    """Both are told, one after the other; the test is the one that failed."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            images.create("of the fixture")

        def test_it(long):
            images.create("of the test")
        """
    )
    result = suite.run()
    assert {"failed": 1} == counted(result)
    text = result.outlines
    places = [line for line in text if line.startswith(">   ")]
    assert ['>   images.create("of the fixture")', '>   images.create("of the test")'] == places
    assert 2 == sum(line.startswith("E   LG101") for line in text)


def test_what_a_test_acquires_later_is_the_tests(suite: Suite) -> None:
    """A service that a fixture made is used by tests: what they acquire from it is theirs."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def service(): return cloud.Images()

        def test_leaks(service): service.create("a")
        def test_is_innocent(service): pass
        """
    )
    result = suite.run()
    assert {"failed": 1, "passed": 1} == counted(result)
    assert "FAILED test_it.py::test_leaks" in short_summary(result)[0]


def test_acquires_of_a_tear_down_are_the_fixtures(suite: Suite) -> None:
    """What is acquired while the fixture is torn down is not the last test's."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            yield
            leak("at the end")

        def test_it(long): pass
        """
    )
    result = suite.run()
    assert {"passed": 1, "errors": 1} == counted(result)
    assert "module fixture 'long' (test_it.py)" in "\n".join(result.outlines)


def test_a_long_fixture_that_fails(suite: Suite) -> None:
    """What it had acquired before it failed is judged when it ends, as left on error; its own finalisers count."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def broken(request):
            images.create("released")
            request.addfinalizer(lambda: images.delete("released"))
            images.create("left")
            raise RuntimeError("no disk")

        def test_it(broken): pass
        """
    )
    result = suite.run()
    assert {"errors": 2} == counted(result)
    assert "RuntimeError: no disk" in short_summary(result)[0]
    assert "LG102 image 'left'" in short_summary(result)[1]
    assert "image 'released'" not in "\n".join(result.outlines)


def test_a_parametrised_long_fixture_is_named_with_its_parameter(suite: Suite) -> None:
    """Each of its lives has a scope of its own; the next parameter's test is not stopped by what the last one left."""
    suite.tests(
        """
        @pytest.fixture(scope="module", params=["a", "b"])
        def long(request): images.create(request.param)

        def test_it(long): balance()
        """
    )
    result = suite.run()
    assert {"passed": 2, "errors": 1} == counted(result)
    text = "\n".join(result.outlines)
    assert "module fixture 'long' ['a'] (test_it.py)" in text
    assert "module fixture 'long' ['b'] (test_it.py)" in text


def test_a_fixture_asked_for_in_the_middle(suite: Suite) -> None:
    """`getfixturevalue` in a test sets up a long fixture; what it acquires is the fixture's."""
    suite.tests(
        """
        @pytest.fixture(scope="session")
        def long():
            images.create("long")
            yield
            images.delete("long")

        def test_asks(request):
            request.getfixturevalue("long")
            balance()

        def test_after(): pass
        """
    )
    assert {"passed": 2} == counted(suite.run())


def test_long_fixtures_that_need_each_other(suite: Suite) -> None:
    """Each answers for its own, also where one is set up and torn down inside the other."""
    suite.tests(
        """
        @pytest.fixture(scope="session")
        def session():
            images.create("session")
            yield
            images.delete("session")

        @pytest.fixture(scope="module")
        def module(session, request):
            images.create("module")
            request.getfixturevalue("inner")
            images.create("module too")
            yield
            images.delete("module")

        @pytest.fixture(scope="class")
        def of_class(): pass

        @pytest.fixture(scope="module")
        def inner():
            ports.create("inner")
            yield
            ports.delete("inner")

        def test_it(module): pass
        """
    )
    result = suite.run()
    assert {"passed": 1, "errors": 1} == counted(result)
    assert "LG101 image 'module too'" in short_summary(result)[0]


def test_a_key_that_a_fixture_holds(suite: Suite) -> None:
    """A test that makes again what a fixture holds is a finding, and a test may use up what a fixture made."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long(): images.create("k")

        def test_uses_up(long): images.delete("k")
        """
    )
    assert {"passed": 1} == counted(suite.run())
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            images.create("k")
            yield
            images.delete("k")
            images.delete("k")

        def test_again(long): images.create("k")
        """
    )
    result = suite.run()
    assert {"passed": 1, "errors": 1} == counted(result)
    assert "LG106" in short_summary(result)[0]


def test_a_test_that_is_switched_off_is_nobodys(suite: Suite) -> None:
    """What it leaves is not taken by a fixture that is alive meanwhile; nor is a kind that a test ignores."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            images.create("long")
            yield
            images.delete("long")

        @pytest.mark.lifeguard("off")
        def test_off(long): leak()

        @pytest.mark.lifeguard(ignore=["image"])
        def test_ignores(long): leak()

        def test_last(long): pass
        """
    )
    assert {"passed": 3} == counted(suite.run())


def test_set_up_of_classes_and_modules(suite: Suite) -> None:
    """setUpClass, setup_module and their like are fixtures that outlive a test."""
    suite.tests(
        """
        import unittest

        def setup_module(): ports.create("module")
        def teardown_module(): ports.delete("module")

        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                images.create("a")
                cls.addClassCleanup(images.delete, "a")
                images.create("b")

            def test_one(self): balance()
            def test_two(self): balance()
        """
    )
    result = suite.run()
    assert {"passed": 2, "errors": 1} == counted(result)
    assert "setUpClass of TestCase" in "\n".join(result.outlines)
    assert "image 'b'" in short_summary(result)[0]


def test_a_marked_test_in_a_run_that_is_off(suite: Suite) -> None:
    """A long fixture that it is the first to need has a scope of its own, too."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            images.create("long")
            yield
            images.delete("long")

        @pytest.mark.lifeguard
        def test_marked(long): balance()
        def test_not_marked(long): leak()
        """
    )
    assert {"passed": 2} == counted(suite.run_as_it_is())


def test_reach_context(suite: Suite) -> None:
    """With reach = context, fixtures and tests are told apart all the same."""
    suite.ini("lifeguard_reach = context")
    suite.tests(
        """
        import threading

        @pytest.fixture(scope="module")
        def long():
            images.create("long")
            yield
            images.delete("long")

        def test_leaks(long): leak()

        def test_other_threads_are_not_seen():
            thread = threading.Thread(target=leak)
            thread.start()
            thread.join()
        """
    )
    result = suite.run()
    assert {"failed": 1, "passed": 1} == counted(result)
    assert "test_leaks" in short_summary(result)[0]
