"""`lifeguard init`: a project is set up for lifeguard, and nothing in it is overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from lifeguard.cli.exits import FINE, Failure
from lifeguard.cli.output import heading, say
from lifeguard.cli.starting import NoProject, Step, carry_out, plan

_DONE: Final = {
    ("write", False): "written",
    ("extend", False): "extended",
    ("write", True): "would write",
    ("extend", True): "would extend",
    ("leave", False): "left",
    ("leave", True): "left",
    ("add", False): "to add",
    ("add", True): "to add",
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--diff", is_flag=True, help="Show the lines, too.")
def init(folder: Path, dry_run: bool, diff: bool) -> int:
    """Set a project up: a switch in pytest's configuration, a session for nox, a workflow for GitHub Actions.

    Asks nothing and overwrites nothing. A file is extended where all else in it stays as it is, comments included; where
    that is not sure, the lines to add are printed. Run twice, it changes nothing the second time.

    \b
    Example:
      lifeguard init --dry-run --diff
      lifeguard init
    """
    try:
        steps = plan(folder)
    except NoProject as error:
        raise Failure(str(error)) from error
    except UnicodeDecodeError as error:
        raise Failure(f"a file of the project is not UTF-8: {error}") from error
    for step in steps:
        before = _lines(folder / step.path)
        if not dry_run:
            carry_out(folder, step)
        say(f"{_DONE[step.done, dry_run]:<13}{heading(step.path)}: {step.why}")
        if step.done == "add":
            _show(step.text.splitlines())
        elif diff and step.text:
            _show(_changes(before, step.text.splitlines()))
    if any(step.done in ("write", "extend") for step in steps):
        say()
        say(_next(steps))
    return FINE


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8").splitlines() if path.is_file() else []


def _changes(before: list[str], after: list[str]) -> list[str]:
    import difflib

    return [one.rstrip("\n") for one in difflib.unified_diff(before, after, n=1, lineterm="")][2:]


def _show(lines: list[str]) -> None:
    say()
    for line in lines:
        say(f"    {line}" if line else "")
    say()


def _next(steps: list[Step]) -> str:
    ignored = "lifeguard.jsonl, lifeguard.html and lifeguard.sarif"
    return (
        "Next: `pip install nox && nox -s lifecycle`. A suite that leaks today: see --lifeguard-baseline in the documentation.\n"
        f"What the session writes need not be committed: {ignored}."
    )
