"""What dead processes left is released, by functions whose contracts say that they release it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from lifeguard.contracts import Contract
from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.inheritance import members
from lifeguard.keys import KeyExpression, problem_text, repr_safely
from lifeguard.stores import processes
from lifeguard.stores.database import Database, opened
from lifeguard.stores.joining import SharedScope, join
from lifeguard.stores.naming import Ledger, expect_ledger
from lifeguard.stores.orphans import Orphan, _find
from lifeguard.stores.schema import CLAIMS, OPEN, PROCESSES
from lifeguard.stores.store import store_of
from lifeguard.weaving import inner_of, reached

PAYING: Final = ("releases", "rolls_back")


@record
class Reaping:
    """What became of one obligation.

    Attributes:
        orphan: the obligation.
        outcome: "released"; "would be released" (a dry run); "failed"; "claimed" (somebody else is at it); "impossible".
        by: the function that releases it; "" where there is none.
        why: what stood in the way; "" where nothing did.
    """

    orphan: Orphan
    outcome: str
    by: str
    why: str = ""

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        return f"{self.outcome}{by}: {self.orphan}" + (f" ({self.why})" if self.why else "")

    def as_dict(self) -> dict[str, object]:
        """What became of it, as JSON-ready data."""
        return {"outcome": self.outcome, "by": self.by, "why": self.why, "orphan": self.orphan.as_dict()}


@record
class Reaped:
    """What became of all of them, in the order in which it was done.

    Attributes:
        ledger: the ledger, without its password.
        dry_run: whether nothing was done.
        results: each obligation and what became of it.
        spared: how many more there are in scopes whose own process lives, and may release them itself.
    """

    ledger: str
    dry_run: bool
    results: tuple[Reaping, ...]
    spared: int = 0

    def __str__(self) -> str:
        lines = [*map(str, self.results)]
        if self.spared:
            lines.append(
                f"left alone: {self.spared} in scopes whose own process lives (living_scopes releases these, too)"
            )
        return "\n".join(lines) or f"No dead process owes anything in {self.ledger}."

    @property
    def exit_code(self) -> int:
        """0 where nothing is left, else 3, as everywhere on the command line."""
        return 0 if all(one.outcome == "released" for one in self.results) else 3

    def as_dict(self) -> dict[str, object]:
        """Everything as JSON-ready data."""
        return {
            "schema": 1,
            "ledger": self.ledger,
            "dry_run": self.dry_run,
            "results": [one.as_dict() for one in self.results],
            "spared": self.spared,
        }

    def as_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(self.as_dict(), indent=2)


class _Way:
    """A function that releases things of a kind, and how it is called."""

    def __init__(self, name: str, contract: Contract, function: Callable[..., object]) -> None:
        self.name = name
        self.contract = contract
        self.function = function
        self.parameters = _parameters(contract, function) if contract.call is None else ()

    @property
    def usable(self) -> bool:
        """Whether it can be called with nothing but the key."""
        return self.contract.call is not None or self.parameters is not None

    def call(self, orphan: Orphan) -> object:
        """Release something."""
        if self.contract.call is not None:
            return self.contract.call(orphan)
        assert self.parameters is not None
        values = orphan.key if len(self.parameters) > 1 else (orphan.key,)
        assert isinstance(values, tuple)
        return self.function(**dict(zip(self.parameters, values, strict=True)))


def _parameters(contract: Contract, function: Callable[..., object]) -> tuple[str, ...] | None:
    """The parameters that the key gives, where it gives all that are needed."""
    key = contract.key
    if not isinstance(key, KeyExpression) or key.many:
        return None
    names = tuple(name.strip() for name in key.source.split(","))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    needed = {
        name
        for name, one in signature.parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    if not all(name in signature.parameters for name in names) or not needed <= set(names):
        return None
    return names


def _ways(contracts: Iterable[object]) -> dict[tuple[str, str], list[_Way]]:
    """What is found in modules, classes, objects and functions, by the name of the kind and the part."""
    found: dict[tuple[str, str], list[_Way]] = {}
    for target in contracts:
        some = list(_functions(target))
        if not some:
            raise DeclarationError.at_caller(
                f"reap(contracts=…) takes modules, classes, objects and functions whose contracts release something; "
                f"{repr_safely(target)} has none"
            )
        for name, function, contract in some:
            found.setdefault((contract.kind.name, contract.part or ""), []).append(_Way(name, contract, function))
    return found


def _functions(target: Any) -> Iterable[tuple[str, Callable[..., object], Contract]]:
    if isinstance(target, ModuleType):
        for name, value in sorted(vars(target).items()):
            if isinstance(value, type) and value.__module__ == target.__name__:
                yield from _functions(value)
            elif not isinstance(value, type) and callable(value):
                yield from _of(name, value, value)
        return
    if inspect.isroutine(target) or inspect.ismethod(target):
        yield from _of(getattr(target, "__qualname__", "function"), target, target)
        return
    cls = target if isinstance(target, type) else type(target)
    for name, value in members(cls):
        if not name.startswith("__"):
            yield from _of(f"{cls.__qualname__}.{name}", value, getattr(target, name, None))


def _of(name: str, value: object, function: Any) -> Iterable[tuple[str, Callable[..., object], Contract]]:
    inner = inner_of(value)
    for woven in reached(getattr(inner, "__func__", inner)):
        for contract in woven.contracts:
            if contract.verb in PAYING and callable(function):
                yield name, function, contract


def reap(
    ledger: str | Ledger, *, contracts: Iterable[object], dry_run: bool = True, living_scopes: bool = False
) -> Reaped:
    """Release what dead processes left, the newest first, by functions whose contracts say that they release it.

    A function is called with the key alone where its contract's key is made of its parameters (`key="image_id"`) and it needs no
    others; else its contract says how: `releases(…, call=lambda obligation: client.delete(obligation.key))`. Each call happens in
    the scope that holds the obligation, so that it is paid there. An obligation is claimed before it is touched: two that reap
    at once, on one host or on two, do not release the same thing, and what failed is tried again by the next run.

    Args:
        ledger: the URL, or `Ledger(url, …)`.
        contracts: modules, classes, objects or functions with `@releases` and `@rolls_back`; of a class those methods can be
            called that need no object, of an object all.
        dry_run: say what would be done, and do nothing.
        living_scopes: release also what is held in a scope whose own process lives, and may release it itself.

    Returns:
        what became of each obligation.

    Raises:
        DeclarationError: it names no ledger, or something has no contracts.
        UsageError: the ledger cannot be reached, or is of a newer lifeguard.
    """
    named = expect_ledger(ledger, "reap(…)")
    ways = _ways(contracts)
    with opened(named) as database:
        found = database.run(lambda connection: _find(connection, database))
        wanted = [one for one in reversed(found) if living_scopes or not one.scope_lives]
        results = [_reap(named, database, one, _way_for(ways, one), dry_run) for one in wanted]
    return Reaped(named.name, dry_run, tuple(results), len(found) - len(wanted))


def _way_for(ways: dict[tuple[str, str], list[_Way]], orphan: Orphan) -> list[_Way]:
    found = [way for (kind, part), some in ways.items() if kind == orphan.kind for way in some if not part]
    parts = [way for (kind, part), some in ways.items() if kind == orphan.kind for way in some if part]
    if parts:
        by_part: dict[str, _Way] = {}
        for way in parts:
            if way.usable:
                by_part.setdefault(way.contract.part or "", way)
        return list(by_part.values())
    return sorted(found, key=lambda way: not way.usable)[:1]


def _reap(ledger: Ledger, database: Database, orphan: Orphan, ways: list[_Way], dry_run: bool) -> Reaping:
    by = " and ".join(way.name for way in ways)
    if not ways:
        return Reaping(orphan, "impossible", "", f"none of the given contracts releases {orphan.kind}")
    if not all(way.usable for way in ways):
        why = "it needs more than the key: say how it is called with releases(…, call=…)"
        return Reaping(orphan, "impossible", by, why)
    if not orphan.callable:
        return Reaping(orphan, "impossible", by, "its key is the identity of an object that went with its process")
    if dry_run:
        return Reaping(orphan, "would be released", by)
    me = _process(ledger)
    if not database.run(lambda connection: _claim(connection, database, orphan, me)):
        return Reaping(orphan, "claimed", by, "somebody else is at it, or has done it")
    why = ""
    try:
        with join(SharedScope(orphan.scope_ident, orphan.scope), ledger=ledger):
            for way in ways:
                way.call(orphan)
    except Exception as error:
        why = problem_text(error)
    left = database.run(lambda connection: _is_open(connection, orphan))
    if left and not why:
        why = "it was called, and the ledger still holds the obligation"
    outcome = "failed" if left else "released"
    database.run(lambda connection: _settle(connection, database, orphan, outcome if not why else f"{outcome}: {why}"))
    return Reaping(orphan, outcome, by, why)


def _process(ledger: Ledger) -> int:
    store = store_of(ledger)
    store.flush()
    return store.process.number


def _this(orphan: Orphan) -> tuple[Any, ...]:
    return CLAIMS.c.world == orphan.world, CLAIMS.c.born == orphan.born


def _is_open(connection: Connection, orphan: Orphan) -> bool:
    statement = select(OPEN.c.born).where(OPEN.c.world == orphan.world, OPEN.c.born == orphan.born)
    return connection.execute(statement).scalar() is not None


def _claim(connection: Connection, database: Database, orphan: Orphan, me: int) -> bool:
    """Claim an obligation; False where another process is at it, or it is settled."""
    if not _is_open(connection, orphan):
        return False
    values = {
        "world": orphan.world,
        "born": orphan.born,
        "process": me,
        "at": database.now,
        "outcome": None,
        "tries": 1,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(CLAIMS).values(**values))
            return True
    except IntegrityError:
        pass
    row = connection.execute(select(CLAIMS).where(*_this(orphan)).with_for_update()).one()
    if row.outcome is None and row.process != me:
        holder = connection.execute(select(PROCESSES).where(PROCESSES.c.id == row.process)).one_or_none()
        if holder is not None and not processes.is_dead(holder, database.clock(connection)):
            return False
    connection.execute(
        update(CLAIMS).where(*_this(orphan)).values(process=me, at=database.now, outcome=None, tries=row.tries + 1)
    )
    return True


def _settle(connection: Connection, database: Database, orphan: Orphan, outcome: str) -> None:
    connection.execute(update(CLAIMS).where(*_this(orphan)).values(outcome=outcome, at=database.now))
