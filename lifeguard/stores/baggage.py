"""The header `baggage` of the W3C: one member read from it, one member written into it, and the carriers that headers come in.

Written for headers that anybody may have sent: what is too long, malformed or of an unknown sort is refused with `Refused`,
after work that is bounded by the limits of the specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, unquote

HEADER: Final = "baggage"
"""The header's name; headers have no case."""

LONGEST: Final = 8192
"""A header of more bytes is no baggage: https://www.w3.org/TR/baggage/#limits"""

MOST: Final = 180
"""So many members a header may have. Everybody has to pass 64 on; what reads has taken 180 since before that."""

_SPACE: Final = " \t"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SAFE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""What a value may contain as it is, beside letters and digits; the percent sign and the rest are encoded."""


class Refused(Exception):
    """A header that is not read or written, in a few words that hold nothing of its content."""


def read(headers: Any, name: str) -> str | None:
    """The value of one member of the baggage.

    Args:
        headers: a mapping of names to values, a sequence of pairs, whatever has `items()`, or a WSGI environment; names
            and values may be bytes, and a value a list.
        name: the member.

    Returns:
        its value, decoded; None where there is no such member.

    Raises:
        Refused: the header is not what it should be.
    """
    text = _header(headers)
    found = {value for member, value in _members(text) if member == name}
    if len(found) > 1:
        raise Refused("it has the member more than once, with different values")
    return unquote(found.pop(), errors="strict") if found else None


def write(headers: Any, name: str, value: str) -> None:
    """Put one member into the baggage; what is there already stays, but for a member of that name.

    Args:
        headers: a mapping that can be changed, a list of pairs, or an object with `items()` and item assignment; where its
            names are bytes, bytes are written.
        name: the member, made of letters, digits and dots.
        value: what it is to say.

    Raises:
        Refused: there is no room left, or this cannot be written to.
    """
    before = _header(headers)
    kept = [raw.strip(_SPACE) for raw in before.split(",") if raw.strip(_SPACE) and _name(raw) != name]
    text = ",".join([*kept, f"{name}={quote(value, safe=_SAFE)}"])
    if len(text) > LONGEST or len(kept) >= MOST:
        raise Refused("it is full")
    _put(headers, text)


def _members(text: str) -> Iterator[tuple[str, str]]:
    if text.count(",") >= MOST:
        raise Refused(f"it has more than {MOST} members")
    for raw in text.split(","):
        yield _name(raw), raw.partition(";")[0].partition("=")[2].strip(_SPACE)


def _name(raw: str) -> str:
    return raw.partition(";")[0].partition("=")[0].strip(_SPACE)


def _header(headers: Any) -> str:
    """All values of the header, as one."""
    found: list[str] = []
    size = 0
    for one in _values(headers):
        text = _ascii(one)
        size += len(text) + 1
        if size > LONGEST + 1:
            raise Refused(f"it has more than {LONGEST} bytes")
        found.append(text)
    return ",".join(found)


def _values(headers: Any) -> Iterator[str | bytes]:
    if isinstance(headers, Mapping) and "wsgi.version" in headers:
        headers = {HEADER: headers.get("HTTP_BAGGAGE", "")}
    for name, value in _pairs(headers):
        if _is_ours(name):
            for one in value if isinstance(value, list | tuple) else (value,):
                if not isinstance(one, str | bytes):
                    raise Refused("it is neither text nor bytes")
                yield one


def _pairs(headers: Any) -> Iterable[tuple[Any, Any]]:
    items: Any = getattr(headers, "items", None)
    if callable(items):
        pairs: Any = items()
    elif isinstance(headers, list | tuple):
        pairs = headers
    else:
        raise Refused("these are no headers")
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Refused("these are no headers")
        yield pair[0], pair[1]


def _is_ours(name: object) -> bool:
    if isinstance(name, bytes):
        return name.lower() == HEADER.encode()
    return isinstance(name, str) and name.lower() == HEADER


def _ascii(value: str | bytes) -> str:
    if len(value) > LONGEST:
        raise Refused(f"it has more than {LONGEST} bytes")
    try:
        text = value.decode("ascii") if isinstance(value, bytes) else value.encode("ascii").decode("ascii")
    except UnicodeError:
        raise Refused("it is not ASCII") from None
    if _CONTROL.search(text):
        raise Refused("it has control characters")
    return text


def _put(headers: Any, text: str) -> None:
    names = [name for name, _ in _pairs(headers)]
    before = [name for name in names if _is_ours(name)]
    name: Any = before[0] if before else HEADER.encode() if names and isinstance(names[0], bytes) else HEADER
    value: Any = text.encode() if isinstance(name, bytes) else text
    if isinstance(headers, list):
        headers[:] = [*(pair for pair in headers if not _is_ours(pair[0])), (name, value)]
    elif isinstance(headers, MutableMapping):
        was_list = isinstance(headers.get(name), list)
        for other in before[1:]:
            del headers[other]
        headers[name] = [value] if was_list else value
    elif hasattr(headers, "__setitem__") and hasattr(headers, "__delitem__"):
        if before:
            del headers[name]  # of a message: item assignment adds another one
        headers[name] = value
    else:
        raise Refused("these headers cannot be changed")
