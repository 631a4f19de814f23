"""What is counted, told at the end, and shown of a test: in the process that reports (with pytest-xdist, the controller)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from lifeguard.enforcement import switch
from lifeguard.integrations.pytest.baseline import Baseline, Known, is_partial, read_baseline, write_baseline
from lifeguard.integrations.pytest.reports import Reports
from lifeguard.verdict import Counts, Verdict
from lifeguard_pytest import UPDATE

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_MAIN = {"acquired": "acquired", "released": "released", "transferred": "handed over"}
_COUNTED = {
    **_MAIN,
    "used": "used",
    "failed": "failed",
    "rolled_back": "rolled back",
    "unmatched": "unmatched",
    "left_out": "left out by the sample",
}

_SHOWN = 10
"""So many entries of a list are shown; all with -v."""


def figures(watched: Mapping[str, Counts]) -> dict[str, dict[str, int]]:
    """What a scope counted, as data that crosses process borders."""
    return {kind: {name: getattr(counts, name) for name in _COUNTED} for kind, counts in watched.items()}


def properties(verdict: Verdict) -> list[tuple[str, object]]:
    """What JUnit XML says of a test: its `<property>` elements."""
    total = {name: sum(getattr(counts, name) for counts in verdict.watched.values()) for name in _MAIN}
    rules = sorted({one.code for one in verdict.violations})
    told: list[tuple[str, object]] = [(f"lifeguard.{name}", number) for name, number in total.items()]
    told.append(("lifeguard.violations", len(verdict.violations)))
    return [*told, ("lifeguard.rules", " ".join(rules))] if rules else told


class Summary:
    """The sums of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker = hasattr(config, "workeroutput")
        self.baseline: Baseline | None = read_baseline(config)
        self.reports = Reports(config)
        self.contracts: set[str] = set()
        self.called: set[str] = set()
        self.late: list[str] = []  # what was found too late to fail a test
        self._tests = self._fixtures = self._allowed = 0
        self._counts: dict[str, Counter[str]] = {}
        self._found: Counter[Known] = Counter()
        self._failed: Counter[Known] = Counter()
        self._held: dict[tuple[str, int], pytest.TestReport] = {}
        self._deselected = False
        self._whole = False  # whether the whole suite ran, to its end
        self._written: str | None = None

    # -- one test -------------------------------------------------------------------------------------------------------------

    def add(self, report: pytest.TestReport) -> None:
        """Count what was watched of a test. It ends with its tear-down, and that is when it is shown as passed or failed."""
        data: dict[str, Any] = vars(report)["lifeguard"]
        if report.when != "teardown":
            return
        self.count(data)
        held = self._held.pop(_ident(report), None)
        if held is None:
            return
        if report.passed:
            data["shown"] = "passed"
        elif report.failed and data.get("own"):
            data["shown"] = "failed"
        else:  # the tear-down itself failed: that is an error beside a test that passed
            terminal = self.config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                terminal.stats.setdefault("passed", []).append(held)

    def count(self, data: Mapping[str, Any]) -> None:
        """Add what one test, or what is left at the end, has to say."""
        self.reports.take(data.get("scopes", ()))
        self._tests += data.get("tests", 0)
        self._fixtures += data.get("fixtures", 0)
        self._allowed += data.get("allowed", 0)
        for kind, numbers in data.get("watched", {}).items():
            self._counts.setdefault(kind, Counter()).update(numbers)
        for *parts, excused in data.get("findings", ()):
            known = Known(*parts)
            self._found[known] += 1
            if not excused:
                self._failed[known] += 1

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """A test that ran is shown once it is torn down and judged: as passed, or as failed."""
        data = getattr(report, "lifeguard", None)
        if data is None or self.worker:
            return None
        if report.when == "call" and data.get("held") and report.passed and not hasattr(report, "wasxfail"):
            self._held[_ident(report)] = report
            return "", "", ""
        if report.when == "teardown" and "shown" in data:
            return ("passed", ".", "PASSED") if data["shown"] == "passed" else ("failed", "F", "FAILED")
        return None

    # -- the run --------------------------------------------------------------------------------------------------------------

    def pytest_deselected(self) -> None:
        """Only a part of the suite runs."""
        self._deselected = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker of pytest-xdist has ended: take what it could not say of single tests."""
        if error:
            name = getattr(getattr(node, "gateway", None), "id", "a worker")
            self.reports.notes.append(
                f"{name} ended before its time ({error}): what it did not tell is not in this report"
            )
        told = getattr(node, "workeroutput", {}).get("lifeguard")
        if told is not None:
            self.take(told)

    def take(self, told: Mapping[str, Any]) -> None:
        """Add what a process has to say at its end."""
        self.contracts |= set(told["contracts"])
        self.called |= set(told["called"])
        self.late += told["late"]
        self.count(told["left"])

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Write the baseline, or fail a run that found more than its baseline knows though no single test did."""
        result = yield
        if not self.worker:
            self._finish(session, exitstatus)
        return result

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        self._whole = ended and not (
            session.shouldfail or session.shouldstop or is_partial(self.config, deselected=self._deselected)
        )
        if self.baseline is not None and self.baseline.updating and ended and not session.config.option.collectonly:
            found = self._found if self._whole else self._found | self.baseline.counts
            write_baseline(self.baseline.path, found)
            self._written = f"{len(found)} entries, {found.total()} findings"
        elif (self.late or self._surplus()) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not session.config.option.collectonly:
            self._report(session, ended=ended)

    def _report(self, session: pytest.Session, *, ended: bool) -> None:
        why = session.shouldfail or session.shouldstop
        if why or not ended:
            told = f": {why}" if isinstance(why, str) else ""
            self.reports.notes.append(f"the run was cut short{told}; what did not run is not in this report")
        if not self.reports.write() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _surplus(self) -> Counter[Known]:
        """What was found more often than the baseline knows, and failed no test: each worker counts for itself."""
        if self.baseline is None or self.baseline.updating:
            return Counter()
        return self._found - self.baseline.counts - self._failed

    def _stale(self) -> Counter[Known]:
        if self.baseline is None or self.baseline.updating or not self._whole:
            return Counter()
        return self.baseline.counts - self._found

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter, config: pytest.Config) -> None:
        """What was watched, so that a run that watched nothing is seen to have watched nothing."""
        if config.option.collectonly:
            return
        details = list(self._details())
        if details:
            terminalreporter.write_sep("=", "lifeguard")
            for line in details:
                terminalreporter.write_line(line)
        text, good = self._line()
        terminalreporter.write_line(f"lifeguard: {text}", yellow=not good)
        for line, good in self.reports.told:
            terminalreporter.write_line(f"lifeguard report: {line}", red=not good)
        if config.get_verbosity() > 0:
            for kind, numbers in sorted(self._counts.items()):
                terminalreporter.write_line(f"  {kind}: {_told(numbers)}")
            for name in sorted(self.contracts - self.called):
                terminalreporter.write_line(f"  saw no call: {name}")

    def _details(self) -> Iterator[str]:
        yield from self.late
        if self._surplus():
            yield "found more often than the baseline knows:"
            yield from self._entries(self._surplus())
        if self._stale():
            assert self.baseline is not None
            yield f"in {self.baseline.path.name}, and not found any more ({UPDATE} takes it out):"
            yield from self._entries(self._stale())

    def _entries(self, found: Counter[Known]) -> list[str]:
        lines = [f"  {number} x {known}" for known, number in sorted(found.items())]
        if len(lines) > _SHOWN and self.config.get_verbosity() <= 0:
            return [*lines[:_SHOWN], f"  and {len(lines) - _SHOWN} more (-v shows all)"]
        return lines

    def _line(self) -> tuple[str, bool]:
        """The closing line, and whether anything was watched."""
        watched = _plural(self._tests, "test") + (
            f" and {_plural(self._fixtures, 'fixture')}" if self._fixtures else ""
        )
        if not self._tests and not self._fixtures:
            return "no test was watched", False
        if switch() == "off":
            return f"{watched} ran with LIFEGUARD=off: nothing was watched", False
        if not self.contracts and not self._counts:
            return f"{watched} watched, and nothing seen: no contract is in force (see lifeguard_contracts)", False
        total: Counter[str] = Counter()
        for numbers in self._counts.values():
            total.update(numbers)
        contracts = f"{len(self.called)} of {_plural(len(self.contracts), 'contract')} called"
        if not self._counts:
            return f"{watched} watched, and nothing seen: {contracts}", False
        parts = [f"{watched} watched", contracts, _told({name: total[name] for name in (*_MAIN, "left_out")})]
        excused = (self._found - self._failed).total()
        if self._failed:
            parts.append(_plural(self._failed.total(), "violation"))
        if self._written is not None:
            assert self.baseline is not None
            parts.append(f"wrote {self.baseline.path.name}: {self._written}")
        elif excused:
            parts.append(f"{excused} known from the baseline")
        if self._allowed:
            parts.append(f"{self._allowed} allowed")
        return "; ".join(parts), True


def _ident(report: pytest.TestReport) -> tuple[str, int]:
    """Which test of which worker."""
    return report.nodeid, id(getattr(report, "node", None))


def _told(numbers: Mapping[str, int]) -> str:
    """The main figures, and of the others those that are not nought."""
    shown = [name for name in _COUNTED if name in _MAIN or numbers.get(name)]
    return ", ".join(f"{numbers.get(name, 0)} {_COUNTED[name]}" for name in shown)


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
