"""The machine finds every hole that is planted in a random fake, and nothing in a correct one."""

from __future__ import annotations

import os

import pytest
from stories import codes, failure, run

from lifeguard.integrations.hypothesis import state_machine
from state_machines.random_fakes import HOLES, Broken, Plan, make_fake

NUMBERS = range(int(os.environ.get("LIFEGUARD_FAKES", "2")))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_correct_fake_passes(number: int) -> None:
    """Whatever it is made of, nothing is said of it, and each of its methods was called."""
    machine = state_machine(make_fake(Plan.at_random(number, "")), leaks=True)
    run(machine, 40)
    assert [] == [step.name for step in machine.cast.steps if not step.made]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("hole", HOLES)
def test_a_planted_hole_is_found(hole: str, number: int) -> None:
    """Each by the rule that it breaks."""
    plan = Plan.at_random(number, hole)
    error = failure(state_machine(make_fake(plan), leaks=True), shrinks=False)
    assert HOLES[hole] == ("Broken" if isinstance(error, Broken) else codes(error)[0])
