"""One contracted method of a stand-in, attached to a class, a module or an object, and taken off again."""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any, cast

from lifeguard.contracts import Contract
from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.keys import repr_safely
from lifeguard.lazily import inspect
from lifeguard.watching import Function, Woven
from lifeguard.weaving import describe, inner_of, reached, signature_of, weave, woven_of

_ABSENT: Any = object()


@record(eq=False)
class Point:
    """One method of a stand-in: its name, its contracts, and the parameters that the stand-in gives it."""

    stand_in: str
    name: str
    contracts: tuple[Contract, ...]
    declared: inspect.Signature | None

    def wrap(self, function: Function, owner: str) -> Function:
        """A wrapper around the real function. One that it has already stays apart, so that each can be taken off."""
        name = f"{owner}.{self.name}" if owner else self.name
        return weave(function, self.contracts, declared=self._seen_from(function), origin=self.stand_in, name=name)

    def _seen_from(self, function: Function) -> inspect.Signature | None:
        """The real signature where it has the names that the contracts mention, else the stand-in's."""
        real = signature_of(function)
        names = frozenset().union(*(contract.names for contract in self.contracts)) - {"result"}
        if real is not None and names <= set(real.parameters):
            return real
        if real is not None and not any(
            one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in real.parameters.values()
        ):
            missing = ", ".join(sorted(names - set(real.parameters)))
            raise DeclarationError.at_caller(
                f"{self.stand_in}.{self.name}: its contracts mention {missing}, which {describe(function)} does not take; "
                f"it takes {', '.join(real.parameters) or 'nothing'}"
            )
        return self.declared


class Binding:
    """A point bound to one class, module or object; reversible."""

    def __init__(self, point: Point, target: Any, owner: str, *, on_instance: bool = False) -> None:
        self.point = point
        self.target = target
        self.owner = owner
        self.on_instance = on_instance
        self.put_in: list[
            tuple[Any, Any]
        ] = []  # what we put in, and what stood there before: the first one, then those of rebinding
        self.wovens: weakref.WeakSet[Woven] = weakref.WeakSet()

    @property
    def what(self) -> str:
        """The point as messages name it."""
        return f"{self.owner}.{self.point.name}" if self.owner else self.point.name

    def put(self) -> None:
        """Put a wrapper in, around what is found there.

        Raises:
            DeclarationError: it cannot be watched, or nothing can be put there.
        """
        name = self.point.name
        static = inspect.getattr_static(self.target, name)
        if self.on_instance:
            if not hasattr(self.target, "__dict__") or isinstance(static, property):
                raise DeclarationError.at_caller(f"{self.what} cannot be watched on one object; apply it to the class")
            static = getattr(self.target, name)
        before = vars(self.target).get(name, _ABSENT)
        ours = self._woven(_without_stale(static))
        try:
            setattr(self.target, name, ours)
        except (AttributeError, TypeError) as error:
            raise DeclarationError.at_caller(f"{self.what} cannot be watched: {error}") from error
        self.put_in.append((vars(self.target).get(name, ours), before))

    def _woven(self, found: Any) -> Any:
        woven: Any
        if isinstance(found, classmethod | staticmethod):
            inner = self.point.wrap(found.__func__, self.owner)
            woven = type(found)(inner)
        elif isinstance(found, property):
            inner = self.point.wrap(cast(Function, found.fget), self.owner)
            woven = property(inner, found.fset, found.fdel, found.__doc__)
        elif inspect.ismethod(found):
            inner = self.point.wrap(found.__func__, self.owner)
            woven = inner.__get__(found.__self__)
        elif not callable(found):
            raise DeclarationError.at_caller(f"{self.what} is {repr_safely(found, 60)}, which cannot be called")
        elif _is_mock(found):
            return _watch_callable(self.point, found, self.owner, self.wovens)
        else:
            woven = inner = self.point.wrap(found, self.owner)
            if isinstance(self.target, type) and not _is_bound_by_python(found):
                woven = staticmethod(inner)
        made = woven_of(inner)
        assert made is not None
        self.wovens.add(made)
        return woven

    def in_place(self) -> bool:
        """Whether our wrapper is still reached through the target's attribute."""
        found = vars(self.target).get(self.point.name, _ABSENT)
        if any(found is ours for ours, _ in self.put_in):
            return True
        return any(woven in self.wovens for woven in reached(getattr(found, "__func__", inner_of(found))))

    def rebind(self) -> None:
        """Wrap what a set-up put in our place; what cannot be wrapped is left to LG402."""
        if not self.in_place():
            with contextlib.suppress(AttributeError, DeclarationError):
                self.put()

    def take_out(self) -> None:
        """Put back what stood there; where something else was put in our place since, leave that alone."""
        for woven in self.wovens:
            woven.active = False
        name = self.point.name
        first = found = vars(self.target).get(name, _ABSENT)
        for ours, before in reversed(self.put_in):
            if found is ours:
                found = _without_stale(before)
        if found is _ABSENT and first is not _ABSENT:
            delattr(self.target, name)
        elif found is not first:
            setattr(self.target, name, found)


def _is_bound_by_python(found: object) -> bool:
    """Whether a callable in a class is called with the object; a partial is so from Python 3.14 on."""
    return hasattr(type(found), "__get__") and (not isinstance(found, functools.partial) or sys.version_info >= (3, 14))


def _without_stale(found: Any) -> Any:
    """What a wrapper stands around that was taken off already, and that a set-up had kept and put back."""
    inner = inner_of(found)
    woven = None if inspect.ismethod(found) else woven_of(inner)
    if woven is None or woven.active or not woven.origin or woven.wrapper is None or woven.wrapper() is not inner:
        return found
    if isinstance(found, property):
        return _without_stale(property(woven.function, found.fset, found.fdel, found.__doc__))
    if isinstance(found, classmethod | staticmethod):
        return _without_stale(cast(Any, type(found))(woven.function))
    return _without_stale(woven.function)


def _is_mock(value: object) -> bool:
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)


class Proxy:
    """A callable in place of a watched method (a mock, mostly): calls are watched, all else passes through."""

    __slots__ = ("__weakref__", "_lg_call", "_lg_value")

    def __init__(self, value: Any, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_lg_value", value)
        object.__setattr__(self, "_lg_call", call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Pass the call on, watched."""
        __tracebackhide__ = True
        return object.__getattribute__(self, "_lg_call")(*args, **kwargs)

    def __getattribute__(self, name: str) -> Any:
        if name in ("__call__", "_lg_value"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_lg_value"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_lg_value"), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_lg_value"), name)

    def __repr__(self) -> str:
        return repr(object.__getattribute__(self, "_lg_value"))

    def __eq__(self, other: object) -> bool:
        value = object.__getattribute__(self, "_lg_value")
        return bool(value == (object.__getattribute__(other, "_lg_value") if type(other) is Proxy else other))

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_lg_value"))


def _watch_callable(
    point: Point, value: Any, owner: str, wovens: weakref.WeakSet[Woven], receiver: Any = _ABSENT
) -> Any:
    """A proxy around a callable that was put on an object; it is called without the receiver that contracts may
    mention.
    """
    is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "_mock_wraps", None))
    weak = _weakly(receiver)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return await value(*args[1:], **kwargs)

    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return value(*args[1:], **kwargs)

    watched = weave(
        call_async if is_async else call,
        point.contracts,
        declared=point.declared,
        origin=point.stand_in,
        name=f"{owner}.{point.name}",
    )
    made = woven_of(watched)
    assert made is not None
    wovens.add(made)

    def without_receiver(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return watched(weak(), *args, **kwargs)

    return Proxy(value, without_receiver)


def _weakly(value: Any) -> Callable[[], Any]:
    if value is _ABSENT:
        return lambda: None
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


class InstanceHook:
    """Watches what is put on instances of a class under a watched name, as `mock.patch.object(instance, …)` does."""

    def __init__(self, target: type, points: dict[str, Point], owner: str) -> None:
        self._target = target
        self._points = points
        self._owner = owner
        self._own = self._ours = _ABSENT
        self.wovens: weakref.WeakSet[Woven] = weakref.WeakSet()

    def put(self) -> None:
        """Put the hook in."""
        self._own = vars(self._target).get("__setattr__", _ABSENT)
        before: Any = self._target.__setattr__
        points, owner, wovens = self._points, self._owner, self.wovens

        @functools.wraps(before)
        def __setattr__(self: Any, name: str, value: Any) -> None:
            point = points.get(name)
            new = point is not None and callable(value) and type(value) is not Proxy
            if new and not list(reached(getattr(value, "__func__", value))):
                value = _watch_callable(points[name], value, owner, wovens, self)
            before(self, name, value)

        self._ours = __setattr__
        self._target.__setattr__ = __setattr__  # type: ignore[method-assign, assignment]

    def take_out(self) -> None:
        """Take the hook out; what it put on instances passes calls through from now on."""
        for woven in self.wovens:
            woven.active = False
        if vars(self._target).get("__setattr__") is self._ours:
            if self._own is _ABSENT:
                del self._target.__setattr__
            else:
                self._target.__setattr__ = self._own  # type: ignore[method-assign]
