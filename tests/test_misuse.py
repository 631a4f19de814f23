"""A scope that is used wrongly says so, and damages nothing; a forked child keeps its hands off its parent's scopes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from findings import codes_and_keys
from watched_images import image, images

import lifeguard
from lifeguard import Rollback, UsageError, ViolationError, scope
from lifeguard.context import CURRENT, OPEN


def in_thread(work: Callable[[], Any]) -> BaseException | None:
    """Run something in a thread of its own; what it raised."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
            raised.append(None)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0]


# --- out of order -------------------------------------------------------------------------------------------------------


def test_left_out_of_order() -> None:
    """The outer one first: UsageError; then both can still be left in order, and nothing was lost."""
    outer, inner = scope("outer", on_violation="record"), scope("inner", on_violation="record")
    outer.__enter__()
    images.create("o")
    inner.__enter__()
    images.create("i")
    with pytest.raises(UsageError, match=r"'outer'.*'inner'.*leave the inner one first\n  at .*test_misuse\.py"):
        outer.__exit__(None, None, None)
    images.create("i2")
    inner.__exit__(None, None, None)
    images.create("o2")
    outer.__exit__(None, None, None)
    assert [("LG101", "i"), ("LG101", "i2")] == codes_and_keys(inner)
    assert [("LG101", "o"), ("LG101", "o2")] == codes_and_keys(outer)
    assert CURRENT.get(None) is None


def test_closed_although_it_is_current() -> None:
    """close() is not for what a with-block will leave, nor for what active() made current here; after those it is."""
    with scope("s") as s:
        with pytest.raises(UsageError, match="current here"):
            s.close()
        with scope("inner"), pytest.raises(UsageError, match="current here"):
            s.close()
    t = scope("t", on_violation="record").open()
    with t.active():
        images.create("i")
        with pytest.raises(UsageError, match="current here"):
            t.close()
    t.close()
    assert [("LG101", "i")] == codes_and_keys(t)


def test_a_task_started_in_active_may_close() -> None:
    """Once the block has been left, the copies of its context do not count."""

    async def main() -> None:
        s = scope("s").open()
        go = asyncio.Event()

        async def end() -> None:
            await go.wait()
            s.close()

        with s.active():
            task = asyncio.create_task(end())
        go.set()
        await task
        assert s.verdict is not None

    asyncio.run(main())


def test_active_left_out_of_order() -> None:
    """UsageError; afterwards neither is current any more than it should be."""
    a, b = scope("a", on_violation="record").open(), scope("b", on_violation="record").open()
    first, second = a.active(), b.active()
    first.__enter__()
    second.__enter__()
    with pytest.raises(UsageError, match=r"active\(\) of <scope 'a', open> is left before <scope 'b', open>"):
        first.__exit__(None, None, None)
    images.create("b")
    second.__exit__(None, None, None)
    images.create("nowhere")
    with scope("c", on_violation="record") as c:
        images.create("c")
    b.close()
    a.close()
    assert [[], [("LG101", "b")], [("LG101", "c")]] == [codes_and_keys(a), codes_and_keys(b), codes_and_keys(c)]


def test_a_scope_that_is_closed_from_elsewhere_inside_its_block() -> None:
    """Another thread may close it; the block says that it was left before, and is left."""
    s = scope("s", on_violation="record")
    s.__enter__()
    images.create("i")
    assert None is in_thread(s.close)
    assert [("LG101", "i")] == codes_and_keys(s)
    with pytest.raises(UsageError, match="left before"):
        s.__exit__(None, None, None)
    assert CURRENT.get(None) is None


# --- another task, thread or context ------------------------------------------------------------------------------------


def test_left_in_another_thread() -> None:
    """UsageError there; here it goes on."""
    with scope("s", on_violation="record") as s:
        error = in_thread(lambda: s.__exit__(None, None, None))
        assert isinstance(error, UsageError)
        assert "another task, thread or context" in str(error)
        images.create("i")
    assert [("LG101", "i")] == codes_and_keys(s)


def test_left_in_another_task() -> None:
    """A task has a copy of the context, in which the scope is current; it is not the one that entered it all the same."""

    async def main() -> None:
        async with scope("s", on_violation="record") as s:

            async def leave() -> None:
                await s.__aexit__(None, None, None)

            with pytest.raises(UsageError, match="another task, thread or context"):
                await asyncio.create_task(leave())
            images.create("i")
        assert [("LG101", "i")] == codes_and_keys(s)

    asyncio.run(main())


def test_left_in_a_copied_context() -> None:
    """The same without tasks."""
    with scope("s") as s:
        with pytest.raises(UsageError, match="another task, thread or context"):
            contextvars.copy_context().run(s.__exit__, None, None, None)
        images.create("i")
        images.delete("i")


def test_entered_in_one_task_and_left_in_another() -> None:
    """UsageError with the body's exception as its cause; close() ends such a scope."""

    async def main() -> None:
        s = scope("s", on_violation="record")
        await asyncio.create_task(s.__aenter__())
        s.acquired(image, "i")
        body = RuntimeError("body")
        with pytest.raises(UsageError) as caught:
            await s.__aexit__(RuntimeError, body, None)
        assert body is caught.value.__cause__
        s.close()
        assert [("LG101", "i")] == codes_and_keys(s)

    asyncio.run(main())


def test_misuse_never_replaces_an_interrupt() -> None:
    """KeyboardInterrupt and its like go on, with a note."""
    s = scope("s")
    in_thread(s.__enter__)
    interrupt = KeyboardInterrupt()
    s.__exit__(KeyboardInterrupt, interrupt, None)
    assert "another task, thread or context" in interrupt.__notes__[0]
    s.close()


def test_a_generator_that_the_collector_closes() -> None:
    """A with-block inside a generator that is abandoned in another context: nothing is raised."""

    def items() -> Iterator[int]:
        with scope("s"):
            yield 1

    generator = items()
    contextvars.copy_context().run(next, generator)
    left = OPEN[-1]
    del generator
    gc.collect()
    left.close()


def test_active_left_in_another_context() -> None:
    """As asynchronous fixtures are, torn down elsewhere than they were set up: where it was entered, it ends as well."""
    s = scope("s", on_violation="record").open()
    block = s.active()
    there = contextvars.copy_context()
    there.run(block.__enter__)
    there.run(images.create, "there")
    images.create("here")
    block.__exit__(None, None, None)
    there.run(images.create, "there again")
    s.close()
    assert [("LG101", "there")] == codes_and_keys(s)


# --- used twice, or not at all ------------------------------------------------------------------------------------------


def test_used_twice() -> None:
    """A scope is used once; the first verdict stands."""
    with scope("s", on_violation="record") as s:
        images.create("i")
        with pytest.raises(UsageError, match="open already"):
            s.__enter__()
        with pytest.raises(UsageError, match="opened before"):
            s.open()
        with pytest.raises(UsageError, match="in use"):
            s(lambda: None)
    verdict = s.verdict
    with pytest.raises(UsageError, match="used once"):
        s.__enter__()
    with pytest.raises(UsageError, match="not open"):
        s.close()
    with pytest.raises(UsageError, match="left before"):
        s.__exit__(None, None, None)
    assert verdict is s.verdict


def test_left_without_being_entered() -> None:
    """Opened is not entered."""
    s = scope("s")
    with pytest.raises(UsageError, match="not entered"):
        s.__exit__(None, None, None)
    s.open()
    with pytest.raises(UsageError, match="not entered"):
        s.__exit__(None, None, None)
    s.close()


@pytest.mark.parametrize("state", ["new", "closed"])
def test_what_needs_an_open_scope(state: str) -> None:
    """Each method names itself and the scope, and changes nothing."""
    spawn = Rollback("spawn")
    s = scope("s")
    if state == "closed":
        s.open().close()
    calls: list[Callable[[], object]] = [
        lambda: s.acquired(image, "i"),
        lambda: s.released(image, "i"),
        lambda: s.transferred(image, "i", to=lifeguard.OUTSIDE),
        lambda: s.used(image, "i"),
        lambda: s.failed(spawn, "i"),
        lambda: s.rolled_back(spawn, "i"),
        lambda: s.seed(image, "i", why="w"),
        lambda: s.active().__enter__(),
        lambda: s.close(),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"'s', (new|closed)> is not open"):
            call()
    assert {} == dict(s.watched)


def test_closed_while_it_is_closing() -> None:
    """An on_leak or an on_violation that closes again is told, and does no harm."""

    def again(one: object) -> None:
        with pytest.raises(UsageError):
            s.close()

    s = scope("s", on_leak=again, on_violation=again).open()
    s.acquired(image, "i")
    s.close()
    assert [("LG101", "i")] == codes_and_keys(s)


def test_an_inner_scope_that_is_never_left() -> None:
    """It is told from the outer one's misuse which one it is; closing it elsewhere sets the outer one free."""
    with scope("outer", on_violation="record") as outer:
        inner = scope("inner", on_violation="record")
        inner.__enter__()
        images.create("i")
        with pytest.raises(UsageError, match="'inner'"):
            outer.__exit__(None, None, None)
        assert None is in_thread(inner.close)
    assert ([("LG101", "i")], []) == (codes_and_keys(inner), codes_and_keys(outer))


# --- fork ---------------------------------------------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")

FORK = """
import os, sys, threading
from lifeguard import *

image = Resource("image")

class Images:
    @acquires(image, key="image_id")
    def create(self, image_id): pass
    @releases(image, key="image_id")
    def delete(self, image_id): pass
    @acquires(image, key="image_id")
    def fork(self, image_id, child):
        return fork(child)

images = Images()

def fork(child):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        child()
    except BaseException as error:
        import traceback
        traceback.print_exc()
        os._exit(9)
    sys.stdout.flush()
    os._exit(0)
"""


def forked(program: str) -> str:
    """What a program that forks prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    quiet = ["-W", "ignore::DeprecationWarning"]  # of forking with threads, which is what is tested
    command = [sys.executable, *quiet, "-c", FORK + textwrap.dedent(program)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ("", 0) == (ran.stderr, ran.returncode)
    return ran.stdout


@forks
def test_inert_in_the_child() -> None:
    """The child may do what it likes: nothing is judged, raised or left behind there, and the parent's verdict is its own."""
    printed = forked("""
        with scope("s", on_violation="record") as s:
            images.create("i")
            images.create("j")
            def child():
                images.delete("i")
                images.create("k")
                s.acquired(image, "l")
                s.seed(image, "m", why="w")
                assert () == s.outstanding and () == s.violations
                with s.active():
                    images.create("n")
                s.bind(images.create)("o")
                assert s.close().balanced
                s.__exit__(None, None, None)
            assert 0 == fork(child)
            images.delete("j")
        print([(one.code, one.key) for one in s.violations], s.watched["image"].acquired)
    """)
    assert "[('LG101', 'i')] 2\n" == printed


@forks
def test_the_child_leaves_the_with_block() -> None:
    """A child that runs on through the parent's with-block raises nothing, with or without an exception."""
    printed = forked("""
        for error in (None, ValueError("body")):
            try:
                with scope("s", on_violation="raise", on_leak=print) as s:
                    images.create("i")
                    pid = os.fork()
                    if pid:
                        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                        images.delete("i")
                    elif error is not None:
                        raise error
            except ValueError:
                os._exit(5)
            if pid == 0:
                os._exit(4)
            print(code, s.verdict.balanced)
    """)
    assert "4 True\n5 True\n" == printed


@forks
def test_the_child_opens_scopes_of_its_own() -> None:
    """They work as ever; the inert ones around them count for nothing."""
    printed = forked("""
        with scope("parent", on_violation="record", reach="process") as parent:
            images.create("i")
            def child():
                with scope("child", on_violation="record") as own:
                    images.create("i")
                    images.create("k")
                    images.delete("k")
                assert ["i"] == [one.key for one in own.violations], own.violations
                assert ["LG101"] == [one.code for one in own.violations]
                with scope("process", on_violation="record", reach="process") as own:
                    thread = threading.Thread(target=images.create, args=("t",))
                    thread.start()
                    thread.join()
                assert ["t"] == [one.key for one in own.violations]
            assert 0 == fork(child)
            images.delete("i")
        print(parent.verdict.balanced, parent.verdict.elsewhere)
    """)
    assert "True 0\n" == printed


@forks
def test_a_call_that_forks() -> None:
    """A watched call that is running in both of them ends in both of them: here it counts, there it does not."""
    printed = forked("""
        with scope("s", on_violation="record", fail_fast=True) as s:
            assert 0 == images.fork("i", lambda: images.delete("i"))
            pid = images.fork("j", lambda: None) if s.outstanding else 0
        print([(one.code, one.key) for one in s.violations])
    """)
    assert "[('LG101', 'i'), ('LG101', 'j')]\n" == printed


@forks
def test_fork_while_another_thread_is_busy() -> None:
    """The ledger's lock may be held by a thread that does not exist in the child: the child does not wait for it."""
    printed = forked("""
        stop = threading.Event()
        with scope("s", reach="process") as s:
            def busy():
                while not stop.is_set():
                    images.create("busy")
                    images.delete("busy")
            thread = threading.Thread(target=busy)
            thread.start()
            def child():
                with scope("child"):
                    images.create("i")
                    images.delete("i")
            codes = {fork(child) for _ in range(20)}
            stop.set()
            thread.join()
        print(codes, s.verdict.balanced)
    """)
    assert "{0} True\n" == printed


def test_violation_error_of_a_misused_scope_is_still_raised() -> None:
    """A UsageError on the way out of a body is an exception like any other: what is left is said, from it."""
    with pytest.raises(ViolationError) as caught:
        with scope("s") as s:
            images.create("i")
            s.close()
    assert isinstance(caught.value.__cause__, UsageError)
