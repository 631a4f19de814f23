"""Where events wait for a database that does not answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lifeguard.stores.store import Job, Store


class WaitingRoom:
    """The file of one process for one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.occupied = False

    def take_in(self, batch: Iterable[Job]) -> None:
        """Let steps wait; who asks gets no answer."""
        for job in batch:
            job.lost = True

    def let_out(self) -> None:
        """Tell the database what has waited."""

    def leave(self) -> None:
        """The process ends."""
