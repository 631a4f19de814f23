"""A whole run of pytest in one scope, with all workers of pytest-xdist: a plugin, `-p lifeguard.integrations.xdist`.

What one worker acquires another may release, and what programs that tests start do counts, too, if they join (see
`child_environment`). The scope is opened in the controller, or in the only process there is, and judged when all workers are
done. Tests that have a scope of their own keep it; this one gets what those do not take.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from lifeguard import Scope, scope
from lifeguard.stores import current_shared, join_parent, shared
from lifeguard.stores.children import ledger_of
from lifeguard.stores.joining import SharedScope
from lifeguard.stores.propagation import Joining

OPTION = "lifeguard_run_ledger"
_INPUT = "lifeguard"


class WholeRun:
    """The scope of the run, in the process that opened it or as a worker has joined it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ledger: str | None = config.getoption(OPTION) or config.getini(OPTION) or None
        self._scope: Scope | None = None
        self._joined = contextlib.ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Open the scope; join it, in a worker; or join the one that the environment names."""
        given: dict[str, Any] = getattr(self._config, "workerinput", {})
        if _INPUT in given:
            ident, name, ledger = given[_INPUT]
            self._joined.enter_context(Joining(SharedScope(ident, name), ledger, reach="process"))
        elif given or self._ledger is None:
            self._joined.enter_context(join_parent())
        else:
            self._scope = scope("the run", reach="process", ledger=self._ledger, on_violation="record").open()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker is about to start: it is told what to join, by its own channel and not by its environment."""
        which = shared(self._scope) if self._scope is not None else current_shared()
        ledger = self._ledger or ledger_of()
        if which is not None and ledger is not None:
            node.workerinput[_INPUT] = (which.ident, which.name, ledger)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Judge, when every worker has ended; what was found fails the run."""
        yield
        self._joined.close()
        if self._scope is not None and self._scope.close().violations and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was found."""
        if self._scope is not None and self._scope.verdict is not None and self._scope.verdict.violations:
            terminalreporter.section("lifeguard: the whole run")
            terminalreporter.write_line(self._scope.report())


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ledger, on the command line and in the ini file."""
    text = "run everything, all workers of pytest-xdist included, in one scope that is kept in this ledger (a URL)"
    group = parser.getgroup("lifeguard")
    group.addoption("--lifeguard-run-ledger", dest=OPTION, metavar="URL", help=text)
    parser.addini(OPTION, text, type="string", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Take part."""
    config.pluginmanager.register(WholeRun(config), "lifeguard-whole-run")
