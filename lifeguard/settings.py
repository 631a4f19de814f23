"""What a user can set on a scope, checked when it is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal

from lifeguard.context import Observer
from lifeguard.contracts import expect_kinds
from lifeguard.data import record
from lifeguard.enforcement import Policy, read_policy
from lifeguard.errors import DeclarationError
from lifeguard.extensions import load
from lifeguard.keys import repr_safely
from lifeguard.kinds import Grace, Kind, Resource, Rollback
from lifeguard.verdict import Outstanding

Reach = Literal["context", "process"]


@record(kw_only=True)
class Settings:
    """The settings of a scope; those of a decorating scope make a fresh scope for every call."""

    reach: Reach
    on_violation: Policy
    fail_fast: bool
    grace: Grace | None
    remember: int | None
    only: tuple[Kind, ...] | None
    ignore: tuple[Kind, ...]
    on_leak: Callable[[Outstanding], object] | None
    observers: tuple[Observer, ...]
    journal: str | None

    def looking_on(self) -> tuple[Observer, ...]:
        """The observers that a scope with these settings starts with."""
        if self.journal is None:
            return self.observers
        return (*self.observers, load("journal")(self.journal))


def read_settings(
    *,
    reach: Reach,
    on_violation: Policy,
    fail_fast: bool,
    grace: Grace | None,
    remember: int | None,
    only: Iterable[Kind] | None,
    ignore: Iterable[Kind],
    on_leak: Callable[[Outstanding], object] | None,
    observers: Iterable[Observer],
    journal: str | os.PathLike[str] | None,
) -> Settings:
    """The settings of a scope, checked. The parameters are those of `lifeguard.scope`.

    Raises:
        DeclarationError: a value of the wrong sort.
    """
    if reach not in ("context", "process"):
        raise DeclarationError.at_caller(f"scope(reach=…) takes 'context' or 'process', not {repr_safely(reach)}")
    if remember is not None and (isinstance(remember, bool) or not isinstance(remember, int) or remember < 0):
        raise DeclarationError.at_caller(
            f"scope(remember=…) takes None or a whole number from 0, not {repr_safely(remember)}"
        )
    if grace is not None and not isinstance(grace, Grace):
        raise DeclarationError.at_caller(f"scope(grace=…) takes Grace(attempts=…, step=…), not {repr_safely(grace)}")
    if on_leak is not None and not callable(on_leak):
        raise DeclarationError.at_caller(f"scope(on_leak=…) takes a function, not {repr_safely(on_leak)}")
    return Settings(
        reach=reach,
        on_violation=read_policy(on_violation),
        fail_fast=fail_fast,
        grace=grace,
        remember=remember,
        only=_kinds(only, "only") if only is not None else None,
        ignore=_kinds(ignore, "ignore"),
        on_leak=on_leak,
        observers=_observers(observers),
        journal=_journal(journal),
    )


def _kinds(value: Iterable[Kind], what: str) -> tuple[Kind, ...]:
    if isinstance(value, Resource | Rollback):
        raise DeclarationError.at_caller(f"scope({what}=…) takes a list of kinds, not {value!r}: write [{value!r}]")
    try:
        return expect_kinds(tuple(value), f"scope({what}=…)")
    except TypeError as error:
        if isinstance(error, DeclarationError):
            raise
        raise DeclarationError.at_caller(f"scope({what}=…) takes a list of kinds, not {repr_safely(value)}") from None


def _journal(value: Any) -> str | None:
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or not path:
        raise DeclarationError.at_caller(f"scope(journal=…) takes the path of a file, not {repr_safely(value)}")
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.path.isdir(folder):
        problem = "which is a folder" if os.path.isdir(path) else f"and there is no folder {folder}"
        raise DeclarationError.at_caller(f"scope(journal=…) takes the path of a file, not {path!r}, {problem}")
    return os.path.abspath(path)


def _observers(value: Any) -> tuple[Observer, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise DeclarationError.at_caller(f"scope(observers=…) takes a list of observers, not {repr_safely(value)}")
    observers = tuple(value)
    for one in observers:
        if isinstance(one, type):
            raise DeclarationError.at_caller(
                f"scope(observers=…) takes objects with began, event and closed, not the class {one.__qualname__}"
            )
        for method in ("began", "event", "closed"):
            if not callable(getattr(one, method, None)):
                raise DeclarationError.at_caller(
                    f"scope(observers=…) takes objects with began, event and closed; {repr_safely(one)} has no {method}()"
                )
    return observers
