"""The machine beside icontract, deal, unittest and pytest; and its example."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import deal
import hypothesis
import icontract
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import rule
from stories import codes, failure, found, run, story

import lifeguard
from lifeguard import Resource, acquires, releases
from lifeguard.integrations.hypothesis import held_key, state_machine
from state_machines.test_found import DoubleServers

lock = Resource("lock")
ROOT = Path(__file__).parents[2]


class Full(Exception):
    """There is no room."""


class Pool(icontract.DBC):
    """Conditions of both libraries."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    @icontract.require(lambda size: size > 3)
    @icontract.require(lambda size: size < 100)
    @acquires(lock, key="name")
    @deal.raises(Full)
    def take(self, name: str, size: int) -> None:
        """Take one."""
        assert 3 < size < 100
        if size > 50:
            raise Full
        self.held.add(name)

    @deal.pre(lambda self, name, turns: turns > 5)
    @icontract.require(lambda self, name: name in self.held)
    @icontract.ensure(lambda self, name: name not in self.held)
    @releases(lock, key="name")
    def free(self, name: str, turns: int) -> None:
        """Give it back."""
        assert turns > 5
        self.held.remove(name)


class Weaker(Pool):
    """An override that asks for less, as icontract lets it."""

    small = 0

    @icontract.require(lambda size: size == 1)
    @acquires(lock, key="name")
    def take(self, name: str, size: int) -> None:
        """Take one."""
        assert size == 1 or 3 < size < 100
        Weaker.small += size == 1
        self.held.add(name)


def test_preconditions_are_respected() -> None:
    """Those of icontract, weakened ones too, and of deal; what `deal.raises` declares is no error."""
    run(state_machine(Pool), 40)
    run(state_machine(Weaker, strategies={"size": st.integers(0, 200)}), 40)
    assert Weaker.small


class Lax(Pool):
    """Does not do what its postcondition says."""

    @icontract.ensure(lambda self, name: name not in self.held)
    @releases(lock, key="name")
    def free(self, name: str, turns: int) -> None:
        """Give it back, or so it seems."""


def test_a_postcondition_that_breaks_is_found() -> None:
    """It comes out as icontract's own error."""
    error = failure(state_machine(Lax))
    assert isinstance(error, icontract.ViolationError)
    assert "lock_0 = state.take(name='', size=4)" == story(error)[0]


class Swallowing:
    """Hides that a condition broke."""

    @acquires(lock, key="result")
    def take(self) -> object:
        """Take one."""
        try:
            self.check(0)
        except icontract.ViolationError:
            pass
        return object()

    @icontract.require(lambda size: size > 0)
    def check(self, size: int) -> None:
        """Never called rightly."""


def test_a_swallowed_condition() -> None:
    """With `conditions=` it is found all the same."""
    run(state_machine(Swallowing), 10)
    assert (["LG301"], ["state.take()"]) == found(state_machine(Swallowing, conditions="icontract"))


def test_rules_of_ones_own() -> None:
    """A subclass has the object, and what is held."""
    base: Any = state_machine(Pool, exclude=["free"], strategies={"take.size": st.just(10)})

    class Own(base):  # type: ignore[misc]
        @rule(name=held_key(lock))
        def is_there(self, name: str) -> None:
            assert name in self.subject.held
            assert len(self.subject.held) < 3

    lines = story(failure(Own))
    assert 4 == len(lines)
    assert lines[-1].startswith("state.is_there(name='")


def test_it_is_a_test_case() -> None:
    """unittest runs it; settings that were given count, and those that were not are the machine's own."""
    given = hypothesis.settings(max_examples=7, database=None, suppress_health_check=list(HealthCheck))
    case: Any = state_machine(Pool, settings=given).TestCase
    assert (7, None) == (case.settings.max_examples, case.settings.deadline)
    assert hypothesis.Phase.explain not in case.settings.phases
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert (1, [], []) == (result.testsRun, result.errors, result.failures)


def test_what_is_found_is_judged_here_alone() -> None:
    """A scope around the test is not told what the machine's own scope has judged."""
    with lifeguard.scope("around") as around:
        error = failure(state_machine(DoubleServers), shrinks=False)
    assert ["LG103"] == codes(error)[:1]
    assert around.verdict is not None
    assert around.verdict.balanced


def test_the_example() -> None:
    """It prints the story of its own mistake."""
    command = [sys.executable, "examples/state_machine.py"]
    environment = {"PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert "LG106 image 'img-1': acquired again while held" == lines[0]
    assert [
        "state = FakeImagesMachine()",
        "image_0 = state.create(name='')",
        "image_1 = state.create(name='')",
        "state.delete(image_id=image_0)",
        "state.create(name='')",
        "state.teardown()",
    ] == lines[2:8]
