"""The name of a faulted run: readable, safe in a shell, and enough to run it again.

    lg1:compute.attach@2:after:TimeoutError~9f3c

says: the second call of `compute.attach` takes effect, and its caller gets a TimeoutError. Two faults are joined by `+`.
What follows `~` is a hash of the calls that came before the last fault, so that a run that goes another way is noticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from lifeguard.errors import UsageError
from lifeguard.keys import repr_safely

Phase = Literal["before", "after", "stuck"]

PHASES: Final = ("before", "after", "stuck")
CANCELLED: Final = "cancelled"
"""Stands for the exception where a call is cancelled."""

_VERSION = "lg1"
_FAULT = re.compile(r"(?P<call>[\w.-]+)@(?P<nth>[1-9]\d*):(?P<phase>before|after|stuck):(?P<error>[\w.-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule.

    Attributes:
        call: the name of the call, as it stands in tokens.
        nth: which of the calls of that name in the run, counted from 1.
        phase: "before": it fails without effect; "after": it takes effect and its caller gets the error; "stuck": this
            and every later call of that name fails without effect.
        error: the name of the exception, or "cancelled".
    """

    call: str
    nth: int
    phase: Phase
    error: str

    def __str__(self) -> str:
        return f"{self.call}@{self.nth}:{self.phase}:{self.error}"


Schedule = tuple[Planned, ...]
"""The faults of one run, in the order in which they befall it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A schedule, and the hash of the way to its last fault.

    Attributes:
        schedule: the faults.
        way: the hash; "" where the way does not matter.
    """

    schedule: Schedule
    way: str = ""

    def __str__(self) -> str:
        return f"{_VERSION}:{'+'.join(map(str, self.schedule))}" + (f"~{self.way}" if self.way else "")

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read a token.

        Raises:
            UsageError: it is none.
        """
        version, _, rest = text.strip().partition(":")
        faults, tilde, way = rest.partition("~")
        found = [_FAULT.fullmatch(one) for one in faults.split("+")]
        if version != _VERSION or not all(found) or (tilde and not re.fullmatch("[0-9a-f]{4}", way)):
            raise UsageError.at_caller(
                f"{repr_safely(text)} is no replay token; one looks like lg1:compute.attach@2:after:TimeoutError~9f3c"
            )
        schedule = tuple(
            Planned(one["call"], int(one["nth"]), one["phase"], one["error"])  # type: ignore[arg-type]
            for one in found
            if one is not None
        )
        return cls(schedule, way)


def hash_of_way(calls: Iterable[str]) -> str:
    """Four hexadecimal digits that stand for a sequence of calls."""
    return hashlib.sha256("\n".join(calls).encode()).hexdigest()[:4]


def safe_name(name: str) -> str:
    """A function's qualified name as it stands in tokens: what a local function is local to is left out."""
    short = name.rpartition("<locals>.")[2]
    return re.sub(r"[^A-Za-z0-9_.-]", "_", short) or "_"
