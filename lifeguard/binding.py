"""Contracts for code that one does not own: written on a stand-in class, bound to the real one, and taken off again."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar, cast

from lifeguard import context
from lifeguard.attaching import Binding, InstanceHook, Point, Proxy
from lifeguard.context import Blind
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.keys import repr_safely
from lifeguard.lazily import inspect
from lifeguard.roster import ROSTER
from lifeguard.watching import Woven
from lifeguard.weaving import inner_of, reached, signature_of, woven_of

F = TypeVar("F", bound=Callable[..., Any])

_ABSENT: Any = object()
_lock = threading.RLock()


_GIVEN = ("applied", "start", "stop", "rebind")
"""What a stand-in class is given."""


class BoundContracts:
    """What `contracts_for` gives to a stand-in class.

    A stand-in need not inherit from it; it may, where a type checker has to see `applied` (mypy does not look at what a
    class decorator returns).
    """

    @classmethod
    def applied(cls, *objects: object) -> Applied:
        """The contracts, to be applied: a context manager, a decorator, or `.start()` and `.stop()`.

        Args:
            *objects: instances of the target; with them, only these are watched.

        Raises:
            UsageError: the class is not bound by `contracts_for`.
        """
        return Applied(_bound_of(cls), objects)

    @classmethod
    def start(cls) -> None:
        """Apply the contracts to the whole target until `stop`."""
        _bound_of(cls).apply(())

    @classmethod
    def stop(cls) -> None:
        """Take them off again.

        Raises:
            UsageError: they are not applied.
        """
        _bound_of(cls).withdraw(())

    @classmethod
    def rebind(cls) -> None:
        """Wrap again whatever a set-up put in the place of a wrapper."""
        _bound_of(cls).rebind()


def _bound_of(stand_in: type) -> _Bound:
    bound = vars(stand_in).get("__lifeguard_bound__")
    if not isinstance(bound, _Bound):
        raise UsageError.at_caller(f"{stand_in.__qualname__} is bound to nothing: decorate it with contracts_for(…)")
    return bound


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

    def __init__(self, stand_in: type, target: type | ModuleType, points: dict[str, Point], *, instances: bool) -> None:
        self.stand_in = stand_in
        self.target = target
        self.points = points
        self.instances = instances
        self._uses: dict[tuple[int, ...], int] = {}
        self._bindings: dict[tuple[int, ...], list[Binding]] = {}
        self._hook: InstanceHook | None = None

    @property
    def owner(self) -> str:
        """How reports name the target."""
        return _short_name(self.target)

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
            bindings: list[Binding] = []
            try:
                for target in objects or (self.target,):
                    for point in self.points.values():
                        binding = Binding(point, target, self.owner, on_instance=bool(objects))
                        binding.put()
                        bindings.append(binding)
                if self.instances and not objects:
                    hook = InstanceHook(cast(type, self.target), self.points, self.owner)
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

    def bindings(self) -> Iterator[Binding]:
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
        for name in _GIVEN:
            if name in points:
                raise DeclarationError.at_caller(f"{stand_in.__qualname__}.{name}: contracts_for itself uses this name")
        cast(Any, stand_in).__lifeguard_bound__ = bound
        for name in _GIVEN:
            setattr(stand_in, name, classmethod(vars(BoundContracts)[name].__func__))
        return cast("type[BoundContracts]", stand_in)

    return bind


def _short_name(target: type | ModuleType) -> str:
    return target.__qualname__ if isinstance(target, type) else target.__name__.rpartition(".")[2]


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


def _points(stand_in: type, target: type | ModuleType) -> dict[str, Point]:
    points: dict[str, Point] = {}
    members: dict[str, Any] = {}
    for base in reversed(stand_in.__mro__[:-1]):
        members.update(vars(base))
    for name, value in members.items():
        woven = woven_of(inner_of(value))
        if woven is None:
            continue
        woven.active = False
        woven.state["stands for"] = f"{_short_name(target)}.{name}"
        ROSTER.changed(woven)
        point = Point(stand_in.__qualname__, name, woven.contracts, signature_of(woven.function))
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


def _rebind_all(scope: object) -> None:
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
            if put is not None and type(put) is not Proxy and not list(reached(getattr(put, "__func__", put))):
                hidden = f"{bound.owner}.{name} is hidden by an attribute of {repr_safely(one, 60)}"
                text = f"{hidden} while its contract was applied: calls of that are not seen"
                yield "error", text, (bound, name, "hidden")


def _unused(since: int, scope: object) -> Callable[[], Iterator[str]]:
    if not _applied:
        return lambda: iter(())
    serials = {woven.entry.serial for woven in ROSTER.called_since(since) if woven.origin and woven.entry is not None}
    bounds = [
        (
            {binding.what for binding in bound.bindings()},
            {woven.name for woven in bound.wovens() if woven.entry is not None and woven.entry.serial in serials},
        )
        for bound in list(_applied)
    ]
    return lambda: (name for whats, called in bounds for name in sorted(whats - called))


context.opening.append(_rebind_all)
context.blind_spots.append(_blind)
context.unused_contracts.append(_unused)
