"""The API: where an operation begins, and so where its scope is opened and judged."""

from __future__ import annotations

from collections.abc import Callable

from distributed.resources import ALLOCATION, BINDING, GUEST, SERVER
from distributed.wire import CallFailed, call
from lifeguard import scope


class Api:
    """The service.

    Args:
        conductor: the conductor's address.
        ledger: the URL of the ledger that all services share.
        say: prints a line.
    """

    def __init__(self, conductor: str, ledger: str, say: Callable[[str], None]) -> None:
        self._conductor = conductor
        self._ledger = ledger
        self._say = say

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
        return watched.report()
