"""`lifeguard run`: a program under watch, as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lifeguard.cli import completing
from lifeguard.cli.program import Program
from lifeguard.cli.watch import Watch, Wishes
from lifeguard.kinds import Grace


class ProgramCommand(click.Command):
    """A command whose options end where the program begins: at its path, or behind `-m module`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Mark the end of our options, then parse."""
        flags = {name for param in self.get_params(ctx) if getattr(param, "is_flag", False) for name in param.opts}
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] not in ("-", "--"):
            word = args[at]
            at += 1
            if word.startswith("-m"):
                at += word == "-m"
                break
            if "=" not in word and word not in flags:
                at += 1
        if args[at:] and args[at] != "--":
            args = [*args[:at], "--", *args[at:]]
        return super().parse_args(ctx, args)


def _reports(_ctx: click.Context, _param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse, before the program runs, what could not be written when it has run."""
    from lifeguard.reporting.formats import by_suffix

    for path in paths:
        try:
            by_suffix(path)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
            raise click.BadParameter(f"{path!r} is a folder, or in one that does not exist")
    return paths


def _remember(_ctx: click.Context, _param: click.Parameter, value: str) -> int | None:
    if value == "all":
        return None
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r} is neither 'all' nor a whole number from 0")
    return int(value)


def _names(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


@click.command(cls=ProgramCommand, options_metavar="[OPTIONS]")
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does; what follows is for it.")
@click.option(
    "--contracts",
    multiple=True,
    metavar="MODULE",
    shell_complete=completing.files,
    help="Contracts to apply: a module with stand-ins (contracts_for), `module:name`, or the path of a file. Repeatable.",
)
@click.option("--only", multiple=True, callback=_names, metavar="KIND", help="Names of the kinds to watch. Repeatable.")
@click.option(
    "--ignore", multiple=True, callback=_names, metavar="KIND", help="Names of kinds not to watch. Repeatable."
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    callback=_reports,
    type=click.Path(),
    metavar="FILE",
    help="Write a report; the suffix says which: .txt .json .sarif .xml (JUnit) .md .html. Repeatable.",
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write everything down as it happens, behind what is there; it outlives a kill (see `lifeguard report`).",
)
@click.option(
    "--on-violation",
    type=click.Choice(["raise", "warn", "log", "record"]),
    default="raise",
    show_default=True,
    help="raise: tell, and exit with 3; warn: only tell; log: on the logger 'lifeguard'; record: reports and journal only.",
)
@click.option("--fail-fast", is_flag=True, help="Raise at the call that broke a rule, too: for the debugger.")
@click.option(
    "--remember",
    default="1024",
    show_default=True,
    callback=_remember,
    metavar="N",
    help="How many settled things of a kind are remembered, to know a double release; or 'all'.",
)
@click.option("--grace", type=click.IntRange(min=1), metavar="N", help="Look again up to N times before judging.")
@click.option(
    "--conditions",
    multiple=True,
    type=click.Choice(["icontract", "deal", "typeguard"]),
    help="Report broken conditions of these libraries, swallowed ones too. Repeatable.",
)
@click.option("--check-types", is_flag=True, help="Check keys by the key_type of their kind, with typeguard.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing where nothing was found.")
@click.argument(
    "words", metavar="SCRIPT [ARGUMENTS]…", nargs=-1, type=click.UNPROCESSED, shell_complete=completing.files
)
def run(
    module: str | None,
    words: tuple[str, ...],
    remember: int | None,
    grace: int | None,
    fail_fast: bool,
    conditions: tuple[str, ...],
    check_types: bool,
    **wishes: Any,
) -> Callable[[], int]:
    """Run a program in a scope of the whole process, without a change to it.

    The program sees what `python SCRIPT` or `python -m MODULE` would give it, and ends as it would: its exit code, its
    traceback. When it has returned and its threads have ended, before what `atexit` does, it is judged; the report
    goes to the standard error. Where the program itself ended with 0, the exit code is 3 if violations were found.

    Processes that it starts are not watched; those that it forks are not judged. A program that is killed, or calls
    os._exit, is not judged either: keep a --journal, and `lifeguard verify` it.

    \b
    Example:
      lifeguard run nightly.py --dry-run
      lifeguard run --report leaks.html --report leaks.sarif -m shop.nightly
      lifeguard run --contracts contracts/tempfile.py --only folder nightly.py
    """
    ctx = click.get_current_context()
    if module is None and not words:
        raise click.UsageError("a SCRIPT is missing, or -m MODULE", ctx)
    if module is None and words[0] == "-":
        raise click.UsageError("a program cannot be read from the standard input: give its file", ctx)
    program = Program(module, words, module=True) if module is not None else Program(words[0], words[1:])
    settings: dict[str, Any] = {"remember": remember, "fail_fast": fail_fast, "check_types": check_types}
    if grace is not None:
        settings["grace"] = Grace(attempts=grace)
    if conditions:
        settings["conditions"] = conditions
    watch = Watch(program, Wishes(settings=settings, **wishes))
    watch.open()
    return watch
