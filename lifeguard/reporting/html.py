"""HTML: one file that needs nothing else, with a timeline of the resources of each scope, and the same facts as a table.

The page is made in the browser from data that stands in the file, so that ten thousand resources stay usable: only the
lines that can be seen are drawn. Text of the program under test never becomes markup: the data is JSON in which no `<`
is left, the script builds text nodes only, and a Content-Security-Policy lets no script run but that one.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Final

from lifeguard.ledger.records import FIRST
from lifeguard.places import Place
from lifeguard.reporting.chronicle import AT_THE_END
from lifeguard.reporting.findings import event_of, findings, outcome, plural, visible
from lifeguard.reporting.model import Event, Life, Report, ScopeReport
from lifeguard.rules import RULES
from lifeguard.text import render as as_text
from lifeguard.text import summary as seen
from lifeguard.verdict import Violation

TEXT_SHOWN: Final = 200_000
"""So many characters of the text report stand in the file, for browsers that run no script."""

ROWS_SHOWN: Final = 50_000
"""Above so many resources, those that came out fine are left out, and the page says how many."""

EVENTS_SHOWN: Final = 200
"""So many events of one resource stand in the file: half of them its first, half of them its last."""


def render(report: Report) -> str:
    """A report as an HTML page.

    Args:
        report: what to show.

    Returns:
        the whole file, to be written as UTF-8.
    """
    page = _Page(report)
    notes = list(report.notes)
    if page.left_out:
        notes.append(f"{plural(page.left_out, 'resource')} without a finding left out: the JSON report has all")
    script = "".join(_asset(name) for name in ("model.js", "drawing.js", "page.js"))
    parts = {
        "title": _escaped(report.title or "lifeguard report"),
        "generator": _escaped(f"lifeguard {report.lifeguard}".strip()),
        "summary": _headline(report),
        "notes": "".join(f'<p class="soft">{_escaped(note)}</p>\n' for note in notes),
        "style": _asset("report.css"),
        "script": script,
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "text": _escaped(_text(report)),
        "data": _embedded(page.data()),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("report.html"))


@lru_cache
def _asset(name: str) -> str:
    return resources.files("lifeguard.reporting").joinpath("page", name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    return html.escape(visible(text)).encode("ascii", "xmlcharrefreplace").decode()


def _embedded(data: object) -> str:
    """JSON that can stand in a `script` element: nothing in it opens or closes a tag or a comment."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _headline(report: Report) -> str:
    judged, rest = outcome(report)
    look = "good" if report.balanced else "bad"
    return f'<strong class="{look}">{judged}</strong>{rest}'


def _text(report: Report) -> str:
    """The report as text, bounded."""
    texts: list[str] = []
    room = TEXT_SHOWN
    for number, one in enumerate(report.scopes):
        text = as_text(one.verdict)
        if len(text) > room:
            left = len(report.scopes) - number - 1
            texts.append(text[:room] + f"\n… cut here; {plural(left, 'more scope')} left out: the JSON report has all")
            break
        texts.append(text)
        room -= len(text)
    return "\n\n".join(texts)


@dataclass(slots=True)
class _Row:
    """One line of the timeline: a resource, or a finding that is about none."""

    scope: int
    kind: str
    key: str
    begun: int
    ended: int | None
    owner: str = ""
    state: str = ""
    standing: str = "fine"
    codes: tuple[str, ...] = ()
    cut: int = 0
    cut_at: int = FIRST
    findings: list[int] = field(default_factory=list)
    events: tuple[Event, ...] = ()
    ident: str = ""


class _Page:
    """The data of the page: each text once, and everything else by their numbers."""

    def __init__(self, report: Report) -> None:
        self._words: dict[str, int] = {}
        self._places: dict[Place, str] = {}
        self._rows: list[_Row] = []
        self._findings: list[dict[str, object]] = []
        self._lives: dict[tuple[str, str], dict[int, int]] = {}  # of a run and a life: scope -> row
        self._named: dict[tuple[int, str, str], list[int]] = {}  # of a scope, a kind and a key: rows
        room = ROWS_SHOWN - sum(life.standing != "fine" for scope in report.scopes for life in scope.lives)
        self.left_out = 0
        for number, scope in enumerate(report.scopes):
            for life in scope.lives:
                if life.standing == "fine":
                    room -= 1
                    if room < 0:
                        self.left_out += 1
                        continue
                self._named.setdefault((number, life.kind, life.key), []).append(len(self._rows))
                self._lives.setdefault((scope.run, life.ident), {})[number] = len(self._rows)
                self._rows.append(_of_life(number, life))
        for number, scope in enumerate(report.scopes):
            self._judge(number, scope)
        self._scopes = report.scopes

    def data(self) -> dict[str, object]:
        """Everything that the script reads."""
        rows = [self._row(row) for row in self._rows]
        names = {one.ident: one.name for one in self._scopes}
        return {
            "scopes": [_scope(one, names.get(one.outer, "")) for one in self._scopes],
            "rows": rows,
            "findings": self._findings,
            "words": list(self._words),
        }

    def _judge(self, number: int, scope: ScopeReport) -> None:
        """Put what was found in a scope at its rows; what is about no resource that is shown gets a row of its own."""
        for found in findings(scope):
            status, why, violation = found.status, found.why, found.violation
            lives = self._named.get((number, violation.kind, violation.key_text), [])
            index = _best([(at, self._rows[at]) for at in lives], violation)
            if index is None:
                row = _of_finding(number, violation, status)
                self._rows.append(row)
            else:
                row = self._rows[index]
            row.findings.append(len(self._findings))
            self._findings.append(self._finding(number, status, why, violation))

    def _word(self, text: str) -> int:
        return self._words.setdefault(text, len(self._words))

    def _place(self, place: Place | None) -> str:
        if place is None:
            return ""
        text = self._places.get(place)
        if text is None:
            text = self._places[place] = str(place)
        return text

    def _row(self, row: _Row) -> list[object]:
        first = row.events[0] if row.events else None
        found = self._findings[row.findings[0]] if row.findings else None
        place = self._place(first.place) if first else str(found["place"] if found else "")
        told = [f"{code} {RULES[code].name}" if code in RULES else code for code in row.codes]
        aside = {"allowed": " (allowed)", "warned": " (a warning)"}.get(row.standing, "")
        along = "left with what it belongs to" if row.standing == "left" else row.state
        verdict = ", ".join(told) + aside if told else along
        words = (row.kind, row.key, row.owner, row.state, row.standing, verdict, place, first.actor if first else "")
        return [
            row.scope,
            row.begun,
            -1 if row.ended is None else row.ended,
            [row.cut, row.cut_at],
            *(self._word(word) for word in words),
            [self._word(code) for code in row.codes],
            row.findings,
            [self._event(event, row) for event in row.events],
        ]

    def _event(self, event: Event, row: _Row) -> list[int]:
        mark = "fault" if event.fault else "raised" if event.raised and event.mark != "fail" else event.mark
        note = "; ".join(note for note in (event.note, f"injected {event.fault}" if event.fault else "") if note)
        where = self._place(event.place)
        words = (mark, event.verb, event.function, where, event.actor, note, ", ".join(event.codes))
        return [event.seq, *(self._word(word) for word in words), self._target(event, row)]

    def _target(self, event: Event, row: _Row) -> int:
        """The row that a transfer goes to: that of the new owner, or of the same life in another scope; -1 for none."""
        run = self._scopes[row.scope].run
        if event.to:
            rows = self._lives.get((run, event.to), {})
            return rows.get(row.scope, next(iter(rows.values()), -1))
        if event.mark == "transfer" and event.seq == row.ended:
            moved = self._lives.get((run, row.ident), {})
            return next((at for at in moved.values() if self._rows[at].begun == event.seq), -1)
        return -1

    def _finding(self, scope: int, status: str, why: str, violation: Violation) -> dict[str, object]:
        return {
            "scope": scope,
            "status": status,
            "why": why,
            "code": violation.code,
            "name": violation.name,
            "cwe": violation.cwe,
            "kind": violation.kind,
            "message": violation.message,
            "about": [str(subject) for subject in violation.subjects],
            "owed": violation.owed,
            "done": violation.done,
            "ended": violation.ended,
            "place": self._place(violation.place),
            "children": violation.children,
            "also": violation.also,
            "hint": violation.hint,
            "fix": violation.fix,
            "allow": violation.allow,
        }


def _of_life(scope: int, life: Life) -> _Row:
    state = life.state if not life.seeded else f"{life.state}, there before the scope"
    ended = life.ended if life.standing != "left" else None
    row = _Row(scope, life.kind, life.key, life.begun, ended, life.owner, state, life.standing, life.codes)
    half = EVENTS_SHOWN // 2
    row.events = life.events if len(life.events) <= EVENTS_SHOWN else (*life.events[:half], *life.events[-half:])
    row.cut, row.cut_at = len(life.events) - len(row.events), half
    row.ident = life.ident
    return row


def _of_finding(scope: int, violation: Violation, status: str) -> _Row:
    """A row for a finding whose resource was not recorded, from its history; or for one that is about no resource."""
    events = tuple(event_of(entry) for entry in violation.history)
    begun = events[0].seq if events else violation.seq
    still_open = violation.code in AT_THE_END and bool(events)
    standing = {"warning": "warned", "allowed": "allowed"}.get(status, "left" if still_open else "violated")
    ended = None if still_open else max([violation.seq, *(event.seq for event in events)])
    return _Row(
        scope,
        violation.kind,
        violation.key_text,
        begun,
        ended,
        state="still open" if still_open else "",
        standing=standing,
        codes=(violation.code,),
        cut=violation.cut,
        events=events,
    )


def _best(rows: list[tuple[int, _Row]], violation: Violation) -> int | None:
    """Which of the lives of one key a finding is about: the one that shares its history, else the latest one begun by then."""
    first = violation.history[0].seq if violation.history else None
    for index, row in rows:
        if first is not None and any(event.seq == first for event in row.events):
            return index
    begun = [index for index, row in rows if row.begun <= violation.seq]
    return begun[-1] if begun else None


def _scope(scope: ScopeReport, outer: str) -> dict[str, object]:
    verdict = scope.verdict
    found, warned = len(verdict.violations), len(verdict.warnings)
    judged = plural(found, "violation") if found else "balanced"
    if warned:
        judged += f", {plural(warned, 'warning')}"
    ended = "ended normally" if verdict.ended == "normally" else "still open" if verdict.ended == "open" else ""
    notes = list(seen(verdict))
    if outer:
        notes.insert(0, f"inside scope {outer!r}")
    if scope.place is not None:
        notes.insert(0, f"opened at {scope.place}")
    if scope.test:
        notes.insert(0, f"test {scope.test}")
    if not scope.recorded and found:
        notes.append("no journal was kept: the timeline has only what was found")
    return {
        "name": scope.name,
        "owner": f"scope {scope.name!r}",
        "said": f"{judged}; {ended or f'left by {verdict.ended}'}",
        "bad": bool(found),
        "notes": notes,
    }
