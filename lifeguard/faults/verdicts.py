"""What one run has to say: what was left, what was excused, and what became of the fault itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from lifeguard.errors import ViolationError
from lifeguard.faults.plan import Plan
from lifeguard.faults.running import Run
from lifeguard.keys import plain, problem_text, show_fields
from lifeguard.ledger.account import name_of
from lifeguard.ledger.records import Finding as Found
from lifeguard.ledger.records import Generation
from lifeguard.places import Place, raised_at
from lifeguard.verdict import Violation

Word = Literal[
    "leak",
    "double release",
    "use after release",
    "missing rollback",
    "failed rollback",
    "lost reply",
    "broken rule",
    "masked",
    "check failed",
    "organic failure",
]

_WORDS: Final[dict[str, Word]] = {
    "LG101": "leak",
    "LG102": "leak",
    "LG103": "double release",
    "LG104": "use after release",
    "LG110": "leak",
    "LG111": "leak",
    "LG201": "missing rollback",
    "LG202": "failed rollback",
    "LG204": "leak",
    "LG205": "lost reply",
    "LG206": "missing rollback",
}

_LEFT: Final = frozenset({"LG101", "LG102"})
"""These two differ only in how the scope ended."""


@dataclass(frozen=True, slots=True)
class Said:
    """One finding of one run.

    Attributes:
        verdict: the word for it.
        code: the code of the rule; "" where no rule is broken, but a check of the scenario.
        kind: the name of the kind; "" where it is about none.
        key: which one.
        key_text: that as a text.
        message: one sentence.
        place: where it was acquired, else where it came about.
        violation: the violation; None for what is not about the ledger.
    """

    verdict: Word
    code: str
    kind: str
    key: object
    key_text: str
    message: str
    place: Place | None
    violation: Violation | None

    @property
    def origin(self) -> object:
        """Findings of one origin are shown once: the same said of what was acquired at the same line."""
        code = "LG101" if self.code in _LEFT else self.code
        return self.verdict, code, self.kind, self.place, "" if self.place is not None else self.message


@dataclass(slots=True)
class Judgement:
    """What one run has to say.

    Attributes:
        findings: what is wrong.
        absorbed: the scenario went on and returned as if nothing had happened. Legal.
        propagated: the scenario raised the fault, or something with it in its chain.
        residue: what is left because its own release was made to fail. Excused.
        lost: what was acquired without an answer. Excused.
        timed_out: the run was stopped.
        not_reached: the schedule named a call that the run did not come to.
        ended: how the run ended, as a text; "" where the scenario returned.
    """

    findings: list[Said] = field(default_factory=list)
    absorbed: bool = False
    propagated: bool = False
    residue: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    timed_out: bool = False
    not_reached: bool = False
    ended: str = ""


def judge(run: Run, *, first_passes: bool = False) -> Judgement:
    """Judge one run.

    Args:
        run: the run.
        first_passes: the first fault of the schedule, alone, leaves the scenario: with a second one it still must.
    """
    plan = run.plan
    told = Judgement(timed_out=run.timed_out, not_reached=plan.missed() is not None)
    told.findings = list(_of_ledger(run))
    told.residue = tuple(dict.fromkeys(name_of(one.kind, one.key) for one in plan.residue))
    told.lost = tuple(dict.fromkeys(name_of(one.kind, one.key) for one in plan.lost))
    ended = run.ended
    told.ended = problem_text(ended) if ended is not None else ""
    if not run.timed_out and not plan.fired and told.not_reached and ended is not None:
        told.findings.append(_by_itself(ended))
    if run.timed_out or not plan.fired:
        return told
    if ended is None:
        told.absorbed = True
        return told
    told.propagated = plan.is_ours(ended)
    first = plan.fired[0]
    if not told.propagated or (first_passes and len(run.schedule) > 1 and not plan.has(ended, first)):
        masked = _masked(run, ended)
        if masked is not None:
            told.findings.append(masked)
    return told


def _by_itself(ended: BaseException) -> Said:
    """A run that broke off before anything had been made to fail: it says nothing of the fault, and must not pass for one
    that found nothing.
    """
    text = f"the scenario failed by itself, before anything was made to fail: {problem_text(ended)}"
    return Said("organic failure", "", "", None, "", text, raised_at(ended), None)


def _masked(run: Run, ended: BaseException) -> Said | None:
    place = raised_at(ended)
    if isinstance(ended, ViolationError):
        return None  # what it says has been found already
    first = run.plan.fired[0]
    fault = f"{first.planned.error} of {first.call.function}"
    if isinstance(ended, AssertionError) or type(ended).__module__.startswith("_pytest."):
        text = f"{fault} was absorbed, and then a check of the scenario failed: {problem_text(ended)}"
        return Said("check failed", "", "", None, "", text, place, None)
    text = f"the {fault} is neither raised nor in the chain of what was raised: {problem_text(ended)}"
    return Said("masked", "LG207", "", None, "", text, place, None)


def _of_ledger(run: Run) -> Iterator[Said]:
    plan, left = run.plan, list(run.verdict.violations)
    for finding in sorted(run.scope.book.findings, key=lambda one: one.seq):
        violation = next((one for one in left if _is_of(one, finding)), None)
        if violation is not None:
            left.remove(violation)
            if not _is_excused(plan, finding):
                yield _said(violation)
    excused = {(one.kind.name, plain(one.key)) for one in (*plan.residue, *plan.lost)}
    for inner in run.scope._swallowed:
        for violation in inner.verdict.violations:
            if (violation.kind, violation.key) not in excused:
                yield _said(violation)


def _is_of(violation: Violation, finding: Found) -> bool:
    kind = finding.kind
    if violation.code != finding.code or violation.seq != finding.seq:
        return False
    if kind is None or finding.key is None:
        return violation.kind == (kind.name if kind is not None else "")
    return violation.kind == kind.name and violation.key_text == show_fields(finding.key, kind.fields)


def _said(violation: Violation) -> Said:
    return Said(
        _WORDS.get(violation.code, "broken rule"),
        violation.code,
        violation.kind,
        violation.key,
        violation.key_text,
        violation.message,
        violation.acquired or violation.place,
        violation,
    )


def _is_excused(plan: Plan, finding: Found) -> bool:
    if finding.generation is not None and any(_excused(plan, one) for one in _upwards(finding.generation)):
        return True
    return bool(finding.children) and finding.code == "LG108" and all(_excused(plan, one) for one in finding.children)


def _excused(plan: Plan, generation: Generation) -> bool:
    return generation in plan.residue or generation in plan.lost


def _upwards(generation: Generation) -> Iterator[Generation]:
    """An obligation, and what it belongs to."""
    seen: set[int] = set()
    todo: list[Generation | None] = [generation]
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.owner, one.parent]
