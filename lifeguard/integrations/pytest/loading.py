"""Contracts named in the configuration: found, checked, and applied."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any, Protocol

import pytest

from lifeguard.binding import Applied
from lifeguard.enforcement import switch
from lifeguard.keys import problem_text, repr_safely
from lifeguard.weaving import inner_of, reached


class Contracts(Protocol):
    """What can be applied and taken off again."""

    def start(self) -> object:
        """Apply."""

    def stop(self) -> object:
        """Take off again."""


def load(name: object, where: str) -> list[Contracts]:
    """The contracts behind `module:name` or `module`.

    Args:
        name: the name, as the configuration gives it, or the stand-in itself.
        where: where it stands, for errors.

    Returns:
        what to apply; empty where the contracts stand on the code itself, so that to import them was all.

    Raises:
        pytest.UsageError: it cannot be imported, or there is no contract in it.
    """
    if not isinstance(name, str):
        return _contracts_in(name, repr_safely(name), where)
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise pytest.UsageError(f"{where}: {name!r} cannot be imported: {problem_text(error)}") from error
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise pytest.UsageError(f"{where}: {name!r} cannot be found: {module_name} has no {part!r}{hint}")
        found = getattr(found, part)
    if not path:
        bound = [one for one in vars(found).values() if _is_bound(one)]
        found = list({id(one): one for one in bound}.values()) or found
    return _contracts_in(found, repr(name), where)


def _is_bound(value: object) -> bool:
    return isinstance(value, type) and "__lifeguard_bound__" in vars(value)


def _contracts_in(found: Any, what: str, where: str) -> list[Contracts]:
    if _is_bound(found) or isinstance(found, Applied):
        return [found]
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | type):
        members = list(found)
        if members:
            return [one for member in members for one in _contracts_in(member, what, where)]
    if _carries_contracts(found) or switch() == "off":
        return []
    raise pytest.UsageError(
        f"{where}: there is no contract in {what}: it takes a stand-in made with contracts_for(…), a list of them, "
        "or a class, function or module whose functions are decorated with acquires, releases, …"
    )


def _carries_contracts(found: Any) -> bool:
    """Whether contracts stand on the thing itself, or on what is defined in it."""
    members = [found, *_members(found)]
    members += [method for one in members if isinstance(one, type) for method in _members(one)]
    return any(_is_bound(one) or next(reached(inner_of(one)), None) is not None for one in members)


def _members(found: Any) -> list[Any]:
    return list(vars(found).values()) if hasattr(found, "__dict__") else []
