"""The image service, and what its methods do to images."""

from typing import Protocol

from lifeguard import OUTSIDE, Resource, acquires, releases, transfers

image = Resource("image")


class QuotaExceeded(Exception):
    """There is no room for one more published image."""


class Images(Protocol):
    """What the build needs of an image service."""

    @acquires(image, key="result")
    def create(self, name: str) -> str:
        """Make an image; gives its id."""
        ...

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """Delete an image."""
        ...

    @transfers(image, key="image_id", to=OUTSIDE)
    def publish(self, image_id: str) -> None:
        """Give an image to its readers."""
        ...
