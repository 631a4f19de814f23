"""What an exploration gives back: frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lifeguard.faults.plan import Row
from lifeguard.faults.report import doubts_of, render
from lifeguard.places import Place
from lifeguard.verdict import Violation


@dataclass(frozen=True, slots=True)
class Point:
    """One fault that could be tried.

    Attributes:
        call: the name of the call, as it stands in tokens.
        nth: which of the calls of that name it is, counted from 1.
        phase: "before", "after" or "stuck".
        error: the name of the exception, or "cancelled".
        place: the line that makes the call.
        status: "run"; "equivalent" to one that was run; or "left out", where the search ended before.
        reaction: it is a call that runs because of another fault.
    """

    call: str
    nth: int
    phase: str
    error: str
    place: Place | None
    status: Literal["run", "equivalent", "left out"]
    reaction: bool = False

    def __str__(self) -> str:
        return f"{self.call}@{self.nth}:{self.phase}:{self.error}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with the simplest schedule of faults that shows it.

    Attributes:
        verdict: "leak", "double release", "use after release", "missing rollback", "failed rollback", "lost reply",
            "broken rule", "masked", "check failed" or "organic failure".
        code: the code of the rule; "" where a check of the scenario failed.
        kind: the name of the kind; "" where it is about none.
        key: which one: the plain value, or a text where it is an object.
        token: names the run, for a replay.
        message: one sentence.
        place: where it was acquired, else where it came about.
        violation: the violation; None for what is not about the ledger.
        schedules: the tokens of all runs that show a finding of this origin, the simplest first.
        ended: what left the scenario in that run; "" where it returned.
        faults: what was made to fail in that run, and where, one sentence each.
        timeline: what the run did, call by call.
    """

    verdict: str
    code: str
    kind: str
    key: object
    token: str
    message: str
    place: Place | None
    violation: Violation | None
    schedules: tuple[str, ...]
    ended: str = ""
    faults: tuple[str, ...] = ()
    timeline: tuple[Row, ...] = ()

    def __str__(self) -> str:
        name = f"{self.code} " if self.code else ""
        return f"{name}{self.verdict}: {self.message} [{self.token}]"


@dataclass(frozen=True, slots=True)
class Counted:
    """Runs of one sort that are no findings.

    Attributes:
        count: how many runs.
        examples: what they were about: the first ones.
    """

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an exploration found.

    Attributes:
        scenario: its name.
        findings: what is wrong, those with the simplest schedule first.
        points: every fault that could be tried.
        runs: how many times the scenario ran, baselines and shrinking included.
        complete: whether every point was run, or one that is equivalent to it.
        organic: why the scenario fails without any fault; "" where it does not. Nothing else is claimed then.
        diverged: where the scenario first did something else than before, though nothing had failed; "" where it never did.
        absorbed: runs that went on as if nothing had happened.
        residue: runs that left an obligation whose own release was made to fail.
        lost: runs in which the answer to an acquire was lost.
        timed_out: runs that were stopped.
        not_reached: runs that did not come to the call that was to fail.
        unguarded: calls in threads that the plan cannot reach.
        bound: why the search is not complete; "" where it is.
        replayed: the token, where the exploration was a replay.
        strict: whether doubts are failures.
    """

    scenario: str
    findings: tuple[Finding, ...] = ()
    points: tuple[Point, ...] = ()
    runs: int = 0
    complete: bool = True
    organic: str = ""
    diverged: str = ""
    absorbed: Counted = Counted()
    residue: Counted = Counted()
    lost: Counted = Counted()
    timed_out: Counted = Counted()
    not_reached: Counted = Counted()
    unguarded: Counted = Counted()
    bound: str = ""
    replayed: str = ""
    strict: bool = False

    @property
    def doubts(self) -> tuple[str, ...]:
        """What takes away from the claim that nothing is wrong; failures where the exploration is strict."""
        return doubts_of(self)

    def report(self, *, hint: str = "") -> str:
        """The result as text.

        Args:
            hint: how a replay is called for; "{token}" in it stands for the token.
        """
        return render(self, hint=hint)

    def raise_if_found(self) -> None:
        """Fail where something is wrong.

        Raises:
            ExplorationFailed: there are findings, or the scenario fails without any fault; with `strict`, also where the
                search was not complete, or the scenario is not deterministic.
        """
        __tracebackhide__ = True
        if self.findings or self.organic or (self.strict and self.doubts):
            raise ExplorationFailed(self)


class ExplorationFailed(AssertionError):
    """An exploration found something. Its text is the report.

    Attributes:
        result: everything that it has to say.
    """

    def __init__(self, result: Result, hint: str = "") -> None:
        super().__init__(result, hint)
        self.result = result
        self._hint = hint

    def __str__(self) -> str:
        return self.result.report(hint=self._hint)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return self.result.findings


class ReplayDiverged(AssertionError):
    """A replay could not follow the way that its token names: the program is another one, or not deterministic."""


class FaultNotReached(AssertionError):
    """A fault was armed, and no call came to it."""
