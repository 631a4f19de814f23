"""A nightly build makes an image, and publishes it or deletes it again. Really always?"""

from lifeguard import OUTSIDE, Resource, ViolationError, acquires, releases, scope, transfers

image = Resource("image")


class FakeImages:
    """An image service for tests. What its methods do to images is said where they are written."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full

    @acquires(image, key="result['id']")
    def create(self, name: str) -> dict[str, str]:
        """Make an image: from here on somebody owes its end."""
        return {"id": "img-1", "name": name}

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """One way to end it."""

    @transfers(image, key="image_id", to=OUTSIDE)
    def publish(self, image_id: str) -> None:
        """The other way: it belongs to its readers now."""
        if self.full:
            raise RuntimeError("quota exceeded")


def nightly_build(images: FakeImages, tests_pass: bool) -> None:
    """Publish what passes its tests, delete what does not."""
    made = images.create("nightly")
    try:
        if tests_pass:
            images.publish(made["id"])
        else:
            images.delete(made["id"])
    except RuntimeError:
        print("no image tonight")


with scope("tests pass"):
    nightly_build(FakeImages(), tests_pass=True)

with scope("tests fail"):
    nightly_build(FakeImages(), tests_pass=False)

try:
    with scope("no space left"):
        nightly_build(FakeImages(full=True), tests_pass=True)
except ViolationError as error:
    print(error)
