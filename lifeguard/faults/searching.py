"""The search: count once, then make each call fail, then each call that runs because of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lifeguard.faults.points import Candidate, Option, Step, composite, options_of
from lifeguard.faults.report import SHOWN
from lifeguard.faults.results import Counted, Finding, Point
from lifeguard.faults.running import Run, World, run_once
from lifeguard.faults.tokens import Planned, Schedule, Token, hash_of_way
from lifeguard.faults.verdicts import Judgement, Said, judge
from lifeguard.keys import problem_text
from lifeguard.places import raised_at, resolve

EXAMPLES = 5
"""So many examples are kept of what is only counted."""

SHRINKING = 10
"""So many more runs a finding may take to become simpler and to be told."""

_RANKS = {"before": 0, "after": 1, "stuck": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a search goes.

    Attributes:
        depth: how many faults may befall one run: 1 or 2.
        pairs: which calls may be the second: those that run in "reaction" to the first, or "all" that run after it.
        max_runs: how many faulted runs there may be.
        exhaustive: equivalent points are run, too.
        shard: which part of the points, and of how many.
    """

    depth: int = 2
    pairs: str = "reaction"
    max_runs: int = 500
    exhaustive: bool = False
    shard: tuple[int, int] = (0, 1)


class Tally:
    """Counts runs of one sort, and keeps the first examples."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: dict[str, None] = {}

    def add(self, examples: Iterable[str]) -> None:
        """One more run."""
        self.count += 1
        for one in examples:
            if len(self.examples) < EXAMPLES:
                self.examples[one] = None

    def counted(self) -> Counted:
        """The figures."""
        return Counted(self.count, tuple(self.examples))


@dataclass(slots=True)
class Case:
    """The findings of one origin, by the schedules that show them."""

    said: Said
    schedules: dict[Schedule, str] = field(default_factory=dict)

    @property
    def simplest(self) -> Schedule:
        """The schedule with the fewest and plainest faults, and of these the first that was run."""
        return min(self.schedules, key=lambda one: (len(one), sum(_RANKS[fault.phase] for fault in one)))


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates that are taken to be equivalent, and the first faults after which each of them is tried."""

    members: list[tuple[Schedule, Candidate]]

    def chosen(self, *, exhaustive: bool) -> list[tuple[Schedule, Candidate]]:
        """Those that are run: the first and the last, or all."""
        if exhaustive or len(self.members) == 1:
            return self.members
        return [self.members[0], self.members[-1]]


Way = tuple[Schedule, Step, tuple[Option, ...]]
"""A step, the faults that lead to it, and what is tried of it."""


class BoundReached(Exception):
    """The search has to end here."""


class Search:
    """One exploration of one scenario."""

    def __init__(self, world: World, bounds: Bounds, progress: Callable[[int, int, int], object]) -> None:
        self.world = world
        self.bounds = bounds
        self.progress = progress
        self.baseline: Run | None = None
        self.runs = 0
        self.tried = 0  # of the runs, those that the bound counts
        self.wanted = 0
        self.bound = ""
        self.diverged = ""
        self.cases: dict[object, Case] = {}
        self.known: dict[Schedule, Judgement] = {}
        self.points: list[Point] = []
        self.tallies = {name: Tally() for name in ("absorbed", "residue", "lost", "timed_out", "not_reached")}

    # -- single runs ------------------------------------------------------------------------------------------------------------

    def run(self, schedule: Schedule, *, detail: bool = False, timeline: bool = False) -> Run:
        """Run the scenario once."""
        self.runs += 1
        return run_once(self.world, schedule, detail=detail, timeline=timeline)

    def judged(self, run: Run) -> Judgement:
        """Judge a run, knowing what came of its first fault alone."""
        alone = self.known.get(run.schedule[:1])
        return judge(run, first_passes=alone is not None and alone.propagated)

    def attempt(self, schedule: Schedule) -> Run | None:
        """Run a schedule and write down what came of it; None where that was done before.

        Raises:
            BoundReached: the bound was reached before it.
        """
        if schedule in self.known:
            return None
        if self.tried >= self.bounds.max_runs:
            raise BoundReached
        self.tried += 1
        run = self.run(schedule)
        self.known[schedule] = told = self.judged(run)
        self._note(run, told)
        self.progress(self.tried, self.wanted, len(self.cases))
        return run

    def _note(self, run: Run, told: Judgement) -> None:
        if told.not_reached:
            missed = run.plan.missed()
            self.tallies["not_reached"].add([run.plan.problem or f"{missed}"])
        elif not self.diverged:
            self.diverged = self._off_the_way(run)
        token = token_of(run)
        for name in ("absorbed", "timed_out"):
            if getattr(told, name):
                self.tallies[name].add([token])
        for name in ("residue", "lost"):
            if getattr(told, name):
                self.tallies[name].add(getattr(told, name))
        for said in told.findings:
            case = self.cases.setdefault(said.origin, Case(said))
            case.schedules.setdefault(run.schedule, token)

    def _off_the_way(self, run: Run) -> str:
        """Where a run left the way of the baseline, though nothing had failed yet; "" where it did not."""
        assert self.baseline is not None
        end = run.plan.fired[0].position
        return first_difference(self.baseline.plan.path[:end], run.plan.path[:end], "a run with a fault, before that")

    # -- the search -------------------------------------------------------------------------------------------------------------

    def baselines(self) -> str:
        """Run without faults, twice; why the scenario fails by itself, or ""."""
        self.baseline = self.run((), detail=True)
        why = failure_of(self.baseline)
        if why:
            return why
        again = self.run((), detail=True)
        self.diverged = first_difference(
            [_told_apart(step) for step in self.baseline.plan.steps],
            [_told_apart(step) for step in again.plan.steps],
            "the second run",
        )
        why = failure_of(again)
        if why:
            self.diverged = f"the first run without faults was fine, and the second was not: {why}"
        return ""

    def go(self, first: Iterable[Schedule] = ()) -> None:
        """Search, until all is done or the bound is reached."""
        try:
            self._known_to_fail(first)
        except BoundReached:
            self.bound = f"{self.tried} runs were not enough for those that failed last time"
        assert self.baseline is not None
        steps = self.baseline.plan.steps
        composites = composite(steps)
        regions = self.baseline.plan.regions
        ways: list[Way] = [((), step, options_of(step, composites)) for step in steps if step.armed or not regions]
        reactions: list[Way] = []
        for run in self._level(ways, reaction=False):
            if run.plan.missed() is None and run.schedule[0].phase != "stuck":
                found = run.plan.steps if self.bounds.pairs == "all" else reaction(self.baseline, run)
                made_of = composite(run.plan.steps)
                wanted = [step for step in found if step.armed or not run.plan.regions]
                reactions += [(run.schedule, step, options_of(step, made_of)) for step in wanted]
        if self.bounds.depth > 1:
            for _ in self._level(reactions, reaction=True):
                pass

    def _known_to_fail(self, schedules: Iterable[Schedule]) -> None:
        """Run those that failed last time; one that cannot be followed belongs to another program."""
        for schedule in schedules:
            if schedule and schedule not in self.known:
                run = self.run(schedule)
                if run.plan.missed() is None:
                    self.known[schedule] = told = self.judged(run)
                    self._note(run, told)

    def _level(self, ways: list[Way], *, reaction: bool) -> Iterator[Run]:
        """Try what may befall some steps, each after the faults that led to it; gives the runs."""
        groups: dict[object, Group] = {}
        for position, (before, step, options) in enumerate(ways):
            for option in options:
                candidate = Candidate(step, option)
                if candidate.planned not in before:
                    sort = candidate.sort if not self.bounds.exhaustive else (position, option)
                    groups.setdefault(sort, Group([])).members.append((before, candidate))
        mine = list(groups.values())
        index, count = self.bounds.shard
        if not reaction and count > 1:
            mine = mine[index::count]
        # What is run while nothing is held can leave nothing: it comes last.
        mine.sort(key=lambda group: not group.members[0][1].step.state)
        todo = [(group, one) for group in mine for one in group.chosen(exhaustive=self.bounds.exhaustive)]
        self.wanted += len(todo)
        with contextlib.suppress(BoundReached):
            for _, (before, candidate) in todo:
                run = self.attempt((*before, candidate.planned))
                if run is not None:
                    yield run
        self._list(mine, reaction=reaction)

    def _list(self, groups: list[Group], *, reaction: bool) -> None:
        """Write down which points there were, and what was done with them."""
        left_out = 0
        for group in groups:
            tried = [(before, one) for before, one in group.members if (*before, one.planned) in self.known]
            for before, one in group.members:
                planned, step = one.planned, one.step
                status = "run" if (before, one) in tried else "equivalent" if tried else "left out"
                self.points.append(
                    Point(planned.call, planned.nth, planned.phase, planned.error, step.place, status, reaction)  # type: ignore[arg-type]
                )
            todo = group.chosen(exhaustive=self.bounds.exhaustive)
            left_out += sum((*before, one.planned) not in self.known for before, one in todo)
        if left_out and not self.bound:
            more = "" if reaction or self.bounds.depth == 1 else ", and those that follow from them"
            self.bound = f"{self.tried} of {self.tried + left_out} runs{more}"

    # -- the end ----------------------------------------------------------------------------------------------------------------

    def findings(self) -> tuple[Finding, ...]:
        """What was found, the simplest first; the first ones with all that led to them."""
        cases = sorted(self.cases.values(), key=lambda case: len(case.simplest))
        return tuple([self._told(case) if place < SHOWN else finding_of(case) for place, case in enumerate(cases)])

    def _told(self, case: Case) -> Finding:
        left = SHRINKING - 1
        schedule = case.simplest
        progress = True
        while progress:
            progress = False
            for simpler in simplifications(schedule, self.world.menu.plain_errors()):
                known = self.known.get(simpler)
                if known is None and left:
                    left -= 1
                    run = self.run(simpler)
                    self.known[simpler] = known = self.judged(run)
                    if any(said.origin == case.said.origin for said in known.findings):
                        case.schedules[simpler] = token_of(run)
                if known is not None and simpler in case.schedules:
                    schedule, progress = simpler, True
                    break
        run = self.run(schedule, timeline=True)
        told = self.judged(run)
        said = next((one for one in told.findings if one.origin == case.said.origin), None)
        if said is None:
            self.diverged = self.diverged or f"{case.schedules[schedule]} did not show again what it had shown"
            return finding_of(case, schedule)
        case.said = said
        return finding_of(case, schedule, run)


def token_of(run: Run) -> str:
    """The name of a run."""
    last = max((one.position for one in run.plan.fired[: len(run.schedule)]), default=0)
    return str(Token(run.schedule, hash_of_way(run.plan.path[:last])))


def _told_apart(step: Step) -> str:
    return f"{step.call} at {step.place}" if step.place is not None else step.call


def first_difference(expected: list[str], seen: list[str], who: str) -> str:
    """Where two ways part, as a sentence; "" where they do not."""
    for number, (one, other) in enumerate(zip(expected, seen, strict=False), 1):
        if one != other:
            return f"call {number} was {one} in the first run, and {other} in {who}"
    if len(expected) > len(seen):
        return f"call {len(seen) + 1} was {expected[len(seen)]} in the first run, and {who} had ended"
    if len(seen) > len(expected):
        return f"the first run had ended after {len(expected)} calls, and {who} made another one: {seen[len(expected)]}"
    return ""


def failure_of(run: Run) -> str:
    """Why a run without faults is no good; "" where it is."""
    if run.timed_out:
        return "it was stopped, because it took too long"
    if run.ended is not None:
        place = raised_at(run.ended)
        return f"it raised {problem_text(run.ended)}" + (f" at {place}" if place is not None else "")
    if run.verdict.violations or run.scope._swallowed:
        inner = [one for told in run.scope._swallowed for one in told.verdict.violations]
        found = [*run.verdict.violations, *inner]
        return "\n".join([f"it broke {'a rule' if len(found) == 1 else 'rules'}:", *(f"  {one}" for one in found)])
    return ""


def reaction(baseline: Run, run: Run) -> list[Step]:
    """The calls that run because of the first fault: not those with which it ended as it would have anyway."""
    rest = baseline.plan.steps[run.plan.fired[0].position + 1 :]
    found = list(run.plan.steps)
    while rest and found and (rest[-1].call, rest[-1].chain) == (found[-1].call, found[-1].chain):
        rest = rest[:-1]
        found.pop()
    return found


def simplifications(schedule: Schedule, plain_errors: Mapping[str, str]) -> Iterator[Schedule]:
    """Schedules that are a little simpler.

    Args:
        schedule: the faults.
        plain_errors: for each call, the first exception that it is declared to raise.
    """
    if len(schedule) > 1:
        for left_out in range(len(schedule)):
            yield (*schedule[:left_out], *schedule[left_out + 1 :])
    for place, one in enumerate(schedule):
        for simpler in _simpler(one, plain_errors):
            yield (*schedule[:place], simpler, *schedule[place + 1 :])


def _simpler(one: Planned, plain_errors: Mapping[str, str]) -> Iterator[Planned]:
    if one.phase != "before":
        yield Planned(one.call, one.nth, "before", one.error)
    if one.nth > 1:
        yield Planned(one.call, 1, one.phase, one.error)
    plain = plain_errors.get(one.call, one.error)
    if one.error != plain:
        yield Planned(one.call, one.nth, one.phase, plain)


def finding_of(case: Case, schedule: Schedule | None = None, run: Run | None = None) -> Finding:
    """A case as it is given to the user."""
    said, schedule = case.said, schedule or case.simplest
    token = case.schedules[schedule]
    others = sorted((one for one in case.schedules if one != schedule), key=lambda one: (len(one), str(one)))
    return Finding(
        verdict=said.verdict,
        code=said.code,
        kind=said.kind,
        key=said.key,
        token=token,
        message=said.message,
        place=said.place,
        violation=said.violation,
        schedules=(token, *(case.schedules[one] for one in others)),
        ended=_ending(run) if run is not None else "",
        faults=tuple(_faults(run)) if run is not None else (),
        timeline=tuple(run.plan.timeline or ()) if run is not None else (),
    )


def _ending(run: Run) -> str:
    if run.ended is None:
        return ""
    place = raised_at(run.ended)
    return problem_text(run.ended) + (f" at {place}" if place is not None else "")


_PHASES = {"before": "before it ran", "after": "after it had taken effect", "stuck": "and every later call"}


def _faults(run: Run) -> Iterator[str]:
    told: set[Planned] = set()
    for one in run.plan.fired:
        if one.planned not in told:
            told.add(one.planned)
            site = one.call.site
            place = f", called at {resolve(site)}" if site is not None else ""
            planned = one.planned
            yield f"{planned.error} of {one.call.function}, call {planned.nth}, {_PHASES[planned.phase]}{place}"
