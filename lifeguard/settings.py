"""What a user can set on a scope, checked when it is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from lifeguard.context import Observer
from lifeguard.contracts import expect_flag, expect_kinds
from lifeguard.data import record
from lifeguard.enforcement import Policy, read_policy
from lifeguard.errors import DeclarationError
from lifeguard.extensions import installed, load, missing
from lifeguard.keys import repr_safely
from lifeguard.kinds import Grace, Kind, Resource, Rollback
from lifeguard.verdict import Outstanding

Reach = Literal["context", "process"]

CONDITIONS: Final = ("icontract", "deal", "typeguard")
"""The libraries whose conditions a scope can report."""


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
    sample: float
    on_leak: Callable[[Outstanding], object] | None
    observers: tuple[Observer, ...]
    journal: str | None
    ledger: Any  # a `lifeguard.stores.Ledger`; None for the memory of the process
    conditions: tuple[str, ...]
    check_types: bool

    def looking_on(self) -> tuple[Observer, ...]:
        """The observers that a scope with these settings starts with."""
        own: list[Observer] = []
        if self.ledger is not None:
            own.append(load("sharing")(self.ledger, self.reach))
        if self.journal is not None:
            own.append(load("journal")(self.journal))
        if self.conditions:
            own.append(load("conditions")(self.conditions))
        if self.check_types:
            own.append(load("check_types")())
        return (*self.observers, *own)


def read_settings(
    *,
    reach: Reach,
    on_violation: Policy,
    fail_fast: bool,
    grace: Grace | None,
    remember: int | None,
    only: Iterable[Kind] | None,
    ignore: Iterable[Kind],
    sample: float,
    on_leak: Callable[[Outstanding], object] | None,
    observers: Iterable[Observer],
    journal: str | os.PathLike[str] | None,
    ledger: object,
    conditions: str | Iterable[str],
    check_types: bool,
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
        sample=_sample(sample),
        on_leak=on_leak,
        observers=_observers(observers),
        journal=_journal(journal),
        ledger=_ledger(ledger, fail_fast=fail_fast, journal=journal, sample=sample),
        conditions=_conditions(conditions),
        check_types=_check_types(check_types),
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


def _sample(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise DeclarationError.at_caller(
            f"scope(sample=…) takes a number from 0 to 1 (0.01 for a hundredth of all keys), not {repr_safely(value)}"
        )
    return float(value)


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


def _ledger(value: object, *, fail_fast: bool, journal: object, sample: float) -> Any:
    if value == "memory":
        return None
    ledger = load("ledger")(value)
    if ledger is None:
        return None
    if journal is not None:
        raise DeclarationError.at_caller(
            "scope(journal=…) and a shared ledger: the ledger is a journal of all processes"
        )
    if sample != 1:
        raise DeclarationError.at_caller(
            "scope(sample=…) and a shared ledger: what was left out would have to be known to all processes"
        )
    if fail_fast and ledger.writing != "through":
        raise DeclarationError.at_caller(
            "scope(fail_fast=True) needs a ledger that is written through: in the background nothing is known at the call"
        )
    return ledger


def _conditions(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    for name in names:
        if name not in CONDITIONS:
            raise DeclarationError.at_caller(
                f"scope(conditions=…) takes some of {', '.join(map(repr, CONDITIONS))}, not {repr_safely(name)}"
            )
        if not installed(name):
            raise missing(name, name, f"scope(conditions={name!r})")
    return tuple(dict.fromkeys(names))


def _check_types(value: Any) -> bool:
    if expect_flag(value, "scope(check_types=…)") and not installed("typeguard"):
        raise missing("typeguard", "typeguard", "scope(check_types=True)")
    return bool(value)


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
