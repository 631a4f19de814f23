"""A run of pytest with its workers in one scope."""

from __future__ import annotations

import re

import pytest

SUITE = """
from lifeguard import Resource, acquires, releases
image = Resource("image")
@acquires(image, key="name")
def create(name): ...
@releases(image, key="name")
def delete(name): ...

def test_one():
    create("one")

def test_two():
    create("two")

def test_three():
    create("three")
    delete("three")
"""


def lines(result: pytest.RunResult) -> str:
    """What a run printed."""
    return result.stdout.str() + result.stderr.str()


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the suite with the plugin."""
    return pytester.runpytest_subprocess("-p", "lifeguard.integrations.xdist", "-p", "no:cacheprovider", *arguments)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_workers_leave_is_told_at_the_end_of_the_run(workers: str, pytester: pytest.Pytester) -> None:
    """What any worker left fails the run, though every test passes, and is told once, by the controller."""
    pytester.makepyfile(SUITE)
    result = run(pytester, f"--lifeguard-run-ledger=sqlite:///{pytester.path}/run.db", "-n", workers)
    result.assert_outcomes(passed=3)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    told = lines(result)
    assert 1 == told.count("2 violations in scope 'the run'")
    assert {"'one'", "'two'"} == set(re.findall(r"image ('\w+'): still held", told))


def test_what_one_worker_acquires_another_may_release(pytester: pytest.Pytester) -> None:
    """The books of a run balance over its workers, and then nothing is said."""
    pytester.makepyfile(
        SUITE
        + """
import pytest
@pytest.mark.parametrize("number", range(4))
def test_more(number, worker_id):
    create(f"more {number}")

@pytest.fixture(scope="session", autouse=True)
def _after():
    yield
"""
    )
    pytester.makeconftest(
        """
from lifeguard.stores import current_shared

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        from test_what_one_worker_acquires_another_may_release import delete
        for name in ("one", "two", *(f"more {number}" for number in range(4))):
            delete(name)
"""
    )
    result = run(pytester, f"--lifeguard-run-ledger=sqlite:///{pytester.path}/run.db", "-n", "2")
    result.assert_outcomes(passed=7)
    assert pytest.ExitCode.OK == result.ret, lines(result)
    assert "violation" not in lines(result)


def test_ledger_in_the_ini_file(pytester: pytest.Pytester) -> None:
    """The option of the ini file is the same."""
    pytester.makepyfile(SUITE)
    pytester.makeini(f"[pytest]\nlifeguard_run_ledger = sqlite:///{pytester.path}/run.db\n")
    assert pytest.ExitCode.TESTS_FAILED == run(pytester).ret


def test_without_a_ledger_nothing_is_watched(pytester: pytest.Pytester) -> None:
    """The plugin alone changes nothing."""
    pytester.makepyfile(SUITE)
    result = run(pytester, "-n", "2")
    result.assert_outcomes(passed=3)
    assert pytest.ExitCode.OK == result.ret


def test_run_that_is_started_inside_a_scope_joins_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment names a scope, the run and all its workers are part of that one."""
    from lifeguard import scope
    from lifeguard.stores import child_environment

    ledger = f"sqlite:///{pytester.path}/outer.db"
    pytester.makepyfile(SUITE)
    with scope("outer", ledger=ledger, on_violation="record") as watched:
        for name, value in child_environment({}, ledger=ledger).items():
            monkeypatch.setenv(name, value)
        assert pytest.ExitCode.OK == run(pytester, "-n", "2").ret
        assert ["one", "two"] == sorted(str(one.key) for one in watched.outstanding)
