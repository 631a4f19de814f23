"""The move between two cells, explored: each planted hole in a rollback is found, with no list of holes given."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifeguard.faults import armed, explore, was_injected

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

sys.path.insert(0, str(EXAMPLES))
try:
    show: Any = importlib.import_module("multi_cell_migration")
finally:
    sys.path.remove(str(EXAMPLES))

Seen = set[tuple[str, str, str]]
IN_ROLLBACKS = [one for one in show.HOLES if one.path in (show.spawn_fails, show.destroy_fails)]


def moving(hole: str | None) -> Callable[[], None]:
    """A server is booted, moved under faults, and deleted where it is then."""

    def move() -> None:
        cloud = show.Cloud(hole)
        try:
            server = cloud.boot("server-1")
            try:
                with armed():
                    migration = cloud.resize(server, vcpus=4)
            except Exception as error:
                if not was_injected(error):
                    raise
            else:
                cloud.confirm(migration)
            cloud.delete(server)
        finally:
            cloud.close()

    return move


def seen(hole: str | None, depth: int) -> Seen:
    """What is found, each with every schedule that shows it."""
    result = explore(
        moving(hole), reach="process", kinds=["before", "raises"], depth=depth, strict=True, progress=False
    )
    assert "" == result.organic
    assert not result.doubts
    return {(one.code, one.kind, token.partition("~")[0]) for one in result.findings for token in one.schedules}


@functools.cache
def of_the_example_itself(depth: int) -> Seen:
    """It handles the failures that its paths show; others were never thought of."""
    return seen(None, depth)


@pytest.mark.parametrize("hole", IN_ROLLBACKS, ids=lambda one: one.name)
def test_each_hole_in_a_rollback_is_found(hole: Any) -> None:
    """With one fault, or with a second one in the rollback, what the table of holes says is found where it was not before."""
    expected = {(code, kind) for code, kind, _ in hole.finds}
    for depth in (1, 2):
        new = seen(hole.name, depth) - of_the_example_itself(depth)
        if expected & {(code, kind) for code, kind, _ in new}:
            return
    pytest.fail(f"{hole.name} was not found: {sorted(new)}")


def test_there_are_holes_to_find() -> None:
    """The paths that fail have most of them."""
    assert 14 == len(IN_ROLLBACKS)
