"""Conditions: `when=`, evaluated for one call."""

from __future__ import annotations

from typing import cast, final

from lifeguard.keys import grammar
from lifeguard.keys.grammar import Part
from lifeguard.keys.reading import LATE, Arguments, Begun, Missing, Problem, Reading, Unfit
from lifeguard.keys.reprs import problem_text


@final
class Condition(Reading):
    """A condition that can be evaluated for a call. Made by `parse_condition`."""

    __slots__ = ("_evaluate",)

    def __init__(self, form: object, what: str, test: grammar.Test) -> None:
        super().__init__(form, what, test.paths)
        self._evaluate = test.evaluate

    def begin(self, arguments: Arguments) -> Begun:
        """Read what is made of arguments: the whole condition, where it is made of them alone. Never raises.

        Args:
            arguments: the call's arguments by parameter name.

        Returns:
            What `now` and `finish` need.
        """
        if not self.late:
            return self._outcome(lambda index: _walk(self.parts[index], arguments, None))
        return tuple([LATE if part.late else _walk_later(part, arguments) for part in self.parts])

    def now(self, begun: Begun) -> bool | None:
        """The outcome, where it is known before the call.

        Args:
            begun: what `begin` gave.

        Returns:
            The outcome; None where a part is read at the end.

        Raises:
            Unreadable: it could not be evaluated.
        """
        return None if self.late else _told(begun)

    def finish(self, begun: Begun, arguments: Arguments, result: object) -> bool:
        """Read the rest, and evaluate.

        Args:
            begun: what `begin` gave.
            arguments: the same objects as there.
            result: the return value.

        Returns:
            The outcome; False where an attribute or item does not exist.

        Raises:
            Unreadable: it could not be evaluated.
        """
        if not self.late:
            return _told(begun)
        values = cast(tuple[object, ...], begun)

        def look_up(index: int) -> object:
            value = values[index]
            if value is LATE:
                return _walk(self.parts[index], arguments, result)
            if value is Missing:
                raise Missing
            if type(value) is Problem:
                raise Unfit(value.text)
            return value

        return _told(self._outcome(look_up))

    def _outcome(self, look_up: grammar.Lookup) -> bool | Problem:
        try:
            return bool(self._evaluate(look_up))
        except Missing:
            return False
        except Unfit as error:
            text = str(error)
        except Exception as error:
            text = problem_text(error)
        return Problem(self.source, text)


def _told(outcome: object) -> bool:
    if type(outcome) is Problem:
        raise outcome.told()
    return outcome is True


def _walk(part: Part, arguments: Arguments, result: object) -> object:
    """Read a path of a condition; raises Missing where it leads nowhere."""
    try:
        return part.read(arguments, result)
    except (AttributeError, LookupError):
        pass
    except TypeError:
        if part.code is None or "[" not in part.code:  # not the subscript of something that has no items
            raise
    raise Missing


def _walk_later(part: Part, arguments: Arguments) -> object:
    """Read a path now; what went wrong is told when the path is asked for."""
    try:
        return _walk(part, arguments, None)
    except Missing:
        return Missing
    except Exception as error:
        text = problem_text(error)
    return Problem(part.source, text)


def parse_condition(form: object, *, what: str = "when") -> Condition:
    """Read what was written as a condition.

    Args:
        form: text, a callable with named parameters, or `after(…)` around one.
        what: the name of the contract's argument, for messages.

    Returns:
        The condition.

    Raises:
        DeclarationError: it is none of these, or not in the grammar.
    """
    return Condition(form, what, grammar.split_condition(form, what))
