"""The compiled helper, where there is one: the steps of plain events in C (see `lifeguard.fast`).

It is built with the package where a compiler is found, and means the same; the environment variable LIFEGUARD_SPEEDUPS=off
leaves it unused.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final


def _load() -> Any:
    if os.environ.get("LIFEGUARD_SPEEDUPS", "").strip().lower() in ("off", "0"):
        return None
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    try:
        return importlib.import_module("lifeguard._speedups")
    except ImportError:
        return None


COMPILED: Final[Any] = _load()
"""The module, or None."""

SPEEDUPS: Final = COMPILED is not None
"""Whether the compiled helper is in use."""
