"""What the exit codes mean, and the error that ends a command in one line."""

from __future__ import annotations

from typing import Final

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
VIOLATIONS: Final = 3
DIFFERS: Final = 4
INTERRUPTED: Final = 130
READER_GONE: Final = 141

MEANINGS: Final = {
    FINE: "nothing was found",
    FAILED: "it could not be done: a file cannot be read, a module cannot be imported, …",
    USAGE: "an option or argument makes no sense, or an extra is not installed",
    VIOLATIONS: "violations were found (contracts --strict: kinds that nobody releases; orphans, reap: something is owed)",
    DIFFERS: "verify: the verdict is another one than the live run gave",
}
"""The codes that the help and the documentation list. 130 and 141 are the shell's own: interrupted; the reader has gone."""


class Failure(Exception):
    """A command cannot be done. Its text is one line for the terminal.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
