"""The API: where an operation begins, and so where its scope is opened and judged."""

from __future__ import annotations

from collections.abc import Callable

from distributed.resources import ALLOCATION, BINDING, GUEST, SERVER, Cloud, Point, releasers
from distributed.wire import CallFailed, call
from lifeguard import scope
from lifeguard.stores import orphans, reap


class Api:
    """The service.

    Args:
        conductor: the conductor's address.
        cloud: where everything is.
        ledger: the URL of the ledger that all services share.
        say: prints a line.
        point: called where something may befall it.
    """

    def __init__(self, conductor: str, cloud: Cloud, ledger: str, say: Callable[[str], None], point: Point) -> None:
        self._conductor = conductor
        self._cloud = cloud
        self._ledger = ledger
        self._say = say
        self._point = point

    def resize(self, server: str, port: str, source: str, dest: str) -> str:
        """Resize a server from one host to another; gives what the scope has to say of it."""
        with scope(f"resize of {server}", ledger=self._ledger, on_violation="record") as watched:
            watched.seed(SERVER, server, why="it was there before")
            watched.seed(ALLOCATION, (server, source), why="of the server, where it was")
            watched.seed(BINDING, (port, source), why="of the server, where it was")
            watched.seed(GUEST, (server, source), why="of the server, where it was")
            try:
                call(self._conductor, "resize", server=server, port=port, source=source, dest=dest)
                self._say(f"{server} is on {dest}")
            except CallFailed as error:
                self._say(f"{server} is still on {source} ({error})")
                self._look_after_the_dead()
            self._point("before-verdict")
        return watched.report()

    def _look_after_the_dead(self) -> None:
        """Release what processes have left that are dead; their own rollback will never come."""
        for one in orphans(self._ledger):
            self._say(f"finds what is nobody's any more: {one}")
        for one in reap(self._ledger, contracts=releasers(self._cloud), dry_run=False, living_scopes=True).results:
            self._say(f"{one.orphan.kind} {one.orphan.key_text} is {one.outcome} by {one.by}")
