"""A class of which some override forgets the contract, and one whose own state is compared with the ledger."""

from __future__ import annotations

from lifeguard import Resource, acquires, releases, tracks, uses

image = Resource("image")


@tracks(image, state=lambda self: self.images)
class Shelf:
    """An object with a state of its own."""

    def __init__(self) -> None:
        self.images: set[str] = set()

    @acquires(image, key="image_id")
    def put(self, image_id: str) -> None:
        """One more."""
        self.images.add(image_id)

    @releases(image, key="image_id")
    def take(self, image_id: str, *, really: bool = True) -> None:
        """One less."""
        if really:
            self.images.discard(image_id)


class Base:
    """A class with a contract, of which some override forgets it."""

    @releases(image, key="image_id")
    def drop(self, image_id: str) -> None:
        """Delete an image."""

    @uses(image, key="image_id")
    def look(self, image_id: str) -> None:
        """Look at an image."""


class Forgetful(Base):
    """Its own `drop` never reaches that of the base."""

    def drop(self, image_id: str) -> None:
        """Delete an image, unseen."""


class Faithful(Base):
    """Its own `drop` reaches that of the base."""

    def drop(self, image_id: str) -> None:
        """Delete an image."""
        super().drop(image_id)
