"""The life of a scope: how it is opened, made current and closed, and where an acquire goes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from lifeguard import OUTSIDE, DeclarationError, Resource, UsageError, ViolationError, acquires, releases, scope, uses
from lifeguard.context import CURRENT, OPEN, PROCESS
from lifeguard.scopes import Scope

image = Resource("image")
volume = Resource("volume")


class Images:
    """A fake service."""

    @acquires(image, key="image_id")
    def create(self, image_id: str) -> str:
        """Make one."""
        return image_id

    @uses(image, key="image_id")
    def show(self, image_id: str) -> None:
        """Look at one."""

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """Remove one."""


class Volumes:
    """Another one."""

    @acquires(volume, key="volume_id")
    def create(self, volume_id: str) -> str:
        """Make one."""
        return volume_id

    @releases(volume, key="volume_id")
    def delete(self, volume_id: str) -> None:
        """Remove one."""


images = Images()
volumes = Volumes()


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """Every test closes what it opens."""
    yield
    left = list(OPEN)
    OPEN.clear()
    PROCESS.clear()
    assert [] == left


def said(watched: Scope) -> list[tuple[str, object]]:
    """The codes and keys of a closed scope."""
    assert watched.verdict is not None
    return [(one.code, one.key) for one in watched.verdict.violations]


def in_thread(work: Callable[[], Any]) -> Any:
    """Run something in a thread of its own, and give what it returned or raise what it raised."""
    done: list[Any] = []

    def run() -> None:
        try:
            done.append((work(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = done[0]
    if error is not None:
        raise error
    return result


# --- forms --------------------------------------------------------------------------------------------------------------


def test_with_passes_what_balances() -> None:
    """Acquired and released: nothing is said, and the verdict counts what was seen."""
    with scope("night") as s:
        images.create("i1")
        images.delete("i1")
    assert s.verdict is not None
    assert s.verdict.balanced
    assert "night" == s.verdict.scope
    assert (1, 1) == (s.watched["image"].acquired, s.watched["image"].released)


def test_with_raises_what_is_left() -> None:
    """What is held at the end is said all together, when the scope closes."""
    with pytest.raises(ViolationError) as caught:
        with scope("night"):
            images.create("i1")
            images.create("i2")
    assert [("LG101", "i1"), ("LG101", "i2")] == [(one.code, one.key) for one in caught.value.violations]
    assert "night" == caught.value.scope


def test_nothing_is_said_before_the_end() -> None:
    """`except Exception` in the code under test cannot swallow what is only said when the scope closes."""
    reached = []
    with pytest.raises(ViolationError):
        with scope():
            try:
                images.create("i1")
                images.delete("i1")
                images.delete("i1")
            except Exception:
                reached.append("swallowed")
            reached.append("end")
    assert ["end"] == reached


def test_async_with() -> None:
    """The same, asynchronously; tasks that are started in it belong to it."""

    async def child() -> None:
        images.create("child")

    async def main() -> None:
        async with scope(on_violation="record") as s:
            images.create("own")
            await asyncio.create_task(child())
        assert [("LG101", "own"), ("LG101", "child")] == said(s)

    asyncio.run(main())


def test_a_plain_with_in_a_coroutine() -> None:
    """Two tasks, each with a scope of its own, do not see each other."""

    async def one(key: str, first: asyncio.Event, second: asyncio.Event) -> list[tuple[str, object]]:
        with scope(on_violation="record") as s:
            images.create(key)
            first.set()
            await second.wait()
        return said(s)

    async def main() -> None:
        a, b = asyncio.Event(), asyncio.Event()
        found = await asyncio.gather(one("a", a, b), one("b", b, a))
        assert [[("LG101", "a")], [("LG101", "b")]] == found

    asyncio.run(main())


def test_decorator_opens_a_fresh_scope_for_each_call() -> None:
    """Used any number of times, recursion included; its name is the function's."""
    seen = []

    @scope()
    def work(depth: int) -> str:
        """Its doc."""
        node = CURRENT.get()
        seen.append(node.scope)
        images.create("i")  # the same key in each: held by different scopes
        if depth:
            work(depth - 1)
        images.delete("i")
        return "done"

    @scope("leaky")
    def leaky() -> None:
        images.create("i")

    assert "done" == work(0)
    assert "done" == work(0)
    assert ("work", "Its doc.") == (work.__name__, work.__doc__)
    assert 2 == len(set(seen))
    assert seen[0].name.endswith("work")
    for _ in range(2):
        with pytest.raises(ViolationError) as caught:
            leaky()
        assert "leaky" == caught.value.scope


def test_decorator_of_a_recursive_function() -> None:
    """The inner call has a scope of its own; the outer one's key is released by whoever says so in the innermost first."""

    @scope("recursive")
    def work(depth: int) -> int:
        images.create(f"i{depth}")
        below = work(depth - 1) if depth else 0
        images.delete(f"i{depth}")
        return below + 1

    assert 3 == work(2)


def test_decorator_of_a_coroutine_function() -> None:
    """A fresh scope for each call, for the length of the coroutine."""

    @scope("async")
    async def work(key: str, leak: bool) -> str:
        images.create(key)
        await asyncio.sleep(0)
        if not leak:
            images.delete(key)
        return key

    async def main() -> None:
        assert ["a", "b"] == await asyncio.gather(work("a", False), work("b", False))
        with pytest.raises(ViolationError):
            await work("c", True)

    asyncio.run(main())


def test_decorator_of_a_method() -> None:
    """It stays a method."""

    class Job:
        @scope("job")
        def run(self) -> Job:
            return self

    job = Job()
    assert job is job.run()


@pytest.mark.parametrize("bad", [lambda: (yield), 7, Images, "text"])
def test_what_cannot_be_decorated_or_bound(bad: Any) -> None:
    """A generator's body runs in its consumer's time; a class or a value is no function. Both say so at once."""
    with pytest.raises(DeclarationError):
        scope()(bad)
    s = scope().open()
    with pytest.raises(DeclarationError):
        s.bind(bad)
    s.close()


def test_decorator_with_lifeguard_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """LIFEGUARD=off makes every decorator validate and then return the function itself."""
    monkeypatch.setenv("LIFEGUARD", "off")

    def work() -> None:
        pass

    assert work is scope()(work)
    with pytest.raises(DeclarationError):
        scope()(7)


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": 7},
        {"reach": "thread"},
        {"on_violation": "explode"},
        {"grace": 3},
        {"remember": -1},
        {"remember": True},
        {"remember": "all"},
        {"only": image},
        {"only": ["image"]},
        {"only": 5},
        {"ignore": ["image"]},
        {"ignore": None},
        {"on_leak": "print"},
    ],
)
def test_wrong_options(options: dict[str, Any]) -> None:
    """An option of the wrong sort is a DeclarationError that names this line."""
    with pytest.raises(DeclarationError, match=r"test_scopes\.py"):
        scope(**options)


# --- open, close, active, bind ------------------------------------------------------------------------------------------


def test_open_is_not_current() -> None:
    """An opened scope gets nothing until it is made current."""
    s = scope(on_violation="record").open()
    images.create("elsewhere")
    with s.active() as same:
        assert same is s
        images.create("here")
    images.create("elsewhere again")
    verdict = s.close()
    assert verdict is s.verdict
    assert [("LG101", "here")] == said(s)
    assert 2 == verdict.nowhere


def test_active_may_be_nested_and_repeated() -> None:
    """The innermost is current; leaving gives the one before back."""
    a, b = scope("a", on_violation="record").open(), scope("b", on_violation="record").open()
    with a.active():
        images.create("1")
        with b.active():
            images.create("2")
            with a.active():
                images.create("3")
            images.create("4")
        images.create("5")
    b.close()
    a.close()
    assert ["1", "3", "5"] == [one.key for one in a.violations]
    assert ["2", "4"] == [one.key for one in b.violations]


def test_active_in_worker_threads() -> None:
    """The way to let a thread's work count for a scope that was opened elsewhere."""
    s = scope(on_violation="record").open()

    def work() -> None:
        with s.active():
            images.create("thread")

    in_thread(work)
    s.close()
    assert [("LG101", "thread")] == said(s)


def test_bind_a_thread_target_and_a_callback() -> None:
    """A bound function runs in its scope, wherever it is called; what is current there comes back after it."""
    s = scope("bound", on_violation="record").open()
    callback = s.bind(images.create)
    assert "t" == in_thread(lambda: callback("t"))
    with scope("other", on_violation="record") as other:
        callback("c")
        images.create("o")
    s.close()
    assert [("LG101", "t"), ("LG101", "c")] == said(s)
    assert [("LG101", "o")] == said(other)


def test_bind_keeps_name_result_and_exception() -> None:
    """A bound function is the function, but for where it runs."""
    s = scope(on_violation="record").open()

    def work(number: int) -> int:
        """Its doc."""
        return 10 // number

    bound = s.bind(work)
    assert ("work", "Its doc.", 5) == (bound.__name__, bound.__doc__, bound(2))
    with pytest.raises(ZeroDivisionError):
        bound(0)
    s.close()


def test_bind_a_coroutine_function() -> None:
    """It stays one; the scope is current for the length of the coroutine and no longer."""
    s = scope(on_violation="record").open()

    @s.bind
    async def work() -> None:
        await asyncio.sleep(0)
        images.create("bound")

    async def main() -> None:
        await work()
        images.create("free")

    assert asyncio.iscoroutinefunction(work)
    asyncio.run(main())
    s.close()
    assert [("LG101", "bound")] == said(s)


def test_a_bound_function_that_is_called_late() -> None:
    """A callback that outlives its scope runs as if it had not been bound."""
    with scope("outer", on_violation="record") as outer:
        s = scope("s").open()
        callback = s.bind(images.create)
        s.close()
        assert "late" == callback("late")
    assert [("LG101", "late")] == said(outer)


def test_bind_before_open() -> None:
    """It may be bound first and opened later; called before that, it says so."""
    s = scope("s", on_violation="record")
    callback = s.bind(images.create)
    with pytest.raises(UsageError, match="not open"):
        callback("early")
    s.open()
    callback("i")
    s.close()
    assert [("LG101", "i")] == said(s)


def test_a_fixture_that_opens_and_one_that_makes_active() -> None:
    """Set-up and tear-down in different frames, as test frameworks do it."""

    @contextmanager
    def opened() -> Iterator[Scope]:
        s = scope("fixture", on_violation="record").open()
        yield s
        s.close()

    with opened() as s, s.active():
        images.create("i")
    assert [("LG101", "i")] == said(s)


def test_scope_opened_inside_another_is_enclosed_by_it() -> None:
    """A scope that is made current in a bare thread still knows what it was opened in."""
    again = Resource("again")
    outer = scope("outer", on_violation="record").open()
    with outer.active():
        inner = scope("inner", on_violation="record").open()
    outer.acquired(again, "k")

    def work() -> None:
        with inner.active(), scope("innermost", on_violation="record") as innermost:
            innermost.acquired(again, "k")
            innermost.released(again, "k")

    in_thread(work)
    inner.close()
    outer.close()
    assert [("LG106", "k")] == said(outer)[:1]


def test_close_with_an_exception() -> None:
    """What ended the work is named: it is a leak on error."""
    s = scope("s", on_violation="record").open()
    s.acquired(image, "i")
    verdict = s.close(RuntimeError("boom"))
    assert verdict.error
    assert "RuntimeError: boom" == verdict.ended
    assert [("LG102", "i")] == said(s)


def test_where_the_exception_was_raised_is_told() -> None:
    """Why it ended here: the exception, and where it was raised."""

    def fails() -> None:
        raise RuntimeError("boom")

    s = scope("s", on_violation="record")
    with pytest.raises(RuntimeError), s:
        images.create("i")
        fails()
    line = fails.__code__.co_firstlineno + 1
    assert f"the scope was left by RuntimeError: boom, raised at tests/test_scopes.py:{line}" in s.violations[0].ended


# --- where an acquire goes ----------------------------------------------------------------------------------------------


def test_innermost_scope_of_the_context() -> None:
    """What an inner scope judged is judged once and never moved outward."""
    with scope("outer", on_violation="record") as outer:
        images.create("o1")
        with scope("inner", on_violation="record") as inner:
            images.create("i1")
        images.create("o2")
    assert [("LG101", "i1")] == said(inner)
    assert [("LG101", "o1"), ("LG101", "o2")] == said(outer)
    assert 3 == inner.watched["image"].acquired + outer.watched["image"].acquired


def test_release_in_an_inner_scope_pays_the_outer() -> None:
    """Where an acquire goes is one thing; who pays is another."""
    with scope("outer", on_violation="record") as outer:
        images.create("i")
        with scope("inner", on_violation="record") as inner:
            images.delete("i")
    assert [] == said(inner) == said(outer)
    assert 1 == outer.watched["image"].released


def test_context_before_process() -> None:
    """The process-reach scope gets what no scope of the context takes."""
    with scope("p", reach="process", on_violation="record") as p:
        images.create("main")
        in_thread(lambda: images.create("thread"))
        with scope("c", on_violation="record") as c:
            images.create("inner")
    assert [("LG101", "inner")] == said(c)
    assert [("LG101", "main"), ("LG101", "thread")] == said(p)


def test_of_several_process_scopes_the_one_opened_last() -> None:
    """Where there is none in the context, the process-reach scope opened last."""
    first = scope("first", reach="process", on_violation="record").open()
    second = scope("second", reach="process", on_violation="record").open()
    in_thread(lambda: images.create("1"))
    second.close()
    in_thread(lambda: images.create("2"))
    first.close()
    assert [("LG101", "1")] == said(second)
    assert [("LG101", "2")] == said(first)


def test_an_opened_process_scope_reaches_everything() -> None:
    """It need not be current anywhere, not even where it was opened."""
    p = scope("p", reach="process", on_violation="record").open()
    images.create("main")
    in_thread(lambda: images.create("thread"))
    p.close()
    assert [("LG101", "main"), ("LG101", "thread")] == said(p)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_process_scopes_close_in_any_order(order: tuple[int, ...]) -> None:
    """Each judges what it got; afterwards nothing is current."""
    scopes = [scope(f"p{n}", reach="process", on_violation="record") for n in range(3)]
    for n, s in enumerate(scopes):
        s.__enter__()
        images.create(f"i{n}")
    for n in order:
        scopes[n].__exit__(None, None, None)
    assert [[("LG101", f"i{n}")] for n in range(3)] == [said(s) for s in scopes]
    with scope("after", on_violation="record") as after:
        images.create("later")
    assert [("LG101", "later")] == said(after)


def test_a_process_scope_around_which_a_context_scope_closes() -> None:
    """A context scope does not have to wait for a process-reach scope that was opened in it."""
    with ExitStack() as stack:
        p = scope("p", reach="process", on_violation="record")
        with scope("c", on_violation="record") as c:
            images.create("c")
            stack.enter_context(p)
            images.create("p1")
        images.create("p2")
    assert [("LG101", "c")] == said(c)
    assert [("LG101", "p1"), ("LG101", "p2")] == said(p)


def test_a_process_scope_is_left_in_another_thread() -> None:
    """Test runners set up and tear down where they like."""
    p = scope("p", reach="process", on_violation="record")
    in_thread(p.__enter__)
    images.create("i")
    p.__exit__(None, None, None)
    assert [("LG101", "i")] == said(p)


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
        assert [] == said(inner)
        assert [("LG101", "late")] == said(outer)

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
    assert [("LG101", "i")] == said(s)
    assert 1 == s.late
    assert [] == said(other)


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
        assert [("LG101", "task")] == said(s)

    asyncio.run(main())


def test_a_context_that_was_copied() -> None:
    """`contextvars.copy_context` takes the current scope along, into a thread, too."""
    with scope("s", on_violation="record") as s:
        copied = contextvars.copy_context()
        in_thread(lambda: copied.run(images.create, "i"))
    assert [("LG101", "i")] == said(s)


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
    assert [("LG101", "i")] == said(only)
    assert [("LG101", "v2")] == said(ignore)
    assert [("LG101", "v"), ("LG101", "i2")] == said(outer)


def test_only_falls_through_to_the_process() -> None:
    """Where no scope of the context watches the kind, the process-reach one does."""
    with scope("p", reach="process", on_violation="record") as p:

        def work() -> None:
            with scope("c", on_violation="record", only=[volume]):
                images.create("i")

        in_thread(work)
    assert [("LG101", "i")] == said(p)


def test_only_of_several_and_of_none() -> None:
    """Any iterable of kinds; an empty one watches nothing."""
    with scope("both", on_violation="record", only=iter([image, volume])) as both:
        images.create("i")
        volumes.create("v")
    with scope("none", only=()) as none:
        images.create("i")
    assert [("LG101", "i"), ("LG101", "v")] == said(both)
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
    assert [("LG103", "b"), ("LG104", "c")] == said(s)
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
    assert [("LG103", "i")] == said(s)


def test_remember_nothing() -> None:
    """0 switches LG103 and LG104 off and says so."""
    with scope("s", on_violation="record", remember=0) as s:
        images.create("i")
        images.delete("i")
        images.delete("i")
        images.show("i")
    assert [] == said(s)
    assert 2 == s.watched["image"].unmatched
    assert "remember=0: double releases and uses after release are not told" in s.report()


def test_remember_everything() -> None:
    """None keeps all."""
    with scope("s", on_violation="record", remember=None) as s:
        for number in range(1500):
            images.create(f"i{number}")
            images.delete(f"i{number}")
        images.delete("i0")
    assert [("LG103", "i0")] == said(s)
    assert 0 == s.watched["image"].forgotten


def test_by_default_a_thousand_and_some() -> None:
    """1024 of a kind."""
    with scope("s", on_violation="record") as s:
        for number in range(1025):
            images.create(f"i{number}")
            images.delete(f"i{number}")
        images.delete("i0")
        images.delete("i1")
    assert [("LG103", "i1")] == said(s)
    assert 1024 == s.verdict.remember if s.verdict else None


def test_a_closed_scope_remembers_nothing() -> None:
    """Its keys are as unseen to the next scope as any."""
    with scope("first"):
        images.create("i")
        images.delete("i")
    with scope("second", on_violation="record") as second:
        images.delete("i")
    assert [] == said(second)
    assert {"image": 1} == (second.verdict.unmatched if second.verdict else None)


# --- what it knows ------------------------------------------------------------------------------------------------------


def test_outstanding_while_it_is_open() -> None:
    """What is held now, oldest first, with who owes it; empty once it is closed."""
    server = Resource("server")
    with scope("s", on_violation="record") as s:
        s.acquired(server, "s1")
        s.acquired(image, "i1", about=(server, "s1"))
        s.transferred(image, "i1", to=(server, "s1"))
        held = s.outstanding
        assert ["server 's1' (held)", "image 'i1' (held)"] == [str(one) for one in held]
        assert ["scope 's'", "server 's1'"] == [one.owner for one in held]
        assert ["server 's1'"] == [str(one) for one in held[1].subjects]
        assert (held[0].place.file if held[0].place else None) == __file__
        assert "outstanding now: 2" in s.report()
        s.transferred(server, "s1", to=OUTSIDE)
    assert () == s.outstanding
    assert [] == said(s)


def test_violations_so_far() -> None:
    """While it is open: what was found at calls. After closing: the verdict's."""
    with scope("s", on_violation="record") as s:
        images.create("i")
        images.delete("i")
        assert () == s.violations
        images.delete("i")
        assert ["LG103"] == [one.code for one in s.violations]
        assert s.verdict is None
    assert s.verdict is not None
    assert s.verdict.violations == s.violations


def test_names() -> None:
    """A name of one's own, else the place where it was made; the repr tells the state."""
    s = scope()
    line = test_names.__code__.co_firstlineno + 2
    assert f"scope at tests/test_scopes.py:{line} in test_names" == s.name
    named = scope("nightly")
    assert "<scope 'nightly', new>" == repr(named)
    with named:
        assert "<scope 'nightly', open>" == repr(named)
    assert "<scope 'nightly', closed>" == repr(named)


def test_by_hand_events_go_to_that_very_scope() -> None:
    """They happen as if in a context whose innermost scope it is, whatever is current."""
    a, b = scope("a", on_violation="record").open(), scope("b", on_violation="record").open()
    with b.active():
        a.acquired(image, "i")
    b.close()
    a.close()
    assert ([("LG101", "i")], []) == (said(a), said(b))


def test_seeded_things_are_not_owed() -> None:
    """What was there before: it may be used, handed over and released once, and is no leak."""
    with scope("s", on_violation="record") as s:
        s.seed(image, "i1", "i2", why="made by the installer")
        images.show("i1")
        images.delete("i1")
        images.delete("i1")
        assert () == s.outstanding
    assert [("LG103", "i1")] == said(s)
    assert 0 == s.watched["image"].unmatched


def test_a_transfer_to_another_scope() -> None:
    """Handed to a scope that stays open longer."""
    with scope("session", on_violation="record") as session:
        with scope("request", on_violation="record") as request:
            images.create("i")
            request.transferred(image, "i", to=session)
    assert ([], [("LG101", "i")]) == (said(request), said(session))


def test_everything_is_forgotten_at_the_end() -> None:
    """Once all scopes are closed nothing is open, and nothing current."""
    with scope("s", reach="process"):
        assert OPEN
        assert PROCESS
    assert ([], []) == (OPEN, PROCESS)
