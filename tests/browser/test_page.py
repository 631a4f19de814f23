"""The HTML report as a page: for everybody, on every screen and on paper, and harmless whatever it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_reports import HOSTILE, everything, hostile, many

pytest.importorskip("playwright.sync_api", reason="needs playwright and a Chromium: nox -s browser")

Open = Callable[..., Any]

SCREENS = [{"width": 1400, "height": 1000}, {"width": 390, "height": 844}]
SAMPLES = [everything, lambda: many(1_000), hostile]


@pytest.mark.parametrize("sample", SAMPLES, ids=["everything", "many", "hostile"])
@pytest.mark.parametrize("screen", SCREENS, ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(opened: Open, sample: Callable[[], Any], screen: dict[str, int], scheme: str) -> None:
    """axe-core finds nothing, as it is opened and with a violation's details shown; the page is no wider than the screen."""
    page = opened(sample(), viewport=screen, color_scheme=scheme)
    assert [] == page.faults()
    page.page.locator("#findings button").first.click()
    assert "LG10" in page.details()
    assert [] == page.faults()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


def test_axe_can_find_something(opened: Open) -> None:
    """The check of the tests above is no formality: a page without a title and with grey on grey fails it."""
    page = opened(everything())
    page.page.evaluate("document.title = ''; document.querySelector('.sum').style.color = '#ccc'")
    assert {"color-contrast", "document-title"} <= {fault.partition(":")[0] for fault in page.faults()}


def test_dark_and_light_differ(opened: Open) -> None:
    """The page follows the reader's setting."""
    grounds = [
        opened(everything(), color_scheme=scheme).page.evaluate(
            "getComputedStyle(document.documentElement).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert ["rgb(255, 255, 255)", "rgb(20, 23, 27)"] == grounds


def test_table_has_the_same_facts(opened: Open) -> None:
    """Every bar is a row: its verdict, owner, scope, call site, and, unfolded, its whole history."""
    page = opened(everything())
    rows = {}
    for row in page.page.locator("#table tbody tr").all():
        if row.locator("details").count():
            row.locator("summary").click()
        rows[row.locator("th").inner_text()] = row.inner_text()
    assert set(page.shown()) == set(rows)
    sample = everything()
    for scope in sample.scopes:
        for life in scope.lives:
            told = rows[str(life)]
            facts = [life.owner, scope.name, str(life.events[0].place), *life.codes]
            facts += [f"{one.seq} {one.verb} by {one.function} at {one.place} [{one.actor}]" for one in life.events]
            facts += [one.note for one in life.events] + ([life.state] if life.standing == "fine" else [])
            assert [] == [fact for fact in facts if fact not in told]
    assert "kept by the cache" in rows["image 'img-3'"]


def test_table_can_be_sorted(opened: Open) -> None:
    """A click on a heading sorts by it, a second one the other way round, and the heading says so."""
    page = opened(everything())
    heading = page.page.get_by_role("button", name="Resource")
    heading.click()
    names = page.page.locator("#table tbody th")
    assert sorted(names.all_inner_texts()) == names.all_inner_texts()
    assert "ascending" == page.page.locator("#table thead th").first.get_attribute("aria-sort")
    page.page.keyboard.press("Enter")
    assert sorted(names.all_inner_texts(), reverse=True) == names.all_inner_texts()


def test_nothing_that_a_program_names_becomes_markup(opened: Open) -> None:
    """Keys, kinds, functions, files, scopes and notes that are written as an attack are shown as what they are: text."""
    page = opened(hostile())
    page.page.locator("#findings button").first.click()
    assert page.page.evaluate("window.broken === undefined")
    assert 0 == page.page.locator("img").count()
    assert 2 == page.page.locator("script").count()
    said = HOSTILE.replace("\x00", "").replace("\u2028", "")
    told = page.details().replace("\x00", "").replace("\u2028", "")
    assert said in told
    assert HOSTILE.split()[1] in page.page.title()


def test_no_other_script_runs(opened: Open) -> None:
    """Should anything get in all the same, the page's own policy forbids it."""
    page = opened(everything())
    page.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.broken = 1";
            document.body.append(script);
        }"""
    )
    assert page.page.evaluate("window.broken === undefined")
    assert 1 == len(page.complaints)
    assert "Content Security Policy" in page.complaints.pop()


def test_without_scripts_there_is_text(opened: Open) -> None:
    """Where scripts are switched off, as CI servers like to do, the file shows the report as text."""
    page = opened(everything(), java_script_enabled=False)
    told = page.page.locator("noscript").inner_text()
    assert "2 violations in scope 'resize', which ended normally" in told
    assert "LG101 leaked (CWE-772)" in told
    assert not page.page.locator("#app").is_visible()


def test_print(opened: Open, tmp_path: Path) -> None:
    """On paper stand the findings, every line of the timeline and every history; what can only be clicked stays away."""
    page = opened(everything())
    page.page.emulate_media(media="print")
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.page.locator("#filters").is_visible()
    assert not page.page.locator("#panel").is_visible()
    assert 9 == page.page.locator(".line.thing").count()
    assert page.page.get_by_text("12 released by Ports.delete at").last.is_visible()
    page.page.screenshot(path=tmp_path / "printed.png", full_page=True)
    page.page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.page.emulate_media(media="screen")
    assert page.page.locator("#panel").is_visible()
    assert 9 == len(page.shown())
    assert page.page.pdf()[:5] == b"%PDF-"


def test_print_says_what_it_leaves_out(opened: Open) -> None:
    """Ten thousand bars are not printed, and the paper says how many are missing."""
    page = opened(many(10_000))
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = page.page.locator("#print-cut").evaluate("element => element.textContent")
    assert cut.endswith("more lines not printed: filter before printing.")
    assert "9,700 more resources not printed: filter before printing." == page.page.locator("#table-cut").evaluate(
        "element => element.textContent"
    )
