"""What every report is made from: the verdicts of some scopes and, where a journal was kept, the life of every resource.

Frozen, versioned, picklable data without any object of the user's; it goes to JSON and comes back (`Report.as_dict`,
`Report.from_dict`), so that a report can be made anywhere and shown elsewhere. `docs/schema/report-1.json` is its schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from lifeguard.places import Place
from lifeguard.verdict import Allowed, Counts, Entry, Subject, Verdict, Violation

VERSION: Final = 1
"""Version of the data that `Report.as_dict` gives. It grows when a field changes its meaning or goes away."""

EXCUSED: Final = "known from the baseline"
"""How the reason begins for which a finding is allowed, where a file of known findings excuses it and no allowance."""

Mark = Literal["acquire", "release", "transfer", "use", "fail", "rollback", "seed", "settle"]
"""What an event is, for drawing; the exact words for people are in its `verb`."""

Standing = Literal["fine", "allowed", "warned", "violated", "left"]
"""How a resource came out: `left` is a violation by still being owed at the end (the bar runs off the right edge in
red), `violated` any other one, `allowed` is what an allowance covers.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event in the life of a resource.

    Attributes:
        seq: its number in the sequence of its process; a larger one came later, whatever the thread.
        mark: what it is, for drawing.
        verb: what happened, for people ("acquired", "release raised", "overwritten", …).
        function: name of the function whose contract told it, or "by hand".
        place: the caller's line; None where there is none.
        actor: thread, task or greenlet.
        raised: whether the call raised.
        error: what it raised; "" where it returned.
        note: what else is to be said ("to server 's1'"); may be empty.
        owner: who owes it after the event: "scope 'name'", "server 's1'", "outside"; "" where nobody does.
        to: of a transfer to another resource, the `ident` of that life (for an arrow); else "".
        fault: what was injected into the call, as its fault plan names it; "" where nothing was.
        codes: the rules that this event broke ("LG103").
    """

    seq: int
    mark: Mark
    verb: str
    function: str
    place: Place | None
    actor: str
    raised: bool = False
    error: str = ""
    note: str = ""
    owner: str = ""
    to: str = ""
    fault: str = ""
    codes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The event as JSON-ready data."""
        return {**_plain(self), "place": _place_out(self.place), "codes": list(self.codes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Event:
        """The event that `as_dict` gave."""
        return cls(**{**_named(cls, data), "place": _place_in(data["place"]), "codes": tuple(data["codes"])})


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a resource, from its acquire to its settling, as far as one scope held it: one bar of a timeline.

    What a transfer moved from one scope to another has a life in each of them, with the same `ident`.

    Attributes:
        ident: which one, within the process ("17": the number of the event that opened it).
        kind: name of the kind.
        rollback: whether the kind is a rollback (a failure that is owed its undoing) and not a resource.
        key: the key as reports print it.
        subjects: what it is about, as texts.
        begun: number of the event with which the scope held it first.
        ended: number of the event that settled it, or moved it to another scope; None where it was still owed when the
            scope was judged.
        state: where it stood then: "held", "partly released", "in doubt", "owed", "released", "handed outside",
            "moved to scope 'name'", …
        owner: who owed it last: "scope 'name'", "server 's1'" or "outside".
        owner_ident: the life of that owner where it is a resource; else "".
        part_of: the life of what it is a part of; else "".
        standing: how it came out.
        codes: the rules that were broken, also those that an allowance covers, the primary one first.
        seeded: it was there before the scope, and is not owed.
        events: its events, oldest first; all of them, not only those of this scope.
    """

    ident: str
    kind: str
    rollback: bool
    key: str
    subjects: tuple[str, ...]
    begun: int
    ended: int | None
    state: str
    owner: str
    owner_ident: str
    part_of: str
    standing: Standing
    codes: tuple[str, ...]
    seeded: bool
    events: tuple[Event, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    def as_dict(self) -> dict[str, object]:
        """The life as JSON-ready data."""
        return {
            **_plain(self),
            "subjects": list(self.subjects),
            "codes": list(self.codes),
            "events": [event.as_dict() for event in self.events],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Life:
        """The life that `as_dict` gave."""
        events = tuple(Event.from_dict(event) for event in data["events"])
        told = {"subjects": tuple(data["subjects"]), "codes": tuple(data["codes"]), "events": events}
        return cls(**{**_named(cls, data), **told})


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """One scope: its verdict and, where a journal was kept, the lives of what it held.

    Attributes:
        ident: which one, unique in its report.
        verdict: everything that the scope has to say.
        run: the process that it was in; "" where no journal was kept.
        reach: "context" or "process"; "" where it is not known.
        outer: the `ident` of the scope around it; "" where there is none, or it is not known.
        place: where it was opened; None where that is not known.
        opened: number of the last event before it opened.
        closed: number of the last event before it was judged; None where it never was: the process ended before.
        recorded: whether its events were recorded, so that `lives` is complete.
        lives: what it held, in the order in which it came to hold them.
        test: the node id of the test that it belongs to; "" where there is none.
    """

    ident: str
    verdict: Verdict
    run: str = ""
    reach: str = ""
    outer: str = ""
    place: Place | None = None
    opened: int = 0
    closed: int | None = None
    recorded: bool = False
    lives: tuple[Life, ...] = ()
    test: str = ""

    @property
    def name(self) -> str:
        """The scope's name."""
        return self.verdict.scope

    def as_dict(self) -> dict[str, object]:
        """The scope as JSON-ready data."""
        told = {"verdict": self.verdict.as_dict(), "lives": [life.as_dict() for life in self.lives]}
        return {**_plain(self), "place": _place_out(self.place), **told}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScopeReport:
        """The scope that `as_dict` gave."""
        lives = tuple(Life.from_dict(life) for life in data["lives"])
        told = {"verdict": verdict_from(data["verdict"]), "place": _place_in(data["place"]), "lives": lives}
        return cls(**{**_named(cls, data), **told})


@dataclass(frozen=True, slots=True)
class Report:
    """Some scopes together: of one run, or of many.

    Attributes:
        scopes: the scopes, those of one process in the order in which they were opened.
        notes: what the reader has to know of the report itself ("… line 17 is torn"); may be empty.
        title: what it is a report of; may be empty.
        lifeguard: the version of lifeguard that made it.
        version: the version of the data model.
    """

    scopes: tuple[ScopeReport, ...]
    notes: tuple[str, ...] = ()
    title: str = ""
    lifeguard: str = ""
    version: int = VERSION

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], *, title: str = "") -> Report:
        """A report of verdicts alone, where no journal was kept.

        Args:
            verdicts: what some scopes had to say.
            title: what it is a report of.
        """
        scopes = tuple(ScopeReport(str(number), verdict) for number, verdict in enumerate(verdicts, 1))
        return cls(scopes, title=title, lifeguard=_version())

    @classmethod
    def merged(cls, reports: Iterable[Report], *, title: str = "") -> Report:
        """Several reports as one, their scopes numbered anew."""
        scopes: list[ScopeReport] = []
        notes: list[str] = []
        for report in reports:
            names = {one.ident: str(number) for number, one in enumerate(report.scopes, len(scopes) + 1)}
            scopes += [replace(one, ident=names[one.ident], outer=names.get(one.outer, "")) for one in report.scopes]
            notes += report.notes
        return cls(tuple(scopes), tuple(notes), title, _version())

    @property
    def balanced(self) -> bool:
        """Whether no scope broke a rule."""
        return all(one.verdict.balanced for one in self.scopes)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The broken rules of all scopes."""
        return tuple(violation for one in self.scopes for violation in one.verdict.violations)

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """The warnings of all scopes."""
        return tuple(warning for one in self.scopes for warning in one.verdict.warnings)

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready data, with its version."""
        return {
            "version": self.version,
            "lifeguard": self.lifeguard,
            "title": self.title,
            "balanced": self.balanced,
            "notes": list(self.notes),
            "scopes": [one.as_dict() for one in self.scopes],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """The report that `as_dict` gave.

        Raises:
            ValueError: it is not such data, or of a version that this lifeguard does not know.
        """
        version = data.get("version") if isinstance(data, Mapping) else None
        if version != VERSION:
            raise ValueError(f"not a report of lifeguard of version {VERSION}: its version is {version!r}")
        try:
            scopes = tuple(ScopeReport.from_dict(one) for one in data["scopes"])
            return cls(scopes, tuple(data["notes"]), data["title"], data["lifeguard"], VERSION)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a report of lifeguard: {type(error).__name__}: {error}") from None


def _version() -> str:
    from lifeguard import __version__

    return __version__


def _plain(record: Any) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _named(cls: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record in JSON data; what a later version added is left out."""
    return {field.name: data[field.name] for field in fields(cls)}


def _place_out(place: Place | None) -> object:
    return place.as_dict() if place is not None else None


def _place_in(data: Mapping[str, Any] | None) -> Place | None:
    return None if data is None else Place(data["file"], data["line"], data["function"])


# -- verdicts ----------------------------------------------------------------------------------------------------------


def verdict_from(data: Mapping[str, Any]) -> Verdict:
    """The verdict that `Verdict.as_dict` gave. Keys come back as the texts that reports print."""
    return Verdict(
        scope=data["scope"],
        ended=data["ended"],
        error=data["error"],
        violations=tuple(_violation_from(one) for one in data["violations"]),
        warnings=tuple(_violation_from(one) for one in data["warnings"]),
        allowed=tuple(Allowed(_violation_from(one), one["why"]) for one in data["allowed"]),
        watched={kind: Counts(**counts) for kind, counts in data["watched"].items()},
        nowhere=data["nowhere"],
        elsewhere=data["elsewhere"],
        unused=tuple(data["unused"]),
        remember=data["remember"],
        sample=data.get("sample", 1.0),
    )


def _violation_from(data: Mapping[str, Any]) -> Violation:
    subjects = tuple(Subject(one["kind"], one["key"], one["key"]) for one in data["subjects"])
    history = tuple(
        Entry(one["seq"], one["verb"], one["function"], _place_in(one["place"]), one["actor"], one["note"])
        for one in data["history"]
    )
    told = {
        **data,
        "key": data["key"] or None,
        "key_text": data["key"],
        "subjects": subjects,
        "acquired": _place_in(data["acquired"]),
        "place": _place_in(data["place"]),
        "history": history,
        "children": tuple(data["children"]),
        "also": tuple(data["also"]),
    }
    return Violation(**_named(Violation, told))
