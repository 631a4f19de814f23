"""What users' type checkers see. Checked by mypy and pyright, never run.

A line that must not pass bears both checkers' marks, and a mark that is not needed is an error in both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, assert_type

import lifeguard
from lifeguard import (
    OUTSIDE,
    BoundContracts,
    Grace,
    Resource,
    Rollback,
    Violation,
    ViolationError,
    acquires,
    after,
    all_of,
    atomic,
    contracts_for,
    each,
    implements,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
    transfers,
    uses,
)

image = Resource("image", again="count", unseen="error", fields=("id",))
server = Resource("server", needs=all_of("stop", "delete"))
port = Resource("port", within=server, cascade=True)
spawn = Rollback("spawn", order="lifo")


class NotFound(Exception): ...


class Images:
    """Every form of a method."""

    @acquires(image, key="result", about=("name", (server, "name")))
    def create(self, name: str, *, size: int = 0) -> str:
        return name * size

    @releases(image, key="image_id", gone=NotFound, idempotent=True)
    @uses(image, key="image_id", gone=(NotFound, KeyError))
    async def delete(self, image_id: str) -> bool:
        return bool(image_id)

    @transfers(image, key="image_id", to=OUTSIDE)
    def publish(self, image_id: str) -> None: ...

    @transfers(image, key="image_id", to=(server, "server_id"), when="server_id is not None")
    def attach(self, image_id: str, server_id: str | None) -> None: ...

    @transfers(image, key="old", to_key="new")
    def rename(self, old: str, new: str) -> None: ...

    @acquires(image, key=each("names"))
    def stream(self, names: list[str]) -> Generator[int, str, bool]:
        yield 1
        return True

    @releases(image, key="image_id")
    async def astream(self, image_id: str) -> AsyncIterator[bytes]:
        yield b""

    @acquires(image, key="name")
    @classmethod
    def above(cls, name: str) -> Images:
        return cls()

    @classmethod
    @acquires(image, key="name")
    def below(cls, name: str) -> Images:
        return cls()

    @acquires(image, key="name")
    @staticmethod
    def static(name: str) -> int:
        return len(name)

    @property
    @acquires(image, key="self.id")
    def handle(self) -> int:
        return 1

    @acquires(image, key=after("self.id"))
    def __init__(self, id: str = "") -> None:
        self.id = id

    @acquires(image, key="path")
    @contextmanager
    def opened(self, path: str) -> Generator[bytes]:
        yield b""

    @acquires(image, key="path")
    @asynccontextmanager
    async def aopened(self, path: str) -> AsyncGenerator[bytes]:
        yield b""


@on_failure(spawn, key="server_id", exc=(OSError, ValueError), success_pays=True)
@atomic
def start(server_id: str) -> int:
    return len(server_id)


@rolls_back(spawn, key="server_id")
@atomic(image, about="server_id", restores=True)
def clean(server_id: str) -> None: ...


@settles(image, key={"id": "server_id"})
def stop(server_id: str) -> list[str]:
    return [server_id]


@settles()
def finish() -> int:
    return 1


async def methods_keep_their_types(images: Images) -> None:
    assert_type(images.create("a", size=1), str)
    assert_type(await images.delete("a"), bool)
    assert_type(images.stream(["a"]), Generator[int, str, bool])
    assert_type(images.astream("a"), AsyncIterator[bytes])
    assert_type(Images.above("a"), Images)
    assert_type(Images.below("a"), Images)
    assert_type(Images.static("a"), int)
    assert_type(images.handle, int)
    assert_type(Images("a"), Images)
    with images.opened("a") as data:
        assert_type(data, bytes)
    async with images.aopened("a") as data:
        assert_type(data, bytes)


def functions_keep_their_types() -> None:
    assert_type(start("a"), int)
    assert_type(stop("a"), list[str])
    assert_type(finish(), int)
    same: Callable[[str], int] = start
    assert_type(same("a"), int)


async def wrong_calls_do_not_pass(images: Images) -> None:
    images.create(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    images.create("a", 1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    images.create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await images.delete(b"a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Images.below(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Images.static(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    start(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Images(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_contracts_do_not_pass() -> None:
    acquires("image", key="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    acquires(image)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    acquires(image, "name")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    acquires(spawn, key="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    on_failure(image, key="name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Resource("image", again="sometimes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Rollback("spawn", order="fifo")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    scope("s", reach="everywhere")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@implements(Images)
class FakeImages:
    """The class stays the class."""

    def create(self, name: str, *, size: int = 0) -> str:
        return name


@contracts_for("package.module:Class")
class StandIn(BoundContracts):
    """A stand-in gets `applied`. Pyright sees it by itself; mypy does not look at what a class decorator returns."""

    @acquires(image, key="result")
    def create(self) -> None: ...


def classes_keep_their_types() -> None:
    assert_type(FakeImages(), FakeImages)
    with StandIn.applied():
        pass


def scopes() -> None:
    with scope("s", reach="process", grace=Grace(attempts=2), remember=None, only=[image], ignore=(port,)) as watched:
        watched.allow(image, "a", why="it may stay", at_most=1)
        watched.seed(image, "a", "b", why="it was there")
        watched.acquired(image, "a", about="s1")
        watched.released(image, "a")
    assert_type(watched.violations, tuple[Violation, ...])
    for violation in watched.violations:
        assert_type(violation.code, str)
        assert_type(violation.as_dict(), dict[str, object])

    opened = scope("by hand").open()
    with opened.active():
        pass
    opened.close()
    worker: Callable[[str], int] = opened.bind(start)
    worker("a")


@scope("each call")
def decorated(number: int) -> str:
    return str(number)


@scope("each call")
async def adecorated(number: int) -> str:
    return str(number)


async def a_scope_as_a_decorator_keeps_types() -> None:
    assert_type(decorated(1), str)
    assert_type(await adecorated(1), str)
    decorated("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with scope("async"):
        pass


def the_error() -> None:
    try:
        start("a")
    except ViolationError as error:
        assert_type(error.violations, tuple[Violation, ...])
        assert_type(error.scope, str)
        assert_type(error.as_dict(), dict[str, object])


@lifeguard.invariant(image, description="not too many")
def few(ledger: Any) -> bool:
    return len(ledger.held(image)) < 9
