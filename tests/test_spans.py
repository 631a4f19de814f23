"""Calls that must be atomic, and calls that settle things."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from findings import said, watching
from watched_failures import HostError, cleanup, fails, image, port, server, spawn, start

from lifeguard import (
    OUTSIDE,
    Resource,
    acquires,
    atomic,
    releases,
    settles,
    transfers,
)


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
