"""typeguard's way into lifeguard: what it asks for a checker of an annotation.

typeguard loads this module whenever it is imported, in any program and in every run of pytest. So it stands beside the
package and not in it, and imports nothing of it: an annotation with `Live` cannot exist before
`lifeguard.integrations.typeguard` is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def lookup(origin_type: Any, args: tuple[Any, ...], extras: tuple[Any, ...]) -> Callable[..., None] | None:
    """What typeguard asks for a checker (entry point `typeguard.checker_lookup`): ours, where an annotation has `Live`."""
    ours = sys.modules.get("lifeguard.integrations.typeguard")
    find = getattr(ours, "lookup", None)  # None while that module is being imported
    return None if find is None else find(origin_type, args, extras)
