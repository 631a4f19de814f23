"""`lifeguard report` and `lifeguard verify`: what journals have to say, in any format; whether they still say it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from lifeguard.cli.exits import DIFFERS, FAILED, FINE, VIOLATIONS, Failure
from lifeguard.cli.output import complain, data, plural, say
from lifeguard.cli.sources import STANDARD_INPUT, read_all, read_journals
from lifeguard.reporting import text_format
from lifeguard.reporting.formats import FORMATS, by_suffix, render, write_report
from lifeguard.reporting.model import Report, ScopeReport
from lifeguard.reporting.replay import Read

FILES = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command()
@click.argument("journals", metavar="JOURNAL…", nargs=-1, required=True, type=FILES)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Which report. By default the suffix of FILE says it, and what is printed is text.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Where to write it; '-' is the standard output, which is the default. Repeatable: one report for each FILE.",
)
@click.option("--title", default="", help="What it is a report of.")
@click.option("--full", is_flag=True, help="Of text: leave nothing out.")
def report(journals: tuple[str, ...], form: str | None, outputs: tuple[str, ...], title: str, full: bool) -> int:
    """Make reports from journals.

    JOURNAL is a file that a scope(journal=…), pytest --lifeguard-journal or `lifeguard run --journal` has written, or a
    report that was written as JSON; '-' is the standard input. Several are put together: of many processes, of many
    jobs. A line that a killed process left half written is told, and the rest is read.

    It ends with 0 whatever was found: `lifeguard verify` is the gate.

    \b
    Example:
      lifeguard report lifeguard.jsonl
      lifeguard report *.jsonl -o lifeguard.sarif -o lifeguard.html
      lifeguard report lifeguard.jsonl --format markdown >> $GITHUB_STEP_SUMMARY
    """
    chosen = [(path, form or _format_of(path)) for path in outputs or (STANDARD_INPUT,)]
    found = read_all(journals, title=title)
    for path, name in chosen:
        how: dict[str, object] = {"full": full, "more": "--full shows all"} if name == "text" else {}
        if path != STANDARD_INPUT:
            write_report(found, path, name, **how)
        elif name == "text":
            text_format.show(found, full=full, more="--full shows all")
        else:
            text = render(found, name)
            click.echo(text, nl=not text.endswith("\n"))
    if any(path != STANDARD_INPUT for path, _ in chosen):
        for note in found.notes:
            complain(f"note: {note}")
    return FINE


def _format_of(path: str) -> str:
    if path == STANDARD_INPUT:
        return "text"
    try:
        return by_suffix(path).name
    except ValueError as error:
        raise click.UsageError(f"{error}; or say it with --format", click.get_current_context()) from None


@click.command()
@click.argument("journals", metavar="JOURNAL…", nargs=-1, required=True, type=FILES)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs."
)
def verify(journals: tuple[str, ...], form: str) -> int:
    """Judge journals again, and compare with what was said when the program ran.

    Every scope is judged anew from what was written down; scopes whose process was killed are judged as they stood.
    '-' is the standard input. The exit code is 0, or 3 if there are violations, or 4 if a verdict is another one than
    the live run gave: then the journal was changed, or lifeguard has a mistake.

    \b
    Example:
      lifeguard verify lifeguard.jsonl
      cat shard-*.jsonl | lifeguard verify -
    """
    read = read_journals(journals)
    if not read.report.scopes:
        raise Failure(f"there is no scope in {', '.join(journals)}: nothing was judged", FAILED)
    code = DIFFERS if read.differing else VIOLATIONS if not read.report.balanced else FINE
    if form == "json":
        say(data(_as_dict(read, code)))
    else:
        for line in _lines(read):
            say(line)
    sys.stdout.flush()
    return code


def _as_dict(read: Read, code: int) -> dict[str, object]:
    found = read.report
    return {
        "version": 1,
        "exit": code,
        "balanced": found.balanced,
        "scopes": len(found.scopes),
        "never_closed": [one.name for one in _never_closed(found)],
        "violations": [violation.as_dict() for violation in found.violations],
        "warnings": [warning.as_dict() for warning in found.warnings],
        "differing": list(read.differing),
        "notes": list(found.notes),
    }


def _never_closed(found: Report) -> list[ScopeReport]:
    return [one for one in found.scopes if one.closed is None]


def _lines(read: Read) -> Iterator[str]:
    found = read.report
    for one in found.scopes:
        told = [*one.verdict.violations, *one.verdict.warnings]
        if told:
            yield f"scope {one.name!r}" + (", which was never closed" if one.closed is None else "")
        for violation in told:
            place = violation.acquired or violation.place
            warning = "" if violation.severity == "error" else "warning: "
            yield f"  {warning}{violation}" + (f", from {place}" if place is not None else "")
    for note in found.notes:
        yield f"note: {note}"
    for difference in read.differing:
        yield f"differs: {difference}"
    live = len(found.scopes) - len(_never_closed(found))
    same = live - len(read.differing)
    how = "balanced" if found.balanced else plural(len(found.violations), "violation")
    compared = (
        f"{same} of {live} verdicts are those of the live run" if live else "there is no live verdict to compare with"
    )
    yield f"{plural(len(found.scopes), 'scope')} judged again: {how}; {compared}"
