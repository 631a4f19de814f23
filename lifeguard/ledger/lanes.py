"""What is held and remembered plainly: an obligation with nothing to it but its key, its place and who acquired it.

Such an obligation is a tuple in a dict, which a generated wrapper writes and deletes itself, without a lock and without
asking anyone (see `lifeguard.fast`). Whatever is not that plain, and whoever has to look closer, has the tuple made into
a `Generation` first; from then on only the long way knows it.

What makes this safe without a lock: between the check that a step rests on and the last change that it makes stands no
call and no jump backwards, and only there does the interpreter let another thread run or a finaliser step in. An
interpreter without a global lock takes the long way alone.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from lifeguard.keys import Key
from lifeguard.kinds import Kind
from lifeguard.ledger.records import LAST, Generation, Note, Told, Verb
from lifeguard.ledger.states import State
from lifeguard.places import Site
from lifeguard.speedups import COMPILED

if TYPE_CHECKING:
    from lifeguard.ledger.book import Book

FAST_TABLES: Final = 64
"""So many scopes at a time may hold things of one kind plainly: so many tables a stray event has to be looked up in."""

Plain = Any
"""What is plainly held: name of the function (or a tuple of a `Label` and the subjects of this acquire), code and offset of its
caller (None where an event loop called it), number of the event, `Who`, identity of the receiver; then, if it was used, how
many uses were cut and the uses, each as (function, code, offset, number, who). A tuple of these or, with the compiled helper,
an object that gives it (see `fields`).
"""

PLAIN_SIZE: Final = 6
"""The length of a `Plain` that was never used."""

_BORN: Final = 3


class Label:
    """What a plain acquire with subjects has in common with the others of its function.

    Attributes:
        name: the name of the function.
        kinds: of its subjects, in the order in which they follow the label.
    """

    __slots__ = ("kinds", "name")

    def __init__(self, name: str, kinds: tuple[Kind | None, ...]) -> None:
        self.name = name
        self.kinds = kinds


_USES_KEPT_FIRST: Final = 1


def fields(record: Any) -> tuple[Any, ...]:
    """What a plain record says, as a tuple."""
    said: tuple[Any, ...] = record if type(record) is tuple else record.fields()
    return said


def born(plain: Plain) -> int:
    """The number of its acquire."""
    number: int = fields(plain)[_BORN]
    return number


def with_use(uses: tuple[Any, ...], use: tuple[Any, ...]) -> tuple[Any, ...]:
    """The uses of a plain record, how many were cut before them, and one more; the first and the last ones are kept."""
    if not uses:
        return (0, use)
    if len(uses) <= _USES_KEPT_FIRST + LAST:
        return (*uses, use)
    first = 1 + _USES_KEPT_FIRST
    return (uses[0] + 1, *uses[1:first], *uses[first + 1 :], use)


def used(plain: tuple[Any, ...], use: tuple[Any, ...]) -> tuple[Any, ...]:
    """A plain record with one more use."""
    return (*plain[:PLAIN_SIZE], *with_use(plain[PLAIN_SIZE:], use))


if TYPE_CHECKING or COMPILED is None:

    class Clock:
        """The ledger's sequence: the number of the last event."""

        __slots__ = ("seq",)

        def __init__(self) -> None:
            self.seq = 0

    class Flow:
        """Where a context stands: the lanes of the plain events that happen there, and the watched call of a coroutine
        function that it is inside of. There is one for each scope that is current somewhere, and one for each such call.

        Contexts are copied into tasks and threads that are started inside of a call: that is how it is known of their
        events. What a call set in its context stays there when it has ended, and counts no more.
        """

        __slots__ = ("apart", "began", "code", "held", "ident", "lanes", "offset", "outer", "running", "who")

        def __init__(self, lanes: dict[Any, Lane], outer: Flow | None = None, ident: int = 0) -> None:
            self.lanes = lanes
            self.outer = outer  # the call that it is inside of
            self.ident = ident  # the number of the call that it is; 0 where it is none
            self.running = ident != 0
            self.apart = outer is not None or self.running  # whether it is worth asking what it is inside of
            self.who: tuple[Who, Who] | None = None  # who runs, and the same inside of this call

        began: int  # the number of the last event when the call began
        held: Plain | None  # what it named then
        code: Any  # where it was made: None where an event loop did
        offset: int

        @property
        def site(self) -> tuple[Any, int] | None:
            """Where the call was made."""
            return None if self.code is None else (self.code, self.offset)

        def leave(self) -> None:
            """The call has ended."""
            self.running = False
            self.apart = self.outer is not None
            self.who = None

    class Who:
        """A thread, a task or a greenlet: what it is compared by, its name, and the coroutine calls that it runs inside of."""

        __slots__ = ("ident", "inside", "name")

        def __init__(self, ident: object, name: str, inside: Flow | None = None) -> None:
            self.ident = ident
            self.name = name
            self.inside = inside

        @property
        def awaiting(self) -> tuple[int, ...]:
            """The numbers of those calls, the outermost first."""
            found: list[int] = []
            flow = self.inside
            while flow is not None:
                if flow.ident:
                    found.append(flow.ident)
                flow = flow.outer
            return tuple(reversed(found))

    class Way:
        """What the lanes of a function are found by."""

        __slots__ = ()

        def __init__(self, name: str, acquires: bool, uses: bool, late: bool) -> None:
            """Only the compiled one needs to know more."""

    class _TableFields:
        __slots__ = ("append", "book", "fast", "held", "kind", "left_out", "log", "odd", "released", "used")

    class _LaneFields:
        __slots__ = (
            "acquired",
            "around",
            "books",
            "classes",
            "cls",
            "further",
            "held",
            "inside",
            "limit",
            "near",
            "odd",
            "receivers",
            "table",
        )

else:
    Clock, Flow, Who, Way = COMPILED.Clock, COMPILED.Flow, COMPILED.Who, COMPILED.Way
    _TableFields, _LaneFields = COMPILED.TableBase, COMPILED.LaneBase


def call_around(flow: Flow | None) -> Flow | None:
    """The innermost call of a coroutine function that something is inside of which happens there."""
    while flow is not None and not flow.running:
        flow = flow.outer
    return flow


class _Everything:
    """Contains every key: what a lane that leads nowhere any more holds, so that each event on it takes the long way."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        return True


EVERYTHING: Final = _Everything()


class _Sampled(dict[Key, Any]):
    """What is held of a sample. That a key is not there, as most are not, is None and no exception."""

    __slots__ = ()

    __missing__ = dict.get


class Table(_TableFields):
    """What one scope holds and remembers of one kind."""

    __slots__ = ("_filed", "_index", "_indexed", "_taken")

    def __init__(self, kind: Kind, book: Book, *, fast: bool) -> None:
        self.kind = kind
        self.book = book
        self.fast = fast  # whether a lane may lead here
        self.held: dict[Key, Plain] = {} if book.limit is None else _Sampled()  # plainly
        self.odd: dict[Key, int] = {}  # how many generations of these keys are held
        self.log: deque[Any] = deque(
            maxlen=book.remember
        )  # the settled: (key, plain, and six of its release), or a generation
        self.append = self.log.append if book.remember != 0 else None  # what a plain release does with itself
        self.released = 0  # plainly
        self.used = 0
        self.left_out = 0  # acquires of keys that are not in the book's sample
        self._taken = 0  # how many plain ones were made into generations
        self._filed = 0  # how many generations were settled
        self._index: dict[Key, list[tuple[int, Any]]] = {}  # the settled by key, with their number in the log
        self._indexed = 0

    @property
    def acquired(self) -> int:
        """How many were acquired plainly."""
        return self.released + len(self.held) + self._taken

    @property
    def forgotten(self) -> int:
        """How many of the settled are remembered no more."""
        return self.released + self._filed - len(self.log)

    def take(self, key: Key) -> Generation | None:
        """Make what is plainly held of a key into a generation, which is held no more until it is put into the book."""
        plain = self.held.pop(key, None)
        if plain is None:
            return None
        self._taken += 1
        return self.shown(key, plain)

    def view(self) -> list[Generation]:
        """Generations that tell the same as what is plainly held, which stays so."""
        return [self.shown(key, plain) for key, plain in list(self.held.items())]

    def shown(self, key: Key, plain: Plain) -> Generation:
        """A generation that tells the same as a plain record."""
        said = fields(plain)
        name, code, offset, seq, who, receiver = said[:PLAIN_SIZE]
        generation = Generation(self.kind, key, self.book, seq)
        if type(name) is tuple:
            label, *subjects = name
            name = label.name
            pairs = zip(label.kinds, subjects, strict=True)
            generation.about = tuple([(kind, subject) for kind, subject in pairs if subject is not None])
        generation.receiver = receiver
        generation.note(Note(seq, "acquired", name, _site(code, offset), who.name))
        generation.told[Verb.ACQUIRE] = Told(seq, who.ident, who.awaiting)
        if len(said) > PLAIN_SIZE:
            for use in said[PLAIN_SIZE + 1 :]:
                generation.note(Note(use[3], "used", use[0], _site(use[1], use[2]), use[4].name))
            generation.cut += said[PLAIN_SIZE]
        return generation

    # -- the settled ------------------------------------------------------------------------------------------------------------

    def file(self, generation: Generation) -> None:
        """Remember a settled generation, as long as there is room."""
        self._filed += 1
        self.log.append(generation)

    def may_remember(self, key: Key) -> bool:
        """Whether it is worth asking for a key."""
        return key in self._index or self._indexed != self.released + self._filed

    def remembered(self, key: Key) -> list[Generation]:
        """The settled generations of a key that are remembered, oldest first."""
        window = self.log.maxlen
        if window == 0:
            return []
        self._catch_up()
        oldest = self.released + self._filed - len(self.log)
        found = [(number, entry) for number, entry in self._index.get(key, ()) if number >= oldest]
        shown = [(number, entry if isinstance(entry, Generation) else self._settled(entry)) for number, entry in found]
        if key in self._index:
            if shown:
                self._index[key] = shown
            else:
                del self._index[key]
        return [generation for _, generation in shown]

    def all_remembered(self) -> list[Generation]:
        """The settled generations that are remembered, oldest first."""
        return [entry if isinstance(entry, Generation) else self._settled(entry) for entry in list(self.log)]

    def _catch_up(self) -> None:
        """Write what was logged since the last time into the index."""
        total, entries = self._news()
        for number, entry in enumerate(reversed(entries), total - len(entries)):
            key = entry.key if isinstance(entry, Generation) else fields(entry)[0]
            self._index.setdefault(key, []).append((number, entry))
        self._indexed = total
        window = self.log.maxlen
        if window is not None and len(self._index) > 2 * window:
            oldest = total - len(self.log)
            self._index = {
                key: kept
                for key, entries in self._index.items()
                if (kept := [one for one in entries if one[0] >= oldest])
            }

    def _news(self) -> tuple[int, list[Any]]:
        """How many were ever logged, and of these what is not in the index yet, the last first.

        Plain releases go on meanwhile: one that comes between is noticed by the numbers, or by the log itself, which
        refuses to be read on when it has changed.
        """
        while True:
            total = self.released + self._filed
            try:
                entries = list(islice(reversed(self.log), min(total - self._indexed, len(self.log))))
            except RuntimeError:
                continue
            if total == self.released + self._filed:
                return total, entries

    def _settled(self, entry: Any) -> Generation:
        key, plain, name, code, offset, seq, who = fields(entry)
        generation = self.shown(key, plain)
        generation.state = State.RELEASED
        generation.note(Note(seq, "released", name, _site(code, offset), who.name))
        generation.told[Verb.RELEASE] = Told(seq, who.ident, who.awaiting)
        return generation


def _site(code: Any, offset: int) -> Site | None:
    return None if code is None else (code, offset)


class Lane(_LaneFields):
    """The way of plain events of one kind from one context to one table."""

    __slots__ = ()

    def __init__(
        self,
        table: Table,
        around: tuple[Table, ...],
        inside: tuple[Book, ...],
        books: tuple[Book, ...],
        limit: int | None = None,
    ) -> None:
        self.table: Any = table
        self.books = books  # all that it depends on
        self.held = table.held
        self.odd: Any = table.odd
        self.around = around  # the tables of the other scopes that an acquire looks into
        self.near = around[0] if around else None  # the first of them
        self.further = around[1:] or None  # and the others
        self.inside = inside  # the books that count what is acquired here
        self.limit = limit  # keys with this lot or a higher one are in no scope's sample; None where all are
        self.acquired = 0
        self.receivers: Any = {}  # identities of the objects that were seen to acquire, each by itself
        self.classes: set[type] = set()  # classes of the objects that were seen at all
        if COMPILED is None:
            self.cls: type | None = None  # the last one that was new

    def meets_around(self, key: Key) -> bool:
        """Whether one of the other scopes holds a key that would be acquired here."""
        for table in self.around:  # noqa: SIM110 - a generator costs a multiple
            if key in table.held or key in table.odd:
                return True
        return False

    def close(self) -> None:
        """Let it lead nowhere: every event on it, also one that is on its way, takes the long way. What it led to is let go,
        for whoever found it here last may keep it.
        """
        self.odd = EVERYTHING
        self.held = {}
        self.table = None
        self.around, self.near, self.further = (), None, None
        acquired, self.acquired = self.acquired, 0
        inside, self.inside = self.inside, ()
        self.books = ()
        for book in inside:
            book.inside += acquired
