"""What happens when a scope has been judged: raise, warn, log, record, or call the user's function."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from lifeguard.context import Event
from lifeguard.data import record, replace
from lifeguard.errors import DeclarationError, LifeguardWarning, ViolationError
from lifeguard.keys import problem_text, repr_safely
from lifeguard.ledger.records import Call, Finding
from lifeguard.places import Place, user_place
from lifeguard.text import render, render_violation
from lifeguard.verdict import Verdict, Violation

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

Policy = Literal["raise", "warn", "log", "record"] | Callable[[Verdict], object]

SWALLOWED = "\n\nraised by an inner scope, and swallowed:\n"
"""What stands, in the text of an error, before each report that was swallowed."""

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
    """What a scope does with what it found: its own setting, but for what LIFEGUARD=warn and LIFEGUARD=raise change.

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


@record
class Told:
    """What is kept of a ViolationError that was raised: not the error itself, whose frames hold the user's objects."""

    error: weakref.ref[ViolationError]
    text: str
    verdict: Verdict

    @classmethod
    def of(cls, error: ViolationError) -> Told:
        """What to keep of an error."""
        return cls(weakref.ref(error), str(error), error.verdict)

    def is_among(self, errors: list[BaseException]) -> bool:
        """Whether the error is one of these."""
        error = self.error()
        return error is not None and any(error is one for one in errors)


def tell_safely(callback: Callable[[Any], object], what: object, name: str) -> str | None:
    """Call one of the user's callbacks; what it raised, as a text."""
    try:
        callback(what)
    except Exception as error:
        return f"{name} failed: {problem_text(error)}"
    return None


def enforce(
    verdict: Verdict,
    error: BaseException | None,
    policy: Policy,
    *,
    swallowed: tuple[Told, ...] = (),
    said: tuple[Told, ...] = (),
    tell_outer: Callable[[Told], object] | None = None,
    troubles: tuple[str, ...] = (),
) -> None:
    """Do what the policy says.

    Args:
        verdict: what was found.
        error: the exception that left the scope, if one did. It is never lost.
        policy: what to do.
        swallowed: what inner scopes raised: what of it is not on its way with `error` is raised again.
        said: what was raised at the call already (`fail_fast`).
        tell_outer: told of what is raised here or passes by, so that an enclosing scope can see that it was swallowed.
        troubles: which of the user's callbacks failed; warned.

    Raises:
        ViolationError: with the policy "raise", if something was found or swallowed.
    """
    __tracebackhide__ = True
    on_its_way = _chain(error)
    lost = tuple(one for one in swallowed if not one.is_among(on_its_way))
    for one in swallowed:
        if tell_outer is not None and (one not in lost or callable(policy) or policy == "record"):
            tell_outer(one)
    refused = [trouble for text in troubles if (trouble := _warn(text, None)) is not None]
    if callable(policy) or policy in ("record", "log"):
        _pass_on(refused, error)
        if policy == "log":
            for judged in (verdict, *(one.verdict for one in lost)):
                _log(judged)
        elif callable(policy) and (verdict.violations or verdict.warnings):
            _call(policy, verdict, error)
        return
    refused += _warn_all(verdict.warnings)
    if policy == "warn":
        refused += _warn_all((*verdict.violations, *(found for one in lost for found in one.verdict.violations)))
        _pass_on(refused, error)
        return
    if not verdict.violations and not lost:
        _pass_on(refused, error)
        return
    on_the_way = [one for one in said if one.is_among(on_its_way[:1])]
    if on_the_way and len(verdict.violations) <= len(said) and not lost:
        _pass_on(refused, error)
        if tell_outer is not None:
            tell_outer(on_the_way[0])
        return  # it was raised at the call
    _raise(verdict, error, lost, refused, tell_outer)


def _raise(
    verdict: Verdict,
    error: BaseException | None,
    lost: tuple[Told, ...],
    refused: list[Warning],
    tell_outer: Callable[[Told], object] | None,
) -> None:
    __tracebackhide__ = True
    text = render(verdict) if verdict.violations else f"scope {verdict.scope!r} balanced, but:"
    for one in lost:
        text += f"{SWALLOWED}{one.text}"
    again = tuple(found for one in lost for found in one.verdict.violations)
    merged = replace(verdict, violations=verdict.violations + again) if lost else verdict
    if error is not None and not isinstance(error, Exception):
        error.add_note(text)
        _warn_all(merged.violations)
        return
    violation_error = ViolationError(text, merged)
    if tell_outer is not None:
        tell_outer(Told.of(violation_error))
    _pass_on(refused, violation_error)
    raise violation_error from error


def _call(policy: Callable[[Verdict], object], verdict: Verdict, error: BaseException | None) -> None:
    try:
        policy(verdict)
    except Exception as failure:
        if error is None:
            raise
        if not isinstance(error, Exception):
            error.add_note(f"on_violation raised {problem_text(failure)}")
            return
        raise failure from (failure.__cause__ or error)


def _chain(error: BaseException | None) -> list[BaseException]:
    """An exception with its causes, contexts, and the members of groups; the exception itself first."""
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


def _pass_on(refused: list[Warning], error: BaseException | None) -> None:
    """Warnings that a filter turned into errors become notes of the exception on its way; without one, the first is
    raised.
    """
    __tracebackhide__ = True
    first, rest = (refused[0], refused[1:]) if refused and error is None else (error, refused)
    if first is None:
        return
    for warning in rest:
        first.add_note(str(warning))
    if first is not error:
        raise first


def _warn_all(violations: Iterable[Violation]) -> list[Warning]:
    """Warn of each, at the line to point at; returns the warnings that a filter turned into errors."""
    told = [_warn(str(one), one.acquired or one.place) for one in violations]
    return [warning for warning in told if warning is not None]


def _warn(text: str, place: Place | None) -> Warning | None:
    place = place if place is not None and place.line else user_place()
    try:
        if place is None:
            warnings.warn(text, LifeguardWarning, stacklevel=2)
        else:
            warnings.warn_explicit(text, LifeguardWarning, place.file, place.line)
    except Warning as warning:
        return warning
    return None


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
        self.said: tuple[Told, ...] = ()

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
            self.said = (*self.said, Told.of(error))
            raise error
