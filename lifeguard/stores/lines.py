"""Steps as lines of a file, for those that wait; and back, in this process or in one that finds the file.

What is still running here (calls, atomic calls) stays the same object, so that its end finds its begin.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import CodeType
from typing import Any, Final

from lifeguard.data import field_names
from lifeguard.keys import ObjectKey, Pattern, Tagged
from lifeguard.kinds import OUTSIDE, Kind, KindsNamed, Resource, Rollback, declared_kinds
from lifeguard.ledger.book import Book
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.records import Act, Call, Generation, Outcome, Verb
from lifeguard.ledger.spans import Choice, Span
from lifeguard.places import Place
from lifeguard.reporting.encoding import amount_in, amount_out
from lifeguard.stores.books import SharedBook
from lifeguard.stores.keys import KeyCodec
from lifeguard.stores.kinds import made, settings_of
from lifeguard.stores.rows import place_of, site_of

_CALL: Final = (
    "function",
    "actor",
    "thread",
    "awaiting",
    "receiver",
    "asynchronous",
    "nests",
    "lasts",
    "error",
    "ident",
)
_FRESH: Final = Act(Verb.USE, Resource("any"), 0)
_ACT: Final = tuple(
    name
    for name in Act.__slots__
    if hasattr(_FRESH, name) and name not in ("amount", "key", "kind", "resolved", "target", "verb")
)


class StepLines:
    """Writes and reads the steps of one process."""

    def __init__(self, keys: KeyCodec, book_of: Callable[[str, dict[str, Any]], SharedBook]) -> None:
        self._keys = keys
        self._book_of = book_of
        self._running: dict[int, Call] = {}  # began while steps had to wait, or is known to a world
        self._read: dict[int, Call] = {}
        self._spans: dict[int, Span] = {}
        self._numbers: dict[Span, int] = {}
        self._callbacks: dict[int, Any] = {}
        self._kinds: dict[tuple[str, bool, str], Kind] = {}
        self._read_spans: dict[int, Span] = {}

    def write(self, number: int, name: str, what: tuple[Any, ...]) -> dict[str, Any]:
        """A step as JSON."""
        if name == "judge":
            self._callbacks[number] = what[3]
            what = what[:3]
        told = {"name": name, "n": number, "what": [self._out(one) for one in what]}
        if name in ("begin", "end", "abandon"):
            call = what[0]
            if name == "begin" or call.elsewhere:
                self._running[call.ident] = call
            else:
                self._running.pop(call.ident, None)
        return told

    def read(self, told: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """The step that `write` gave: its name, and what it was told."""
        name = told["name"]
        what = tuple([self._in(one) for one in told["what"]])
        if name == "judge":
            what = (*what, self._callbacks.pop(told["n"], lambda *_: False))
        elif name == "begin":
            self._read[what[0].ident] = what[0]
        elif name in ("end", "abandon"):
            self._read.pop(what[0].ident, None)
            self._running.pop(what[0].ident, None)
        return name, what

    # -- values -----------------------------------------------------------------------------------------------------------------

    def _out(self, value: Any) -> Any:
        if value is None or type(value) in (str, int, float, bool):
            return value
        for kind, write in self._WRITERS:
            if isinstance(value, kind):
                return write(self, value)
        return {"repr": repr(type(value))}

    def _in(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        ((tag, value),) = data.items()
        return self._READERS[tag](self, value)

    def _call_out(self, call: Call) -> Any:
        told = {name: self._out(getattr(call, name)) for name in _CALL}
        spans = [self._numbers[span] for span in call.spans if span in self._numbers]
        return {"call": {**told, "thread": str(call.thread), "site": place_of(call.site), "spans": spans}}

    def _call_in(self, told: Any) -> Call:
        known = self._running.get(told["ident"]) or self._read.get(told["ident"])
        if known is not None:
            return known
        call = Call(
            told["function"],
            chain=(),
            site=site_of(told["site"]),
            actor=told["actor"],
            thread=told["thread"],
            awaiting=self._in(told["awaiting"]),
            spans=tuple([self._span_in({"n": number}) for number in told["spans"]]),
            receiver=told["receiver"],
        )
        for name in ("asynchronous", "nests", "lasts", "error", "ident"):
            setattr(call, name, told[name])
        return call

    def _act_out(self, act: Act) -> Any:
        told = {name: self._out(getattr(act, name)) for name in _ACT}
        amount = amount_out(act.amount) if act.amount is not None else None
        ref = {"verb": act.verb.name, "kind": self._out(act.kind), "key": self._out(act.key)}
        return {"act": {**told, **ref, "amount": amount}}

    def _act_in(self, told: Any) -> Act:
        act = Act(Verb[told["verb"]], self._in(told["kind"]), self._in(told["key"]))
        for name in _ACT:
            setattr(act, name, self._in(told[name]))
        act.amount = amount_in(told["amount"]) if told["amount"] is not None else None
        return act

    def _span_out(self, span: Span) -> Any:
        number = self._numbers.get(span)
        if number is None:
            number = self._numbers[span] = len(self._numbers) + 1
        self._spans[number] = span
        return {
            "span": {
                "n": number,
                "rule": span.rule,
                "call": self._out(span.call),
                "choice": self._out(span.choice),
                "restores": span.restores,
                "ended": span.ended,
                "task": self._out(span.task),
            }
        }

    def _span_in(self, told: Any) -> Span:
        known = self._spans.get(told["n"]) or self._read_spans.get(told["n"])
        if known is None:
            known = self._read_spans[told["n"]] = Span(
                told["rule"],
                self._in(told["call"]),
                choice=self._in(told["choice"]),
                restores=told["restores"],
                ended=told["ended"],
                task=self._in(told["task"]),
            )
        return known

    def _choice_out(self, choice: Choice) -> Any:
        keys = None
        if choice.keys is not None:
            keys = [self._out(getattr(one, "__self__", None)) for one in choice.keys]
        kinds = [self._out(kind) for kind in choice.kinds] if choice.kinds is not None else None
        return {"choice": [kinds, keys, self._out(choice.about)]}

    def _choice_in(self, data: Any) -> Choice:
        kinds, keys, about = data
        matches = None
        if keys is not None:
            chosen = [self._in(one) for one in keys]
            matches = tuple([one.matches if isinstance(one, Pattern) else one.__contains__ for one in chosen])
        return Choice(
            frozenset(self._in(kind) for kind in kinds) if kinds is not None else None, matches, self._in(about)
        )

    def _kind_out(self, kind: Kind) -> Any:
        return {"kind": [kind.name, isinstance(kind, Rollback), settings_of(kind)]}

    def _kind_in(self, data: Any) -> Kind:
        name, rollback, settings = meaning = tuple(data)
        known = self._kinds.get(meaning)
        if known is None:
            for kind in declared_kinds():
                same = kind.name == name and isinstance(kind, Rollback) == rollback
                if same and settings_of(kind) == settings:
                    known = kind
                    break
            known = self._kinds[meaning] = known or made(name, rollback, settings)
        return known

    def _chosen_out(self, chosen: frozenset[Kind] | KindsNamed) -> Any:
        return {"names": sorted(chosen.names)} if isinstance(chosen, KindsNamed) else [*map(self._out, chosen)]

    def _chosen_in(self, data: Any) -> list[Kind] | KindsNamed:
        return KindsNamed(frozenset(data["names"])) if isinstance(data, dict) else [*map(self._in, data)]

    def _book_out(self, book: Book) -> Any:
        if not isinstance(book, SharedBook):
            return {"book": None}
        told = {"name": book.name, "remember": book.remember, "only": None, "ignore": self._chosen_out(book.ignore)}
        if book.only is not None:
            told["only"] = self._chosen_out(book.only)
        return {"book": [book.ident, told]}

    def _book_in(self, data: Any) -> Book:
        if data is None:
            closed = Book("a scope of another ledger")
            closed.sealed = closed.closed = True
            return closed
        ident, told = data
        only = self._chosen_in(told["only"]) if told["only"] is not None else None
        return self._book_of(ident, {**told, "only": only, "ignore": self._chosen_in(told["ignore"])})

    _WRITERS: Final[tuple[tuple[Any, Any], ...]] = (
        (Tagged | ObjectKey | bytes, lambda self, key: {"key": self._keys.write(key)}),
        (Decimal | Fraction, lambda self, number: {"number": amount_out((number,))[0]}),
        (Call, _call_out),
        (Act, _act_out),
        (Span, _span_out),
        (Choice, _choice_out),
        (Resource | Rollback, _kind_out),
        (Book, _book_out),
        (Outcome, lambda self, outcome: {"outcome": outcome.name}),
        (Place, lambda self, place: {"place": [getattr(place, name) for name in field_names(place)]}),
        (Breach, lambda self, breach: {"breach": [self._out(breach.kind), None, breach.why]}),
        (Pattern, lambda self, pattern: {"pattern": [list(pattern.fields), self._out(tuple(pattern.parts))]}),
        (type(OUTSIDE), lambda self, outside: {"outside": 1}),
        (tuple, lambda self, parts: {"tuple": [self._out(part) for part in parts]}),
        (list, lambda self, parts: {"list": [self._out(part) for part in parts]}),
        (frozenset, lambda self, parts: {"set": [self._out(part) for part in parts]}),
        (Generation, lambda self, generation: None),
        (CodeType, lambda self, code: None),
    )

    _READERS: Final[dict[str, Any]] = {
        "key": lambda self, data: self._keys.read(data),
        "number": lambda self, data: amount_in([data])[0],
        "call": _call_in,
        "act": _act_in,
        "span": _span_in,
        "choice": _choice_in,
        "kind": _kind_in,
        "book": _book_in,
        "outcome": lambda self, name: Outcome[name],
        "place": lambda self, data: Place(*data),
        "breach": lambda self, data: Breach(self._in(data[0]), data[1], data[2]),
        "pattern": lambda self, data: Pattern(tuple(data[0]), self._in(data[1])),
        "outside": lambda self, data: OUTSIDE,
        "tuple": lambda self, data: tuple([self._in(part) for part in data]),
        "list": lambda self, data: [self._in(part) for part in data],
        "set": lambda self, data: frozenset(self._in(part) for part in data),
        "repr": lambda self, data: data,
    }


def line_of(told: dict[str, Any]) -> bytes:
    """A line of the file."""
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"
