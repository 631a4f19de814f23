"""`lifeguard completion`: the script that lets a shell complete commands, options, rules and formats."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that completes commands, options, rules and formats in your shell.

    \b
    Example:
      bash:  lifeguard completion bash > ~/.local/share/bash-completion/completions/lifeguard
      zsh:   lifeguard completion zsh > "${fpath[1]}/_lifeguard"
      fish:  lifeguard completion fish > ~/.config/fish/completions/lifeguard.fish
    """
    root = ctx.find_root()
    found = get_completion_class(shell)
    assert found is not None, "click knows bash, zsh and fish"
    click.echo(found(root.command, {}, "lifeguard", "_LIFEGUARD_COMPLETE").source().strip())
    return 0
