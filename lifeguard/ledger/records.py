"""The records that the ledger works on. They are the ledger's own: what leaves it is frozen (see `lifeguard.verdict`)."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from lifeguard.keys import Key
from lifeguard.kinds import Kind, Outside, Resource
from lifeguard.ledger.states import State
from lifeguard.places import Place, Site

if TYPE_CHECKING:
    from lifeguard.ledger.book import Book
    from lifeguard.ledger.spans import Span

Ref = tuple[Kind, Key]
"""One resource: its kind and its key."""

Subject = tuple[Kind | None, Key]
"""What an obligation is about; without a kind it never equals one with a kind."""

FIRST: Final = 2
LAST: Final = 6
"""So many of the first and of the last events of an obligation are kept."""


class Verb(Enum):
    """What a contract tells, in the order in which the contracts of one call apply."""

    USE = 1
    RELEASE = 2
    ROLL_BACK = 3
    ACQUIRE = 4
    TRANSFER = 5
    FAIL = 6


class Outcome(Enum):
    """How a call ended. An abandoned call changes nothing and tells nothing."""

    RETURNED = auto()
    RAISED = auto()


class Note:
    """One line of a history. Never changed once it is made."""

    __slots__ = ("actor", "function", "seq", "site", "text", "verb")

    def __init__(self, seq: int, verb: str, function: str, site: Site | None, actor: str, text: str = "") -> None:
        self.seq = seq
        self.verb = verb
        self.function = function
        self.site = site
        self.actor = actor
        self.text = text


class Told:
    """Which event last told a verb of a generation: enough to see that an outer call tells the same one again."""

    __slots__ = ("awaiting", "seq", "thread")

    def __init__(self, seq: int, thread: object, awaiting: tuple[int, ...]) -> None:
        self.seq = seq
        self.thread = thread
        self.awaiting = awaiting


class Act:
    """What one contract of one call says about one key, all expressions read."""

    __slots__ = (
        "about",
        "amount",
        "cascade",
        "excused",
        "function",
        "gone",
        "idempotent",
        "in_doubt",
        "key",
        "kind",
        "part",
        "reraised",
        "resolved",
        "succeeded",
        "target",
        "to",
        "to_key",
        "verb",
        "within",
    )

    def __init__(self, verb: Verb, kind: Kind, key: Key) -> None:
        self.verb = verb
        self.kind = kind
        self.key = key
        self.resolved = False  # whether `target` was looked up at the begin of the call
        self.target: Generation | None = None
        self.about: tuple[Subject, ...] = ()
        self.within: Ref | None = None
        self.amount: tuple[float, ...] | None = None
        self.part: str | None = None
        self.gone = False  # the call raised one of the exceptions that say "not there"
        self.in_doubt = False
        self.excused = False  # in doubt, but nobody is blamed for it: its answer was lost on purpose
        self.reraised = False  # a rollback that ended by raising the very failure that it rolled back: it was done
        self.idempotent = False
        self.cascade: bool | None = None
        self.to: Outside | Book | Ref | None = None
        self.to_key: Key | None = None
        self.succeeded = False  # of a FAIL: the call returned, which pays for its earlier failures


class Call:
    """One watched call, from its begin to its end."""

    __slots__ = (
        "actor",
        "around",
        "asynchronous",
        "awaiting",
        "began",
        "chain",
        "elsewhere",
        "error",
        "error_place",
        "failing",
        "function",
        "ident",
        "lasts",
        "nests",
        "on",
        "receiver",
        "site",
        "spans",
        "thread",
    )

    def __init__(
        self,
        function: str,
        *,
        chain: tuple[Book, ...],
        around: int | None = None,
        site: Site | None = None,
        actor: str = "",
        thread: object = None,
        awaiting: tuple[int, ...] = (),
        spans: tuple[Span, ...] = (),
        receiver: object = None,
    ) -> None:
        self.function = function
        self.chain = chain  # the scopes of this context, the innermost first, then those of the process
        self.around = len(chain) if around is None else around  # how many of them are of this context
        self.site = site
        self.actor = actor
        self.thread = thread
        self.awaiting = awaiting  # idents of the coroutine calls that this one runs inside of
        self.spans = spans  # the atomic, settling and step-taking calls that this one runs inside of
        self.receiver = receiver
        self.elsewhere: Any = None  # what ledgers that others share, too, know of it; opaque here
        self.on: object = None  # the object itself, only while observers are told that the call begins
        self.asynchronous = False
        self.nests = True  # False where the caller's code runs between begin and end, and cannot be told apart
        self.lasts = False  # a generator: the caller's code runs between begin and end
        self.failing: tuple[Ref, ...] = ()  # the rollbacks that will be owed if it fails
        self.began = 0
        self.ident = 0
        self.error = ""  # the repr of what it raised
        self.error_place: Place | None = None

    def told_inside(self, told: Told | None) -> bool:
        """Whether an event happened inside this call, in its own flow of control."""
        if told is None or not self.nests or told.seq <= self.began:
            return False
        if self.asynchronous:
            return self.ident in told.awaiting
        return told.thread == self.thread


class Finding:
    """A broken rule, before it is put into words."""

    __slots__ = (
        "also",
        "book",
        "call",
        "children",
        "code",
        "generation",
        "key",
        "kind",
        "later",
        "place",
        "seq",
        "severity",
        "subjects",
        "text",
    )

    def __init__(
        self,
        code: str,
        book: Book,
        seq: int,
        text: str,
        *,
        kind: Kind | None = None,
        key: Key | None = None,
        generation: Generation | None = None,
        call: Call | None = None,
        children: tuple[Generation, ...] = (),
        subjects: tuple[Subject, ...] = (),
    ) -> None:
        self.code = code
        self.book = book
        self.seq = seq
        self.text = text
        self.kind = kind
        self.key = key
        self.generation = generation
        self.call = call
        self.children = children
        self.subjects = subjects
        self.place: Place | None = None  # what to point at, where it is not the call or the acquire
        self.severity: str | None = None  # where it is not the rule's own
        self.also: list[str] = []
        self.later = ""


class Generation:
    """One life of a key: the obligation that its acquire opened."""

    __slots__ = (
        "about",
        "again_said",
        "amounts",
        "attempts",
        "book",
        "born",
        "count",
        "cut",
        "finding",
        "first",
        "group",
        "key",
        "kind",
        "last",
        "opened_in",
        "owned",
        "owner",
        "paid",
        "parent",
        "parts",
        "receiver",
        "seeded",
        "since",
        "spans",
        "state",
        "told",
    )

    def __init__(self, kind: Kind, key: Key, book: Book, born: int) -> None:
        self.kind = kind
        self.key = key
        self.book = book
        self.born = born
        self.since = born
        self.again_said = False
        self.state = State.HELD
        self.count = 1
        self.amounts: tuple[float, ...] | None = None
        self.paid: tuple[str, ...] = ()
        self.about: tuple[Subject, ...] = ()
        self.owner: Generation | None = None  # to which resource it was handed
        self.owned: dict[Generation, None] = {}
        self.parent: Generation | None = None  # what it is a part of
        self.parts: dict[Generation, None] = {}
        self.seeded = False  # there before the scope, or excused: held, but not owed
        self.finding: Finding | None = None
        self.told: dict[Verb, Told] = {}
        self.spans: tuple[Span, ...] = ()  # which spans list it as opened
        self.opened_in: tuple[Span, ...] = ()  # the spans of the context that opened it
        self.receiver: object = None
        self.first: list[Note] = []
        self.last: deque[Note] | None = None
        self.cut = 0
        self.attempts = 0  # of a rollback: how many times it was tried
        self.group: Steps | None = None

    def note(self, note: Note) -> None:
        """Add an event to the history, which keeps its first and last ones."""
        if len(self.first) < FIRST:
            self.first.append(note)
            return
        if self.last is None:
            self.last = deque(maxlen=LAST)
        if len(self.last) == LAST:
            self.cut += 1
        self.last.append(note)

    def relocate(self, told: Told | None, call: Call) -> None:
        """An event was told by a call inside `call`, which tells the same: it was the outer one's caller who made it."""
        for notes in (self.first, self.last or ()):
            for position, note in enumerate(notes):
                if told is not None and note.seq == told.seq:
                    notes[position] = Note(note.seq, note.verb, note.function, call.site, call.actor, note.text)  # type: ignore[index]

    @property
    def size(self) -> tuple[float, ...]:
        """How much of it is held: its amounts or, of what is counted, how many times."""
        return self.amounts if self.amounts is not None else (self.count,)

    @property
    def history(self) -> tuple[Note, ...]:
        """The events that are kept, oldest first."""
        return (*self.first, *(self.last or ()))

    @property
    def remaining(self) -> tuple[str, ...]:
        """Of a resource that needs several releases: the ones still due."""
        if not isinstance(self.kind, Resource) or self.kind.needs is None:
            return ()
        return tuple(part for part in self.kind.needs.parts if part not in self.paid)


class Steps:
    """A failed call that rolls back in order, and the steps it had completed, oldest first."""

    __slots__ = ("failed", "steps", "tried")

    def __init__(self, failed: Generation) -> None:
        self.failed = failed
        self.steps: list[Generation] = []
        self.tried: set[Generation] = set()
