"""One of Nova's tests in a scope of its own, with every contract applied. Nova is imported here: see `run.prepare`."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from examples.nova import kinds
from examples.nova.allowed import allow_for
from examples.nova.contracts import ALL
from lifeguard import Resource, scope
from nova.tests.functional.test_cross_cell_migrate import TestMultiCellMigrate

FIELDS = {kind.name: kind.fields for kind in vars(kinds).values() if isinstance(kind, Resource)}
COLUMNS = ("acquired", "released", "transferred", "used", "failed", "rolled_back", "left")


@dataclass
class Result:
    """What one test did.

    Attributes:
        name: the test.
        trouble: what made it fail, if it failed.
        verdict: what the scope had to say; None of a test that ran without contracts.
        servers: the servers that it created, oldest first.
        left: for each kind, how much was still held at the end.
    """

    name: str
    trouble: list[str]
    verdict: Any = None
    servers: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    report: str = ""

    @property
    def good(self) -> bool:
        """Whether it passed and everything found was allowed."""
        return not self.trouble and (self.verdict is None or not self.verdict.violations)

    def text(self, *, table: bool = True) -> str:
        """What is printed for it."""
        lines = [f"{self.name}: {'failed' if self.trouble else 'passed'}"]
        if self.verdict is not None:
            if table:
                lines += self._table()
            found = [one for one in self.verdict.allowed if "finding" in one.why]
            lines += [f"  known: {name_of(one.violation)}: {one.why}" for one in found]
            lines += [f"  warning: {one}" for one in self.verdict.warnings]
            if table and self.verdict.unmatched:
                unmatched = (f"{kind} {count}" for kind, count in self.verdict.unmatched.items())
                lines.append("  of keys that were never acquired: " + ", ".join(unmatched))
            lines.append(f"  allowed {len(self.verdict.allowed)}, not allowed {len(self.verdict.violations)}")
            lines += [f"  {name_of(one)}" for one in self.verdict.violations]
            if self.verdict.violations:
                lines.append(self.report)
        return "\n".join(lines + self.trouble)

    def as_dict(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "test": self.name,
            "passed": not self.trouble,
            "good": self.good,
            "servers": self.servers,
            "left": self.left,
            "found": [name_of(one) for one in self.verdict.violations] if self.verdict else [],
            "verdict": self.verdict.as_dict() if self.verdict else None,
        }

    def _table(self) -> Iterator[str]:
        yield "  " + "kind".ljust(26) + "".join(column.replace("_", " ").rjust(13) for column in COLUMNS)
        for kind, counts in sorted(self.verdict.watched.items()):
            values = [getattr(counts, column, self.left.get(kind, 0)) for column in COLUMNS]
            yield "  " + kind.ljust(26) + "".join((str(value) if value else ".").rjust(13) for value in values)


def name_of(violation: Any) -> str:
    """A violation in one line: its rule, its kind, and its key in full."""
    fields = FIELDS.get(violation.kind) or ()
    key = violation.key if isinstance(violation.key, tuple) and len(fields) > 1 else (violation.key,)
    named = " ".join(f"{field}={part}" for field, part in zip(fields, key, strict=False)) or violation.key_text
    return f"{violation.code} {violation.kind} {named}"


def names() -> list[str]:
    """Nova's 14 tests."""
    return list(unittest.TestLoader().getTestCaseNames(TestMultiCellMigrate))


@contextlib.contextmanager
def contracts() -> Iterator[None]:
    """Apply every contract for the time of a with-block."""
    with contextlib.ExitStack() as stack:
        for standin in ALL:
            stack.enter_context(standin.applied())
        yield


@contextlib.contextmanager
def created_servers() -> Iterator[list[str]]:
    """The uuids of the servers that a test creates, in order."""
    servers: list[str] = []
    create = TestMultiCellMigrate._create_server

    def create_server(self: Any, *args: Any, **kwargs: Any) -> Any:
        server = create(self, *args, **kwargs)
        servers.append(server["id"])
        return server

    with mock.patch.object(TestMultiCellMigrate, "_create_server", create_server):
        yield servers


def run_plain(name: str) -> Result:
    """Run a test as it is."""
    outcome = unittest.TestResult()
    TestMultiCellMigrate(name).run(outcome)
    return Result(name, [text for _, text in outcome.failures + outcome.errors])


def run(name: str, *, allow: Callable[..., None] = allow_for) -> Result:
    """Run a test in a scope that is open from before its set-up until after its clean-ups."""
    outcome = unittest.TestResult()
    watch = scope(name, reach="process", remember=None, on_violation="record")
    with created_servers() as servers:
        watch.open()
        try:
            TestMultiCellMigrate(name).run(outcome)
            left: dict[str, int] = {}
            for one in watch.outstanding:
                left[one.kind] = left.get(one.kind, 0) + 1
            allow(name, watch.allow, servers)
        finally:
            watch.close()
    trouble = [text for _, text in outcome.failures + outcome.errors]
    return Result(name, trouble, watch.verdict, servers, left, watch.report())
