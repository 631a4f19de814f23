"""What every verb needs: the tables, the running spans, the sequence, findings, and how a generation begins and ends."""

from __future__ import annotations

from lifeguard.keys import Key
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.book import Book, Tables, is_open
from lifeguard.ledger.lanes import Clock
from lifeguard.ledger.records import Act, Call, Finding, Generation, Note, Ref, Subject, Told, Verb
from lifeguard.ledger.spans import Spans
from lifeguard.ledger.states import State


class Desk:
    """The tables, the running spans and the sequence, and what all verbs need. Not thread-safe: `Ledger` is."""

    __slots__ = (
        "acquired",
        "books",
        "clock",
        "early",
        "failing",
        "found",
        "nowhere",
        "sampling",
        "seq",
        "spans",
        "tables",
    )

    generation: type[Generation] = Generation
    """What a new obligation is made of."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.books: dict[Book, None] = {}  # of the open scopes
        self.sampling = False  # whether one of them leaves some keys out
        self.spans = Spans()
        self.clock = Clock()
        self.seq = 0  # the number of the event that is being applied
        self.acquired = 0  # acquires that some scope recorded, but for the plain ones
        self.nowhere = 0  # acquires that no scope recorded
        self.found: list[Finding] = []  # findings of the call that is being applied
        self.failing: dict[Ref, int] = {}  # rollbacks of calls that are still running
        self.early: dict[Ref, list[tuple[int, str]]] = {}  # rollbacks done inside those, before they failed

    def tick(self) -> None:
        """The next event."""
        self.clock.seq += 1
        self.seq = self.clock.seq

    def recorded(self) -> int:
        """How many acquires any scope recorded. Plain ones go on meanwhile, which the sequence tells."""
        while True:
            seq = self.clock.seq
            count = self.acquired + self.tables.acquired_plainly()
            if self.clock.seq == seq:
                return count

    # -- findings ---------------------------------------------------------------------------------------------------------------

    def blame(
        self, generation: Generation, code: str, text: str, call: Call | None, children: tuple[Generation, ...] = ()
    ) -> None:
        """Find fault with one generation; what comes after its first finding is listed under that one."""
        book = generation.book
        if book.closed:
            book.late += 1
            return
        if generation.finding is not None and not generation.finding.book.closed:
            generation.finding.also.append(f"{code} {text}")
            generation.finding.children += tuple(c for c in children if c not in generation.finding.children)
            return
        finding = Finding(
            code,
            book,
            self.seq,
            text,
            kind=generation.kind,
            key=generation.key,
            generation=generation,
            call=call,
            children=children,
            subjects=generation.about,
        )
        generation.finding = finding
        book.findings.append(finding)
        self.found.append(finding)

    def complain(
        self,
        book: Book,
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
    ) -> None:
        """Find fault with something that is no generation; the same again is listed under the first."""
        ident = (code, kind, key, about)
        known = book.loose.get(ident)
        if known is not None:
            known.also.append(f"{code} {text}")
            return
        finding = Finding(code, book, self.seq, text, kind=kind, key=key, call=call)
        book.loose[ident] = finding
        book.findings.append(finding)
        self.found.append(finding)

    # -- helpers ----------------------------------------------------------------------------------------------------------------

    @staticmethod
    def first(kind: Kind, chain: tuple[Book, ...]) -> Book | None:
        """The scope that acquires of this kind go to, if their keys are in its sample."""
        for book in chain:
            if not book.sealed and book.watches(kind):
                return book
        return None

    @staticmethod
    def home(kind: Kind, key: Key, chain: tuple[Book, ...]) -> Book | None:
        """The scope that an acquire of this very key goes to."""
        for book in chain:
            if not book.sealed and book.takes(kind, key):
                return book
        return None

    def is_left_out(self, kind: Kind, key: Key) -> bool:
        """Whether some open scope leaves out this key, so that its past may not be known."""
        return self.sampling and any(book.leaves_out(kind, key) for book in self.books)

    def align(self, book: Book) -> None:
        """Let a scope that is opened leave out what scopes that are open had to leave out by chance."""
        if book.limit is not None and self.sampling:
            for other in self.books:
                if other.parted or other.given_up:
                    book.parted |= other.parted
                    for kind, key in other.given_up - book.given_up:
                        self.tables.claim(kind, key, book)
                    book.given_up |= other.given_up

    def part(self, kind: Kind) -> None:
        """The keys of a kind are about to be tied to others: if some have been left out, it cannot be watched whole now."""
        sampling = [book for book in self.books if book.limit is not None]
        if any(kind in book.thinned or (kind in book.tables and book.tables[kind].left_out) for book in sampling):
            for book in sampling:
                book.parted.add(kind)

    def give_up(self, kind: Kind, key: Key) -> None:
        """Say nothing more of a key and what belongs to it, whatever happens: it was tied to one that had been left out."""
        self.sampling = True
        for book in self.books:
            if book.takes(kind, key):
                self.tables.claim(kind, key, book)  # for ever: no plain event finds it
                book.given_up.add((kind, key))
        for generation in tuple(self.tables.held(kind, key)):
            if not generation.book.takes(kind, key) and is_open(generation):
                self.spans.settled(generation)
                self.tables.drop(generation)
                generation.state = State.UNSEEN
                for one in (*generation.owned, *generation.parts):
                    self.give_up(one.kind, one.key)

    def sift(self, call: Call, acts: list[Act], *, raised: bool) -> list[Act]:
        """What a call says of keys that its scopes watch, or that some scope knows; the rest is left out, and counted."""
        taken = []
        for act in acts:
            first = self.first(act.kind, call.chain)
            left_out = first is not None and not first.takes(act.kind, act.key)
            if left_out:
                assert first is not None
                first.thinned.add(act.kind)
                if not raised and act.verb is Verb.ACQUIRE:
                    first.tally(act.kind).left_out += 1
            if not left_out or self.home(act.kind, act.key, call.chain) or self.tables.known(act.kind, act.key):
                taken.append(act)
            elif not raised and act.to_key is not None:
                self.give_up(act.kind, act.to_key)
        return taken

    def named(self, kind: Kind, key: Key, chain: tuple[Book, ...]) -> Generation | None:
        """The generation that a key names now, to a call with this chain of scopes."""
        found = self.tables.named(kind, key, self.home(kind, key, chain))
        if found is not None and self.sampling and not found.book.takes(kind, key):
            return None  # it was given up
        return found

    def note(self, generation: Generation, call: Call, verb: str, text: str = "") -> None:
        """Write an event into a history."""
        if not generation.book.closed:
            generation.note(Note(self.seq, verb, call.function, call.site, call.actor, text))
            if generation.book.ears:
                heard(generation, generation.book)

    def tell(self, generation: Generation, call: Call, verb: Verb) -> None:
        """Remember which event last told a verb, so that an outer call does not tell it again."""
        generation.told[verb] = Told(self.seq, call.thread, call.awaiting)

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
        generation = self.generation(kind, key, book, self.seq)
        generation.about = about
        generation.amounts = amounts
        generation.receiver = call.receiver
        self.tables.put(generation)
        self.note(generation, call, verb, text)
        self.spans.opened(generation, call)
        return generation

    def settle(self, generation: Generation, call: Call, state: State, cascade: bool | None = None) -> None:
        """Close a generation, with all that it owned and, as its contract says, its parts."""
        self.spans.taken(generation, call)
        self.tables.settle(generation, state)
        self.spans.settled(generation)
        if generation.book.ears:
            heard(generation, generation.book)
        if generation.owner is not None:
            generation.owner.owned.pop(generation, None)
        if generation.parent is not None:
            generation.parent.parts.pop(generation, None)
        left_with = State.OUTSIDE if state is State.OUTSIDE else State.GONE
        for one in list(generation.owned):
            if is_open(one):
                self.note(
                    one,
                    call,
                    "handed outside with its owner" if left_with is State.OUTSIDE else "settled with its owner",
                )
                self.settle(one, call, left_with, True)
        held = []
        for part in list(generation.parts):
            if not is_open(part):
                continue
            own_rule = isinstance(part.kind, Resource) and part.kind.cascade
            if left_with is State.OUTSIDE:
                self.note(part, call, "handed outside with what it is a part of")
                self.settle(part, call, State.OUTSIDE)
            elif cascade or own_rule:
                self.note(part, call, "settled with what it is a part of")
                self.settle(part, call, State.GONE, cascade)
            elif cascade is None:
                held.append(part)
        if held:
            parts = "a part of it is" if len(held) == 1 else f"{len(held)} of its parts are"
            self.blame(generation, "LG108", f"released while {parts} still held", call, tuple(held))

    def unmatched(self, call: Call, act: Act, verb: str) -> None:
        """Count an event on a key that was never seen; LG105 or LG203 where the kind says so."""
        book = self.home(act.kind, act.key, call.chain)
        if book is None or self.is_left_out(act.kind, act.key):
            return
        tally = book.tally(act.kind)
        tally.unmatched += 1
        tally.strangers.append(act.key)
        if act.kind.unseen == "error":
            code = "LG203" if isinstance(act.kind, Rollback) else "LG105"
            text = "rolled back though no failure of it was seen"
            if code == "LG105":
                text = (
                    f"{verb} though no acquire of it was seen; it may have been acquired before the scope opened "
                    "(scope.seed declares what was)"
                )
            self.complain(book, code, text, call=call, kind=act.kind, key=act.key)


def heard(generation: Generation, book: Book) -> None:
    """Tell whoever listens to a book that something happened to a generation: an event was noted, or it was settled, moved,
    renamed or dropped.

    They are told in the middle of a step, under the ledger's lock: they keep what they see and come back to it later. What
    is held plainly tells nothing; so who listens also observes the scope.
    """
    for ear in book.ears:
        ear(generation)
