"""The life of a scope: how it is opened, made current and closed, and where an acquire goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from findings import codes_and_keys
from own_thread import in_thread
from watched_images import Images, image, images

from lifeguard import OUTSIDE, DeclarationError, Resource, UsageError, ViolationError, scope
from lifeguard.context import CURRENT, OPEN, PROCESS
from lifeguard.scopes import Scope

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
        assert [("LG101", "own"), ("LG101", "child")] == codes_and_keys(s)

    asyncio.run(main())


def test_a_plain_with_in_a_coroutine() -> None:
    """Two tasks, each with a scope of its own, do not see each other."""

    async def one(key: str, first: asyncio.Event, second: asyncio.Event) -> list[tuple[str, object]]:
        with scope(on_violation="record") as s:
            images.create(key)
            first.set()
            await second.wait()
        return codes_and_keys(s)

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
    assert [("LG101", "here")] == codes_and_keys(s)
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
    assert [("LG101", "thread")] == codes_and_keys(s)


def test_bind_a_thread_target_and_a_callback() -> None:
    """A bound function runs in its scope, wherever it is called; what is current there comes back after it."""
    s = scope("bound", on_violation="record").open()
    callback = s.bind(images.create)
    assert "t" == in_thread(lambda: callback("t"))
    with scope("other", on_violation="record") as other:
        callback("c")
        images.create("o")
    s.close()
    assert [("LG101", "t"), ("LG101", "c")] == codes_and_keys(s)
    assert [("LG101", "o")] == codes_and_keys(other)


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
    assert [("LG101", "bound")] == codes_and_keys(s)


def test_a_bound_function_that_is_called_late() -> None:
    """A callback that outlives its scope runs as if it had not been bound."""
    with scope("outer", on_violation="record") as outer:
        s = scope("s").open()
        callback = s.bind(images.create)
        s.close()
        assert "late" == callback("late")
    assert [("LG101", "late")] == codes_and_keys(outer)


def test_bind_before_open() -> None:
    """It may be bound first and opened later; called before that, it says so."""
    s = scope("s", on_violation="record")
    callback = s.bind(images.create)
    with pytest.raises(UsageError, match="not open"):
        callback("early")
    s.open()
    callback("i")
    s.close()
    assert [("LG101", "i")] == codes_and_keys(s)


def test_a_fixture_that_opens_and_one_that_makes_active() -> None:
    """Set-up and tear-down in different frames, as test frameworks do it."""

    @contextmanager
    def opened() -> Iterator[Scope]:
        s = scope("fixture", on_violation="record").open()
        yield s
        s.close()

    with opened() as s, s.active():
        images.create("i")
    assert [("LG101", "i")] == codes_and_keys(s)


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
    assert [("LG106", "k")] == codes_and_keys(outer)[:1]


def test_close_with_an_exception() -> None:
    """What ended the work is named: it is a leak on error."""
    s = scope("s", on_violation="record").open()
    s.acquired(image, "i")
    verdict = s.close(RuntimeError("boom"))
    assert verdict.error
    assert "RuntimeError: boom" == verdict.ended
    assert [("LG102", "i")] == codes_and_keys(s)


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
    assert [] == codes_and_keys(s)


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
    assert ([("LG101", "i")], []) == (codes_and_keys(a), codes_and_keys(b))


def test_seeded_things_are_not_owed() -> None:
    """What was there before: it may be used, handed over and released once, and is no leak."""
    with scope("s", on_violation="record") as s:
        s.seed(image, "i1", "i2", why="made by the installer")
        images.show("i1")
        images.delete("i1")
        images.delete("i1")
        assert () == s.outstanding
    assert [("LG103", "i1")] == codes_and_keys(s)
    assert 0 == s.watched["image"].unmatched


def test_a_transfer_to_another_scope() -> None:
    """Handed to a scope that stays open longer."""
    with scope("session", on_violation="record") as session:
        with scope("request", on_violation="record") as request:
            images.create("i")
            request.transferred(image, "i", to=session)
    assert ([], [("LG101", "i")]) == (codes_and_keys(request), codes_and_keys(session))


def test_everything_is_forgotten_at_the_end() -> None:
    """Once all scopes are closed nothing is open, and nothing current."""
    with scope("s", reach="process") as s:
        assert s in OPEN
        assert s in PROCESS
    assert s not in (*OPEN, *PROCESS)
