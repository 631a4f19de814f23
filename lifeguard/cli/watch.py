"""A program in a scope of the whole process: opened before it begins, judged when it and its threads have ended."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from lifeguard import Scope, scope
from lifeguard.cli import exits
from lifeguard.cli.exits import Failure
from lifeguard.cli.importing import is_path, load
from lifeguard.cli.output import one_line, plural, trouble
from lifeguard.cli.program import Ending, Program, wait_for_threads
from lifeguard.enforcement import SWALLOWED, Policy, Told, read_policy, switch
from lifeguard.kinds import KindsNamed, declared_kinds
from lifeguard.places import SHOWN_FROM
from lifeguard.stand_ins import bound_to, find, in_module
from lifeguard.text import render
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.reporting.journal import Journal
    from lifeguard.reporting.model import Report

_NEED_JOURNAL: Final = ("html", "json")
"""Formats that show every event, and so need the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line.

    Attributes:
        contracts: modules whose contracts are applied, by name or by path.
        only: names of the kinds to watch; empty for all.
        ignore: names of kinds not to watch.
        journal: the file that everything is written to, or None.
        reports: the files to write reports to.
        on_violation: "raise", "warn", "log" or "record".
        quiet: say nothing where nothing was found.
        settings: further parameters of the scope.
    """

    contracts: Sequence[str] = ()
    only: Sequence[str] = ()
    ignore: Sequence[str] = ()
    journal: str | None = None
    reports: Sequence[str] = ()
    on_violation: str = "raise"
    quiet: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


class Watch:
    """One run of a program under watch."""

    def __init__(self, program: Program, wishes: Wishes) -> None:
        self._program = program
        self._wishes = wishes
        self._policy: Policy = read_policy(wishes.on_violation)  # type: ignore[arg-type]
        self._folder = os.getcwd()
        self._reports = [os.path.abspath(path) for path in wishes.reports]
        self._errors = sys.stderr
        self._kept: str | None = None  # a folder of ours, with the journal
        self._journal: Journal | None = None
        self._scope: Scope | None = None

    def open(self) -> None:
        """Make everything ready: what the program finds, the contracts, the scope.

        Raises:
            Failure: something cannot be found, or imported.
            UsageError: the scope cannot be opened.
        """
        self._program.prepare()
        for name in self._wishes.contracts:
            for one in _contracts(name):
                self._expect_another_module(name, one)
                one.start()
        path = self._wishes.journal or self._temporary()
        if path is not None:
            from lifeguard.reporting.journal import Journal

            self._journal = Journal(path, place=self._program.place)
        journal = self._journal
        watched = scope(
            self._program.name,
            reach="process",
            on_violation="log" if self._policy == "log" else "record",
            observers=[journal] if journal is not None else [],
            **self._wishes.settings,
        )
        if self._wishes.only:
            watched.book.only = KindsNamed(frozenset(self._wishes.only))
        if self._wishes.ignore:
            watched.book.ignore = KindsNamed(frozenset(self._wishes.ignore))
        self._scope = watched.open()

    def _expect_another_module(self, name: str, one: Any) -> None:
        """Raise Failure where contracts stand for what is run: that will be another module, named `__main__`."""
        target = bound_to(one)
        if target is not None and self._program.is_module(target):
            where = f"it stands for code of {target.__name__}, which is run, and so is called __main__ and not seen"
            raise Failure(f"--contracts {name}: {where}; run a script that imports it", exits.USAGE)

    def _temporary(self) -> str | None:
        """A journal of our own, where a report needs one."""
        from lifeguard.reporting.formats import by_suffix

        if not any(by_suffix(path).name in _NEED_JOURNAL for path in self._reports):
            return None
        self._kept = tempfile.mkdtemp(prefix="lifeguard-")
        return os.path.join(self._kept, "journal.jsonl")

    def __call__(self) -> int:
        """Run the program, judge, report.

        Returns:
            the exit code: the program's own, or, where that is 0, what was found.

        Raises:
            KeyboardInterrupt: the program died of it, and so must this process; it has been printed.
        """
        ending = self._program.run()
        if self._program.forked:
            return _left(ending, ending.code)
        waited = wait_for_threads()
        found = exits.FINE
        try:
            with _shown_from(self._folder):
                found = self._judge(ending, waited)
        except Failure as failure:
            self._say(f"lifeguard: {one_line(str(failure))}")
            found = failure.code
        except Exception as error:
            self._say(f"lifeguard: {one_line(trouble(error))}")
            found = exits.FAILED
        finally:
            if self._kept is not None:
                shutil.rmtree(self._kept, ignore_errors=True)
        failed = ending.error is not None
        return _left(ending, ending.code if failed else found)

    def _judge(self, ending: Ending, waited: bool) -> int:
        watched = self._scope
        assert watched is not None
        error = ending.error
        swallowed = [one for one in watched._swallowed if error is None or not one.is_among(_chain(error))]
        verdict = watched.close(error)
        found = bool(verdict.violations or swallowed)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        unknown = self._unknown_kinds()
        if not waited:
            self._say("lifeguard: interrupted while threads still ran: judged as it stands")
        if self._policy != "record" and (found or verdict.warnings):
            if self._policy != "log":
                self._say(_text(verdict, swallowed))
        elif self._program.began and not unknown and not self._wishes.quiet:
            self._say(f"lifeguard: {self._program.name} {_in_short(verdict)}")
        self._write(verdict, swallowed)
        if unknown:
            raise Failure(unknown, exits.USAGE)
        return exits.VIOLATIONS if found and self._policy == "raise" else exits.FINE

    def _write(self, verdict: Verdict, swallowed: Sequence[Told]) -> None:
        if not self._reports:
            return
        from lifeguard.reporting.formats import write_report

        report = self._report(verdict, swallowed)
        for path in self._reports:
            write_report(report, path)

    def _report(self, verdict: Verdict, swallowed: Sequence[Told]) -> Report:
        from lifeguard.reporting import replay
        from lifeguard.reporting.model import Report

        title = f"lifeguard run {self._program.name.removeprefix('python ')}"
        parts = [Report.of([verdict])]
        if self._journal is not None and self._journal.entry is not None:
            run, _ = self._journal.entry
            read = replay.read([self._journal.path]).report
            parts = [replace(read, scopes=tuple(one for one in read.scopes if one.run == run))]
        parts.append(Report.of(one.verdict for one in swallowed))
        return Report.merged(parts, title=title)

    def _unknown_kinds(self) -> str:
        """What to say of a kind that was named and that there is not, now that the program has declared all of its own."""
        known = {kind.name for kind in declared_kinds()}
        for option, names in (("--only", self._wishes.only), ("--ignore", self._wishes.ignore)):
            for name in names:
                if name not in known and switch() != "off":
                    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
                    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known)) or 'none'}"
                    return f"{option} {name}: the program declared no kind of that name; {hint}"
        return ""

    def _say(self, text: str) -> None:
        """Print to the standard error that was there when the program began."""
        try:
            print(text, file=self._errors, flush=True)
        except (OSError, ValueError, AttributeError):
            with suppress(OSError):
                os.write(2, text.encode("utf-8", "backslashreplace") + b"\n")


def _left(ending: Ending, code: int) -> int:
    """Leave as the program did."""
    if ending.died and ending.error is not None:
        sys.excepthook = lambda *_told: None  # it has been told
        raise ending.error
    return code


def _contracts(name: str) -> Sequence[Any]:
    """The stand-ins behind what `--contracts` names."""
    try:
        if is_path(name):
            return in_module(load(name), repr(name))
        load(name.partition(":")[0])
        return find(name)
    except LookupError as error:
        raise Failure(f"--contracts: {error}", exits.USAGE) from error
    except Failure as error:
        raise Failure(f"--contracts: {error}", error.code) from error


def _chain(error: BaseException) -> list[BaseException]:
    """An exception, with those that it came from."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and all(one is not other for other in found):
            found.append(one)
            todo += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]
    return found


def _text(verdict: Verdict, swallowed: Sequence[Told]) -> str:
    """The whole report."""
    told = f"scope {verdict.scope!r} balanced, but:" if swallowed and not verdict.violations else render(verdict)
    return told + "".join(f"{SWALLOWED}{one.text}" for one in swallowed)


_COUNTED: Final = (
    ("acquired", "acquired"),
    ("released", "released"),
    ("transferred", "handed over"),
    ("failed", "failed"),
    ("rolled_back", "rolled back"),
)


def _in_short(verdict: Verdict) -> str:
    """What a run rests on that has nothing to say, in one line."""
    if switch() == "off":
        return "was not watched: LIFEGUARD=off"
    total = {word: sum(getattr(one, name) for one in verdict.watched.values()) for name, word in _COUNTED}
    counts = [f"{number} {word}" for word, number in total.items() if number]
    own = f"{plural(verdict.elsewhere, 'acquire')} went to scopes of its own" if verdict.elsewhere else ""
    if not counts and own:
        return f"balanced: {own}"
    if not counts:
        return "was watched, and made no call that has a contract (see --contracts)"
    allowed = f"; {len(verdict.allowed)} allowed" if verdict.allowed else ""
    unused = f"; {plural(len(verdict.unused), 'contract')} saw no call" if verdict.unused else ""
    how = "balanced" if verdict.balanced else plural(len(verdict.violations), "violation")
    more = "".join((f"; {own}" if own else "", allowed, unused))
    return f"{how}: {', '.join(counts)} ({', '.join(sorted(verdict.watched))}){more}"


@contextmanager
def _shown_from(folder: str) -> Iterator[None]:
    """Show paths relative to the folder that the command was given in, wherever the program went."""
    token = SHOWN_FROM.set(folder)
    try:
        yield
    finally:
        SHOWN_FROM.reset(token)
