"""The text of a whole report: at any width, in colour where somebody looks on, and plain everywhere else."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from sample_reports import crowded, everything, hostile

from lifeguard import OUTSIDE, Resource, Verdict, acquires, scope, transfers
from lifeguard.reporting import replay
from lifeguard.reporting.model import Report
from lifeguard.reporting.text_format import render, render_finding, render_scope, show, wants_colour
from lifeguard.text import grouped
from lifeguard.text import render as render_verdict

CROWDED = (Path(__file__).parent / "crowded.txt").read_text(encoding="utf-8")

EVERYTHING = """\
the resize suite: 2 violations, 1 warning, 1 allowed in 2 scopes
note: journal.jsonl: line 17 is torn

2 violations in scope 'resize', which ended normally
  test      tests/test_resize.py::test_resize
  opened    src/conductor/tasks.py:5 in test_resize

LG103 double release (CWE-1341)
  port 'p1': released again
  owed      release port 'p1'
  done      nothing
  here      the scope ended normally
  acquired  src/conductor/tasks.py:20 in resize (MainThread)
  history   4 acquired by Ports.create at src/conductor/tasks.py:20 in resize [MainThread]
            5 used by Ports.bind at src/conductor/tasks.py:21 in resize [MainThread]
            7 released by Ports.delete at src/conductor/tasks.py:23 in resize [MainThread]
            12 released by Ports.delete at src/conductor/tasks.py:31 in resize [MainThread]
  fix       Let one owner release it. A release that may be called again and then does nothing is declared so: \
`@releases(kind, key=…, idempotent=True)`.
  or allow  scope.allow(port, 'p1', rule='LG103', why=…)

LG101 leaked (CWE-772)
  server 's1': still held when the scope ended
  owed      release server 's1'
  done      nothing
  here      the scope ended normally
  acquired  src/conductor/tasks.py:10 in resize (MainThread)
  history   1 acquired by Cloud.boot at src/conductor/tasks.py:10 in resize [MainThread]
  with it   volume 'v1' (held)
  fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that ends the scope. \
What may stay: `scope.allow(kind, key, why=…)`.
  or allow  scope.allow(server, 's1', rule='LG101', why=…)

warning: LG402 a contract could not see its calls: Ports.list is replaced

watched image: 3 acquired, 1 released, 1 handed over
watched port: 1 acquired, 2 released, 1 used
watched server: 1 acquired
watched volume: 1 acquired, 1 handed over
allowed LG101 image 'img-3': kept by the cache
contracts that saw no call: Cloud.destroy

1 scope balanced: 'nightly'
watched image: 1 acquired, 1 released
"""


def plain(text: str) -> str:
    """A text for a terminal without its colours, and without what only fills its lines."""
    return "".join(f"{row.rstrip()}\n" for row in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines())


class Terminal(io.StringIO):
    """A stream that says that somebody looks on."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Somebody does."""
        return True


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 90 columns, and nothing else said of colours."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "90")


# -- plain ----------------------------------------------------------------------------------------------------------------------


def test_whole_report() -> None:
    """The design's text of each scope with findings, and one part for all that balanced."""
    assert EVERYTHING == render(everything())


def test_at_a_width() -> None:
    """Groups, children under their owner, a cut history, warnings of many scopes, what balanced: all within 72 columns."""
    assert CROWDED == render(crowded(), width=72)


def test_one_scope_says_what_its_verdict_says() -> None:
    """The part of a scope is the text that the scope itself would print."""
    (first, *_) = everything().scopes
    without_place = render_scope(Report.of([first.verdict]).scopes[0])
    assert render_verdict(first.verdict) == without_place


@pytest.mark.parametrize("width", [1, 20, 40, 57, 80, 133, 10_000])
@pytest.mark.parametrize("sample", [everything, crowded, hostile])
def test_any_width(sample: object, width: int) -> None:
    """Only what has no space to break at is ever wider; and nothing is lost, nor added but the breaks."""
    report = sample()  # type: ignore[operator]
    text = render(report, width=width)
    places = [r"src/my app/nightly build\.py:\d+", r"\S+"]
    for row in text.splitlines():
        if len(row) > width:
            assert re.fullmatch("|".join(places), row.strip()) or sample is hostile, row
    assert render(report).split() == text.split()


@pytest.mark.parametrize("width", range(20, 100, 7))
def test_a_file_stays_with_its_line(width: int) -> None:
    """Editors go where they find file:line, also where the path has spaces."""
    text = render(crowded(), width=width)
    assert 2 == text.count("src/my app/nightly build.py:12")
    assert text.count("src/conductor/tasks.py:41") == text.count("tasks.py:41") == 7


def test_what_is_cut_is_said_and_shown_by_its_setting() -> None:
    """`full=True` names all keys and has the whole history; what balanced is told scope by scope."""
    short = render(crowded(), more="--full shows all")
    assert "'img-5' and 2 more (--full shows all)" in short
    assert "… 2 events left out" in short
    assert "'img-7'" not in short
    whole = render(crowded(), full=True)
    assert "'img-6', 'img-7'\n" in whole
    assert "events left out" not in whole
    assert 10 == whole.count("by Cloud.")
    assert "scope 'quiet 8' balanced" in whole
    assert "shows all" not in whole


def test_full_tells_all_that_is_allowed_and_never_called() -> None:
    """The lists that are cut at eight names have a line for each then."""
    verdict = Verdict("s", unused=tuple(f"f{number}" for number in range(12)))
    assert "and 4 more (full=True shows all)" in render_scope(Report.of([verdict]).scopes[0])
    assert 12 == render(Report.of([verdict]), full=True).count("saw no call: f")
    assert "allowed LG101 image 'img-3': still held when the scope ended: kept by the cache" in render(
        everything(), full=True
    )


def test_nothing_to_tell() -> None:
    """A report of nothing says so, and so does one of scopes that saw nothing."""
    assert "no scope was judged\n" == render(Report(()))
    wanted = "balanced in 2 scopes\n\n2 scopes balanced: 'a', 'b'\nwatched nothing: no contract told an event to any of these 2 "
    wanted += "scopes\n"
    assert wanted == render(Report.of([Verdict("a"), Verdict("b")]))


def test_what_a_program_names_cannot_look_like_the_report() -> None:
    """A name of several lines is indented: it begins no line of its own."""
    (first, *_) = everything().scopes
    nasty = Verdict("s", ended="E: \nscope 'fine' balanced", error=True, violations=first.verdict.violations)
    rows = render(Report.of([nasty])).splitlines()
    assert [] == [row for row in rows if row.startswith("scope 'fine'")]
    assert ["  scope 'fine' balanced"] == [row for row in rows if "scope 'fine'" in row]


def test_a_finding_by_itself() -> None:
    """Other formats show one finding, or a group, as this text."""
    (scope_report, *_) = crowded().scopes
    (group,) = grouped(scope_report.verdict.violations)
    told = render_finding(scope_report, group, more="m")
    assert told.startswith("LG101 leaked (CWE-772)\n  7 times image: still held when the scope ended\n  keys ")
    assert told + "\n\nwatched image" in render(crowded(), more="m")


# -- what really happens --------------------------------------------------------------------------------------------------------

server = Resource("server")
volume = Resource("volume")
disk = Resource("disk", within=volume)


class Cloud:
    """Things in things."""

    @acquires(server, key="name")
    def boot(self, name: str) -> None:
        """Make a server."""

    @acquires(volume, key="name")
    def create(self, name: str) -> None:
        """Make a volume."""

    @acquires(disk, key="name", within="volume_name")
    def add(self, name: str, volume_name: str) -> None:
        """Make a part of a volume."""

    @transfers(volume, key="name", to=(server, "server_name"))
    def attach(self, name: str, server_name: str) -> None:
        """Give a volume to a server."""

    @transfers(server, key="name", to=OUTSIDE)
    def give_away(self, name: str) -> None:
        """Hand it outside."""


def test_a_real_tree(tmp_path: Path) -> None:
    """A server leaks with a volume that has a disk: each stands below what it belongs to."""
    cloud = Cloud()
    with scope("nested", journal=tmp_path / "j.jsonl", on_violation="record"):
        cloud.boot("s")
        cloud.create("v")
        cloud.add("d", "v")
        cloud.attach("v", "s")
    text = render(replay.read([tmp_path / "j.jsonl"]).report)
    found = re.search(r"  with it   (volume 'v' .*)\n              (disk 'd' .*)\n  fix", text)
    assert found, text


# -- where somebody looks on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", [everything, crowded, hostile])
def test_where_nobody_looks_it_is_plain(sample: object) -> None:
    """A file or a pipe gets every byte as `render` gives it."""
    report = sample()  # type: ignore[operator]
    stream = io.StringIO()
    show(report, stream)
    assert render(report) == stream.getvalue()


@pytest.mark.parametrize("sample", [everything, hostile])
def test_on_a_terminal_it_is_the_same_in_colour(sample: object) -> None:
    """Colours change no character and no break: at the terminal's width it is the plain text."""
    pytest.importorskip("rich")
    report = sample()  # type: ignore[operator]
    stream = Terminal()
    show(report, stream)
    assert "\x1b[" in stream.getvalue()
    assert render(report, width=90) == plain(stream.getvalue())


def test_on_a_terminal_children_are_a_tree() -> None:
    """What belongs to what is drawn, and within the terminal; everything else is as in the plain text."""
    pytest.importorskip("rich")
    stream = Terminal()
    show(crowded(), stream, width=72)
    told = plain(stream.getvalue())
    drawn = """\
  with it   volume 'v9' (held)
            └── snapshot 'n9' (held), from src/conductor/tasks.py:43 in
                  resize
            port 'p9' (held)
"""
    indented = CROWDED[CROWDED.index("  with it") : CROWDED.index("  fix       Release it where")]
    assert drawn in told
    assert CROWDED == told.replace(drawn, indented)


def test_colour_says_what_is_what() -> None:
    """Bad is red, good is green, places are underlined, also those with a space."""
    pytest.importorskip("rich")
    stream = Terminal()
    show(crowded(), stream)
    told = stream.getvalue()
    for marked in ("\x1b[1;31m7 violations\x1b[0m", "\x1b[1;32m11 scopes balanced\x1b[0m", "  \x1b[36mkeys\x1b[0m  "):
        assert marked in told
    assert "\x1b[4msrc/my app/" in told


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_when_there_is_colour(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    """NO_COLOR is strongest, then FORCE_COLOR; else a terminal that is not dumb."""
    pytest.importorskip("rich")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert coloured == wants_colour(stream)
    show(everything(), stream)
    assert coloured == ("\x1b[" in stream.getvalue())


def test_without_rich_it_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal where rich is not installed gets the plain text, at the terminal's width."""
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr("lifeguard.reporting.text_format.installed", lambda name: False)
    stream = Terminal()
    show(everything(), stream)
    assert render(everything(), width=90) == stream.getvalue()


def test_a_stream_that_cannot_write_everything() -> None:
    """A pipe in ASCII gets escapes, and the report does not end in an error."""
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    show(everything(), stream)
    stream.flush()
    assert b"scope.allow(server, 's1', rule='LG101', why=\\u2026)" in data.getvalue()
