"""The table of commands, and the way from the words on the command line to an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import click

from lifeguard.cli import exits
from lifeguard.cli.output import complain, quiet_pipe, trouble, wants_colour
from lifeguard.errors import DeclarationError, UsageError

PROGRAM: Final = "lifeguard"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, before it is imported.

    Attributes:
        home: where it is, as `module:name`.
        help: what it is for, in one line.
        section: below which heading the help lists it.
    """

    home: str
    help: str
    section: str


COMMANDS: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "run": Entry("lifeguard.cli.run:run", "Run a program under watch, without a change to it.", "Watch"),
        "contracts": Entry("lifeguard.cli.contracts:contracts", "Show which contracts modules declare.", "Watch"),
        "report": Entry("lifeguard.cli.report:report", "Make reports from journals.", "Look at what was watched"),
        "verify": Entry("lifeguard.cli.report:verify", "Judge journals again.", "Look at what was watched"),
        "orphans": Entry("lifeguard.cli.ledgers:orphans", "Show what dead processes still owe.", "Shared ledgers"),
        "reap": Entry("lifeguard.cli.ledgers:reap", "Release what dead processes left.", "Shared ledgers"),
        "prune": Entry("lifeguard.cli.ledgers:prune", "Take out what is over.", "Shared ledgers"),
        "explain": Entry("lifeguard.cli.explain:explain", "Explain a rule, with an example.", "Rules"),
        "rules": Entry("lifeguard.cli.explain:rules", "List the rules.", "Rules"),
        "init": Entry("lifeguard.cli.init:init", "Set a project up: pytest, nox, CI.", "Set up"),
        "completion": Entry("lifeguard.cli.completion:completion", "Print a script for your shell.", "Set up"),
    }
)
"""Every command, in the order of the help. A command is added by one entry here and a module that has it."""


class ReaderGone(Exception):
    """Nobody reads what we print any more. An exception of our own, since click would end the process with 1."""


class Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As in every group; help is printed here."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            raise ReaderGone from None

    def invoke(self, ctx: click.Context) -> Any:
        """As in every group; commands print here."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise ReaderGone from None
        return outcome

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in every group; an unknown command is told with the near ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands below their headings, none of them imported."""
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, one.help) for name, one in COMMANDS.items() if one.section == section])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes, and what may be relied on."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exits.MEANINGS.items()])
        formatter.write_paragraph()
        formatter.write_text(
            "What is printed is for people and may change; programs read what `--format json` prints, and the exit "
            "codes. NO_COLOR is honoured. `lifeguard COMMAND --help` has an example of each command."
        )


def _version() -> str:
    from lifeguard import __version__

    return __version__


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"lifeguard {_version()}")
        ctx.exit()


SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, name=PROGRAM, context_settings=SETTINGS, no_args_is_help=False, invoke_without_command=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Its version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """What a program acquires it must also release, hand over, or roll back.

    These commands look at what was watched, watch a program as it is, and show what its code declares.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: list[str]) -> int:
    """Run a command, whatever becomes of it.

    Args:
        arguments: what stands behind the program's name.

    Returns:
        the exit code.

    Raises:
        KeyboardInterrupt: a program that was run died of it, and so must we.
    """
    try:
        outcome = _outcome(arguments)
    except ReaderGone:
        quiet_pipe()
        return exits.READER_GONE
    # A program under watch runs here, when click is off the stack and no handler of ours stands around it.
    return outcome if isinstance(outcome, int) else outcome()


def _outcome(arguments: list[str]) -> int | Callable[[], int]:
    try:
        done = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False, color=wants_colour())
    except click.UsageError as error:
        where = f"{error.ctx.command_path} --help" if error.ctx is not None else f"{PROGRAM} --help"
        complain(f"{_small(error.format_message())} (see `{where}`)")
        return exits.USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return exits.FAILED
    except exits.Failure as error:
        complain(str(error))
        return error.code
    except (UsageError, DeclarationError) as error:
        complain(str(error).partition("\n  at ")[0])  # the line that made the call is click's
        return exits.USAGE
    except click.Abort:
        return exits.INTERRUPTED
    except ReaderGone:
        raise
    except Exception as error:
        complain(trouble(error))
        return exits.FAILED
    outcome: int | Callable[[], int] = done  # what the command gave back: click hands it through
    return outcome


def _small(message: str) -> str:
    """A message of click's, as ours begin and end."""
    text = message.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
