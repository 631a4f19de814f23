"""Looking again before work that ends in the background is judged. Nothing here asserts a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
import trio
from findings import codes_and_keys

from lifeguard import DeclarationError, Grace, Resource, ViolationError, scope
from lifeguard.context import LEDGER
from lifeguard.ledger.book import Book

image = Resource("image")


@pytest.fixture
def on_wait(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What is in this list happens when the closing scope has begun to wait."""
    pending: list[Callable[[], object]] = []
    wait = LEDGER.wait_for_payment

    def watched(book: Book, seconds: float) -> None:
        for one in pending[:]:
            pending.remove(one)
            one()
        wait(book, seconds)

    monkeypatch.setattr(LEDGER, "wait_for_payment", watched)
    return pending


def test_a_thread_pays_in_the_background(on_wait: list[Callable[[], object]]) -> None:
    """The scope is left before the thread has released; it looks again, and balances."""
    go = threading.Event()
    on_wait.append(go.set)

    def work() -> None:
        assert go.wait(10)
        s.released(image, "i")

    with scope(grace=Grace()) as s:
        s.acquired(image, "i")
        thread = threading.Thread(target=work)
        thread.start()
    thread.join()
    assert [] == codes_and_keys(s)


def test_close_waits_as_well(on_wait: list[Callable[[], object]]) -> None:
    """A scope's end is one thing, however it is reached."""
    s = scope(grace=Grace()).open()
    s.acquired(image, "i")
    on_wait.append(lambda: s.released(image, "i"))
    assert s.close().balanced


def test_nothing_outstanding_nothing_waited_for(on_wait: list[Callable[[], object]]) -> None:
    """Where all is settled, or only seeded, it does not even begin."""
    on_wait.append(lambda: pytest.fail("it waited"))
    with scope(grace=Grace()) as s:
        s.acquired(image, "i")
        s.released(image, "i")
        s.seed(image, "old", why="w")
    assert [] == codes_and_keys(s)


def test_it_ends(on_wait: list[Callable[[], object]]) -> None:
    """A bounded number of looks; then what is left is a leak."""
    with pytest.raises(ViolationError):
        with scope(grace=Grace(attempts=2)) as s:
            s.acquired(image, "i")
    assert [("LG101", "i")] == codes_and_keys(s)


def test_other_traffic_does_not_use_up_the_attempts(on_wait: list[Callable[[], object]]) -> None:
    """It waits for a payment of its own; what happens meanwhile in other scopes is none."""
    other = scope("other", reach="process", on_violation="record").open()

    def much() -> None:
        for number in range(100):
            other.acquired(image, number)
        s.released(image, "i")

    threads = []

    def begin() -> None:
        thread = threading.Thread(target=much)
        thread.start()
        threads.append(thread)

    on_wait.append(begin)
    with scope(grace=Grace(attempts=8)) as s:
        s.acquired(image, "i")
    for thread in threads:
        thread.join()
    other.close()
    assert [] == codes_and_keys(s)


def test_step_is_the_pump() -> None:
    """Called between two looks, as long as something is left and at most `attempts` times."""
    todo = [lambda: None, lambda: s.released(image, "i"), lambda: s.released(image, "j")]
    called = []

    def step() -> None:
        called.append(todo[0])
        todo.pop(0)()

    with scope(grace=Grace(attempts=10, step=step)) as s:
        s.acquired(image, "i")
        s.acquired(image, "j")
    assert 3 == len(called)
    assert [] == codes_and_keys(s)

    looked = []
    with scope(grace=Grace(attempts=4, step=lambda: looked.append(1)), on_violation="record") as s:
        s.acquired(image, "i")
    assert 4 == len(looked)
    assert [("LG101", "i")] == codes_and_keys(s)


def test_a_step_that_raises() -> None:
    """It is reported, and ends the waiting; neither the body's exception nor the verdict is lost by it."""

    def step() -> None:
        raise OSError("no pump")

    with pytest.raises(ViolationError) as caught:
        with scope(grace=Grace(step=step)) as s:
            s.acquired(image, "i")
            raise RuntimeError("body")
    assert [("LG401", None), ("LG102", "i")] == codes_and_keys(s)
    assert "OSError: no pump" in s.violations[0].message
    assert "RuntimeError('body')" == repr(caught.value.__cause__)


def test_an_interrupt_while_waiting() -> None:
    """It goes on its way, with the report as a note; the scope is judged and closed."""

    def step() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        with scope(grace=Grace(step=step)) as s:
            s.acquired(image, "i")
    assert [("LG102", "i")] == codes_and_keys(s)
    assert "LG102" in caught.value.__notes__[0]


def test_an_interrupted_body_is_not_kept_waiting() -> None:
    """KeyboardInterrupt wants out."""
    with pytest.raises(KeyboardInterrupt):
        with scope(grace=Grace(step=lambda: pytest.fail("it waited")), on_violation="record") as s:
            s.acquired(image, "i")
            raise KeyboardInterrupt
    assert [("LG102", "i")] == codes_and_keys(s)


def test_a_body_that_raised_is_waited_for() -> None:
    """Clean-up in the background happens on the failing path, too."""
    with pytest.raises(RuntimeError):
        with scope(grace=Grace(step=lambda: s.released(image, "i"))) as s:
            s.acquired(image, "i")
            raise RuntimeError
    assert [] == codes_and_keys(s)


# --- event loops --------------------------------------------------------------------------------------------------------


def test_async_with_awaits() -> None:
    """The task that pays gets its turn while the scope looks again."""

    async def main() -> None:
        async def pay() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            s.released(image, "i")

        async with scope(grace=Grace()) as s:
            s.acquired(image, "i")
            task = asyncio.create_task(pay())
        await task
        assert [] == codes_and_keys(s)

    asyncio.run(main())


def test_async_with_awaits_in_trio() -> None:
    """The same under trio."""

    async def main() -> None:
        async def pay() -> None:
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            s.released(image, "i")

        async with trio.open_nursery() as nursery:
            async with scope(grace=Grace()) as s:
                s.acquired(image, "i")
                nursery.start_soon(pay)
        assert [] == codes_and_keys(s)

    trio.run(main)


@pytest.mark.parametrize("runner", ["asyncio", "trio"])
def test_a_plain_with_never_blocks_a_loop(on_wait: list[Callable[[], object]], runner: str) -> None:
    """A with-block in a coroutine looks once: nothing could happen while it waited."""
    on_wait.append(lambda: pytest.fail("the loop was blocked"))

    async def main() -> None:
        with scope(grace=Grace(), on_violation="record") as s:
            s.acquired(image, "i")
        assert [("LG101", "i")] == codes_and_keys(s)

    asyncio.run(main()) if runner == "asyncio" else trio.run(main)


def test_async_with_never_blocks_a_loop_either(on_wait: list[Callable[[], object]]) -> None:
    """It awaits."""
    on_wait.append(lambda: pytest.fail("the loop was blocked"))

    async def main() -> None:
        async with scope(grace=Grace(attempts=2), on_violation="record") as s:
            s.acquired(image, "i")
        assert [("LG101", "i")] == codes_and_keys(s)

    asyncio.run(main())


def test_an_unknown_event_loop() -> None:
    """Where nothing is known to await, it looks once, and breaks nothing."""

    async def main() -> None:
        async with scope(grace=Grace(), on_violation="record") as s:
            s.acquired(image, "i")
        assert [("LG101", "i")] == codes_and_keys(s)

    with pytest.raises(StopIteration):
        main().send(None)


def test_an_awaitable_step() -> None:
    """In `async with` it is awaited; a plain with-block cannot, and leaves no coroutine behind that was never awaited."""

    async def step() -> None:
        await asyncio.sleep(0)
        s.released(image, "i")

    async def main() -> None:
        nonlocal s
        async with scope(grace=Grace(step=step)) as s:
            s.acquired(image, "i")
        assert [] == codes_and_keys(s)

    s = scope()
    asyncio.run(main())
    s = scope(grace=Grace(attempts=2, step=step), on_violation="record")
    with s:
        s.acquired(image, "i")
    assert [("LG101", "i")] == codes_and_keys(s)


def test_cancelled_while_it_looks_again() -> None:
    """The task stays cancelled, and the scope is judged and closed."""

    async def main() -> None:
        looking = asyncio.Event()

        async def step() -> None:
            looking.set()
            await asyncio.sleep(60)

        async def work() -> None:
            async with s:
                s.acquired(image, "i")

        s = scope(grace=Grace(step=step))
        task = asyncio.create_task(work())
        await looking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [("LG102", "i")] == codes_and_keys(s)

    asyncio.run(main())


def test_a_cancelled_body_is_not_kept_waiting() -> None:
    """What is cancelled does not await."""

    async def main() -> None:
        async def work() -> None:
            async with scope(grace=Grace(step=lambda: pytest.fail("it waited"))) as s:
                s.acquired(image, "i")
                started.set()
                await asyncio.sleep(60)

        started = asyncio.Event()
        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# --- declared -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"attempts": 0}, {"attempts": True}, {"attempts": 1.5}, {"step": 3}])
def test_a_wrong_grace(options: dict[str, int]) -> None:
    """Said where it is written."""
    with pytest.raises(DeclarationError, match=r"test_grace\.py"):
        Grace(**options)  # type: ignore[arg-type]
