"""A run that does not use the plugin does not pay for it."""

from __future__ import annotations

import textwrap

import pytest
from suites import ENTRY_POINT, Suite

NOTHING_IMPORTED = """
    import sys

    def test_it():
        assert [] == [name for name in sys.modules if name.partition(".")[0] == "lifeguard"]
"""


def test_a_run_that_is_off_does_not_import_lifeguard(suite: Suite) -> None:
    """The entry point is one small module beside the package."""
    suite.write("test_it.py", NOTHING_IMPORTED)
    result = suite.run_apart()
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("asks", ["--lifeguard", "marker", "fixture"])
def test_and_one_that_asks_for_it_does(suite: Suite, asks: str) -> None:
    """The test above can fail."""
    mark = "@pytest.mark.lifeguard\n    " if asks == "marker" else ""
    test = NOTHING_IMPORTED.replace(
        "def test_it()", f"{mark}def test_it({'lifeguard_scope' if asks == 'fixture' else ''})"
    )
    suite.write("test_it.py", "import pytest\n" + textwrap.dedent(test))
    result = suite.run_apart(*([asks] if asks.startswith("-") else []))
    result.assert_outcomes(failed=1)


@pytest.mark.skipif(not ENTRY_POINT, reason="the package is not installed here, but taken from its tree")
def test_off_by_pytests_own_option(suite: Suite) -> None:
    """`-p no:lifeguard` takes it out altogether: its options are unknown then."""
    result = suite.run_apart("-p", "no:lifeguard", "--lifeguard")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert any("unrecognized arguments: --lifeguard" in line for line in result.errlines)
