"""The HTML report as a file: it needs nothing else, and its script gets the right data. `tests/browser` looks at the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sample_reports import HOSTILE, everything, hostile, many

from lifeguard import Resource, Verdict, acquires, releases, scope
from lifeguard.reporting import html, replay
from lifeguard.reporting.model import Report, ScopeReport

image = Resource("image")


class Images:
    """A service with two ways to get it wrong."""

    @acquires(image, key="name")
    def create(self, name: str) -> None:
        """Make one."""

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """End it."""


def data(report: Report) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html.render(report), re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def rows(report: Report) -> list[dict[str, Any]]:
    """The rows of the timeline, their texts looked up."""
    told = data(report)
    names = ["scope", "begun", "ended", "cut", "kind", "key", "owner", "state", "standing", "verdict", "place", "actor"]
    found = []
    for row in told["rows"]:
        one = dict(zip(names, row[:4] + [told["words"][word] for word in row[4:12]], strict=True))
        one["codes"] = [told["words"][word] for word in row[12]]
        one["findings"] = [told["findings"][number]["message"] for number in row[13]]
        one["marks"] = [told["words"][event[1]] for event in row[14]]
        one["to"] = [event[-1] for event in row[14]]
        found.append(one)
    return found


@pytest.mark.parametrize("report", [everything(), hostile(), Report(())], ids=["everything", "hostile", "empty"])
def test_file_needs_nothing_else(report: Report) -> None:
    """No script, style, picture or font is fetched from anywhere, and nothing but its own script may run."""
    page = html.render(report)
    assert ["data:,"] == re.findall(
        r'<(?:script|link|img|iframe|source|object|embed)\b[^>]*\b(?:src|href|data)="([^"]*)"', page
    )
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|\bimport\(", page)
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{hashed}'" in page
    assert "default-src 'none'" in page


def test_nothing_is_left_to_fill_in() -> None:
    """Every place of the template was filled, once, and what looks like one in the data was left alone."""
    page = html.render(hostile())
    assert {"{{script}}"} == set(re.findall(r"\{\{\w+\}\}", page))
    assert 2 == page.count("<script")
    assert 2 == page.count("</script>")
    assert "<img" not in page
    assert page.count("<!--") == 0


def test_data_survives_as_it_is() -> None:
    """What is escaped for the page is the very same text for its script."""
    assert [HOSTILE] == [row["key"] for row in rows(hostile())]


def test_lone_surrogates_can_be_written() -> None:
    """A key from a broken file name does not keep the report from being written."""
    report = Report((ScopeReport("1", Verdict("a \udcff name")),), title="\udcff")
    assert html.render(report).encode("utf-8")
    assert "a \udcff name" == data(report)["scopes"][0]["name"]


def test_rows_of_the_sample() -> None:
    """Each life is a row with its marks; findings stand at the life that they are about, or at a row of their own."""
    told = [(row["key"], row["standing"], row["codes"], row["marks"], row["findings"]) for row in rows(everything())]
    assert [
        ("'s1'", "left", ["LG101"], ["acquire"], ["server 's1': still held when the scope ended"]),
        ("'v1'", "left", ["LG101"], ["acquire", "transfer"], []),
        ("'p1'", "violated", ["LG103"], ["acquire", "use", "release", "release"], ["port 'p1': released again"]),
        ("'s1'", "fine", [], ["fail", "rollback"], []),
        ("'img-1'", "fine", [], ["acquire", "fault", "release"], []),
        ("'img-2'", "fine", [], ["acquire", "transfer"], []),
        ("'img-3'", "allowed", ["LG101"], ["acquire"], ["image 'img-3': still held when the scope ended"]),
        ("'img-9'", "fine", [], ["acquire", "release"], []),
        ("", "warned", ["LG402"], [], ["a contract could not see its calls: Ports.list is replaced"]),
    ] == told


def test_transfer_points_at_the_row_of_its_new_owner() -> None:
    """The arrow from the volume goes to row 0, its server; what goes outside points at nothing."""
    found = {(row["kind"], row["key"]): row["to"] for row in rows(everything())}
    assert [-1, 0] == found["volume", "'v1'"]
    assert [-1, -1] == found["image", "'img-2'"]


def test_verdicts_alone_have_what_was_found() -> None:
    """Without a journal the violations' own histories are drawn, and the scope says that this is all there is."""
    images = Images()
    with scope("two mistakes", on_violation="record") as watched:
        images.create("a")
        images.create("b")
        images.delete("b")
        images.delete("b")
        images.create("c")
        images.delete("c")
    report = Report.of([watched.verdict])
    told = [(row["key"], row["standing"], row["marks"], row["ended"] == -1) for row in rows(report)]
    assert [("'b'", "violated", ["acquire", "release", "release"], False), ("'a'", "left", ["acquire"], True)] == told
    assert "no journal was kept: the timeline has only what was found" == data(report)["scopes"][0]["notes"][-1]
    assert "2 violations; ended normally" == data(report)["scopes"][0]["said"]


def test_journal_has_every_life(tmp_path: Path) -> None:
    """With a journal what was released is a bar, too, and the leak is the row that it is told of."""
    images = Images()
    with scope("with a journal", on_violation="record", journal=tmp_path / "journal.jsonl"):
        images.create("a")
        images.create("b")
        images.delete("b")
    report = replay.read([tmp_path / "journal.jsonl"]).report
    told = [(row["key"], row["standing"], row["marks"], row["state"], len(row["findings"])) for row in rows(report)]
    assert [
        ("'a'", "left", ["acquire"], "held", 1),
        ("'b'", "fine", ["acquire", "release"], "released", 0),
    ] == told
    assert "no journal was kept: the timeline has only what was found" not in data(report)["scopes"][0]["notes"]


def test_what_moves_to_another_scope_points_at_its_row_there(tmp_path: Path) -> None:
    """One life that two scopes held is a bar in each, and an arrow leads from the first to the second."""
    journal = tmp_path / "journal.jsonl"
    with scope("outer", on_violation="record", journal=journal) as outer:
        with scope("inner", on_violation="record", journal=journal) as inner:
            Images().create("a")
            inner.transferred(image, "a", to=outer)
        Images().delete("a")
    report = replay.read([journal]).report
    names = [one.name for one in report.scopes]
    told = [(names[row["scope"]], row["marks"], row["to"]) for row in rows(report)]
    assert [
        ("outer", ["acquire", "transfer", "release"], [-1, -1, -1]),
        ("inner", ["acquire", "transfer"], [-1, 0]),
    ] == told
    notes = {one["name"]: one["notes"] for one in data(report)["scopes"]}
    assert "inside scope 'outer'" in notes["inner"]
    assert not any("inside" in note for note in notes["outer"])


def test_second_life_of_a_key_has_its_own_finding() -> None:
    """Two lives of one key are two rows; a finding goes to the one whose history it has."""
    sample = everything()
    first = sample.scopes[0].lives[0]
    again = type(first)(
        **{**{name: getattr(first, name) for name in first.__slots__}, "standing": "fine", "codes": (), "events": ()}
    )
    one = sample.scopes[0]
    both = ScopeReport("1", one.verdict, run="r", recorded=True, lives=(again, *one.lives))
    servers = [row["findings"] for row in rows(Report((both,))) if row["kind"] == "server"]
    assert [[], ["server 's1': still held when the scope ended"]] == servers


def test_what_is_left_with_its_owner_says_so() -> None:
    """A part of something that leaked has no rule of its own; its row is red all the same, and says why."""
    volume = everything().scopes[0].lives[1]
    alone = type(volume)(**{**{name: getattr(volume, name) for name in volume.__slots__}, "codes": ()})
    (row,) = rows(Report((ScopeReport("1", Verdict("resize"), recorded=True, lives=(alone,)),)))
    assert ("left", "left with what it belongs to") == (row["standing"], row["verdict"])


def test_texts_are_stored_once() -> None:
    """Ten thousand resources make a file of a size that browsers and mail still like."""
    page = html.render(many(10_000))
    assert len(page) < 2_000_000
    assert 1 == page.count('"Service.show"')


def test_long_history_is_cut_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource that was used a million times does not make a page of a million lines; the cut is told."""
    monkeypatch.setattr(html, "EVENTS_SHOWN", 2)
    port = next(row for row in data(everything())["rows"] if row[1] == 4)
    assert [[2, 1], [4, 12]] == [port[3], [event[0] for event in port[14]]]


def test_of_too_many_resources_the_fine_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is always there, and the page says how many are not."""
    monkeypatch.setattr(html, "ROWS_SHOWN", 30)
    report = many(1_000)
    told = rows(report)
    assert (30, 2) == (len(told), sum(row["standing"] == "left" for row in told))
    assert "970 resources without a finding left out: the JSON report has all" in html.render(report)


def test_text_for_browsers_without_scripts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy as text is cut where it grows too long, and says so."""
    monkeypatch.setattr(html, "TEXT_SHOWN", 300)
    page = html.render(everything())
    assert (
        "… cut here; 1 more scope left out: the JSON report has all".encode("ascii", "xmlcharrefreplace").decode()
        in page
    )
