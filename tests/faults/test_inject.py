"""`inject`: one call fails, and its contracts see it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Protocol

import pytest
from faults.watched_cloud import Busy, Cloud, image, volume
from findings import held, said, watching

from lifeguard import (
    DeclarationError,
    UsageError,
    acquires,
    contracts_for,
    implements,
    releases,
    scope,
)
from lifeguard.faults import FaultNotReached, InjectedFault, inject, was_injected


def test_before() -> None:
    """The call fails without effect, with the first exception that it is declared to raise."""
    cloud = Cloud()
    with watching() as watched, inject(Cloud.create_image) as fault:
        with pytest.raises(Busy, match=r"injected by lifeguard: Cloud.create_image, call 1, before") as caught:
            cloud.create_image()
        assert "image-1" == cloud.create_image()
        assert ["image 'image-1' (held)"] == [text.partition(",")[0] for text in held(watched)]
        cloud.delete_image("image-1")
    assert (1, 2) == (fault.fired, fault.calls)
    assert was_injected(caught.value)
    assert [] == said(watched)


def test_after() -> None:
    """The effect takes place, and the caller gets the error; nobody is blamed for what nobody knows of."""
    cloud = Cloud()
    with watching() as watched, inject(Cloud.create_image, when="after", error=TimeoutError("no answer")):
        with pytest.raises(TimeoutError, match=r"^no answer$"):
            cloud.create_image()
    assert 1 == cloud.number
    assert [] == said(watched)


def test_stuck() -> None:
    """This and every later call fail; each gets an exception of its own."""
    cloud = Cloud()
    caught: list[BaseException] = []
    given = Busy("host2")
    with watching(), inject(Cloud.create_image, when="stuck", nth=2, error=given) as fault:
        cloud.delete_image(cloud.create_image())
        for _ in range(3):
            with pytest.raises(Busy, match="host2") as error:
                cloud.create_image()
            caught.append(error.value)
    assert 3 == fault.fired
    assert caught[0] is given
    assert 3 == len(set(map(id, caught)))
    assert all(map(was_injected, caught))


def test_where_takes_the_arguments_by_name() -> None:
    """Only the calls that it takes are counted."""
    cloud = Cloud()
    with watching(), inject(Cloud.attach, where=lambda self, name: self is cloud and name == "data", nth=1) as fault:
        cloud.attach("root")
        with pytest.raises(InjectedFault):
            cloud.attach("data")
        cloud.detach("root")
    assert (1, 1) == (fault.fired, fault.calls)


def test_where_sees_arguments_that_no_contract_reads() -> None:
    """All of the call's arguments are there."""

    @acquires(image, key="name")
    def create(name: str, size: int = 0, *rest: int, owner: str = "me", **more: Any) -> None: ...

    with (
        watching(),
        inject(create, where=lambda size, rest, owner, more: (size, rest, owner, more) == (1, (2,), "you", {"x": 3})),
    ):
        with pytest.raises(InjectedFault):
            create("it", 1, 2, owner="you", x=3)


def test_where_that_fails_is_told_on_leaving() -> None:
    """The program goes on unharmed; the error names the arguments that there are."""
    with pytest.raises(UsageError, match=r"the call has no argument nmae; it has: name, self"):
        with watching(), inject(Cloud.attach, where=lambda nmae: True):
            cloud = Cloud()
            cloud.attach("root")
            cloud.detach("root")


def test_a_class_and_a_function_make_the_error() -> None:
    """A class is called with a text, or made without its constructor; a function makes what it likes."""

    class Needy(Exception):
        def __init__(self, host: str, *, code: int) -> None:
            super().__init__(host)
            self.code = code

    for error, text in ((Needy, "injected by lifeguard"), (lambda: Needy("host2", code=7), "host2")):
        with inject(Cloud.attach, error=error), pytest.raises(Needy, match=text) as caught:
            Cloud().attach("root")
        assert was_injected(caught.value)


def test_armed_and_never_reached() -> None:
    """It says what it waited for, and what it saw."""
    cloud = Cloud()
    with pytest.raises(FaultNotReached) as caught:
        with watching(), inject(Cloud.attach, nth=2, where=lambda name: name == "root"):
            cloud.attach("root")
            cloud.attach("data")
            cloud.detach("root")
            cloud.detach("data")
    lines = str(caught.value).splitlines()
    assert ["armed and never reached: Cloud.attach, call 2, before", "  calls that it counted: 1"] == lines[:2]
    assert lines[2].startswith("  calls that where= did not take: ")
    assert "test_inject.py" in lines[2]


def test_the_error_of_the_block_is_not_replaced() -> None:
    """What was not reached is a note of the exception that left the block."""
    with pytest.raises(KeyError) as caught:
        with inject(Cloud.attach):
            raise KeyError("mine")
    assert [
        "armed and never reached: Cloud.attach, call 1, before\n  calls that it counted: 0"
    ] == caught.value.__notes__


def test_always_disarmed_on_leaving() -> None:
    """After the block everything is as before, however it was left."""
    cloud = Cloud()
    with pytest.raises(InjectedFault), inject(Cloud.attach, when="stuck"):
        cloud.attach("root")
    with watching() as watched:
        cloud.attach("root")
        cloud.detach("root")
    assert [] == said(watched)


def test_two_at_once() -> None:
    """Each has its own state."""
    cloud = Cloud()
    with watching(), inject(Cloud.attach) as outer, inject(Cloud.create_image) as inner:
        with pytest.raises(InjectedFault):
            cloud.attach("root")
        with pytest.raises(Busy):
            cloud.create_image()
    assert (1, 1) == (outer.fired, inner.fired)


def test_a_thread_that_cannot_be_reached_is_listed() -> None:
    """The call in it is not made to fail, and is not skipped silently either."""
    cloud = Cloud()

    def work() -> None:
        cloud.attach("root")
        cloud.detach("root")

    with pytest.raises(
        FaultNotReached, match=r"unguarded calls.*\n    Cloud.attach at .*test_inject.py.* in .*work \(worker\)"
    ):
        with inject(Cloud.attach):
            thread = threading.Thread(target=work, name="worker")
            thread.start()
            thread.join()


def test_reach_process_reaches_all_threads() -> None:
    """With a scope that reaches the process, or when it is asked for."""
    cloud = Cloud()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            cloud.attach("root")
        except InjectedFault as error:
            caught.append(error)

    def run() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with inject(Cloud.attach, reach="process"):
        run()
    with scope("all", reach="process"), inject(Cloud.attach):
        run()
    assert 2 == len(caught)


def test_tasks_and_coroutines() -> None:
    """What is awaited in a task that was started inside fails there."""

    @acquires(image, key="name")
    async def create(name: str) -> str:
        await asyncio.sleep(0)
        return name

    async def main() -> list[object]:
        tasks = [asyncio.create_task(create(name)) for name in "ab"]
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    with watching() as watched, inject(create, where=lambda name: name == "b"):
        first, second = asyncio.run(main())
    assert "a" == first
    assert isinstance(second, InjectedFault)
    assert ["LG101 image 'a'"] == said(watched)


def test_a_fake_of_the_service() -> None:
    """Naming the service reaches the fakes that implement it."""

    class Service(Protocol):
        @acquires(volume, key="name", raises=Busy)
        def make(self, name: str) -> None: ...

    @implements(Service)
    class Fake:
        def make(self, name: str) -> None:
            """Nothing."""

    with inject(Service.make), pytest.raises(Busy):
        Fake().make("it")
    with inject(Fake.make), pytest.raises(Busy):
        Fake().make("it")
    with inject(Fake().make), pytest.raises(Busy):
        Fake().make("it")


class Foreign:
    """Somebody else's class."""

    def make(self, name: str) -> None:
        """Make."""

    def drop(self, name: str) -> None:
        """Drop."""


@contracts_for(Foreign)
class ForeignContracts:
    """Its contracts."""

    @acquires(volume, key="name")
    def make(self, name: str) -> None: ...  # noqa: D102

    @releases(volume, key="name")
    def drop(self, name: str) -> None: ...  # noqa: D102


def test_contracts_bound_from_outside() -> None:
    """The function itself may be named while its contracts are applied."""
    with ForeignContracts.applied():
        with inject(Foreign.make), pytest.raises(InjectedFault):
            Foreign().make("it")
    with pytest.raises(UsageError, match="it has no contract that could see the failure"):
        inject(Foreign.make)


def test_used_once() -> None:
    """Like a scope."""
    fault = inject(Cloud.attach)
    with fault, pytest.raises(InjectedFault):
        Cloud().attach("root")
    with pytest.raises(UsageError, match="was used before"):
        fault.__enter__()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"when": "during"}, "takes 'before', 'after' or 'stuck', not 'during'"),
        ({"nth": 0}, "takes a whole number from 1, not 0"),
        ({"nth": True}, "takes a whole number from 1, not True"),
        ({"where": "x"}, "takes a function of arguments, not 'x'"),
        ({"reach": "all"}, "takes 'context' or 'process', not 'all'"),
        ({"error": int}, "takes an exception, not the class int"),
        ({"error": "x"}, "takes an exception, not 'x'"),
    ],
)
def test_what_is_written_wrongly(arguments: dict[str, Any], text: str) -> None:
    """The error names the value, and what was expected."""
    with pytest.raises(DeclarationError, match=text):
        inject(Cloud.attach, **arguments)


def test_a_class_is_no_call() -> None:
    """The error says what to name instead."""
    with pytest.raises(UsageError, match=r"name one of its methods, such as Cloud.__init__"):
        inject(Cloud)
