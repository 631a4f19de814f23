"""Hypothesis looks for the calls that break a fake's contracts, from the contracts alone."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from lifeguard import Resource, ViolationError, acquires, implements, releases, tracks, uses
from lifeguard.integrations.hypothesis import state_machine

image = Resource("image")


class NotFound(Exception):
    """There is no such image."""


class ImageService:
    """The real service: what its methods do to images is written where they are."""

    @acquires(image, key="result['id']")
    def create(self, name: str) -> dict[str, str]:
        """Make an image."""
        raise NotImplementedError

    @uses(image, key="image_id", gone=NotFound)
    def show(self, image_id: str) -> str:
        """Give the name of one."""
        raise NotImplementedError

    @releases(image, key="image_id", gone=NotFound)
    def delete(self, image_id: str) -> None:
        """Remove one."""
        raise NotImplementedError


@implements(ImageService)
@tracks(image, state="self.created_images")
class FakeImages:
    """Keeps a list of what was created. Can you see what is wrong with it?"""

    def __init__(self) -> None:
        self.created_images: list[str] = []

    def create(self, name: str) -> dict[str, str]:
        """Make an image."""
        image_id = f"img-{len(self.created_images)}"
        self.created_images.append(image_id)
        return {"id": image_id}

    def show(self, image_id: str) -> str:
        """Give the name of one."""
        if image_id not in self.created_images:
            raise NotFound(image_id)
        return "an image"

    def delete(self, image_id: str) -> None:
        """Remove one."""
        if image_id not in self.created_images:
            raise NotFound(image_id)
        self.created_images.remove(image_id)


FakeImagesMachine = state_machine(FakeImages)

# In a test suite this is all: pytest and unittest collect it.
TestFakeImages = FakeImagesMachine.TestCase


if __name__ == "__main__":
    repeatable = settings(TestFakeImages.settings, derandomize=True, database=None)
    try:
        run_state_machine_as_test(FakeImagesMachine, settings=repeatable)
    except ViolationError as found:
        print(found.violations[0])
        print(*found.__notes__, sep="\n")
