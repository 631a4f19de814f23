"""The scope of a fixture that outlives a test: what it acquires is its own, and is judged when it ends."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from lifeguard import Scope, context
from lifeguard.integrations.pytest.choosing import Choice
from lifeguard.keys import repr_safely

_GENERATED = re.compile(r"_(?:unittest|xunit)_(\w+?)_fixture_(\w+)")
"""How pytest names the fixtures that it makes of setUpClass, setup_module, …"""


def name_of(fixturedef: Any, request: Any) -> str:
    """How a report names a fixture: its scope, its name, its parameter, and whose it is."""
    made = _GENERATED.fullmatch(fixturedef.argname)
    what = f"{made[1]} of {made[2]}" if made else f"{fixturedef.scope} fixture {fixturedef.argname!r}"
    if hasattr(request, "param"):
        what += f" [{repr_safely(request.param, 60)}]"
    return f"{what} ({fixturedef.baseid})" if fixturedef.baseid else what


class LongFixture:
    """One life of such a fixture, from its set-up to its end.

    Its scope takes over while it is set up and while it is torn down. In between it only holds what it has, behind the scope
    of whichever test runs; there is none at all where the set-up acquired nothing.
    """

    def __init__(
        self, name: str, choice: Choice, judge: Callable[[Scope, Choice, BaseException | None], object]
    ) -> None:
        self._name = name
        self._choice = choice
        self._judge = judge
        self._scope: Scope | None = None
        self._error: BaseException | None = None
        self._ending = contextlib.ExitStack()

    @contextlib.contextmanager
    def set_up(self) -> Iterator[None]:
        """Watch the set-up."""
        __tracebackhide__ = True
        self._scope = self._choice.make(self._name).open()
        try:
            with _current(self._scope):
                yield
        except BaseException as error:
            self._error = error
            raise
        if not self._scope.book.tallies and not self._scope.book.findings:
            self._close(self._scope)

    def begin_end(self) -> None:
        """The first of its finalisers: from here on, its tear-down runs."""
        if self._scope is None:
            self._scope = self._choice.make(self._name).open()
        self._ending.enter_context(_current(self._scope))

    def end(self) -> None:
        """The last of its finalisers: it is judged."""
        self._ending.close()
        if self._scope is not None:
            self._close(self._scope)

    def _close(self, scope: Scope) -> None:
        self._scope = None
        self._judge(scope, self._choice, self._error)
        self._error = None


def _current(scope: Scope) -> contextlib.AbstractContextManager[object]:
    """Let a fixture's scope take what is acquired now. In between it takes nothing: tests that are switched off, and kinds
    that a test ignores, are none of its business.
    """
    return context.taking_over(scope) if scope.reach == "process" else scope.active()
