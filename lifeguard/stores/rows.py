"""Obligations and findings as rows, and back.

What refers to one process (its threads, its calls that are awaited, the identities of its objects) is of use to that process
alone; read by another one it becomes something that equals nothing there.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lifeguard.kinds import Kind
from lifeguard.ledger.records import Call, Finding, Generation, Note, Told, Verb
from lifeguard.ledger.states import State
from lifeguard.places import Site
from lifeguard.reporting.encoding import amount_in, amount_out, place_in, place_out, site_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from lifeguard.keys import Key
    from lifeguard.stores.keys import KeyCodec


class Row(NamedTuple):
    """One obligation as its table holds it; the columns in their order."""

    world: int
    born: int
    scope: int
    kind: int
    key: str
    placed: int
    since: int
    number: int
    owner: int | None
    parent: int | None
    steps: int | None
    process: int
    at: float
    data: str


class Kept(Generation):
    """A generation that is kept in a database.

    Attributes:
        row: how it stands there; None while it does not.
        settled: whether that is among the settled.
    """

    __slots__ = ("__weakref__", "at", "inside", "number", "placed", "process", "row", "settled", "steps_at", "tried")

    def __init__(self, kind: Kind, key: Key, book: Any, born: int) -> None:
        super().__init__(kind, key, book, born)
        self.row: Row | None = None
        self.settled = False
        self.placed = born
        self.number = 0
        self.process = 0
        self.at = 0.0
        self.inside = False  # opened inside an atomic or settling call, which answers for it in its own process
        self.steps_at = 0  # its place among the steps of a failed call
        self.tried = False


@lru_cache(maxsize=4096)
def _place_out(site: Site) -> list[object] | None:
    return place_out(site)


@lru_cache(maxsize=4096)
def _site_in(file: str, line: int, function: str) -> Site | None:
    return site_in([file, line, function])


def site_of(place: list[Any] | None) -> Site | None:
    """The site that a place in a row stands for."""
    return None if place is None else _site_in(*place)


def place_of(site: Site | None) -> list[object] | None:
    """The place of a site, for a row."""
    return None if site is None else _place_out(site)


_dump: Final = json.JSONEncoder(separators=(",", ":")).encode
_DONE_ELSEWHERE: Final = "\x00"


class RowCodec:
    """Writes and reads rows for one process."""

    def __init__(
        self, process: int, keys: KeyCodec, kind_number: Callable[[Kind], int], name_of: Callable[[int], str]
    ) -> None:
        self.process = process
        self.keys = keys
        self.kind_number = kind_number
        self._name_of = name_of  # of another process, as reports name it
        self._elsewhere: dict[str, tuple[str, int]] = {}  # who ran in other processes, by what reports call him

    # -- obligations ------------------------------------------------------------------------------------------------------------

    def write(self, world: int, scope: int, one: Kept, finding: list[int] | None) -> Row:
        """An obligation as a row."""
        data = [
            self.keys.write(one.key),
            one.state.name,
            one.count,
            amount_out(one.amounts) if one.amounts is not None else None,
            one.paid,
            self.subjects_out(one.about),
            int(one.seeded) + 2 * one.again_said + 4 * one.inside + 8 * one.tried,
            one.attempts,
            one.steps_at,
            one.receiver if one.process == self.process else None,
            [self._note(note) for note in one.first],
            [self._note(note) for note in one.last] if one.last is not None else None,
            one.cut,
            [self._told(verb, told) for verb, told in one.told.items()],
            finding,
        ]
        return Row(
            world,
            one.born,
            scope,
            self.kind_number(one.kind),
            self.keys.ident(one.key),
            one.placed,
            one.since,
            one.number,
            one.owner.born if one.owner is not None else None,
            one.parent.born if one.parent is not None else None,
            one.group.failed.born if one.group is not None else None,
            one.process,
            one.at,
            _dump(data),
        )

    def key_of(self, row: Row) -> Any:
        """The key of a row, its data read."""
        return self.keys.read(json.loads(row.data)[0])

    def fill(self, one: Kept, row: Row, kind_of: Callable[[int], Kind]) -> list[int] | None:
        """Let an obligation be as a row says, but for what it refers to; gives which finding it has."""
        data = json.loads(row.data)
        _, state, count, amounts, paid, about, flags, attempts, steps_at, receiver, first, last, cut, told, finding = (
            data
        )
        one.row = row
        one.settled = row.number > 0
        one.placed, one.since, one.number = row.placed, row.since, row.number
        one.process, one.at = row.process, row.at
        one.state = State[state]
        one.count = count
        one.amounts = amount_in(amounts) if amounts is not None else None
        one.paid = tuple(paid)
        one.about = self.subjects_in(about, kind_of)
        one.seeded, one.again_said = bool(flags & 1), bool(flags & 2)
        one.inside, one.tried = bool(flags & 4), bool(flags & 8)
        one.attempts = attempts
        one.steps_at = steps_at
        one.receiver = receiver if row.process == self.process else None
        one.first, one.last, one.cut = [], None, 0
        for note in (*first, *(last or ())):
            one.note(self._note_in(note))
        one.cut = cut
        one.told = dict(map(self._told_in, told))
        return finding if finding is None else list(finding)

    def subjects_out(self, subjects: Any) -> list[object]:
        """Subjects as JSON."""
        return [[self.kind_number(kind) if kind is not None else 0, self.keys.write(key)] for kind, key in subjects]

    def subjects_in(self, data: Any, kind_of: Callable[[int], Kind]) -> Any:
        """The subjects that `subjects_out` gave."""
        return tuple([(kind_of(kind) if kind else None, self.keys.read(key)) for kind, key in data])

    def _actor(self, actor: str) -> tuple[str, int]:
        """Who ran, and in which process."""
        return self._elsewhere.get(actor) or (actor, self.process)

    def _actor_in(self, name: str, process: int) -> str:
        """Who ran, as reports say it: of another process, with its number and host."""
        if process == self.process:
            return name
        shown = f"{name}, {self._name_of(process)}"
        self._elsewhere[shown] = (name, process)
        return shown

    def _note(self, note: Note) -> list[object]:
        return [note.seq, note.verb, note.function, place_of(note.site), *self._actor(note.actor), note.text]

    def _note_in(self, data: list[Any]) -> Note:
        seq, verb, function, place, actor, process, text = data
        return Note(seq, verb, function, site_of(place), self._actor_in(actor, process), text)

    def _told(self, verb: Verb, told: Told) -> list[object]:
        thread = str(told.thread)
        other, elsewhere, process = thread.partition(_DONE_ELSEWHERE)
        if elsewhere:
            return [verb.value, told.seq, int(process), other, []]
        return [verb.value, told.seq, self.process, thread, list(told.awaiting)]

    def _told_in(self, data: list[Any]) -> tuple[Verb, Told]:
        verb, seq, process, thread, awaiting = data
        if process == self.process:
            return Verb(verb), Told(seq, thread, tuple(awaiting))
        return Verb(verb), Told(seq, f"{thread}{_DONE_ELSEWHERE}{process}", ())

    # -- findings ---------------------------------------------------------------------------------------------------------------

    def write_finding(self, one: Finding) -> str:
        """A finding as JSON."""
        call = one.call
        place = one.place
        return _dump(
            [
                one.code,
                one.seq,
                one.text,
                self.kind_number(one.kind) if one.kind is not None else 0,
                [self.keys.write(one.key)] if one.key is not None else None,
                one.generation.born if one.generation is not None else None,
                self._call(call) if call is not None else None,
                [child.born for child in one.children],
                self.subjects_out(one.subjects),
                [place.file, place.line, place.function] if place is not None else None,
                one.severity,
                one.also,
                one.later,
            ]
        )

    def _call(self, call: Call) -> list[object]:
        place = call.error_place
        return [
            call.function,
            place_of(call.site),
            *self._actor(call.actor),
            call.error,
            [place.file, place.line, place.function] if place is not None else None,
        ]

    def fill_finding(
        self, one: Finding, text: str, kind_of: Callable[[int], Kind], known: Callable[[int], Generation | None]
    ) -> None:
        """Let a finding be as a row says.

        Args:
            one: the finding.
            text: the data of its row.
            kind_of: gives a kind by its number.
            known: gives an obligation by its number; None where there is none any more.
        """
        code, seq, said, kind, key, born, call, children, subjects, place, severity, also, later = json.loads(text)
        one.code, one.seq, one.text = code, seq, said
        one.kind = kind_of(kind) if kind else None
        one.key = self.keys.read(key[0]) if key is not None else None
        one.generation = known(born) if born is not None else None
        if call is not None and one.call is None:
            function, site, actor, process, error, error_place = call
            one.call = Call(function, chain=(), site=site_of(site), actor=self._actor_in(actor, process))
            one.call.error, one.call.error_place = error, place_in(error_place)
        one.children = tuple([child for child in map(known, children) if child is not None])
        one.subjects = self.subjects_in(subjects, kind_of)
        one.place, one.severity = place_in(place), severity
        one.also, one.later = list(also), later
