"""What a report says of a key: its text, its plain value, and which other key it resembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lifeguard.keys import identity
from lifeguard.keys.identity import Key, ObjectKey, Tag, Tagged
from lifeguard.keys.reprs import repr_safely, shorten

SHOWN_LIMIT = 120
"""How long the text of a key may be."""

PART_LIMIT = 64
"""How long it may be for each named part, where that is more: which one it is often stands in the last of them."""

_ALIKE_BITS = 4096
"""Whole numbers with more bits are not compared with texts."""


_HEX: Final = "0123456789abcdefABCDEF"


def show(key: Key, limit: int = SHOWN_LIMIT) -> str:
    """The text of a key in a report, such as `'img-1'`, `UUID('…')`, `Color.RED` or `('p1', 'h1')`.

    Args:
        key: a normalised key.
        limit: the most characters to give back.

    Returns:
        One line.
    """
    if type(key) is ObjectKey:
        return shorten(key.text, limit)
    if type(key) is Tagged:
        return shorten(_show_tagged(key, limit), limit)
    if isinstance(key, tuple):
        parts = [show(part, limit) for part in key]
        return shorten(f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})", limit)
    return repr_safely(key, limit)


def show_fields(key: Key, fields: Sequence[str] | None, limit: int = SHOWN_LIMIT) -> str:
    """The text of a key with the names of its parts: `port='p1' host='h1'`.

    Args:
        key: a normalised key.
        fields: the names of its parts, in order; none or another number of them than the key has: no names are shown.
        limit: the most characters to give back; a key of many parts gets 64 for each, where that is more.

    Returns:
        One line.
    """
    if not fields:
        return show(key, limit)
    if len(fields) == 1:
        return shorten(f"{fields[0]}={show(key, limit)}", limit)
    if isinstance(key, tuple) and type(key) is not Tagged and len(key) == len(fields):
        pairs = [f"{name}={show(part, limit)}" for name, part in zip(fields, key, strict=True)]
        return shorten(" ".join(pairs), max(limit, PART_LIMIT * len(fields)))
    return show(key, limit)


def plain(key: Key) -> object:
    """The value of a key for records: the user's own value where that is plain, else a text. It can be pickled.

    Args:
        key: a normalised key.

    Returns:
        str, int, bytes, None, bool, float, UUID, dates, pure paths and tuples of these as values; Enum members, data
        classes and objects as the text that `show` gives. A moment with a time zone is given in UTC.
    """
    if type(key) is ObjectKey:
        return key.text
    if type(key) is Tagged:
        return _plain_tagged(key)
    if isinstance(key, tuple):
        return tuple([plain(part) for part in key])
    return key


def alike(one: Key, other: Key) -> bool:
    """Whether two keys differ only by type: "1" and 1, a UUID and its text, b"x" and "x", a path and its text…

    Args:
        one: a normalised key.
        other: another one.

    Returns:
        True where they are not equal, but their texts are; tuples part by part.
    """
    return one != other and _similar(one, other)


def _similar(one: Key, other: Key) -> bool:
    if one == other:
        return True
    if _is_composite(one) and _is_composite(other):
        assert isinstance(one, tuple)
        assert isinstance(other, tuple)
        return len(one) == len(other) and all(_similar(left, right) for left, right in zip(one, other, strict=True))
    return not _forms(one).isdisjoint(_forms(other))


def _is_composite(key: Key) -> bool:
    return isinstance(key, tuple) and type(key) is not Tagged


def _forms(key: Key) -> frozenset[str]:
    """The texts by which a value may be written."""
    if isinstance(key, str):
        return frozenset({key, *_uuid_form(key)})
    if isinstance(key, int):
        return frozenset({str(key)} if key.bit_length() < _ALIKE_BITS else ())
    if isinstance(key, bytes):
        return _forms(key.decode("utf-8", "backslashreplace"))
    if type(key) is Tagged:
        return _tagged_forms(key)
    return frozenset()


def _uuid_form(text: str) -> tuple[str, ...]:
    digits = text.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return (f"uuid {digits}",) if len(digits) == 32 and set(digits) <= set(_HEX) else ()


def _tagged_forms(key: Tagged) -> frozenset[str]:
    tag, value = key[0], key[1]
    if tag is identity.NONE:
        return frozenset({value})
    if tag is identity.BOOL:
        return frozenset({str(value), str(int(value))})
    if tag is identity.FLOAT:
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53
        return frozenset({str(value), str(int(value))} if whole else {str(value)})
    if tag is identity.UUID:
        return frozenset({f"uuid {value:032x}"})
    if tag is identity.PATH or tag is identity.WINDOWS_PATH:
        return frozenset({value})
    if tag is identity.ENUM:
        return _enum_forms(key)
    if tag is identity.DATACLASS:
        return frozenset()
    moment: Any = _plain_tagged(key)
    return frozenset({str(moment), moment.isoformat()} if hasattr(moment, "isoformat") else {str(moment)})


def _enum_forms(key: Tagged) -> frozenset[str]:
    cls: Any = key[1].target()
    member = cls._member_map_.get(key[2]) if cls is not None and isinstance(key[2], str) else None
    if member is None:
        return frozenset() if isinstance(key[2], str) else _forms(key[2])
    value = member._value_
    plain_value = type(value) in (str, int, bytes, float, bool)
    return _forms(identity.identify(value)) if plain_value else frozenset()


def _show_tagged(key: Tagged, limit: int) -> str:
    tag: Tag = key[0]
    if tag is identity.ENUM:
        name = _class_name(key[1])
        return f"{name}.{key[2]}" if isinstance(key[2], str) else f"{name}({show(key[2], limit)})"
    if tag is identity.DATACLASS:
        fields = [f"{name}={show(part, limit)}" for name, part in zip(key[2], key[3], strict=True)]
        return f"{_class_name(key[1])}({', '.join(fields)})"
    if tag is identity.PATH:
        return f"Path({repr_safely(key[1], limit)})"
    if tag is identity.WINDOWS_PATH:
        return f"PureWindowsPath({repr_safely(key[1], limit)})"
    return repr_safely(_plain_tagged(key), limit)


def _class_name(key: ObjectKey) -> str:
    cls = key.target()
    return cls.__name__ if isinstance(cls, type) else key.text


def _plain_tagged(key: Tagged) -> object:
    tag, value = key[0], key[1]
    if tag is identity.ENUM or tag is identity.DATACLASS:
        return show(key)
    if tag is identity.NONE:
        return None
    if tag is identity.FLOAT:
        return float(value)
    if tag is identity.UUID:
        import uuid

        return uuid.UUID(int=value)
    if tag is identity.PATH or tag is identity.WINDOWS_PATH:
        import pathlib

        return pathlib.PurePosixPath(value) if tag is identity.PATH else pathlib.PureWindowsPath(value)
    if tag is identity.INSTANT or tag is identity.UTC_TIME:
        return _in_utc(tag, value)
    return value


def _in_utc(tag: Tag, microseconds: int) -> object:
    import datetime as dt

    step = dt.timedelta(microseconds=1)
    if tag is identity.UTC_TIME:
        within = microseconds % (24 * 60 * 60 * 1_000_000)
        return (dt.datetime.min + within * step).time().replace(tzinfo=dt.UTC)
    try:
        return (dt.datetime.min + microseconds * step).replace(tzinfo=dt.UTC)
    except OverflowError:
        return f"{microseconds} µs after year 1, UTC"
