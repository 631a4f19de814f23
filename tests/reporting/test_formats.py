"""The table of formats, files of reports, and what is asked of every format alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import run_program
from sample_reports import HOSTILE, crowded, everything, hostile, many

from lifeguard.reporting import formats
from lifeguard.reporting.formats import FORMATS, by_suffix, read_report, render, write_report
from lifeguard.reporting.model import Report

SAMPLES = {"everything": everything, "crowded": crowded, "hostile": hostile, "empty": lambda: Report(())}

LEAK = """
watched = scope("build", on_violation="record")
with watched:
    images.create("img-1")
    images.create("img-2")
    images.delete("img-2")
    images.delete("img-2")
"""


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_format_can_be_made_from_the_json(name: str, sample: str) -> None:
    """A report is rendered the same, here or from the JSON that another machine sent."""
    report = SAMPLES[sample]()
    again = Report.from_dict(json.loads(render(report, "json")))
    assert render(report, name) == render(again, name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_verdict_from_json(name: str) -> None:
    """The same of what a scope really said, whose keys are values and whose list of unused contracts is worked out late."""
    verdict = run_program(LEAK).verdict
    assert verdict is not None
    report = Report.of([verdict], title="a build")
    assert render(report, name) == render(Report.from_dict(json.loads(render(report, "json"))), name)
    assert "LG103" in render(report, name)


@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_resources(name: str) -> None:
    """A large report comes out in every format, with its twenty leaks."""
    text = render(many(10_000), name)
    assert "LG101" in text
    assert "9503" in text or name == "sarif"  # of leaks in one line, SARIF names the first ones


@pytest.mark.parametrize("name", FORMATS)
def test_ends_with_a_newline(name: str) -> None:
    """A file of text ends with one, and with no more."""
    text = render(everything(), name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_invisible_of_the_program_gets_through(name: str) -> None:
    """Neither a NUL, nor an escape for terminals, nor what turns text around, whatever a program names so."""
    nasty = "\x00\x1b[2J\x9b\u202e\u2066\ud800"
    text = render(Report(hostile().scopes, (nasty,), nasty, nasty), name)
    assert [] == [char for char in (*nasty, "\u2028") if not char.isprintable() and char in text]
    text.encode("utf-8")


def test_hostile_sample_is_what_is_asked_of() -> None:
    """The sample still has markup of HTML, and what no format may take for its own."""
    assert "<img" in HOSTILE
    assert "\u2028" in HOSTILE


# -- the table ------------------------------------------------------------------------------------------------------------------


def test_names_and_suffixes() -> None:
    """Every format by its name, and by the suffixes of its files, in capitals or small letters."""
    assert ["text", "json", "sarif", "junit", "markdown", "html"] == list(FORMATS)
    paths = ["a.txt", "a.JSON", "a.b/c.sarif", "x.sarif.json", "report.xml", "summary.md", Path("x.html"), "x.HTM"]
    wanted = ["text", "json", "sarif", "sarif", "junit", "markdown", "html", "html"]
    assert wanted == [by_suffix(path).name for path in paths]
    assert [".txt", ".json", ".sarif", ".xml", ".md", ".html"] == [one.suffix for one in FORMATS.values()]
    assert all(one.description for one in FORMATS.values())


def test_a_format_is_loaded_when_it_is_asked_for() -> None:
    """The table itself is cheap: a command line that lists the formats loads none of them."""
    code = "import sys; from lifeguard.reporting.formats import FORMATS\n"
    code += "print([one.module for one in FORMATS.values() if one.module in sys.modules])"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_an_unknown_name() -> None:
    """The error names what was asked for and what there is."""
    with pytest.raises(
        ValueError, match=r"^there is no format 'yaml'; there are text, json, sarif, junit, markdown, html$"
    ):
        render(everything(), "yaml")


@pytest.mark.parametrize("path", ["report.doc", "report", ".html/report", ""])
def test_an_unknown_suffix(path: str) -> None:
    """The error names the file and the suffixes that there are."""
    suffixes = ".txt, .json, .sarif, .sarif.json, .xml, .md, .html, .htm"
    text = f"no format is known by the suffix of '{path}'; those of reports are {suffixes}"
    with pytest.raises(ValueError) as error:
        by_suffix(path)
    assert text == str(error.value)


# -- files ----------------------------------------------------------------------------------------------------------------------


def test_written_and_read(tmp_path: Path) -> None:
    """What was written as JSON is read back; the other formats are chosen by the suffix, or by name."""
    write_report(crowded(), tmp_path / "report.json")
    assert crowded().as_dict() == read_report(tmp_path / "report.json").as_dict()
    write_report(crowded(), tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == render(crowded(), "markdown")
    write_report(crowded(), tmp_path / "report", "text", width=60)
    assert (tmp_path / "report").read_text(encoding="utf-8") == render(crowded(), "text", width=60)


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the older report as it was, and nothing beside it."""
    file = tmp_path / "report.txt"
    file.write_text("the older one")

    def full(source: object, target: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(formats.os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_report(everything(), file)
    assert "the older one" == file.read_text()
    assert ["report.txt"] == os.listdir(tmp_path)


def test_written_through_a_link(tmp_path: Path) -> None:
    """The file that a link names is written, and the link stays one."""
    (tmp_path / "there").mkdir()
    link = tmp_path / "report.txt"
    link.symlink_to(tmp_path / "there" / "real.txt")
    write_report(everything(), link)
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.txt").read_text(encoding="utf-8") == render(everything(), "text")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no such device here")
def test_written_to_what_is_no_file() -> None:
    """A device is written to, and not replaced by a file."""
    code = "from lifeguard.reporting.formats import write_report\nfrom lifeguard.reporting.model import Report\n"
    code += "write_report(Report(()), '/dev/stdout', 'text')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no scope was judged" in ran.stdout


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"\xff\xfe\x00", "not JSON: "),
        (b"[]", "not a report of lifeguard of version 1: its version is None"),
        (b'{"version": 2}', "not a report of lifeguard of version 1: its version is 2"),
        (b'{"version": 1, "scopes": [{}]}', "not a report of lifeguard: KeyError: 'lives'"),
        (b"[" * 100_000, "n"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, text: str) -> None:
    """The error names the file and what is wrong with it."""
    file = tmp_path / "report.json"
    file.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_report(file)
    assert str(error.value).startswith(f"{file}: {text}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """That is said as Python says it."""
    with pytest.raises(FileNotFoundError):
        read_report(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError):
        write_report(everything(), tmp_path / "none" / "report.txt")
