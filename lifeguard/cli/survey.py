"""Which contracts there are, and which kinds nobody can pay: data, made from the roster of what is woven."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from lifeguard.contracts import PAYING, Contract, Invariant
from lifeguard.keys import KeyExpression
from lifeguard.kinds import OUTSIDE, Kind, Resource, Rollback, declared_kinds
from lifeguard.places import Place, definition, short_path
from lifeguard.roster import ROSTER
from lifeguard.watching import Woven
from lifeguard.weaving import reached

OPENING: Final = ("acquires", "on_failure")
"""The verbs with which something is owed."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One contract on one function.

    Attributes:
        verb: what it does.
        function: its name; of a stand-in that of the function it stands for.
        key: which one, as it was written; "" where it says none.
        details: what else was written, as texts ("when=…", "to server name").
        place: where the function or the decorator stands.
        stands_in: the stand-in that it is written on; "" where it stands on the code itself.
        implements: the function of the service whose contract it took over; "" where it has its own.
        pays: how it pays: "release", "transfer", "rollback"; "" where it does not.
        part: which part of several it releases; "" where there are none.
        loaded_by: whether it stands in one of the modules that were named.
    """

    verb: str
    function: str
    key: str
    details: tuple[str, ...]
    place: Place | None
    stands_in: str = ""
    implements: str = ""
    pays: str = ""
    part: str = ""
    loaded_by: bool = True

    def as_dict(self) -> dict[str, object]:
        """As JSON-ready data."""
        return {
            "verb": self.verb,
            "function": self.function,
            "key": self.key,
            "details": list(self.details),
            "place": self.place.as_dict() if self.place is not None else None,
            "stands_in": self.stands_in,
            "implements": self.implements,
            "pays": self.pays,
            "part": self.part,
            "in_named_modules": self.loaded_by,
        }


@dataclass(frozen=True, slots=True)
class KindSurvey:
    """One kind, and every contract that speaks of it.

    Attributes:
        name: its name.
        rollback: whether it is a rollback.
        within: the kind that it is a part of; "" for none.
        taken_along: whether the release of that one settles it, too.
        contracts: the contracts, in the order of their functions' places.
        problems: what is pointed out, as sentences.
    """

    name: str
    rollback: bool
    within: str
    taken_along: bool
    contracts: tuple[Declared, ...]
    problems: tuple[str, ...] = ()

    @property
    def opening(self) -> tuple[Declared, ...]:
        """Who makes that something is owed."""
        return tuple(one for one in self.contracts if one.verb in OPENING)

    @property
    def paying(self) -> tuple[Declared, ...]:
        """Who can pay it."""
        return tuple(one for one in self.contracts if one.pays)

    @property
    def others(self) -> tuple[Declared, ...]:
        """Who only speaks of it."""
        return tuple(one for one in self.contracts if one.verb not in OPENING and not one.pays)

    def as_dict(self) -> dict[str, object]:
        """As JSON-ready data."""
        return {
            "name": self.name,
            "rollback": self.rollback,
            "within": self.within or None,
            "taken_along": self.taken_along,
            "contracts": [one.as_dict() for one in self.contracts],
            "problems": list(self.problems),
        }


def survey(modules: Iterable[ModuleType]) -> tuple[KindSurvey, ...]:
    """The kinds that some modules speak of, each with every contract that is loaded, in these modules or elsewhere.

    Args:
        modules: the modules, imported; of a package everything below its folder counts.
    """
    is_in = _in_files(modules)
    found: dict[Kind, list[Declared]] = {}
    taken = _taken_over()
    for woven in ROSTER:
        if woven.origin:  # bound from outside: its stand-in is told
            continue
        for contract in woven.contracts:
            for kind in contract.kinds or (_EVERY,):
                found.setdefault(kind, []).append(_declared(woven, contract, is_in, taken))
    for kind in declared_kinds():
        for invariant in kind._invariants:
            found.setdefault(kind, []).append(_of_invariant(invariant, is_in))
    named = {kind: rows for kind, rows in found.items() if any(row.loaded_by for row in rows)}
    cascading = {kind for kind in named if isinstance(kind, Resource) and _goes_along(kind, found)}
    told = [_survey(kind, rows, taken_along=kind in cascading) for kind, rows in named.items()]
    return tuple(sorted(told, key=lambda one: (one.rollback, one.name)))


def declaring() -> list[str]:
    """The files in which contracts are declared, as far as they are loaded."""
    places = [contract.place for woven in ROSTER for contract in woven.contracts]
    return sorted({short_path(place.file) for place in places if place is not None})


_EVERY: Final = Resource("every resource")
"""Stands for all kinds in the survey: `atomic` and `settles` without a kind speak of all of them."""


def _in_files(modules: Iterable[ModuleType]) -> Callable[[Place | None], bool]:
    files: set[str] = set()
    folders: list[str] = []
    for module in modules:
        if isinstance(file := getattr(module, "__file__", None), str):
            files.add(os.path.realpath(file))
        folders += [os.path.realpath(path) + os.sep for path in getattr(module, "__path__", ())]

    def is_in(place: Place | None) -> bool:
        if place is None:
            return False
        real = os.path.realpath(place.file)
        return real in files or real.startswith(tuple(folders))

    return is_in


def _taken_over() -> dict[int, str]:
    """Which service's function each contract was written on, where a fake took it over."""
    return {id(contract): woven.name for woven in ROSTER if "taken over" in woven.state for contract in woven.contracts}


def _declared(
    woven: Woven, contract: Contract, is_in: Callable[[Place | None], bool], taken: dict[int, str]
) -> Declared:
    stands_for = str(woven.state.get("stands for", ""))
    service = taken.get(id(contract), "")
    implements = service if service and service != woven.name else ""
    place = _defined(woven) if implements else contract.place or _defined(woven)
    return Declared(
        verb=contract.verb,
        function=stands_for or woven.name,
        key=contract.key.source if contract.key is not None else "",
        details=tuple(_details(contract)),
        place=place,
        stands_in=woven.name if stands_for else "",
        implements=implements,
        pays=_pays(contract),
        part=contract.part or "",
        loaded_by=is_in(place),
    )


def _of_invariant(invariant: Invariant, is_in: Callable[[Place | None], bool]) -> Declared:
    name = getattr(invariant.function, "__qualname__", "") or repr(invariant.function)
    told = (invariant.description, *(("always",) if invariant.always else ()))
    return Declared("invariant", name, "", told, invariant.place, loaded_by=is_in(invariant.place))


def _defined(woven: Woven) -> Place | None:
    inner: Any = woven.function
    for one in reached(inner):
        inner = one.function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = getattr(inner, "__code__", None)
    return definition(code) if code is not None else None


def _pays(contract: Contract) -> str:
    if contract.verb not in PAYING:
        return ""
    if contract.verb == "transfers" and not (contract.to is OUTSIDE or isinstance(contract.to, tuple)):
        return ""  # to a scope, which owes it from then on, or to another key
    return {"releases": "release", "transfers": "transfer", "rolls_back": "rollback"}[contract.verb]


def _details(contract: Contract) -> Iterator[str]:
    if contract.part is not None:
        yield f"part={contract.part!r}"
    if contract.to is OUTSIDE:
        yield "to OUTSIDE"
    elif isinstance(contract.to, tuple):
        yield f"to {contract.to[0].name} {contract.to[1].source}"
    elif isinstance(contract.to, KeyExpression):
        yield f"to the scope {contract.to.source}"
    if contract.to_key is not None:
        yield f"to_key={contract.to_key.source}"
    if contract.within is not None:
        yield f"within {contract.within[0].name} {contract.within[1].source}"
    if contract.amount is not None:
        yield f"amount={contract.amount.source}"
    if contract.about:
        yield "about " + ", ".join(
            f"{kind.name} {expression.source}" if kind is not None else expression.source
            for kind, expression in contract.about
        )
    if contract.when is not None:
        yield f"when={contract.when.source}"
    if contract.gone:
        yield "gone=" + ", ".join(one.__name__ for one in contract.gone)
    for flag in ("in_doubt", "idempotent", "cascade", "success_pays", "restores"):
        if getattr(contract, flag):
            yield flag
    if contract.verb == "settles" and contract.ended != "returned":
        yield f"ended={contract.ended}"


def _goes_along(kind: Resource, found: dict[Kind, list[Declared]]) -> bool:
    """Whether some release of its parent settles it."""
    if kind.within is None:
        return False
    releases = [one for one in found.get(kind.within, ()) if one.pays == "release"]
    return bool(releases) if kind.cascade else any("cascade" in one.details for one in releases)


def _survey(kind: Kind, rows: list[Declared], *, taken_along: bool) -> KindSurvey:
    ordered = sorted(rows, key=lambda one: ((one.place.file, one.place.line) if one.place else ("", 0), one.verb))
    within = kind.within.name if isinstance(kind, Resource) and kind.within is not None else ""
    made = KindSurvey(kind.name, isinstance(kind, Rollback), within, taken_along, tuple(ordered))
    if kind is _EVERY:
        return made
    return KindSurvey(made.name, made.rollback, made.within, taken_along, made.contracts, tuple(_problems(kind, made)))


def _problems(kind: Kind, made: KindSurvey) -> Iterator[str]:
    opens = ", ".join(dict.fromkeys(one.function for one in made.opening))
    pays = ", ".join(dict.fromkeys(one.function for one in made.paying))
    if isinstance(kind, Rollback):
        if opens and not pays:
            yield f"nobody rolls back {kind.name}: it is owed when {opens} fails"
        elif pays and not opens:
            yield f"nobody can owe {kind.name}: {pays} rolls back what has no on_failure"
        return
    if opens and not pays and not made.taken_along:
        yield f"nobody releases {kind.name}, or hands it over: it is acquired by {opens}"
    elif pays and not opens:
        yield f"nobody acquires {kind.name}: it is paid by {pays}"
    released = {one.part for one in made.paying if one.pays == "release"}
    handed = any(one.pays == "transfer" for one in made.paying)
    if kind.needs is not None and pays and not handed:
        for part in kind.needs.parts:
            if part not in released:
                yield f"nobody releases the part {part!r} of {kind.name}"
