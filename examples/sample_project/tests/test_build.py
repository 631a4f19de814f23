"""Without lifeguard these tests look at what the build returns. With it, at what it leaves behind, too."""

import os

import pytest
from fakes import FakeImages
from nightly.build import build


def test_published() -> None:
    """What passes its tests is published."""
    assert build(FakeImages(), tests_pass=True) == "published"


def test_deleted() -> None:
    """What does not is deleted."""
    assert build(FakeImages(), tests_pass=False) == "deleted"


def test_no_room() -> None:
    """What cannot be published is deleted, too."""
    assert build(FakeImages(room=0), tests_pass=True) == "no room"


@pytest.mark.skipif("NIGHTLY_LEAK" not in os.environ, reason="leaks on purpose: NIGHTLY_LEAK=1 shows what happens then")
def test_that_leaks() -> None:
    """A green test, but for what it leaves behind."""
    assert FakeImages().create("forgotten") == "forgotten-1"
