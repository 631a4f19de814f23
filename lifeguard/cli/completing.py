"""What the shell is offered where it cannot know by itself: rules, and the kinds that are declared."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from lifeguard.rules import RULES


def rules(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The codes of rules that begin so, each with its name."""
    wanted = incomplete.upper()
    return [CompletionItem(rule.code, help=rule.name) for rule in RULES.values() if rule.code.startswith(wanted)]
