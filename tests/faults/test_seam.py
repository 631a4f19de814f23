"""The seam for fault plans: an observer makes a call fail, its contracts see the failure, and then its caller does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from findings import held, said

from lifeguard import (
    DeclarationError,
    Event,
    Resource,
    Rollback,
    Verdict,
    acquires,
    on_failure,
    releases,
    scope,
    uses,
)
from lifeguard.context import Attempt, Fault
from lifeguard.ledger.records import Call, Outcome

image = Resource("image")
spawn = Rollback("spawn")
did: list[str] = []


class Lost(Exception):
    """What the plan lets a call raise."""


class Plan:
    """Makes every call of some functions fail."""

    def __init__(self, when: str, fault: Fault) -> None:
        self.when = when
        self.fault = fault
        self.seen: list[tuple[str, Outcome]] = []

    def began(self, call: Call) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Remember how the contracts saw it."""
        self.seen.append((event.call.function.rpartition(".")[2], event.outcome))

    def closed(self, verdict: Verdict) -> None:
        """Nothing."""

    def before(self, attempt: Attempt) -> Fault | None:
        """The fault, if it is time for it."""
        return self.fault if self.when == "before" else None

    def after(self, attempt: Attempt) -> Fault | None:
        """The fault, if it is time for it."""
        return self.fault if self.when == "after" else None


class Held:
    """Acquired by being made."""

    @acquires(image, key="self")
    def __init__(self) -> None:
        did.append("ran")


class Service:
    """A call of every form."""

    @acquires(image, key="name")
    def plain(self, name: str) -> None:
        """A method."""
        did.append("ran")

    @acquires(image, key="name")
    @classmethod
    def of_class(cls, name: str) -> None:
        """A class method."""
        did.append("ran")

    @acquires(image, key="name")
    @staticmethod
    def static(name: str) -> None:
        """A static method."""
        did.append("ran")

    @acquires(image, key="result")
    @property
    def getter(self) -> None:
        """A property."""
        did.append("ran")

    @acquires(image, key="name")
    async def awaited(self, name: str) -> None:
        """A coroutine."""
        await asyncio.sleep(0)
        did.append("ran")

    @acquires(image, key="name")
    def items(self, name: str) -> Iterator[int]:
        """A generator."""
        did.append("ran")
        yield 1

    @acquires(image, key="name")
    async def async_items(self, name: str) -> AsyncIterator[int]:
        """An async generator."""
        did.append("ran")
        yield 1

    @uses(image, key="name")
    @contextlib.contextmanager
    def managed(self, name: str) -> Iterator[None]:
        """A context manager."""
        did.append("ran")
        yield

    @uses(image, key="name")
    @contextlib.asynccontextmanager
    async def async_managed(self, name: str) -> AsyncIterator[None]:
        """An async context manager."""
        did.append("ran")
        yield


def _async_for() -> None:
    async def consume() -> None:
        async for _ in Service().async_items("it"):
            did.append("item")

    asyncio.run(consume())


def _with() -> None:
    with Service().managed("it"):
        did.append("block")


def _async_with() -> None:
    async def enter() -> None:
        async with Service().async_managed("it"):
            did.append("block")

    asyncio.run(enter())


def _for() -> None:
    for _ in Service().items("it"):
        did.append("item")


FORMS: dict[str, tuple[str, list[str], Callable[[], Any]]] = {
    "method": ("plain", ["ran"], lambda: Service().plain("it")),
    "class method": ("of_class", ["ran"], lambda: Service.of_class("it")),
    "static method": ("static", ["ran"], lambda: Service.static("it")),
    "property": ("getter", ["ran"], lambda: Service().getter),
    "__init__": ("__init__", ["ran"], Held),
    "coroutine": ("awaited", ["ran"], lambda: asyncio.run(Service().awaited("it"))),
    "generator": ("items", ["ran", "item"], _for),
    "async generator": ("async_items", ["ran", "item"], _async_for),
    "with": ("managed", ["ran", "block"], _with),
    "async with": ("async_managed", ["ran", "block"], _async_with),
}


def watched_by(plan: Plan, call: Callable[[], object]) -> Any:
    """Run a call under a plan; the closed scope."""
    did.clear()
    watched = scope("watched", on_violation="record", observers=[plan])
    with watched, contextlib.suppress(Lost, asyncio.CancelledError):
        call()
        did.append("returned")
    return watched


@pytest.mark.parametrize("form", FORMS)
def test_before(form: str) -> None:
    """A call of any form fails without having run, and its contracts see that it raised."""
    name, _, call = FORMS[form]
    plan = Plan("before", Lost("no"))
    watched = watched_by(plan, call)
    assert [] == did
    assert [(name, Outcome.RAISED)] == plan.seen
    assert [] == said(watched)


@pytest.mark.parametrize("form", FORMS)
def test_after(form: str) -> None:
    """A call of any form takes effect, but its caller gets the error, and its contracts see that it raised."""
    name, expected, call = FORMS[form]
    plan = Plan("after", Lost("no"))
    watched = watched_by(plan, call)
    assert expected == did
    assert (name, Outcome.RAISED) == plan.seen[-1]
    assert [] == said(watched), "an answer that was lost on purpose is nobody's leak"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("form", ["coroutine", "async with"])
def test_a_call_that_awaits_is_interrupted_where_it_stands(form: str, when: str) -> None:
    """What a plan has awaited in place of a call is a real cancellation, and the call has raised it."""
    name, expected, call = FORMS[form]
    cancelling: list[int] = []

    async def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        cancelling.append(task.cancelling())
        await asyncio.sleep(0)

    plan = Plan(when, cancel)
    watched = watched_by(plan, call)
    assert (expected if when == "after" else []) == did
    assert [1] == cancelling
    assert (name, Outcome.RAISED) == plan.seen[-1]
    assert [] == said(watched)


def test_a_failed_call_owes_its_rollback() -> None:
    """A call that is made to fail owes its rollback as if it had failed by itself."""

    @on_failure(spawn, key="name")
    def start(name: str) -> None:
        did.append("ran")

    assert ["LG201 spawn 's'"] == said(watched_by(Plan("before", Lost("no")), lambda: start("s")))


def test_a_release_that_is_made_to_fail_does_not_pay() -> None:
    """A release that raised has not paid, whether its effect took place or not."""

    @acquires(image, key="name")
    def create(name: str) -> None: ...

    @releases(image, key="name")
    def delete(name: str) -> None:
        did.append("ran")

    class OnlyDelete(Plan):
        def after(self, attempt: Attempt) -> Fault | None:
            return self.fault if attempt.call.function.endswith("delete") else None

    def use() -> None:
        create("it")
        delete("it")

    assert ["LG102 image 'it'"] == said(watched_through(OnlyDelete("after", Lost("no")), use))
    assert ["ran"] == did


def watched_through(plan: Plan, call: Callable[[], object]) -> Any:
    """Run a call under a plan, whose fault leaves the scope; the closed scope."""
    did.clear()
    watched = scope("watched", on_violation="record", observers=[plan])
    with pytest.raises(Lost), watched:
        call()
    return watched


@pytest.mark.parametrize(
    ("lost_reply", "expected"), [("excused", []), ("caller", ["LG205 image 'it'"]), ("callee", ["LG205 image 'it'"])]
)
def test_lost_reply(lost_reply: Any, expected: list[str]) -> None:
    """Whether somebody has to see to an acquire whose answer was lost is said by its contract."""

    @acquires(image, key="result", lost_reply=lost_reply)
    def create() -> str:
        return "it"

    assert expected == said(watched_by(Plan("after", Lost("no")), create))


def test_what_was_lost_may_be_found_and_released() -> None:
    """An excused thing is known: it may be released once, and made again, and is owed from then on."""
    fragile = Resource("fragile", unseen="error")

    @acquires(fragile, key="name")
    def create(name: str) -> None: ...

    @releases(fragile, key="name")
    def delete(name: str) -> None: ...

    plan = Plan("after", Lost("no"))
    watched = scope("watched", on_violation="record", observers=[plan])
    with watched:
        with contextlib.suppress(Lost):
            create("found")
        with contextlib.suppress(Lost):
            create("made again")
        plan.when = "never"
        assert [] == held(watched)
        delete("found")
        create("made again")
        assert ["fragile 'made again' (held)"] == [text.partition(",")[0] for text in held(watched)]
    assert ["LG101 fragile 'made again'"] == said(watched)


def test_an_inner_scope_is_reached_too() -> None:
    """A plan of a scope reaches the calls of the scopes inside it."""
    plan = Plan("before", Lost("no"))

    def inside() -> None:
        with scope("inner"):
            Service().plain("it")

    assert [] == said(watched_by(plan, inside))
    assert [("plain", Outcome.RAISED)] == plan.seen


def test_a_plan_that_fails_is_told_and_changes_nothing() -> None:
    """An error in a plan is a finding, never an exception in the program."""

    class Broken(Plan):
        def before(self, attempt: Attempt) -> Fault | None:
            raise KeyError("oops")

    found = said(watched_by(Broken("before", Lost("no")), lambda: Service().plain("it")))
    assert ["ran", "returned"] == did
    assert ["LG101 image 'it'", "LG401  "] == sorted(found)


def test_lost_reply_takes_one_of_three_words() -> None:
    """Anything else is an error where it is written."""
    with pytest.raises(DeclarationError, match="takes 'excused', 'caller' or 'callee', not 'nobody'"):
        acquires(image, key="name", lost_reply="nobody")  # type: ignore[arg-type]


async def _never() -> None: ...


def test_types() -> None:
    """A fault is an exception, or something that is awaited."""
    faults: list[Fault] = [Lost(), _never]
    awaited: list[Callable[[], Awaitable[object]]] = [_never]
    assert faults[1] is awaited[0]
