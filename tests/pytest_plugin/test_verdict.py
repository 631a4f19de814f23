"""When a test is judged, who is blamed, and what is shown."""

from __future__ import annotations

import pytest
from suites import Suite, closing_line, counted, short_summary


def test_a_test_that_leaks_fails(suite: Suite) -> None:
    """It is the test itself that is shown as failed, once, with its exit code."""
    suite.tests("def test_leaks(): leak()\ndef test_balances(): balance()\n")
    result = suite.run()
    assert ({"failed": 1, "passed": 1}, 1) == (counted(result), result.ret)
    assert [
        "FAILED test_it.py::test_leaks - LG101 image 'left': still held when the scope ended, acquired at cloud.py:37 in leak"
    ] == short_summary(result)


def test_progress_shows_a_test_once(suite: Suite) -> None:
    """One letter and one word for a test, as always, though it is judged after its body."""
    suite.tests("def test_leaks(): leak()\ndef test_balances(): balance()\n")
    assert "test_it.py F.                                                            [100%]".split() in [
        line.split() for line in suite.run().outlines
    ]
    lines = [line.split()[:2] for line in suite.run("-v").outlines if "::" in line and "%]" in line]
    assert [["test_it.py::test_leaks", "FAILED"], ["test_it.py::test_balances", "PASSED"]] == lines


def test_the_body_shows_the_line_of_the_acquire(suite: Suite) -> None:
    """The source that is shown is the user's, as are file and line for editors and annotations; nothing of ours."""
    suite.tests("def test_leaks():\n    images.create('a')\n")
    text = suite.run().outlines
    assert ">   images.create('a')" in text
    assert "test_it.py:5: ViolationError" in text
    assert "E     acquired  test_it.py:5 in test_leaks (MainThread)" in text
    assert [] == [line for line in text if "plugin.py" in line or "_callers" in line]


def test_a_tests_own_fixtures_are_torn_down_before_it_is_judged(suite: Suite) -> None:
    """What a fixture acquires and releases around the test is no leak, and what it forgets is one of the test."""
    suite.tests(
        """
        @pytest.fixture
        def tidy():
            images.create("tidy")
            yield
            images.delete("tidy")

        @pytest.fixture
        def untidy():
            images.create("untidy")

        def test_tidy(tidy): pass
        def test_untidy(tidy, untidy): pass
        """
    )
    result = suite.run()
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "image 'untidy'" in short_summary(result)[0]


def test_a_test_that_failed_by_itself_and_leaks_shows_both(suite: Suite) -> None:
    """The failure is shown as it is without lifeguard; the leak stands beside it, as an error at its end."""
    suite.tests("def test_both():\n    leak()\n    assert 1 == 2\n")
    result = suite.run()
    assert {"failed": 1, "errors": 1} == counted(result)
    assert [
        "FAILED test_it.py::test_both - assert 1 == 2",
        (
            "ERROR test_it.py::test_both - LG102 image 'left': still held when the scope was left by AssertionError: "
            "assert 1 == 2, acquired at cloud.py:37 in leak"
        ),
    ] == short_summary(result)


def test_a_failing_tear_down_and_a_leak_show_both(suite: Suite) -> None:
    """The leak is told after what the fixture's finaliser raised; the body passed and is counted so."""
    suite.tests(
        """
        @pytest.fixture
        def broken():
            yield
            raise RuntimeError("disk busy")

        def test_it(broken): leak()
        """
    )
    result = suite.run()
    assert {"passed": 1, "errors": 1} == counted(result)
    text = "\n".join(result.outlines)
    assert text.index("RuntimeError: disk busy") < text.index("LG101 leaked (CWE-772)")


def test_a_failing_tear_down_alone_is_as_without_lifeguard(suite: Suite) -> None:
    """A test that passed is counted as passed, beside the error."""
    suite.tests("@pytest.fixture\ndef broken():\n    yield\n    1 / 0\n\ndef test_it(broken): balance()\n")
    assert {"passed": 1, "errors": 1} == counted(suite.run()) == counted(suite.run_as_it_is())


def test_a_failing_set_up_and_a_leak_show_both(suite: Suite) -> None:
    """What a fixture acquired before it failed is owed all the same."""
    suite.tests("@pytest.fixture\ndef broken():\n    leak()\n    1 / 0\n\ndef test_it(broken): pass\n")
    result = suite.run()
    assert {"errors": 2} == counted(result)
    assert [True, False] == ["ZeroDivisionError" in line.split(" - ")[1][:20] for line in short_summary(result)]
    assert "LG102 image 'left'" in short_summary(result)[1]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("pytest.skip('not here')", {"skipped": 1}),
        ("pytest.xfail('not yet')", {"xfailed": 1}),
        ("pytest.fail('no')", {"failed": 1}),
    ],
)
def test_pytests_own_ways_to_end_a_test_stay_what_they_are(suite: Suite, body: str, outcome: dict[str, int]) -> None:
    """A test that balances is shown as ever; what it left when it was skipped or failed is an error beside."""
    suite.tests(f"def test_it():\n    balance()\n    {body}\n")
    assert outcome == counted(suite.run())
    suite.tests(f"def test_it():\n    leak()\n    {body}\n")
    assert {**outcome, "errors": 1} == counted(suite.run())


def test_pytest_fail_is_told_at_its_own_line(suite: Suite) -> None:
    """It is an outcome and no Exception, and a failure all the same."""
    suite.tests("def test_it():\n    leak()\n    pytest.fail('no')\n")
    text = "\n".join(suite.run().outlines)
    assert "here      the scope was left by Failed: no, raised at test_it.py:6 in test_it" in text


def test_marked_xfail(suite: Suite) -> None:
    """A mark speaks of the tear-down, too: a test that is expected to fail may leave something."""
    suite.tests("@pytest.mark.xfail\ndef test_it():\n    leak()\n    assert 0\n")
    assert ({"xfailed": 2}, 0) == (counted(result := suite.run()), result.ret)


def test_each_test_is_blamed_for_its_own(suite: Suite) -> None:
    """The same key leaked by one test and made again by the next is no finding of the next."""
    suite.tests("def test_a(): leak('k')\ndef test_b(): balance('k')\ndef test_c(): leak('k')\n")
    result = suite.run()
    assert {"failed": 2, "passed": 1} == counted(result)
    assert ["test_a", "test_c"] == [line.split()[1].partition("::")[2] for line in short_summary(result)]


def test_what_was_swallowed_inside_is_told(suite: Suite) -> None:
    """A scope of the code under test whose verdict was swallowed is told at the end of the test, once."""
    suite.tests(
        """
        from lifeguard import scope

        def test_swallows():
            try:
                with scope("inside"):
                    leak()
            except Exception:
                pass

        def test_after(): pass
        """
    )
    result = suite.run()
    assert {"failed": 1, "passed": 1} == counted(result)
    text = "\n".join(result.outlines)
    assert "E   lifeguard.ViolationError: scope 'test_it.py::test_swallows' balanced, but:" in text
    assert 1 == text.count("raised by an inner scope, and swallowed:")


def test_a_short_summary_of_one_line_under_ci(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CI is set pytest prints whole messages; ours is one line, whoever opened the scope."""
    monkeypatch.setenv("CI", "true")
    suite.tests(
        """
        from lifeguard import scope

        def test_two():
            leak("a")
            leak("b")

        def test_own_scope():
            with scope("own"):
                leak("c")
        """
    )
    assert [
        "FAILED test_it.py::test_own_scope - LG101 image 'c': still held when the scope ended, acquired at cloud.py:37 in leak",
        (
            "FAILED test_it.py::test_two - LG101 image 'a': still held when the scope ended, acquired at cloud.py:37 in leak "
            "(and 1 more)"
        ),
    ] == sorted(short_summary(suite.run()))


def test_what_is_found_without_a_line_points_at_the_test(suite: Suite) -> None:
    """An acquire of a task that nobody called has no line of its own."""
    suite.tests(
        """
        import asyncio

        class Loop:
            @cloud.acquires(image, key="name")
            async def create(self, name): pass

        def test_it():
            asyncio.run(Loop().create("a"))
        """
    )
    assert "test_it.py:11: ViolationError" in suite.run().outlines


def test_the_closing_line_counts_what_was_watched(suite: Suite) -> None:
    """Tests, contracts and calls, so that one sees what the verdict rests on."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long():
            ports.create("p")
            yield
            ports.delete("p")

        def test_a(long): balance()
        def test_b():
            images.create("x")
            images.publish("x")
        @pytest.mark.skip
        def test_c(): leak()
        @pytest.mark.lifeguard("off")
        def test_d(): leak()
        """
    )
    result = suite.run_apart("--lifeguard")
    assert (
        "2 tests and 1 fixture watched; 5 of 5 contracts called; 3 acquired, 2 released, 1 handed over"
    ) == closing_line(result)
    verbose = suite.run_apart("--lifeguard", "-v").outlines
    assert "  port: 1 acquired, 1 released, 0 handed over" in verbose
    suite.tests(
        """
        from lifeguard import Rollback, on_failure, rolls_back, uses

        spawn = Rollback("spawn")

        @on_failure(spawn, key="name")
        def boot(name): raise RuntimeError

        @rolls_back(spawn, key="name")
        def clean(name): ...

        @uses(image, key="name")
        def show(name): ...

        def test_it():
            with pytest.raises(RuntimeError):
                boot("s")
            clean("s")
            show("never seen")
        """
    )
    verbose = suite.run_apart("--lifeguard", "-v").outlines
    start = verbose.index("lifeguard: 1 test watched; 3 of 8 contracts called; 0 acquired, 0 released, 0 handed over")
    assert [
        "  image: 0 acquired, 0 released, 0 handed over, 1 unmatched",
        "  spawn: 0 acquired, 0 released, 0 handed over, 1 failed, 1 rolled back",
        "  saw no call: Images.create",
    ] == verbose[start + 1 : start + 4]


def test_a_run_that_watched_nothing_says_so(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green because nothing was looked at is not green."""
    suite.write("test_it.py", "def test_a(): pass\n")
    nothing = "1 test watched, and nothing seen: no contract is in force (see lifeguard_contracts)"
    assert nothing == closing_line(suite.run_apart("--lifeguard"))
    suite.tests("def test_a(): pass\n")
    assert "1 test watched, and nothing seen: 0 of 5 contracts called" == closing_line(suite.run_apart("--lifeguard"))
    suite.tests("@pytest.mark.lifeguard('off')\ndef test_a(): pass\n")
    assert "no test was watched" == closing_line(suite.run_apart("--lifeguard"))
    monkeypatch.setenv("LIFEGUARD", "off")
    suite.tests("def test_a(): leak()\n")
    assert "1 test ran with LIFEGUARD=off: nothing was watched" == closing_line(suite.run_apart("--lifeguard"))
