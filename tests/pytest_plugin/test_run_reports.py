"""Reports of a whole run: files in every format, the summary of a CI job, with and without workers and journal."""

from __future__ import annotations

import importlib.util
import json
import os
import textwrap
import xml.etree.ElementTree as ET
from fnmatch import fnmatchcase

import pytest
from suites import Suite, closing_line, complaint, counted

from lifeguard.reporting.formats import FORMATS, read_report
from lifeguard.reporting.model import EXCUSED, Report

WORKERS = pytest.mark.parametrize(
    "workers",
    [
        "",
        pytest.param(
            "-n2",
            marks=pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed"),
        ),
    ],
)

TESTS = """
    @pytest.fixture(scope="module")
    def long():
        ports.create("p")
        yield
        ports.delete("p")

    def test_balances(long): balance()

    class TestThem:
        def test_leaks(self):
            leak("a")
            images.create("b")
            images.publish("b")

    def test_both(lifeguard_scope):
        lifeguard_scope.allow(image, "z", why="wanted so")
        leak("z")
        leak()
        assert 0

    def test_skipped():
        pytest.skip("not here")
"""

FOUND = {
    "test_it.py::test_balances": [],
    "test_it.py::TestThem::test_leaks": ["LG101 image 'a'"],
    "test_it.py::test_both": ["LG102 image 'left'"],
    "test_it.py::test_skipped": [],
    "module fixture 'long' (test_it.py)": [],
}


def found(report: Report) -> dict[str, list[str]]:
    """What each scope of a report found."""
    return {
        one.name: [f"{each.code} {each.kind} {each.key_text}" for each in one.verdict.violations]
        for one in report.scopes
    }


def run_apart(suite: Suite, *arguments: str) -> pytest.RunResult:
    """Run it switched on, in a process of its own, with pytest-xdist at hand."""
    return suite.run_apart("--lifeguard", *(one for one in arguments if one), plugins=("xdist",))


@WORKERS
def test_every_format_at_once(suite: Suite, workers: str) -> None:
    """One file of each, whatever the number of workers; each has what every other has, and the run says where they are."""
    suite.tests(TESTS)
    names = [f"out/report{one.suffix}" for one in FORMATS.values()]
    result = run_apart(suite, workers, *(f"--lifeguard-report={name}" for name in names))
    assert [f"lifeguard report: {name}" for name in names] == [
        line for line in result.outlines if line.startswith("lifeguard report")
    ]
    assert sorted(os.path.basename(name) for name in names) == sorted(os.listdir(suite.path / "out"))
    report = read_report(suite.path / "out" / "report.json")
    assert FOUND == found(report)
    assert f"tests of {suite.path.name}" == report.title
    assert () == report.notes
    for one in FORMATS.values():
        text = (suite.path / "out" / f"report{one.suffix}").read_text(encoding="utf-8")
        if one.name != "sarif":  # its paths hang on where it is made
            os.chdir(suite.path)
            assert one.render(report) == text
        assert "LG101" in text
        assert "wanted so" in text or one.name == "junit"


def test_what_is_said_of_a_test(suite: Suite) -> None:
    """Its node id, its line, its reach; what is allowed, with the reason; and what it saw."""
    suite.tests(TESTS)
    suite.run("--lifeguard-report=r.json")
    scopes = {one.name: one for one in read_report(suite.path / "r.json").scopes}
    both = scopes["test_it.py::test_both"]
    assert "test_it.py::test_both" == both.test
    assert both.place is not None
    assert (str(suite.path / "test_it.py"), "test_both") == (both.place.file, both.place.function)
    assert "def test_both" in (suite.path / "test_it.py").read_text().splitlines()[both.place.line - 1]
    assert "process" == both.reach
    assert [("LG102", "wanted so")] == [(one.violation.code, one.why) for one in both.verdict.allowed]
    assert 2 == both.verdict.watched["image"].acquired
    assert "" == scopes["module fixture 'long' (test_it.py)"].test
    assert not both.recorded


@WORKERS
def test_with_a_journal_there_are_lives(suite: Suite, workers: str) -> None:
    """The timeline has everything that was acquired, and only of this run, though the journal has older ones."""
    suite.tests(TESTS)
    for _ in range(2):
        run_apart(
            suite, workers, "--lifeguard-journal=run.jsonl", "--lifeguard-report=r.json", "--lifeguard-report=r.html"
        )
    report = read_report(suite.path / "r.json")
    assert FOUND == found(report)
    lives = {one.name: [f"{life} {life.state}" for life in one.lives] for one in report.scopes}
    assert ["image 'gone' released"] == lives["test_it.py::test_balances"]
    assert ["image 'a' held", "image 'b' handed outside"] == lives["test_it.py::TestThem::test_leaks"]
    assert ["port 'p' released"] == lives["module fixture 'long' (test_it.py)"]
    assert ["image 'z' held", "image 'left' held"] == lives["test_it.py::test_both"]
    both = next(one for one in report.scopes if one.name == "test_it.py::test_both")
    assert [("allowed", ("LG102",)), ("left", ("LG102",))] == [(life.standing, life.codes) for life in both.lives]
    assert all(one.recorded for one in report.scopes)
    assert () == report.notes
    assert "handed outside" in (suite.path / "r.html").read_text(encoding="utf-8")


def test_a_journal_that_cannot_be_read(suite: Suite) -> None:
    """The report is written all the same, and says why there is no timeline."""
    suite.tests("def test_it():\n    balance()\ndef test_last(): open('run.jsonl', 'w').write('{}\\n' * 30)\n")
    suite.run("--lifeguard-journal=run.jsonl", "--lifeguard-report=r.json")
    report = read_report(suite.path / "r.json")
    assert [] == [life for one in report.scopes for life in one.lives]
    assert 2 == len(report.scopes)
    (note,) = [note for note in report.notes if "no timelines" in note] or [report.notes]
    assert "run.jsonl is no journal of lifeguard" in note


def test_swallowed_and_late(suite: Suite) -> None:
    """What an inner scope found and the test swallowed, and what a fixture of the session leaves, are in the report."""
    suite.tests(
        """
        from lifeguard import scope

        @pytest.fixture(scope="session")
        def forgets():
            ports.create("p")

        def test_swallows(forgets):
            try:
                with scope("inner"):
                    leak("swallowed")
            except AssertionError: pass
        """
    )
    suite.run("--lifeguard-report=r.json")
    told = found(read_report(suite.path / "r.json"))
    assert ["LG101 port 'p'"] == told["session fixture 'forgets' (test_it.py)"]
    assert ["LG101 image 'swallowed'"] == told["test_it.py::test_swallows"]


def test_what_the_baseline_knows_is_allowed(suite: Suite) -> None:
    """The report agrees with the run: what is excused fails neither."""
    suite.tests("def test_leaks(): leak()\n")
    suite.run("--lifeguard-baseline=known.json", "--lifeguard-update-baseline")
    result = suite.run("--lifeguard-baseline=known.json", "--lifeguard-report=r.json", "--lifeguard-report=r.sarif")
    assert {"passed": 1} == counted(result)
    report = read_report(suite.path / "r.json")
    assert report.balanced
    assert [EXCUSED] == [one.why for scope in report.scopes for one in scope.verdict.allowed]
    (run,) = json.loads((suite.path / "r.sarif").read_text())["runs"]
    assert [["external"]] == [[one["kind"] for one in result["suppressions"]] for result in run["results"]]


def test_what_the_baseline_knows_is_allowed_in_the_timeline(suite: Suite) -> None:
    """The journal knows of no baseline; the report that is made of it does."""
    suite.tests("def test_leaks():\n    leak()\ndef test_double():\n    balance()\n    images.delete('gone')\n")
    suite.run("--lifeguard-baseline=known.json", "--lifeguard-update-baseline")
    suite.run("--lifeguard-baseline=known.json", "--lifeguard-journal=j.jsonl", "--lifeguard-report=r.json")
    lives = [(life.standing, life.codes) for one in read_report(suite.path / "r.json").scopes for life in one.lives]
    assert [("allowed", ("LG101",)), ("allowed", ("LG103",))] == lives


def test_sarif_is_of_the_repository(suite: Suite) -> None:
    """Paths are those in the repository that the tests are in."""
    (suite.path / ".git").mkdir()
    suite.tests("def test_leaks(): leak()\n")
    suite.run("--lifeguard-report=r.sarif")
    (run,) = json.loads((suite.path / "r.sarif").read_text())["runs"]
    (result,) = run["results"]
    assert {"uri": "cloud.py", "uriBaseId": "%SRCROOT%"} == result["locations"][0]["physicalLocation"][
        "artifactLocation"
    ]


def test_junit_has_the_tests_as_cases(suite: Suite) -> None:
    """A suite of tests looks as it looks in pytest's own file."""
    suite.tests(TESTS)
    suite.run("--lifeguard-report=r.xml")
    cases = [
        (case.attrib["classname"], case.attrib["name"], len(case))
        for case in ET.parse(suite.path / "r.xml").iter("testcase")
    ]
    assert [
        ("test_it", "test_balances", 0),
        ("lifeguard", "module fixture 'long' (test_it.py)", 0),
        ("test_it.TestThem", "test_leaks", 1),
        ("test_it", "test_both", 1),
        ("test_it", "test_skipped", 0),
    ] == cases


# -- where, and when ------------------------------------------------------------------------------------------------------------


def test_in_the_ini_file(suite: Suite) -> None:
    """Several in lines, relative to the file's folder; the command line replaces them, and `off` is none."""
    suite.ini("lifeguard_report =\n    a.txt\n    sub/b.md\n")
    suite.tests("def test_it(): leak()\n")
    suite.path.joinpath("below").mkdir()
    os.chdir(suite.path / "below")
    suite.run(str(suite.path / "test_it.py"))
    assert (suite.path / "a.txt").read_text().startswith("tests of ")
    assert (suite.path / "sub" / "b.md").exists()
    suite.run(str(suite.path / "test_it.py"), "--lifeguard-report=c.txt")
    assert (suite.path / "below" / "c.txt").exists()
    result = suite.run(str(suite.path / "test_it.py"), "--lifeguard-report=off")
    assert not [line for line in result.outlines if line.startswith("lifeguard report")]


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("report.doc", "no format is known by the suffix of '*report.doc'; those of reports are .txt, .json, *"),
        ("cloud.py/r.html", "'cloud.py/r.html' cannot be written: * is no folder that can be written to"),
        ("folder.html", "'folder.html' cannot be written: it is a folder"),
    ],
)
@pytest.mark.parametrize("form", ["ini", "command"])
@WORKERS
def test_what_cannot_be_written_ends_the_run(suite: Suite, named: str, text: str, form: str, workers: str) -> None:
    """Before the first test, with exit code 4: not after an hour of tests."""
    (suite.path / "folder.html").mkdir()
    suite.tests("def test_it(): open('ran', 'w')\n")
    if form == "ini":
        suite.ini(f"lifeguard_report = {named}")
    told = complaint(run_apart(suite, workers, f"--lifeguard-report={named}" if form == "command" else ""))
    where = "--lifeguard-report" if form == "command" else f"lifeguard_report in {suite.path / 'pytest.ini'}"
    assert fnmatchcase(told, f"{where}: {text}"), told
    assert not (suite.path / "ran").exists()


def test_no_option_of_a_marker(suite: Suite) -> None:
    """A report is one of the whole run."""
    suite.tests("@pytest.mark.lifeguard(report='r.html')\ndef test_it(): pass\n")
    assert "there is no option 'report'; there are " in complaint(suite.run_as_it_is())


def test_a_run_that_is_off_writes_none(suite: Suite) -> None:
    """An older file is not replaced by an empty one; who asked for it on the command line is told."""
    (suite.path / "r.html").write_text("the older one")
    suite.ini("lifeguard_report = r.html")
    suite.write(
        "test_it.py", "import sys\n\ndef test_it(): assert not [n for n in sys.modules if n.startswith('lifeguard.')]\n"
    )
    quiet = suite.run_apart()
    assert ({"passed": 1}, False) == (counted(quiet), any("report" in line for line in quiet.outlines))
    asked = suite.run_apart("--lifeguard-report=r.html")
    assert {"passed": 1} == counted(asked)
    assert "lifeguard report: none was written, since no test was watched: see --lifeguard" in asked.outlines
    assert "the older one" == (suite.path / "r.html").read_text()


@WORKERS
def test_a_marker_is_enough(suite: Suite, workers: str) -> None:
    """Where only one test is watched, the report has that one."""
    suite.tests("@pytest.mark.lifeguard\ndef test_a(): leak()\ndef test_b(): leak()\n")
    suite.run_apart("--lifeguard-report=r.json", *workers.split(), plugins=("xdist",))
    assert {"test_it.py::test_a": ["LG101 image 'left'"]} == found(read_report(suite.path / "r.json"))


def test_collecting_alone_writes_none(suite: Suite) -> None:
    """`--collect-only` judges nothing."""
    suite.tests("def test_a(): leak()\n")
    suite.run("--lifeguard-report=r.json", "--collect-only")
    assert not (suite.path / "r.json").exists()


def test_a_run_that_was_cut_short_says_so(suite: Suite) -> None:
    """With `-x`, or an interruption, the report has what ran, and says that it is not all."""
    suite.tests("def test_a(): leak()\ndef test_b(): leak()\n")
    suite.run("--lifeguard-report=r.json", "-x")
    stopped = read_report(suite.path / "r.json")
    assert (1, "the run was cut short: stopping after 1 failures; what did not run is not in this report") == (
        len(stopped.scopes),
        stopped.notes[0],
    )
    suite.tests("def test_a(): balance()\ndef test_b(): raise KeyboardInterrupt\ndef test_c(): leak()\n")
    suite.run_apart("--lifeguard", "--lifeguard-report=r.json")
    interrupted = read_report(suite.path / "r.json")
    assert "test_it.py::test_a" in found(interrupted)
    assert "test_it.py::test_c" not in found(interrupted)
    assert ("the run was cut short; what did not run is not in this report",) == interrupted.notes


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_a_worker_that_dies_is_told(suite: Suite) -> None:
    """What it did not send home is not in the report, and the report says so."""
    suite.tests("import os\ndef test_a(): balance()\ndef test_b(): os._exit(3)\n")
    run_apart(suite, "-n1", "--lifeguard-report=r.json", "--max-worker-restart=0")
    (note, *_) = read_report(suite.path / "r.json").notes
    assert note.startswith("gw0 ended before its time")


def test_a_file_that_cannot_be_written_in_the_end(suite: Suite) -> None:
    """The run says so and fails: a gate without its evidence is none."""
    suite.tests("import os\ndef test_a():\n    balance()\n    os.mkdir('r.json')\n")
    result = suite.run("--lifeguard-report=r.json", "--lifeguard-report=r.txt")
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    assert any(line.startswith("lifeguard report: r.json could not be written: ") for line in result.outlines)
    assert (suite.path / "r.txt").exists()


# -- the summary of a job -------------------------------------------------------------------------------------------------------


@WORKERS
def test_the_summary_of_a_job(suite: Suite, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    """Where GITHUB_STEP_SUMMARY names a file, what was found is added to it by itself."""
    summary = suite.path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite.tests(TESTS)
    result = run_apart(suite, workers)
    assert "2 violations" in closing_line(result)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith(
        f"before\n\n## lifeguard: `tests of {suite.path.name}`: 2 violations, 1 allowed in 5 scopes\n"
    )
    assert 1 == text.count("## lifeguard")


@pytest.mark.parametrize("said", ["--no-lifeguard-job-summary", "lifeguard_job_summary = false", "no file", "off"])
def test_no_summary(suite: Suite, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Switched off, or where nothing was judged, nothing is written."""
    summary = suite.path / "summary.md"
    if said != "no file":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    if said.startswith("lifeguard_"):
        suite.ini(said)
    suite.tests("def test_it(): leak()\n")
    arguments = [said] if said.startswith("--") else ["--no-lifeguard"] if said == "off" else []
    suite.run(*arguments)
    assert not summary.exists()


def test_a_summary_that_cannot_be_written(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and fails nothing: it is an extra that nobody asked for."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "none" / "summary.md"))
    suite.tests("def test_it(): balance()\n")
    result = suite.run()
    assert pytest.ExitCode.OK == result.ret
    assert any(
        line.startswith("lifeguard report: the summary of the job could not be written: ") for line in result.outlines
    )


def test_reports_cost_nothing_where_none_is_wanted(suite: Suite) -> None:
    """A run that is on and wants none loads no format."""
    suite.write(
        "test_it.py",
        textwrap.dedent(
            """
            import sys
            import cloud

            def test_it():
                cloud.balance()
                names = ("replay", "markdown", "html", "sarif", "text_format")
                assert [] == [name for name in names if f"lifeguard.reporting.{name}" in sys.modules]
            """
        ),
    )
    assert {"passed": 1} == counted(suite.run_apart("--lifeguard"))
