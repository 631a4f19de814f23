"""How something is said: to people on a terminal, in one line where it went wrong, and as JSON to programs."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

import click


def wants_colour() -> bool | None:
    """Whether the environment asks for colour or forbids it; None where it says nothing, and the terminal decides.

    NO_COLOR (https://no-color.org) is stronger than FORCE_COLOR.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def say(text: str = "") -> None:
    """Print to the standard output."""
    click.echo(text)


def complain(text: str) -> None:
    """Print one line to the standard error; what has more lines is put into one."""
    click.echo(f"lifeguard: {one_line(text)}", err=True)


def one_line(text: str) -> str:
    """A text in one line."""
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def trouble(error: Exception) -> str:
    """What to say of an error that nobody expected: of the system's, what and where; of any other, that it is our mistake.

    With LIFEGUARD_TRACEBACK in the environment its traceback is printed, too.
    """
    if os.environ.get("LIFEGUARD_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    told = f"{type(error).__name__}: {error}"
    return f"a mistake of ours, please report it: {told} (LIFEGUARD_TRACEBACK=1 shows where)"


def heading(text: str) -> str:
    """A heading, bold where there is colour."""
    return click.style(text, bold=True)


def data(value: Any) -> str:
    """JSON, as every command with `--format json` prints it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def table(rows: Iterable[Sequence[str]], *, titles: Sequence[str] = ()) -> list[str]:
    """Rows in columns that stand below one another; the last column is not filled up."""
    found = [tuple(row) for row in rows]
    every = [tuple(titles), *found] if titles else found
    widths = [max(len(row[at]) for row in every) for at in range(len(every[0]))] if every else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every]
    if titles:
        lines[0] = heading(lines[0])
    return lines


def plural(number: int, word: str) -> str:
    """A number of things."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def quiet_pipe() -> None:
    """The reader of our output has gone (`| head`): what is still to be flushed at the end goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                os.dup2(nowhere, stream.fileno())
            except (OSError, ValueError):
                continue
