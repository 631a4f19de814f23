"""A scope that many processes are in: what travels to them, and how each of them enters it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Literal

from lifeguard.data import record
from lifeguard.errors import UsageError
from lifeguard.settings import Reach

if TYPE_CHECKING:
    from lifeguard.scopes import Scope
    from lifeguard.stores.naming import Ledger

Late = Literal["refuse", "record"]
"""What becomes of a join after the scope was closed: an error, or a join whose events are kept as late ones."""


@record
class SharedScope:
    """What travels to another process: enough to join the scope there, and never a URL with credentials.

    Attributes:
        ident: the scope's identity, 32 hexadecimal digits.
        name: what reports call it.
    """

    ident: str
    name: str


def shared(scope: Scope) -> SharedScope:
    """What another process needs to join a scope.

    Args:
        scope: an open scope that has a shared ledger.

    Raises:
        UsageError: it is not open, or its ledger is the memory of this process.
    """
    raise UsageError.at_caller(f"{scope!r} has no shared ledger")


class Join:
    """One process's part in a shared scope; a context manager, `with` and `async with`. Made by `join`."""

    def __init__(self, which: SharedScope, ledger: str | Ledger, reach: Reach, late: Late) -> None:
        self.which = which
        self._ledger = ledger
        self._reach = reach
        self._late = late

    def __enter__(self) -> Join:
        raise UsageError.at_caller("join(…) is not there yet")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the scope: what is held stays owed, and is judged where the scope was opened."""

    async def __aenter__(self) -> Join:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def join(
    which: SharedScope | str, *, ledger: str | Ledger, reach: Reach = "context", late: Late = "refuse"
) -> Join:
    """Be in a scope that another process has opened.

    What the block acquires, releases, hands over and rolls back is recorded there, and is judged when the scope is closed
    where it was opened. Leaving the block judges nothing.

    Args:
        which: what `shared` gave, or the identity alone.
        ledger: the URL of the ledger, or `Ledger(url, …)`: the same database by which the scope was opened.
        reach: "context", or "process" for what threads, tasks and greenlets without a scope of their own do, too.
        late: what happens where the scope has been closed: "refuse" is a UsageError; "record" enters all the same, and what
            happens in the block is kept as late events (see `lifeguard.stores.late_events`).

    Returns:
        a context manager, sync and async; it may be entered once.

    Raises:
        DeclarationError: a value of the wrong sort.
        UsageError: on entering: there is no such scope in that ledger, or it has been closed. Where the database cannot be
            reached, the block runs, and its events wait in a file.
    """
    return Join(which if isinstance(which, SharedScope) else SharedScope(which, ""), ledger, reach, late)
