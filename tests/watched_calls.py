"""Calls that a test can do something in the middle of, and what they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifeguard import OUTSIDE, Resource, Rollback, acquires, releases, transfers, uses

image = Resource("image")
server = Resource("server")
spawn = Rollback("spawn")


class NotFoundError(Exception):
    """What a service says of something that is not there."""


@dataclass
class Instance:
    """An instance, compared by nothing that the tests use."""

    uuid: str | None
    host: str = "h1"


class Images:
    """A service."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return name

    @releases(image, key="name", gone=NotFoundError)
    def delete(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Release, after something else."""
        inside()

    @uses(image, key="name")
    def show(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Use, after something else."""
        inside()

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Transfer, after something else."""
        inside()


images = Images()
