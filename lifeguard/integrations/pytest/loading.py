"""Contracts named in the configuration: found, checked, and ready to be applied."""

from __future__ import annotations

import pytest

from lifeguard import stand_ins
from lifeguard.stand_ins import StandIn as Contracts


def load(name: object, where: str) -> list[Contracts]:
    """The contracts behind `module:name` or `module`.

    Args:
        name: the name, as the configuration gives it, or the stand-in itself.
        where: where it stands, for errors.

    Returns:
        what to apply; empty where the contracts stand on the code itself, so that to import them was all.

    Raises:
        pytest.UsageError: it cannot be imported, or there is no contract in it.
    """
    try:
        return stand_ins.named(name)
    except LookupError as error:
        raise pytest.UsageError(f"{where}: {error}") from error
