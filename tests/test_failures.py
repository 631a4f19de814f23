"""Failures: rollbacks that are owed, steps in order, and calls that must be atomic or settle things."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lifeguard import (
    OUTSIDE,
    Resource,
    Rollback,
    acquires,
    atomic,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
    transfers,
)
from lifeguard.scopes import Scope
from lifeguard.verdict import Violation

image = Resource("image")
server = Resource("server")
port = Resource("port", fields=("number", "host"))
spawn = Rollback("spawn")
strict = Rollback("strict", unseen="error")
task = Rollback("task", order="lifo")


def watching() -> Scope:
    """A scope that only records."""
    return scope("failures", on_violation="record")


def held(watched: Scope) -> list[str]:
    """What is outstanding, as texts."""
    return [str(one) for one in watched.outstanding]


def said(watched: Scope) -> list[str]:
    """What the closed scope says, as "code kind key also-codes"."""
    assert watched.verdict is not None
    return [
        " ".join([f"{one.code} {one.kind} {one.key_text}", *(text[:5] for text in one.also)])
        for one in (*watched.verdict.violations, *watched.verdict.warnings)
    ]


def verbs(violation: Violation) -> list[str]:
    """The events of a violation, oldest first."""
    return [one.verb for one in violation.history]


@acquires(image, key="name", about="subject")
def create(name: str, subject: object = None) -> None:
    """Acquire."""


@releases(image, key="name")
def delete(name: str) -> None:
    """Release."""


@transfers(image, key="name", to=OUTSIDE)
def publish(name: str) -> None:
    """Hand outside."""


@transfers(image, key="name", to=(server, "owner"))
def attach(name: str, owner: str) -> None:
    """Hand to a server."""


class HostError(Exception):
    """What a spawn raises."""


@on_failure(spawn, key="name", about="name")
def start(name: str, error: BaseException | None = None, inside: Callable[[], object] = lambda: None) -> str:
    """Fail, or not."""
    inside()
    if error is not None:
        raise error
    return name


@rolls_back(spawn, key="name")
def cleanup(name: str, error: BaseException | None = None) -> None:
    """Roll back, or fail to."""
    if error is not None:
        raise error


def fails(function: Callable[..., Any], *args: Any, error: type[BaseException] = HostError) -> None:
    """Call a function that must raise."""
    with pytest.raises(error):
        function(*args)


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
    assert [("failed", "HostError: full"), ("rollback raised", "OSError: busy"), ("rollback raised", "OSError: still busy")] == [
        (one.verb, one.note) for one in violation.history
    ]


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


# -- atomic ---------------------------------------------------------------------------------------------------------------


def test_atomic_that_raised_must_leave_nothing() -> None:
    """LG204 at once, and a later release does not wash it out."""

    @atomic
    def work() -> None:
        create("a")
        raise HostError("full")

    with watching() as watched:
        fails(work)
        delete("a")
    (violation,) = watched.violations
    assert ("LG204", "a") == (violation.code, violation.key)
    assert "released later" in violation.message
    assert "HostError: full" in violation.message


def test_atomic_that_left_it_open_says_so() -> None:
    """Still open at the end: one finding."""

    @atomic(image)
    def work() -> None:
        create("a")
        raise HostError

    with watching() as watched:
        fails(work)
    assert ["LG204 image 'a' LG101"] == said(watched)
    assert "still open at the end" in watched.violations[0].message


def test_atomic_that_cleans_up_is_fine() -> None:
    """Released, or handed outside, before the exception leaves it; and when it returns nothing is asked."""

    @atomic
    def work(fail: bool) -> None:
        create("a")
        create("b")
        if fail:
            delete("a")
            publish("b")
            raise HostError

    with watching() as watched:
        fails(work, True)
        work(False)
        delete("a")
        delete("b")
    assert [] == said(watched)


def test_atomic_does_not_speak_of_what_was_there_before() -> None:
    """Only what was opened since it began."""

    @atomic
    def work() -> None:
        raise HostError

    with watching() as watched:
        create("a")
        fails(work)
        delete("a")
    assert [] == said(watched)


def test_atomic_by_kind() -> None:
    """Named kinds only; without any every resource kind; rollbacks only if named."""

    @atomic(server)
    def servers_only() -> None:
        create("a")
        fails(start, "a", HostError())
        raise HostError

    @atomic(spawn)
    def rollbacks() -> None:
        fails(start, "b", HostError())
        raise HostError

    @atomic
    def all_resources() -> None:
        fails(start, "c", HostError())
        raise HostError

    with watching() as watched:
        for work in (servers_only, rollbacks, all_resources):
            fails(work)
        for name in "abc":
            cleanup(name)
        delete("a")
    assert ["LG204 spawn 'b'"] == said(watched)


def test_atomic_by_key_and_by_fields() -> None:
    """`key=` names one, or some fields of one."""

    @acquires(port, key="number, host")
    def bind(number: int, host: str) -> None: ...

    @releases(port, key="number, host")
    def unbind(number: int, host: str) -> None: ...

    @atomic(image, key="name")
    @atomic(port, key={"host": "host"})
    def work(name: str, host: str) -> None:
        for each in (name, "other"):
            create(each)
        for each in (host, "elsewhere"):
            bind(80, each)
        raise HostError

    with watching() as watched:
        fails(work, "a", "h1")
        for each in ("a", "other"):
            delete(each)
        for each in ("h1", "elsewhere"):
            unbind(80, each)
    assert {"LG204 image 'a'", "LG204 port number=80 host='h1'"} == set(said(watched))


def test_atomic_is_of_its_own_context() -> None:
    """What another thread opens meanwhile is none of its doing; what a task or a context that it started opens is."""

    @atomic
    def work() -> None:
        own = contextvars.copy_context()
        for run, name in ((watched.bind(create), "foreign"), (lambda name: own.run(create, name), "own")):
            thread = threading.Thread(target=run, args=(name,))
            thread.start()
            thread.join()
        raise HostError

    @atomic
    async def work_async() -> None:
        await asyncio.create_task(step("task"))
        raise HostError

    async def step(name: str) -> None:
        create(name)

    async def other(name: str) -> None:
        await asyncio.sleep(0)
        create(name)

    async def main() -> None:
        await asyncio.gather(work_async(), other("other task"), return_exceptions=True)

    with watching() as watched:
        fails(work)
        asyncio.run(main())
        for one in watched.outstanding:
            delete(one.key)  # type: ignore[arg-type]
    assert ["LG204 image 'own'", "LG204 image 'task'"] == said(watched)


def test_atomic_about_a_subject_sees_every_thread() -> None:
    """Whatever was opened for that subject since it began, in any thread of the scope; of other subjects nothing."""

    @atomic(about="uuid")
    def work(uuid: str) -> None:
        for name, subject in (("mine", uuid), ("not mine", "other")):
            thread = threading.Thread(target=watched.bind(create), args=(name, subject))
            thread.start()
            thread.join()
        create("own but other", "other")
        raise HostError

    with watching() as watched:
        create("before", "s1")
        fails(work, "s1")
        for one in watched.outstanding:
            delete(one.key)  # type: ignore[arg-type]
    assert ["LG204 image 'mine'"] == said(watched)


def test_atomic_about_does_not_see_what_another_running_call_answers_for() -> None:
    """Another atomic or settles call that still runs in another thread answers for what it opens itself."""
    opened, finish = threading.Event(), threading.Event()

    @atomic(about="uuid")
    def work(uuid: str) -> None:
        thread.start()
        assert opened.wait(10)
        raise HostError

    @settles(image)
    def other(uuid: str) -> None:
        create("in other", uuid)
        opened.set()
        assert finish.wait(10)
        delete("in other")

    with watching() as watched:
        thread = threading.Thread(target=watched.bind(other), args=("s1",))
        fails(work, "s1")
        finish.set()
        thread.join()
    assert [] == said(watched)


def test_atomic_calls_nest() -> None:
    """What an inner one left behind is said once; what it handled is the outer one's affair."""

    @atomic
    def inner(name: str) -> None:
        create(name)
        raise HostError

    @atomic
    def outer() -> None:
        inner("a")

    @atomic
    def innocent(name: str) -> None:
        create(name)

    @atomic
    def careless() -> None:
        innocent("b")
        raise HostError

    with watching() as watched:
        fails(outer)
        delete("a")
        fails(careless)
        delete("b")
    first, second = watched.violations
    assert ("a", "LG204", 1) == (first.key, first.code, len(first.also))
    assert ("b", "LG204", 0) == (second.key, second.code, len(second.also))


def test_atomic_about_a_transfer() -> None:
    """What it opened and handed to something that it did not open is left behind all the same: it is not settled."""

    @atomic
    def work() -> None:
        create("a")
        attach("a", "s1")
        raise HostError

    with watching() as watched:
        watched.acquired(server, "s1")
        fails(work)
        watched.released(server, "s1")
    assert ["LG204 image 'a'"] == said(watched)


def test_restores_what_it_found() -> None:
    """Nothing held before may be gone or moved; put back, it is fine; without `restores` nothing is asked."""

    @atomic(image, restores=True)
    def work(what: Callable[[], object]) -> None:
        what()
        raise HostError

    @atomic(image)
    def lenient(what: Callable[[], object]) -> None:
        what()
        raise HostError

    def swap() -> None:
        delete("d")
        create("d")

    with watching() as watched:
        watched.acquired(server, "s1")
        for name in "abcde":
            create(name)
        fails(work, lambda: delete("a"))
        fails(work, lambda: attach("b", "s1"))
        fails(work, lambda: publish("c"))
        fails(work, swap)
        fails(lenient, lambda: delete("e"))
        delete("d")
        watched.released(server, "s1")
    assert ["LG204 image 'a'", "LG204 image 'b'", "LG204 image 'c'"] == said(watched)
    gone, moved, outside = [one.message for one in watched.violations]
    assert "gone though" in gone
    assert "moved though" in moved
    assert "moved though" in outside


def test_a_swap_that_is_put_back_is_not_left_behind() -> None:
    """An atomic call that released and re-acquired the same thing has restored it, not opened something new."""

    @atomic
    def work() -> None:
        delete("a")
        create("a")
        raise HostError

    with watching() as watched:
        create("a")
        fails(work)
        delete("a")
    assert [] == said(watched)


def test_atomic_coroutine_that_is_cancelled() -> None:
    """Cancellation is raised, too."""

    @atomic
    async def work() -> None:
        create("a")
        await asyncio.Event().wait()

    async def main() -> None:
        running = asyncio.create_task(work())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with watching() as watched:
        asyncio.run(main())
        delete("a")
    assert ["LG204 image 'a'"] == said(watched)
    assert "CancelledError" in watched.violations[0].message


def test_atomic_on_a_context_manager() -> None:
    """The block is the call: what its body opens must be settled if it raises."""

    @atomic
    @contextmanager
    def transaction() -> Iterator[None]:
        yield

    def body(fail: bool) -> None:
        with transaction():
            create("inside")
            if fail:
                raise HostError

    with watching() as watched:
        create("before")
        fails(body, True)
        delete("inside")
        body(False)
        delete("inside")
        create("after")
        delete("before")
        delete("after")
    assert ["LG204 image 'inside'"] == said(watched)


# -- settles --------------------------------------------------------------------------------------------------------------


def test_settles_judges_what_it_opened_when_it_returned() -> None:
    """LG111 for what is open then; when it raises nothing is said; what was open before is not its own."""

    @settles(image)
    def work(fail: bool) -> None:
        create("a")
        if fail:
            raise HostError

    with watching() as watched:
        create("before")
        work(False)
        delete("a")
        fails(work, True)
        delete("a")
        delete("before")
    assert ["LG111 image 'a'"] == said(watched)
    assert "released later" in watched.violations[0].message


def test_settles_with_a_key_or_subject_whenever_opened() -> None:
    """Whatever is open for those, by whomever and whenever it was opened; no other."""

    @settles(image, key="name")
    def finish(name: str) -> None: ...

    @settles(about="instance_uuid")
    def destroy(instance_uuid: str) -> None: ...

    def elsewhere() -> None:
        create("thread", "u1")

    with watching() as watched:
        create("a")
        create("b")
        create("c", "u1")
        create("d", "u2")
        thread = threading.Thread(target=watched.bind(elsewhere))
        thread.start()
        thread.join()
        finish("a")
        destroy("u1")
        for one in watched.outstanding:
            delete(one.key)  # type: ignore[arg-type]
    assert ["LG111 image 'a'", "LG111 image 'c'", "LG111 image 'thread'"] == said(watched)


def test_settles_by_fields_and_by_result() -> None:
    """Some fields of a key; and, since the call returned, the result may name it."""

    @acquires(port, key="number, host")
    def bind(number: int, host: str) -> None: ...

    @settles(port, key={"host": "host"})
    def leave(host: str) -> None: ...

    @settles(image, key="result")
    def finish() -> str:
        return "a"

    with watching() as watched:
        bind(1, "h1")
        bind(2, "h1")
        bind(1, "h2")
        create("a")
        leave("h1")
        finish()
    codes = [text for text in said(watched) if text.startswith("LG111")]
    assert [
        "LG111 port number=1 host='h1' LG101",
        "LG111 port number=2 host='h1' LG101",
        "LG111 image 'a' LG101",
    ] == codes


def test_settles_of_parts_says_the_parent_once() -> None:
    """What belongs to something that is open, too, is told under it."""
    volume = Resource("volume", within=server)

    @acquires(server, key="name")
    def boot(name: str) -> None: ...

    @acquires(volume, key="name", within="owner")
    def plug(name: str, owner: str) -> None: ...

    @settles()
    def work() -> None:
        boot("s1")
        plug("v1", "s1")
        plug("v2", "s1")

    with watching() as watched:
        work()
        for name in ("v1", "v2"):
            watched.released(volume, name)
        watched.released(server, "s1")
    assert ["LG111 server 's1'"] == said(watched)
    assert 2 == len(watched.violations[0].children)


def test_settles_after_which_ends() -> None:
    """`ended`: returned, raised or either."""

    @settles(image, key="name", ended="raised")
    def undo(name: str, fail: bool) -> None:
        if fail:
            raise HostError

    @settles(image, ended="either")
    def always(name: str, fail: bool) -> None:
        create(name)
        if fail:
            raise HostError

    with watching() as watched:
        create("a")
        undo("a", False)
        assert [] == [one.code for one in watched.violations]
        fails(undo, "a", True)
        always("b", False)
        fails(always, "c", True)
        for name in "abc":
            delete(name)
    assert ["LG111 image 'a'", "LG111 image 'b'", "LG111 image 'c'"] == said(watched)


def test_settles_of_a_rollback_that_is_named() -> None:
    """Rollback kinds only if named."""

    @settles(spawn, about="name")
    def resize(name: str) -> None:
        fails(start, name, HostError())

    @settles(about="name")
    def resources_only(name: str) -> None:
        fails(start, name, HostError())

    with watching() as watched:
        resize("a")
        resources_only("b")
        cleanup("a")
        cleanup("b")
    assert ["LG111 spawn 'a'"] == said(watched)


def test_an_unreadable_subject_of_atomic_or_settles() -> None:
    """LG401; the call and its exception are untouched."""

    @atomic(about="instance.uuid")
    def work(instance: object) -> None:
        raise HostError

    @settles(image, key="result['id']")
    def finish() -> dict[str, str]:
        return {}

    with watching() as watched:
        fails(work, None)
        assert {} == finish()
    assert ["LG401", "LG401"] == [one.code for one in watched.violations]
