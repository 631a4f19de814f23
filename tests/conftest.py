"""What holds for every test."""

from collections.abc import Iterator

import pytest

from lifeguard import context


@pytest.fixture(autouse=True)
def _leaves_no_scope_open() -> Iterator[None]:
    """A test that leaves a scope open is named itself, and not the one that stumbles over it."""
    before = list(context.OPEN)
    yield
    left = [scope for scope in context.OPEN if scope not in before]
    assert not left, f"left open: {left}"
