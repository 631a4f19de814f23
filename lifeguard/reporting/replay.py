"""A journal told to a ledger again: the same steps through the same machine, and so the same verdicts."""

from __future__ import annotations

import json
import weakref
from collections.abc import Container, Iterable, Iterator, Mapping
from contextvars import Token
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lifeguard.allowances import Allowance, sift
from lifeguard.keys import Key, Pattern
from lifeguard.kinds import OUTSIDE, Kind, KindsNamed, Resource, Rollback, all_of
from lifeguard.ledger import account
from lifeguard.ledger.book import Book
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.records import Act, Call, Finding, Generation, Note, Outcome, Ref, Subject, Verb
from lifeguard.ledger.spans import Choice, Matches, Span
from lifeguard.ledger.states import State
from lifeguard.places import SHOWN_FROM
from lifeguard.reporting.chronicle import ChronicleLedger, lives
from lifeguard.reporting.encoding import Keys, amount_in, place_in, site_in
from lifeguard.reporting.lines import PLAIN_OF_ACT, PLAIN_OF_CALL, VERSION
from lifeguard.reporting.model import Report, ScopeReport
from lifeguard.verdict import Verdict

CUT_OFF: Final = "the end of the journal: its process was killed, or still runs"
"""How a scope ended that was never closed."""

_LIKE: Final = ("ended", "children")
"""Texts of a violation that name places as they looked from the folder of that moment: not compared."""

_PAYERS: weakref.WeakKeyDictionary[Kind, tuple[account.Payer, ...]] = weakref.WeakKeyDictionary()

account.payers.append(lambda kind: account.Payers(_PAYERS.get(kind, ())))

Line = Mapping[str, Any]


class JournalError(Exception):
    """A file is no journal, or one of a version that this lifeguard does not know."""


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading journals.

    Attributes:
        report: the verdicts, judged again, and the lives of all resources.
        differing: scopes whose verdict now is another one than the process gave; empty where all is well.
        idents: what the scopes are called in the report, by the run that wrote them and their number there.
    """

    report: Report
    differing: tuple[str, ...]
    idents: Mapping[tuple[str, int], str]


def read(paths: Iterable[str | Path], *, title: str = "", runs: Container[str] | None = None) -> Read:
    """Read journals, and judge all their scopes again.

    Each process has a sequence of its own, by which its steps are put in order; no clock is asked.

    Args:
        paths: the files, in any order; the same process may have written to several, and several to one.
        title: what the report is a report of.
        runs: only what these runs wrote; by default, everything.

    Raises:
        JournalError: a file is no journal.
        OSError: a file cannot be read.
    """
    notes: list[str] = []
    found: dict[str, list[tuple[str, Line]]] = {}
    for path in dict.fromkeys(map(str, paths)):
        for where, line in _lines(path, notes):
            if runs is None or line["run"] in runs:
                found.setdefault(line["run"], []).append((where, line))
    scopes: list[ScopeReport] = []
    differing: list[str] = []
    idents: dict[tuple[str, int], str] = {}
    for run, lines in found.items():
        lines.sort(key=lambda one: one[1]["n"])
        replay = Replay(run, notes)
        replay.tell(lines)
        names = {number: str(len(scopes) + at) for at, number in enumerate(replay.told, 1)}
        idents |= {(run, number): name for number, name in names.items()}
        for number, scope in replay.told.items():
            outer = names.get(int(scope.outer), "") if scope.outer else ""
            scopes.append(replace(scope, ident=names[number], outer=outer))
        differing += replay.differing
    from lifeguard import __version__

    return Read(Report(tuple(scopes), tuple(notes), title, __version__), tuple(differing), idents)


def _lines(path: str, notes: list[str]) -> Iterator[tuple[str, Line]]:
    """The lines of one file that can be read; the others are noted."""
    rows = Path(path).read_bytes().split(b"\n")
    known = 0
    last = len([row for row in rows if row])
    count = 0
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        count += 1
        where = f"{path}, line {number}"
        try:
            line = json.loads(row)
            if not isinstance(line["run"], str) or not isinstance(line["n"], int) or not isinstance(line["step"], str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            if not known and count > _HOPE:
                break
            torn = number == len(rows) and count == last
            notes.append(
                f"{where} is torn: its process was killed while it wrote it" if torn else f"{where} cannot be read"
            )
            continue
        known += 1
        if line["step"] == "journal" and line.get("version") != VERSION:
            raise JournalError(
                f"{path} is a journal of version {line.get('version')!r}; this lifeguard reads version {VERSION}"
            )
        yield where, line
    if count and not known:
        raise JournalError(f"{path} is no journal of lifeguard")


_HOPE: Final = 20
"""So many lines that cannot be read at the beginning make a file be no journal."""


class _Scope:
    """A scope that keeps the journal, while it is read."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.opened = 0
        self.allowances: list[Allowance] = []
        self.judged = False
        self.findings: list[Finding] = []
        self.allowed: list[tuple[Finding, Allowance]] = []
        self.error = False
        self.ended = "normally"
        self.raised = ""
        self.closed: int | None = None
        self.report: ScopeReport | None = None


class Replay:
    """One run of one process, told again."""

    def __init__(self, run: str, notes: list[str]) -> None:
        self.run = run
        self.told: dict[int, ScopeReport] = {}
        self.differing: list[str] = []
        self._notes = notes
        self._ledger = ChronicleLedger()
        self._keys = Keys()
        self._kinds: dict[int, Kind] = {}
        self._books: dict[int, Book] = {}
        self._scopes: dict[int, _Scope] = {}
        self._calls: dict[int, Call] = {}
        self._spans: dict[int, Span] = {}
        self._nowhere = Book("a scope that is closed")
        self._nowhere.sealed = self._nowhere.closed = True
        self._began = False
        self._astray = False

    def tell(self, lines: list[tuple[str, Line]]) -> None:
        """Tell the ledger every step, and judge what was never closed."""
        before = 0
        shown: Token[str | None] | None = None
        try:
            for where, line in lines:
                if line["n"] != before + 1:
                    self._notes.append(f"{where}: {_missing(line['n'] - before - 1)} of process {self.run} before it")
                before = line["n"]
                if line["step"] == "journal" and shown is None:
                    shown = SHOWN_FROM.set(str(line.get("folder", "")) or None)
                try:
                    self._step(line)
                except (KeyError, TypeError, ValueError, AttributeError, IndexError, AssertionError) as error:
                    problem = f"{type(error).__name__}: {error}"
                    self._notes.append(f"{where} ({line['step']}) makes no sense and is left out: {problem}")
            for number in reversed(list(self._scopes)):
                self._cut_off(number)
        finally:
            if shown is not None:
                SHOWN_FROM.reset(shown)
        self.told = {number: scope.report for number, scope in self._scopes.items() if scope.report is not None}

    def _step(self, line: Line) -> None:
        step = line["step"]
        if step == "journal":
            self._ledger.begin_at(line["seq"], line["calls"])
            self._began = True
            return
        method = getattr(self, f"_{step}", None)
        if step.startswith("_") or step not in _STEPS or method is None:
            raise ValueError(f"there is no step {step!r}")
        self._ledger.chronicle.fault = str(line.get("fault", ""))
        method(line)
        self._ledger.chronicle.settle_owners()
        if "seq" in line and line["seq"] != self._ledger.clock.seq:
            if not self._astray:
                self._notes.append(
                    f"process {self.run}: the journal is not complete, or was changed: "
                    f"event {line['seq']} was number {self._ledger.clock.seq} when it was told again"
                )
            self._astray = True
            self._ledger.clock.seq = line["seq"]

    # -- what the lines speak of ------------------------------------------------------------------------------------------------

    def _kind(self, line: Line) -> None:
        payers = tuple(account.Payer(name, verb, part, cascade) for name, verb, part, cascade in line["payers"])
        number = line["kind"]
        if number in self._kinds:
            _PAYERS[self._kinds[number]] = payers
            return
        kind: Kind
        if line.get("rollback"):
            kind = Rollback(line["name"], order=line["order"], unseen=line["unseen"])
        else:
            within = self._kinds[line["within"]] if line["within"] else None
            assert within is None or isinstance(within, Resource)
            kind = Resource(
                line["name"],
                again=line["again"],
                unseen=line["unseen"],
                fields=line["fields"],
                needs=all_of(*line["needs"]) if line["needs"] else None,
                within=within,
                cascade=line["cascade"],
            )
        self._kinds[number] = kind
        _PAYERS[kind] = payers

    def _refs(self, data: Iterable[Any]) -> tuple[Ref, ...]:
        return tuple((self._kinds[kind], self._keys.read(key)) for kind, key in data)

    def _subjects(self, data: Iterable[Any]) -> tuple[Subject, ...]:
        return tuple((self._kinds[kind] if kind else None, self._keys.read(key)) for kind, key in data)

    def _chain(self, data: Iterable[int]) -> tuple[Book, ...]:
        return tuple(self._books.get(number, self._nowhere) for number in data)

    def _key(self, line: Line) -> Key | None:
        return self._keys.read(line["key"]) if "key" in line else None

    def _call(self, data: int | Line | None) -> Call | None:
        if data is None:
            return None
        if isinstance(data, int):
            return self._calls[data]
        thread = data.get("thread")
        call = Call(
            data.get("function", ""),
            chain=self._chain(data.get("chain", ())),
            around=data.get("around", 0),
            site=site_in(data.get("at")),
            actor=data.get("actor", ""),
            thread=thread,
            awaiting=tuple(data.get("awaiting", ())),
            spans=tuple(self._spans[number] for number in data.get("spans", ()) if number in self._spans),
            receiver=data.get("receiver"),
        )
        for name in PLAIN_OF_CALL:
            setattr(call, name, data.get(name, type(getattr(call, name))()))
        return call

    def _called(self, data: int | Line) -> Call:
        call = self._call(data)
        assert call is not None
        return call

    def _act(self, data: Line) -> Act:
        act = Act(Verb[data["verb"]], self._kinds[data["kind"]], self._keys.read(data["key"]))
        for name in PLAIN_OF_ACT:
            if name in data:
                setattr(act, name, data[name])
        if "of" in data:
            act.resolved = True
            act.target = self._generation(data["of"])
        act.about = self._subjects(data.get("about", ()))
        if "amount" in data:
            act.amount = amount_in(data["amount"])
        if "within" in data:
            (act.within,) = self._refs([data["within"]])
        if "to_key" in data:
            act.to_key = self._keys.read(data["to_key"])
        to = data.get("to")
        if to == "outside":
            act.to = OUTSIDE
        elif isinstance(to, dict):
            act.to = self._books.get(to["scope"], self._nowhere)
        elif to is not None:
            (act.to,) = self._refs([to])
        return act

    def _generation(self, born: int | None) -> Generation | None:
        return self._ledger.chronicle.born.get(born) if born is not None else None

    def _choice(self, data: Line) -> Choice:
        keys: tuple[Matches, ...] | None = None
        if "keys" in data:
            keys = tuple(self._matches(one) for one in data["keys"])
        return Choice(
            frozenset(self._kinds[kind] for kind in data["kinds"]) if "kinds" in data else None,
            keys,
            self._subjects(data["about"]) if "about" in data else None,
        )

    def _matches(self, data: Line) -> Matches:
        if "pattern" in data:
            return self._keys.pattern(data["pattern"]).matches
        return frozenset(self._keys.read(key) for key in data["keys"]).__contains__

    # -- the steps --------------------------------------------------------------------------------------------------------------

    def _open(self, line: Line) -> None:
        number = line["scope"]
        only = self._chosen(line["only"]) if line["only"] is not None else None
        ignore = self._chosen(line["ignore"])
        book = self._books[number] = Book(line["name"], remember=line["remember"], only=only, ignore=ignore)
        book.sample = line.get("sample", 1.0)  # what it left out is not among its events
        self._ledger.open(book)
        if number in self._scopes:
            self._scopes[number].opened = line["seq"]

    def _chosen(self, data: Any) -> list[Kind] | KindsNamed:
        if isinstance(data, dict):
            return KindsNamed(frozenset(data["names"]))
        return [self._kinds[kind] for kind in data]

    def _there(self, line: Line) -> None:
        kind, key, book = self._kinds[line["kind"]], self._keys.read(line["key"]), self._books[line["scope"]]
        generation = Generation(kind, key, book, line["born"])
        generation.since = line["since"]
        generation.count = line.get("count", 0)
        generation.amounts = amount_in(line["amount"]) if "amount" in line else None
        generation.paid = tuple(line.get("paid", ()))
        generation.about = self._subjects(line.get("about", ()))
        generation.seeded = line.get("seeded", False)
        generation.again_said = line.get("again_said", False)
        generation.attempts = line.get("attempts", 0)
        generation.receiver = line.get("receiver")
        for seq, verb, function, at, actor, text in line.get("history", ()):
            generation.note(Note(seq, verb, function, site_in(at), actor, text))
        generation.cut = line.get("cut", 0)
        self._ledger.take_over(generation, State[line["state"]])
        owner, parent = self._generation(line.get("owner")), self._generation(line.get("parent"))
        if owner is not None:
            generation.owner = owner
            owner.owned[generation] = None
        if parent is not None:
            generation.parent = parent
            parent.parts[generation] = None

    def _begin(self, line: Line) -> None:
        call = self._called(line)
        spans = []
        for data in line.get("start", ()):
            span = Span(
                data["rule"],
                call,
                choice=self._choice(data["choice"]) if "choice" in data else None,
                restores=data["restores"],
                ended=data["ended"],
                task=self._task(data),
            )
            self._spans[data["span"]] = span
            spans.append(span)
        self._ledger.begin(call, self._refs(line.get("named", ())), spans, self._refs(line.get("failing", ())))
        self._calls[line["call"]] = call

    def _task(self, data: Line) -> Rollback | None:
        task = self._kinds[data["task"]] if data.get("task") else None
        assert task is None or isinstance(task, Rollback)
        return task

    def _end(self, line: Line) -> None:
        call = self._called(line["call"])
        call.chain, call.around = self._chain(line.get("chain", ())), line.get("around", 0)
        call.began, call.nests = line.get("began", 0), line.get("nests", False)
        call.error, call.error_place = line.get("error", ""), place_in(line.get("error_at"))
        spans = []
        for data in line.get("stop", ()):
            span = self._spans.pop(data["span"], None)
            if span is not None:
                span.rule = data["rule"]
                span.choice = self._choice(data["choice"]) if "choice" in data else None
                spans.append(span)
        failing = call.failing
        call.failing = failing if line.get("failing") else ()
        outcome = Outcome.RAISED if line.get("raised") else Outcome.RETURNED
        acts = [self._act(data) for data in line.get("acts", ())]
        for left in line.get("left_out", ()):
            self._ledger.leave_out(self._books[left["scope"]], self._refs(left["refs"]))
        self._ledger.end(call, outcome, acts, spans, self._refs(line.get("steps", ())))
        call.failing = failing

    def _abandon(self, line: Line) -> None:
        call = self._called(line["call"])
        spans = [self._spans.pop(number) for number in line["stop"] if number in self._spans]
        failing, call.failing = call.failing, call.failing if line["failing"] else ()
        self._ledger.abandon(call, spans)
        call.failing = failing

    def _complain(self, line: Line) -> None:
        kind = self._kinds[line["kind"]] if line.get("kind") else None
        chain = self._chain(line.get("chain", ()))
        found = self._ledger.complain(
            chain,
            line["code"],
            line["text"],
            call=self._call(line.get("call")),
            kind=kind,
            key=self._key(line),
            about=line.get("about", ""),
        )
        for one in found:
            one.place = place_in(line.get("at"))
        for scope in self._scopes.values():
            if scope.judged and line["code"] == "LG403":  # the one thing that is said after the judgement
                scope.findings += [one for one in found if one.book is self._books.get(scope.line["scope"])]

    def _report(self, line: Line) -> None:
        self._ledger.report(
            self._chain(line.get("chain", ())),
            line["code"],
            line["text"],
            call=self._call(line.get("call")),
            kind=self._kinds[line["kind"]] if line.get("kind") else None,
            key=self._key(line),
            about=line.get("about", ""),
            own=line["own"],
        )

    def _breached(self, line: Line) -> None:
        breach = Breach(self._kinds[line["kind"]], None, line.get("why", ""))
        book = self._books.get(line.get("scope", 0), self._nowhere)
        call = self._call(line.get("call"))
        self._ledger.breached(book, line["text"], breach, self._key(line), call, line.get("about", ""))

    def _seed(self, line: Line) -> None:
        kind, keys = self._kinds[line["kind"]], [self._keys.read(key) for key in line["keys"]]
        book = self._books.get(line["scope"], self._nowhere)
        self._ledger.seed(book, kind, keys, self._called(line["call"]), line["why"])

    def _judge(self, line: Line) -> None:
        book = self._books[line["scope"]]
        scope = self._scopes.get(line["scope"])
        allowances = scope.allowances if scope is not None else []
        self._ledger.judge(
            book,
            error=line["error"],
            ended=line["ended"],
            excused=lambda *what: any(one.would_cover(*what) for one in allowances),
        )
        if scope is not None:
            scope.judged = True
            scope.error, scope.ended, scope.raised = line["error"], line["ended"], line.get("raised", "")
            scope.findings, scope.allowed = sift(book.findings, allowances)

    def _close(self, line: Line) -> None:
        for kind in self._kinds.values():
            if kind.name in (left_out := line.get("left_out", {})):
                self._books[line["scope"]].tally(kind).left_out = left_out.pop(kind.name)
        self._closed(line["scope"], line.get("severities", {}), line["seq"])

    def _closed(self, number: int, severities: Mapping[str, str], seq: int | None) -> None:
        book = self._books[number]
        for at, severity in severities.items():
            book.findings[int(at)].severity = severity
        scope = self._scopes.get(number)
        if scope is None:
            self._ledger.close(book)
            return
        covered = [(finding, one.why) for finding, one in scope.allowed]
        verdict = account.verdict(
            book, scope.findings, covered, ended=scope.ended, error=scope.error, raised=scope.raised
        )
        told = lives(self._ledger.chronicle, book, scope.findings, [finding for finding, _ in scope.allowed])
        nowhere, elsewhere = self._ledger.close(book)
        line = scope.line
        scope.report = ScopeReport(
            ident=str(number),
            verdict=replace(verdict, nowhere=nowhere, elsewhere=elsewhere),
            run=self.run,
            reach=line["reach"],
            outer=str(line["outer"] or ""),
            place=place_in(line.get("at")),
            opened=scope.opened,
            closed=seq,
            recorded=True,
            lives=told,
            test=line.get("test", ""),
        )

    def _cut_off(self, number: int) -> None:
        """Judge a scope that was never closed."""
        scope = self._scopes[number]
        if scope.report is not None or number not in self._books:
            return
        if not scope.judged:
            self._judge({"scope": number, "error": True, "ended": CUT_OFF})
        self._closed(number, {}, None)
        self._notes.append(f"scope {scope.line['name']!r} was never closed: it is judged at {CUT_OFF}")

    # -- what the scopes say ----------------------------------------------------------------------------------------------------

    def _scope(self, line: Line) -> None:
        self._scopes[line["scope"]] = _Scope(line)

    def _allow(self, line: Line) -> None:
        key: Key | Pattern | None = self._keys.pattern(line["pattern"]) if "pattern" in line else self._key(line)
        self._scopes[line["scope"]].allowances.append(
            Allowance(
                self._kinds[line["kind"]] if line.get("kind") else None,
                key,
                key is None,
                line["why"],
                line.get("rule"),
                self._subjects(line.get("about", ())),
                line.get("at_most"),
                place_in(line.get("at")),
            )
        )

    def _verdict(self, line: Line) -> None:
        scope = self._scopes[line["scope"]]
        assert scope.report is not None
        live = line["verdict"]
        verdict = replace(scope.report.verdict, unused=tuple(live["unused"]))
        scope.report = replace(scope.report, verdict=verdict)
        if _comparable(live) != _comparable(verdict.as_dict()):
            self.differing.append(_difference(live, verdict))


def _comparable(verdict: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(verdict)
    for name in ("violations", "warnings", "allowed"):
        told[name] = [{field: value for field, value in one.items() if field not in _LIKE} for one in told[name]]
    return told


def _difference(live: Mapping[str, Any], again: Verdict) -> str:
    said = [f"{one['code']} {one['kind']} {one['key']}".strip() for one in live["violations"]]
    now = [f"{one.code} {one.kind} {one.key_text}".strip() for one in again.violations]
    if said == now:
        told = _comparable(again.as_dict())
        fields = [name for name, value in _comparable(live).items() if told.get(name) != value]
        return f"scope {again.scope!r}: judged again, its verdict differs in: {', '.join(fields)}"
    return f"scope {again.scope!r}: it said {', '.join(said) or 'nothing'}; judged again: {', '.join(now) or 'nothing'}"


def _missing(count: int) -> str:
    if count < 0:
        return f"{1 - count} lines too many"
    return "1 line is missing" if count == 1 else f"{count} lines are missing"


_STEPS: Final = frozenset(
    "kind scope allow verdict there open begin end abandon complain report breached seed judge close".split()
)
