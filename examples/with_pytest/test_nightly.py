"""A nightly build under pytest: run `pytest` in this folder. One of these tests is green without lifeguard."""

import pytest

from lifeguard import OUTSIDE, Resource, acquires, releases, transfers

image = Resource("image")


class FakeImages:
    """An image service for tests."""

    def __init__(self, *, full=False):
        self.full = full

    @acquires(image, key="name")
    def create(self, name):
        return name

    @releases(image, key="name")
    def delete(self, name): ...

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name):
        if self.full:
            raise RuntimeError("quota exceeded")


def nightly_build(images, name):
    images.create(name)
    try:
        images.publish(name)
    except RuntimeError:
        return "no image tonight"
    return "published"


@pytest.fixture(scope="module")
def base():
    """An image that all tests share: it is not theirs to release."""
    images = FakeImages()
    images.create("base")
    yield "base"
    images.delete("base")


def test_published(base):
    assert nightly_build(FakeImages(), "one") == "published"


def test_quota_exceeded(base):
    assert nightly_build(FakeImages(full=True), "two") == "no image tonight"


def test_kept_for_the_inquest(lifeguard_scope):
    lifeguard_scope.allow(image, "three", why="kept until somebody has looked at it")
    assert nightly_build(FakeImages(full=True), "three") == "no image tonight"
