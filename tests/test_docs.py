"""The documentation is true: its code runs and prints what is shown, and its page of the rules is the table.

`python tests/test_docs.py` writes the outputs, the page of the rules and the schema anew; read the difference before you keep
it.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import re
import subprocess
import sys
from pathlib import Path

import consoles
import pytest

from lifeguard.reporting.model import VERSION
from lifeguard.reporting.schema import schema
from lifeguard.rules import RULES

DOCS = Path(__file__).parent.parent / "docs"
SKETCHES = {"design.md", "nova.md"}  # their code is not meant to be run
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.name not in SKETCHES)

RECIPES = {
    "icontract.md",
    "deal.md",
    "typeguard.md",
    "hypothesis.md",
    "opentelemetry.md",
}  # they show a whole example, in blocks of their own: see test_recipes.py

OUTPUTS = {"text", "json", "xml", "markdown"}  # a block of these right below one of Python is what it prints

FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[re.Match[str]]:
    """The fenced blocks of a page."""
    return list(FENCED.finditer((DOCS / page).read_text()))


def run_here(page: str) -> list[str]:
    """Run a page's Python in one namespace; give what each block prints."""
    namespace: dict[str, object] = {"__name__": f"docs_{Path(page).stem}"}
    printed = []
    text = (DOCS / page).read_text()
    linecache.cache[page] = (
        len(text),
        None,
        text.splitlines(keepends=True),
        page,
    )  # icontract reads its conditions' source
    for block in blocks(page):
        if block["language"] == "python":
            line = block.string.count("\n", 0, block.start("code"))
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile("\n" * line + block["code"], page, "exec"), namespace)
            printed.append(output.getvalue())
    return printed


def run(page: str) -> list[tuple[int, re.Match[str] | None, str]]:
    """Run a page in a fresh interpreter; give for each block of Python its line, the output shown below it, and the real one."""
    ran = subprocess.run([sys.executable, "-W", "error", __file__, page], capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    printed = iter(json.loads(ran.stdout))
    found = []
    for block, following in zip(blocks(page), [*blocks(page)[1:], None], strict=False):
        if block["language"] == "python":
            adjacent = following is not None and not block.string[block.end() : following.start()].strip()
            shown = following if following is not None and adjacent and following["language"] in OUTPUTS else None
            found.append((block.string.count("\n", 0, block.start("code")) + 1, shown, next(printed)))
    return found


EXAMPLES = DOCS.parent / "examples"
CONSOLES = {"command-line.md": EXAMPLES / "command_line"}
"""Pages whose console blocks are run, each with the folder of files that they are about."""

INCLUDING = ["ci.md", "command-line.md"]
"""Pages that show files of the examples whole."""

INCLUDED = re.compile(r"<!-- (examples/\S+) -->\n\n?```(\w+)\n.*?```\n\n?<!-- end of \1 -->", re.DOTALL)


def page_anew(page: str) -> str:
    """A page with the files that it includes, and what its commands print now."""
    text = (DOCS / page).read_text()
    if page in INCLUDING:
        text = INCLUDED.sub(_included, text)
    return consoles.anew(text, CONSOLES[page]) if page in CONSOLES else text


def _included(found: re.Match[str]) -> str:
    name, language = found[1], found[2]
    return f"<!-- {name} -->\n```{language}\n{(DOCS.parent / name).read_text()}```\n<!-- end of {name} -->"


def rules_page() -> str:
    """The page of the rules, made from the table."""
    lines = [
        "# Rules",
        "",
        "<!-- Made from lifeguard/rules.py by `python tests/test_docs.py`. -->",
        "",
        "Every finding has a code that does not change. CWE is the [Common Weakness Enumeration](https://cwe.mitre.org);",
        "where its number is marked as a category, it names the family and not the weakness itself.",
        "`lifeguard explain LG103` shows an example of a rule, its report, and what mends it",
        "(see [the command line](command-line.md#lifeguard-explain-what-a-finding-means)).",
        "",
        "| code | name | CWE |",
        "|---|---|---|",
    ]
    for rule in RULES.values():
        cwe = "–" if rule.cwe is None else f"[{rule.cwe}](https://cwe.mitre.org/data/definitions/{rule.cwe}.html)"
        name = f"{rule.name} (a warning)" if rule.severity == "warning" else rule.name
        lines.append(
            f"| [{rule.code}](#{rule.code.lower()}) | {name} | {cwe}{' (category)' if rule.category else ''} |"
        )
    for rule in RULES.values():
        weakness = f"{rule.cwe_id}, {rule.cwe_name}" if rule.cwe_id else "none"
        lines += [
            "",
            f'## <a id="{rule.code.lower()}"></a>{rule.code}: {rule.name}',
            "",
            f"**Said when.** {rule.said}",
            "",
            f"**Means.** {rule.meaning}",
            "",
            f"**Fix.** {rule.fix}",
            "",
            f"**CWE.** {weakness}{' (category)' if rule.category else ''}.",
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_page_runs_and_prints_what_is_shown(page: str) -> None:
    """A reader who types a page's code in gets exactly what the page shows."""
    for line, shown, printed in run(page):
        assert (line, shown["code"] if shown else "") == (line, printed)


@pytest.mark.parametrize("page", INCLUDING)
def test_commands_of_the_page_print_what_is_shown(page: str) -> None:
    """A reader who types the commands in gets what the page shows, about the files that it shows."""
    assert "<!-- end of examples/" in (DOCS / page).read_text()
    assert page_anew(page) == (DOCS / page).read_text(), "run `python tests/test_docs.py`"


def test_page_of_the_rules_is_the_table() -> None:
    """The page cannot fall behind the table that the reports are made from."""
    assert rules_page() == (DOCS / "rules.md").read_text(), "run `python tests/test_docs.py`"


def test_guide_is_run_at_all() -> None:
    """A change to the pattern that finds the blocks must not let the pages pass by running nothing."""
    pages = {"tutorial.md", "guide.md", "vocabulary.md", "rules.md", "why.md", "index.md", "pytest.md", *RECIPES}
    assert pages <= set(PAGES)
    assert sum(block["language"] == "python" for page in PAGES for block in blocks(page)) > 40


def write_anew() -> None:
    """Write the page of the rules, the schema of reports and every output that is shown."""
    (DOCS / "rules.md").write_text(rules_page())
    (DOCS / "schema" / f"report-{VERSION}.json").write_text(json.dumps(schema(), indent=2) + "\n")
    for page in PAGES:
        outputs = [(shown.span("code"), printed) for _, shown, printed in run(page) if shown]
        text = (DOCS / page).read_text()
        for (start, end), printed in reversed(outputs):
            text = text[:start] + printed + text[end:]
        (DOCS / page).write_text(text)
    for page in INCLUDING:
        (DOCS / page).write_text(page_anew(page))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(run_here(sys.argv[1])))
    else:
        write_anew()
