"""Failures: rollbacks that are owed, tried, done, and their order."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from findings import held, said, watching
from watched_failures import HostError, cleanup, fails, spawn, start, strict, task

from lifeguard import (
    on_failure,
    rolls_back,
    scope,
)
from lifeguard.verdict import Violation


def verbs(violation: Violation) -> list[str]:
    """The events of a violation, oldest first."""
    return [one.verb for one in violation.history]


# -- on_failure and rolls_back --------------------------------------------------------------------------------------------


def test_a_call_that_returns_owes_nothing() -> None:
    """No failure, no rollback."""
    with watching() as watched:
        assert "a" == start("a")
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_failure_is_owed_handled_or_not() -> None:
    """LG201, with the exception and the subject."""
    with watching() as watched:
        fails(start, "a", HostError("full"))
        assert ["spawn 'a' (owed)"] == held(watched)
    (violation,) = watched.violations
    assert ("LG201", "failure without rollback", "CWE-755") == (violation.code, violation.name, violation.cwe)
    assert ["failed"] == verbs(violation)
    assert "HostError: full" == violation.history[0].note
    assert ["a"] == [one.key for one in violation.subjects]


def test_a_failure_that_leaves_the_scope_is_raised_from_it() -> None:
    """The body's exception is the cause."""
    from lifeguard import ViolationError

    with pytest.raises(ViolationError) as caught, scope("failures"):
        start("a", HostError("full"))
    assert isinstance(caught.value.__cause__, HostError)
    assert ["LG201"] == [one.code for one in caught.value.violations]


def test_a_rollback_that_returned_pays() -> None:
    """Wherever it is done before the scope ends."""
    with watching() as watched:
        fails(start, "a", HostError())
        cleanup("a")
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_rollback_that_raised_is_an_attempt() -> None:
    """LG202 with the original's and every attempt's exception; a later one that returns pays."""
    with watching() as watched:
        fails(start, "a", HostError("full"))
        fails(cleanup, "a", OSError("busy"), error=OSError)
        fails(cleanup, "a", OSError("still busy"), error=OSError)
        fails(start, "b", HostError("full"))
        fails(cleanup, "b", OSError("busy"), error=OSError)
        cleanup("b")
    (violation,) = watched.violations
    assert ("LG202", "a") == (violation.code, violation.key)
    assert [
        ("failed", "HostError: full"),
        ("rollback raised", "OSError: busy"),
        ("rollback raised", "OSError: still busy"),
    ] == [(one.verb, one.note) for one in violation.history]


def test_repeated_failures_of_one_key_are_one_obligation() -> None:
    """Attempts are counted; one rollback pays for all."""
    with watching() as watched:
        for _ in range(3):
            fails(start, "a", HostError())
        assert ["spawn 'a' (owed)"] == held(watched)
        assert 3 == watched.watched["spawn"].failed
        cleanup("a")
        assert [] == held(watched)
    assert [] == said(watched)


def test_which_exceptions_are_failures() -> None:
    """`exc` says; Exception by default, so that cancellation and exit are none."""

    @on_failure(spawn, key="name", exc=(HostError, KeyboardInterrupt))
    def picky(name: str, error: BaseException) -> None:
        raise error

    with watching() as watched:
        fails(start, "exit", SystemExit(), error=SystemExit)
        fails(picky, "other", OSError(), error=OSError)
        fails(picky, "host", HostError())
        fails(picky, "interrupt", KeyboardInterrupt(), error=KeyboardInterrupt)
    assert ["LG201 spawn 'host'", "LG201 spawn 'interrupt'"] == said(watched)


def test_a_condition_on_the_failure() -> None:
    """`when` of arguments: where it does not hold, the failure owes nothing."""

    @on_failure(spawn, key="name", when="not dry_run")
    def run(name: str, dry_run: bool) -> None:
        raise HostError

    with watching() as watched:
        fails(run, "dry", True)
        fails(run, "wet", False)
    assert ["LG201 spawn 'wet'"] == said(watched)


def test_failures_by_value() -> None:
    """A condition that mentions `result` adds failures by value; an exception still is one."""

    @on_failure(spawn, key="name", when="not result")
    def run(name: str, result: object) -> object:
        if isinstance(result, Exception):
            raise result
        return result

    @on_failure(spawn, key="name", exc=(), when="result == 'error'")
    def by_value_alone(name: str, what: object) -> object:
        if isinstance(what, Exception):
            raise what
        return what

    with watching() as watched:
        assert run("true", True)
        assert not run("false", False)
        fails(run, "raised", HostError())
        by_value_alone("ok", "fine")
        by_value_alone("bad", "error")
        fails(by_value_alone, "raised too", HostError())
    assert ["LG201 spawn 'false'", "LG201 spawn 'raised'", "LG201 spawn 'bad'"] == said(watched)


def test_a_failure_by_value_keyed_by_the_result() -> None:
    """The result of a call that returned names the thing."""

    @on_failure(spawn, key="result['id']", exc=(), when="result['status'] == 'error'")
    def run(status: str) -> dict[str, str]:
        return {"id": "r1", "status": status}

    with watching() as watched:
        run("ok")
        assert [] == held(watched)
        run("error")
    assert ["LG201 spawn 'r1'"] == said(watched)


def test_success_pays_where_it_is_declared() -> None:
    """A later success of the same call for the same key pays; of another key it does not; undeclared it does not."""

    @on_failure(spawn, key="name", success_pays=True)
    def retry(name: str, fail: bool) -> None:
        if fail:
            raise HostError

    with watching() as watched:
        fails(retry, "a", True)
        fails(retry, "b", True)
        retry("a", False)
        fails(start, "c", HostError())
        start("c")
        assert ["spawn 'b' (owed)", "spawn 'c' (owed)"] == held(watched)
    assert ["LG201 spawn 'b'", "LG201 spawn 'c'"] == said(watched)


def test_success_pays_with_failures_by_value() -> None:
    """A returned failure is a failure, not a success."""

    @on_failure(spawn, key="name", when="not result", success_pays=True)
    def retry(name: str, good: bool) -> bool:
        return good

    with watching() as watched:
        retry("a", False)
        retry("a", False)
        assert ["spawn 'a' (owed)"] == held(watched)
        retry("a", True)
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_rollback_inside_the_failing_call_pays() -> None:
    """It was done before the exception left the call."""
    with watching() as watched:
        fails(start, "a", HostError(), lambda: cleanup("a"))
        assert [] == held(watched)
        fails(start, "a", HostError())
        assert ["spawn 'a' (owed)"] == held(watched)
    assert ["LG201 spawn 'a'"] == said(watched)


def test_a_rollback_of_another_key_inside_does_not_pay() -> None:
    """Only the rollback of what failed is its rollback."""
    with watching() as watched:
        fails(start, "a", HostError(), lambda: cleanup("b"))
    assert ["LG201 spawn 'a'"] == said(watched)


def test_an_attempt_inside_the_failing_call_counts() -> None:
    """It was tried, and raised: LG202."""

    def try_it() -> None:
        fails(cleanup, "a", OSError("busy"), error=OSError)

    with watching() as watched:
        fails(start, "a", HostError(), try_it)
    assert ["LG202 spawn 'a'"] == said(watched)
    assert "OSError: busy" in [one.note for one in watched.violations[0].history]


def test_a_rollback_that_raises_again_what_it_was_called_for_is_done() -> None:
    """`raise` at the end of a handler that rolled back; raised anew, or another exception, it failed."""

    @rolls_back(spawn, key="name")
    def undo_and_raise(name: str, error: BaseException, other: BaseException | None = None) -> None:
        if other is not None:
            raise other
        raise error

    def run(name: str, other: BaseException | None = None) -> None:
        try:
            start(name, HostError("full"))
        except HostError as error:
            undo_and_raise(name, error, other)

    with watching() as watched:
        fails(run, "a")
        fails(run, "b", OSError("busy"), error=OSError)
        assert ["spawn 'b' (owed)"] == held(watched)
    assert ["LG202 spawn 'b'"] == said(watched)


def test_a_rollback_of_what_never_failed() -> None:
    """Counted; LG203 for a rollback that says `unseen="error"`."""

    @rolls_back(strict, key="name")
    def strictly(name: str) -> None: ...

    with watching() as watched:
        cleanup("a")
        assert 1 == watched.watched["spawn"].unmatched
        strictly("b")
    assert ["LG203 strict 'b'"] == said(watched)


def test_a_condition_on_the_rollback() -> None:
    """Where it does not hold, nothing is rolled back."""

    @rolls_back(spawn, key="name", when="destroy_disks")
    def partial(name: str, destroy_disks: bool) -> None: ...

    with watching() as watched:
        fails(start, "a", HostError())
        partial("a", False)
        assert ["spawn 'a' (owed)"] == held(watched)
        partial("a", True)
    assert [] == said(watched)


def test_a_rollback_in_another_thread_pays() -> None:
    """Whoever pays."""
    with watching() as watched:
        fails(start, "a", HostError())
        thread = threading.Thread(target=watched.bind(cleanup), args=("a",))
        thread.start()
        thread.join()
    assert [] == said(watched)


# -- order ----------------------------------------------------------------------------------------------------------------


class Flow:
    """Tasks that run inside one another and record what was reverted."""

    def __init__(self) -> None:
        self.fail_at = ""

    @on_failure(task, key="name")
    def run(self, name: str, *steps: Callable[[], object]) -> None:
        """Run the steps, then fail or not."""
        for step in steps:
            step()
        if name == self.fail_at:
            raise HostError(name)

    @rolls_back(task, key="name")
    def revert(self, name: str, fail: bool = False) -> None:
        """Undo one task."""
        if fail:
            raise OSError(name)


def flow_failing_at(name: str) -> Flow:
    """A flow of two steps in an outer task, which has failed."""
    flow = Flow()
    flow.fail_at = name
    fails(flow.run, "outer", lambda: flow.run("one"), lambda: flow.run("two"))
    return flow


def test_steps_are_dropped_when_the_outer_call_returns() -> None:
    """Nothing failed, nothing is owed."""
    flow = Flow()
    with watching() as watched:
        flow.run("outer", lambda: flow.run("one"), lambda: flow.run("two"))
        assert [] == held(watched)
    assert [] == said(watched)


def test_completed_steps_are_owed_when_the_outer_call_raises() -> None:
    """The failed one and its steps; reverted the last first, each of them: balanced."""
    with watching() as watched:
        flow = flow_failing_at("outer")
        assert {"task 'outer' (owed)", "task 'one' (owed)", "task 'two' (owed)"} == set(held(watched))
        for name in ("outer", "two", "one"):
            flow.revert(name)
    assert [] == said(watched)


def test_nobody_rolled_back_is_one_finding() -> None:
    """LG201 for the failed call, with its steps under it."""
    with watching() as watched:
        flow_failing_at("outer")
    assert ["LG201 task 'outer'"] == said(watched)
    assert 2 == len(watched.violations[0].children)


def test_steps_out_of_order() -> None:
    """LG206 on the step that came too early."""
    with watching() as watched:
        flow = flow_failing_at("outer")
        for name in ("outer", "one", "two"):
            flow.revert(name)
    assert ["LG206 task 'one'"] == said(watched)


def test_a_step_not_tried() -> None:
    """LG206 on the step that was left out, when others were tried."""
    with watching() as watched:
        flow = flow_failing_at("outer")
        flow.revert("outer")
        flow.revert("two")
    assert ["LG206 task 'one'"] == said(watched)


def test_each_step_is_tried_even_when_another_failed() -> None:
    """A rollback that raised was tried: the next in order is in order, and what failed is LG202."""
    with watching() as watched:
        flow = flow_failing_at("outer")
        flow.revert("outer")
        fails(flow.revert, "two", True, error=OSError)
        flow.revert("one")
    assert ["LG202 task 'two'"] == said(watched)


def test_a_step_that_fails_itself() -> None:
    """The inner task failed, and the outer with it: both and the earlier step are owed."""
    with watching() as watched:
        flow = flow_failing_at("two")
        assert {"task 'outer' (owed)", "task 'one' (owed)", "task 'two' (owed)"} == set(held(watched))
        flow.revert("two")
        flow.revert("one")
        flow.revert("outer")
    assert [] == said(watched)


def test_steps_at_several_depths() -> None:
    """A step that returned has dropped its own steps: it answers for them; one that raised owes its own, too."""
    flow = Flow()
    with watching() as watched:
        for flow.fail_at in ("outer", "right"):
            fails(
                flow.run,
                "outer",
                lambda: flow.run("left", lambda: flow.run("left-1"), lambda: flow.run("left-2")),
                lambda: flow.run("right", lambda: flow.run("right-1")),
            )
            inner = {"right-1"} if flow.fail_at == "right" else set()
            assert {"outer", "left", "right", *inner} == {one.key for one in watched.outstanding}
            for name in ("outer", "right", *inner, "left"):
                flow.revert(name)
    assert [] == said(watched)


def test_a_handled_inner_failure_leaves_its_steps_owed() -> None:
    """An inner task failed and was handled: it and its steps are owed, the outer one that returned drops its own."""
    flow = Flow()
    flow.fail_at = "inner"

    def handled() -> None:
        fails(flow.run, "inner", lambda: flow.run("inner-1"))

    with watching() as watched:
        flow.run("outer", lambda: flow.run("one"), handled)
        assert {"task 'inner' (owed)", "task 'inner-1' (owed)"} == set(held(watched))
        flow.revert("inner")
        flow.revert("inner-1")
    assert [] == said(watched)


def test_steps_of_other_threads_are_none_of_this_call() -> None:
    """A task that another thread completes meanwhile is no step of this one."""
    flow = Flow()
    flow.fail_at = "outer"

    def elsewhere() -> None:
        thread = threading.Thread(target=watched.bind(flow.run), args=("other",))
        thread.start()
        thread.join()

    with watching() as watched:
        fails(flow.run, "outer", elsewhere)
        assert ["task 'outer' (owed)"] == held(watched)
        flow.revert("outer")
    assert [] == said(watched)


def test_unordered_rollbacks_have_no_steps() -> None:
    """Without `order` a completed inner call is just a call that returned."""
    with watching() as watched:
        fails(start, "a", HostError(), lambda: start("b"))
        cleanup("a")
    assert [] == said(watched)
