"""The ledger: events in, obligations and findings out.

It knows no function, no thread and no format: what it is told of a call is opaque to it. All events go through one lock, which
is never held while the user's code runs. A finaliser or a signal handler that tells an event while its own thread is inside it
is put off until that thread is done: it can neither dead-lock nor see half a step.
"""

from __future__ import annotations

import weakref
from _thread import get_ident
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import Condition, RLock
from typing import Any, Final, Protocol, TypeVar

from lifeguard.keys import Key
from lifeguard.kinds import Kind, Resource
from lifeguard.ledger.acts import Engine
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import Breach
from lifeguard.ledger.judging import Excused, judge_scope, judge_span
from lifeguard.ledger.lanes import Clock, Lane, Plain, born
from lifeguard.ledger.records import Act, Call, Finding, Generation, Outcome, Ref, Verb
from lifeguard.ledger.spans import Span

T = TypeVar("T")

JUDGED: Final = 256
"""Of so many things that scopes held when they closed it is known which scope it was, for calls that are still on their way."""


class Recorder(Protocol):
    """Told of every step of a ledger, in their order, while its lock is held: it may look, and calls nothing of the
    ledger.
    """

    def step(self, name: str, seq: int, what: tuple[object, ...]) -> None:
        """A step was done.

        Args:
            name: the method of `Ledger` that did it, or "record", the first step that a recorder is told of.
            seq: the number of the last event.
            what: what the step was told, in the order of the method's parameters.
        """


class Ledger:
    """What all open scopes hold together.

    Every method may be called from any thread. Those that return findings return the ones that this very call brought
    about.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._paid = Condition(self._lock)
        self._inside: int | None = None  # the thread that is changing the tables
        self._put_off: deque[Callable[[], object]] = deque()
        self._engine = Engine()
        self._calls = 0
        self._judged: deque[tuple[int, weakref.ref[Book]]] = deque(maxlen=JUDGED)  # what scopes held when they closed
        self.observed: list[object] = []  # who looks on; while there is anyone, no event is plain
        self._recorders: tuple[Recorder, ...] = ()

    def _do(self, work: Callable[[], T]) -> T | None:
        """Run one step under the lock; None where it had to be put off."""
        me = get_ident()
        if self._inside == me:
            self._put_off.append(work)
            return None
        with self._lock:
            self._inside = me
            try:
                result = work()
                while self._put_off:
                    self._put_off.popleft()()
            finally:
                self._inside = None
            self._paid.notify_all()
        return result

    def record(self, recorder: Recorder) -> None:
        """Tell a recorder of every step from now on; no call goes the short way then."""

        def work() -> None:
            self._recorders = (*self._recorders, recorder)
            self.observe(recorder)
            for book in self._engine.tables.books():
                _close_lanes((book,))
                self._engine.tables.take_all(book)
            recorder.step("record", self._engine.clock.seq, (self._calls,))

        self._do(work)

    def stop_recording(self, recorder: Recorder) -> None:
        """Tell a recorder no more."""
        self.stop_observing(recorder)
        self._recorders = tuple(one for one in self._recorders if one is not recorder)

    def divert(self, methods: Mapping[str, Callable[..., Any]]) -> None:
        """Let others stand before some of the methods of this very ledger, in place of those that do so now: while scopes are
        open that have another one.

        Args:
            methods: by the names of the methods, what is called instead.
        """
        for name in [name for name in vars(self) if callable(getattr(type(self), name, None))]:
            delattr(self, name)
        vars(self).update(methods)

    def _recorded(self, name: str, *what: object) -> None:
        for recorder in self._recorders:
            recorder.step(name, self._engine.clock.seq, what)

    # -- calls ------------------------------------------------------------------------------------------------------------------

    def begin(
        self, call: Call, named: Iterable[Ref] = (), spans: Iterable[Span] = (), failing: tuple[Ref, ...] = ()
    ) -> list[Generation | None] | None:
        """A call begins.

        Args:
            call: the call; gets its number here.
            named: the resources that it will release, hand over or use, as far as their keys are known already.
            spans: what must hold when it ends.
            failing: the rollbacks that will be owed should it fail.

        Returns:
            for each of `named` the generation that it names now; None where that could not be looked up (a finaliser
            that ran in
            the middle of another step), so that it has to be looked up at the end.
        """

        named, spans = tuple(named), tuple(spans)

        def work() -> list[Generation | None]:
            engine = self._engine
            self._calls += 1
            call.ident = self._calls
            call.began = engine.clock.seq
            call.failing = failing
            if failing:
                engine.expect_failure(failing, lambda count: count + 1)
            for span in spans:
                engine.spans.start(span)
                if engine.spans.wide:
                    _close_lanes(engine.tables.books())
            if self._recorders:
                self._recorded("begin", call, named, spans, failing)
            return [engine.named(kind, key, call.chain) for kind, key in named]

        return self._do(work)

    def end(
        self,
        call: Call,
        outcome: Outcome,
        acts: list[Act],
        spans: Iterable[Span] = (),
        steps: Iterable[tuple[Kind, Key]] = (),
    ) -> list[Finding]:
        """A call has returned or raised: everything that its contracts say is one step.

        Args:
            call: the call.
            outcome: how it ended.
            acts: what its contracts say.
            spans: the spans that began with it.
            steps: the rollbacks of which this call, having returned, is a completed step for whatever call it ran
                inside of.

        Returns:
            what was found wrong by it.
        """
        raised = outcome is Outcome.RAISED
        acts.sort(key=lambda act: act.verb.value)
        spans, steps = tuple(spans), tuple(steps)

        def work() -> list[Finding]:
            engine = self._engine
            engine.found = []
            told = engine.sift(call, acts, raised=raised) if engine.sampling else acts
            for span in spans:
                engine.spans.stop(span)
            for act in told:
                engine.apply(call, act, raised=raised)
            if call.failing:
                engine.expect_failure(call.failing, lambda count: count - 1)
            for span in spans:
                if span.rule == "steps":
                    if raised:
                        for act in told:
                            if act.verb is Verb.FAIL and act.kind is span.task and not act.succeeded:
                                engine.owe_steps(call, span, act.key)
                else:
                    judge_span(engine, span, call, raised=raised)
            for kind, key in steps:
                for span in reversed(call.spans):
                    if span.running and span.task is kind:
                        span.steps.append((key, (), call))
                        break
            if self._recorders:
                self._recorded("end", call, outcome, told, spans, steps)
            return engine.found

        return self._do(work) or []

    def abandon(self, call: Call, spans: Iterable[Span]) -> None:
        """A call was abandoned: a generator closed early, a coroutine never awaited to its end. Nothing is told."""

        spans = tuple(spans)

        def work() -> None:
            for span in spans:
                self._engine.spans.stop(span)
            if call.failing:
                self._engine.expect_failure(call.failing, lambda count: count - 1)
            if self._recorders:
                self._recorded("abandon", call, spans)

        self._do(work)

    def complain(
        self,
        chain: tuple[Book, ...],
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
        severity: str | None = None,
    ) -> list[Finding]:
        """Record a finding that belongs to no generation, in the scope where an acquire of the kind would go; `severity`
        where it is not the rule's own.
        """

        def work() -> list[Finding]:
            engine = self._engine
            engine.found = []
            engine.tick()
            book = _first_open(chain, kind)
            if book is not None:
                engine.complain(book, code, text, call=call, kind=kind, key=key, about=about)
                for finding in engine.found:
                    finding.severity = severity
            if self._recorders:
                self._recorded("complain", chain, code, text, call, kind, key, about)
            return engine.found

        return self._do(work) or []

    def report(
        self,
        chain: tuple[Book, ...],
        code: str,
        text: str,
        *,
        call: Call | None = None,
        kind: Kind | None = None,
        key: Key | None = None,
        about: object = None,
        own: bool = False,
    ) -> list[Finding]:
        """Record what somebody outside of the ledger found, with the history of the resource that it speaks of.

        Args:
            chain: the scopes where it was found, the innermost first.
            code: the rule.
            text: what is to be said.
            call: where it was found.
            kind: of which kind.
            key: for which key; what it names now is looked up here.
            about: what makes it the same finding as an earlier one of this kind and key.
            own: whether it is a fault in the life of that resource, so that what befalls it later is listed under it;
                else it is a finding of its own, which hides nothing.
        """

        def work() -> list[Finding]:
            engine = self._engine
            engine.found = []
            engine.tick()
            known = engine.named(kind, key, chain) if kind is not None and key is not None else None
            book = _first_open(chain, kind, key)
            if own and known is not None and not known.book.closed:
                engine.blame(known, code, text, call)
            elif book is not None:
                engine.complain(book, code, text, call=call, kind=kind, key=key, about=about)
                for finding in engine.found:
                    finding.generation = known
                    finding.subjects = known.about if known is not None else ()
            if self._recorders:
                self._recorded("report", chain, code, text, call, kind, key, about, own)
            return engine.found

        return self._do(work) or []

    def breached(
        self, book: Book, description: str, breach: Breach, key: Key | None, call: Call | None, ident: object
    ) -> list[Finding]:
        """Record that an invariant does not hold (LG302)."""

        def work() -> list[Finding]:
            engine = self._engine
            engine.found = []
            engine.tick()
            text = f"invariant broken: {description}" + (f" ({breach.why})" if breach.why else "")
            generation = engine.named(breach.kind, key, (book,)) if key is not None else None
            if generation is not None and is_open(generation):
                told = generation.finding
                if told is None or (told.text != text and f"LG302 {text}" not in told.also):
                    engine.blame(generation, "LG302", text, call)
            elif not book.closed:
                engine.complain(book, "LG302", text, call=call, kind=breach.kind, key=key, about=ident)
            if self._recorders:
                self._recorded("breached", book, description, breach, key, call, ident)
            return engine.found

        return self._do(work) or []

    # -- plain events (see `lifeguard.fast`) ------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The sequence; plain events count on by themselves."""
        return self._engine.clock

    def lane(
        self, way: object, kind: Kind, lanes: dict[Any, Lane], chain: Callable[[], tuple[tuple[Book, ...], int]]
    ) -> Lane | None:
        """Open the way for the plain events of a function in a context.

        Args:
            way: what the lanes of the function are found by.
            kind: the kind that its contract is about.
            lanes: the lanes of the context; the new one joins them.
            chain: tells the scopes that a call made there is in, and how many of them are of its own context.

        Returns:
            the lane; None where such events have to take the long way.
        """

        def work() -> Lane | None:
            books, around = chain()
            home = self._engine.first(kind, books)
            plain = home is not None and not self.observed and not self._engine.spans.wide and not kind._invariants
            if isinstance(kind, Resource) and kind._tracked:
                plain = False
            if not plain or home is None or any(book.observers or book.waits for book in books):
                return None
            table = self._engine.tables.table(kind, home)
            if not table.fast:
                return None
            limit = home.limit if home.samples(kind) else None
            if limit is not None and not all(_is_within(book, kind, limit) for book in self._engine.books):
                return None  # what is left out here may be known elsewhere
            lane = next((one for one in lanes.values() if one.table is table), None)
            if lane is None:
                others = tuple([self._engine.tables.table(kind, book) for book in books if book is not home])
                inside = books[:around] if home in books[:around] else (*books[:around], home)
                lane = Lane(table, others, inside, books, limit)
                home.tally(kind)
                for book in books:
                    book.lanes[id(lanes)] = lanes
            lanes[way] = lane
            return lane

        return self._do(work)

    def generation(self, kind: Kind, key: Key, plain: Plain) -> Generation | None:
        """The generation that something was when it was plainly held: still held, or settled. None where that cannot be
        looked up now; one of a closed scope where it is not known any more.
        """

        def work() -> Generation:
            number = born(plain)
            for one in self._engine.tables.known(kind, key):
                if one.born == number:
                    return one
            judged = next((book() for born, book in self._judged if born == number), None)
            return Generation(kind, key, judged or _closed_book(), number)

        return self._do(work)

    def acquired_nowhere(self) -> None:
        """Something was acquired where there is no scope."""
        self._engine.nowhere += 1

    def close_lanes(self, books: Iterable[Book]) -> None:
        """Let all plain events that some scopes are concerned with take the long way, until new lanes are opened."""
        self._do(lambda: _close_lanes(books))

    def close_way(self, lanes: dict[Any, Lane]) -> None:
        """The same for one context."""
        self._do(lambda: _close_way(lanes))

    def observe(self, who: object) -> None:
        """From now on every call is told whole, to somebody who looks on everywhere."""
        self.observed.append(who)

    def stop_observing(self, who: object) -> None:
        """Somebody looks on no more."""
        self.observed[:] = [one for one in self.observed if one is not who]

    @property
    def busy(self) -> bool:
        """Whether this very thread is in the middle of a step: a finaliser or a signal handler asks."""
        return self._inside == get_ident()

    # -- samples ----------------------------------------------------------------------------------------------------------------

    @property
    def sampling(self) -> bool:
        """Whether some open scope leaves some keys out."""
        return self._engine.sampling

    def is_watched(self, kind: Kind, key: Key) -> bool:
        """Whether any open scope watches this key."""
        return any(book.takes(kind, key) for book in tuple(self._engine.books))

    def tie(self, kinds: Iterable[Kind]) -> None:
        """Contracts tie keys of these kinds to others: scopes that watch a sample watch all of them from now on, but where
        they have left some out already.
        """
        loose = [kind for kind in kinds if not kind._tied]

        def work() -> None:
            for kind in loose:
                self._engine.part(kind)
                kind._tied = True
            _close_lanes([book for book in self._engine.books if book.limit is not None])

        if loose:
            self._do(work)

    def _compare_sample(self, book: Book) -> None:
        """A scope comes or has gone: if it is like no other one, what is left out by all has to be found out anew."""
        books, what = self._engine.books, (book.limit, book.only, book.ignore)
        if self._engine.sampling and not any((one.limit, one.only, one.ignore) == what for one in books):
            _close_lanes([one for one in books if one.limit is not None])

    # -- scopes -----------------------------------------------------------------------------------------------------------------

    def open(self, book: Book) -> None:
        """A scope opens."""

        def work() -> None:
            book.opened_at = self._engine.clock.seq
            book.nowhere_at_open = self._engine.nowhere
            book.recorded_at_open = self._engine.recorded()
            self._compare_sample(book)
            self._engine.align(book)
            if book.alone:
                self._engine.books[book] = None
            self._engine.sampling |= book.limit is not None
            if self._recorders:
                self._recorded("open", book)

        self._do(work)

    def seed(self, book: Book, kind: Kind, keys: Iterable[Key], call: Call, why: str) -> None:
        """Declare what was there before the scope: it may be used, handed over and released, and is not owed."""
        wanted = tuple(keys)

        def work() -> None:
            engine = self._engine
            keys = tuple(key for key in wanted if book.takes(kind, key))
            if len(keys) < len(wanted):
                book.thinned.add(kind)
            for key in keys:
                engine.tick()
                claimed = engine.tables.claim(kind, key, book)
                if engine.tables.held_in_chain(kind, key, call.chain) is None:
                    generation = engine.open(call, book, kind, key, "seeded", (), why)
                    generation.seeded = True
                    engine.spans.settled(generation)
                engine.tables.unclaim(claimed, key)
            if self._recorders:
                self._recorded("seed", book, kind, keys, call, why)

        self._do(work)

    def judge(self, book: Book, *, error: bool, ended: str, excused: Excused) -> list[Finding]:
        """Judge what a closing scope still holds."""

        def work() -> list[Finding]:
            self._engine.found = []
            _close_lanes((book,))
            book.sealed = True
            self._engine.tables.take_all(book)
            judge_scope(self._engine, book, error=error, ended=ended, excused=excused)
            if self._recorders:
                self._recorded("judge", book, error, ended)
            return self._engine.found

        return self._do(work) or []

    def close(self, book: Book) -> tuple[int, int]:
        """Forget a judged scope; returns how many acquires went nowhere, and how many elsewhere, while it was open."""

        def work() -> tuple[int, int]:
            engine = self._engine
            nowhere = engine.nowhere - book.nowhere_at_open
            elsewhere = engine.recorded() - book.recorded_at_open - book.inside
            if self._recorders:
                self._recorded("close", book)
            book.sealed = book.closed = True
            self._judged.extend((one.born, weakref.ref(book)) for one in book.held)
            engine.tables.close(book)
            engine.books.pop(book, None)
            self._compare_sample(book)
            engine.sampling = engine.sampling and any(one.limit is not None or one.given_up for one in engine.books)
            return nowhere, elsewhere

        return self._do(work) or (0, 0)

    def outstanding(self, book: Book) -> list[Generation]:
        """What a scope holds and owes now, oldest first."""

        def work() -> list[Generation]:
            plain = [one for table in book.tables.values() for one in table.view()]
            return sorted((one for one in (*book.held, *plain) if not one.seeded), key=lambda one: one.born)

        return self._do(work) or []

    def held(self, kind: Kind, chain: tuple[Book, ...]) -> list[Generation]:
        """What the scopes of a chain hold of a kind, seeded things included, oldest first."""
        return self._do(lambda: [one for one in self._engine.tables.view(kind) if one.book in chain]) or []

    def named(self, chain: tuple[Book, ...], refs: Iterable[Ref]) -> list[Generation | None]:
        """The generations that some resources name now, to a call with this chain of scopes."""
        return self._do(lambda: [self._engine.named(kind, key, chain) for kind, key in refs]) or []

    def bring_up(self, generations: Iterable[Generation]) -> None:
        """Let some generations be as they are now: here they always are, and a ledger that others share has to look."""

    def owed(self, book: Book) -> frozenset[int]:
        """What a scope holds and owes now: the numbers of the acquires."""

        def work() -> frozenset[int]:
            plain = [born(one) for table in book.tables.values() for one in list(table.held.values())]
            return frozenset([*plain, *(one.born for one in book.held if not one.seeded)])

        return self._do(work) or frozenset()

    def wait_for_payment(self, book: Book, seconds: float) -> None:
        """Wait until some event has been applied, at most so long; returns at once where nothing is outstanding."""
        with self._lock:
            book.waits += 1
            try:
                _close_lanes((book,))
                plain = any(table.held for table in book.tables.values())
                if plain or any(not one.seeded for one in book.held):
                    self._paid.wait(seconds)
            finally:
                book.waits -= 1

    def after_fork(self) -> None:
        """In a forked child: the lock may be held by a thread that does not exist here."""
        clock, observed = self.clock, self.observed
        self.divert({})
        observed.clear()
        self.__init__()  # type: ignore[misc]
        self._engine.clock, self.observed = clock, observed


def _first_open(chain: tuple[Book, ...], kind: Kind | None, key: Key | None = None) -> Book | None:
    """The scope that a finding about a kind, or about none, goes to; one about a key to a scope that watches that."""
    for book in chain:
        if not book.closed and (kind is None or (book.watches(kind) if key is None else book.takes(kind, key))):
            return book
    return None


def _is_within(book: Book, kind: Kind, limit: int) -> bool:
    """Whether a scope watches nothing of a kind beyond a limit."""
    return not book.watches(kind) or (book.samples(kind) and book.limit is not None and book.limit <= limit)


def _closed_book() -> Book:
    book = Book("closed")
    book.sealed = book.closed = True
    return book


def _close_lanes(books: Iterable[Book]) -> None:
    for lanes in [lanes for book in books for lanes in book.lanes.values()]:
        _close_way(lanes)


def _close_way(lanes: dict[Any, Lane]) -> None:
    for lane in list(lanes.values()):
        for book in lane.books:
            book.lanes.pop(id(lanes), None)
        lane.close()
    lanes.clear()
