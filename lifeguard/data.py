"""Frozen, slotted records, as `dataclasses` makes them, without what that costs at import.

`dataclasses` imports `inspect` and compiles half a dozen functions for each class: for this package more than half of
the time that `import lifeguard` took. A record compiles its `__init__` when the first one is made and nothing else.
To everybody else it is a data class: `dataclasses.fields`, `replace`, `asdict` and `is_dataclass` work, as do pickling,
copying and matching by position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, dataclass_transform, overload

T = TypeVar("T")
C = TypeVar("C", bound=type)

GENERATED: Final = "<lifeguard "
"""How the file name of everything that is generated begins."""

_MISSING: Final[Any] = object()


class _Made:
    """A default that is made anew for each record."""

    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], object]) -> None:
        self.factory = factory


def field(*, default_factory: Callable[[], T]) -> T:
    """A field whose default is made anew for each record."""
    return cast(T, _Made(default_factory))


@overload
def record(cls: C, /) -> C: ...
@overload
def record(*, frozen: bool = True, eq: bool = True, kw_only: bool = False) -> Callable[[C], C]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, frozen: bool = True, eq: bool = True, kw_only: bool = False) -> Any:
    """Make a class of annotated fields a record. It is made anew, with slots, and inherits no fields.

    Args:
        cls: the class.
        frozen: whether its fields are set once.
        eq: whether records with equal fields are equal; else each is itself alone.
        kw_only: whether its fields can only be given by name.

    Returns:
        the class, or, without one, the decorator.
    """
    if cls is None:
        return lambda one: _record(one, frozen=frozen, eq=eq, kw_only=kw_only)
    return _record(cls, frozen=frozen, eq=eq, kw_only=kw_only)


def _record(cls: type, *, frozen: bool, eq: bool, kw_only: bool) -> type:
    namespace = dict(vars(cls))
    names = tuple(cls.__annotations__)
    defaults = {name: namespace.pop(name) for name in names if name in namespace}
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    namespace.update(
        __slots__=names,
        __fields__=names,
        __match_args__=() if kw_only else names,
        __init__=_compiling_init(names, defaults, frozen=frozen, kw_only=kw_only),
        __dataclass_fields__=_Fields(defaults),
        __signature__=_Signature(),
        __replace__=replace,
        __getstate__=_state,
        __setstate__=_set_state,
    )
    namespace.setdefault("__repr__", _repr)
    if eq:
        namespace.setdefault("__eq__", _eq)
        if namespace.get("__hash__") is None:
            namespace["__hash__"] = _hash if frozen else None
    if frozen:
        namespace.update(__setattr__=_refuse, __delattr__=_refuse)
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


def _compiling_init(
    names: tuple[str, ...], defaults: dict[str, object], *, frozen: bool, kw_only: bool
) -> Callable[..., None]:
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        compiled(type(self))(self, *args, **kwargs)

    def compiled(cls: type) -> Callable[..., None]:
        """Put what is compiled in the place of what compiles."""
        for owner in cls.__mro__:
            if vars(owner).get("__init__") is __init__:
                made = _compile_init(owner, names, defaults, frozen=frozen, kw_only=kw_only)
                type.__setattr__(owner, "__init__", made)
                return made
        found: Callable[..., None] = cls.__init__  # type: ignore[misc]  # another thread was quicker
        return found

    __init__.compiled = compiled  # type: ignore[attr-defined]
    return __init__


def _compile_init(
    cls: type, names: tuple[str, ...], defaults: dict[str, object], *, frozen: bool, kw_only: bool
) -> Callable[..., None]:
    parameters = ["*"] if kw_only else []
    body: list[str] = []
    space: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": _MISSING}
    for name in names:
        value = name
        default = defaults.get(name, _MISSING)
        if isinstance(default, _Made):
            space[f"_make_{name}"] = default.factory
            parameters.append(f"{name}=_MISSING")
            value = f"_make_{name}() if {name} is _MISSING else {name}"
        elif default is not _MISSING:
            space[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    source = f"def __init__(self, {', '.join(parameters)}):\n  " + "\n  ".join(body or ["pass"])
    exec(compile(source, f"{GENERATED}{cls.__qualname__}>", "exec", dont_inherit=True), space)
    made: Callable[..., None] = space["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def field_names(one: object) -> tuple[str, ...]:
    """The fields of a record, or of a class of records."""
    names: tuple[str, ...] = one.__fields__  # type: ignore[attr-defined]
    return names


def _values(one: object) -> tuple[object, ...]:
    return tuple([getattr(one, name) for name in field_names(one)])


def _repr(self: object) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in field_names(self))
    return f"{type(self).__qualname__}({shown})"


def _eq(self: object, other: object) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return self is other or _values(self) == _values(other)


def _hash(self: object) -> int:
    return hash(_values(self))


def _refuse(self: object, name: str, *value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


def _state(self: object) -> list[object]:
    return list(_values(self))


def _set_state(self: object, state: list[object]) -> None:
    for name, value in zip(field_names(self), state, strict=True):
        object.__setattr__(self, name, value)


def replace(self: T, /, **changes: object) -> T:
    """A record like another one, with some fields changed."""
    values = {name: getattr(self, name) for name in field_names(self)}
    return type(self)(**{**values, **changes})


class _Fields:
    """What makes a record a data class to `dataclasses`: its fields, made when somebody asks for them."""

    __slots__ = ("_defaults", "_fields")

    def __init__(self, defaults: dict[str, object]) -> None:
        self._defaults = defaults
        self._fields: dict[str, Any] | None = None

    def __get__(self, record: object, cls: type) -> dict[str, Any]:
        if self._fields is None:
            import dataclasses

            described: list[Any] = []
            for owner in cls.__mro__:
                if vars(owner).get("__dataclass_fields__") is self:
                    for name, annotation in owner.__annotations__.items():
                        default = self._defaults.get(name, dataclasses.MISSING)
                        if isinstance(default, _Made):
                            one: Any = dataclasses.field(default_factory=default.factory)
                        else:
                            one = dataclasses.field(default=default)
                        described.append((name, annotation, one))
            shadow: Any = dataclasses.make_dataclass("Shadow", described, kw_only=True)
            self._fields = shadow.__dataclass_fields__
        return dict(self._fields or {})


class _Signature:
    """The signature of a class whose `__init__` has not been compiled yet."""

    __slots__ = ()

    def __get__(self, record: object, cls: type) -> object:
        if record is not None:
            raise AttributeError("__signature__")
        import inspect

        init: Any = cls.__init__  # type: ignore[misc]
        compiled = getattr(init, "compiled", None)
        signature = inspect.signature(init if compiled is None else compiled(cls))
        return signature.replace(parameters=list(signature.parameters.values())[1:])
