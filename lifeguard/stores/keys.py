"""Keys in a database: the text that makes two of them the same one, and what they are read back as.

Plain values are the same in every process. A class (of an Enum's member, of a frozen data class) is known by its module and
name. Any other object is known by its identity, which means nothing elsewhere: its key is qualified by the process, so that
another process can never be taken to speak of it; what is done *there* to such a thing has to go by something that owns it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import weakref
from typing import Any, Final

from lifeguard.keys import Key, ObjectKey, Tagged
from lifeguard.keys import identity as tags
from lifeguard.keys.identity import object_key
from lifeguard.reporting.encoding import Keys, key_out

LONGEST: Final = 200
"""The text of a longer key is replaced by its hash."""


_text: Final = json.encoder.encode_basestring_ascii
_encode: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class KeyCodec:
    """Writes and reads keys for one process."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._mine: weakref.WeakValueDictionary[int, ObjectKey] = weakref.WeakValueDictionary()
        self._others: dict[tuple[str, int], ObjectKey] = {}
        self._classes: dict[str, ObjectKey] = {}
        self._read = Keys()
        self._stand_ins: list[object] = []  # kept: a key knows its object weakly

    def ident(self, key: Key) -> str:
        """The text that two keys share if they are the same one, in whatever process."""
        if type(key) is int:
            return str(key)
        text = _text(key) if type(key) is str else _encode(self._plain(key))
        return text if len(text) <= LONGEST else f"#{hashlib.sha256(text.encode()).hexdigest()}"

    def _plain(self, key: Key) -> object:
        if type(key) is ObjectKey:
            self._mine[key.serial] = key
            target = key.target()
            if isinstance(target, _Elsewhere):
                return {"object": target.serial, "of": target.process}
            return {"object": key.serial, "of": self._process}
        if type(key) is Tagged:
            tag = key[0]
            if tag is tags.ENUM:
                return {"tag": tag.name, "class": self._class(key[1]), "member": self._plain(key[2])}
            if tag is tags.DATACLASS:
                parts = [self._plain(part) for part in key[3]]
                return {"tag": tag.name, "class": self._class(key[1]), "fields": list(key[2]), "values": parts}
            told: Any = key_out(key)
            return told
        if isinstance(key, tuple):
            return [self._plain(part) for part in key]
        return key_out(key)

    def _class(self, key: ObjectKey) -> object:
        name = _class_name(key)
        if name is None:
            return self._plain(key)
        self._classes[name] = key
        return name

    # -- whole keys -------------------------------------------------------------------------------------------------------------

    def write(self, key: Key) -> object:
        """A key as JSON."""
        if type(key) is str or type(key) is int:
            return key
        self._plain(key)  # takes note of what it stands for
        return _qualified(key_out(key), key, self._process)

    def read(self, data: Any) -> Key:
        """The key that `write` gave, in this or another process."""
        if isinstance(data, str | int):
            return data
        if "parts" in data:
            return tuple([self.read(part) for part in data["parts"]])
        if "tag" in data and data["tag"] in ("ENUM", "DATACLASS"):
            return self._of_class(data["tag"], data["value"])
        if "object" in data and "of" in data:
            return self._object(data)
        return self._read.read(data)

    def _of_class(self, name: str, value: Any) -> Tagged:
        cls = self._class_key(value)
        if name == "ENUM":
            return Tagged((tags.ENUM, cls, self.read(value["member"])))
        parts = tuple([self.read(part) for part in value["values"]])
        return Tagged((tags.DATACLASS, cls, tuple(value["fields"]), parts))

    def _class_key(self, value: Any) -> ObjectKey:
        name = value.get("name")
        if name is None:
            return self._object(value)
        known = self._classes.get(name)
        if known is None:
            module, _, path = name.partition(":")
            found: Any = sys.modules.get(module)
            for part in path.split("."):
                found = getattr(found, part, None)
            made = found if isinstance(found, type) else type(str(value["class"]), (), {"_member_map_": {}})
            known = object_key(made)
            if made is found:
                self._classes[name] = known
            else:
                self._stand_ins.append(made)
        return known

    def _object(self, data: Any) -> ObjectKey:
        process, serial = data["of"], data["object"]
        if process == self._process:
            mine = self._mine.get(serial)
            if mine is not None:
                return mine
        known = self._others.get((process, serial))
        if known is None:
            stand_in = _Elsewhere(process, serial, data["text"])
            known = self._others[process, serial] = object_key(stand_in)
            known.text = data["text"]
            self._stand_ins.append(stand_in)
        return known


class _Elsewhere:
    """Stands for an object of another process."""

    __slots__ = ("__weakref__", "process", "serial", "text")

    def __init__(self, process: str, serial: int, text: str) -> None:
        self.process = process
        self.serial = serial
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _class_name(key: ObjectKey) -> str | None:
    """The name by which a class is known everywhere; None for one that was made inside a function."""
    cls = key.target()
    if not isinstance(cls, type) or "<locals>" in cls.__qualname__:
        return None
    return f"{cls.__module__}:{cls.__qualname__}"


def _qualified(data: Any, key: Key, process: str) -> Any:
    """JSON of a key, with the process or the full name of what in it is known by identity."""
    if type(key) is ObjectKey:
        target = key.target()
        if isinstance(target, _Elsewhere):
            return {**data, "object": target.serial, "of": target.process}
        return {**data, "of": process}
    if type(key) is Tagged:
        if key[0] is tags.ENUM:
            told = {**data["value"], "of": process, "name": _class_name(key[1])}
            return {**data, "value": {**told, "member": _qualified(told["member"], key[2], process)}}
        if key[0] is tags.DATACLASS:
            parts = [_qualified(one, part, process) for one, part in zip(data["value"]["values"], key[3], strict=True)]
            return {**data, "value": {**data["value"], "of": process, "name": _class_name(key[1]), "values": parts}}
        return data
    if isinstance(key, tuple):
        return {"parts": [_qualified(one, part, process) for one, part in zip(data["parts"], key, strict=True)]}
    return data
