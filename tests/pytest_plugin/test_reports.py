"""What other programs read: JUnit XML, and what pytest-xdist's workers send home."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET

import pytest
from suites import Suite, closing_line, complaint, counted, short_summary

needs_xdist = pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")

TESTS = """
    @pytest.fixture(scope="module")
    def long():
        ports.create("p")
        yield
        ports.delete("p")

    def test_balances(long): balance()

    def test_leaks():
        leak("a")
        images.create("b")
        images.publish("b")

    def test_both():
        leak()
        assert 0
"""


def properties(suite: Suite) -> dict[str, dict[str, str]]:
    """For each test of report.xml, its properties."""
    cases = ET.parse(suite.path / "report.xml").getroot().iter("testcase")
    found: dict[str, dict[str, str]] = {}
    for case in cases:
        found.setdefault(case.attrib["name"], {}).update(
            {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        )
    return found


WANTED = {
    "test_balances": {
        "lifeguard.acquired": "1",
        "lifeguard.released": "1",
        "lifeguard.transferred": "0",
        "lifeguard.violations": "0",
    },
    "test_leaks": {
        "lifeguard.acquired": "2",
        "lifeguard.released": "0",
        "lifeguard.transferred": "1",
        "lifeguard.violations": "1",
        "lifeguard.rules": "LG101",
    },
    "test_both": {
        "lifeguard.acquired": "1",
        "lifeguard.released": "0",
        "lifeguard.transferred": "0",
        "lifeguard.violations": "1",
        "lifeguard.rules": "LG102",
    },
}


@pytest.mark.parametrize("workers", ["", pytest.param("-n2", marks=needs_xdist)])
def test_properties_in_junit_xml(suite: Suite, workers: str) -> None:
    """Each test has its figures; the message of a leak is one line, the body the whole report."""
    suite.tests(TESTS)
    suite.run_apart("--lifeguard", "--junit-xml=report.xml", *workers.split(), plugins=("xdist",))
    assert WANTED == properties(suite)
    errors = {
        case.attrib["name"]: case.find("error")
        for case in ET.parse(suite.path / "report.xml").getroot().iter("testcase")
    }
    error = errors["test_leaks"]
    assert error is not None
    wanted = "LG101 image 'a': still held when the scope ended, acquired at cloud.py:37 in leak"
    assert f'failed on teardown with "{wanted}"' == error.attrib["message"]
    assert "or allow  scope.allow(image, 'a', rule='LG101', why=…)" in str(error.text)


@needs_xdist
def test_with_workers_it_is_as_without(suite: Suite) -> None:
    """Outcomes, short summary and closing line are the same with `-n 2`."""
    suite.tests(TESTS)
    alone = suite.run_apart("--lifeguard")
    together = suite.run_apart("--lifeguard", "-n2", "--dist=loadfile", plugins=("xdist",))
    assert {"failed": 2, "passed": 1, "errors": 1} == counted(alone) == counted(together)
    assert sorted(short_summary(alone)) == sorted(short_summary(together))
    line = "3 tests and 1 fixture watched; 5 of 5 contracts called; 5 acquired, 2 released, 1 handed over; 2 violations"
    assert (line, line) == (closing_line(alone), closing_line(together))


@needs_xdist
def test_workers_that_stop_at_the_first(suite: Suite) -> None:
    """`-x` with workers: a leak is a failure, and ends the run."""
    suite.tests("def test_a(): leak()\n" + "".join(f"def test_{n}(): balance()\n" for n in range(50)))
    result = suite.run_apart("--lifeguard", "-x", "-n2", plugins=("xdist",))
    assert (1, True) == (counted(result)["failed"], counted(result).get("passed", 0) < 50)
    assert 0 != result.ret


@needs_xdist
def test_workers_that_run_the_same_tests(suite: Suite) -> None:
    """`--dist=each` runs each test once for each worker, and shows and counts each of them."""
    suite.tests(TESTS)
    result = suite.run_apart("--lifeguard", "-n2", "--dist=each", plugins=("xdist",))
    assert {"failed": 4, "passed": 2, "errors": 2} == counted(result)
    assert "6 tests and 2 fixtures watched" in closing_line(result)


@needs_xdist
def test_workers_and_markers_alone(suite: Suite) -> None:
    """Where only markers switch it on, the controller learns of it from the reports."""
    suite.tests("@pytest.mark.lifeguard\ndef test_a(): leak()\ndef test_b(): leak()\n")
    result = suite.run_apart("-n2", plugins=("xdist",))
    assert {"failed": 1, "passed": 1} == counted(result)
    assert "1 test watched" in closing_line(result)


@needs_xdist
@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--lifeguard-reach=all", "--lifeguard-reach: 'all'; it takes process or context"),
        ("--lifeguard-contracts=nowhere", "--lifeguard-contracts: 'nowhere' cannot be imported: "),
    ],
)
def test_workers_and_what_makes_no_sense(suite: Suite, argument: str, text: str) -> None:
    """The run ends before a worker starts."""
    suite.tests("def test_a(): leak()\n")
    assert complaint(suite.run_apart("--lifeguard", argument, "-n2", plugins=("xdist",))).startswith(text)


@needs_xdist
def test_workers_and_a_kind_that_is_known_nowhere(suite: Suite) -> None:
    """Only workers collect, and so only they can know: the run ends with exit code 4 and their reason, once."""
    suite.tests("def test_a(): leak()\n")
    result = suite.run_apart("--lifeguard", "--lifeguard-only=imag", "-n2", plugins=("xdist",))
    assert pytest.ExitCode.USAGE_ERROR == result.ret, (result.outlines, result.errlines)
    text = "\n".join([*result.outlines, *result.errlines])
    assert 1 == text.count("--lifeguard-only: there is no kind 'imag'; did you mean 'image'?"), text
