"""A suite that leaks today gains the gate today: what is known passes, what is new fails, what is gone is told."""

from __future__ import annotations

import importlib.util

import pytest
from suites import Suite, closing_line, complaint, counted, short_summary

FILE = "known.json"
BASELINE = f"--lifeguard-baseline={FILE}"
UPDATE = "--lifeguard-update-baseline"

TESTS = """
    def test_a(): leak("a")
    def test_b(): leak("b")
    def test_c():
        balance("c")
        images.delete("c")
    def test_d(): balance()
"""


def written(suite: Suite) -> str:
    """The file."""
    return (suite.path / FILE).read_text()


def test_one_command_writes_the_file(suite: Suite) -> None:
    """Rule, kind, file and function of the acquire, and count; no line numbers. The run that writes it passes."""
    suite.tests(TESTS)
    result = suite.run(BASELINE, UPDATE)
    assert ({"passed": 4}, 0) == (counted(result), result.ret)
    assert "wrote known.json: 2 entries, 3 findings" in closing_line(result)
    assert """\
{
  "lifeguard baseline": 1,
  "findings": [
    {"rule": "LG101", "kind": "image", "file": "cloud.py", "function": "leak", "count": 2},
    {"rule": "LG103", "kind": "image", "file": "cloud.py", "function": "balance", "count": 1}
  ]
}
""" == written(suite)


def test_what_is_known_passes_and_what_is_new_fails(suite: Suite) -> None:
    """Another function, and one more of what is known, are new; lines may move."""
    suite.tests(TESTS)
    suite.run(BASELINE, UPDATE)
    suite.write("cloud.py", "# a line more\n" + (suite.path / "cloud.py").read_text())
    known = suite.run(BASELINE)
    assert ({"passed": 4}, 0) == (counted(known), known.ret)
    assert "3 known from the baseline" in closing_line(known)
    suite.tests(TESTS + "    def test_e(): images.create('e')\n    def test_f(): leak('f')\n")
    result = suite.run(BASELINE)
    assert {"passed": 4, "failed": 2} == counted(result)
    assert ["test_e", "test_f"] == [line.split()[1].partition("::")[2] for line in short_summary(result)]
    assert "2 violations; 3 known from the baseline" in closing_line(result)


def test_a_test_with_a_known_and_a_new_finding_tells_the_new_one(suite: Suite) -> None:
    """What is known is left out of the report."""
    suite.tests("def test_a():\n    leak('known')\n")
    suite.run(BASELINE, UPDATE)
    suite.tests("def test_a():\n    leak('known')\n    ports.create('new')\n")
    result = suite.run(BASELINE)
    assert {"failed": 1} == counted(result)
    assert "port 'new'" in short_summary(result)[0]
    assert not any("'known'" in line for line in result.outlines if line.startswith("E"))


def test_what_is_gone_is_told(suite: Suite) -> None:
    """A stale entry does not fail the run; the next update takes it out."""
    suite.tests(TESTS)
    suite.run(BASELINE, UPDATE)
    suite.tests("def test_a(): leak('a')\n")
    result = suite.run(BASELINE)
    assert 0 == result.ret
    lines = result.outlines
    start = lines.index(f"in {FILE}, and not found any more ({UPDATE} takes it out):")
    assert ["  1 x LG101 image in leak (cloud.py)", "  1 x LG103 image in balance (cloud.py)"] == lines[
        start + 1 : start + 3
    ]
    suite.run(BASELINE, UPDATE)
    assert '"count": 1}\n  ]' in written(suite)


@pytest.mark.parametrize("part", [["-k", "test_a"], ["test_it.py"], ["test_it.py::test_a"], ["-x"]])
def test_a_part_of_the_suite_proves_nothing_gone(suite: Suite, part: list[str]) -> None:
    """Neither is a stale entry told, nor does an update take one out."""
    suite.tests("def test_a(): leak('a')\ndef test_b(): ports.create('b')\n")
    suite.run(BASELINE, UPDATE)
    before = written(suite)
    if part == ["-x"]:
        suite.tests("def test_0(): assert 0\ndef test_a(): leak('a')\ndef test_b(): ports.create('b')\n")
    result = suite.run(BASELINE, *part)
    assert not any("not found any more" in line for line in result.outlines)
    suite.run(BASELINE, UPDATE, *part)
    assert before == written(suite)


def test_a_clean_suite_has_an_empty_file(suite: Suite) -> None:
    """It reads and writes as well."""
    suite.tests("def test_a(): balance()\n")
    suite.run(BASELINE, UPDATE)
    assert '{\n  "lifeguard baseline": 1,\n  "findings": []\n}\n' == written(suite)
    assert 0 == suite.run(BASELINE).ret


def test_the_file_is_found_from_the_ini_file(suite: Suite) -> None:
    """A path in the ini file is one from where that stands; a test can refuse to be excused."""
    suite.ini(f"lifeguard = true\nlifeguard_baseline = known/{FILE}\n")
    suite.tests("def test_a(): leak()\n@pytest.mark.lifeguard(baseline='off')\ndef test_b(): leak()\n")
    (suite.path / "below").mkdir()
    suite.run_as_it_is(UPDATE, "--rootdir=.")
    assert (suite.path / "known" / FILE).exists()
    result = suite.run_as_it_is()
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "test_b" in short_summary(result)[0]


def test_fixtures_are_in_the_file_too(suite: Suite) -> None:
    """What a long fixture leaves is a finding like any other."""
    suite.tests("@pytest.fixture(scope='module')\ndef long(): leak()\n\ndef test_a(long): pass\n")
    assert {"passed": 1} == counted(suite.run(BASELINE, UPDATE))
    assert {"passed": 1} == counted(suite.run(BASELINE))


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_workers_share_one_file(suite: Suite) -> None:
    """It is written from what all of them found; what each of them excused is added up, and one too many fails the run."""
    for name in "ab":
        suite.tests("def test_one(): leak()\ndef test_two(): leak()\n", name=f"test_{name}.py")
    workers = ("--lifeguard", BASELINE, "-n2", "--dist=loadfile")
    result = suite.run_apart(*workers, UPDATE, plugins=("xdist",))
    assert ({"passed": 4}, 0) == (counted(result), result.ret)
    assert '"function": "leak", "count": 4}' in written(suite)
    assert 0 == suite.run_apart(*workers, plugins=("xdist",)).ret
    suite.write(FILE, written(suite).replace('"count": 4', '"count": 3'))
    result = suite.run_apart(*workers, plugins=("xdist",))
    assert ({"passed": 4}, 1) == (counted(result), result.ret)
    start = result.outlines.index("found more often than the baseline knows:")
    assert "  1 x LG101 image in leak (cloud.py)" == result.outlines[start + 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices must be"),
        ("{}", "'lifeguard baseline' is missing"),
        ('{"lifeguard baseline": 2}', "it is of version 2, not 1"),
        ('{"lifeguard baseline": 1, "findings": [{"rule": "LG101"}]}', "'count' is missing"),
        (
            '{"lifeguard baseline": 1, "findings": [{"rule": "r", "kind": "k", "file": "f", "function": "g", "count": 0}]}',
            "a count is a whole number from 1, not 0",
        ),
    ],
)
def test_a_file_that_is_none(suite: Suite, text: str, why: str) -> None:
    """It ends the run, with the file's name and the reason."""
    suite.write(FILE, text)
    suite.tests(TESTS)
    said = complaint(suite.run(BASELINE))
    assert said.startswith(f"--lifeguard-baseline: {suite.path / FILE} is no baseline of lifeguard: {why}"), said
