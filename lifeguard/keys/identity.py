"""Keys as plain, hashable values: what makes two things the same thing for the ledger.

A key is compared by C code alone: it is a str, an int, bytes, a tuple of keys, a `Tagged` tuple (a value that
carries its type) or an `ObjectKey` (an object by identity). No `__eq__` or `__hash__` of the user's ever runs.
"""

from __future__ import annotations

import gc
import sys
import weakref
from _thread import get_ident
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from types import ModuleType
from typing import Any, Final, TypeAlias, final

from lifeguard.keys.reprs import repr_or_failure

OBJECT_TEXT_LIMIT = 80
"""How long the text that stands for an object may be."""


@final
class Tag:
    """Says of a `Tagged` key which type its value has. It equals only itself: a user's tuple never equals the key."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __reduce__(self) -> str:
        return self.name


NONE: Final = Tag("NONE")
BOOL: Final = Tag("BOOL")
FLOAT: Final = Tag("FLOAT")
UUID: Final = Tag("UUID")
ENUM: Final = Tag("ENUM")
DATE: Final = Tag("DATE")
DATETIME: Final = Tag("DATETIME")
INSTANT: Final = Tag("INSTANT")
TIME: Final = Tag("TIME")
UTC_TIME: Final = Tag("UTC_TIME")
TIMEDELTA: Final = Tag("TIMEDELTA")
PATH: Final = Tag("PATH")
WINDOWS_PATH: Final = Tag("WINDOWS_PATH")
DATACLASS: Final = Tag("DATACLASS")

NOT_A_NUMBER: Final = "nan"
"""What stands for a float that is not a number, so that it equals itself."""


@final
class Tagged(tuple[Any, ...]):
    """A value that carries its type: a `Tag` first, then what makes up the value. Hashed and compared as a tuple."""

    __slots__ = ()


NOTHING: Final = Tagged((NONE, "None"))
"""The key of None: a value like another one, where no key at all is None."""


class _Watch(weakref.ref[object]):
    """A weak reference that knows the number under which its object was registered."""

    __slots__ = ("number",)

    number: int


class _Entry(weakref.ref["ObjectKey"]):
    """The registry's weak reference to a key, which knows its place there."""

    __slots__ = ("number",)

    number: int


_parts_of: Callable[[Any], Iterator[object]] = tuple[object, ...].__iter__
_serials = count(1)
_registry: dict[int, _Entry] = {}
# Without a lock: every step is one atomic operation of a dict, and objects may be identified from finalisers and signal
# handlers. Entries leave when their object or their key dies, thus before the object's id can be given out again.


@final
class ObjectKey:
    """Stands for one object, compared by identity. One object has one living `ObjectKey`.

    The object is referred to weakly; strongly only where it cannot be, until `forget` is called for the key.

    Attributes:
        serial: number of this key in this process; never given out twice.
        number: the object's address: the same for each key that stands for this object while it lives.
        text: the object's repr, cut, as it was when the object was first seen. Reading it runs no code of the user's.
    """

    __slots__ = ("__weakref__", "_failed", "_holders", "_strong", "_weak", "number", "serial", "text")

    def __init__(self, value: object) -> None:
        self.serial = next(_serials)
        self.number = id(value)
        self._strong: object = None
        self._weak: _Watch | None = None
        self._holders: list[None] | None = None
        try:
            self._weak = _Watch(value, _object_died)
            self._weak.number = id(value)
        except TypeError:
            self._strong = value
            self._holders = []
        self.text, self._failed = repr_or_failure(value, OBJECT_TEXT_LIMIT)

    def __repr__(self) -> str:
        return f"<key {self.serial}: {self.text}>"

    def try_again(self) -> None:
        """Make the text again, if the object's repr failed: an object may be seen before its `__init__` has run."""
        if self._failed:
            value = self.target()
            if value is not None:
                self.text, self._failed = repr_or_failure(value, OBJECT_TEXT_LIMIT)

    @property
    def strong(self) -> bool:
        """Whether this key itself keeps its object alive, since the object cannot be referred to weakly."""
        return self._strong is not None

    def target(self) -> object | None:
        """The object; None when it is gone or forgotten."""
        return self._strong if self._weak is None else self._weak()

    def stands_for(self, value: object) -> bool:
        """Whether this is the key of exactly that object."""
        return self.target() is value

    def hold(self) -> None:
        """Count one more that needs the object to be found again by this key."""
        if self._holders is not None:
            self._holders.append(None)

    def forget(self) -> None:
        """Count one less; with the last one, a strong reference is dropped."""
        holders = self._holders
        if holders is None:
            return
        if holders:
            holders.pop()
        strong = self._strong
        if not holders and strong is not None:
            entry = _registry.get(id(strong))
            if entry is not None and entry() is self:
                _discard(entry.number, entry)
            self._strong = None


Key: TypeAlias = "str | int | bytes | Tagged | ObjectKey | tuple[Key, ...]"
"""A normalised key: hashable, and compared without running any code of the user's."""


def _discard(number: int, entry: _Entry) -> None:
    """Take an entry out, but no other one that has come to its place."""
    if _registry.get(number) is entry:
        found = _registry.pop(number, None)
        if found is not None and found is not entry:
            _registry.setdefault(number, found)


_dying: dict[int, ObjectKey] = {}
"""The keys of objects in cycles that the collector found dead: their `__del__` runs after their weak references went."""

_collector: list[int] = []
"""The thread in which a collection runs."""


def _collecting(phase: str, info: object) -> None:
    _dying.clear()
    _collector[:] = [get_ident()] if phase == "start" else []


def _object_died(watch: weakref.ref[object]) -> None:
    assert isinstance(watch, _Watch)
    entry = _registry.get(watch.number)
    if entry is not None:
        key = entry()
        if key is None or key._weak is watch:
            _discard(watch.number, entry)
            if key is not None and _collector == [get_ident()]:
                _dying[watch.number] = key


def _key_died(entry: weakref.ref[ObjectKey]) -> None:
    assert isinstance(entry, _Entry)
    _discard(entry.number, entry)


def _known(value: object) -> ObjectKey | None:
    """The key that this very object has already."""
    entry = _registry.get(id(value))
    key = None if entry is None else entry()
    if key is None and _dying:
        return _dying.get(id(value))
    return key if key is not None and key.target() is value else None


def object_key(value: object) -> ObjectKey:
    """The key that stands for this very object.

    Args:
        value: any object, also one that is equal to others or cannot be hashed.

    Returns:
        The key that the object has already, or a new one.
    """
    found = _known(value)
    if found is not None:
        return found
    if _collecting not in gc.callbacks:
        gc.callbacks.append(_collecting)
    fresh = ObjectKey(value)  # runs the object's repr
    fresh_entry = _Entry(fresh, _key_died)
    fresh_entry.number = number = id(value)
    while True:
        entry = _registry.setdefault(number, fresh_entry)
        if entry is fresh_entry:
            return fresh
        known = entry()
        if known is not None and known.stands_for(value):
            return known
        _discard(number, entry)


def identify(value: object) -> Key:
    """The normalised key of a value.

    str, int and bytes stand for themselves (an instance of a subclass for its base value). None, bool, float, UUID,
    Enum members, dates, times, paths and frozen data classes are compared by type and value, tuples by their parts;
    everything else by identity. What is a key already is returned as it is.

    Args:
        value: what the user's expression gave.

    Returns:
        The key.

    Raises:
        Exception: what the value's own code raised where a part of it has to be asked for (a time zone's offset).
    """
    if type(value) is str or type(value) is int or type(value) is bytes:
        return value
    if value is None:
        return NOTHING
    if type(value) is Tagged or type(value) is ObjectKey:
        return value
    raw: Any = value
    cls: Any = type(value)
    if issubclass(cls, tuple):
        return tuple([identify(part) for part in _parts_of(raw)])
    if cls is bool:
        return Tagged((BOOL, value))
    if issubclass(cls, str):
        return str.__str__(raw)
    if issubclass(cls, int):
        return int.__int__(raw)
    if issubclass(cls, float):
        number = float.__float__(raw)
        return Tagged((FLOAT, number if number == number else NOT_A_NUMBER))
    if issubclass(cls, bytes):
        return bytes.__getitem__(raw, slice(None))
    known = _known(value)
    if known is not None:
        known.try_again()
        return known
    tagged = _by_value(value, cls)
    return object_key(value) if tagged is None else tagged


def _type_of(module: ModuleType | None, name: str) -> type | None:
    """A type of a module that is loaded; None where it cannot be, so that no value can have it."""
    found = getattr(module, name, None)
    return found if isinstance(found, type) else None


def _by_value(value: Any, cls: Any) -> Tagged | None:
    loaded = sys.modules.get
    uuid_type = _type_of(loaded("uuid"), "UUID")
    if uuid_type is not None and issubclass(cls, uuid_type):
        return Tagged((UUID, value.int))
    if issubclass(cls, Enum):
        name = value._name_
        return Tagged((ENUM, object_key(cls), name if type(name) is str else identify(value._value_)))
    datetime_module = loaded("datetime")
    if datetime_module is not None:
        date_type = _type_of(datetime_module, "date")
        if date_type is not None and issubclass(cls, (date_type, datetime_module.time, datetime_module.timedelta)):
            return _moment(value, cls, datetime_module)
    path_type = _type_of(loaded("pathlib"), "PurePath")
    if path_type is not None and issubclass(cls, path_type):
        return _path(value, cls)
    return _dataclass(value, cls)


def _moment(value: Any, cls: Any, module: Any) -> Tagged:
    """Dates and times, as exact objects without a time zone: those are compared by C code only."""
    if issubclass(cls, module.timedelta):
        return Tagged((TIMEDELTA, module.timedelta(value.days, value.seconds, value.microseconds)))
    if issubclass(cls, module.datetime):
        naive = module.datetime(
            value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
        )
        offset = value.utcoffset()
        if offset is None:
            return Tagged((DATETIME, naive))
        # Microseconds since year 1, an int, for the first and the last day of the calendar have no other form in UTC.
        return Tagged((INSTANT, (naive - module.datetime.min - offset) // module.timedelta(microseconds=1)))
    if issubclass(cls, module.date):
        return Tagged((DATE, module.date(value.year, value.month, value.day)))
    offset = value.utcoffset()
    if offset is None:
        return Tagged((TIME, module.time(value.hour, value.minute, value.second, value.microsecond)))
    since_midnight = module.timedelta(
        hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
    )
    return Tagged((UTC_TIME, (since_midnight - offset) // module.timedelta(microseconds=1)))


def _path(value: Any, cls: Any) -> Tagged:
    pathlib: Any = sys.modules["pathlib"]
    text = identify(pathlib.PurePath.__str__(value))
    if issubclass(cls, pathlib.PureWindowsPath):
        return Tagged((WINDOWS_PATH, str(text).lower()))
    return Tagged((PATH, text))


def _dataclass(value: Any, cls: Any) -> Tagged | None:
    """A frozen data class by its class and fields; None for any other object, or one without all of its fields."""
    for base in cls.__mro__:
        parameters = base.__dict__.get("__dataclass_params__")
        if parameters is None:
            continue
        if not (parameters.frozen and parameters.eq):
            return None
        from dataclasses import fields

        names = [field.name for field in fields(base) if field.compare]
        try:
            values = [getattr(value, name) for name in names]
        except AttributeError:
            return None
        return Tagged((DATACLASS, object_key(cls), tuple(names), tuple([identify(part) for part in values])))
    return None


def hold(key: Key) -> None:
    """Say that one more obligation needs the objects in this key. Each `hold` asks for one `forget`.

    Without it the first `forget` drops the object, though another obligation for it may still be open.

    Args:
        key: a normalised key.
    """
    if type(key) is ObjectKey:
        key.hold()
    elif isinstance(key, tuple):
        for part in key:
            hold(part)


def forget(key: Key) -> None:
    """Let go of the objects in a key whose obligation is settled.

    Only objects that cannot be referred to weakly are concerned; after the last `forget` they are unknown, and would
    get another key.

    Args:
        key: a normalised key.
    """
    if type(key) is ObjectKey:
        key.forget()
    elif isinstance(key, tuple):
        for part in key:
            forget(part)
