"""The errors that lifeguard raises on purpose, and its warning category."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifeguard.places import user_place

if TYPE_CHECKING:
    from lifeguard.verdict import Verdict, Violation


def _placed(message: str) -> str:
    place = user_place()
    return message if place is None else f"{message}\n  at {place}"


class DeclarationError(TypeError):
    """A contract was written wrongly. Raised where it is written, mostly when the decorator runs.

    The message names the value, what was expected, and the file and line of the declaration.
    """

    @classmethod
    def at_caller(cls, message: str) -> DeclarationError:
        """Make the error with the user's file and line added to the message."""
        return cls(_placed(message))


class UsageError(RuntimeError):
    """A scope was used wrongly (closed out of order, used twice, …). Nothing that was recorded is damaged by it."""

    @classmethod
    def at_caller(cls, message: str) -> UsageError:
        """Make the error with the user's file and line added to the message."""
        return cls(_placed(message))


def misused(problem: str, error: BaseException | None) -> None:
    """A scope was used wrongly while an exception may be on its way: one that must not be replaced gets a note.

    Args:
        problem: what was wrong.
        error: the exception that is on its way, or None.

    Raises:
        UsageError: in all other cases.
    """
    usage = UsageError.at_caller(problem)
    if error is None or isinstance(error, Exception):
        raise usage from error
    error.add_note(str(usage))


class LifeguardWarning(UserWarning):
    """Something was found that does not raise: `on_violation="warn"`, an allowance that matched nothing, …"""


class ViolationError(AssertionError):
    """A scope did not balance.

    It is an AssertionError so that every test runner counts it as a failure, and it pickles, so that it crosses
    the process border of a parallel test run.

    Attributes:
        violations: the broken rules, in the order in which they came about.
        scope: the name of the scope.
        verdict: everything that the scope has to say.
    """

    def __init__(self, message: str, verdict: Verdict) -> None:
        super().__init__(message, verdict)
        self.verdict = verdict

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The broken rules, in the order in which they came about."""
        return self.verdict.violations

    @property
    def scope(self) -> str:
        """The name of the scope that did not balance."""
        return self.verdict.scope

    def as_dict(self) -> dict[str, object]:
        """The verdict as JSON-ready data (see `Verdict.as_dict`)."""
        return self.verdict.as_dict()
