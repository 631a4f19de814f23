"""What the shell is offered: rules, formats, kinds of files. Nothing here imports what it names."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from lifeguard.rules import RULES


class RuleName(click.ParamType):
    """A rule: its code, the number of it, or its name."""

    name = "rule"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The codes that begin so, each with its name."""
        wanted = incomplete.upper()
        return [CompletionItem(rule.code, help=rule.name) for rule in RULES.values() if rule.code.startswith(wanted)]


RULE = RuleName()
