"""What the shell is offered where click does not know it: rules, and files where a word may be one."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from lifeguard.rules import RULES


def rules(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The codes of rules that begin so, each with its name."""
    wanted = incomplete.upper()
    return [CompletionItem(rule.code, help=rule.name) for rule in RULES.values() if rule.code.startswith(wanted)]


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Whatever files there are: the shell looks for itself."""
    return [CompletionItem(incomplete, type="file")]
