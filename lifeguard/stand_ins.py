"""Contracts named in a configuration or on a command line: found, checked, and ready to be applied."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Protocol

from lifeguard.binding import Applied
from lifeguard.enforcement import switch
from lifeguard.keys import problem_text, repr_safely
from lifeguard.weaving import inner_of, reached


class StandIn(Protocol):
    """What can be applied and taken off again."""

    def start(self) -> object:
        """Apply."""

    def stop(self) -> object:
        """Take off again."""


def find(name: str) -> list[StandIn]:
    """The contracts behind `module:name` or `module`.

    Args:
        name: the name; of a module, everything in it that `contracts_for` made.

    Returns:
        what to apply; empty where the contracts stand on the code itself, so that to import them was all.

    Raises:
        LookupError: it cannot be imported, or there is no contract in it. The text says so in one sentence.
    """
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise LookupError(f"{name!r} cannot be imported: {problem_text(error)}") from error
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise LookupError(f"{name!r} cannot be found: {module_name} has no {part!r}{hint}")
        found = getattr(found, part)
    return among(found, repr(name)) if path else in_module(found, repr(name))


def in_module(module: ModuleType, what: str) -> list[StandIn]:
    """The contracts of a module: its stand-ins, or none where its own code carries contracts.

    Args:
        module: the module.
        what: how an error calls it.

    Raises:
        LookupError: there is no contract in it.
    """
    bound = [one for one in vars(module).values() if _is_bound(one)]
    return among(list({id(one): one for one in bound}.values()) or module, what)


def among(found: Any, what: str) -> list[StandIn]:
    """The contracts that something is, or has: a stand-in, a list of them, or code that carries contracts itself.

    Args:
        found: the thing.
        what: how an error calls it.

    Raises:
        LookupError: there is no contract in it.
    """
    if _is_bound(found) or isinstance(found, Applied):
        return [found]
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | type):
        members = list(found)
        if members:
            return [one for member in members for one in among(member, what)]
    if _carries_contracts(found) or switch() == "off":
        return []
    raise LookupError(
        f"there is no contract in {what}: it takes a stand-in made with contracts_for(…), a list of them, "
        "or a class, function or module whose functions are decorated with acquires, releases, …"
    )


def bound_to(stand_in: object) -> ModuleType | None:
    """The module whose code a stand-in is about; None where that is not known."""
    applied = stand_in._bound if isinstance(stand_in, Applied) else getattr(stand_in, "__lifeguard_bound__", None)
    target = getattr(applied, "target", None)
    return sys.modules.get(target.__module__) if isinstance(target, type) else target


def _is_bound(value: object) -> bool:
    return isinstance(value, type) and "__lifeguard_bound__" in vars(value)


def _carries_contracts(found: Any) -> bool:
    """Whether contracts stand on the thing itself, or on what is defined in it."""
    members = [found, *_members(found)]
    members += [method for one in members if isinstance(one, type) for method in _members(one)]
    return any(_is_bound(one) or next(reached(inner_of(one)), None) is not None for one in members)


def _members(found: Any) -> list[Any]:
    return list(vars(found).values()) if hasattr(found, "__dict__") else []


def named(value: object) -> list[StandIn]:
    """The contracts behind a name, or behind the thing itself.

    Raises:
        LookupError: there are none.
    """
    return find(value) if isinstance(value, str) else among(value, repr_safely(value))
