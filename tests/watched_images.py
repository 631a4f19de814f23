"""The smallest service that is watched: images are made, looked at and removed."""

from __future__ import annotations

from lifeguard import Resource, acquires, releases, uses

image = Resource("image")


class Images:
    """A fake service."""

    @acquires(image, key="image_id")
    def create(self, image_id: str) -> str:
        """Make one."""
        return image_id

    @uses(image, key="image_id")
    def show(self, image_id: str) -> None:
        """Look at one."""

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """Remove one."""


images = Images()
