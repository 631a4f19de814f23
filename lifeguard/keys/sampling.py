"""Which keys are in a sample: decided by the key alone, so that both ends of an obligation are watched, or neither.

Every key draws a lot, a number that is the same in every process and every run; a sample of 1 % are the keys with the
lowest hundredth of all lots. So a smaller sample is a part of each larger one, as with the sampling of traces by their id
in Dapper and OpenTelemetry ("consistent probability sampling").
"""

from __future__ import annotations

from typing import Final

from lifeguard.keys.identity import DATACLASS, ENUM, UUID, Key, ObjectKey, Tagged
from lifeguard.lazily import binascii

LOTS: Final = 2**32
"""There are so many lots, from 0 on."""

_HIGHEST: Final = LOTS - 1

_SPREAD: Final = 0x9E3779B1
"""Knuth's multiplier: it spreads checksums, which are close to each other for texts that are alike, over all lots."""

_SHORT_BITS: Final = 63
"""Numbers with more bits are written in hexadecimal, for Python refuses to write very long ones in decimal."""


def limit_of(sample: float) -> int | None:
    """The lot from which on keys are not in a sample; None where all are.

    Args:
        sample: the part of all keys, from 0 to 1.
    """
    return None if sample >= 1 else round(sample * LOTS)


def lot(key: Key) -> int:
    """The lot that a key has drawn, from 0 to `LOTS` - 1.

    Keys that differ only by type (1 and "1", a UUID and its text) draw the same. An object that stands for itself draws by
    its address, which it keeps as long as it lives.
    """
    try:
        text = key.encode() if type(key) is str else _text(key)
    except UnicodeEncodeError:  # half of a surrogate pair
        text = _text(key)
    return binascii.crc32(text) * _SPREAD & _HIGHEST


def plain_lot(key: object) -> int:
    """The lot of a text or a whole number; -1 for anything else."""
    return lot(key) if type(key) is str or type(key) is int else -1


def lot_of(text: str, *, crc: str) -> str:
    """The source of an expression for the lot of a text.

    Args:
        text: the source of an expression for that.
        crc: the name of `binascii.crc32` there.
    """
    return f"{crc}({text}.encode()) * {_SPREAD} & {_HIGHEST}"


def _text(key: object) -> bytes:
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    if isinstance(key, int):
        return b"%d" % key if key.bit_length() <= _SHORT_BITS else b"%x" % key
    if isinstance(key, bytes):
        return key
    if type(key) is ObjectKey:
        return b"%d" % key.number
    if type(key) is Tagged:
        return _tagged_text(key)
    if isinstance(key, tuple):
        return b"\0".join(map(_text, key))
    return str(key).encode("utf-8", "surrogatepass")  # a number, a date, a time


def _tagged_text(key: Tagged) -> bytes:
    tag, value = key[0], key[1]
    if tag is UUID:
        digits = f"{value:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).encode()
    if tag is ENUM or tag is DATACLASS:
        return b"\0".join((_text(value.text), *map(_text, key[2:])))  # the text of a class is the same in every run
    return _text(value)
