"""JUnit XML: read by a reader of such files, and by XML's own rules."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from junitparser.xunit2 import JUnitXml
from sample_reports import HOSTILE, crowded, everything, hostile, many

from lifeguard import Verdict
from lifeguard.reporting import junit
from lifeguard.reporting.model import Report, ScopeReport
from lifeguard.reporting.text_format import render_scope

SAMPLES = {
    "everything": everything,
    "crowded": crowded,
    "hostile": hostile,
    "many": lambda: many(100),
    "empty": lambda: Report(()),
}

KNOWN = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"properties", "testcase", "system-out"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"classname", "name", "time"}, {"failure", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "system-out": (set(), set()),
}
"""What Jenkins' schema (junit-10) has of each element, as far as we write it: attributes, and what may stand in it."""


def cases(report: Report) -> dict[str, ET.Element]:
    """The test cases by their full names."""
    root = ET.fromstring(junit.render(report).encode())
    return {f"{case.attrib['classname']}.{case.attrib['name']}": case for case in root.iter("testcase")}


@pytest.mark.parametrize("sample", SAMPLES)
def test_elements_and_attributes_that_readers_know(sample: str) -> None:
    """Nothing of our own invention: stricter readers refuse a file for that."""
    for element in ET.fromstring(junit.render(SAMPLES[sample]()).encode()).iter():
        attributes, children = KNOWN[element.tag]
        assert attributes == set(element.attrib)
        assert {child.tag for child in element} <= children
    assert junit.render(SAMPLES[sample]()).startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites')


@pytest.mark.parametrize("sample", SAMPLES)
def test_counts_are_those_of_the_cases(sample: str) -> None:
    """A reader that counts for itself comes to the same numbers."""
    report = SAMPLES[sample]()
    read = JUnitXml.fromstring(junit.render(report).encode())
    (suite,) = list(read)
    failed = sum(not scope.verdict.balanced for scope in report.scopes)
    assert (len(report.scopes), failed, 0, 0) == (suite.tests, suite.failures, suite.errors, suite.skipped)
    written = (suite.tests, suite.failures)
    suite.update_statistics()
    assert written == (suite.tests, suite.failures)


def test_one_failure_with_everything() -> None:
    """A scope with two violations is one failed case: the first in its message, both codes, and the whole report."""
    report = everything()
    case = cases(report)["tests.test_resize.test_resize: resize"]
    (failure,) = list(case)
    assert "LG103 port 'p1': released again (and 1 more)" == failure.attrib["message"]
    assert "LG103 LG101" == failure.attrib["type"]
    assert render_scope(report.scopes[0], more=junit.MORE) == failure.text
    assert [] == list(cases(report)["lifeguard.nightly"])


def test_warnings_and_allowances_do_not_fail() -> None:
    """They stand in the output of their case."""
    found = cases(crowded())
    (output,) = list(found["lifeguard.warned 0"])
    assert "system-out" == output.tag
    assert "warning: LG403 scope.allow(image, 'x') matched nothing" in str(output.text)
    (ended,) = list(cases(Report.of([Verdict("s", "ValueError: no", error=True)]))["lifeguard.s"])
    assert "scope 's' balanced, though it was left by ValueError: no" == ended.text


def test_the_names_of_tests() -> None:
    """A case is called as its test is, by file and class; scopes of one name can be told apart."""
    one = ScopeReport(
        "1", Verdict("tests/unit/test_a.py::TestA::test_it[x-1]"), test="tests/unit/test_a.py::TestA::test_it[x-1]"
    )
    doctest = replace(one, verdict=Verdict("README.md"), test="README.md")
    twice = [ScopeReport(str(number), Verdict("nightly")) for number in range(2)]
    wanted = [
        "tests.unit.test_a.TestA.test_it[x-1]",
        "README.md.README.md",
        "lifeguard.nightly",
        "lifeguard.nightly [2]",
    ]
    assert wanted == list(cases(Report((one, doctest, *twice))))


def test_properties_say_what_was_seen() -> None:
    """The suite has the counts of each kind, and lifeguard's version; notes of the report are its output."""
    (suite,) = list(JUnitXml.fromstring(junit.render(everything()).encode()))
    told = {one.name: one.value for one in suite.properties()}
    assert {"0.1.0", "4 acquired, 2 released, 1 handed over"} <= set(told.values())
    assert "1 acquired, 2 released, 1 used" == told["lifeguard.watched.port"]
    assert "journal.jsonl: line 17 is torn" == suite.system_out


def test_what_xml_has_no_way_to_write() -> None:
    """Control characters, halves of pairs and noncharacters are written as text; markup is escaped."""
    nasty = "\x00\x08\x0b\x1f\ufffe\uffff\ud800 <b>&\"' \t\r\n ]]> 😀"
    verdict = replace(everything().scopes[0].verdict, scope=nasty, ended=nasty)
    text = junit.render(Report.of([verdict], title=nasty))
    root = ET.fromstring(text.encode())
    assert "\\x00\\x08\\x0b\\x1f#xFFFE#xFFFF\\ud800 <b>&\"' \\r\\n ]]> 😀" == root.attrib["name"].replace("  ", " ")
    assert "<b>" not in text
    failure = root.find(".//failure")
    assert failure is not None
    assert "😀" in str(failure.text)


def test_hostile_names_are_text() -> None:
    """What looks like markup comes back as the text that it was."""
    root = ET.fromstring(junit.render(hostile()).encode())
    assert HOSTILE.replace("\u2028", "\\u2028").replace("\x00", "\\x00") == root.attrib["name"]
    assert {"testsuites", "testsuite", "properties", "property", "testcase", "failure", "system-out"} == {
        element.tag for element in root.iter()
    }
