"""The data that every report is made from: it goes to JSON and comes back, and knows its version."""

from __future__ import annotations

import json
import pickle

import pytest
from programs import run_program

from lifeguard.places import Place
from lifeguard.reporting.model import VERSION, Event, Life, Report, ScopeReport

LEAK = """
watched = scope("build", on_violation="record")
with watched:
    images.create("img-1")
    images.create("img-2")
    images.delete("img-2")
    images.delete("img-2")
    watched.allow(image, "img-1", why="the archive keeps it")
"""

LIFE = Life(
    ident="1",
    kind="image",
    rollback=False,
    key="'img-1'",
    subjects=("server 's1'",),
    begun=1,
    ended=None,
    state="held",
    owner="scope 'build'",
    owner_ident="",
    part_of="",
    standing="left",
    codes=("LG101",),
    seeded=False,
    events=(
        Event(
            1, "acquire", "acquired", "Images.create", Place("app.py", 3, "build"), "MainThread", owner="scope 'build'"
        ),
        Event(2, "release", "release raised", "Images.delete", None, "MainThread", raised=True, error="OSError: no"),
        Event(3, "transfer", "transferred", "hand", None, "t", to="7", fault="delete@1:after", codes=("LG107",)),
    ),
)


def _report() -> Report:
    verdict = run_program(LEAK).verdict
    assert verdict is not None
    recorded = ScopeReport(
        "2",
        verdict,
        "99-abc",
        "process",
        "1",
        Place("app.py", 1, "build"),
        0,
        3,
        True,
        (LIFE,),
        "tests/test_x.py::test",
    )
    return Report((ScopeReport("1", verdict), recorded), notes=("line 3 is torn",), title="nightly", lifeguard="0.1.0")


def test_comes_back_from_json() -> None:
    """What is written as JSON is read as the same data: a report can be made in one place and shown in another."""
    report = _report()
    told = json.loads(json.dumps(report.as_dict()))
    again = Report.from_dict(told)
    assert told == again.as_dict()
    assert report.scopes[1].lives == again.scopes[1].lives
    assert report.notes == again.notes


def test_pickles() -> None:
    """A report crosses the process border of a parallel test run."""
    report = _report()
    assert report == pickle.loads(pickle.dumps(report))


@pytest.mark.parametrize(
    "data", [{}, {"version": VERSION + 1}, {"version": VERSION}, {"version": VERSION, "scopes": [1]}, 3]
)
def test_refuses_what_is_no_report(data: object) -> None:
    """Data of another version, or of something else, is refused and not half read."""
    with pytest.raises(ValueError, match="not a report of lifeguard"):
        Report.from_dict(data)  # type: ignore[arg-type]


def test_merging_numbers_the_scopes_anew() -> None:
    """Scopes of several runs stand side by side, each still below its own outer one."""
    merged = Report.merged([_report(), _report()], title="both")
    assert [("1", ""), ("2", "1"), ("3", ""), ("4", "3")] == [(one.ident, one.outer) for one in merged.scopes]
    assert ("line 3 is torn", "line 3 is torn") == merged.notes


def test_sums_up() -> None:
    """A report is balanced where each of its scopes is."""
    report = _report()
    assert not report.balanced
    assert ["LG103", "LG103"] == [one.code for one in report.violations]
    assert Report.of([]).balanced
