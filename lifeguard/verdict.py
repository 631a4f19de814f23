"""What a scope has to say when it closes: frozen, picklable data that every report is made from.

Nothing here refers to the user's objects: keys are plain values or texts, places are file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, overload

from lifeguard.data import field, field_names, record
from lifeguard.places import Place

SCHEMA_VERSION: Final = 1
"""Version of the data that `as_dict` gives. It grows when a field changes its meaning or goes away."""


@record
class Entry:
    """One event in the history of an obligation.

    Attributes:
        seq: its number in the ledger's sequence; a larger one came later, whatever the thread.
        verb: what happened ("acquired", "release raised", …).
        function: name of the function whose contract told it, or "by hand".
        place: the caller's line; None where there is none (a task that the event loop ran).
        actor: thread, task or greenlet.
        note: what else is to be said ("to server 's1'", "NotFound('gone')"); may be empty.
    """

    seq: int
    verb: str
    function: str
    place: Place | None
    actor: str
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """The event as JSON-ready data."""
        return {
            "seq": self.seq,
            "verb": self.verb,
            "function": self.function,
            "place": self.place.as_dict() if self.place else None,
            "actor": self.actor,
            "note": self.note,
        }


@record
class Subject:
    """What an obligation is about: a key, of a kind where one was named."""

    kind: str | None
    key: object
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text}" if self.kind else self.text

    def as_dict(self) -> dict[str, object]:
        """The subject as JSON-ready data."""
        return {"kind": self.kind, "key": self.text}


@record
class Outstanding:
    """An obligation that is open now.

    Attributes:
        kind: name of its kind.
        key: which one: the plain value, or a text where the key is an object's identity.
        key_text: the key as reports print it.
        state: "held", "partly released", "in doubt" or "owed" (a rollback).
        owner: who owes it: "scope 'name'" or "server 's1'".
        scope: name of the scope that holds it.
        subjects: what it is about.
        place: where it was acquired.
        seq: number of the event that opened it.
    """

    kind: str
    key: object
    key_text: str
    state: str
    owner: str
    scope: str
    subjects: tuple[Subject, ...]
    place: Place | None
    seq: int

    def __str__(self) -> str:
        return f"{self.kind} {self.key_text} ({self.state})"


@record
class Violation:
    """One broken rule.

    Attributes:
        code: "LG101".
        name: "leaked".
        cwe: "CWE-772", or None where no weakness fits.
        severity: "error", or "warning" for what never fails a scope.
        scope: name of the scope.
        kind: name of the kind; "" where the finding is about none.
        key: which one: the plain value, or a text where the key is an object's identity; None where there is none.
        key_text: the key as reports print it.
        subjects: what the obligation was about.
        message: one line.
        owed: what was owed, and who may pay it.
        done: what was done about it.
        ended: why it was judged when it was.
        acquired: the line that acquired it, if it was seen.
        place: the line to point at: where the rule was broken or, for what was left, where it was acquired.
        actor: thread, task or greenlet of the event that `place` names.
        history: the events of the obligation, oldest first.
        cut: how many events are left out of the middle of the history.
        children: what was left with it (its parts, and what it owned).
        also: what later rules said of the same thing, each text beginning with its code.
        hint: what may explain it ("released under the key 1, an int"); may be empty.
        fix: how to mend it.
        allow: the line that would allow it, the kind's variable guessed from its name; "" where there is none.
        seq: number of the event at which it came about.
    """

    code: str
    name: str
    cwe: str | None
    severity: str
    scope: str
    kind: str
    key: object
    key_text: str
    subjects: tuple[Subject, ...]
    message: str
    owed: str
    done: str
    ended: str
    acquired: Place | None
    place: Place | None
    actor: str
    history: tuple[Entry, ...]
    cut: int
    children: tuple[str, ...]
    also: tuple[str, ...]
    hint: str
    fix: str
    allow: str
    seq: int

    def __str__(self) -> str:
        return f"{self.code} {self.message}"

    def as_dict(self) -> dict[str, object]:
        """The violation as JSON-ready data: names, codes, and reprs as plain strings."""
        return {
            "code": self.code,
            "name": self.name,
            "cwe": self.cwe,
            "severity": self.severity,
            "scope": self.scope,
            "kind": self.kind,
            "key": self.key_text,
            "subjects": [subject.as_dict() for subject in self.subjects],
            "message": self.message,
            "owed": self.owed,
            "done": self.done,
            "ended": self.ended,
            "acquired": self.acquired.as_dict() if self.acquired else None,
            "place": self.place.as_dict() if self.place else None,
            "actor": self.actor,
            "history": [entry.as_dict() for entry in self.history],
            "cut": self.cut,
            "children": list(self.children),
            "also": list(self.also),
            "hint": self.hint,
            "fix": self.fix,
            "allow": self.allow,
            "seq": self.seq,
        }


@record
class Allowed:
    """A violation that an allowance covers, with the reason that was given."""

    violation: Violation
    why: str


@record
class Counts:
    """What a scope saw of one kind. Raised calls are not counted, except as failures; `left_out` are acquires of keys that
    are not in its sample.
    """

    acquired: int = 0
    released: int = 0
    transferred: int = 0
    used: int = 0
    failed: int = 0
    rolled_back: int = 0
    unmatched: int = 0
    forgotten: int = 0
    left_out: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts as JSON-ready data."""
        return {name: getattr(self, name) for name in field_names(self)}


class Names(Sequence[str]):
    """Names that are worked out when somebody looks, by what was true before."""

    __slots__ = ("_names", "_parts")

    def __init__(self, parts: Iterable[Callable[[], Iterable[str]]]) -> None:
        self._parts = tuple(parts)
        self._names: tuple[str, ...] | None = None

    def _all(self) -> tuple[str, ...]:
        if self._names is None:
            self._names = tuple(name for part in self._parts for name in part())
            self._parts = ()
        return self._names

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, Names) else other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[object, ...]:
        return tuple, (self._all(),)


@record
class Verdict:
    """Everything that one scope has to say.

    Attributes:
        scope: its name.
        ended: "normally", or the exception that left it.
        error: whether an exception left it.
        violations: broken rules of severity "error", in the order in which they came about.
        warnings: findings of severity "warning".
        allowed: what allowances covered.
        watched: what was seen of each kind, by the kind's name.
        nowhere: acquires that no scope recorded while this one was open.
        elsewhere: acquires that scopes of other contexts recorded while this one was open.
        unused: contracts that saw no call while this scope was open, though their kinds were watched or they were
            applied.
        remember: how many settled generations of a kind were remembered; None for all.
        sample: which part of all keys it watched, 1.0 for all.
    """

    scope: str
    ended: str = "normally"
    error: bool = False
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    watched: Mapping[str, Counts] = field(default_factory=dict)
    nowhere: int = 0
    elsewhere: int = 0
    unused: Sequence[str] = ()
    remember: int | None = 1024
    sample: float = 1.0

    @property
    def balanced(self) -> bool:
        """Whether no rule was broken."""
        return not self.violations

    @property
    def unmatched(self) -> dict[str, int]:
        """For each kind, how many releases, transfers and uses were of keys that were never seen or are forgotten."""
        return {kind: counts.unmatched for kind, counts in self.watched.items() if counts.unmatched}

    def as_dict(self) -> dict[str, object]:
        """The verdict as JSON-ready data, with the version of the schema."""
        return {
            "schema": SCHEMA_VERSION,
            "scope": self.scope,
            "ended": self.ended,
            "error": self.error,
            "balanced": self.balanced,
            "violations": [violation.as_dict() for violation in self.violations],
            "warnings": [violation.as_dict() for violation in self.warnings],
            "allowed": [{"why": one.why, **one.violation.as_dict()} for one in self.allowed],
            "watched": {kind: counts.as_dict() for kind, counts in self.watched.items()},
            "nowhere": self.nowhere,
            "elsewhere": self.elsewhere,
            "unused": list(self.unused),
            "remember": self.remember,
            "sample": self.sample,
        }
