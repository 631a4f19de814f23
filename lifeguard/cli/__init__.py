"""The command `lifeguard`: rules explained, journals judged again, contracts shown, programs watched.

The layout, from the inside out:

- `exits`, `output`: what the exit codes mean; how something is said.
- `importing`, `sources`, `survey`, `drawing`, `examples`, `starting`, `program`, `watch`: what the commands are made of.
- `completing`: what the shell is offered.
- `explain`, `report`, `contracts`, `run`, `init`, `completion`: a module a command, or two that belong together.
- `app`: the table of commands, by name: each is imported when it is asked for.

It stands outside: nothing imports it, and it is the only part that needs click (the extra `cli`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lifeguard.extensions import installed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: what stands behind the program's name; by default that of this process.

    Returns:
        the exit code: see `lifeguard.cli.exits`.
    """
    if not installed("click"):
        extra = "pip install 'lifeguard-contracts[cli]'"
        sys.stderr.write(f"lifeguard: the command line needs click, which is not installed: {extra}\n")
        return 2
    from lifeguard.cli.app import run

    return run(sys.argv[1:] if arguments is None else list(arguments))
