"""Where an acquire goes: contexts and the process, what a scope watches, and how long it remembers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import ExitStack

import pytest
from findings import codes_and_keys
from own_thread import in_thread
from watched_images import image, images

from lifeguard import Resource, acquires, releases, scope
from lifeguard.context import CURRENT

volume = Resource("volume")


class Volumes:
    """Another one."""

    @acquires(volume, key="volume_id")
    def create(self, volume_id: str) -> str:
        """Make one."""
        return volume_id

    @releases(volume, key="volume_id")
    def delete(self, volume_id: str) -> None:
        """Remove one."""


volumes = Volumes()


# --- where an acquire goes ----------------------------------------------------------------------------------------------


def test_innermost_scope_of_the_context() -> None:
    """What an inner scope judged is judged once and never moved outward."""
    with scope("outer", on_violation="record") as outer:
        images.create("o1")
        with scope("inner", on_violation="record") as inner:
            images.create("i1")
        images.create("o2")
    assert [("LG101", "i1")] == codes_and_keys(inner)
    assert [("LG101", "o1"), ("LG101", "o2")] == codes_and_keys(outer)
    assert 3 == inner.watched["image"].acquired + outer.watched["image"].acquired


def test_release_in_an_inner_scope_pays_the_outer() -> None:
    """Where an acquire goes is one thing; who pays is another."""
    with scope("outer", on_violation="record") as outer:
        images.create("i")
        with scope("inner", on_violation="record") as inner:
            images.delete("i")
    assert [] == codes_and_keys(inner) == codes_and_keys(outer)
    assert 1 == outer.watched["image"].released


def test_context_before_process() -> None:
    """The process-reach scope gets what no scope of the context takes."""
    with scope("p", reach="process", on_violation="record") as p:
        images.create("main")
        in_thread(lambda: images.create("thread"))
        with scope("c", on_violation="record") as c:
            images.create("inner")
    assert [("LG101", "inner")] == codes_and_keys(c)
    assert [("LG101", "main"), ("LG101", "thread")] == codes_and_keys(p)


def test_of_several_process_scopes_the_one_opened_last() -> None:
    """Where there is none in the context, the process-reach scope opened last."""
    first = scope("first", reach="process", on_violation="record").open()
    second = scope("second", reach="process", on_violation="record").open()
    in_thread(lambda: images.create("1"))
    second.close()
    in_thread(lambda: images.create("2"))
    first.close()
    assert [("LG101", "1")] == codes_and_keys(second)
    assert [("LG101", "2")] == codes_and_keys(first)


def test_an_opened_process_scope_reaches_everything() -> None:
    """It need not be current anywhere, not even where it was opened."""
    p = scope("p", reach="process", on_violation="record").open()
    images.create("main")
    in_thread(lambda: images.create("thread"))
    p.close()
    assert [("LG101", "main"), ("LG101", "thread")] == codes_and_keys(p)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_process_scopes_close_in_any_order(order: tuple[int, ...]) -> None:
    """Each judges what it got; afterwards nothing is current."""
    scopes = [scope(f"p{n}", reach="process", on_violation="record") for n in range(3)]
    for n, s in enumerate(scopes):
        s.__enter__()
        images.create(f"i{n}")
    for n in order:
        scopes[n].__exit__(None, None, None)
    assert [[("LG101", f"i{n}")] for n in range(3)] == [codes_and_keys(s) for s in scopes]
    with scope("after", on_violation="record") as after:
        images.create("later")
    assert [("LG101", "later")] == codes_and_keys(after)


def test_a_process_scope_around_which_a_context_scope_closes() -> None:
    """A context scope does not have to wait for a process-reach scope that was opened in it."""
    with ExitStack() as stack:
        p = scope("p", reach="process", on_violation="record")
        with scope("c", on_violation="record") as c:
            images.create("c")
            stack.enter_context(p)
            images.create("p1")
        images.create("p2")
    assert [("LG101", "c")] == codes_and_keys(c)
    assert [("LG101", "p1"), ("LG101", "p2")] == codes_and_keys(p)


def test_a_process_scope_is_left_in_another_thread() -> None:
    """Test runners set up and tear down where they like."""
    p = scope("p", reach="process", on_violation="record")
    in_thread(p.__enter__)
    images.create("i")
    p.__exit__(None, None, None)
    assert [("LG101", "i")] == codes_and_keys(p)


def test_overlapping_process_scopes_leave_no_chain_behind() -> None:
    """A service that always opens the next before it closes the last keeps none of the old ones."""
    last = scope("p", reach="process").__enter__()
    for _ in range(50):
        following = scope("p", reach="process").__enter__()
        last.__exit__(None, None, None)
        last = following
    depth, node = 0, CURRENT.get(None)
    while node is not None:
        depth, node = depth + 1, node.outer
    assert 3 >= depth
    last.__exit__(None, None, None)


def test_a_thread_without_a_scope_goes_nowhere() -> None:
    """A context scope does not see what threads do, and says how many acquires it missed."""
    with scope("s") as s:
        in_thread(lambda: images.create("i"))
        in_thread(lambda: images.create("j"))
    assert s.verdict is not None
    assert (2, 0) == (s.verdict.nowhere, s.verdict.elsewhere)
    assert "2 acquires went nowhere" in s.report()
    assert "watched nothing" in s.report()


def test_what_other_contexts_record_went_elsewhere() -> None:
    """An acquire that a scope of another thread took is counted, too."""

    def work() -> None:
        with scope("theirs") as theirs:
            images.create("i")
            images.delete("i")
        assert theirs.verdict is not None

    with scope("mine") as mine:
        images.create("m")
        in_thread(work)
        images.delete("m")
    assert mine.verdict is not None
    assert (0, 1) == (mine.verdict.nowhere, mine.verdict.elsewhere)
    assert "1 acquire went to scopes of other contexts" in mine.report()


def test_what_an_inner_scope_took_did_not_go_elsewhere() -> None:
    """Nested scopes see the same context."""
    with scope("outer") as outer:
        with scope("inner"):
            images.create("i")
            images.delete("i")
    assert outer.verdict is not None
    assert (0, 0) == (outer.verdict.nowhere, outer.verdict.elsewhere)


def test_counts_cover_only_the_time_it_was_open() -> None:
    """What happened before and after is none of its business."""
    with scope("outer", on_violation="record"):
        in_thread(lambda: images.create("before"))
        with scope("s") as s:
            pass
        in_thread(lambda: images.create("after"))
    assert s.verdict is not None
    assert (0, 0) == (s.verdict.nowhere, s.verdict.elsewhere)


def test_a_raised_acquire_goes_nowhere_and_is_not_counted() -> None:
    """Only what was acquired can be missed."""

    class Broken:
        @acquires(image, key="image_id")
        def create(self, image_id: str) -> None:
            raise OSError

    def work() -> None:
        with pytest.raises(OSError):
            Broken().create("i")

    with scope("s") as s:
        in_thread(work)
    assert s.verdict is not None
    assert 0 == s.verdict.nowhere


def test_a_task_that_outlives_its_scope() -> None:
    """A closed scope that is still current in a task counts no more: the acquire goes to the scope around it."""

    async def main() -> None:
        go, gone = asyncio.Event(), asyncio.Event()

        async def background() -> None:
            await go.wait()
            images.create("late")
            gone.set()

        with scope("outer", on_violation="record") as outer:
            with scope("inner", on_violation="record") as inner:
                task = asyncio.create_task(background())
            go.set()
            await gone.wait()
            await task
        assert [] == codes_and_keys(inner)
        assert [("LG101", "late")] == codes_and_keys(outer)

    asyncio.run(main())


def test_a_late_event_of_something_that_was_judged() -> None:
    """A release that began before its scope closed and returned after it: the verdict stands, the event counts as late."""
    began, closed = threading.Event(), threading.Event()

    class Slow:
        @releases(image, key="image_id")
        def delete(self, image_id: str) -> None:
            began.set()
            assert closed.wait(10)

    s = scope("s", reach="process", on_violation="record").open()
    other = scope("other", on_violation="record").open()
    images.create("i")
    thread = threading.Thread(target=Slow().delete, args=("i",))
    thread.start()
    assert began.wait(10)
    s.close()
    closed.set()
    thread.join()
    other.close()
    assert [("LG101", "i")] == codes_and_keys(s)
    assert 1 == s.late
    assert [] == codes_and_keys(other)


def test_tasks_started_in_active_stay_in_the_scope() -> None:
    """Leaving active() ends it here, and not in the tasks that were started in it."""

    async def main() -> None:
        s = scope("s", on_violation="record").open()
        go = asyncio.Event()

        async def work() -> None:
            await go.wait()
            images.create("task")

        with s.active():
            task = asyncio.create_task(work())
        go.set()
        await task
        s.close()
        assert [("LG101", "task")] == codes_and_keys(s)

    asyncio.run(main())


def test_a_context_that_was_copied() -> None:
    """`contextvars.copy_context` takes the current scope along, into a thread, too."""
    with scope("s", on_violation="record") as s:
        copied = contextvars.copy_context()
        in_thread(lambda: copied.run(images.create, "i"))
    assert [("LG101", "i")] == codes_and_keys(s)


# --- only, ignore -------------------------------------------------------------------------------------------------------


def test_only_and_ignore_fall_through() -> None:
    """What is not watched here goes to the scope around."""
    with scope("outer", on_violation="record") as outer:
        with scope("only", on_violation="record", only=[image]) as only:
            images.create("i")
            volumes.create("v")
        with scope("ignore", on_violation="record", ignore=[image]) as ignore:
            images.create("i2")
            volumes.create("v2")
    assert [("LG101", "i")] == codes_and_keys(only)
    assert [("LG101", "v2")] == codes_and_keys(ignore)
    assert [("LG101", "v"), ("LG101", "i2")] == codes_and_keys(outer)


def test_only_falls_through_to_the_process() -> None:
    """Where no scope of the context watches the kind, the process-reach one does."""
    with scope("p", reach="process", on_violation="record") as p:

        def work() -> None:
            with scope("c", on_violation="record", only=[volume]):
                images.create("i")

        in_thread(work)
    assert [("LG101", "i")] == codes_and_keys(p)


def test_only_of_several_and_of_none() -> None:
    """Any iterable of kinds; an empty one watches nothing."""
    with scope("both", on_violation="record", only=iter([image, volume])) as both:
        images.create("i")
        volumes.create("v")
    with scope("none", only=()) as none:
        images.create("i")
    assert [("LG101", "i"), ("LG101", "v")] == codes_and_keys(both)
    assert {} == dict(none.watched)


def test_releases_fall_through_as_well() -> None:
    """A release in a scope that ignores the kind pays the one around."""
    with scope("outer") as outer:
        volumes.create("v")
        with scope("inner", only=[image]) as inner:
            volumes.delete("v")
            volumes.delete("unknown")
    assert {} == dict(inner.watched)
    assert (1, 1) == (outer.watched["volume"].released, outer.watched["volume"].unmatched)


# --- memory -------------------------------------------------------------------------------------------------------------


def test_within_the_window_doubles_are_exact() -> None:
    """The last `remember` settled generations of a kind are remembered."""
    with scope("s", on_violation="record", remember=2) as s:
        for key in ("a", "b", "c"):
            images.create(key)
            images.delete(key)
        images.delete("a")  # forgotten
        images.delete("b")
        images.show("c")
    assert [("LG103", "b"), ("LG104", "c")] == codes_and_keys(s)
    assert (1, 1) == (s.watched["image"].unmatched, s.watched["image"].forgotten)
    assert "doubles of the 1 forgotten" in s.report()


def test_the_window_is_for_each_kind() -> None:
    """Many volumes do not push an image out."""
    with scope("s", on_violation="record", remember=1) as s:
        images.create("i")
        images.delete("i")
        for key in "abc":
            volumes.create(key)
            volumes.delete(key)
        images.delete("i")
    assert [("LG103", "i")] == codes_and_keys(s)


def test_remember_nothing() -> None:
    """0 switches LG103 and LG104 off and says so."""
    with scope("s", on_violation="record", remember=0) as s:
        images.create("i")
        images.delete("i")
        images.delete("i")
        images.show("i")
    assert [] == codes_and_keys(s)
    assert 2 == s.watched["image"].unmatched
    assert "remember=0: double releases and uses after release are not told" in s.report()


def test_remember_everything() -> None:
    """None keeps all."""
    with scope("s", on_violation="record", remember=None) as s:
        for number in range(1500):
            images.create(f"i{number}")
            images.delete(f"i{number}")
        images.delete("i0")
    assert [("LG103", "i0")] == codes_and_keys(s)
    assert 0 == s.watched["image"].forgotten


def test_by_default_a_thousand_and_some() -> None:
    """1024 of a kind."""
    with scope("s", on_violation="record") as s:
        for number in range(1025):
            images.create(f"i{number}")
            images.delete(f"i{number}")
        images.delete("i0")
        images.delete("i1")
    assert [("LG103", "i1")] == codes_and_keys(s)
    assert 1024 == s.verdict.remember if s.verdict else None


def test_a_closed_scope_remembers_nothing() -> None:
    """Its keys are as unseen to the next scope as any."""
    with scope("first"):
        images.create("i")
        images.delete("i")
    with scope("second", on_violation="record") as second:
        images.delete("i")
    assert [] == codes_and_keys(second)
    assert {"image": 1} == (second.verdict.unmatched if second.verdict else None)
