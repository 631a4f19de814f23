"""Contracts for code that one does not own: written on a stand-in class, bound to the real one, and taken off again."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, TypeVar, cast

from lifeguard import context
from lifeguard.context import Blind
from lifeguard.contracts import Contract
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.keys import repr_safely
from lifeguard.watching import Function, Woven
from lifeguard.weaving import describe, inner_of, reached, signature_of, weave, woven_of

F = TypeVar("F", bound=Callable[..., Any])

_ABSENT: Any = object()
_lock = threading.RLock()


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
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


class _Binding:
    """A point bound to one class, module or object; reversible."""

    def __init__(self, point: _Point, target: Any, owner: str, *, on_instance: bool = False) -> None:
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
    return _without_stale(type(found)(woven.function) if found is not inner else woven.function)


def _is_mock(value: object) -> bool:
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)


class _Proxy:
    """A callable in place of a watched method (a mock, mostly): calls are watched, all else passes through."""

    __slots__ = ("__weakref__", "_lg_call", "_lg_value")

    def __init__(self, value: Any, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_lg_value", value)
        object.__setattr__(self, "_lg_call", call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
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
        return bool(value == (object.__getattribute__(other, "_lg_value") if type(other) is _Proxy else other))

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_lg_value"))


def _watch_callable(
    point: _Point, value: Any, owner: str, wovens: weakref.WeakSet[Woven], receiver: Any = _ABSENT
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

    return _Proxy(value, without_receiver)


def _weakly(value: Any) -> Callable[[], Any]:
    if value is _ABSENT:
        return lambda: None
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


class _InstanceHook:
    """Watches what is put on instances of a class under a watched name, as `mock.patch.object(instance, …)` does."""

    def __init__(self, target: type, points: dict[str, _Point], owner: str) -> None:
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
            new = point is not None and callable(value) and type(value) is not _Proxy
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


class BoundContracts(Protocol):
    """What `contracts_for` adds to a stand-in class."""

    @classmethod
    def applied(cls, *objects: object) -> Applied:
        """The contracts, to be applied: a context manager, a decorator, or `.start()` and `.stop()`."""

    @classmethod
    def start(cls) -> None:
        """Apply the contracts to the whole class until `stop`."""

    @classmethod
    def stop(cls) -> None:
        """Take them off again."""

    @classmethod
    def rebind(cls) -> None:
        """Wrap again whatever a set-up put in the place of a wrapper."""


class Applied(contextlib.ContextDecorator):
    """The contracts of one stand-in, to be applied and taken off; may be nested and used again."""

    def __init__(self, bound: _Bound, objects: tuple[object, ...]) -> None:
        self._bound = bound
        self._objects = objects

    def start(self) -> Applied:
        """Apply.

        Raises:
            DeclarationError: an object given is no instance of the target.
        """
        self._bound.apply(self._objects)
        return self

    def stop(self) -> None:
        """Take off.

        Raises:
            UsageError: they are not applied.
        """
        self._bound.withdraw(self._objects)

    def __enter__(self) -> Applied:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __call__(self, func: F) -> F:
        """Apply the contracts while a function runs; a coroutine function until it was awaited to its end."""
        if not inspect.iscoroutinefunction(func):
            return super().__call__(func)

        @functools.wraps(func)
        async def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with self:
                return await func(*args, **kwargs)

        return cast(F, run)


class _Bound:
    """The contracts of one stand-in for one target."""

    def __init__(
        self, stand_in: type, target: type | ModuleType, points: dict[str, _Point], *, instances: bool
    ) -> None:
        self.stand_in = stand_in
        self.target = target
        self.points = points
        self.instances = instances
        self._uses: dict[tuple[int, ...], int] = {}
        self._bindings: dict[tuple[int, ...], list[_Binding]] = {}
        self._hook: _InstanceHook | None = None

    @property
    def owner(self) -> str:
        """How reports name the target; a module's functions go by their own names."""
        return self.target.__qualname__ if isinstance(self.target, type) else self.target.__name__.rpartition(".")[2]

    def apply(self, objects: tuple[object, ...]) -> None:
        """Put every wrapper in; all or none."""
        for one in objects:
            if not isinstance(self.target, type) or not isinstance(one, self.target):
                raise DeclarationError.at_caller(
                    f"{self.stand_in.__qualname__}.applied(…) takes instances of {self.owner}, not {repr_safely(one)}"
                )
        ident = tuple(map(id, objects))
        with _lock:
            self._uses[ident] = self._uses.get(ident, 0) + 1
            if self._uses[ident] > 1:
                self.rebind()
                return
            bindings: list[_Binding] = []
            try:
                for target in objects or (self.target,):
                    for point in self.points.values():
                        binding = _Binding(point, target, self.owner, on_instance=bool(objects))
                        binding.put()
                        bindings.append(binding)
                if self.instances and not objects:
                    hook = _InstanceHook(cast(type, self.target), self.points, self.owner)
                    hook.put()
                    self._hook = hook
            except BaseException:
                del self._uses[ident]
                for binding in reversed(bindings):
                    binding.take_out()
                raise
            self._bindings[ident] = bindings
            _applied[self] = None

    def withdraw(self, objects: tuple[object, ...]) -> None:
        """Take every wrapper out."""
        ident = tuple(map(id, objects))
        with _lock:
            uses = self._uses.get(ident, 0)
            if not uses:
                raise UsageError.at_caller(f"{self.stand_in.__qualname__}: the contracts are not applied")
            if uses > 1:
                self._uses[ident] = uses - 1
                return
            del self._uses[ident]
            if self._hook is not None and not objects:
                self._hook.take_out()
                self._hook = None
            for binding in reversed(self._bindings.pop(ident)):
                binding.take_out()
            if not self._bindings:
                del _applied[self]

    def bindings(self) -> Iterator[_Binding]:
        """What is bound now."""
        for bindings in list(self._bindings.values()):
            yield from bindings

    def wovens(self) -> Iterator[Woven]:
        """Everything that is watched now."""
        for binding in self.bindings():
            yield from binding.wovens
        if self._hook is not None:
            yield from self._hook.wovens

    def rebind(self) -> None:
        """Wrap again whatever a set-up put in the place of a wrapper."""
        for binding in self.bindings():
            binding.rebind()


_applied: dict[_Bound, None] = {}


def contracts_for(
    target: str | type | ModuleType, *, instances: bool = False
) -> Callable[[type], type[BoundContracts]]:
    """Bind the contracts of a stand-in class to code that one does not own.

    The stand-in's methods, inherited ones included, carry contracts and need only the parameters that these mention;
    their bodies are never run. The decorated class gains `applied(*objects)` (a context manager, a decorator,
    `.start()`
    and `.stop()`; with objects, only those instances are watched), `start()`, `stop()` and `rebind()`, which wraps
    again
    what a set-up put in a wrapper's place; opening a scope does that, too.

    Args:
        target: "module:Class", a class, or, for functions of a module, "module" or the module; a method of the stand-in
            is then a static method.
        instances: watch, too, what is put on instances under a contracted name, as `mock.patch.object(one, "spawn")`
            does.

    Returns:
        the class decorator; it gives back the class.

    Raises:
        DeclarationError: the target cannot be imported or has no such method, or the stand-in carries no contract.
    """
    found = _resolve(target)
    if instances and not isinstance(found, type):
        raise DeclarationError.at_caller("contracts_for(…, instances=True) takes a class")

    def bind(stand_in: type) -> type[BoundContracts]:
        if not isinstance(stand_in, type):
            what = repr_safely(stand_in)
            raise DeclarationError.at_caller(f"contracts_for(…) decorates a stand-in class, not {what}")
        points = _points(stand_in, found)
        bound = _Bound(stand_in, found, points, instances=instances)
        for name in ("applied", "start", "stop", "rebind"):
            if name in points:
                raise DeclarationError.at_caller(f"{stand_in.__qualname__}.{name}: contracts_for itself uses this name")
        adding = cast(Any, stand_in)
        adding.__lifeguard_bound__ = bound
        adding.applied = staticmethod(lambda *objects: Applied(bound, objects))
        adding.start = staticmethod(lambda: bound.apply(()))
        adding.stop = staticmethod(lambda: bound.withdraw(()))
        adding.rebind = staticmethod(bound.rebind)
        return cast("type[BoundContracts]", stand_in)

    return bind


def _resolve(target: object) -> type | ModuleType:
    if isinstance(target, type | ModuleType):
        return target
    if not isinstance(target, str) or not target:
        raise DeclarationError.at_caller(
            f"contracts_for(…) takes 'module:Class', a class or a module, not {repr_safely(target)}"
        )
    name, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(name)
    except ImportError as error:
        why = f"module {name!r} cannot be imported: {error}"
        raise DeclarationError.at_caller(f"contracts_for({target!r}): {why}") from error
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            raise DeclarationError.at_caller(f"contracts_for({target!r}): {found.__name__} has no {part!r}")
        found = getattr(found, part)
    if not isinstance(found, type | ModuleType):
        raise DeclarationError.at_caller(
            f"contracts_for({target!r}) names {repr_safely(found)}, which is neither a class nor a module"
        )
    return found


def _points(stand_in: type, target: type | ModuleType) -> dict[str, _Point]:
    points: dict[str, _Point] = {}
    members: dict[str, Any] = {}
    for base in reversed(stand_in.__mro__[:-1]):
        members.update(vars(base))
    for name, value in members.items():
        woven = woven_of(inner_of(value))
        if woven is None:
            continue
        woven.active = False
        woven.state["stands for"] = f"{target.__qualname__}.{name}" if isinstance(target, type) else name
        point = _Point(stand_in.__qualname__, name, woven.contracts, signature_of(woven.function))
        try:
            real = inspect.getattr_static(target, name)
        except AttributeError:
            where = target.__qualname__ if isinstance(target, type) else target.__name__
            why = f"{where} has no {name!r}{_nearest(name, target)}"
            raise DeclarationError.at_caller(f"{stand_in.__qualname__}.{name}: {why}") from None
        inner = inner_of(real)
        if not callable(inner):
            raise DeclarationError.at_caller(f"{stand_in.__qualname__}.{name}: {repr_safely(real)} is not a method")
        point._seen_from(inner)
        points[name] = point
    if not points and switch() != "off":
        what = f"{stand_in.__qualname__} carries no contract"
        raise DeclarationError.at_caller(f"{what}: decorate its methods with acquires, releases, …")
    return points


def _nearest(name: str, target: object) -> str:
    import difflib

    close = difflib.get_close_matches(name, dir(target), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _rebind_all() -> None:
    with _lock:
        for bound in list(_applied):
            bound.rebind()


def _blind(since: int, scope: object) -> Iterator[Blind]:
    for bound in list(_applied):
        for binding in bound.bindings():
            if not binding.in_place():
                found = vars(binding.target).get(binding.point.name, _ABSENT)
                how = "removed" if found is _ABSENT else f"replaced by {repr_safely(found, 60)}"
                text = f"{binding.what} was {how} while its contract was applied: calls of that are not seen"
                yield "error", text, (bound, binding.what)
        if isinstance(bound.target, type):
            yield from _hidden(bound, since)


def _hidden(bound: _Bound, since: int) -> Iterator[Blind]:
    """Contracted methods that an attribute of an object hides, as far as the object was seen in a call of another one."""
    objects: dict[int, object] = {}
    for binding in bound.bindings():
        for woven in binding.wovens:
            if woven.last >= since and not binding.on_instance:
                found = [ref() for ref in list(woven.receivers.values())]
                objects |= {id(one): one for one in found if one is not None and not isinstance(one, type)}
    for one in objects.values():
        own = getattr(one, "__dict__", {})
        for name in bound.points:
            put = own.get(name)
            if put is not None and type(put) is not _Proxy and not list(reached(getattr(put, "__func__", put))):
                hidden = f"{bound.owner}.{name} is hidden by an attribute of {repr_safely(one, 60)}"
                text = f"{hidden} while its contract was applied: calls of that are not seen"
                yield "error", text, (bound, name, "hidden")


def _unused(since: int, scope: object) -> Iterator[str]:
    for bound in list(_applied):
        called = {woven.name for woven in bound.wovens() if woven.last >= since}
        yield from sorted({binding.what for binding in bound.bindings()} - called)


context.opening.append(_rebind_all)
context.blind_spots.append(_blind)
context.unused_contracts.append(_unused)
