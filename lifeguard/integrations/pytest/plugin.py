"""The hooks: every test runs in a scope, from its set-up to the end of its tear-down, and is judged then."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lifeguard import DeclarationError, Scope, ViolationError, context
from lifeguard.enforcement import SWALLOWED
from lifeguard.integrations.pytest.baseline import known_by
from lifeguard.integrations.pytest.choosing import Choice, Choices
from lifeguard.integrations.pytest.fixtures import LongFixture, name_of
from lifeguard.integrations.pytest.loading import load
from lifeguard.integrations.pytest.origins import Origins
from lifeguard.integrations.pytest.pointing import one_line, put_there, without_pytest
from lifeguard.integrations.pytest.summary import Summary, figures, properties
from lifeguard.roster import ROSTER
from lifeguard.text import render
from lifeguard.verdict import Verdict, Violation
from lifeguard_pytest import SCOPE_OF


@dataclass(slots=True, eq=False)
class _Watch:
    """One test that runs.

    Attributes:
        choice: what was chosen for it.
        scope: its scope; None where it is switched off.
        error: what its set-up or its body raised.
        ran: whether it came to its body.
        contracts: what its marker applies.
        pending: what was found of fixtures that ended meanwhile.
        told: what its last report will carry, for the process that reports.
    """

    choice: Choice
    scope: Scope | None = None
    error: BaseException | None = None
    ran: bool = False
    contracts: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    pending: list[ViolationError] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)


_WATCH: pytest.StashKey[_Watch] = pytest.StashKey()


class Plugin:
    """The plugin proper, for one run."""

    def __init__(self, config: pytest.Config, summary: Summary, *, on: bool) -> None:
        self.config = config
        self.summary = summary
        self._choices = Choices(config, on=on)
        self._origins = Origins()
        self._running: _Watch | None = None
        self._open: dict[Scope, None] = {}
        self._late: list[str] = []
        self._interrupted = False
        self._left: dict[str, Any] = {}  # counted outside every test
        self._began = context.LEDGER.clock.seq
        base = self._choices.of_the_run()
        self._applied = contextlib.ExitStack()
        _apply(base.values["contracts"], base.where.get("contracts", ""), self._applied)
        self._before, context.name_origin = context.name_origin, self._origins

    def check_items(self, items: Iterable[pytest.Item]) -> None:
        """Find out before the first test runs what makes no sense.

        Raises:
            pytest.UsageError: a marker, or a kind that is known nowhere.
        """
        choices = {id(choice): choice for item in items if _is_on(choice := self._choices.of(item), item)}
        for choice in choices.values():
            choice.make("a test")  # refuses now what it would refuse later
            for _, text in choice.unknown_kinds():
                raise pytest.UsageError(text)
            for name in choice.values["contracts"]:
                load(name, choice.where["contracts"])

    # -- a test -----------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Open the test's scope before any of its fixtures is set up."""
        __tracebackhide__ = True
        self._origins.begin(item.nodeid)
        watch = item.stash[_WATCH] = self._running = self._watch(item)
        with _inside(watch):
            return (yield)

    def _watch(self, item: pytest.Item) -> _Watch:
        choice = self._choices.of(item)
        watch = _Watch(choice)
        if _is_on(choice, item):
            applied = self._choices.of_the_run().values["contracts"]
            own = [name for name in choice.values["contracts"] if name not in applied]
            _apply(own, choice.where.get("contracts", ""), watch.contracts)
            watch.scope = item.stash[SCOPE_OF] = choice.make(item.nodeid).open()
            self._open[watch.scope] = None
        return watch

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Make the scope current, where it does not reach the whole process."""
        __tracebackhide__ = True
        with _inside(item.stash.get(_WATCH, None)):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Judge the test once everything that is its own is torn down."""
        __tracebackhide__ = True
        watch = item.stash.get(_WATCH, None)
        result, error = None, None
        try:
            with _inside(watch):
                result = yield
        except BaseException as caught:
            error = caught
        if watch is not None:
            self._end(item, watch, error)
        if error is not None:
            raise error
        return result

    def _end(self, item: pytest.Item, watch: _Watch, error: BaseException | None) -> None:
        """Judge a test.

        Args:
            item: the test.
            watch: what is known of it.
            error: what its tear-down raised.

        Raises:
            ViolationError: something was found, of the test or of a fixture that ended with it.
        """
        __tracebackhide__ = True
        self._origins.end()
        problems: list[BaseException] = []
        if watch.scope is not None:
            own, other = self._judge(watch.scope, watch.choice, watch.error, watch.told, item if watch.ran else None)
            watch.told["tests"] = int(watch.ran)
            _put_properties(item, watch.scope)
            del item.stash[SCOPE_OF]
            watch.contracts.close()
            problems = [*watch.pending, *other, *own]
            watch.told["own"] = bool(own) and error is None
        else:
            problems = [*watch.pending]
        watch.error = None
        if error is not None and not isinstance(error, Exception | pytest.fail.Exception | pytest.skip.Exception):
            return  # an interruption: nothing must stand in its place
        if error is not None:
            problems.insert(0, error)
        path, line, _ = item.location
        for one in problems:
            if isinstance(one, ViolationError | Warning) and one is not error:
                put_there(one, (str(self.config.rootpath / path), (line or 0) + 1))
        for cause, effect in itertools.pairwise(problems):
            effect.__cause__ = cause
        if problems and problems[-1] is not error:
            raise problems[-1]

    def _judge(
        self,
        scope: Scope,
        choice: Choice,
        error: BaseException | None,
        told: dict[str, Any],
        item: pytest.Item | None = None,
    ) -> tuple[list[ViolationError], list[BaseException]]:
        """Close a scope.

        Args:
            scope: the scope.
            choice: what was chosen for it.
            error: what ended the work, if it failed.
            told: where to write down what was found.
            item: the test that it is the scope of, if that ran.

        Returns:
            the violation to raise, if there is one to raise; and what else went wrong at its end.
        """
        self._open.pop(scope, None)
        raised: ViolationError | None = None
        other: list[BaseException] = []
        if scope.verdict is None:
            try:
                scope.close(_as_exception(error))
            except ViolationError as violation:
                raised = violation
            except Exception as failure:  # a warning that is an error, or the user's on_violation
                other.append(failure)
        if raised is not None:
            for around in list(context.OPEN):
                around.let_through(raised)
        verdict = raised.verdict if raised is not None else scope.verdict
        if verdict is None:
            return [], other
        unknown = self._write_down(verdict, choice, told)
        if self.summary.reports.wanted:
            told.setdefault("scopes", []).extend(self.summary.reports.tell(scope, verdict, unknown, item))
        if raised is None or not unknown:
            return [], other
        return [ViolationError(_text(scope, str(raised), unknown), replace(verdict, violations=unknown))], other

    def _write_down(self, verdict: Verdict, choice: Choice, told: dict[str, Any]) -> tuple[Violation, ...]:
        """Note what was found and counted; give the violations that the baseline does not know."""
        baseline = None if "baseline" in choice.marked else self.summary.baseline
        left = []
        findings = told.setdefault("findings", [])
        for violation in verdict.violations:
            known = known_by(violation, self.config.rootpath)
            excused = baseline is not None and baseline.excuses(known)
            findings.append([*known, excused])
            if not excused:
                left.append(violation)
        told["allowed"] = told.get("allowed", 0) + len(verdict.allowed)
        watched = told.setdefault("watched", {})
        for kind, numbers in figures(verdict.watched).items():
            sums = watched.setdefault(kind, dict.fromkeys(numbers, 0))
            for name, number in numbers.items():
                sums[name] += number
        return tuple(left)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Learn how the test went; put what was watched on the last of its reports, which cross process borders."""
        report = yield
        watch = item.stash.get(_WATCH, None)
        if watch is None:
            return report
        if call.when != "teardown":
            watch.error = call.excinfo.value if call.excinfo is not None else None
            watch.ran = call.when == "call"
            if call.when == "call" and watch.scope is not None and report.passed and not hasattr(report, "wasxfail"):
                vars(report)["lifeguard"] = {"held": True}
        else:
            if watch.told:
                vars(report)["lifeguard"] = watch.told
            self._running = None
            del item.stash[_WATCH]
        return report

    # -- fixtures that outlive a test -------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, object, object]:
        """Give a fixture of a class, module, package or session a scope of its own."""
        __tracebackhide__ = True
        choice = self._choice_for(fixturedef, request)
        if choice is None:
            return (yield)
        fixture = LongFixture(name_of(fixturedef, request), choice, self._judge_fixture)
        request.addfinalizer(fixture.end)
        try:
            with fixture.set_up():
                return (yield)
        finally:
            request.addfinalizer(fixture.begin_end)

    def _choice_for(self, fixturedef: Any, request: Any) -> Choice | None:
        """What holds for a fixture: what was said where it belongs, else what holds for the test that needs it first."""
        if fixturedef.scope == "function":
            return None
        choice = self._choices.of(request.node)
        if choice.on:
            return choice
        return self._running.choice if self._running is not None and self._running.scope is not None else None

    def _judge_fixture(self, scope: Scope, choice: Choice, error: BaseException | None) -> None:
        """A fixture has ended: what was found is told with the test that it ended with, as an error beside it."""
        if self._interrupted:
            _close_quietly(scope)
            return
        watch = self._running
        told = watch.told if watch is not None else self._left
        own, other = self._judge(scope, choice, error, told)
        seen = scope.verdict is not None and scope.verdict.watched
        told["fixtures"] = told.get("fixtures", 0) + bool(seen)
        for one in other:
            warnings.warn(f"{scope.name}: {one}", pytest.PytestWarning, stacklevel=2)
        if watch is not None:
            watch.pending += own
        else:
            self._late += [f"{scope.name}: {one_line(one.verdict)}" for one in own]

    # -- the run ----------------------------------------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        """What was cut short is not judged."""
        self._interrupted = True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Hand over what could not be told with single tests: the last fixtures are torn down by now."""
        result = yield
        for scope in list(self._open):
            _close_quietly(scope)
        woven = [one for one in list(ROSTER) if not one.state.get("taken over")]
        told = {
            "contracts": sorted({one.name for one in woven if one.active}),
            "called": sorted({one.name for one in woven if one.active and one.last >= self._began}),
            "late": self._late,
            "left": self._left,
        }
        if self.summary.worker:
            self.config.workeroutput["lifeguard"] = told  # type: ignore[attr-defined]
        else:
            self.summary.take(told)
        return result

    def pytest_unconfigure(self) -> None:
        """Take everything off again."""
        self._applied.close()
        context.name_origin = self._before


def _is_on(choice: Choice, item: pytest.Item) -> bool:
    """Whether a test runs in a scope: it is switched on, or asks for the scope and is not switched off by a marker."""
    return choice.on or (not choice.said and "lifeguard_scope" in getattr(item, "fixturenames", ()))


def _apply(names: Iterable[object], where: str, applied: contextlib.ExitStack) -> None:
    """Apply contracts, all or none.

    Args:
        names: what was named.
        where: where it was, for errors.
        applied: what takes them off again.

    Raises:
        pytest.UsageError: one cannot be imported or applied.
    """
    found = [one for name in names for one in load(name, where)]
    with contextlib.ExitStack() as stack:
        for one in found:
            try:
                one.start()
            except DeclarationError as error:
                raise pytest.UsageError(f"{where}: {error}") from None
            stack.callback(one.stop)
        applied.push(stack.pop_all())


def _inside(watch: _Watch | None) -> contextlib.AbstractContextManager[object]:
    """Where a test's scope is current: nowhere, if it reaches the process, since then everything finds it anyway."""
    if watch is None or watch.scope is None or watch.scope.reach == "process" or watch.scope.verdict is not None:
        return contextlib.nullcontext()
    return watch.scope.active()


def _put_properties(item: pytest.Item, scope: Scope) -> None:
    if scope.verdict is not None:
        others = [one for one in item.user_properties if not one[0].startswith("lifeguard.")]
        item.user_properties[:] = [*others, *properties(scope.verdict)]


def _close_quietly(scope: Scope) -> None:
    with contextlib.suppress(Exception):
        scope.close()


def _as_exception(error: BaseException | None) -> Exception | None:
    """What ended a test, as a scope takes it: skipping ends nothing, and pytest.fail() is a failure like any other."""
    if error is None or isinstance(error, Exception):
        return error
    if not isinstance(error, pytest.fail.Exception):
        return None
    failed: Exception = type("Failed", (Exception,), {})(str(error))
    return failed.with_traceback(without_pytest(error))


def _text(scope: Scope, whole: str, unknown: tuple[Violation, ...]) -> str:
    """The report of a closed scope without what the baseline knows.

    Nor does it speak of acquires elsewhere: fixtures and tests that take turns in one scope each are no blind spot.

    Args:
        scope: the scope.
        whole: the report that it gave itself.
        unknown: what the baseline does not know.
    """
    verdict = scope.verdict
    assert verdict is not None
    _, mark, swallowed = whole.partition(SWALLOWED)
    own = tuple(one for one in verdict.violations if one in unknown)
    if not own:
        return whole
    return render(replace(verdict, violations=own, elsewhere=0)) + mark + swallowed
