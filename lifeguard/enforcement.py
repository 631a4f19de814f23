"""What happens when a scope has been judged: raise, warn, log, record, or call the user's function."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lifeguard.context import Event
from lifeguard.errors import DeclarationError, LifeguardWarning, ViolationError
from lifeguard.keys import repr_safely
from lifeguard.ledger.records import Call, Finding
from lifeguard.text import render, render_violation
from lifeguard.verdict import Verdict, Violation

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

Policy = Literal["raise", "warn", "log", "record"] | Callable[[Verdict], object]

_POLICIES = ("raise", "warn", "log", "record")
_SWITCHES = ("off", "warn", "raise")


def switch() -> str | None:
    """What the environment variable LIFEGUARD says: "off", "warn", "raise" or None.

    Raises:
        DeclarationError: it says something else.
    """
    value = os.environ.get("LIFEGUARD", "").strip().lower()
    if value and value not in _SWITCHES:
        raise DeclarationError.at_caller(f"the environment variable LIFEGUARD takes off, warn or raise, not {value!r}")
    return value or None


def read_policy(value: Policy) -> Policy:
    """What a scope does with what it found: its own setting, which LIFEGUARD=warn and LIFEGUARD=raise change between
    raising and warning.

    Raises:
        DeclarationError: a value of the wrong sort.
    """
    if not callable(value) and value not in _POLICIES:
        raise DeclarationError.at_caller(
            f"scope(on_violation=…) takes one of {', '.join(map(repr, _POLICIES))} or a function, not {repr_safely(value)}"
        )
    switched = switch()
    if switched == "warn" and value == "raise":
        return "warn"
    if switched == "raise" and value in ("warn", "log"):
        return "raise"
    return value


def enforce(
    verdict: Verdict,
    error: BaseException | None,
    policy: Policy,
    *,
    swallowed: tuple[ViolationError, ...] = (),
    said: tuple[ViolationError, ...] = (),
    tell_outer: Callable[[ViolationError], object] | None = None,
) -> None:
    """Do what the policy says.

    Args:
        verdict: what was found.
        error: the exception that left the scope, if one did. It is never lost.
        policy: what to do.
        swallowed: what inner scopes raised: what of it is not on its way with `error` is raised again.
        said: what was raised at the call already (`fail_fast`).
        tell_outer: told of what is raised here, so that an enclosing scope can see that it was swallowed.

    Raises:
        ViolationError: with the policy "raise", if something was found or swallowed.
    """
    __tracebackhide__ = True
    if callable(policy):
        policy(verdict)
        return
    if policy == "record":
        return
    if policy == "log":
        _log(verdict)
        return
    with _never_replacing(error):
        for warning in verdict.warnings:
            _warn(warning)
    if policy == "warn":
        with _never_replacing(error):
            for violation in verdict.violations:
                _warn(violation)
        return
    on_its_way = _chain(error)
    lost = tuple(one for one in swallowed if not any(one is other for other in on_its_way))
    if not verdict.violations and not lost:
        return
    if said and any(one is error for one in said) and len(verdict.violations) <= len(said) and not lost:
        return  # it was raised at the call, and is on its way
    text = render(verdict) if verdict.violations or not lost else f"scope {verdict.scope!r} balanced, but:"
    for one in lost:
        text += f"\n\nraised by an inner scope, and swallowed:\n{one}"
    merged = verdict
    if lost:
        from dataclasses import replace

        merged = replace(
            verdict, violations=verdict.violations + tuple(found for one in lost for found in one.violations)
        )
    violation_error = ViolationError(text, merged)
    if error is not None and not isinstance(error, Exception):
        error.add_note(text)
        with _never_replacing(error):
            for violation in merged.violations:
                _warn(violation)
        return
    if tell_outer is not None:
        tell_outer(violation_error)
    raise violation_error from (error if error is not None else lost[0] if lost else None)


def _chain(error: BaseException | None) -> list[BaseException]:
    """An exception with its causes, contexts, and the members of groups."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        one = todo.pop()
        if one is None or any(one is other for other in found):
            continue
        found.append(one)
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
    return found


@contextlib.contextmanager
def _never_replacing(error: BaseException | None):  # type: ignore[no-untyped-def]
    """While an exception is on its way, a warning that was turned into an error becomes a note of it."""
    if error is None:
        yield
        return
    try:
        yield
    except Warning as warning:
        error.add_note(str(warning))


def _warn(violation: Violation) -> None:
    place = violation.acquired or violation.place
    text = str(violation)
    if place is None or not place.line:
        warnings.warn(text, LifeguardWarning, stacklevel=6)
    else:
        warnings.warn_explicit(text, LifeguardWarning, place.file, place.line)


def _log(verdict: Verdict) -> None:
    import logging

    logger = logging.getLogger("lifeguard")
    for violation in (*verdict.violations, *verdict.warnings):
        level = logging.ERROR if violation.severity == "error" else logging.WARNING
        if not logger.isEnabledFor(level):
            continue
        place = violation.acquired or violation.place
        record = logger.makeRecord(
            logger.name,
            level,
            place.file if place else "(unknown file)",
            place.line if place else 0,
            "%s",
            (render_violation(violation),),
            None,
            place.function if place else None,
            {"lifeguard": violation.as_dict()},
        )
        logger.handle(record)


class FailFast:
    """The observer behind `scope(fail_fast=True)`: raises at the call that broke a rule."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.said: tuple[ViolationError, ...] = ()

    def began(self, call: Call) -> None:
        """Nothing to do."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do."""

    def event(self, event: Event) -> None:
        """Raise if this call broke a rule in the observed scope.

        Raises:
            ViolationError: it did.
        """
        __tracebackhide__ = True
        found: list[Finding] = [one for one in event.findings if one.book is self._scope.book]
        verdict = self._scope.interim(found)
        if verdict.violations:
            error = ViolationError(render(verdict), verdict)
            self.said = (*self.said, error)
            raise error
