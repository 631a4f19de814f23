"""What running calls had gathered before a transaction, so that one that is done again finds it as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lifeguard.ledger.spans import Share

if TYPE_CHECKING:
    from lifeguard.stores.worlds import World


class Snapshot:
    """The running spans of some worlds, and the rollbacks that running calls would owe."""

    def __init__(self, worlds: Iterable[World]) -> None:
        self._worlds = [
            (
                world,
                dict(world.shadows),
                dict(world.engine.failing),
                {ref: list(early) for ref, early in world.engine.early.items()},
                dict(world.engine.spans._wide),
            )
            for world in worlds
        ]
        self._spans = [
            (
                span,
                span.running,
                {one: _copy(share) for one, share in span.shares.items()},
                dict(span.taken),
                list(span.steps),
            )
            for _, shadows, *_ in self._worlds
            for span in shadows.values()
        ]

    def restore(self) -> None:
        """Let everything be as it was."""
        for world, shadows, failing, early, wide in self._worlds:
            world.shadows = dict(shadows)
            engine = world.engine
            engine.failing, engine.early = dict(failing), {ref: list(told) for ref, told in early.items()}
            engine.spans._wide = dict(wide)
        for span, running, shares, taken, steps in self._spans:
            span.running = running
            span.shares = {one: _copy(share) for one, share in shares.items()}
            span.taken, span.steps = dict(taken), list(steps)


def _copy(share: Share) -> Share:
    return Share(share.before, share.added, opened=share.opened)
