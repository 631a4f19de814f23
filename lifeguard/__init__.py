"""Contracts on the lifetime of resources: what is acquired is released, handed over or rolled back, on every path.

The layout, from the inside out; imports go inwards only:

- `data`, `lazily`: records, and modules that are imported when they are used; without what these cost at import.
- `errors`, `places`: what is raised on purpose; where in the user's code something happened.
- `kinds`, `keys`, `contracts`, `rules`, `verdict`: frozen data. What can be owed, which one, what a function does to
  it, which rules
  there are, and what a scope has to say.
- `ledger`: the state machine. Events in, obligations and findings out; it knows no function, no thread, no format.
- `text`: the report, a function over the verdict.
- `roster`: who is woven, and who was called lately.
- `context`, `telling`: what is current; an event on its way to the ledger, the invariants and the observers.
- `enforcement`, `grace`, `allowances`, `hand_events`, `settings`, `scopes`: the scope, its settings, its policies and
  its life.
- `predicates`, `drift`: what conditions may ask of the ledger; whether an object's own state agrees with it.
- `extensions`: what a scope loads from outside the core, by name.
- `speedups`: the compiled helper, where there is one.
- `fast`, `templates`: the wrappers that record plain events by themselves.
- `reading`, `watching`, `managers`, `weaving`: from a call to what its contracts say; a function and its contracts become
  one wrapper.
- `decorators`, `attaching`, `binding`, `inheritance`, `blindness`: how contracts come to functions.
- `stand_ins`: contracts by name, for configurations and command lines.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from lifeguard import context as _context
from lifeguard.context import Event, Observer
from lifeguard.decorators import acquires, atomic, invariant, on_failure, releases, rolls_back, settles, transfers, uses
from lifeguard.errors import DeclarationError, LifeguardWarning, UsageError, ViolationError
from lifeguard.keys import after, each
from lifeguard.kinds import OUTSIDE, Grace, Resource, Rollback, all_of
from lifeguard.ledger.invariants import Breach, Holding, LedgerView
from lifeguard.scopes import Scope, scope
from lifeguard.speedups import SPEEDUPS
from lifeguard.verdict import Outstanding, Verdict, Violation

if _TYPE_CHECKING:
    from lifeguard.binding import BoundContracts, contracts_for
    from lifeguard.drift import tracks
    from lifeguard.inheritance import contracts_of, implements
    from lifeguard.predicates import held, outstanding, owner_of, released, watched

__version__ = "0.1.0"

__all__ = [
    "OUTSIDE",
    "SPEEDUPS",
    "BoundContracts",
    "Breach",
    "DeclarationError",
    "Event",
    "Grace",
    "Holding",
    "LedgerView",
    "LifeguardWarning",
    "Observer",
    "Outstanding",
    "Resource",
    "Rollback",
    "Scope",
    "UsageError",
    "Verdict",
    "Violation",
    "ViolationError",
    "acquires",
    "after",
    "all_of",
    "atomic",
    "contracts_for",
    "contracts_of",
    "each",
    "held",
    "implements",
    "invariant",
    "on_failure",
    "outstanding",
    "owner_of",
    "released",
    "releases",
    "rolls_back",
    "scope",
    "settles",
    "tracks",
    "transfers",
    "uses",
    "watched",
]


_LATER = {
    "BoundContracts": "binding",
    "contracts_for": "binding",
    "contracts_of": "inheritance",
    "held": "predicates",
    "implements": "inheritance",
    "outstanding": "predicates",
    "owner_of": "predicates",
    "released": "predicates",
    "tracks": "drift",
    "watched": "predicates",
}
"""What many programs do without: the module of each is imported when the name is asked for."""


def __getattr__(name: str) -> object:
    """A public name that is loaded when it is used."""
    if name not in _LATER:
        raise AttributeError(f"module 'lifeguard' has no attribute {name!r}")
    value = globals()[name] = _claimed(getattr(_import_module(f"lifeguard.{_LATER[name]}"), name))
    return value


def __dir__() -> list[str]:
    """All names, also those that are not loaded yet."""
    return sorted({*globals(), *__all__})


def _claimed(value: object) -> object:
    """Let tracebacks and reprs say `lifeguard.scope`, whichever module a public name comes from."""
    if hasattr(value, "__module__"):
        value.__module__ = "lifeguard"
    return value


def _prepare_to_judge(_: Scope) -> None:
    """Load what is asked when a scope closes: who may pay what it holds, and what its contracts could not see."""
    from lifeguard import blindness, inheritance  # noqa: F401


_context.opening.append(_prepare_to_judge)

for _name in __all__:
    if _name not in _LATER and not _name.isupper():
        _claimed(globals()[_name])
