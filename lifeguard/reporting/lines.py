"""What the ledger is told, as lines of a journal (see `lifeguard.reporting.journal`)."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from lifeguard import context
from lifeguard.allowances import Allowance
from lifeguard.context import LEDGER
from lifeguard.keys import Key, Pattern
from lifeguard.kinds import OUTSIDE, Kind, KindsNamed, Resource
from lifeguard.ledger import account
from lifeguard.ledger.book import Book
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.records import Act, Call, Generation, Note, Outcome, Ref, Subject, Verb
from lifeguard.ledger.spans import Choice, Span
from lifeguard.reporting.encoding import amount_out, key_out, pattern_out, place_out

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

VERSION: Final = 1
"""Version of the format. It grows when a line changes its meaning."""

Line = dict[str, Any]

_FRESH: Final = Act(Verb.USE, Resource("any"), 0)

PLAIN_OF_ACT: Final = tuple(
    name
    for name in Act.__slots__
    if hasattr(_FRESH, name)
    and name not in ("about", "amount", "key", "kind", "resolved", "target", "to", "to_key", "verb", "within")
)
"""What an act says as a flag or a text; left out where it is as in a new one."""

PLAIN_OF_CALL: Final = ("asynchronous", "nests", "lasts", "error")
"""What a call says as a flag or a text."""


class Lines(ABC):
    """Knows the numbers under which one run speaks of kinds, scopes and spans."""

    def __init__(self) -> None:
        self._kinds: dict[Kind, int] = {}
        self._payers: dict[int, object] = {}
        self._books: dict[Book, int] = {}
        self._numbers = count(1)
        self._spans: dict[Span, int] = {}
        self._span_count = 0
        self._calls = 0  # so many calls had begun before
        # Of each scope that keeps this journal: how many were written. Scopes come and go in other threads meanwhile, so that
        # it is only walked through as a copy.
        self._allowances: dict[Scope, int] = {}

    @abstractmethod
    def _write(self, step: str, line: Line) -> None:
        """Write one line."""

    # -- the steps of the ledger ------------------------------------------------------------------------------------------------

    def _record(self, calls: int) -> None:
        from lifeguard import __version__

        self._calls = calls
        self._write(
            "journal",
            {
                "version": VERSION,
                "lifeguard": __version__,
                "python": platform.python_version(),
                "pid": os.getpid(),
                "folder": _folder(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "seq": LEDGER.clock.seq,
                "calls": calls,
            },
        )

    def _open(self, book: Book) -> Line:
        return {
            "scope": self._books.get(book) or self._new_book(book),
            "name": book.name,
            "remember": book.remember,
            "sample": book.sample,
            "only": self._chosen(book.only) if book.only is not None else None,
            "ignore": self._chosen(book.ignore),
        }

    def _chosen(self, kinds: frozenset[Kind] | KindsNamed) -> list[int] | dict[str, list[str]]:
        if isinstance(kinds, KindsNamed):
            return {"names": sorted(kinds.names)}
        return sorted(map(self._kind, kinds))

    def _begin(self, call: Call, named: tuple[Ref, ...], spans: tuple[Span, ...], failing: tuple[Ref, ...]) -> Line:
        for span in spans:
            self._span_count += 1
            self._spans[span] = self._span_count
        return _without_empty(
            {
                "call": call.ident,
                **self._call(call),
                "named": self._refs(named),
                "start": [self._span(span) for span in spans],
                "failing": self._refs(failing),
            }
        )

    def _end(
        self, call: Call, outcome: Outcome, acts: list[Act], spans: tuple[Span, ...], steps: tuple[Ref, ...]
    ) -> Line:
        place = call.error_place
        line = {
            "call": self._known(call),
            "began": call.began,
            "chain": self._chain(call.chain),
            "around": call.around,
            "nests": call.nests,
            "raised": outcome is Outcome.RAISED,
            "error": call.error,
            "error_at": [place.file, place.line, place.function] if place is not None else None,
            "fault": getattr(call, "fault", ""),
            "acts": [self._act(act) for act in acts],
            "left_out": self._left_out(acts) if LEDGER.sampling else [],
            "stop": [self._span(span) for span in spans],
            "steps": self._refs(steps),
            "failing": bool(call.failing),
        }
        for span in spans:
            self._spans.pop(span, None)
        return _without_empty(line)

    def _left_out(self, acts: list[Act]) -> list[Line]:
        """What these acts speak of and a scope does not watch though it watches the kind: by the key or by chance, which a
        reader cannot work out.
        """
        found: list[Line] = []
        for book, number in self._books.items():
            refs = [ref for act in acts for ref in _refs_of(act) if book.leaves_out(*ref)]
            if refs:
                found.append({"scope": number, "refs": self._refs(refs)})
        return found

    def _abandon(self, call: Call, spans: tuple[Span, ...]) -> Line:
        line = {"call": self._known(call), "stop": [self._spans.get(span, 0) for span in spans]}
        for span in spans:
            self._spans.pop(span, None)
        return {**line, "failing": bool(call.failing)}

    def _complain(
        self,
        chain: tuple[Book, ...],
        code: str,
        text: str,
        call: Call | None,
        kind: Kind | None,
        key: Key | None,
        about: object,
    ) -> Line:
        line = {
            "chain": self._chain(chain),
            "code": code,
            "text": text,
            "call": self._known(call) if call is not None else None,
            "kind": self._kind(kind) if kind is not None else 0,
            "about": about if isinstance(about, str) else f"#{id(about)}",
            "at": list(about.place.as_dict().values()) if isinstance(about, Allowance) and about.place else None,
        }
        return {**_without_empty(line), **_key(key)}

    def _report(
        self,
        chain: tuple[Book, ...],
        code: str,
        text: str,
        call: Call | None,
        kind: Kind | None,
        key: Key | None,
        about: object,
        own: bool,
    ) -> Line:
        return {**self._complain(chain, code, text, call, kind, key, repr(about)), "own": own}

    def _breached(
        self, book: Book, description: str, breach: Breach, key: Key | None, call: Call | None, ident: object
    ) -> Line:
        line = {
            "scope": self._books.get(book, 0),
            "text": description,
            "kind": self._kind(breach.kind),
            "why": breach.why,
            "call": self._known(call) if call is not None else None,
            "about": f"#{id(ident)}",
        }
        return {**_without_empty(line), **_key(key)}

    def _seed(self, book: Book, kind: Kind, keys: tuple[Key, ...], call: Call, why: str) -> Line:
        return {
            "scope": self._books.get(book, 0),
            "kind": self._kind(kind),
            "keys": [key_out(key) for key in keys],
            "call": self._call(call),
            "why": why,
        }

    def _judge(self, book: Book, error: bool, ended: str) -> Line:
        kinds = [one.kind for one in book.held] + [one.kind for one in book.findings if one.kind is not None]
        for kind in dict.fromkeys(kinds):
            self._write_payers(kind)
        scope = next((one for one in list(self._allowances) if one.book is book), None)
        line = {"scope": self._books.get(book, 0), "error": error, "ended": ended}
        return {**line, "raised": scope._raised} if scope is not None else line

    def _close(self, book: Book) -> Line | None:
        number = self._books.get(book, 0)
        if not any(scope.book is book for scope in list(self._allowances)):
            self._books.pop(book, None)
        severities = {str(at): one.severity for at, one in enumerate(book.findings) if one.severity is not None}
        left_out = {kind: count for kind, counts in account.counts(book).items() if (count := counts.left_out)}
        return _without_empty({"scope": number, "severities": severities, "left_out": left_out})

    # -- what they speak of -----------------------------------------------------------------------------------------------------

    def _new_book(self, book: Book) -> int:
        number = self._books[book] = next(self._numbers)  # one step: scopes open in many threads
        return number

    def _chain(self, chain: Iterable[Book]) -> list[int]:
        return [self._books.get(book, 0) for book in chain]

    def _kind(self, kind: Kind) -> int:
        number = self._kinds.get(kind)
        if number is not None:
            return number
        within = kind.within if isinstance(kind, Resource) else None
        line: Line = {"name": kind.name, "unseen": kind.unseen}
        if isinstance(kind, Resource):
            line |= {
                "again": kind.again,
                "fields": list(kind.fields) if kind.fields is not None else None,
                "needs": list(kind.needs.parts) if kind.needs is not None else None,
                "within": self._kind(within) if within is not None else 0,
                "cascade": kind.cascade,
            }
        else:
            line |= {"rollback": True, "order": kind.order}
        number = len(self._kinds) + 1
        line["payers"] = _payers(kind)
        self._write("kind", {"kind": number, **line})
        self._kinds[kind] = number
        self._payers[number] = line["payers"]
        return number

    def _write_payers(self, kind: Kind) -> None:
        """Tell who may pay, where more have come to be known since the kind was told."""
        number, payers = self._kind(kind), _payers(kind)
        if self._payers[number] != payers:
            self._payers[number] = payers
            self._write("kind", {"kind": number, "payers": payers})
        if isinstance(kind, Resource) and kind.within is not None:
            self._write_payers(kind.within)

    def _refs(self, refs: Iterable[Ref]) -> list[object]:
        return [[self._kind(kind), key_out(key)] for kind, key in refs]

    def _subjects(self, subjects: Iterable[Subject]) -> list[object]:
        return [[self._kind(kind) if kind is not None else 0, key_out(key)] for kind, key in subjects]

    def _known(self, call: Call) -> object:
        """The number of a call that the reader knows; all of it where it began before."""
        return call.ident if call.ident > self._calls else self._call(call)

    def _call(self, call: Call) -> Line:
        line: Line = {
            "function": call.function,
            "chain": self._chain(call.chain),
            "around": call.around,
            "at": place_out(call.site),
            "actor": call.actor,
            "thread": None if call.thread is None else str(call.thread),
            "awaiting": list(call.awaiting),
            "spans": [number for number in map(self._spans.get, call.spans) if number],
            "receiver": call.receiver,
            **{name: getattr(call, name) for name in PLAIN_OF_CALL},
        }
        return _without_empty(line)

    def _act(self, act: Act) -> Line:
        line: Line = {"verb": act.verb.name, "kind": self._kind(act.kind), "key": key_out(act.key)}
        line |= {name: value for name in PLAIN_OF_ACT if (value := getattr(act, name)) != getattr(_FRESH, name)}
        if act.resolved:
            line["of"] = act.target.born if act.target is not None else None
        if act.about:
            line["about"] = self._subjects(act.about)
        if act.amount is not None:
            line["amount"] = amount_out(act.amount)
        if act.within is not None:
            line["within"] = self._refs([act.within])[0]
        if act.to_key is not None:
            line["to_key"] = key_out(act.to_key)
        if act.to is OUTSIDE:
            line["to"] = "outside"
        elif isinstance(act.to, Book):
            line["to"] = {"scope": self._books.get(act.to, 0)}
        elif isinstance(act.to, tuple):
            line["to"] = self._refs([act.to])[0]
        return line

    def _span(self, span: Span) -> Line:
        task = self._kind(span.task) if span.task is not None else 0
        line = _without_empty({"span": self._spans.get(span, 0), "rule": span.rule, "ended": span.ended, "task": task})
        line["restores"] = span.restores
        if span.choice is not None:
            line["choice"] = self._choice(span.choice)
        return line

    def _choice(self, choice: Choice) -> Line:
        line: Line = {}
        if choice.kinds is not None:
            line["kinds"] = sorted(map(self._kind, choice.kinds))
        if choice.keys is not None:
            line["keys"] = [_selection(matches) for matches in choice.keys]
        if choice.about is not None:
            line["about"] = self._subjects(choice.about)
        return line

    def _write_allowances(self) -> None:
        """The allowances that were said since."""
        for scope, written in list(self._allowances.items()):
            for number, allowance in enumerate(scope._allowances[written:], written + 1):
                self._write("allow", {"scope": self._books.get(scope.book, 0), **self._allowance(allowance)})
                if scope in self._allowances:  # it may just have been judged, in its own thread
                    self._allowances[scope] = number

    def _allowance(self, allowance: Allowance) -> Line:
        place = allowance.place
        line: Line = {
            "why": allowance.why,
            "kind": self._kind(allowance.kind) if allowance.kind is not None else 0,
            "rule": allowance.rule,
            "about": self._subjects(allowance.about),
            "at_most": allowance.at_most,
            "at": [place.file, place.line, place.function] if place is not None else None,
        }
        if isinstance(allowance.key, Pattern):
            return {**_without_empty(line), "pattern": pattern_out(allowance.key)}
        return {**_without_empty(line), **_key(allowance.key)}

    # -- what was there when the run began --------------------------------------------------------------------------------------

    def _write_what_is_there(self) -> None:
        """The scopes that are open already, with all that they hold or remember: a key may mean something of theirs."""
        books = [scope.book for scope in context.OPEN if not scope.book.closed]
        for book in books:
            self._write("open", {"seq": LEDGER.clock.seq, **self._open(book)})
        found = [one for book in books for one in (*book.held, *book.remembered())]
        for generation in sorted(found, key=lambda one: one.born):
            self._write("there", self._generation(generation))

    def _generation(self, one: Generation) -> Line:
        line = _without_empty(
            {
                "scope": self._books.get(one.book, 0),
                "kind": self._kind(one.kind),
                "born": one.born,
                "since": one.since,
                "state": one.state.name,
                "count": one.count,
                "amount": amount_out(one.amounts) if one.amounts is not None else None,
                "paid": list(one.paid),
                "about": self._subjects(one.about),
                "owner": one.owner.born if one.owner is not None else 0,
                "parent": one.parent.born if one.parent is not None else 0,
                "seeded": one.seeded,
                "again_said": one.again_said,
                "attempts": one.attempts,
                "receiver": one.receiver,
                "history": [_note(note) for note in one.history],
                "cut": one.cut,
            }
        )
        return {**line, **_key(one.key)}


def _refs_of(act: Act) -> list[Ref]:
    """The resources that an act speaks of."""
    others = [one for one in (act.within, act.to) if isinstance(one, tuple)]
    return [(act.kind, act.key), *others, *([(act.kind, act.to_key)] if act.to_key is not None else [])]


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


def _key(key: Key | None) -> Line:
    return {} if key is None else {"key": key_out(key)}


def _note(note: Note) -> list[object]:
    return [note.seq, note.verb, note.function, place_out(note.site), note.actor, note.text]


def _payers(kind: Kind) -> list[object]:
    found = {(one.name, one.verb, one.part, one.cascade) for ask in account.payers for one in ask(kind)}
    return [list(one) for one in sorted(found)]


def _selection(matches: Callable[[Key], bool]) -> Line:
    chosen = getattr(matches, "__self__", None)
    if isinstance(chosen, Pattern):
        return {"pattern": pattern_out(chosen)}
    assert isinstance(chosen, frozenset)
    return {"keys": [key_out(key) for key in chosen]}


_EMPTY: Final[tuple[object, ...]] = (None, "", [], {}, 0, False)


def _without_empty(line: Line) -> Line:
    """What is empty is left out; a reader takes what is left out for empty."""
    return {name: value for name, value in line.items() if value not in _EMPTY}
