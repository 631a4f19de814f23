"""An image service, and what its methods do to images."""

from lifeguard import OUTSIDE, Resource, acquires, releases, transfers

image = Resource("image")


class Images:
    """The service."""

    def __init__(self, room: int) -> None:
        self.room = room

    @acquires(image, key="name")
    def create(self, name: str) -> None:
        """Make an image."""

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Delete it."""

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str) -> None:
        """Give it to its readers, if there is room."""
        if not self.room:
            raise RuntimeError("quota exceeded")
        self.room -= 1
