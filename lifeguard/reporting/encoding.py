"""Keys, amounts and places as JSON, and back as what the ledger takes for the same.

What stands for an object comes back as what stands for another one, of the same text: two that were one are one again.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from lifeguard.keys import Key, ObjectKey, Pattern, Tagged, identify
from lifeguard.keys import identity as tags
from lifeguard.keys.identity import object_key
from lifeguard.places import Place, Site, resolve

_TAGS = {
    tag.name: tag
    for tag in (
        tags.NONE,
        tags.BOOL,
        tags.FLOAT,
        tags.UUID,
        tags.ENUM,
        tags.DATE,
        tags.DATETIME,
        tags.INSTANT,
        tags.TIME,
        tags.UTC_TIME,
        tags.TIMEDELTA,
        tags.PATH,
        tags.WINDOWS_PATH,
        tags.DATACLASS,
    )
}


def place_out(site: Site | None) -> list[object] | None:
    """A site as file, line and function."""
    if site is None:
        return None
    place = resolve(site)
    return [place.file, place.line, place.function]


class _Code:
    """Stands for the code of a place that was read from a file: all that `lifeguard.places.resolve` asks of a code."""

    __slots__ = ("co_filename", "co_firstlineno", "co_qualname")

    def __init__(self, file: str, line: int, function: str) -> None:
        self.co_filename = file
        self.co_firstlineno = line
        self.co_qualname = function

    def co_lines(self) -> tuple[()]:
        """No table of lines: every instruction stands in the first one."""
        return ()


def site_in(data: Any) -> Site | None:
    """A site that resolves to what `place_out` gave."""
    return None if data is None else (_Code(*data), 0)  # type: ignore[return-value]


def place_in(data: Any) -> Place | None:
    """The place that `place_out` gave."""
    return None if data is None else Place(*data)


def amount_out(amount: tuple[Any, ...]) -> list[object]:
    """Numbers as JSON; those that JSON has none of by the name of their type and their text."""
    return [_number_out(number) for number in amount]


def _number_out(number: Any) -> object:
    if isinstance(number, Decimal):
        return {"decimal": Decimal.__str__(number)}
    if isinstance(number, Fraction):
        return {"fraction": f"{number.numerator}/{number.denominator}"}
    if isinstance(number, float) and not math.isfinite(number):
        return {"float": repr(number)}
    return number


_NUMBERS = {"decimal": Decimal, "fraction": Fraction, "float": float}


def amount_in(data: list[Any]) -> tuple[Any, ...]:
    """The numbers that `amount_out` gave."""
    found = []
    for one in data:
        if isinstance(one, dict):
            ((name, text),) = one.items()
            found.append(_NUMBERS[name](text))
        else:
            found.append(one)
    return tuple(found)


# -- keys --------------------------------------------------------------------------------------------------------------


def key_out(key: Key) -> object:
    """A normalised key as JSON."""
    if type(key) is ObjectKey:
        return {"object": key.serial, "text": key.text}
    if type(key) is Tagged:
        return {"tag": key[0].name, "value": _tagged_out(key)}
    if isinstance(key, tuple):
        return {"parts": [key_out(part) for part in key]}
    if isinstance(key, bytes):
        return {"bytes": key.hex()}
    return key


def _tagged_out(key: Tagged) -> object:
    tag, value = key[0], key[1]
    if tag is tags.UUID:
        return f"{value:032x}"
    if tag is tags.FLOAT:
        return value if isinstance(value, str) else value.hex()
    if tag in (tags.DATE, tags.DATETIME, tags.TIME):
        return value.isoformat()
    if tag is tags.TIMEDELTA:
        return [value.days, value.seconds, value.microseconds]
    if tag is tags.ENUM:
        return {**_class_out(value), "member": key_out(key[2]), **_member_value(value, key[2])}
    if tag is tags.DATACLASS:
        return {**_class_out(value), "fields": list(key[2]), "values": [key_out(part) for part in key[3]]}
    return value


def _class_out(key: ObjectKey) -> dict[str, object]:
    cls = key.target()
    return {"object": key.serial, "text": key.text, "class": cls.__name__ if isinstance(cls, type) else ""}


def _member_value(cls: ObjectKey, member: Key) -> dict[str, object]:
    """The plain value of an Enum's member, by which a report finds keys that are alike."""
    members = getattr(cls.target(), "_member_map_", {})
    value = getattr(members.get(member), "_value_", None) if isinstance(member, str) else None
    return {"is": key_out(identify(value))} if type(value) in (str, int, bytes, float, bool) else {}


class Keys:
    """Reads the keys of one journal."""

    def __init__(self) -> None:
        self._objects: dict[int, tuple[object, ObjectKey]] = {}  # both are kept: a key knows its object weakly

    def read(self, data: Any) -> Key:
        """The key that `key_out` gave."""
        if not isinstance(data, dict):
            return identify(data)
        if "parts" in data:
            return tuple([self.read(part) for part in data["parts"]])
        if "bytes" in data:
            return bytes.fromhex(data["bytes"])
        if "tag" in data:
            return self._tagged(data["tag"], data["value"])
        return self._object(data)

    def pattern(self, data: Any) -> Pattern:
        """The pattern that `pattern_out` gave."""
        return Pattern(tuple(data["fields"]), tuple((index, self.read(value)) for index, value in data["where"]))

    def _object(self, data: Any) -> ObjectKey:
        known = self._objects.get(data["object"])
        if known is None:
            stand_in: object = _class_in(data) if data.get("class") else _StandIn(data["text"])
            key = object_key(stand_in)
            key.text = data["text"]
            known = self._objects[data["object"]] = (stand_in, key)
        if "is" in data:
            value = SimpleNamespace(_value_=_plain_value(self.read(data["is"])))
            known[0]._member_map_[data["member"]] = value  # type: ignore[attr-defined]
        return known[1]

    def _tagged(self, name: str, value: Any) -> Tagged:
        tag = _TAGS[name]
        if tag is tags.NONE:
            return tags.NOTHING
        if tag is tags.ENUM:
            return Tagged((tag, self._object(value), self.read(value["member"])))
        if tag is tags.DATACLASS:
            values = tuple([self.read(part) for part in value["values"]])
            return Tagged((tag, self._object(value), tuple(value["fields"]), values))
        if tag is tags.UUID:
            return Tagged((tag, int(value, 16)))
        if tag is tags.FLOAT:
            return Tagged((tag, value if value == tags.NOT_A_NUMBER else float.fromhex(value)))
        if tag is tags.TIMEDELTA:
            return Tagged((tag, dt.timedelta(*value)))
        if tag in (tags.DATE, tags.DATETIME, tags.TIME):
            return Tagged((tag, _MOMENTS[tag.name](value)))
        return Tagged((tag, value))


_MOMENTS: dict[str, Callable[[str], object]] = {
    "DATE": dt.date.fromisoformat,
    "DATETIME": dt.datetime.fromisoformat,
    "TIME": dt.time.fromisoformat,
}


def _class_in(data: Any) -> type:
    return type(str(data["class"]), (), {"_member_map_": {}})


def _plain_value(key: Key) -> object:
    """The value behind the key of a plain value."""
    return float(key[1]) if type(key) is Tagged and key[0] is tags.FLOAT else key[1] if type(key) is Tagged else key


def pattern_out(pattern: Pattern) -> dict[str, object]:
    """A pattern as JSON."""
    return {"fields": list(pattern.fields), "where": [[index, key_out(value)] for index, value in pattern.parts]}


class _StandIn:
    """Stands for an object that was a key in another process."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
