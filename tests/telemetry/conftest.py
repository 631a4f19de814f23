"""Where every test of this folder exports to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exported import Exported


@pytest.fixture
def exported() -> Iterator[Exported]:
    """Providers of this test alone."""
    made = Exported()
    yield made
    made.shut_down()
