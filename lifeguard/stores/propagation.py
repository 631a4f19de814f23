"""How a shared scope gets from one process to the next: in the baggage of a request, and what becomes of it there.

Only its identity travels, never the ledger's URL: who receives a request has the ledger from its own settings. Whatever a
header says, the request goes on; what is refused is said once for each reason, on the logger `lifeguard`.
"""

from __future__ import annotations

import logging
import re
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lifeguard import context
from lifeguard.context import CURRENT
from lifeguard.keys import problem_text
from lifeguard.scopes import Scope
from lifeguard.settings import Reach
from lifeguard.stores.baggage import Refused, read, write
from lifeguard.stores.books import SharedBook
from lifeguard.stores.joining import Join, Late, SharedScope, join, shared

if TYPE_CHECKING:
    from lifeguard.stores.naming import Ledger

H = TypeVar("H")

MEMBER: Final = "lifeguard.scope"
"""The member of the baggage that holds a scope's identity."""

_IDENT: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_logger = logging.getLogger("lifeguard")
_said: set[str] = set()


def say_once(reason: str) -> None:
    """Say on the logger `lifeguard`, as a warning, why a scope does not travel; the same reason is said once in a process."""
    if reason not in _said and len(_said) < 1000:
        _said.add(reason)
        _logger.warning("%s (said once)", reason)


def identity(text: object) -> SharedScope | None:
    """The scope of an identity that came from elsewhere; None where it is none."""
    return SharedScope(text, "") if isinstance(text, str) and _IDENT.fullmatch(text) else None


def current_shared() -> SharedScope | None:
    """The innermost scope of this context, or of the process, that has a shared ledger."""
    for one in context.scopes_of(CURRENT.get(None))[0]:
        if isinstance(one.book, SharedBook):
            return shared(one)
    return None


def inject(headers: H, scope: Scope | SharedScope | None = None) -> H:
    """Let a request carry a scope: its identity goes into the header `baggage`, beside what is in there already.

    Args:
        headers: what the request's headers are kept in: a mapping, a list of pairs (of bytes, too), or a message of the
            standard library. Changed in place. A header of that name is found in whatever case it is written.
        scope: which scope; by default the innermost one here that has a shared ledger. Where there is none, nothing
            happens.

    Returns:
        the headers.

    Raises:
        UsageError: the scope that was named has no shared ledger, or is not open.
    """
    which = scope if isinstance(scope, SharedScope) else shared(scope) if scope is not None else current_shared()
    if which is not None:
        try:
            write(headers, MEMBER, which.ident)
        except Refused as problem:
            say_once(f"a scope does not travel with a request: of its baggage, {problem}")
        except Exception as error:
            say_once(f"a scope does not travel with a request: its headers raised {type(error).__name__}")
    return headers


def extract(headers: Any) -> SharedScope | None:
    """Which scope a request carries.

    Args:
        headers: the request's headers, as for `inject`; a WSGI environment, too.

    Returns:
        the scope, without its name; None where the request carries none, or none that can be read. Where OpenTelemetry is
        in use and the headers have none, what its context has as baggage counts. Never raises.
    """
    try:
        text: object = read(headers, MEMBER)
        if text is None:
            text = _of_opentelemetry()
        which = identity(text)
        if text is not None and which is None:
            raise Refused("it names a scope by something that is no identity")
    except Refused as problem:
        say_once(f"the baggage of a request was not read: {problem}")
        return None
    except Exception as error:
        say_once(f"the baggage of a request was not read: its headers raised {type(error).__name__}")
        return None
    return which


def _of_opentelemetry() -> object:
    """What the context of OpenTelemetry has as our member, where the program uses that; nothing is imported for it."""
    baggage = sys.modules.get("opentelemetry.baggage")
    return baggage.get_baggage(MEMBER) if baggage is not None else None


class Joining:
    """A join that never raises of itself: where the scope cannot be entered, the block runs without it. Sync and async.

    Args:
        which: the scope, or None for none.
        ledger: the ledger; see `join`.
        reach: see `join`.
        late: see `join`.
    """

    def __init__(
        self,
        which: SharedScope | None,
        ledger: str | Ledger | None,
        *,
        reach: Reach = "context",
        late: Late = "refuse",
    ) -> None:
        self._join: Join | None = None
        if which is not None and ledger is None:
            say_once("a scope is not joined: neither ledger= nor LIFEGUARD_LEDGER says which ledger it is in")
        elif which is not None and ledger is not None:
            try:
                self._join = join(which, ledger=ledger, reach=reach, late=late)
            except Exception as error:
                self._not_joined(error)

    def _not_joined(self, error: Exception) -> None:
        self._join = None
        text = problem_text(error)
        ident = _IDENT.search(text)
        say_once(f"a scope is not joined: {text.replace(ident[0], '…') if ident else text}")

    def __enter__(self) -> bool:
        """Enter; whether the scope was joined."""
        if self._join is not None:
            try:
                self._join.__enter__()
            except Exception as error:
                self._not_joined(error)
        return self._join is not None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._join is not None:
            try:
                self._join.__exit__(kind, error, traceback)
            except Exception as problem:
                if problem is not error:
                    say_once(f"a scope was not left as it should be: {problem_text(problem)}")

    async def __aenter__(self) -> bool:
        if self._join is not None:
            try:
                await self._join.__aenter__()
            except Exception as error:
                self._not_joined(error)
        return self._join is not None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._join is not None:
            try:
                await self._join.__aexit__(kind, error, traceback)
            except Exception as problem:
                if problem is not error:
                    say_once(f"a scope was not left as it should be: {problem_text(problem)}")
