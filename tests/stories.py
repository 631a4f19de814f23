"""Runs state machines and gives back the story that Hypothesis tells of what it found."""

from __future__ import annotations

from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from lifeguard import ViolationError

FEW = 60
"""So many examples for a machine that should find nothing, or what it finds at once."""


def _settings(examples: int, *, shrinks: bool = True) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        report_multiple_bugs=False,
    )


def run(machine: Any, examples: int = FEW, *, shrinks: bool = True) -> None:
    """Let a machine look for something; raises what it finds."""
    run_state_machine_as_test(machine, settings=_settings(examples, shrinks=shrinks))


def failure(machine: Any, examples: int = 200, *, shrinks: bool = True) -> Exception:
    """What a machine finds, with the shortest story of it where it shrinks; an AssertionError where it finds nothing."""
    try:
        run(machine, examples, shrinks=shrinks)
    except Exception as error:
        return error
    raise AssertionError(f"{machine.__name__} found nothing in {examples} examples")


def story(error: Exception) -> list[str]:
    """The steps that Hypothesis prints for a failure, without the first and the last line that every story has."""
    lines = "\n".join(getattr(error, "__notes__", ())).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("state = "))
    last = next(number for number, line in enumerate(lines) if line == "state.teardown()")
    return lines[first + 1 : last]


def codes(error: Exception) -> list[str]:
    """The rules that a failure names."""
    assert isinstance(error, ViolationError), repr(error)
    return [violation.code for violation in error.violations]


def found(machine: Any, examples: int = 200) -> tuple[list[str], list[str]]:
    """The rules that a machine finds broken, and the story of it."""
    error = failure(machine, examples)
    return codes(error), story(error)
