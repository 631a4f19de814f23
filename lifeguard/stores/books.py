"""What a shared scope's book knows beyond one of memory: its identity, its counts in the database, and when it was closed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lifeguard.kinds import Kind, KindsNamed
from lifeguard.ledger.book import STRANGERS, Book, Tally

if TYPE_CHECKING:
    from lifeguard.keys import Key
    from lifeguard.ledger.records import Call, Generation, Verb
    from lifeguard.stores.kinds import Kinds
    from lifeguard.stores.worlds import World

_COUNTED = ("acquired", "released", "transferred", "used", "failed", "rolled_back", "unmatched")


class KeptTally(Tally):
    """What was counted of a kind, and how many were settled."""

    __slots__ = ("filed",)

    def __init__(self) -> None:
        super().__init__()
        self.filed = 0


class SharedBook(Book):
    """The book of a shared scope, as one process knows it.

    Attributes:
        ident: the scope's identity, 32 hexadecimal digits.
        number: its number in the database; 0 while it has none.
        world: the world that it belongs to, while this process is in it.
        judged_here: whether this process opened it.
    """

    alone = False

    __slots__ = (
        "counted",
        "found",
        "ident",
        "judged_here",
        "number",
        "opened_by",
        "shared_since",
        "unheard",
        "world",
        "world_at_open",
    )

    def __init__(
        self,
        name: str,
        *,
        ident: str,
        remember: int | None = 1024,
        only: Iterable[Kind] | KindsNamed | None = None,
        ignore: Iterable[Kind] | KindsNamed = (),
    ) -> None:
        super().__init__(name, remember=remember, only=only, ignore=ignore)
        self.ident = ident
        self.number = 0
        self.world: World | None = None
        self.judged_here = False
        self.opened_by = 0
        self.found = 0  # so many findings were numbered
        self.world_at_open = 0  # the number of the world's last event before
        self.shared_since = 0  # acquires of the world that were recorded before
        self.unheard = False  # it had to be judged without the database
        self.counted: dict[Kind, None] = {}  # the kinds whose tallies have changed

    def now(self) -> SharedBook:
        """Itself, with all that this process has told, and what others did."""
        if self.world is not None and not self.closed:
            self.world.store.ask(self.world, _catch_up, self)
        return self

    def told_inside(self, call: Call, generation: Generation, verb: Verb) -> bool:
        """Whether a verb was told inside a call, by the sequence of the world."""
        told = call.elsewhere.get(self.world) if call.elsewhere is not None else None
        if told is None:
            return False
        told.call.nests = call.nests
        return super().told_inside(told.call, generation, verb)

    def tally(self, kind: Kind) -> Tally:
        """The counters of a kind."""
        self.counted[kind] = None
        tally = self.tallies.get(kind)
        if tally is None:
            tally = self.tallies[kind] = KeptTally()
        return tally

    def filed(self, kind: Kind) -> int:
        """One more was settled; its number."""
        tally = self.tally(kind)
        assert isinstance(tally, KeptTally)
        tally.filed += 1
        if self.remember is not None:
            tally.forgotten = max(0, tally.filed - self.remember)
        return tally.filed

    def floor(self, kind: Kind) -> int | None:
        """The number of the last settled one that is forgotten; None where none is remembered."""
        tally = self.tallies.get(kind)
        if tally is None or self.remember == 0 or self.closed:
            return None
        assert isinstance(tally, KeptTally)
        if not tally.filed:
            return None
        return 0 if self.remember is None else max(0, tally.filed - self.remember)

    # -- as the world's row has it ----------------------------------------------------------------------------------------------

    def counts_out(self, kinds: Kinds, write_key: Any, before: dict[str, Any]) -> dict[str, Any]:
        """What is counted, as JSON: what has changed since `before` written anew."""
        told = before.get("kinds", {})
        for kind in self.counted:
            tally = self.tallies[kind]
            assert isinstance(tally, KeptTally)
            counts: list[Any] = [getattr(tally, name) for name in _COUNTED]
            told[str(kinds.number(kind))] = [*counts, tally.filed, [write_key(key) for key in tally.strangers]]
        self.counted.clear()
        return {"kinds": told, "inside": self.inside, "found": self.found, "late": self.late}

    def counts_in(self, kinds: Kinds, read_key: Any, told: dict[str, Any]) -> None:
        """Let the counts be as the row says."""
        self.counted.clear()
        self.inside, self.found, self.late = told.get("inside", 0), told.get("found", 0), told.get("late", 0)
        fresh: dict[Kind, Tally] = {}
        for number, (*counts, filed, strangers) in told.get("kinds", {}).items():
            kind = kinds.of(int(number))
            tally = self.tallies.get(kind)
            if not isinstance(tally, KeptTally):
                tally = KeptTally()
            for name, count in zip(_COUNTED, counts, strict=True):
                setattr(tally, name, count)
            tally.filed = filed
            if self.remember is not None:
                tally.forgotten = max(0, filed - self.remember)
            found: deque[Key] = deque((read_key(key) for key in strangers), maxlen=STRANGERS)
            tally.strangers = found
            fresh[kind] = tally
        for kind in [kind for kind in self.tallies if kind not in fresh]:
            del self.tallies[kind]
        self.tallies.update(fresh)


def _catch_up(world: World, book: SharedBook) -> None:
    world.read_findings(book)


def settings_out(book: Book, kinds: Kinds, reach: str) -> str:
    """What a scope was opened with, for whoever joins it."""
    return json.dumps(
        {
            "reach": reach,
            "remember": book.remember,
            "only": _chosen_out(book.only, kinds) if book.only is not None else None,
            "ignore": _chosen_out(book.ignore, kinds),
        }
    )


def book_of(ident: str, name: str, settings: str, kinds: Kinds) -> SharedBook:
    """The book of a scope that was opened elsewhere."""
    told = json.loads(settings)
    return SharedBook(
        name,
        ident=ident,
        remember=told["remember"],
        only=_chosen_in(told["only"], kinds) if told["only"] is not None else None,
        ignore=_chosen_in(told["ignore"], kinds),
    )


def _chosen_out(chosen: frozenset[Kind] | KindsNamed, kinds: Kinds) -> object:
    return {"names": sorted(chosen.names)} if isinstance(chosen, KindsNamed) else sorted(map(kinds.number, chosen))


def _chosen_in(told: Any, kinds: Kinds) -> list[Kind] | KindsNamed:
    return KindsNamed(frozenset(told["names"])) if isinstance(told, dict) else [kinds.of(number) for number in told]
