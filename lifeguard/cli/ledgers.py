"""`lifeguard orphans`, `reap` and `prune`: what dead processes left in a shared ledger, and what may go."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any

import click

from lifeguard.cli import completing
from lifeguard.cli.exits import FINE, VIOLATIONS
from lifeguard.cli.importing import import_from_here, load
from lifeguard.cli.output import data, say

LEDGER = click.argument("url", metavar="[URL]", required=False, default=lambda: os.environ.get("LIFEGUARD_LEDGER"))
FORM = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs."
)


def _stores(url: str | None) -> Any:
    """The room of the shared ledgers, which needs SQLAlchemy.

    Raises:
        UsageError: that is not installed.
    """
    if not url:
        raise click.UsageError(
            "no ledger: give its URL, or set LIFEGUARD_LEDGER", click.get_current_context(silent=True)
        )
    from lifeguard import stores

    return stores


@click.command()
@LEDGER
@FORM
def orphans(url: str | None, form: str) -> int:
    """Show what dead processes still owe.

    URL names the ledger (sqlite:///run.db, postgresql+psycopg://user@host/database); without it, the environment variable
    LIFEGUARD_LEDGER does, so that a password need not stand on the command line.

    A process of this host is dead as soon as it has ended, one of another host when its lease has run out. The exit code
    is 3 if something is owed.

    \b
    Example:
      lifeguard orphans sqlite:///run.db
      LIFEGUARD_LEDGER=postgresql+psycopg://me:secret@db/ledger lifeguard orphans --format json
    """
    found = _stores(url).orphans(url)
    say(data(found.as_dict()) if form == "json" else str(found))
    return VIOLATIONS if found else FINE


@click.command()
@LEDGER
@click.option(
    "-c",
    "--contracts",
    "names",
    multiple=True,
    required=True,
    metavar="MODULE",
    shell_complete=completing.files,
    help="A module whose contracts say how things are released, by name or path. Repeatable.",
)
@click.option("--for-real", is_flag=True, help="Do it. Otherwise it is only said what would be done.")
@click.option(
    "--living-scopes",
    is_flag=True,
    help="Also what is held in scopes whose own process lives, and may release it itself.",
)
@FORM
def reap(url: str | None, names: tuple[str, ...], for_real: bool, living_scopes: bool, form: str) -> int:
    """Release what dead processes left, the newest first.

    URL names the ledger; without it, the environment variable LIFEGUARD_LEDGER does.

    MODULE is imported; of its functions, classes and objects those are called whose contracts release what is owed:
    with the key, or as `releases(…, call=…)` says. Each obligation is claimed first, so that two that reap at once, on
    one host or on two, release nothing twice; what failed is tried again by the next run. The exit code is 3 if
    something is left.

    \b
    Example:
      lifeguard reap sqlite:///run.db --contracts shop.services
      lifeguard reap sqlite:///run.db --contracts shop.services --for-real
    """
    stores = _stores(url)
    os.environ.pop("LIFEGUARD", None)  # with LIFEGUARD=off there would be no contracts to go by
    import_from_here()
    modules = [load(name) for name in names]
    done = stores.reap(url, contracts=modules, dry_run=not for_real, living_scopes=living_scopes)
    say(data(done.as_dict()) if form == "json" else str(done))
    if form == "text" and not for_real and any(one.outcome == "would be released" for one in done.results):
        say("nothing was done: --for-real does it")
    return VIOLATIONS if done.exit_code else FINE


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Span(click.ParamType[timedelta]):
    """A span of time: 90s, 30m, 12h, 7d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span that was written."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no span of time: 90s, 30m, 12h or 7d", param, ctx)
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


@click.command()
@LEDGER
@click.option("--older-than", type=Span(), required=True, metavar="SPAN", help="90s, 30m, 12h, 7d.")
@FORM
def prune(url: str | None, older_than: timedelta, form: str) -> int:
    """Take out of a ledger what was over some time ago.

    URL names the ledger; without it, the environment variable LIFEGUARD_LEDGER does.

    Closed scopes go with all that they held and found, and so do processes that have ended. What is still owed is never
    touched.

    \b
    Example:
      lifeguard prune sqlite:///run.db --older-than 7d
    """
    gone = _stores(url).prune(url, older_than=older_than)
    told = {"scopes": gone.scopes, "settled": gone.settled, "processes": gone.processes}
    say(data({"schema": 1, **told}) if form == "json" else str(gone))
    return FINE
