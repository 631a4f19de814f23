"""Kinds in a database. In two processes a kind is the same one if its name and its settings are the same."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from lifeguard.kinds import Kind, Resource, Rollback, all_of, declared_kinds
from lifeguard.ledger import account
from lifeguard.stores.schema import KINDS, inserted


def settings_of(kind: Kind) -> str:
    """The settings of a kind that decide what its events mean, as a text that two equal kinds share."""
    told: dict[str, Any] = {"unseen": kind.unseen}
    if isinstance(kind, Resource):
        told |= {
            "again": kind.again,
            "fields": list(kind.fields) if kind.fields is not None else None,
            "needs": list(kind.needs.parts) if kind.needs is not None else None,
            "within": [kind.within.name, settings_of(kind.within)] if kind.within is not None else None,
            "cascade": kind.cascade,
        }
    else:
        told["order"] = kind.order
    return json.dumps(told, separators=(",", ":"), sort_keys=True)


def payers_of(kind: Kind) -> list[list[object]]:
    """The functions of this process that may pay what is owed of a kind."""
    found = {(one.name, one.verb, one.part, one.cascade) for ask in account.payers for one in ask(kind)}
    return [list(one) for one in sorted(found)]


_PAYERS: Final[weakref.WeakKeyDictionary[Kind, tuple[account.Payer, ...]]] = weakref.WeakKeyDictionary()
"""Who may pay what is owed of kinds that no function of this process speaks of."""

account.payers.append(lambda kind: account.Payers(_PAYERS.get(kind, ())))


class Kinds:
    """The kinds of one database, by their numbers there."""

    def __init__(self, connected: Callable[[], Connection]) -> None:
        self._connected = connected
        self._numbers: weakref.WeakKeyDictionary[Kind, int] = weakref.WeakKeyDictionary()
        self._by_meaning: dict[tuple[str, bool, str], int] = {}
        self._kinds: dict[int, Kind] = {}
        self._latest: dict[int, weakref.ref[Kind]] = {}

    def number(self, kind: Kind) -> int:
        """The number of a kind; one that is not there yet is written down."""
        known = self._numbers.get(kind)
        if known is not None:
            return known
        meaning = kind.name, isinstance(kind, Rollback), settings_of(kind)
        found = self._by_meaning.get(meaning)
        if found is None:
            found = self._read(meaning) or self._write(meaning, kind)
            self._by_meaning[meaning] = found
        self._numbers[kind] = found
        self._kinds.setdefault(found, kind)
        self._latest[found] = weakref.ref(kind)
        return found

    def _read(self, meaning: tuple[str, bool, str]) -> int | None:
        name, rollback, settings = meaning
        statement = select(KINDS.c.id).where(
            KINDS.c.name == name, KINDS.c.rollback == rollback, KINDS.c.settings == settings
        )
        found: int | None = self._connected().execute(statement).scalar()
        return found

    def _write(self, meaning: tuple[str, bool, str], kind: Kind) -> int:
        name, rollback, settings = meaning
        values = {"name": name, "rollback": rollback, "settings": settings, "payers": json.dumps(payers_of(kind))}
        connection = self._connected()
        if connection.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as insert_or_not

            connection.execute(insert_or_not(KINDS).values(**values).on_conflict_do_nothing())
            found = self._read(meaning)
            assert found is not None
            return found
        return inserted(connection.execute(insert(KINDS).values(**values)))

    def one(self, kind: Kind) -> Kind:
        """The object that stands for a kind here: the first one of its name and settings."""
        return self._kinds[self.number(kind)]

    def users(self, kind: Kind) -> Kind:
        """The object that the program itself uses for a kind: the last one of its name and settings."""
        known = self._latest.get(self._numbers.get(kind, 0))
        return (known() if known is not None else None) or kind

    def of(self, number: int) -> Kind:
        """The kind with a number: one that this process has declared or, where it has none, one made for it."""
        known = self._kinds.get(number)
        if known is None:
            row = self._connected().execute(select(KINDS).where(KINDS.c.id == number)).one()
            known = self._declared(row) or made(row.name, row.rollback, row.settings)
            if not payers_of(known):
                _PAYERS[known] = tuple(account.Payer(*one) for one in json.loads(row.payers))
            self._kinds[number] = known
            self._numbers[known] = number
        return known

    @staticmethod
    def _declared(row: Any) -> Kind | None:
        for kind in declared_kinds():
            same = kind.name == row.name and isinstance(kind, Rollback) == bool(row.rollback)
            if same and settings_of(kind) == row.settings:
                return kind
        return None

    def forget(self) -> None:
        """What was written down may have been rolled back."""
        self._numbers.clear()
        self._by_meaning.clear()
        self._kinds.clear()


def made(name: str, rollback: bool, settings: str) -> Kind:
    """A kind as its settings say, for a process that has not declared it."""
    told = json.loads(settings)
    if rollback:
        return Rollback(name, order=told["order"], unseen=told["unseen"])
    within = made(told["within"][0], False, told["within"][1]) if told["within"] else None
    assert within is None or isinstance(within, Resource)
    return Resource(
        name,
        again=told["again"],
        unseen=told["unseen"],
        fields=told["fields"],
        needs=all_of(*told["needs"]) if told["needs"] else None,
        within=within,
        cascade=told["cascade"],
    )
