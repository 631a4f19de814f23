"""Texts of foreign objects that cannot do harm: bounded, on one line, and made although a repr raises."""

from __future__ import annotations

from reprlib import Repr

_containers = Repr()
_containers.maxlevel = 3
_containers.maxlist = _containers.maxtuple = _containers.maxset = _containers.maxfrozenset = _containers.maxdict = 20
_containers.maxdeque = _containers.maxarray = 20
_containers.maxstring = _containers.maxother = 200


def shorten(text: str, limit: int) -> str:
    """Cut a text and say how much was cut; what cannot be printed on one line is escaped.

    Args:
        text: any text.
        limit: the most characters to give back; at least 20.

    Returns:
        The text, ending in `…(+N more)` where N characters were left out.
    """
    whole = len(text)
    if whole <= limit and text.isprintable():
        return text
    pieces = [char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:limit]]
    if whole <= limit and sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room = limit - len(f"…(+{whole} more)")
    kept = 0
    while kept < len(pieces) and len(pieces[kept]) <= room:
        room -= len(pieces[kept])
        kept += 1
    return f"{''.join(pieces[:kept])}…(+{whole - kept} more)"


def repr_or_failure(value: object, limit: int) -> tuple[str, bool]:
    """The bounded repr of any object, and whether its own repr failed.

    Args:
        value: any object.
        limit: the most characters to give back.

    Returns:
        The text, and True where the object's `__repr__` raised.
    """
    cls = type(value)
    try:
        if cls is str or cls is bytes:
            assert isinstance(value, str | bytes)
            if len(value) > limit:
                return _cut_literal(value, limit), False
            text = repr(value)
        elif cls is list or cls is dict or cls is set or cls is frozenset or cls is tuple:
            text = _containers.repr(value)
        else:
            text = str.__str__(repr(value))
        return shorten(text, limit), False
    except Exception as error:
        problem = type(error).__name__
    return shorten(f"<{cls.__name__} object; its repr raised {problem}>", limit), True


def _cut_literal(value: str | bytes, limit: int) -> str:
    """The repr of the beginning of a long string; the whole repr is never made."""
    room = limit - len(f"…(+{len(value)} more)")
    kept = value[:room]
    text = repr(kept)
    while len(text) > room:
        kept = kept[: len(kept) - max((len(text) - room) // 10, 1)]
        text = repr(kept)
    return f"{text}…(+{len(value) - len(kept)} more)"


def repr_safely(value: object, limit: int = 120) -> str:
    """The repr of any object for a message: never raises, never longer than `limit`, always on one line.

    Args:
        value: any object.
        limit: the most characters to give back.

    Returns:
        The text; where the repr raised, one that says so.
    """
    return repr_or_failure(value, limit)[0]


def problem_text(error: BaseException, limit: int = 200) -> str:
    """An exception as one line, such as `KeyError: 'id'`; made although its own text raises.

    Args:
        error: any exception.
        limit: the most characters to give back.

    Returns:
        Its type and the first line of its text; the type alone where it has no text.
    """
    name = type(error).__name__
    try:
        text = str.__str__(str(error))
    except Exception as problem:
        text = f"(its text raised {type(problem).__name__})"
    first, *more = text.strip().splitlines() or [""]
    if more:
        first = f"{shorten(first, limit)} …(+{len(more)} line{'s' if len(more) > 1 else ''})"
    return shorten(f"{name}: {first}" if first else name, limit)
