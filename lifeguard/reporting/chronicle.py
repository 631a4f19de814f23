"""A ledger that remembers everything: from it come the lives of all resources, to be drawn as a timeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from lifeguard.keys import Key, show_fields
from lifeguard.kinds import Kind, Rollback
from lifeguard.ledger.account import name_of
from lifeguard.ledger.acts import Engine
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import subject_of
from lifeguard.ledger.machine import Ledger
from lifeguard.ledger.records import Act, Call, Finding, Generation, Ref, Subject, Verb
from lifeguard.ledger.states import OPEN_STATES, State
from lifeguard.places import resolve
from lifeguard.reporting.model import Event, Life, Mark, Standing

AT_THE_END: Final = frozenset({"LG101", "LG102", "LG110", "LG201", "LG202", "LG205", "LG206"})
"""A resource of which these are said may still be owed when its scope is judged."""

_MARKS: Final[tuple[tuple[str, Mark], ...]] = (
    ("acquire", "acquire"),
    ("completed", "acquire"),
    ("release", "release"),
    ("transfer", "transfer"),
    ("use", "use"),
    ("failed", "fail"),
    ("rollback", "rollback"),
    ("rolled back", "rollback"),
    ("seeded", "seed"),
)


def mark_of(verb: str) -> Mark:
    """What an event is, by the words of its history."""
    for start, mark in _MARKS:
        if verb.startswith(start):
            return mark
    return "settle"


class Stay:
    """How long one scope held a generation."""

    __slots__ = ("begun", "book", "ended", "state")

    def __init__(self, book: Book, begun: int) -> None:
        self.book = book
        self.begun = begun
        self.ended: int | None = None
        self.state = ""  # how it ended, where another scope took it


class Story:
    """Everything that happened to one generation."""

    __slots__ = ("codes", "events", "generation", "ident", "key", "stays")

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.ident = str(generation.born)
        self.events: list[Event] = []
        self.stays = [Stay(generation.book, generation.born)]
        self.codes: list[str] = []


class Chronicle(Engine):
    """The machine of the ledger, with a memory of every event of every generation."""

    __slots__ = ("born", "fault", "fresh", "stories")

    def __init__(self) -> None:
        super().__init__()
        self.stories: dict[Generation, Story] = {}
        self.born: dict[int, Generation] = {}
        self.fresh: list[tuple[Story, int]] = []  # events of the running step, whose owner is not known yet
        self.fault = ""  # what was injected into the call that is being applied

    # -- what it remembers ------------------------------------------------------------------------------------------------------

    def story(self, generation: Generation) -> Story:
        """What is known of a generation."""
        story = self.stories.get(generation)
        if story is None:
            story = self.stories[generation] = Story(generation)
            self.born[generation.born] = generation
        return story

    def settle_owners(self) -> None:
        """A step is done: who owns what it touched, now."""
        for story, at in self.fresh:
            if at < len(story.events):
                owner = story.generation.owner
                to = str(owner.born) if owner is not None and story.events[at].mark == "transfer" else ""
                story.events[at] = replace(story.events[at], owner=owner_of(story.generation), to=to)
        self.fresh.clear()

    def note(self, generation: Generation, call: Call, verb: str, text: str = "") -> None:
        """Write an event into a history, and into the story, which is never cut."""
        super().note(generation, call, verb, text)
        if generation.book.closed:
            return
        story = self.story(generation)
        raised = "raised" in verb or verb == "failed"
        place = resolve(call.site) if call.site is not None else None
        note = "" if raised and text == call.error else text
        story.events.append(
            Event(
                self.seq,
                mark_of(verb),
                verb,
                call.function,
                place,
                call.actor,
                raised=raised,
                error=call.error if raised else "",
                note=note,
                fault=self.fault,
            )
        )
        self.fresh.append((story, len(story.events) - 1))

    def open(
        self,
        call: Call,
        book: Book,
        kind: Kind,
        key: Key,
        verb: str,
        about: tuple[Subject, ...] = (),
        text: str = "",
        *,
        amounts: tuple[float, ...] | None = None,
    ) -> Generation:
        """Begin a new generation."""
        generation = super().open(call, book, kind, key, verb, about, text, amounts=amounts)
        self.story(generation)
        return generation

    def blame(
        self, generation: Generation, code: str, text: str, call: Call | None, children: tuple[Generation, ...] = ()
    ) -> None:
        """Find fault with one generation."""
        if not generation.book.closed:
            story = self.story(generation)
            if code not in story.codes:
                story.codes.append(code)
            if call is not None and story.events and code not in story.events[-1].codes:
                story.events[-1] = replace(story.events[-1], codes=(*story.events[-1].codes, code))
        super().blame(generation, code, text, call, children)

    def apply(self, call: Call, act: Act, *, raised: bool) -> None:
        """Do what one contract of one call says."""
        super().apply(call, act, raised=raised)
        if act.verb is Verb.ACQUIRE and raised and act.in_doubt:
            for story, at in self.fresh:
                if story.generation.state is State.DOUBT and story.events[at].seq == story.generation.born:
                    verb = story.generation.first[0].verb
                    story.events[at] = replace(story.events[at], verb=verb, raised=True, error=call.error)
        self.settle_owners()

    def _told_already(self, call: Call, generation: Generation, verb: Verb) -> bool:  # type: ignore[override]
        known = super()._told_already(call, generation, verb)
        if known:
            told = generation.told[verb]
            place = resolve(call.site) if call.site is not None else None
            events = self.story(generation).events
            for at, event in enumerate(events):
                if event.seq == told.seq:
                    events[at] = replace(event, place=place, actor=call.actor)
        return known

    # -- where it stays ---------------------------------------------------------------------------------------------------------

    def settle(self, generation: Generation, call: Call, state: State, cascade: bool | None = None) -> None:
        """Close a generation."""
        super().settle(generation, call, state, cascade)
        self.story(generation).stays[-1].ended = self.seq

    def _dissolve(self, target: Generation, call: Call) -> None:
        super()._dissolve(target, call)
        stay = self.story(target).stays[-1]
        stay.ended = self.seq
        stay.state = "never came about"

    def _rename(self, call: Call, act: Act, target: Generation) -> None:
        super()._rename(call, act, target)
        if target.state is State.UNSEEN:
            self.story(target).stays[-1].state = "became one with another"

    def _carry(self, generation: Generation, book: Book) -> None:
        moved = generation.book is not book
        super()._carry(generation, book)
        if moved:
            story = self.story(generation)
            story.stays[-1].ended = self.seq
            story.stays[-1].state = f"moved to scope {book.name!r}"
            story.stays.append(Stay(book, self.seq))


class ChronicleLedger(Ledger):
    """A ledger whose machine is a `Chronicle`."""

    def __init__(self) -> None:
        super().__init__()
        self.chronicle = Chronicle()
        self._engine = self.chronicle

    def leave_out(self, book: Book, refs: Iterable[Ref]) -> None:
        """A book does not watch these, as far as it goes."""
        book.given_up.update(refs)
        self._engine.sampling = True

    def begin_at(self, seq: int, calls: int) -> None:
        """Count on from these numbers."""
        self.clock.seq = seq
        self._calls = calls

    def take_over(self, generation: Generation, state: State) -> None:
        """Take up what was there when a journal began."""
        tables = self.chronicle.tables
        tables.put(generation)
        story = self.chronicle.story(generation)
        if state in OPEN_STATES:
            generation.state = state
        elif generation.book.remember != 0:
            tables.settle(generation, state)
            story.stays[-1].ended = generation.history[-1].seq if generation.history else generation.born


def owner_of(generation: Generation) -> str:
    """Who owes a generation now; "" where nobody does."""
    if generation.state is State.OUTSIDE:
        return "outside"
    if not is_open(generation):
        return ""
    owner = generation.owner
    return name_of(owner.kind, owner.key) if is_open(owner) and owner else f"scope {generation.book.name!r}"


def lives(chronicle: Chronicle, book: Book, left: list[Finding], allowed: list[Finding]) -> tuple[Life, ...]:
    """The lives of what a scope held, before it is closed.

    Args:
        chronicle: what happened.
        book: the scope's book, judged.
        left: what was found and is not allowed.
        allowed: what is allowed.
    """
    blamed = {finding.generation: finding for finding in left if finding.generation is not None}
    excused = {finding.generation: finding for finding in allowed if finding.generation is not None}
    under = {child: finding for finding in left for child in finding.children}
    under_excused = {child for finding in allowed for child in finding.children}
    found = []
    for generation, story in chronicle.stories.items():
        for stay in story.stays:
            if stay.book is not book:
                continue
            codes: tuple[str, ...] = ()
            standing: Standing = "fine"
            owed = stay.ended is None and not generation.seeded
            finding = blamed.get(generation)
            covered = excused.get(generation)
            if finding is not None:
                codes = _codes(finding)
                warning = finding.severity == "warning"
                standing = "warned" if warning else "left" if owed else "violated"
            elif generation in under and owed:
                standing = "left"
            elif covered is not None or (generation in under_excused and owed):
                standing = "allowed"
                codes = _codes(covered) if covered is not None else ()
            found.append(_life(story, stay, standing, codes))
    return tuple(sorted(found, key=lambda life: life.begun))


def _codes(finding: Finding) -> tuple[str, ...]:
    """The rules that a finding names, its own first."""
    return tuple(dict.fromkeys((finding.code, *(text[:5] for text in finding.also))))


def _life(story: Story, stay: Stay, standing: Standing, codes: tuple[str, ...]) -> Life:
    generation = story.generation
    kind, owner, parent = generation.kind, generation.owner, generation.parent
    rollback = isinstance(kind, Rollback)
    state = "owed" if rollback and is_open(generation) else generation.state.value
    if rollback and generation.state is State.RELEASED:
        state = "rolled back"
    return Life(
        ident=story.ident,
        kind=kind.name,
        rollback=rollback,
        key=show_fields(generation.key, kind.fields),
        subjects=tuple(str(subject_of(subject)) for subject in generation.about),
        begun=stay.begun,
        ended=stay.ended,
        state=stay.state or state,
        owner=_last_owner(story),
        owner_ident=str(owner.born) if owner is not None else "",
        part_of=str(parent.born) if parent is not None else "",
        standing=standing,
        codes=codes,
        seeded=generation.seeded,
        events=tuple(story.events),
    )


def _last_owner(story: Story) -> str:
    return next((event.owner for event in reversed(story.events) if event.owner), "")
