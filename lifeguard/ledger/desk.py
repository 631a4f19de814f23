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

    __slots__ = ("clock", "early", "failing", "found", "nowhere", "seq", "spans", "tables")

    generation: type[Generation] = Generation
    """What a new obligation is made of."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.spans = Spans()
        self.clock = Clock()
        self.seq = 0  # the number of the event that is being applied
        self.nowhere = 0  # acquires that no scope recorded
        self.found: list[Finding] = []  # findings of the call that is being applied
        self.failing: dict[Ref, int] = {}  # rollbacks of calls that are still running
        self.early: dict[Ref, list[tuple[int, str]]] = {}  # rollbacks done inside those, before they failed

    def tick(self) -> None:
        """The next event."""
        self.clock.seq += 1
        self.seq = self.clock.seq

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

    def home(self, kind: Kind, chain: tuple[Book, ...]) -> Book | None:
        """The scope that an acquire of this kind goes to."""
        for book in chain:
            if not book.sealed and book.watches(kind):
                return book
        return None

    def named(self, kind: Kind, key: Key, chain: tuple[Book, ...]) -> Generation | None:
        """The generation that a key names now, to a call with this chain of scopes."""
        return self.tables.named(kind, key, self.home(kind, chain))

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
        book = self.home(act.kind, call.chain)
        if book is None:
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
