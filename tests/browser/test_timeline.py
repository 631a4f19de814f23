"""The HTML report in a real browser: what is drawn, what the pointer and the keyboard show, what the filters leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sample_reports import event, everything, life, many

from lifeguard import Verdict
from lifeguard.reporting.model import Report, ScopeReport

pytest.importorskip("playwright.sync_api", reason="needs playwright and a Chromium: nox -s browser")

Open = Callable[..., Any]


def box(locator: Any) -> dict[str, float]:
    """Where an element is."""
    return locator.bounding_box()


def test_there_is_a_bar_for_each_resource(opened: Open) -> None:
    """One line a resource, in groups by owner and kind, and one for a finding that is about none."""
    page = opened(everything())
    assert [
        "image 'img-1'",
        "image 'img-3'",
        "port 'p1'",
        "server 's1'",
        "spawn 's1'",
        "image 'img-2'",
        "volume 'v1'",
        "LG402 contract could not see its calls (a warning)",
        "image 'img-9'",
    ] == page.shown()
    assert 8 == page.page.locator(".line .bar").count()
    assert "8 resources, 1 other finding" == page.page.locator("#count").inner_text()


def test_a_leak_runs_off_the_right_edge_in_red(opened: Open) -> None:
    """What was left open reaches the edge, beyond the line where the scope closed; what was released does not."""
    page = opened(everything())
    leak, fine = page.line("server 's1'"), page.line("image 'img-9'")
    edge = box(leak.locator(".track"))
    assert (
        pytest.approx(edge["x"] + edge["width"], abs=1)
        == box(leak.locator(".bar"))["x"] + box(leak.locator(".bar"))["width"]
    )
    closed = box(fine.locator(".end"))["x"]
    assert box(fine.locator(".bar"))["x"] + box(fine.locator(".bar"))["width"] < closed
    assert "rgb(193, 18, 31)" in leak.locator(".bar").evaluate("bar => getComputedStyle(bar).backgroundImage")
    assert "LG101" == leak.locator(".tag").inner_text()
    assert 0 == fine.locator(".tag").count()


def test_marks_stand_where_the_events_are(opened: Open) -> None:
    """Acquire, use, release and a second release of one port, from left to right; the rule stands at the event that broke it."""
    page = opened(everything())
    marks = page.line("port 'p1'").locator(".mark")
    assert [
        "4 acquired by Ports.create at src/conductor/tasks.py:20 in resize [MainThread]",
        "5 used by Ports.bind at src/conductor/tasks.py:21 in resize [MainThread]",
        "7 released by Ports.delete at src/conductor/tasks.py:23 in resize [MainThread]",
        "12 released by Ports.delete at src/conductor/tasks.py:31 in resize [MainThread] — LG103",
    ] == [mark.get_attribute("title") for mark in marks.all()]
    places = [box(mark)["x"] for mark in marks.all()]
    assert sorted(places) == places
    assert [False, False, False, True] == ["broke" in (mark.get_attribute("class") or "") for mark in marks.all()]


def test_faults_and_failures_are_marked(opened: Open) -> None:
    """An injected fault and a failure that owes a rollback have signs of their own, explained in the legend."""
    page = opened(everything())
    titles = page.line("image 'img-1'").locator(".mark").evaluate_all("marks => marks.map(mark => mark.title)")
    assert (
        "10 release raised by Images.delete at src/conductor/tasks.py:27 in resize [MainThread]: Timeout(); injected after"
        == titles[1]
    )
    legend = page.page.locator("#legend").inner_text()
    for sign in (
        "an injected fault",
        "failed: a rollback is owed",
        "rolled back",
        "handed over",
        "left open: a violation",
    ):
        assert sign in legend


def test_a_transfer_is_an_arrow_to_the_new_owner(opened: Open) -> None:
    """From the volume's line to the server's, at the event that moved it."""
    page = opened(everything())
    assert 1 == page.page.locator("#arrows .head").count()
    arrow = box(page.page.locator("#arrows path").first)
    moved = box(page.line("volume 'v1'").locator(".mark").nth(1))
    assert pytest.approx(moved["x"] + moved["width"] / 2, abs=2) == arrow["x"] + arrow["width"] / 2
    assert box(page.line("server 's1'"))["y"] < arrow["y"] < box(page.line("volume 'v1'"))["y"]


def test_pointing_shows_call_site_and_history(opened: Open) -> None:
    """The line under the pointer is told in the panel; a mark under the pointer is found in its history."""
    page = opened(everything())
    page.line("server 's1'").hover()
    told = page.details()
    for words in (
        "LG101 leaked (CWE-772)",
        "release server 's1'",
        "src/conductor/tasks.py:10 in resize",
        "volume 'v1' (held)",
        "1 acquired by Cloud.boot",
    ):
        assert words in told
    page.line("port 'p1'").locator(".mark").nth(2).hover()
    assert (
        "7 released by Ports.delete at src/conductor/tasks.py:23 in resize [MainThread]"
        == page.page.locator(".hot").inner_text()
    )


def test_the_keyboard_shows_the_same(opened: Open) -> None:
    """Tab reaches the timeline; arrows, Home and End move; Left and Right fold and unfold; the panel follows."""
    page = opened(everything())
    keyboard = page.page.keyboard
    page.page.locator("button[type=reset]").focus()
    keyboard.press("Tab")
    focused = page.page.locator(":focus")
    assert "scope resize: 2 violations, 1 warning; ended normally; 8 shown" == focused.get_attribute("aria-label")
    for _ in range(2):
        keyboard.press("ArrowDown")
    assert "image 'img-1'" == focused.get_attribute("data-title")
    assert "9 acquired by Images.create at src/conductor/tasks.py:26" in page.details()
    assert (
        "image 'img-1': released, acquired at src/conductor/tasks.py:26 in resize; 9 acquired"
        in focused.get_attribute("aria-label")
    )
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    assert "false" == focused.get_attribute("aria-expanded")
    assert "image 'img-1'" not in page.shown()
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    assert "image 'img-1'" == focused.get_attribute("data-title")
    keyboard.press("End")
    assert "'img-9'" == focused.locator(".name").inner_text()
    keyboard.press("Home")
    assert "scope" in (focused.get_attribute("class") or "")


def test_filters(opened: Open) -> None:
    """By kind, by verdict, by text, all three together; what was filtered out is counted; Clear brings it back."""
    page = opened(everything())
    page.page.select_option("#kind", "image")
    assert ["image 'img-1'", "image 'img-3'", "image 'img-2'", "image 'img-9'"] == page.shown()
    page.page.select_option("#verdict", "allowed")
    assert ["image 'img-3'"] == page.shown()
    page.page.click("button[type=reset]")
    page.page.select_option("#verdict", "violation")
    assert ["port 'p1'", "server 's1'", "volume 'v1'"] == page.shown()
    page.page.select_option("#verdict", "LG103")
    assert ["port 'p1'"] == page.shown()
    page.page.click("button[type=reset]")
    page.page.fill("#text", "TASKS.py:28 released")
    page.wait(".line.thing", 1)
    assert ["image 'img-1'"] == page.shown()
    assert "1 of 9 shown" == page.page.locator("#count").inner_text()
    assert 1 == page.page.locator("#table tbody tr").count()
    page.page.fill("#text", "no such thing")
    page.wait(".line", 0)
    assert "none of 9 shown" == page.page.locator("#count").inner_text()
    assert "No resource matches the filters." == page.page.locator("#table caption").inner_text()
    assert [] == page.faults()
    page.page.click("button[type=reset]")
    page.wait(".line.thing", 9)


def test_order(opened: Open) -> None:
    """By kind, and in the order in which they began."""
    page = opened(everything())
    page.page.select_option("#order", "start")
    assert ["server 's1'", "volume 'v1'", "port 'p1'", "spawn 's1'"] == page.shown()[:4]
    page.page.select_option("#order", "kind")
    groups = page.page.locator(".line.group .name").all_text_contents()
    assert ["▾image (2)", "▾image · outside (1)", "▾port (1)"] == groups[:3]
    assert "▾no resource (1)" in groups


def test_finding_is_shown_where_it_is(opened: Open) -> None:
    """The list of findings leads to the line, whatever was filtered or folded."""
    page = opened(everything())
    page.page.select_option("#kind", "image")
    page.page.get_by_role("button", name="show LG103 port 'p1' in the timeline").click()
    assert "port 'p1'" == page.page.locator(":focus").get_attribute("data-title")
    assert "LG103 double release (CWE-1341)" in page.details()


def test_what_scrolls_below_the_pointer_is_not_pointed_at(opened: Open) -> None:
    """The details stay those of the finding that was asked for, wherever the pointer comes to lie when the page scrolls."""
    page = opened(many(3_000), viewport={"width": 1300, "height": 500})
    buttons = page.page.locator("#findings button")
    for number in range(buttons.count()):
        wanted = (
            page.page.locator("#findings > li").nth(number).inner_text().split(":")[0].removeprefix("LG101 leaked ")
        )
        buttons.nth(number).click()
        page.page.wait_for_timeout(50)
        assert wanted == page.page.locator("#panel h3").first.inner_text()


def test_a_scope_that_balances_says_so(opened: Open) -> None:
    """A report without a finding has no list of findings, and a table of its scopes."""
    page = opened(Report((ScopeReport("1", Verdict("nightly")),)))
    assert "balanced in 1 scope" == page.page.locator(".sum").inner_text()
    assert not page.page.locator("#findings-section").is_visible()
    assert "watched nothing: no contract told an event to this scope" in page.page.locator("#scopes").inner_text()
    assert [] == page.faults()


def test_many_scopes_are_folded(opened: Open) -> None:
    """Of very many scopes only those with violations are unfolded at first."""
    sample = everything()
    page = opened(Report(sample.scopes[:1] + sample.scopes[1:] * 20))
    assert ["true"] + ["false"] * 17 == page.page.locator(".line.scope").evaluate_all(
        "all => all.map(one => one.ariaExpanded).slice(0, 18)"
    )


def test_ten_thousand_resources_are_drawn_by_windows(
    opened: Open, record_property: Callable[[str, object], None]
) -> None:
    """Only what can be seen is in the document, at the top, at the end and after a jump; each step stays usable."""
    page = opened(many(10_000))
    lines = page.page.locator(".line")
    times = page.page.evaluate(
        """async () => {
            const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
            const timed = async work => {
                const begin = performance.now();
                work();
                await frame();
                return performance.now() - begin;
            };
            const view = document.getElementById("view"), text = document.getElementById("text");
            const type = value => { text.value = value; text.dispatchEvent(new Event("input")); };
            const [loading] = performance.getEntriesByType("navigation");
            const found = { load: loading.domComplete };
            found.scroll = await timed(() => { view.scrollTop = 130000; });
            found.filter = await timed(() => type("n-9 released"));
            found.clear = await timed(() => type(""));
            return found;
        }"""
    )
    record_property("milliseconds", times)
    print({name: round(time) for name, time in times.items()})
    assert lines.count() < 100
    lines.first.focus()
    page.page.keyboard.press("End")
    assert lines.count() < 100
    assert page.page.locator(":focus").is_visible()
    page.page.select_option("#verdict", "LG101")
    assert "20 of 10,000 shown" == page.page.locator("#count").inner_text()
    page.page.get_by_role("button", name="show LG101 kind 3 'n-3' in").click()
    assert "10,000 resources" == page.page.locator("#count").inner_text()
    assert "kind 3 'n-3'" == page.page.locator(":focus").get_attribute("data-title")
    assert lines.count() < 100
    assert "Resources 1 to 50 of 10,000" == page.page.locator("#table caption").inner_text()
    page.page.get_by_role("button", name="Next").click()
    assert "Resources 51 to 100 of 10,000" == page.page.locator("#table caption").inner_text()


def test_zoom_keeps_the_resource_in_view(opened: Open) -> None:
    """A short life among thirty thousand events becomes a bar that can be read."""
    page = opened(many(10_000))
    page.page.select_option("#order", "start")
    page.page.locator(".line").first.focus()
    page.page.keyboard.press("End")
    small = box(page.page.locator(":focus .bar"))["width"]
    page.page.select_option("#zoom", "256")
    current = page.page.locator(".line.current")
    assert 100 * small > box(current.locator(".bar"))["width"] > 10 * small
    view = box(page.page.locator("#view"))
    assert view["x"] < box(current.locator(".mark").first)["x"] < view["x"] + view["width"]


def test_what_is_overdue_and_still_open_runs_off_as_well(opened: Open) -> None:
    """Whatever rule was broken first: what is still owed at the end reaches the right edge, what was paid late does not."""
    begun = event(1, "acquire", "acquired", "Cloud.boot", 10)
    paid = event(2, "release", "released", "Cloud.destroy", 11)
    lives = (
        life("server", "'open'", begun, ended=None, standing="violated", state="held", codes=("LG111",)),
        life("server", "'late'", begun, paid, ended=2, standing="violated", codes=("LG111",), ident="9"),
    )
    page = opened(Report((ScopeReport("1", Verdict("resize"), recorded=True, lives=lives),)))
    bars = page.page.locator(".line .bar").evaluate_all("bars => bars.map(bar => bar.className)")
    assert ["bar leak", "bar wrong"] == bars
