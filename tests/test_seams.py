"""What the core offers to test runners: taking over for a while, names of who was seen before, kinds by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from own_thread import in_thread
from watched_images import image, images

from lifeguard import Resource, Rollback, ViolationError, context, scope
from lifeguard.kinds import declared_kinds


@pytest.fixture
def _named_origins() -> Iterator[None]:
    """Every name of who runs says whether a task was given."""
    context.name_origin = lambda name, task: f"{name} seen with{'out' if task is None else ''} a task"
    yield
    context.name_origin = None


def test_a_scope_takes_over_for_a_while_and_stands_behind_the_others_afterwards() -> None:
    """What is set up in the middle of a test takes its own acquires, and gives the rest back to the test."""
    with scope("test", reach="process", on_violation="record") as watched:
        fixture = scope("fixture", reach="process", on_violation="record").open()
        with context.taking_over(fixture):
            in_thread(lambda: images.create("of the fixture"))
        in_thread(lambda: images.create("of the test"))
        assert ["fixture", "test"] == [one.name for one in context.PROCESS]
        assert ["of the fixture"] == [one.key for one in fixture.outstanding]
        assert ["of the test"] == [one.key for one in watched.outstanding]
        fixture.close()


def test_scopes_that_take_over_inside_each_other_keep_their_order() -> None:
    """A module's fixture that asks for the session's one stands before it in the end."""
    outer = scope("test", reach="process", on_violation="record").open()
    module = scope("module", reach="process", on_violation="record").open()
    with context.taking_over(module):
        session = scope("session", reach="process", on_violation="record").open()
        with context.taking_over(session):
            pass
        assert ["session", "test", "module"] == [one.name for one in context.PROCESS]
    assert ["session", "module", "test"] == [one.name for one in context.PROCESS]
    for one in (session, module, outer):
        one.close()


def test_a_scope_may_be_closed_while_it_has_taken_over() -> None:
    """A fixture is judged at the end of its own tear-down."""
    with scope("test", reach="process"):
        fixture = scope("fixture", reach="process").open()
        with context.taking_over(fixture):
            fixture.close()
        assert ["test"] == [one.name for one in context.PROCESS]


@pytest.mark.usefixtures("_named_origins")
def test_names_of_who_runs_may_say_where_it_was_first_seen() -> None:
    """The report of a leak shows what the test runner adds, for threads and for tasks."""

    async def run() -> None:
        asyncio.current_task().set_name("worker")  # type: ignore[union-attr]
        images.create("a")

    with scope("both", reach="process", on_violation="record") as watched:
        asyncio.run(run())
        in_thread(lambda: images.create("b"))
    first, second = (one.actor for one in watched.violations)
    assert "task worker seen with a task" == first
    assert second.endswith(" seen without a task")


def test_kinds_are_known_by_name_while_they_exist() -> None:
    """A configuration file can only name a kind; two of one name are both meant."""
    first, second = Resource("a kind of this test"), Rollback("a kind of this test")
    assert {first, second} == {one for one in declared_kinds() if one.name == "a kind of this test"}
    assert image in declared_kinds()
    del first, second
    assert [] == [one for one in declared_kinds() if one.name == "a kind of this test"]


def test_what_was_let_through_was_not_swallowed() -> None:
    """A test runner that catches a verdict to tell it later says so to the scopes around."""
    with scope("outer", reach="process") as outer:
        inner = scope("inner", reach="process").open()
        inner.acquired(image, "a")
        with pytest.raises(ViolationError) as caught:
            inner.close()
        outer.let_through(caught.value)
    with (
        pytest.raises(ViolationError, match="raised by an inner scope, and swallowed"),
        scope("outer", reach="process"),
    ):
        inner = scope("inner", reach="process").open()
        inner.acquired(image, "a")
        with pytest.raises(ViolationError):
            inner.close()
