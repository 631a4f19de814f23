"""A row of the table, and samples taken in turns."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

Sample = Callable[[], float]
"""Does some work and says what one unit of it cost."""


@dataclass(frozen=True, slots=True)
class Options:
    """How thoroughly to measure."""

    rounds: int
    quick: bool
    rows: tuple[str, ...] = ()

    def wants(self, *names: str) -> bool:
        """Whether a row (or family) of one of these names was asked for."""
        return not self.rows or any(row in name for row in self.rows for name in names)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    family: str
    name: str
    what: str
    measured: float
    low: float
    """The lower quartile of the rounds, or the lowest of a few."""
    high: float
    unit: str = "×"
    aim: float | None = None
    at_least: bool = False
    """Whether the aim is a floor, and not a ceiling."""
    note: str = ""
    curve: tuple[tuple[float, float], ...] = field(default=())
    """How it grows: what was varied, and what was measured there."""
    over: str = ""
    """What the curve's first value counts."""

    @property
    def passed(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.aim is None:
            return None
        return self.measured >= self.aim if self.at_least else self.measured <= self.aim

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data, as the JSON file has it."""
        return {**asdict(self), "passed": self.passed}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and the two quartiles."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def in_turns(samples: Mapping[str, Sample], rounds: int) -> dict[str, list[float]]:
    """Take a sample of each in every round, in an order that changes from round to round.

    What disturbs a machine for longer than a round disturbs all of them alike.
    """
    order = list(samples)
    shuffle = random.Random(0).shuffle
    found: dict[str, list[float]] = {name: [] for name in order}
    for sample in samples.values():
        sample()
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            found[name].append(samples[name]())
    return found


def ratios(found: Mapping[str, Sequence[float]], name: str, base: str) -> list[float]:
    """One contender against another, round by round."""
    return [one / other for one, other in zip(found[name], found[base], strict=True)]


def elapsed(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    """How long it takes, in seconds."""
    began = clock()
    work()
    return clock() - began
