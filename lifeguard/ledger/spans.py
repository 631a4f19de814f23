"""Calls that something must hold for when they end: atomic ones, settling ones, and those that take steps.

A span is told of everything that is opened and taken away while it runs, so that nothing has to be searched for at its
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lifeguard.data import record
from lifeguard.keys import Key
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.book import Book, Tables, is_open
from lifeguard.ledger.records import Call, Generation, Ref, Subject
from lifeguard.ledger.states import State

TINY = 1e-9
"""Amounts of floats that are closer to zero than this are zero."""

Matches = Callable[[Key], bool]


@record
class Choice:
    """Which obligations a span speaks of.

    Attributes:
        kinds: the kinds, or None for every resource kind.
        keys: tests of which one is enough; None for every key.
        about: subjects of which one is enough; None for whatever the span's own context opens.
    """

    kinds: frozenset[Kind] | None = None
    keys: tuple[Matches, ...] | None = None
    about: tuple[Subject, ...] | None = None

    def of_kind(self, kind: Kind) -> bool:
        """Whether it speaks of this kind."""
        return isinstance(kind, Resource) if self.kinds is None else kind in self.kinds

    def takes(self, generation: Generation) -> bool:
        """Whether it speaks of this generation, its context aside."""
        if not self.of_kind(generation.kind):
            return False
        if self.keys is not None and not any(matches(generation.key) for matches in self.keys):
            return False
        return self.about is None or any(subject in self.about for subject in generation.about)

    @property
    def reaches_out(self) -> bool:
        """Whether it speaks of what other contexts do, too."""
        return self.about is not None


class Span:
    """One running call with a rule about its end."""

    __slots__ = (
        "about",
        "call",
        "choice",
        "ended",
        "outer",
        "restores",
        "rule",
        "running",
        "shares",
        "steps",
        "taken",
        "task",
    )

    def __init__(
        self,
        rule: str,
        call: Call,
        *,
        choice: Choice | None = None,
        restores: bool = False,
        ended: str = "returned",
        task: Rollback | None = None,
    ) -> None:
        self.rule = rule  # "atomic", "settles" or "steps"
        self.call = call
        self.choice = choice
        self.restores = restores
        self.ended = ended  # of "settles": after which ends it judges
        self.task = task  # of "steps": the rollback whose steps are collected
        self.outer = call.spans
        self.running = True
        self.shares: dict[Generation, Share] = {}  # what it opened, or added to
        self.taken: dict[Generation, Taken] = {}
        self.steps: list[tuple[Key, tuple[Subject, ...], Call]] = []
        self.about = choice.about if choice is not None else None

    def ends_with(self, *, raised: bool) -> bool:
        """Whether a settling call judges at such an end."""
        return self.ended in ("either", "raised" if raised else "returned")

    def sees(self, generation: Generation, call: Call) -> bool:
        """Whether something that `call` did to a generation counts for this span."""
        if self.choice is None or not self.choice.takes(generation):
            return False
        if self in call.spans:
            return True
        return self.choice.reaches_out and shares_scope(self.call.chain, generation.book, call.chain)


@record
class Taken:
    """What was held when a span began, and who held it."""

    generation: Generation
    ref: Ref
    owner: Generation | None
    book: Book


class Share:
    """What a span put into one generation, of which others may hold some, too."""

    __slots__ = ("added", "before", "opened")

    def __init__(self, before: tuple[float, ...], added: tuple[float, ...], *, opened: bool) -> None:
        self.before = before  # what was held when the span came to it
        self.added = added  # what it has acquired of it and not released
        self.opened = opened  # whether there was nothing before

    def add(self, before: tuple[float, ...], now: tuple[float, ...]) -> None:
        """What was held has changed."""
        self.added = tuple(mine + new - old for mine, new, old in zip(self.added, now, before, strict=False))

    def is_left(self, generation: Generation) -> bool:
        """Whether some of it is held still: it was not released by the span, nor by anybody for it."""
        if not is_open(generation) or generation.seeded:
            return False
        rest = zip(self.added, generation.size, self.before, strict=False)
        return any(added > TINY and now - before > TINY for added, now, before in rest)


def shares_scope(chain: tuple[Book, ...], book: Book, others: tuple[Book, ...]) -> bool:
    """Whether what a call with the chain `others` put into `book` belongs to the scopes of `chain`."""
    return book in chain or bool(chain and chain[0] in others)


class Spans:
    """The spans that are running."""

    __slots__ = ("_wide",)

    def __init__(self) -> None:
        self._wide: dict[Span, None] = {}  # those that speak of other contexts, too

    @property
    def wide(self) -> bool:
        """Whether a running span speaks of other contexts, too."""
        return bool(self._wide)

    def start(self, span: Span) -> None:
        """A span's call has begun."""
        if span.choice is not None and span.choice.reaches_out:
            self._wide[span] = None

    def stop(self, span: Span) -> None:
        """A span's call has ended, in whatever way."""
        span.running = False
        self._wide.pop(span, None)

    def _watching(self, call: Call) -> Iterator[Span]:
        yield from call.spans
        for span in self._wide:
            if span not in call.spans:
                yield span

    def opened(self, generation: Generation, call: Call) -> None:
        """A generation was opened by a call."""
        generation.opened_in = call.spans
        for span in self._watching(call):
            if span.running and span.sees(generation, call):
                span.shares[generation] = Share(tuple(0 for _ in generation.size), generation.size, opened=True)
                generation.spans = (*generation.spans, span)

    def counted(self, generation: Generation, call: Call, before: tuple[float, ...]) -> None:
        """A call changed how much of a generation is held: it goes to the share of each span that sees it."""
        for span in self._watching(call):
            if not span.running or not span.sees(generation, call) or self._is_of_another(span, call.spans):
                continue
            share = span.shares.get(generation)
            if share is None:
                share = span.shares[generation] = Share(before, tuple(0 for _ in before), opened=False)
                generation.spans = (*generation.spans, span)
            share.add(before, generation.size)

    @staticmethod
    def _is_of_another(span: Span, spans: tuple[Span, ...]) -> bool:
        """Whether what was done inside these spans is for another one that still runs to answer for."""
        others = (other for other in spans if other is not span and other not in span.outer)
        return span not in spans and any(other.running and other.rule != "steps" for other in others)

    def taken(self, generation: Generation, call: Call) -> None:
        """A call is about to settle, move or rename a generation: for every atomic span it was there before, remember
        how it was.
        """
        for span in self._watching(call):
            if span.rule != "atomic" or not span.running or generation in span.taken:
                continue
            if generation.born <= span.call.began and span.sees(generation, call):
                ref = (generation.kind, generation.key)
                span.taken[generation] = Taken(generation, ref, generation.owner, generation.book)

    def settled(self, generation: Generation) -> None:
        """A generation was settled: no span has to answer for it any more."""
        for span in generation.spans:
            span.shares.pop(generation, None)
        generation.spans = ()

    def left_behind(self, span: Span) -> list[Generation]:
        """What a span that raised must have settled and has not.

        It opened it, no other running span did, and it did not thereby put back what it had taken away.
        """
        put_back = {taken.ref for taken in span.taken.values() if not is_open(taken.generation)}
        found = []
        for generation, share in span.shares.items():
            if not share.is_left(generation):
                continue
            others = (other for other in generation.opened_in if other is not span and other not in span.outer)
            if share.opened and any(other.running and other.rule != "steps" for other in others):
                continue
            ref = (generation.kind, generation.key)
            if ref in put_back:
                put_back.remove(ref)
            else:
                found.append(generation)
        return found

    def not_restored(self, span: Span, tables: Tables) -> list[tuple[Generation, str]]:
        """What was held before a span that raised, and is now gone or moved, with the word for it."""
        found = []
        for generation, taken in span.taken.items() if span.restores else ():
            if is_open(generation):
                same = (generation.kind, generation.key) == taken.ref
                if not same or generation.owner is not taken.owner or generation.book is not taken.book:
                    found.append((generation, "moved"))
            elif not any(one.owner is taken.owner and one.book is taken.book for one in tables.held(*taken.ref)):
                found.append((generation, "moved" if generation.state is State.OUTSIDE else "gone"))
        return found

    def still_open(self, span: Span, tables: Tables) -> list[Generation]:
        """What a settling call that returned must have settled and has not."""
        choice = span.choice
        assert choice is not None
        if choice.keys is None and choice.about is None:
            return [generation for generation, share in span.shares.items() if share.is_left(generation)]
        kinds = [kind for kind in tables.kinds() if choice.of_kind(kind)]
        return [
            generation
            for kind in kinds
            for generation in tables.all_held(kind)
            if not generation.seeded and choice.takes(generation) and shares_scope(span.call.chain, generation.book, ())
        ]
