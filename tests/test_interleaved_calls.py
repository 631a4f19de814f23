"""Tasks that interleave: what records itself on the short way says the same as what takes the long one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifeguard import Resource, Scope, acquires, releases, scope, uses

EXAMPLES = int(os.environ.get("LIFEGUARD_EXAMPLES", "0"))

image = Resource("image")
volume = Resource("volume", again="count")

Body = Callable[[], Awaitable[object]]


class Service:
    """Coroutine functions and plain ones, each with something to do before it returns."""

    def create_now(self, name: str) -> str:
        """Acquire."""
        return name

    def delete_now(self, name: str) -> None:
        """Release."""

    async def create(self, name: str, body: Body) -> str:
        """Acquire, known by its result."""
        await body()
        return name

    async def open(self, name: str, body: Body) -> None:
        """Acquire, known by its argument."""
        await body()

    async def delete(self, name: str, body: Body) -> None:
        """Release."""
        await body()

    async def show(self, name: str, body: Body) -> None:
        """Use."""
        await body()

    async def fail(self, name: str, body: Body) -> None:
        """A release that raises."""
        await body()
        raise OSError(name)


def woven(kind: Resource) -> Service:
    """The service with contracts about one kind."""

    class Woven(Service):
        create_now = acquires(kind, key="result")(Service.create_now)
        delete_now = releases(kind, key="name")(Service.delete_now)
        create = acquires(kind, key="result")(Service.create)
        open = acquires(kind, key="name")(Service.open)
        delete = releases(kind, key="name")(Service.delete)
        show = uses(kind, key="name")(Service.show)
        fail = releases(kind, key="name")(Service.fail)

    return Woven()


SERVICES = {"image": woven(image), "volume": woven(volume)}

Step = tuple[Any, ...]
"""("call", function, kind, key, steps inside), ("now", function, kind, key), ("start", steps of a task), ("pause",), ("join",) or
("scope", steps).
"""

keys = st.sampled_from(["a", "b"])
kinds = st.sampled_from(["image", "image", "volume"])
leaves = st.one_of(
    st.just(("pause",)),
    st.just(("join",)),
    st.tuples(st.just("now"), st.sampled_from(["create_now", "delete_now"]), kinds, keys),
)


def _around(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    some = st.lists(steps, max_size=4)
    functions = st.sampled_from(["create", "open", "delete", "show", "fail"])
    return st.one_of(
        st.tuples(st.just("call"), functions, kinds, keys, some),
        st.tuples(st.just("start"), some),
        st.tuples(st.just("scope"), some),
    )


programs = st.lists(st.recursive(leaves, _around, max_leaves=14), min_size=1, max_size=6)


class Onlooker:
    """An observer that does nothing: where it looks on, all calls take the long way."""

    def began(self, call: object) -> None:
        """Nothing."""

    def event(self, event: object) -> None:
        """Nothing."""

    def closed(self, verdict: object) -> None:
        """Nothing."""


class Run:
    """One run of a program."""

    def __init__(self, observers: Sequence[Any]) -> None:
        self.observers = observers
        self.scopes: list[Scope] = []
        self.started = 0

    def scope(self) -> Scope:
        """A scope more."""
        self.scopes.append(
            scope(f"scope {len(self.scopes)}", on_violation="record", remember=None, observers=self.observers)
        )
        return self.scopes[-1]

    async def task(self, steps: Sequence[Step]) -> None:
        """What one task does, and what it starts."""
        children: list[asyncio.Task[None]] = []
        await self.steps(steps, children)
        await asyncio.gather(*children)

    async def steps(self, steps: Sequence[Step], children: list[asyncio.Task[None]]) -> None:
        """Do some steps, one after the other."""
        for step in steps:
            await self.step(step, children)

    async def step(self, step: Step, children: list[asyncio.Task[None]]) -> None:
        """Do one step."""
        match step:
            case ("pause",):
                await asyncio.sleep(0)
            case ("join",):
                await asyncio.gather(*children)
            case ("now", function, kind, key):
                getattr(SERVICES[kind], function)(key)
            case ("call", function, kind, key, inside):
                await self.call(getattr(SERVICES[kind], function), key, lambda: self.steps(inside, children))
            case ("start", inside):
                self.started += 1
                children.append(asyncio.create_task(self.task(inside), name=f"task {self.started}"))
            case ("scope", inside):
                with self.scope():
                    await self.task(inside)

    @staticmethod
    async def call(function: Any, key: str, body: Body) -> None:
        """Call a watched function."""
        try:
            await function(key, body)
        except OSError:
            return

    async def main(self, steps: Sequence[Step]) -> None:
        """All of it."""
        task = asyncio.current_task()
        assert task is not None
        task.set_name("main")
        with self.scope():
            await self.task(steps)

    def said(self, steps: Sequence[Step]) -> list[Any]:
        """What every scope says at its end: findings with their histories, counts."""
        asyncio.run(self.main(steps))
        return [_told(one) for one in self.scopes]


def _told(watched: Scope) -> Any:
    verdict = watched.verdict
    assert verdict is not None
    findings = [
        (
            one.code,
            one.kind,
            one.key_text,
            one.also,
            [(entry.verb, entry.function, str(entry.place), entry.actor) for entry in one.history],
        )
        for one in (*verdict.violations, *verdict.warnings)
    ]
    counts = {kind: (one.acquired, one.released, one.used, one.unmatched) for kind, one in verdict.watched.items()}
    return (
        findings,
        sorted((kind, some) for kind, some in counts.items() if any(some)),
        verdict.elsewhere,
        verdict.nowhere,
    )


@settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(programs)
def test_the_short_way_says_what_the_long_way_says(steps: list[Step]) -> None:
    """The same findings, histories with places and tasks, and counts, for every scope."""
    assert Run([Onlooker()]).said(steps) == Run([]).said(steps)


@pytest.mark.parametrize("function", ["create", "open", "delete", "show"])
def test_calls_of_coroutine_functions_go_the_short_way(function: str) -> None:
    """Else the comparison above would compare nothing: no generation is made for what is plain."""

    async def main() -> None:
        service = SERVICES["image"]
        await service.open("a", lambda: asyncio.sleep(0))
        if function != "open":
            key = "b" if function == "create" else "a"
            await getattr(service, function)(key, lambda: asyncio.sleep(0))

    with scope("short", on_violation="record") as watched:
        asyncio.run(main())
        assert {} == watched.book.held
        assert sorted({"delete": [], "create": ["a", "b"]}.get(function, ["a"])) == sorted(
            one.key for one in watched.outstanding
        )
