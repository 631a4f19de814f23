"""`lifeguard explain` and `lifeguard rules`: what a finding means, what breaks the rule, and what to do about it."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator
from typing import Final

import click

from lifeguard.cli import completing
from lifeguard.cli.examples import Example, example, report_of
from lifeguard.cli.exits import USAGE, Failure
from lifeguard.cli.output import data, heading, say, table
from lifeguard.rules import RULES, Rule, rule

CWE_PAGE: Final = "https://cwe.mitre.org/data/definitions/{}.html"
PAGE: Final = "docs/rules.md#{}"

_ALLOWED: Final = {
    "LG105": "scope.seed(kind, key, why=…) says what was there before; or: scope.allow(kind, key, rule='LG105', why=…)",
    "LG207": "Nothing: a failure that is absorbed, or that stands in the chain of what is raised (`raise … from`), is legal.",
}
"""How to allow it, where that is not the usual line."""


def find_rule(words: str) -> Rule:
    """The rule that somebody means.

    Args:
        words: its code (`LG103`, `lg103`, `103`), its name or the beginning of it (`double release`), or the number of its
            weakness (`CWE-1341`) where only one rule has that.

    Raises:
        Failure: there is none, or there are several; the text names those that it could be.
    """
    text = re.sub(r"[\s_-]+", " ", words.strip()).lower()
    if re.fullmatch(r"(lg ?)?\d{3}", text) and f"LG{text[-3:]}" in RULES:
        return RULES[f"LG{text[-3:]}"]
    weakness = re.fullmatch(r"cwe ?(\d+)", text)
    if weakness is not None:
        return _only([one for one in RULES.values() if one.cwe == int(weakness[1])], words)
    exactly = [one for one in RULES.values() if one.name == text]
    begins = [one for one in RULES.values() if one.name.startswith(text)] if text else []
    found = exactly or begins
    if found:
        return _only(found, words)
    try:
        return rule(f"LG{text}" if re.fullmatch(r"\d+", text) else words)
    except ValueError as error:
        near = _near(text)
        hint = f"; did you mean {' or '.join(f'{one.code} ({one.name})' for one in near)}?" if near else ""
        raise Failure(f"there is no rule {words!r}{hint or '; `lifeguard rules` lists them'}", USAGE) from error


def _only(found: list[Rule], words: str) -> Rule:
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{one.code} ({one.name})" for one in found)
    raise Failure(f"{words!r} may be any of {told}" if found else f"there is no rule with {words}", USAGE)


def _near(text: str) -> list[Rule]:
    """Rules with a similar code, name, or word in their name, the nearest first."""
    import difflib

    by_word = {one.code.lower(): one for one in RULES.values()}
    for one in RULES.values():
        by_word[one.name] = one
        for word in one.name.split():
            if len(word) > len("with"):
                by_word.setdefault(word, one)
    close = difflib.get_close_matches(text, by_word, n=3, cutoff=0.7)
    return list({by_word[one].code: by_word[one] for one in close}.values())


@click.command()
@click.argument("words", metavar="RULE", nargs=-1, required=True, shell_complete=completing.rules)
@click.option(
    "--example", "only_example", is_flag=True, help="Print the example alone, to be run: `… --example | python -`."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs."
)
def explain(words: tuple[str, ...], only_example: bool, form: str) -> int:
    """Explain a rule: what it means, an example that breaks it with the report that it gives, and what to do.

    RULE is a code (LG103, 103), a name (double release) or a weakness (CWE-1341), in capitals or not.

    \b
    Example:
      lifeguard explain LG103
      lifeguard explain double release
      lifeguard explain LG103 --example | python -
    """
    found = find_rule(" ".join(words))
    shown = example(found)
    if form == "json":
        say(data(_as_dict(found, shown)))
    elif only_example:
        click.echo(shown.broken, nl=False)
    else:
        for line in _lines(found, shown):
            say(line)
    return 0


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs."
)
def rules(form: str) -> int:
    """List the rules: code, severity, weakness (CWE), name.

    \b
    Example:
      lifeguard rules
      lifeguard rules --format json
    """
    if form == "json":
        say(data([_of_rule(one) for one in RULES.values()]))
        return 0
    rows = [(one.code, one.severity, one.cwe_id or "-", one.name) for one in RULES.values()]
    for line in table(rows, titles=("code", "severity", "weakness", "name")):
        say(line)
    return 0


def _of_rule(found: Rule) -> dict[str, object]:
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity,
        "cwe": found.cwe_id,
        "cwe_name": found.cwe_name,
        "cwe_is_category": found.category,
        "said": found.said,
        "meaning": found.meaning,
        "fix": found.fix,
    }


def _as_dict(found: Rule, shown: Example) -> dict[str, object]:
    told = report_of(shown.broken, shown.name) if shown.runs_here else None
    return {
        "version": 1,
        **_of_rule(found),
        "allow": _allow(found),
        "example": {"source": shown.broken, "report": told, "mended": shown.mended, "needs": shown.needs},
    }


def _allow(found: Rule) -> str:
    if found.code in _ALLOWED:
        return _ALLOWED[found.code]
    if found.severity == "warning":
        return "Nothing needs to be: it is a warning, and fails no scope."
    return f"scope.allow(kind, key, rule={found.code!r}, why=…); in a test: lifeguard_scope.allow(…)"


def _lines(found: Rule, shown: Example) -> Iterator[str]:
    yield heading(f"{found.code} {found.name}" + (f" ({found.cwe_id})" if found.cwe_id else ""))
    if found.cwe is not None:
        category = ", which names its family" if found.category else ""
        yield from _field("CWE", f"{found.cwe_name}{category}: {CWE_PAGE.format(found.cwe)}")
    severity = "error: a scope with it fails" if found.severity == "error" else "warning: it is told, and fails nothing"
    if found.code == "LG402":
        severity += "; where there is likelihood and no proof, it is a warning"
    yield from _field("severity", severity)
    yield from _field("said when", found.said)
    yield from _field("means", found.meaning)
    yield from _field("fix", found.fix)
    yield from _field("allow", _allow(found))
    yield ""
    yield heading("Example") + f"  (lifeguard explain {found.code} --example | python -)"
    yield ""
    yield from _indented(shown.broken)
    yield ""
    if shown.runs_here:
        yield heading("Its report")
        yield ""
        yield from _indented(report_of(shown.broken, shown.name))
    else:
        extra = f"pip install 'lifeguard-contracts[{shown.needs}]'"
        yield heading("Its report") + f" needs {shown.needs}, which is not installed: {extra}"
    yield ""
    yield heading("Mended")
    yield ""
    yield from _indented("\n".join(shown.changes))


_LABEL: Final = 11
_WIDEST: Final = 100


def _field(label: str, text: str) -> Iterator[str]:
    width = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    lines = textwrap.wrap(text, max(width - _LABEL - 2, 30), break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<{_LABEL}}{line}"


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"    {line}" if line else ""
