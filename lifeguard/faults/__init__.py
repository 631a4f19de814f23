"""Faults: make one declared call fail, or explore what happens when each of them does.

- `inject` makes one call fail, so that its contracts see the failure.
- `explore` runs a scenario again and again and makes every declared call fail once, and then what runs because of it.
- `armed` says, inside a scenario, where it wants faults.
- `replay` pins one of these runs for good.

The layout, from the inside out: `tokens` (the name of a run), `injected` (the exceptions), `points` (where a run can be
made to fail), `plan` (the observer of one run), `running` (one run), `verdicts` (what a run has to say), `results` and
`report` (frozen data, and as text), `searching` (the search), `canary`, `threads`, `progress`, `replaying`, `exploring`;
`injecting` stands beside them, and `lifeguard_faults_pytest`, beside the package, is for pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lifeguard.faults.exploring import explore
    from lifeguard.faults.injected import InjectedFault, was_injected
    from lifeguard.faults.injecting import inject
    from lifeguard.faults.plan import armed
    from lifeguard.faults.replaying import replay
    from lifeguard.faults.results import (
        Counted,
        ExplorationFailed,
        FaultNotReached,
        Finding,
        Point,
        ReplayDiverged,
        Result,
    )

__all__ = [
    "Counted",
    "ExplorationFailed",
    "FaultNotReached",
    "Finding",
    "InjectedFault",
    "Point",
    "ReplayDiverged",
    "Result",
    "armed",
    "explore",
    "inject",
    "replay",
    "was_injected",
]

_HOMES = {
    "explore": "exploring",
    "InjectedFault": "injected",
    "was_injected": "injected",
    "armed": "plan",
    "inject": "injecting",
    "replay": "replaying",
}
"""Where the public names live that are not in `results`. They are loaded when they are asked for, so that what
needs one of them does not import the others.
"""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'results')}"), name)
    value.__module__ = __name__  # so that tracebacks and reprs say what users write
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
