"""Every test of a class in a scope, without pytest: for unittest, testtools, oslotest, stestr and whatever runs these.

`Watched` is a mixin, `ScopeFixture` a fixture for classes of testtools (and of oslotest) that have `useFixture`. Neither needs
a library beyond the standard one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import unittest
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from lifeguard import Scope, UsageError, scope

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a test's scope: whatever happens in the process, all of it remembered, if nothing else is said."""
    return {"reach": "process", "remember": None, **given}


class Watched(_Base):
    """Let every test run in a scope, from before its set-up until after its last cleanup.

    To be put before the class that it is mixed into: `class TestResize(Watched, base.BaseTestCase)`. A test that leaves
    something fails with what was left; one that failed by itself shows both. Under pytest with lifeguard switched on it is
    not needed and does no harm: what it found is told once.

    Attributes:
        lifeguard_settings: what `lifeguard.scope` is given, in place of `reach="process"` and `remember=None`.
        lifeguard_scope: the scope of the test that runs: to allow, to seed, to look at.
    """

    lifeguard_settings: ClassVar[Mapping[str, Any]] = {}
    lifeguard_scope: Scope
    _lifeguard_current: contextlib.ExitStack

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test in a scope. The set-up and the test are wrapped on this very object, for this run."""
        name = self._testMethodName
        self._lifeguard_error: BaseException | None = None
        before = {one: vars(self)[one] for one in ("setUp", name) if one in vars(self)}
        set_up = self.setUp
        vars(self)["setUp"] = lambda: self._lifeguard_set_up(set_up)
        if hasattr(self, name):
            vars(self)[name] = self._lifeguard_noting(getattr(self, name))
        try:
            return super().run(result)
        finally:
            for one in ("setUp", name):
                vars(self).pop(one, None)
            vars(self).update(before)
            if hasattr(self, "lifeguard_scope"):
                _close_quietly(self.lifeguard_scope, self._lifeguard_current)
            self._lifeguard_error = None

    def _lifeguard_set_up(self, set_up: Callable[[], Any]) -> None:
        """Open the scope, see to it that it is judged by the very last cleanup, and go on with the set-up."""
        self.lifeguard_scope = scope(self.id(), **_settings(self.lifeguard_settings)).open()
        self._lifeguard_current = _current(self.lifeguard_scope)
        self.addCleanup(self._lifeguard_judge)
        self._lifeguard_noting(set_up)()

    def _lifeguard_judge(self) -> None:
        __tracebackhide__ = True
        self._lifeguard_current.close()
        if self.lifeguard_scope.verdict is None:
            _close(self.lifeguard_scope, self._lifeguard_error)

    def _lifeguard_noting(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """The same, remembering what it raised: things are left differently on error."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async() -> Any:
                __tracebackhide__ = True
                try:
                    return await function()
                except BaseException as error:
                    self._lifeguard_error = error
                    raise

            return run_async

        @functools.wraps(function)
        def run() -> Any:
            __tracebackhide__ = True
            try:
                return function()
            except BaseException as error:
                self._lifeguard_error = error
                raise

        return run


def _close(watched: Scope, error: BaseException | None) -> None:
    """Judge. What the test raised is shown by the test itself, and skipping is no failure.

    Raises:
        ViolationError: something was found.
    """
    __tracebackhide__ = True
    if isinstance(error, unittest.SkipTest) or not isinstance(error, Exception):
        error = None
    try:
        watched.close(error)
    except AssertionError as violation:
        raise violation.with_traceback(None) from None


def _close_quietly(watched: Scope, current: contextlib.ExitStack) -> None:
    """Close what an interrupted run left open: nothing is judged."""
    if watched.verdict is None:
        with contextlib.suppress(Exception), current:
            pass
        with contextlib.suppress(Exception):
            watched.close()


def _current(watched: Scope) -> contextlib.ExitStack:
    """Make a scope current here; one that reaches the process is found anyway, from every context."""
    stack = contextlib.ExitStack()
    if watched.reach != "process":
        stack.enter_context(watched.active())
    return stack


class ScopeFixture:
    """A scope as a fixture: `self.useFixture(ScopeFixture())`, first of all in the set-up of a base class.

    It is used by testtools' and oslotest's classes and inside other fixtures, and as a context manager. What the set-up did
    before it, and cleanups added before it, are not seen.

    Args:
        name: what reports call it; by default the place where it was made.
        **settings: what `lifeguard.scope` is given, in place of `reach="process"` and `remember=None`.

    Raises:
        DeclarationError: a setting that makes no sense.
    """

    def __init__(self, name: str | None = None, **settings: Any) -> None:
        self._make = functools.partial(scope, name, **_settings(settings))
        self._make()  # refuses now what it would refuse later
        self.scope: Scope | None = None
        self._current = contextlib.ExitStack()

    def setUp(self) -> None:
        """Open a fresh scope.

        Raises:
            UsageError: it is in use.
        """
        if self.scope is not None:
            raise UsageError.at_caller("this ScopeFixture is in use: make one for each test")
        self.scope = self._make().open()
        self._current = _current(self.scope)

    def cleanUp(self, raise_first: bool = True) -> None:
        """Judge.

        Args:
            raise_first: as fixtures have it; there is only one thing to raise.

        Raises:
            ViolationError: something was found.
        """
        watched, self.scope = self.scope, None
        self._current.close()
        if watched is not None and watched.verdict is None:
            _close(watched, None)

    def reset(self) -> None:
        """Judge what was, and begin anew."""
        self.cleanUp()
        self.setUp()

    def getDetails(self) -> dict[str, object]:
        """What a failure is to be shown with: nothing beside the report, which is its message."""
        return {}

    def __enter__(self) -> ScopeFixture:
        self.setUp()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        watched, self.scope = self.scope, None
        self._current.close()
        if watched is not None and watched.verdict is None:
            watched.close(error)
