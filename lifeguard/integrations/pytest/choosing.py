"""What the ini file, the command line and the markers say, as a scope for one test or fixture.

The nearest word wins, for each option by itself: the marker of the test, of its class, of its module; then the command
line; then the ini file; then the default. Only `--no-lifeguard` is stronger than a marker.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from lifeguard import Grace, Resource, Rollback, Scope, scope
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.kinds import Kind, declared_kinds
from lifeguard_pytest import MARKER, OPTIONS, marker_says_on, of_the_run

_OPTIONS = {option.name: option for option in OPTIONS}
_NAMING_KINDS = ("only", "ignore")


@dataclass(frozen=True, slots=True)
class Choice:
    """What holds for one test or fixture.

    Attributes:
        on: whether it runs in a scope.
        said: whether a marker said so.
        values: the value of each option, by its name.
        where: for each option that was said anywhere, where.
        marked: the options that a marker said.
    """

    on: bool
    said: bool
    values: Mapping[str, Any]
    where: Mapping[str, str]
    marked: frozenset[str] = frozenset()

    def kinds(self, option: str) -> list[Kind] | None:
        """The kinds that `only` or `ignore` names, as far as there are any by these names; None for all."""
        names = self.values[option]
        if names is None:
            return None
        known = declared_kinds() if any(isinstance(one, str) for one in names) else []
        return [one for one in names if not isinstance(one, str)] + [one for one in known if one.name in names]

    def unknown_kinds(self) -> Iterator[tuple[str, str]]:
        """The names of kinds that there are not, each with what to say of it."""
        known = {one.name for one in declared_kinds()}
        for option in _NAMING_KINDS:
            for name in self.values[option] or ():
                if isinstance(name, str) and name not in known:
                    yield name, f"{self.where[option]}: there is no kind {name!r}{_near(name, known)}"

    def make(self, name: str) -> Scope:
        """Make a scope as it was chosen.

        Raises:
            pytest.UsageError: the scope refuses a value.
        """
        values = {name: self.values[name] for name, option in _OPTIONS.items() if option.of_scope}
        for option in _NAMING_KINDS:
            values[option] = self.kinds(option)
        if isinstance(values["grace"], int):
            values["grace"] = Grace(attempts=values["grace"])
        try:
            return scope(name, **values)
        except (DeclarationError, UsageError) as error:
            raise pytest.UsageError(f"{', '.join(sorted(set(self.where.values())))}: {error}") from None


def _near(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    shown = ", ".join(sorted(known)[:10])
    return f"; there are {shown}{' and more' if len(known) > 10 else ''}" if known else ": no kind was declared at all"


class Choices:
    """Makes choices; one for each set of markers, since most tests have none."""

    def __init__(self, config: pytest.Config, *, on: bool) -> None:
        self._base: dict[str, Any] = {}
        self._said: dict[str, str] = {}
        for option in OPTIONS:
            value, where = of_the_run(option, config)
            self._base[option.name] = value
            if where:
                self._said[option.name] = where
        self._base_choice = Choice(on, False, self._base, self._said)
        self._made: dict[tuple[int, ...], tuple[list[pytest.Mark], Choice]] = {}

    def of_the_run(self) -> Choice:
        """What holds where no marker says anything."""
        return self._base_choice

    def of(self, node: pytest.Item | pytest.Collector) -> Choice:
        """What holds for a test, a class, a module, …

        Raises:
            pytest.UsageError: a marker makes no sense.
        """
        marks = list(node.iter_markers(MARKER))  # the nearest first
        ident = tuple(map(id, marks))
        if not marks:
            return self._base_choice
        if ident not in self._made:
            self._made[ident] = marks, self._choose(marks, node)
        return self._made[ident][1]

    def _choose(self, marks: list[pytest.Mark], node: pytest.Item | pytest.Collector) -> Choice:
        values, said = dict(self._base), dict(self._said)
        for mark in reversed(marks):
            where = f"@pytest.mark.lifeguard of {node.nodeid}"
            marker_says_on(mark, where)
            for name, given in mark.kwargs.items():
                if name != "off":
                    values[name] = self._marked(name, given, f"{where}, {name}=")
                    said[name] = f"{where}, {name}="
        on = marker_says_on(marks[0], node.nodeid)
        marked = {name for mark in marks for name in mark.kwargs}
        return Choice(on, True, values, said, frozenset(marked))

    @staticmethod
    def _marked(name: str, given: object, where: str) -> object:
        value = _OPTIONS[name].value(given, where)
        if name == "baseline" and value is not None:
            raise pytest.UsageError(f"{where}: {given!r}; a baseline is one of the whole run: a marker takes 'off'")
        if name in _NAMING_KINDS:
            for one in cast("tuple[object, ...]", value or ()):
                if not isinstance(one, str | Resource | Rollback):
                    raise pytest.UsageError(f"{where}: {one!r} is no kind; it takes {_OPTIONS[name].takes}")
        return value
