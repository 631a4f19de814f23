"""The exceptions that are injected: of the declared types, so that `except` clauses work, and recognisable."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_MARK: Final = "__lifeguard_fault__"
"""The attribute by which an injected exception is known; its value is the text of the fault."""

PREFIX: Final = "injected by lifeguard: "

Make = Callable[[], BaseException]


class InjectedFault(Exception):
    """What a call raises that was made to fail and declares no exception of its own."""


def mark(error: BaseException, what: str) -> BaseException:
    """Make an exception recognisable as injected.

    Args:
        error: the exception.
        what: which fault it is.

    Returns:
        the exception.
    """
    try:
        setattr(error, _MARK, what)
    except (AttributeError, TypeError):  # a class that forbids it: its text tells
        error.args = (*error.args, f"{PREFIX}{what}")
    return error


def make(kind: type[BaseException], what: str, makers: Mapping[type[BaseException], Make]) -> BaseException:
    """An exception of a declared type.

    Args:
        kind: the type.
        what: which fault it is; its text says so.
        makers: functions for types that cannot be made with a text alone.

    Returns:
        the exception, marked.
    """
    maker = makers.get(kind)
    if maker is not None:
        return mark(maker(), what)
    text = f"{PREFIX}{what}"
    try:
        error = kind(text)
    except Exception:  # its constructor wants something else
        error = kind.__new__(kind)
        error.args = (text,)
    return mark(error, what)


def again(error: BaseException, what: str) -> BaseException:
    """A user's exception, to be raised once more: a copy of it, where it can be copied, without its past."""
    try:
        fresh: Any = copy.copy(error)
    except Exception:
        return error
    if type(fresh) is not type(error):
        return error
    fresh.__traceback__ = fresh.__context__ = fresh.__cause__ = None
    return mark(fresh, what)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, its causes and contexts, and the members of groups; each once."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions


def is_cancellation(error: BaseException) -> bool:
    """Whether it is what a cancelled task raises, of asyncio or of trio."""
    return type(error).__name__ in ("CancelledError", "Cancelled") and not isinstance(error, Exception)


def was_injected(error: BaseException | None) -> bool:
    """Whether an exception was injected by a fault plan, itself or anything in its chain.

    Args:
        error: an exception, or None.

    Returns:
        True where it, one of its causes or contexts, or a member of a group was injected.
    """
    for one in chain(error):
        if isinstance(one, InjectedFault) or getattr(one, _MARK, None) is not None:
            return True
        if any(isinstance(text, str) and text.startswith(PREFIX) for text in one.args):
            return True
    return False
