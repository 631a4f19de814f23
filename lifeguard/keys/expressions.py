"""Keys, amounts and patterns that can be read at the two moments of a call (see `reading`)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import product
from typing import Any, TypeAlias, cast, final

from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.keys import grammar
from lifeguard.keys.grammar import Part, source_of
from lifeguard.keys.identity import Key, ObjectKey, Tagged, identify
from lifeguard.keys.reading import (
    LATE,
    Arguments,
    Begun,
    Problem,
    Reading,
    Unfit,
    Unreadable,
    begin_parts,
    completed,
    converted,
    take,
)
from lifeguard.keys.reprs import problem_text, repr_safely
from lifeguard.keys.showing import show


def _to_key(part: Part, value: object) -> object:
    return [identify(item) for item in _items(value)] if part.many else identify(value)


def _items(value: object) -> Iterable[object]:
    cls = type(value)
    if issubclass(cls, list | tuple | set | frozenset | dict):
        return list(cast(Iterable[object], value))
    if issubclass(cls, str | bytes | bytearray | memoryview) or not issubclass(cls, Mapping | AbstractSet | Sequence):
        raise Unfit(
            f"each(…) expects a list, tuple, set or mapping, got {repr_safely(value, 60)} ({cls.__name__}); "
            "an iterator is never consumed"
        )
    return list(cast(Iterable[object], value))


@final
class KeyExpression(Reading):
    """A key that can be read from a call. Made by `parse_key`."""

    __slots__ = ("_single", "composite")

    def __init__(self, form: object, what: str, parts: Sequence[Part], *, composite: bool) -> None:
        super().__init__(form, what, parts)
        self.composite = composite
        self._single = parts[0] if not composite and not self.many else None

    def begin(self, arguments: Arguments) -> Begun:
        """Read what is made of arguments. Never raises.

        Args:
            arguments: the call's arguments by parameter name.

        Returns:
            What `now` and `finish` need.
        """
        if self._single is None:
            return begin_parts(self.parts, arguments, _to_key)
        return LATE if self.late else take(self._single, arguments, None, _to_key)

    def begun(self, value: object) -> Begun:
        """What `begin` gives, where the value of the one part was read already.

        Args:
            value: the raw value, or a `Problem`.
        """
        return value if type(value) is Problem else converted(self.parts[0], value, _to_key)

    def ended(self, arguments: Arguments, result: object) -> Begun:
        """What `begin` would have given of the one part, had it been read at the end. Never raises."""
        return take(self.parts[0], arguments, result, _to_key)

    def unread(self, error: Exception) -> Problem:
        """What stands for the one part, where reading it raised."""
        return Problem(self.parts[0].source, problem_text(error))

    def now(self, begun: Begun) -> tuple[Key, ...] | None:
        """The keys, where they are known before the call.

        Args:
            begun: what `begin` gave.

        Returns:
            The keys; None where a part is read at the end.

        Raises:
            Unreadable: a part could not be read.
        """
        return None if self.late else self.finish(begun, {}, None)

    def finish(self, begun: Begun, arguments: Arguments, result: object) -> tuple[Key, ...]:
        """Read the rest, and give the keys.

        Args:
            begun: what `begin` gave.
            arguments: the same objects as there.
            result: the return value.

        Returns:
            One key, or with `each` any number of them.

        Raises:
            Unreadable: a part could not be read.
        """
        if self._single is not None:
            value: Any = take(self._single, arguments, result, _to_key) if begun is LATE else begun
            if type(value) is str:
                return (value,)
            if type(value) is Problem:
                raise value.told()
            values = [value]
        else:
            values = completed(self.parts, begun, arguments, result, _to_key)
        for value in values:
            if type(value) is ObjectKey:
                value.try_again()
        return self._combined(values)

    def _combined(self, values: list[Any]) -> tuple[Key, ...]:
        if not self.composite:
            return tuple(values[0]) if self.many else (values[0],)
        if not self.many:
            return (tuple(values),)
        return tuple(
            product(*[value if part.many else (value,) for part, value in zip(self.parts, values, strict=True)])
        )


Number: TypeAlias = Any
"""An int, float, Decimal or Fraction."""


def _to_amount(part: Part, value: object) -> object:
    if type(value) is tuple:
        return tuple([_number(item) for item in cast(tuple[object, ...], value)])
    return _number(value)


def _number(value: object) -> Number:
    number: Any = value
    cls: type = type(value)
    if cls is bool or not _is_number(cls):
        raise Unfit(f"an amount is a number, got {repr_safely(value, 60)} ({cls.__name__})")
    try:
        fit = 0 <= number < math.inf
    except ArithmeticError:  # what a Decimal says that is not a number
        fit = False
    if not fit:
        raise Unfit(f"an amount is finite and not negative, got {repr_safely(value, 60)}")
    base: Any = int if issubclass(cls, int) else float if issubclass(cls, float) else None
    return number if base is None or cls is base else base(number)


def _is_number(cls: type) -> bool:
    if issubclass(cls, int | float):
        return True
    for module, name in (("decimal", "Decimal"), ("fractions", "Fraction")):
        number = getattr(sys.modules.get(module), name, None)
        if isinstance(number, type) and issubclass(cls, number):
            return True
    return False


@final
class AmountExpression(Reading):
    """An amount, or several, that can be read from a call. Made by `parse_amount`."""

    __slots__ = ("_literal",)

    def __init__(self, form: object, what: str, parts: Sequence[Part], *, literal: tuple[Number, ...] | None) -> None:
        super().__init__(form, what, parts)
        self._literal = literal

    def begin(self, arguments: Arguments) -> Begun:
        """Read what is made of arguments. Never raises.

        Args:
            arguments: the call's arguments by parameter name.

        Returns:
            What `now` and `finish` need.
        """
        return begin_parts(self.parts, arguments, _to_amount)

    def now(self, begun: Begun) -> tuple[Number, ...] | None:
        """The numbers, where they are known before the call.

        Args:
            begun: what `begin` gave.

        Returns:
            The numbers; None where a part is read at the end.

        Raises:
            Unreadable: a part could not be read, or is no amount.
        """
        return None if self.late else self.finish(begun, {}, None)

    def finish(self, begun: Begun, arguments: Arguments, result: object) -> tuple[Number, ...]:
        """Read the rest, and give the numbers.

        Args:
            begun: what `begin` gave.
            arguments: the same objects as there.
            result: the return value.

        Returns:
            One number, or several: finite, not negative.

        Raises:
            Unreadable: a part could not be read, or is no amount.
        """
        if self._literal is not None:
            return self._literal
        values = completed(self.parts, begun, arguments, result, _to_amount)
        tuples = [type(value) is tuple for value in values]
        if tuples == [True]:
            numbers: tuple[Number, ...] = values[0]
            return numbers
        for part, is_tuple in zip(self.parts, tuples, strict=True):
            if is_tuple:
                raise Unreadable(part.source, "an amount is a number, got a tuple")
        return tuple(values)


@final
@record
class Pattern:
    """Selects keys by some of their parts.

    Attributes:
        fields: the names of all parts of the key, in order.
        parts: index and value of each part that is asked for.
    """

    fields: tuple[str, ...]
    parts: tuple[tuple[int, Key], ...]

    def matches(self, key: Key) -> bool:
        """Whether a key has these values in these parts.

        Args:
            key: a normalised key.

        Returns:
            True or False; False for a key that has not as many parts as there are fields.
        """
        if len(self.fields) == 1:
            return all(key == value for _, value in self.parts)
        if not isinstance(key, tuple) or type(key) is Tagged or len(key) != len(self.fields):
            return False
        return all(key[index] == value for index, value in self.parts)

    def __str__(self) -> str:
        return " ".join([f"{self.fields[index]}={show(value)}" for index, value in self.parts])


@final
class PatternExpression(Reading):
    """A selection of keys by part that can be read from a call. Made by `parse_pattern`."""

    __slots__ = ("_indices", "fields")

    def __init__(self, form: object, what: str, parts: Sequence[Part], *, fields: tuple[str, ...], indices: list[int]):
        super().__init__(form, what, parts)
        self.fields = fields
        self._indices = indices

    def begin(self, arguments: Arguments) -> Begun:
        """Read what is made of arguments. Never raises.

        Args:
            arguments: the call's arguments by parameter name.

        Returns:
            What `now` and `finish` need.
        """
        return begin_parts(self.parts, arguments, _to_key)

    def now(self, begun: Begun) -> tuple[Pattern, ...] | None:
        """The patterns, where they are known before the call.

        Args:
            begun: what `begin` gave.

        Returns:
            The patterns; None where a part is read at the end.

        Raises:
            Unreadable: a part could not be read.
        """
        return None if self.late else self.finish(begun, {}, None)

    def finish(self, begun: Begun, arguments: Arguments, result: object) -> tuple[Pattern, ...]:
        """Read the rest, and give the patterns.

        Args:
            begun: what `begin` gave.
            arguments: the same objects as there.
            result: the return value.

        Returns:
            One pattern, or with `each` any number of them.

        Raises:
            Unreadable: a part could not be read.
        """
        values = completed(self.parts, begun, arguments, result, _to_key)
        choices = [value if part.many else (value,) for part, value in zip(self.parts, values, strict=True)]
        return tuple([Pattern(self.fields, tuple(zip(self._indices, one, strict=True))) for one in product(*choices)])


def parse_key(form: object, *, what: str = "key") -> KeyExpression:
    """Read what was written as a key.

    Args:
        form: text, a callable with named parameters, `each(…)`, `after(…)`, or a tuple of these.
        what: the name of the contract's argument, for messages.

    Returns:
        The key expression.

    Raises:
        DeclarationError: it is none of these, or not in the grammar.
    """
    parts, composite = grammar.split(form, what)
    return KeyExpression(form, what, parts, composite=composite)


def parse_amount(form: object, *, what: str = "amount") -> AmountExpression:
    """Read what was written as an amount.

    Args:
        form: a number, or what is allowed for a key (`"vcpus"`, `"vcpus, memory"`) but `each(…)`.
        what: the name of the contract's argument, for messages.

    Returns:
        The amount expression.

    Raises:
        DeclarationError: it is none of these, not in the grammar, or a number that is no amount.
    """
    if type(form) is bool or _is_number(type(form)):
        try:
            literal = (_number(form),)
        except Unfit as error:
            problem = str(error)
        else:
            return AmountExpression(form, what, (), literal=literal)
        raise DeclarationError.at_caller(f"{what}={repr_safely(form)}: {problem}")
    parts, _ = grammar.split(form, what)
    if any(part.many for part in parts):
        grammar.refuse(what, form, "each(…) gives many values; an amount is a number, or a tuple of them")
    return AmountExpression(form, what, parts, literal=None)


def parse_pattern(
    selection: Mapping[str, object], fields: Sequence[str] | None, *, what: str = "key"
) -> PatternExpression:
    """Read what was written to select keys by part: `{"host": "migration.source_compute"}`.

    Args:
        selection: an expression for each part that is asked for.
        fields: the names of the kind's parts; None where it names none.
        what: the name of the contract's argument, for messages.

    Returns:
        The pattern expression.

    Raises:
        DeclarationError: a part is unknown, none is asked for, or an expression is not in the grammar.
    """
    _check_fields(selection, fields, what)
    names = tuple(fields or ())
    parts: list[Part] = []
    for name, form in selection.items():
        found, composite = grammar.split(form, f"{what}[{name!r}]")
        if composite:
            grammar.refuse(f"{what}[{name!r}]", form, "a part of a key is selected by one expression, not by a tuple")
        parts += found
    indices = [names.index(name) for name in selection]
    shown = "{" + ", ".join([f"{name!r}: {source_of(form)}" for name, form in selection.items()]) + "}"
    expression = PatternExpression(selection, what, parts, fields=names, indices=indices)
    expression.source = shown
    return expression


def pattern_of(selection: Mapping[str, object], fields: Sequence[str] | None, *, what: str = "key") -> Pattern:
    """A pattern of plain values, as `scope.allow` takes it: `{"host": "host1"}`.

    Args:
        selection: a value for each part that is asked for.
        fields: the names of the kind's parts; None where it names none.
        what: the name of the argument, for messages.

    Returns:
        The pattern.

    Raises:
        DeclarationError: a part is unknown, or none is asked for.
    """
    _check_fields(selection, fields, what)
    names = tuple(fields or ())
    return Pattern(names, tuple([(names.index(name), identify(value)) for name, value in selection.items()]))


def _check_fields(selection: Mapping[str, object], fields: Sequence[str] | None, what: str) -> None:
    given = f"{what}={repr_safely(selection)}"
    if not fields:
        raise DeclarationError.at_caller(
            f"{given}: this kind names no parts; declare it with fields=(…) to select by part"
        )
    known = ", ".join(fields)
    if not selection:
        raise DeclarationError.at_caller(f"{given} selects nothing; name at least one part of: {known}")
    for name in selection:
        if name not in fields:
            raise DeclarationError.at_caller(
                f"{given}: {repr_safely(name)} is not a part of the key; its parts are {known}"
            )
