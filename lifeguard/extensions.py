"""The rooms outside the core that a scope reaches by name: nothing inside imports them; each is loaded when asked for."""

from __future__ import annotations

import importlib
from typing import Any

from lifeguard.errors import UsageError

EXTENSIONS: dict[str, str] = {
    "journal": "lifeguard.reporting.journal:Journal",
    "ledger": "lifeguard.stores.naming:read_ledger",
    "sharing": "lifeguard.stores.sharing:Sharing",
    "conditions": "lifeguard.integrations.conditions:Conditions",
    "check_types": "lifeguard.integrations.typeguard:KeyTypes",
    "check_fake": "lifeguard.integrations.typeguard:check_fake",
    "declared failures": "lifeguard.integrations.deal:failures_of_call",
}
"""What a parameter of a scope needs, as `module:name`."""


def load(what: str) -> Any:
    """The class or function behind a parameter of a scope.

    Args:
        what: a name in `EXTENSIONS`.

    Returns:
        the object.

    Raises:
        UsageError: a library that it needs is not installed; the text names the extra that brings it.
    """
    module, _, name = EXTENSIONS[what].partition(":")
    return getattr(importlib.import_module(module), name)


def installed(library: str) -> bool:
    """Whether a library can be imported; it is not."""
    from importlib.util import find_spec

    return find_spec(library) is not None


def missing(library: str, extra: str, what: str) -> UsageError:
    """The error for an optional library that is not installed.

    Args:
        library: its name.
        extra: the extra of this distribution that brings it.
        what: what needs it, as a user would say.
    """
    return UsageError.at_caller(
        f"{what} needs {library}, which is not installed: pip install 'lifeguard-contracts[{extra}]'"
    )
