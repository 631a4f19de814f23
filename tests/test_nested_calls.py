"""The same call told twice is one event: the same verb, kind and key nested in itself counts once."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from findings import held, said, watching

from lifeguard import OUTSIDE, Resource, Rollback, acquires, on_failure, releases, rolls_back, transfers, uses
from lifeguard.scopes import Scope

image = Resource("image")
counted = Resource("volume", again="count")
cpus = Resource("vcpus")
spawn = Rollback("spawn")


def history(watched: Scope) -> list[tuple[str, str]]:
    """Verb and function of the events of the only violation, oldest first."""
    (violation,) = watched.violations
    return [(one.verb, one.function) for one in violation.history]


class Real:
    """The service."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return name

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Release."""

    @uses(image, key="name")
    def show(self, name: str) -> None:
        """Use."""

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str) -> None:
        """Transfer."""

    @acquires(counted, key="name")
    def attach(self, name: str) -> None:
        """Acquire one more."""

    @releases(counted, key="name")
    def detach(self, name: str) -> None:
        """Release one."""

    @acquires(cpus, key="host", amount="number")
    def claim(self, host: str, number: int) -> None:
        """Acquire some."""

    @releases(cpus, key="host", amount="number")
    def unclaim(self, host: str, number: int) -> None:
        """Release some."""


class Derived(Real):
    """Overrides that call `super()`."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return super().create(name)

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Release."""
        super().delete(name)

    @uses(image, key="name")
    def show(self, name: str) -> None:
        """Use."""
        super().show(name)

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str) -> None:
        """Transfer."""
        super().publish(name)

    @acquires(counted, key="name")
    def attach(self, name: str) -> None:
        """Acquire one more."""
        super().attach(name)

    @releases(counted, key="name")
    def detach(self, name: str) -> None:
        """Release one."""
        super().detach(name)

    @acquires(cpus, key="host", amount="number")
    def claim(self, host: str, number: int) -> None:
        """Acquire some."""
        super().claim(host, number)

    @releases(cpus, key="host", amount="number")
    def unclaim(self, host: str, number: int) -> None:
        """Release some."""
        super().unclaim(host, number)


class Fake:
    """Delegates to a real service."""

    def __init__(self) -> None:
        self.real = Real()

    create = acquires(image, key="name")(lambda self, name: self.real.create(name))
    delete = releases(image, key="name")(lambda self, name: self.real.delete(name))
    show = uses(image, key="name")(lambda self, name: self.real.show(name))
    publish = transfers(image, key="name", to=OUTSIDE)(lambda self, name: self.real.publish(name))
    attach = acquires(counted, key="name")(lambda self, name: self.real.attach(name))
    detach = releases(counted, key="name")(lambda self, name: self.real.detach(name))
    claim = acquires(cpus, key="host", amount="number")(lambda self, host, number: self.real.claim(host, number))
    unclaim = releases(cpus, key="host", amount="number")(lambda self, host, number: self.real.unclaim(host, number))


services = pytest.mark.parametrize("service", [Real(), Derived(), Fake()], ids=["real", "super", "delegation"])


@services
def test_acquire_and_release_told_twice_count_once(service: Any) -> None:
    """No LG106, no LG103, and the counts are those of one call."""
    with watching() as watched:
        service.create("a")
        assert ["image 'a' (held)"] == held(watched)
        service.delete("a")
        counts = watched.watched["image"]
    assert [] == said(watched)
    assert (1, 1) == (counts.acquired, counts.released)


@services
def test_uses_and_transfers_told_twice_are_fine(service: Any) -> None:
    """Used once more is used; handed outside once."""
    with watching() as watched:
        service.create("a")
        service.show("a")
        service.publish("a")
        assert [] == held(watched)
        assert 1 == watched.watched["image"].transferred
    assert [] == said(watched)


@services
def test_counts_and_amounts_told_twice_count_once(service: Any) -> None:
    """What adds up adds up once for each call from outside."""
    with watching() as watched:
        service.attach("v")
        service.attach("v")
        service.detach("v")
        assert ["volume 'v' (partly released)"] == held(watched)
        service.detach("v")
        service.claim("h", 3)
        service.claim("h", 2)
        service.unclaim("h", 4)
        assert ["vcpus 'h' (partly released)"] == held(watched)
        service.unclaim("h", 1)
        assert [] == held(watched)
    assert [] == said(watched)


@services
def test_a_second_call_from_outside_counts(service: Any) -> None:
    """Nested in itself is one; one after the other are two."""
    with watching() as watched:
        service.create("a")
        service.delete("a")
        service.delete("a")
        service.create("b")
        service.create("b")
    assert ["LG103 image 'a'", "LG106 image 'b' LG101"] == said(watched)


@services
def test_a_renewal_inside_is_told_by_the_inner_calls(service: Any) -> None:
    """An acquire that deletes what was left and creates anew: the last of its life is what it made."""

    @acquires(image, key="name")
    def ensure(name: str) -> None:
        service.create(name)
        service.delete(name)
        service.create(name)

    with watching() as watched:
        ensure("a")
        assert ["image 'a' (held)"] == held(watched)
        service.delete("a")
    assert [] == said(watched)


def test_other_keys_and_kinds_nested_are_events_of_their_own() -> None:
    """Only the same verb, kind and key is the same event."""
    real = Real()

    @acquires(image, key="name")
    def create_with_copy(name: str) -> None:
        real.create(name + "-copy")
        real.attach(name)

    with watching() as watched:
        create_with_copy("a")
        assert ["image 'a-copy' (held)", "volume 'a' (held)", "image 'a' (held)"] == held(watched)


def test_recursion_is_nesting() -> None:
    """A function that calls itself for the same key is one event; for other keys one for each."""

    @acquires(image, key="name")
    def create(name: str, tries: int) -> None:
        if tries:
            create(name, tries - 1)

    @acquires(image, key="depth")
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)

    with watching() as watched:
        create("a", 3)
        assert ["image 'a' (held)"] == held(watched)
        dive(2)
        assert ["image 'a' (held)", "image 0 (held)", "image 1 (held)", "image 2 (held)"] == held(watched)


def test_a_retry_inside_that_failed_first() -> None:
    """The inner one that returned is the event."""
    real = Real()
    tries: list[int] = []

    @acquires(image, key="name")
    def inner(name: str) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError

    @acquires(image, key="name")
    def outer(name: str) -> None:
        try:
            inner(name)
        except OSError:
            inner(name)

    with watching() as watched:
        outer("a")
        real.delete("a")
    assert [] == said(watched)


def test_an_inner_acquire_whose_outer_call_raised_is_held() -> None:
    """The inner call returned: something is owed, whatever the outer one did."""
    real = Real()

    @acquires(image, key="name")
    def outer(name: str) -> None:
        real.create(name)
        raise OSError

    with watching() as watched:
        with pytest.raises(OSError):
            outer("a")
    assert ["LG101 image 'a'"] == said(watched)
    assert [("acquired", "Real.create"), ("acquire raised", outer.__qualname__)] == history(watched)


def test_a_use_inside_which_the_thing_is_settled() -> None:
    """It was held when the use began: no use after release, whether it was released or handed over."""
    real = Real()

    @uses(image, key="name")
    def with_it(name: str, work: Callable[[str], object]) -> None:
        work(name)

    with watching() as watched:
        real.create("a")
        with_it("a", real.delete)
        real.create("b")
        with_it("b", real.publish)
        real.create("c")
        with_it("c", real.delete)
        with_it("c", real.show)
    assert ["LG104 image 'c' LG104"] == said(watched)


def test_a_release_by_hand_inside_a_release() -> None:
    """Events by hand nest, too."""

    @releases(image, key="name")
    def delete(name: str) -> None:
        watched.released(image, name)

    with watching() as watched:
        watched.acquired(image, "a")
        delete("a")
        assert 1 == watched.watched["image"].released
    assert [] == said(watched)


# -- threads and tasks ----------------------------------------------------------------------------------------------------


def test_threads_do_not_count_as_nested() -> None:
    """A release in another thread while this one releases is a second release."""
    real = Real()

    @releases(image, key="name")
    def delete_in_thread(name: str) -> None:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(real.delete, name))
        thread.start()
        thread.join()

    with watching() as watched:
        real.create("a")
        delete_in_thread("a")
    assert ["LG103 image 'a'"] == said(watched)


class AsyncReal:
    """An async service."""

    @acquires(image, key="name")
    async def create(self, name: str) -> str:
        """Acquire."""
        await asyncio.sleep(0)
        return name

    @releases(image, key="name")
    async def delete(self, name: str) -> None:
        """Release."""
        await asyncio.sleep(0)


class AsyncDerived(AsyncReal):
    """Overrides that call `super()`."""

    @acquires(image, key="name")
    async def create(self, name: str) -> str:
        """Acquire."""
        return await super().create(name)

    @releases(image, key="name")
    async def delete(self, name: str) -> None:
        """Release."""
        await super().delete(name)


class WaitFor(AsyncReal):
    """Awaits the real one in a task of its own, as `asyncio.wait_for` does on Python 3.11."""

    @acquires(image, key="name")
    async def create(self, name: str) -> str:
        """Acquire."""
        return await asyncio.wait_for(super().create(name), 60)

    @releases(image, key="name")
    async def delete(self, name: str) -> None:
        """Release."""
        await asyncio.create_task(super().delete(name))


class ToThread:
    """Lets a thread do it."""

    @acquires(image, key="name")
    async def create(self, name: str) -> str:
        """Acquire."""
        return await asyncio.to_thread(Real().create, name)

    @releases(image, key="name")
    async def delete(self, name: str) -> None:
        """Release."""
        await asyncio.to_thread(Real().delete, name)


class SyncOverAsync:
    """A plain function that runs an event loop."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return asyncio.run(AsyncReal().create(name))

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Release."""
        asyncio.run(AsyncReal().delete(name))


@pytest.mark.parametrize(
    "service", [AsyncReal(), AsyncDerived(), WaitFor(), ToThread()], ids=lambda one: type(one).__name__
)
def test_coroutines_told_twice_count_once(service: Any) -> None:
    """Also through a task that the outer call awaits, and through `asyncio.to_thread`."""

    async def main() -> None:
        await service.create("a")
        assert ["image 'a' (held)"] == held(watched)
        await service.delete("a")

    with watching() as watched:
        asyncio.run(main())
        counts = watched.watched["image"]
    assert [] == said(watched)
    assert (1, 1) == (counts.acquired, counts.released)


def test_a_plain_function_around_an_event_loop() -> None:
    """What its loop does in its own thread is inside it."""
    with watching() as watched:
        SyncOverAsync().create("a")
        SyncOverAsync().delete("a")
    assert [] == said(watched)


def test_other_tasks_are_not_nested() -> None:
    """While one task is inside a release, another that releases the same thing releases it twice."""

    @releases(image, key="name")
    async def delete_slowly(name: str, gate: asyncio.Event) -> None:
        await gate.wait()

    async def main() -> None:
        gate = asyncio.Event()
        await AsyncReal().create("a")
        slow = asyncio.create_task(delete_slowly("a", gate))
        await asyncio.sleep(0)
        await AsyncReal().delete("a")
        gate.set()
        await slow

    with watching() as watched:
        asyncio.run(main())
    assert ["LG103 image 'a'"] == said(watched)


def test_a_task_started_before_a_call_is_not_inside_it() -> None:
    """It runs while the call waits, and was not started by it."""

    @releases(image, key="name")
    async def delete_slowly(name: str) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def main() -> None:
        await AsyncReal().create("a")
        earlier = asyncio.create_task(AsyncReal().delete("a"))
        await delete_slowly("a")
        await earlier

    with watching() as watched:
        asyncio.run(main())
    assert ["LG103 image 'a'"] == said(watched)


@pytest.mark.parametrize("sets", [False, True], ids=["as it was started", "with a variable of its own"])
def test_a_task_that_outlives_the_call_that_started_it_is_not_inside_the_next_one(sets: bool) -> None:
    """What a call started belongs to that call, and not to whatever is running when it goes on."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    children: list[asyncio.Task[None]] = []

    @releases(image, key="name")
    async def delete_slowly(name: str, first: Callable[[], object]) -> None:
        first()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def start_child() -> None:
        async def wait_and_delete() -> None:
            if sets:
                variable.set(1)
            for _ in range(3):
                await asyncio.sleep(0)
            Real().delete("b")

        children.append(asyncio.create_task(wait_and_delete()))

    async def main() -> None:
        await AsyncReal().create("a")
        await AsyncReal().create("b")
        await delete_slowly("a", start_child)
        assert not children[0].done()
        await delete_slowly("b", lambda: None)
        assert children[0].done()
        await asyncio.gather(*children)

    with watching() as watched:
        asyncio.run(main())
    assert ["LG103 image 'b'"] == said(watched)


def test_plain_functions_inside_coroutine_functions_count_once() -> None:
    """Whatever is awaited between them, and also where more of the same follow."""

    @acquires(image, key="name")
    async def create(name: str) -> None:
        await asyncio.sleep(0)
        Real().create(name)
        await asyncio.sleep(0)

    @releases(image, key="name")
    async def delete(name: str) -> None:
        Real().delete(name)
        await asyncio.sleep(0)

    async def main() -> None:
        for name in ("a", "b"):
            await create(name)
            await delete(name)
        await delete("b")

    with watching() as watched:
        asyncio.run(main())
        counts = watched.watched["image"]
    assert ["LG103 image 'b'"] == said(watched)
    assert (2, 3) == (counts.acquired, counts.released)


def test_a_scope_that_a_coroutine_function_opens_is_current_when_it_has_returned() -> None:
    """A watched `connect` that enters a scope of its own: what its caller does next belongs there."""
    inner = watching("inner")

    @acquires(counted, key="name")
    async def connect(name: str) -> None:
        inner.__enter__()

    @releases(counted, key="name")
    async def close(name: str) -> None:
        inner.__exit__(None, None, None)

    async def main() -> None:
        Real().create("before")
        await connect("c")
        Real().create("within")
        await close("c")
        Real().create("after")

    with watching() as watched:
        asyncio.run(main())
    assert ["LG101 volume 'c'", "LG101 image 'within'"] == said(inner)
    assert ["LG101 image 'before'", "LG101 image 'after'"] == said(watched)


def test_sync_calls_of_other_tasks_are_not_nested_in_a_coroutine() -> None:
    """One thread runs both tasks; that does not make them one call."""

    @acquires(image, key="name")
    async def create_slowly(name: str, gate: asyncio.Event) -> None:
        await gate.wait()

    async def main() -> None:
        gate = asyncio.Event()
        slow = asyncio.create_task(create_slowly("a", gate))
        await asyncio.sleep(0)
        Real().create("a")
        gate.set()
        await slow

    with watching() as watched:
        asyncio.run(main())
        Real().delete("a")
        Real().delete("a")
    assert ["LG106 image 'a'"] == said(watched)


def test_concurrent_calls_of_a_pool_are_each_an_event() -> None:
    """Four threads acquire four times."""
    real = Real()
    with watching() as watched, ThreadPoolExecutor(4) as pool:
        list(pool.map(watched.bind(lambda _: real.attach("v")), range(4)))
        assert 4 == watched.watched["volume"].acquired
        for _ in range(4):
            real.detach("v")
        assert [] == held(watched)
    assert [] == said(watched)


# -- failures and rollbacks -----------------------------------------------------------------------------------------------


class Driver:
    """Fails, and rolls back."""

    @on_failure(spawn, key="name")
    def start(self, name: str) -> None:
        """Fail."""
        raise OSError("no host")

    @rolls_back(spawn, key="name")
    def cleanup(self, name: str, fail: bool = False) -> None:
        """Roll back."""
        if fail:
            raise OSError("busy")


class DerivedDriver(Driver):
    """The same, told twice."""

    @on_failure(spawn, key="name")
    def start(self, name: str) -> None:
        """Fail."""
        super().start(name)

    @rolls_back(spawn, key="name")
    def cleanup(self, name: str, fail: bool = False) -> None:
        """Roll back."""
        super().cleanup(name, fail)


@pytest.mark.parametrize("driver", [Driver(), DerivedDriver()], ids=["one", "super"])
def test_a_failure_and_its_rollback_told_twice_count_once(driver: Driver) -> None:
    """One failure, one attempt, one rollback."""
    with watching() as watched:
        with pytest.raises(OSError, match="no host"):
            driver.start("a")
        with pytest.raises(OSError, match="busy"):
            driver.cleanup("a", fail=True)
        assert 1 == watched.watched["spawn"].failed
        with pytest.raises(OSError, match="no host"):
            driver.start("b")
        driver.cleanup("b")
        counts = watched.watched["spawn"]
    assert ["LG202 spawn 'a'"] == said(watched)
    assert ["failed", "rollback raised"] == [verb for verb, _ in history(watched)]
    assert (2, 1) == (counts.failed, counts.rolled_back)


def test_one_event_stands_at_the_line_of_the_outer_call() -> None:
    """The caller of a delegating fake acquired, released and handed over, not the line inside the fake."""

    class Fake(Real):
        @acquires(image, key="name")
        def create(self, name: str) -> str:
            return super().create(name)

        @releases(image, key="name")
        def delete(self, name: str) -> None:
            super().delete(name)

    def first() -> None:
        Fake().create("a")

    def second() -> None:
        Fake().delete("a")

    with watching() as watched:
        first()
        second()
        Fake().delete("a")
    functions = [one.place.function.rpartition(".")[2] for one in watched.violations[0].history if one.place]
    assert ["first", "second"] == functions[:2]
