"""What all expressions have in common: parts with names and moments, and what is kept of one that cannot be read.

Each expression is read with `begin` when the call starts (what is made of arguments) and with `finish` when it has
ended (what mentions `result`, what is `after(…)`). `begin` never raises: what could not be read is kept as a text, and
told by `now` or `finish`, so that a contract whose condition turns out false reports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast, final

from lifeguard.data import record
from lifeguard.errors import DeclarationError
from lifeguard.keys.grammar import RESULT, Part, source_of
from lifeguard.keys.reprs import problem_text, repr_safely


class Unreadable(Exception):
    """A key, condition or amount could not be read: LG401, never an error of the program under watch.

    It holds texts only, and no other exception hangs on it.

    Attributes:
        source: the expression as it was written.
        problem: what happened, such as `KeyError: 'id'`.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source = source
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}"


@final
@record
class Problem:
    """What is kept of a part that could not be read."""

    source: str
    text: str

    def told(self) -> Unreadable:
        """The exception that says it."""
        return Unreadable(self.source, self.text)


class Unfit(Exception):
    """A value was read, but is of no use; the text says why."""


class Missing(Exception):
    """A path of a condition leads nowhere."""


class Late:
    """Stands for what is read later."""

    __slots__ = ()


LATE: Final = Late()

Begun: TypeAlias = object
"""What `begin` has read; only the expression that made it understands it."""

Arguments: TypeAlias = Mapping[str, object]


class Reading:
    """What keys, amounts and conditions have in common: the parts, their names and their moments.

    Attributes:
        source: the expression as the user wrote it.
        what: the name of the contract's argument that it was given for.
        parts: its elements; a wrapper may read those with `code` inline.
        names: the parameters that it mentions, `self` and `result` included.
        mentions_result: whether it reads the return value.
        late: whether something in it is read when the call has ended.
        many: whether it gives many keys (`each`).
    """

    __slots__ = ("late", "many", "mentions_result", "names", "parts", "source", "what")

    def __init__(self, form: object, what: str, parts: Sequence[Part]) -> None:
        self.source: str = form.strip() if isinstance(form, str) else source_of(form)
        self.what = what
        self.parts = tuple(parts)
        self.names: frozenset[str] = frozenset().union(*[part.names for part in parts])
        self.mentions_result = any(RESULT in part.names or RESULT in part.optional for part in parts)
        self.late = any(part.late for part in parts)
        self.many = any(part.many for part in parts)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.source}>"

    def check(self, parameters: Collection[str], *, function: str, result: str | None = None) -> None:
        """Compare the names in the expression with the parameters of the function that carries it.

        `result` is the return value, also where a parameter has that name.

        Args:
            parameters: the names of the function's parameters.
            function: its name, for messages.
            result: why the function has no result, where it has none: "a generator function has no result: …".

        Raises:
            DeclarationError: a name is no parameter, or `result` is mentioned where there is none.
        """
        if result is not None and self.mentions_result:
            raise DeclarationError.at_caller(f"{self.what}={self._quoted()} mentions 'result', but {result}")
        for name in sorted(self.names):
            if name != RESULT and name not in parameters:
                raise DeclarationError.at_caller(self._unknown(name, parameters, function))

    def _quoted(self) -> str:
        return self.source if self.source.startswith(("<", "(", "each(", "after(", "{")) else repr_safely(self.source)

    def _unknown(self, name: str, parameters: Collection[str], function: str) -> str:
        import difflib

        existing = [*parameters]
        known = f"its parameters are {', '.join(existing)}" if existing else "it has no parameters"
        close = difflib.get_close_matches(name, [*existing, RESULT], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{self.what}={self._quoted()}: {name!r} is not a parameter of {function}; {known}{hint}"


def take(part: Part, arguments: Arguments, result: object, convert: Callable[[Part, object], object]) -> object:
    """Read one part: what it gives, or a `Problem`."""
    try:
        value = part.read(arguments, result)
    except Exception as error:
        return Problem(part.source, problem_text(error))
    return converted(part, value, convert)


def converted(part: Part, value: object, convert: Callable[[Part, object], object]) -> object:
    """What one part gives, its raw value being read; or a `Problem`."""
    try:
        return convert(part, value)
    except Unfit as error:
        text = str(error)
    except Exception as error:
        text = problem_text(error)
    return Problem(part.source, text)


def begin_parts(parts: tuple[Part, ...], arguments: Arguments, convert: Callable[[Part, object], object]) -> Begun:
    """Read the parts that are made of arguments; what is late is marked, what failed is a `Problem`."""
    return tuple([LATE if part.late else take(part, arguments, None, convert) for part in parts])


def completed(
    parts: tuple[Part, ...],
    begun: Begun,
    arguments: Arguments,
    result: object,
    convert: Callable[[Part, object], object],
) -> list[Any]:
    """All values; raises Unreadable for the first part that could not be read."""
    values: list[Any] = []
    for part, early in zip(parts, cast(tuple[object, ...], begun), strict=True):
        value = take(part, arguments, result, convert) if early is LATE else early
        if type(value) is Problem:
            raise value.told()
        values.append(value)
    return values
