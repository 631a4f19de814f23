"""What holds for every test, and the stage that tests of the ledger stand on."""

from collections.abc import Iterator

import pytest
from model.stage import Stage

from lifeguard import context
from lifeguard.weaving import DROPPED

pytest_plugins = "pytester"


@pytest.fixture(autouse=True)
def _leaves_no_scope_open() -> Iterator[None]:
    """A test that leaves a scope open is named itself, and not the one that stumbles over it."""
    before = list(context.OPEN)
    yield
    assert before == context.OPEN, f"open before: {before}, and after: {context.OPEN}"


@pytest.fixture
def on() -> Iterator[Stage]:
    """A stage whose scopes are closed in the end, whatever happens."""
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(autouse=True)
def own_dropped_wrappers() -> Iterator[None]:
    """What a test has dropped on purpose is told in its own scopes, and in no other test's."""
    before = DROPPED[:]
    DROPPED.clear()
    yield
    DROPPED[:] = before
