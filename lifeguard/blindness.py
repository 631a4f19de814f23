"""Contracts that could not see their calls: hidden by an override, or dropped by a decorator above (LG402)."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any

from lifeguard import context
from lifeguard.context import Blind
from lifeguard.kinds import Kind
from lifeguard.lazily import inspect
from lifeguard.roster import ROSTER, Entry
from lifeguard.weaving import DROPPED, inner_of, reached

_LOCAL = "<locals>"
_TRIES = 2


class Owner:
    """A class in whose namespace wrappers stand."""

    __slots__ = ("cls", "ident", "methods")

    def __init__(self, cls: type) -> None:
        self.cls = weakref.ref(cls, lambda _: _gone.append(self))
        self.ident = id(cls)
        self.methods: dict[int, tuple[Entry, str]] = {}  # by the serial number: who, and under which name

    @property
    def kinds(self) -> set[Kind]:
        """What the contracts of its methods speak of."""
        return {kind for entry, _ in self.methods.values() for kind in entry.kinds}


_owners: dict[int, Owner] = {}
"""By the identity of their classes: a metaclass may have an `__eq__` of its own."""

_owners_of: dict[Kind, dict[int, Owner]] = {}
"""Those with a method whose contracts speak of a kind."""

_gone: deque[Owner] = deque()
_to_place: list[tuple[Entry, int]] = []
"""Those whose owner was not found yet, and how often it was looked for."""


def _method_path(function: object) -> tuple[str, list[str], str] | None:
    """Module, path of the class, and name of a method; None for what is no method."""
    *path, name = str(getattr(function, "__qualname__", "")).split(".")
    if not path or path[-1] == _LOCAL:
        return None
    return str(getattr(function, "__module__", "")), path, name


def _subclasses(cls: type) -> list[type]:
    return type.__subclasses__(cls)


def _all_classes() -> Iterator[type]:
    """Every class there is. They are told apart by identity: a metaclass may have an `__eq__` of its own."""
    todo: list[type] = [object]
    seen: set[int] = set()
    while todo:
        for cls in _subclasses(todo.pop()):
            if id(cls) not in seen:
                seen.add(id(cls))
                todo.append(cls)
                yield cls


def _class_at(module: str, path: list[str]) -> type | None:
    found: Any = sys.modules.get(module)
    for part in path:
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _learn_owners() -> None:
    """Find the class in whose namespace each new wrapper stands; those of local classes by one walk over all classes."""
    while _gone:
        _forget(_gone.popleft())
    looking: list[tuple[Entry, int]] = [*_to_place, *((entry, 0) for entry in ROSTER.newcomers())]
    _to_place.clear()
    local: dict[tuple[str, str], list[tuple[Entry, str, int]]] = {}
    for entry, tries in looking:
        woven = entry.woven()
        where = _method_path(woven.function) if woven is not None and not woven.origin else None
        if where is None:
            continue
        if _LOCAL in where[1]:
            local.setdefault((where[0], ".".join(where[1])), []).append((entry, where[2], tries))
        elif not _note_owner(entry, _class_at(where[0], where[1]), where[2]):
            _look_again(entry, tries)
    if local:
        placed = {
            entry.serial
            for cls in _all_classes()
            for entry, name, _ in local.get((cls.__module__, cls.__qualname__), ())
            if _note_owner(entry, cls, name)
        }
        for entry, _, tries in (one for found in local.values() for one in found):
            if entry.serial not in placed:
                _look_again(entry, tries)


def _look_again(entry: Entry, tries: int) -> None:
    if tries + 1 < _TRIES:
        _to_place.append((entry, tries + 1))


def _note_owner(entry: Entry, cls: type | None, name: str) -> bool:
    if cls is None or not any(one.entry is entry for one in reached(inner_of(vars(cls).get(name)))):
        return False
    owner = _owners.get(id(cls))
    if owner is None or owner.cls() is not cls:
        owner = _owners[id(cls)] = Owner(cls)
    owner.methods[entry.serial] = entry, name
    for kind in entry.kinds:
        _owners_of.setdefault(kind, {})[id(cls)] = owner
    return True


def _forget(owner: Owner) -> None:
    """Its class is gone."""
    if _owners.get(owner.ident) is owner:
        del _owners[owner.ident]
    for kind in owner.kinds:
        owners = _owners_of.get(kind, {})
        if owners.get(owner.ident) is owner:
            del owners[owner.ident]
            if not owners:
                del _owners_of[kind]


def _names(code: CodeType, name: str) -> bool:
    """Whether code, or code inside it, mentions a name."""
    return name in code.co_names or any(isinstance(one, CodeType) and _names(one, name) for one in code.co_consts)


def _may_reach(function: Any, name: str) -> bool:
    """Whether an override may call the method that it overrides: its code names it. What has no code may do anything."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return not isinstance(code, CodeType) or _names(code, name)


def _hiding(owner: type, name: str) -> Iterator[tuple[type, Any]]:
    """The overrides, in subclasses, that carry no contract and cannot reach the method."""
    todo = _subclasses(owner)
    while todo:
        cls = todo.pop()
        own = inner_of(vars(cls).get(name))
        if own is None:
            todo += _subclasses(cls)
        elif callable(own) and next(reached(own), None) is None and not _may_reach(own, name):
            yield cls, own


def _overrides(since: int, scope: Any) -> Iterator[Blind]:
    """Overrides that hide a contract of a kind that the scope saw."""
    seen = scope.book.tallies.copy().keys()
    if not seen:
        return
    _learn_owners()
    used: list[type] | None = None
    for owner, cls in _overridden(seen):
        for entry, name in list(owner.methods.values()):
            woven = entry.woven()
            if woven is None or not woven.active or entry.kinds.isdisjoint(seen):
                continue
            for hiding, function in _hiding(cls, name):
                line = getattr(getattr(function, "__code__", None), "co_firstlineno", "?")
                text = (
                    f"{hiding.__qualname__}.{name} (line {line}) hides the contract of {woven.name} and never reaches it: "
                    f"decorate it, call super().{name}(…), or put @implements({cls.__qualname__}) on {hiding.__qualname__}"
                )
                if used is None:
                    used = _used_classes(since)
                if any(base is hiding for one in used for base in one.__mro__):
                    yield "error", text, (woven, hiding)
                elif woven.last < since:
                    yield "warning", text, (woven, hiding)


def _overridden(kinds: Collection[Kind]) -> list[tuple[Owner, type]]:
    """The owners of contracts of these kinds which have subclasses, each with its class."""
    tables = [_owners_of[kind] for kind in kinds if kind in _owners_of]
    owners = tables[0] if len(tables) == 1 else {ident: owner for table in tables for ident, owner in table.items()}
    subclasses = type.__subclasses__
    return [(owner, cls) for owner in list(owners.values()) if (cls := owner.cls()) is not None and subclasses(cls)]


def _used_classes(since: int) -> list[type]:
    """The classes on which, or on instances of which, watched calls of this scope were made."""
    called = [one for woven in ROSTER.called_since(since) for one in list(woven.classes.values())]
    classes = (ref() for ref, when in called if when >= since)
    return [one for one in classes if one is not None]


def _dropped(since: int, scope: Any) -> Iterator[Blind]:
    seen = scope.book.tallies.copy().keys()
    for dropped in list(DROPPED):
        alive, name, kinds = dropped
        function = alive()
        if function is None:
            with suppress(ValueError):
                DROPPED.remove(dropped)
        if function is None or (seen and not seen & kinds):
            continue
        for namespace, attribute in _namespaces(function):
            if _runs_without_us(inner_of(namespace.get(attribute)), function):
                text = (
                    f"the wrapper of {name} was dropped by a decorator above it, which took the function from under it "
                    "(icontract and deal do so when they stand above and below): "
                    "put lifeguard's decorators directly on the function"
                )
                yield "error", text, (name, "dropped")


def _namespaces(function: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Where a function may stand, with its name there: its class, or its module."""
    where = _method_path(function)
    if where is None:
        module = sys.modules.get(str(getattr(function, "__module__", "")))
        if module is not None:
            yield vars(module), str(getattr(function, "__qualname__", ""))
    elif _LOCAL not in where[1]:
        cls = _class_at(where[0], where[1])
        if cls is not None:
            yield vars(cls), where[2]
    else:
        for cls in _all_classes():
            if (cls.__module__, cls.__qualname__) == (where[0], ".".join(where[1])):
                yield vars(cls), where[2]


def _runs_without_us(outer: Any, function: Any) -> bool:
    """Whether a chain of others' wrappers leads to a function of which we had made one, and passes none of ours.

    A plain function that stands there itself was decorated for someone else's use.
    """
    if next(reached(outer), None) is not None or (outer is function and not hasattr(function, "__wrapped__")):
        return False
    seen: set[int] = set()
    while outer is not None and id(outer) not in seen:
        if outer is function:
            return True
        seen.add(id(outer))
        outer = getattr(outer, "__wrapped__", None)
    return False


def _unused(since: int, scope: Any) -> Callable[[], Iterator[str]]:
    """Contracts of the kinds that the scope saw which saw no call themselves, nor through a fake that took them over."""
    called = [woven.entry for woven in ROSTER.called_since(since) if woven.entry is not None]
    numbers = {number for entry in called for number in entry.numbers}
    serials = {entry.serial for entry in called}
    expected = [ROSTER.expected(kind) for kind in scope.book.tallies.copy()]

    def names() -> Iterator[str]:
        left = {
            serial: name
            for some in expected
            for serial, name, carried in some
            if serial not in serials and not numbers.issuperset(carried)
        }
        yield from sorted(left.values())

    return names


context.blind_spots.append(_overrides)
context.blind_spots.append(_dropped)
context.unused_contracts.append(_unused)
