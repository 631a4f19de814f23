"""Nova broken on purpose: rollbacks, confirms, reverts and deletes, in many ways. lifeguard has to name each of them.

A breakage counts as named when a violation has its kind, and a key or subject that contains the server and what `where` says.
"""

from __future__ import annotations

import contextlib
from typing import Any, TextIO

from examples.nova import suite
from examples.nova.breakages.faults import FAULTS
from examples.nova.breakages.resize import RESIZE
from examples.nova.breakages.revert import REVERT_AND_DELETE
from examples.nova.breakages.rollback import ROLLBACK
from examples.nova.breakages.ways import Breakage

__all__ = ["ALL", "FAULTS", "run", "run_all"]

ALL: tuple[Breakage, ...] = (*ROLLBACK, *RESIZE, *REVERT_AND_DELETE)


def names_it(violation: Any, breakage: Breakage, servers: list[str]) -> bool:
    """Whether a violation has the kind, and a key or subject that contains the right values."""
    if violation.kind != breakage.kind.name:
        return False
    texts = [str(violation.key), *(str(subject.key) for subject in violation.subjects)]
    about = [*breakage.where.values()]
    if servers and (violation.subjects or any(server in texts[0] for server in servers)):
        about.append(next((server for server in servers if any(server in text for text in texts)), "no server"))
    return all(any(value in text for text in texts) for value in about)


def run(breakage: Breakage) -> tuple[suite.Result, list[Any]]:
    """Run the test that shows a breakage; gives what it did, and the violations that name the breakage."""
    with contextlib.ExitStack() as stack:
        for patch in breakage.below:
            stack.enter_context(patch())
        stack.enter_context(suite.contracts())
        for patch in breakage.patches:
            stack.enter_context(patch())
        result = suite.run(breakage.test)
    return result, [one for one in result.verdict.violations if names_it(one, breakage, result.servers)]


def run_all(breakages: list[Breakage], out: TextIO) -> int:
    """Run breakages and print a line for each; gives how many were not named."""
    unnamed = 0
    silent = 0
    for breakage in breakages:
        result, named = run(breakage)
        unnamed += not named
        silent += not result.trouble
        seen = "Nova's test fails too" if result.trouble else "Nova's test passes"
        print(f"{'named ' if named else 'MISSED'}  {breakage.name}  [{seen}]", file=out, flush=True)
        for one in named[:1] or result.verdict.violations:
            print(f"          {suite.name_of(one)}", file=out, flush=True)
    print(
        f"{len(breakages)} breakages, {len(breakages) - unnamed} named; Nova's own test passes with {silent} of them",
        file=out,
    )
    return unnamed
