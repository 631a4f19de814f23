"""A real browser: Chromium without a window. These tests are run by `nox -s browser`, and skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lifeguard.reporting import html
from lifeguard.reporting.model import Report

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The Chromium of `LIFEGUARD_CHROMIUM` or of the system, else the one that playwright has installed."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("LIFEGUARD_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        # A container's root has no sandbox to offer; what is opened here is only what these tests have written.
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


class Opened:
    """A report in the browser, and everything that the browser complained of or asked the network for."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._file = folder / "report.html"
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def show(self, report: Report) -> Opened:
        """Write the report to a file and open that."""
        self._file.write_text(html.render(report), encoding="utf-8")
        self.page.goto(self._file.as_uri())
        return self

    def line(self, name: str) -> Any:
        """The line of the timeline of that name."""
        return self.page.locator(f'.line[data-title="{name}"]')

    def shown(self) -> list[str]:
        """The resources whose lines are drawn, from the top."""
        return self.page.locator(".line.thing").evaluate_all("lines => lines.map(line => line.dataset.title)")

    def wait(self, selector: str, count: int) -> None:
        """Until there are so many elements."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_count(count)

    def details(self) -> str:
        """The text of the panel."""
        return self.page.locator("#panel").inner_text()

    def faults(self) -> list[str]:
        """What axe-core finds wrong with the page as it is now."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.fixture
def opened(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Opened]]:
    """Open a report in a page of its own; afterwards the browser must have had nothing to complain of."""
    pages: list[Opened] = []

    def open_(report: Report, **how: Any) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **how})
        pages.append(Opened(context.new_page(), tmp_path))
        return pages[-1].show(report)

    yield open_
    screenshots = os.environ.get("LIFEGUARD_SCREENSHOTS")
    for number, one in enumerate(pages):
        if screenshots:
            name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
            one.page.screenshot(path=Path(screenshots, f"{name}-{number}.png"), full_page=True)
        one.page.context.close()
    assert [] == [complaint for one in pages for complaint in one.complaints]
    assert [] == [url for one in pages for url in one.requests if not url.startswith(("file:", "data:"))]
