"""JUnit XML, for CI servers that show test reports: one suite, a test case for each scope.

It is for runs without pytest, whose own JUnit XML has the findings of its tests. Elements and attributes are those that
Jenkins' schema and most readers know (`testsuites`, `testsuite`, `testcase`, `failure`, `system-out`). There are no times:
lifeguard has no clock.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from typing import Final

from lifeguard import text as words
from lifeguard.reporting.findings import counts, findings, one_line, visible
from lifeguard.reporting.model import Report, ScopeReport
from lifeguard.reporting.text_format import render_scope

MORE: Final = "the JSON report has all"
"""What is said of what is left out."""


def render(report: Report) -> str:
    """A report as JUnit XML.

    Args:
        report: what to tell.

    Returns:
        the whole file, to be written as UTF-8.
    """
    failed = sum(not one.verdict.balanced for one in report.scopes)
    title = _legal(one_line(report.title or "lifeguard"))
    total = {"name": title, "tests": str(len(report.scopes)), "failures": str(failed), "errors": "0"}
    suites = ET.Element("testsuites", total)
    suite = ET.SubElement(suites, "testsuite", {**total, "skipped": "0", "time": "0"})
    _put_properties(suite, report)
    names: Counter[tuple[str, str]] = Counter()
    for scope in report.scopes:
        classname, name = _names(scope)
        names[classname, name] += 1
        again = names[classname, name]
        case = ET.SubElement(
            suite, "testcase", classname=classname, name=f"{name} [{again}]" if again > 1 else name, time="0"
        )
        _put_outcome(case, scope)
    if report.notes:
        ET.SubElement(suite, "system-out").text = _legal(visible("\n".join(report.notes)))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _put_properties(suite: ET.Element, report: Report) -> None:
    """What was counted of all scopes together."""
    told = {"lifeguard.version": report.lifeguard}
    for kind, seen in counts(report.scopes).items():
        told[f"lifeguard.watched.{kind}"] = words.counted(seen) or "nothing"
    properties = ET.SubElement(suite, "properties")
    for name, value in told.items():
        ET.SubElement(properties, "property", name=_legal(one_line(name)), value=_legal(one_line(value)))


def _names(scope: ScopeReport) -> tuple[str, str]:
    """The class and the name of a test case: the test's, where the scope belongs to one."""
    file, _, rest = scope.test.partition("::")
    if not file:
        return "lifeguard", _legal(one_line(scope.name)) or "unnamed"
    *classes, name = rest.split("::") if rest else [file]
    classname = ".".join([file.removesuffix(".py").replace("/", "."), *classes])
    told = name if scope.name == scope.test else f"{name}: {scope.name}"
    return _legal(one_line(classname)), _legal(one_line(told))


def _put_outcome(case: ET.Element, scope: ScopeReport) -> None:
    verdict = scope.verdict
    if verdict.violations:
        first, more = verdict.violations[0], len(verdict.violations) - 1
        message = one_line(str(first)) + (f" (and {more} more)" if more else "")
        rules = " ".join(dict.fromkeys(one.code for one in verdict.violations))
        failure = ET.SubElement(case, "failure", message=_legal(message), type=_legal(rules))
        failure.text = _legal(render_scope(scope, more=MORE))
        return
    told = [one for one in findings(scope) if one.status != "violation"]
    if told:
        ET.SubElement(case, "system-out").text = _legal(render_scope(scope, more=MORE))
    elif verdict.ended != "normally":
        ET.SubElement(case, "system-out").text = _legal(visible(words.headline(verdict)))


def _legal(text: str) -> str:
    """A text without the characters that XML has no way to write."""
    return "".join(char if _is_legal(char) else f"#x{ord(char):02X}" for char in text)


def _is_legal(char: str) -> bool:
    return char in "\t\n\r" or "\x20" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
