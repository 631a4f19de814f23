"""A service whose callers leak, and the place that a report has to point at."""

from __future__ import annotations

from lifeguard import Resource, ViolationError, acquires, atomic, releases

image = Resource("image")


class Images:
    """A fake service."""

    @acquires(image, key="image_id")
    def create(self, image_id: str) -> str:
        """Make one."""
        return image_id

    @releases(image, key="image_id")
    def delete(self, image_id: str, error: BaseException | None = None) -> None:
        """Remove one."""
        if error is not None:
            raise error

    @atomic(image)
    def fail(self, error: BaseException) -> None:
        """Leave something behind, and fail."""
        self.create("half")
        raise error


images = Images()


def leak() -> None:
    """Acquire something; the line of the call is where a report has to point at."""
    images.create("i")


LEAK_FILE = __file__
LEAK_LINE = leak.__code__.co_firstlineno + 2


def codes(error: ViolationError) -> list[tuple[str, object]]:
    """What it says, in short."""
    return [(one.code, one.key) for one in error.violations]
