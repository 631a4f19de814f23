"""Nova's resize between cells under injected faults: its two tests of failure, without their mocks; then each call once."""

from __future__ import annotations

import contextlib
import math
import random
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any, TextIO
from unittest import mock

from examples.nova import kinds, suite
from lifeguard import Scope
from lifeguard.faults import Result, armed, explore, inject
from nova.tests.functional import test_cross_cell_migrate as tests
from nova.tests.functional.api.client import OpenStackApiException

WITH_MOCKS = {
    "test_finish_snapshot_based_resize_at_dest_spawn_fails": "spawn",
    "test_prep_snapshot_based_resize_at_source_destroy_fails": "destroy",
}
"""Nova's tests that make a method of the driver fail by a mock, and the method."""

PATIENCE = 4.0
"""Seconds that a resize may take to end, and a server to be deleted; most take less than one."""


class Injecting:
    """Stands for `unittest.mock` in Nova's test: what it would put on a driver is injected into the driver's method."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.fired = 0
        self.patch = self

    def __getattr__(self, name: str) -> Any:
        return getattr(mock, name)

    def object(self, target: Any, name: str, **how: Any) -> Any:
        """What the test calls as `mock.patch.object`."""
        if name != self.method or set(how) != {"side_effect"}:
            return mock.patch.object(target, name, **how)
        return self.injected(target, name, how["side_effect"])

    @contextlib.contextmanager
    def injected(self, driver: Any, name: str, error: Exception) -> Iterator[None]:
        """Every call of one method of this driver fails."""
        method = getattr(type(driver), name)
        with inject(method, error=error, when="stuck", where=lambda self: self is driver, reach="process") as injection:
            yield
        self.fired += injection.fired


def without_mocks(out: TextIO, chosen: Callable[[str], bool]) -> int:
    """Run Nova's tests of failure with faults in the place of mocks; gives how many were bad."""
    bad = 0
    for name, method in WITH_MOCKS.items():
        if not chosen(name):
            continue
        injecting = Injecting(method)
        with mock.patch.object(tests, "mock", injecting):
            result = suite.run(name)
        print(result.text(table=False), file=out)
        print(f"  injected: {injecting.fired} call(s) of {method}", file=out)
        bad += not result.good or not injecting.fired
    return bad


class Resize(tests.TestMultiCellMigrate):
    """A server is created, resized to another cell while calls fail, and deleted."""

    volume_backed = False
    _trouble: BaseException | None = None  # Nova's clean-up forgets what has no underscore

    def resize(self) -> None:
        """The whole of it."""
        try:
            self._resize()
        except BaseException as error:
            self._trouble = error
            raise

    def _resize(self) -> None:
        flavors = self.api.get_flavors()
        server = self._create_server(flavors[0], volume_backed=self.volume_backed)
        # Nova answers a request that failed with an error of its own.
        with armed(), contextlib.suppress(OpenStackApiException):
            self.api.post_server_action(server["id"], {"resize": {"flavorRef": flavors[1]["id"]}})
            self._until(lambda: self._ended(server["id"]))
        # A server that is still busy cannot be deleted, which is what finding 6 is about.
        with contextlib.suppress(OpenStackApiException):
            self.api.delete_server(server["id"])
        self._until(lambda: self._gone(server["id"]))

    def _ended(self, server: str) -> bool:
        """Whether the resize is over, one way or the other: the server is not busy, and its migration says so."""
        if self.api.get_server(server)["OS-EXT-STS:task_state"] is not None:
            return False
        return all(one["status"] in ("finished", "error") for one in self.api.get_migrations())

    def _gone(self, server: str) -> bool:
        try:
            self.api.get_server(server)
        except OpenStackApiException:
            return True
        return False

    def _until(self, reached: Callable[[], bool]) -> None:
        """Wait for a state, but not for long: what is stuck is for the ledger to tell."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not reached():
            time.sleep(0.2)


def resize() -> None:
    """The scenario: one whole world of Nova's, with its set-up and clean-ups."""
    random.seed()  # Nova's test databases have random names, and two of the same name do not get on
    case = Resize("resize")
    outcome = unittest.TestResult()
    case.run(outcome)
    if case._trouble is not None:
        raise case._trouble
    if outcome.errors or outcome.failures:
        raise AssertionError((outcome.errors + outcome.failures)[0][1])


def known(watch: Scope) -> None:
    """What docs/nova.md tells already: findings 1 to 3."""
    for event in ("cold_migrate", "conductor_migrate_server"):
        watch.allow(kinds.action_event, {"cell": "cell2", "event": event}, rule="LG101", at_most=1, why="finding 3")
    watch.allow(kinds.claim, {"host": "host2"}, rule="LG204", at_most=1, why="finding 1")
    watch.allow(kinds.migration_context, {"cell": "cell1"}, rule="LG204", at_most=1, why="finding 2")


def each_call(out: TextIO, seconds: float) -> Result:
    """Every call of the resize fails once, as far as the time goes.

    Args:
        out: where the report goes.
        seconds: about how long it may take, after the first run, which tells how long a run takes.

    Returns:
        what was found.
    """
    started = time.monotonic()
    resize()
    took = time.monotonic() - started
    runs = max(1, math.floor(seconds / took))
    print(f"one run takes {took:.1f} s: at most {runs} runs", file=out, flush=True)
    result = explore(
        resize, depth=1, kinds=["before"], reach="process", prepare=known, max_runs=runs, progress=False, name="resize"
    )
    print(result.report(), file=out)
    return result
