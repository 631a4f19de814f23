"""An image service for tests. It takes over the contracts of the real one."""

from nightly.images import Images, QuotaExceeded

from lifeguard import implements


@implements(Images)
class FakeImages:
    """Images in memory."""

    def __init__(self, *, room: int = 1) -> None:
        self.room = room
        self.made = 0

    def create(self, name: str) -> str:
        """Make an image."""
        self.made += 1
        return f"{name}-{self.made}"

    def delete(self, image_id: str) -> None:
        """Delete an image."""

    def publish(self, image_id: str) -> None:
        """Publish an image, if there is room."""
        if not self.room:
            raise QuotaExceeded(image_id)
        self.room -= 1
