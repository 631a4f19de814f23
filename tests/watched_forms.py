"""Functions of every form, each with a contract: methods, properties, coroutines, generators, managers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from lifeguard import Resource, Rollback, acquires

image = Resource("image")
session = Resource("session", again="count")
host = Resource("host")
spawn = Rollback("spawn")


@acquires(image, key="name")
def make(name: str, *, fail: bool = False) -> str:
    """Make an image."""
    if fail:
        raise OSError(name)
    return name.upper()


class Service:
    """Every sort of method, with the decorator above and below."""

    def __init__(self) -> None:
        self.host = "h1"

    @acquires(image, key="self.host, name")
    def method(self, name: str) -> str:
        """Plain."""
        return name

    @acquires(image, key="name")
    @classmethod
    def class_above(cls, name: str) -> type:
        """Decorator above."""
        return cls

    @classmethod
    @acquires(image, key="name")
    def class_below(cls, name: str) -> type:
        """Decorator below."""
        return cls

    @acquires(image, key="name")
    @staticmethod
    def static_above(name: str) -> str:
        """Decorator above."""
        return name

    @staticmethod
    @acquires(image, key="name")
    def static_below(name: str) -> str:
        """Decorator below."""
        return name

    @acquires(image, key="result")
    @property
    def property_above(self) -> str:
        """Decorator above."""
        return self.host + "-above"

    @property
    @acquires(image, key="result")
    def property_below(self) -> str:
        """Decorator below."""
        return self.host + "-below"

    @acquires(image, key="result")
    @property
    def writable(self) -> str:
        """With a setter."""
        return self.host

    @writable.setter
    def writable(self, value: str) -> None:
        self.host = value

    @writable.deleter
    def writable(self) -> None:
        self.host = ""


@acquires(image, key="name")
async def make_async(name: str, *, gate: asyncio.Event | None = None, fail: bool = False) -> str:
    """Make an image, some time."""
    if gate is not None:
        await gate.wait()
    if fail:
        raise OSError(name)
    return name.upper()


@acquires(image, key="name")
def producing(name: str) -> Generator[str, str, str]:
    """Echo what is sent."""
    try:
        sent = yield f"{name}: begin"
        while sent != "end":
            try:
                sent = yield f"{name}: {sent}"
            except KeyError as error:
                sent = f"caught {error}"
    finally:
        finals.append(name)
    return f"{name}: done"


finals: list[str] = []


@acquires(image, key="name")
async def producing_async(name: str) -> Any:
    """Echo what is sent."""
    try:
        sent = yield f"{name}: begin"
        while sent != "end":
            await asyncio.sleep(0)
            try:
                sent = yield f"{name}: {sent}"
            except KeyError as error:
                sent = f"caught {error}"
    finally:
        finals.append(name)


class CleanupError(Exception):
    """What a cleanup raises."""


@acquires(session, key="result")
@contextlib.contextmanager
def opened(name: str, *, swallow: bool = False, broken: str = "") -> Iterator[str]:
    """A session for the length of a with-block."""
    if broken == "enter":
        raise OSError(name)
    try:
        yield f"session {name}"
    except ValueError:
        if not swallow:
            raise
    if broken == "exit":
        raise CleanupError(name)
