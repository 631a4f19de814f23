"""The reports of a run: every scope that was judged, in whatever process, as one file of each format that was asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifeguard import Scope
from lifeguard.context import LEDGER
from lifeguard.places import Place
from lifeguard.reporting.findings import life_of
from lifeguard.reporting.formats import Format, by_suffix, write_report
from lifeguard.reporting.model import EXCUSED, Life, Report, ScopeReport
from lifeguard.verdict import Allowed, Verdict, Violation
from lifeguard_pytest import OPTIONS, of_the_run, placed

_OPTION = {option.name: option for option in OPTIONS}


class Reports:
    """What was judged, kept where a report is wanted. A worker of pytest-xdist sends it on, as JSON.

    Attributes:
        wanted: whether anybody wants a report.
        notes: what the reader has to know of the report itself.
        told: what is said at the end of what was written: a line, and whether all is well.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._files = list(_files(config))
        on, _ = of_the_run(_OPTION["job_summary"], config)
        self._summary = os.environ.get("GITHUB_STEP_SUMMARY") if on else None
        self.wanted = bool(self._files or self._summary)
        self.notes: list[str] = []
        self.told: list[tuple[str, bool]] = []
        self._taken: list[dict[str, Any]] = []

    def tell(
        self, scope: Scope, verdict: Verdict, unknown: tuple[Violation, ...], item: pytest.Item | None
    ) -> Iterator[str]:
        """A scope that was judged here, as data that crosses process borders: JSON.

        Args:
            scope: the scope.
            verdict: what it has to say, with what inner scopes said that was swallowed.
            unknown: those of its violations that no baseline excuses.
            item: the test that it is the scope of, if that ran.

        Yields:
            the scope; nothing where it has nothing to say: a fixture that was never seen to do anything.
        """
        known = [one for one in verdict.violations if not any(one is other for other in unknown)]
        if item is None and not (verdict.watched or verdict.violations or verdict.warnings or verdict.allowed):
            return
        allowed = (*verdict.allowed, *(Allowed(one, EXCUSED) for one in known))
        report = ScopeReport(
            "",
            replace(verdict, violations=unknown, allowed=allowed, elsewhere=0),  # tests and fixtures only take turns
            reach=scope.reach,
            place=_place(item, self._config) if item is not None else None,
            opened=scope.book.opened_at,
            closed=LEDGER.clock.seq,
            test=item.nodeid if item is not None else "",
        )
        from lifeguard.reporting.journal import Journal

        journal = next((one for one in scope.book.observers if isinstance(one, Journal)), None)
        entry = [journal.path, *journal.entry] if journal is not None and journal.entry is not None else None
        worker = getattr(self._config, "workerinput", {}).get("workerid", "")
        yield json.dumps({"worker": worker, "scope": report.as_dict(), "journal": entry})

    def take(self, told: Iterable[str]) -> None:
        """Keep what `tell` told, here or in another process."""
        self._taken += map(json.loads, told)

    def write(self) -> bool:
        """Write everything that was asked for.

        Returns:
            whether every file could be written. The summary of a job is an extra: nobody's run fails for it.
        """
        if not self.wanted:
            return True
        good = True
        report = self._report()
        for path, chosen in self._files:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_report(report, path, chosen.name)
                self.told.append((self._shown(path), True))
            except OSError as error:
                self.told.append((f"{self._shown(path)} could not be written: {error}", False))
                good = False
        if self._summary and report.scopes:
            from lifeguard.reporting import markdown

            try:
                if not markdown.append(report, self._summary):
                    self.told.append(("there is no room for it in the summary of the job", True))
            except OSError as error:
                self.told.append((f"the summary of the job could not be written: {error}", False))
        return good

    def _shown(self, path: Path) -> str:
        here = self._config.invocation_params.dir
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def _report(self) -> Report:
        from lifeguard import __version__

        taken = sorted(self._taken, key=lambda one: (one["worker"], one["scope"]["opened"]))
        scopes = [ScopeReport.from_dict(one["scope"]) for one in taken]
        entries = [one["journal"] for one in taken]
        scopes = list(self._with_lives(scopes, entries))
        scopes = [replace(one, ident=str(number)) for number, one in enumerate(scopes, 1)]
        return Report(tuple(scopes), tuple(self.notes), f"tests of {self._config.rootpath.name}", __version__)

    def _with_lives(self, scopes: list[ScopeReport], entries: list[list[Any] | None]) -> Iterator[ScopeReport]:
        """The scopes, with the lives of what they held where a journal was kept."""
        from lifeguard.reporting import replay

        found: dict[tuple[str, int], ScopeReport] = {}
        runs = {entry[1] for entry in entries if entry is not None}
        for path in sorted({entry[0] for entry in entries if entry is not None}):
            try:
                read = replay.read([path], runs=runs)
            except (OSError, replay.JournalError) as error:
                self.notes.append(f"the journal could not be read, so there are no timelines of it: {error}")
                continue
            self.notes += read.report.notes
            by_ident = {one.ident: one for one in read.report.scopes}
            found |= {entry: by_ident[ident] for entry, ident in read.idents.items()}
        for scope, entry in zip(scopes, entries, strict=True):
            there = found.get((entry[1], entry[2])) if entry is not None else None
            if there is None:
                yield scope
            else:
                told = replace(scope, run=there.run, closed=there.closed, recorded=True, lives=there.lives)
                yield _with_excuses(told)


def _with_excuses(scope: ScopeReport) -> ScopeReport:
    """A scope in whose lives is allowed what a baseline excuses: the journal knows of no baseline."""
    found = [life_of(scope, one.violation) for one in scope.verdict.allowed if one.why == EXCUSED]
    excused = {life.ident for life in found if life is not None}
    while more := {life.ident for life in scope.lives if _goes_with(life, excused)} - excused:
        excused |= more
    lives = (
        replace(life, standing="allowed") if life.ident in excused and life.standing in ("left", "violated") else life
        for life in scope.lives
    )
    return replace(scope, lives=tuple(lives))


def _goes_with(life: Life, others: set[str]) -> bool:
    """Whether something was left only because it belongs to one of others."""
    return life.standing == "left" and not life.codes and bool({life.owner_ident, life.part_of} & others)


def _files(config: pytest.Config) -> Iterator[tuple[Path, Format]]:
    """The files that are asked for, each with its format.

    Raises:
        pytest.UsageError: a suffix that no format has, or a folder that cannot be written to.
    """
    named, where = of_the_run(_OPTION["report"], config)
    assert isinstance(named, tuple)
    for one in named:
        path = placed(one, where, config)
        try:
            chosen = by_suffix(path)
        except ValueError as error:
            raise pytest.UsageError(f"{where}: {error}") from None
        folder = next(folder for folder in path.parents if folder.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            what = "it is a folder" if path.is_dir() else f"{folder} is no folder that can be written to"
            raise pytest.UsageError(f"{where}: {one!r} cannot be written: {what}")
        yield path, chosen


def _place(item: pytest.Item, config: pytest.Config) -> Place:
    """Where a test stands."""
    path, line, name = item.location
    return Place(str(config.rootpath / path), (line or 0) + 1, name)
