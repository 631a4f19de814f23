"""The stage for tests of the plugin."""

import pytest
from suites import Suite


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A folder for a small suite, which is run with the real plugin."""
    return Suite(pytester, monkeypatch)
