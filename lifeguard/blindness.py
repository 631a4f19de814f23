"""Contracts that could not see their calls: hidden by an override, or dropped by a decorator above (LG402)."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from lifeguard import context
from lifeguard.context import Blind
from lifeguard.watching import Woven
from lifeguard.weaving import DROPPED, REGISTRY, inner_of, kinds_of, reached

_LOCAL = "<locals>"
_TRIES = 2

_owners: weakref.WeakKeyDictionary[Woven, weakref.ref[type]] = weakref.WeakKeyDictionary()
_tries: weakref.WeakKeyDictionary[Woven, int] = weakref.WeakKeyDictionary()


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
    """Find the class in whose namespace each wrapper stands; those of local classes by one walk over all classes."""
    local: dict[tuple[str, str], list[tuple[Woven, str]]] = {}
    for woven in list(REGISTRY):
        if woven in _owners or woven.origin or _tries.get(woven, 0) >= _TRIES:
            continue
        _tries[woven] = _tries.get(woven, 0) + 1
        where = _method_path(woven.function)
        if where is None:
            _tries[woven] = _TRIES
        elif _LOCAL in where[1]:
            local.setdefault((where[0], ".".join(where[1])), []).append((woven, where[2]))
        else:
            _note_owner(woven, _class_at(where[0], where[1]), where[2])
    if local:
        for cls in _all_classes():
            for woven, name in local.get((cls.__module__, cls.__qualname__), ()):
                _note_owner(woven, cls, name)


def _note_owner(woven: Woven, cls: type | None, name: str) -> None:
    if cls is not None and any(one is woven for one in reached(inner_of(vars(cls).get(name)))):
        _owners[woven] = weakref.ref(cls)


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
    for woven, ref in list(_owners.items()):
        owner = ref()
        if owner is None or not woven.active or not seen & kinds_of(woven):
            continue
        where = _method_path(woven.function)
        assert where is not None
        name = where[2]
        for cls, function in _hiding(owner, name):
            line = getattr(getattr(function, "__code__", None), "co_firstlineno", "?")
            text = (
                f"{cls.__qualname__}.{name} (line {line}) hides the contract of {woven.name} and never reaches it: "
                f"decorate it, call super().{name}(…), or put @implements({owner.__qualname__}) on {cls.__qualname__}"
            )
            if _in_use(cls, since):
                yield "error", text, (woven, cls)
            elif woven.last < since:
                yield "warning", text, (woven, cls)


def _in_use(cls: type, since: int) -> bool:
    """Whether a watched call of this scope was made on the class or an instance of it."""
    called = (one for woven in list(REGISTRY) if woven.last >= since for one in list(woven.classes.values()))
    classes = (ref() for ref, when in called if when >= since)
    return any(one is not None and any(base is cls for base in one.__mro__) for one in classes)


def _dropped(since: int, scope: Any) -> Iterator[Blind]:
    seen = scope.book.tallies.copy().keys()
    for alive, name, kinds in list(DROPPED):
        function = alive() if not seen or seen & kinds else None
        for namespace, attribute in _namespaces(function) if function is not None else ():
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


def _unused(since: int, scope: Any) -> Iterator[str]:
    """Contracts of the kinds that the scope saw which saw no call themselves, nor through a fake that took them over."""
    living = [
        woven for woven in list(REGISTRY) if woven.active and not woven.origin and not woven.state.get("taken over")
    ]
    called = {contract for woven in list(REGISTRY) if woven.last >= since for contract in woven.contracts}
    for woven in sorted(living, key=lambda one: one.name):
        kinds = {kind for contract in woven.contracts for kind in contract.kinds}
        if woven.last < since and kinds & scope.book.tallies.copy().keys() and not called.issuperset(woven.contracts):
            yield woven.name


context.blind_spots.append(_overrides)
context.blind_spots.append(_dropped)
context.unused_contracts.append(_unused)
