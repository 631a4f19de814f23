"""Markdown: as a renderer of it shows it, within its limits, and added to the summary of a job."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from sample_reports import HOSTILE, crowded, everything, hostile, many, violation

from lifeguard import Verdict
from lifeguard.reporting import markdown
from lifeguard.reporting.model import Report

NASTY = [
    HOSTILE,
    "a | b \\| c",
    "`code` ``` ````` `",
    "`",
    " ` ",
    "line\n\n# heading\n\n| a |\n|---|\n| b |",
    "```\n</details>\n<img src=x onerror=alert(1)>\n```",
    "~~~\n<script>alert(1)</script>",
    "![x](http://example.org/x.png) [y](javascript:alert(1)) <http://example.org>",
    "@somebody #17 **bold** __bold__ &lt;img&gt; \\",
    "</code></summary></details><img src=x>",
    "<!-- ",
    "\r\n---\r\n\t- item",
]


class Seen(HTMLParser):
    """What a page consists of: how often each tag was opened, and the text in code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.open: list[str] = []
        self.code: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag is opened."""
        self.tags[tag] += 1
        self.open.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        """The innermost one is closed: nothing is left open."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Text."""
        if "code" in self.open:
            self.code[-1] += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        """There are none."""
        raise AssertionError(data)


def shown(report: Report, **options: int) -> Seen:
    """A report as GitHub's kind of Markdown, with tables and with HTML let through."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Seen(renderer.render(markdown.render(report, **options)))


OURS = {"h2", "blockquote", "p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_a_program_names_is_markup(text: str) -> None:
    """Whatever it names so: the page has the tags that it has for a harmless name, and nothing but our words outside of code."""

    def with_name(name: str) -> Report:
        found = violation(
            "LG101", name, name, name, scope=name, place=None, owed=name, done=name, ended=name, hint=name, allow=name
        )
        nasty = Verdict(name, violations=(found,), watched={name: everything().scopes[1].verdict.watched["image"]})
        excused = replace(everything().scopes[0].verdict.allowed[0], why=name)
        return Report.of([nasty, Verdict(name, allowed=(excused,))], title=name)

    page, harmless = shown(with_name(text)), shown(with_name("harmless"))
    assert harmless.tags == page.tags
    assert harmless.text == page.text
    assert set(page.tags) <= OURS


def test_hostile_sample() -> None:
    """The sample of all formats: no tag of its own, and its text in one piece."""
    page = shown(hostile())
    assert set(page.tags) <= OURS
    assert HOSTILE.replace("\u2028", "\\u2028").replace("\x00", "\\x00") in page.code


def test_whole_page() -> None:
    """Headline, notes, what was found, what is allowed, what was seen; then each finding in full."""
    text = markdown.render(everything())
    head, *details = text.split("\n<details>")
    assert (
        head
        == """\
## lifeguard: `the resize suite`: 2 violations, 1 warning, 1 allowed in 2 scopes

> `journal.jsonl: line 17 is torn`

| rule | what | where | times | scopes |
|---|---|---|--:|---|
| LG103 double release | `port 'p1': released again` | `src/conductor/tasks.py:20 in resize` | 1 | `resize` |
| LG101 leaked | `server 's1': still held when the scope ended` | `src/conductor/tasks.py:10 in resize` | 1 | `resize` |
| LG402 contract could not see its calls (a warning) | `a contract could not see its calls: Ports.list is replaced` \
| `src/conductor/tasks.py:99 in resize` | 1 | `resize` |

| allowed | why | times |
|---|---|--:|
| `LG101 image` | `kept by the cache` | 1 |

| kind | seen |
|---|---|
| `image` | 4 acquired, 2 released, 1 handed over |
| `port` | 1 acquired, 2 released, 1 used |
| `server` | 1 acquired |
| `volume` | 1 acquired, 1 handed over |
"""
    )
    assert 3 == len(details)
    assert "  with it   volume 'v1' (held)\n" in details[1]
    assert "  scope     'resize'\n" in details[1]


def test_what_is_alike_is_one_row() -> None:
    """Most of it first; scopes that found the same are counted."""
    rows = [row for row in markdown.render(crowded()).splitlines() if row.startswith("| LG")]
    assert ["| 7 | `builds` |", "| 1 | `nested` |", "| 2 | `warned 0` and 1 more |"] == [
        row[-len(end) :]
        for row, end in zip(
            rows, ["| 7 | `builds` |", "| 1 | `nested` |", "| 2 | `warned 0` and 1 more |"], strict=True
        )
    ]
    assert "  scopes    'warned 0'\n            'warned 1'\n" in markdown.render(crowded())


def test_of_nothing() -> None:
    """A report of scopes that saw nothing says that they did."""
    assert "## lifeguard: no scope was judged\n" == markdown.render(Report(())).partition("\n\n")[0] + "\n"
    assert "Watched nothing: no contract told an event to any of these scopes." in markdown.render(
        Report.of([Verdict("s")])
    )


def different(count: int) -> Report:
    """So many findings that have nothing in common."""
    found = [violation("LG101", f"kind {number}", f"'k{number}'", "held " + "ü" * 40) for number in range(count)]
    return Report.of([Verdict("big", violations=tuple(found))], title="t" * 1_000)


@pytest.mark.parametrize("limit", [900, 1_000, 1_500, 2_000, 3_001, 10_000, 40_000, 1_000_000])
@pytest.mark.parametrize("sample", [lambda: different(300), lambda: many(10_000), crowded])
def test_never_longer_than_its_limit(sample: object, limit: int) -> None:
    """Bytes are counted, not characters; what is left out is said, and what is there is whole."""
    report = sample()  # type: ignore[operator]
    text = markdown.render(report, limit=limit)
    assert len(text.encode()) <= limit
    whole = markdown.render(report)
    assert text.startswith("## lifeguard: ")
    assert ("JSON report has all.\n" in text[-100:]) or text == whole
    page = shown(report, limit=limit)
    assert page.open == []
    assert set(page.tags) <= OURS


def test_says_what_was_left_out() -> None:
    """So many rows of a table are shown, and so many findings in full."""
    text = markdown.render(different(300), limit=60_000)
    assert 100 == text.count("\n| LG101 leaked |")
    told = text.count("<details>")
    assert 10 < told < 300
    assert text.endswith(f"\n200 rows left out; {300 - told} rows not told in full: the JSON report has all.\n")


def test_a_text_that_is_too_long_is_cut_at_a_line() -> None:
    """The first finding is told as far as it fits, and that it was cut."""
    long = violation("LG101", "image", "'i'", "held", also=tuple(f"LG104 number {number}" for number in range(5_000)))
    text = markdown.render(Report.of([Verdict("s", violations=(long,))]), limit=20_000)
    assert 15_000 < len(text.encode()) <= 20_000
    assert "\n… cut here: the JSON report has all\n```\n\n</details>\n" in text
    *_, last, cut, _, _, _ = text.splitlines()
    assert last.strip().startswith("LG104 number ")
    assert cut.startswith("…")


# -- the summary of a job -------------------------------------------------------------------------------------------------------


def test_added_to_the_file_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what other steps wrote there."""
    file = tmp_path / "summary.md"
    file.write_text("# Before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert markdown.append(everything())
    assert "# Before\n\n" + markdown.render(everything()) == file.read_text(encoding="utf-8")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert not markdown.append(everything())
    assert markdown.append(everything(), tmp_path / "other.md")
    assert markdown.render(everything()) == (tmp_path / "other.md").read_text(encoding="utf-8")


def test_what_is_there_counts(tmp_path: Path) -> None:
    """The limit is one of the file: what fits in the rest is added, and nothing where there is no room."""
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * (markdown.LIMIT - 3_000))
    assert markdown.append(different(300), file)
    assert markdown.LIMIT - 1_500 < file.stat().st_size <= markdown.LIMIT
    file.write_bytes(b"x" * (markdown.LIMIT - 10))
    assert not markdown.append(different(300), file)
    assert markdown.LIMIT - 10 == file.stat().st_size
