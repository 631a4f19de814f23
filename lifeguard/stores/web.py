"""Servers that take part: a request that carries a scope is served inside of it. For WSGI and for ASGI, whatever the framework.

To be put around the application, outside of the framework: `app = JoiningWSGI(app)`. Only behind a border that strangers do
not get across, since whoever knows a scope's identity takes part in it, and every identity that looks right is looked up.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from lifeguard.stores.children import ledger_of
from lifeguard.stores.propagation import Joining, extract, say_once

if TYPE_CHECKING:
    from lifeguard.stores.joining import Late, SharedScope
    from lifeguard.stores.naming import Ledger

Environ = dict[str, Any]
Message = MutableMapping[str, Any]


class _Server:
    """What both sorts of application have in common.

    Args:
        app: the application.
        ledger: the ledger; by default the one that the environment variable `LIFEGUARD_LEDGER` names.
        late: what happens where the scope has been closed; see `lifeguard.stores.join`.
        accept: asked with the WSGI environment, or the ASGI scope, of a request that carries a scope: whether to join.
            By default every one is.
    """

    def __init__(
        self,
        app: Any,
        *,
        ledger: str | Ledger | None = None,
        late: Late = "refuse",
        accept: Callable[[Any], object] | None = None,
    ) -> None:
        self.app = app
        self._ledger = ledger
        self._late: Late = late
        self._accept = accept

    def _carried(self, headers: Any, request: Any) -> SharedScope | None:
        which = extract(headers)
        if which is not None and self._accept is not None:
            try:
                return which if self._accept(request) else None
            except Exception as error:
                say_once(f"a request is served without its scope: accept raised {type(error).__name__}")
                return None
        return which

    def _joining(self, which: SharedScope) -> Joining:
        return Joining(which, self._ledger if self._ledger is not None else ledger_of(), late=self._late)


class JoiningWSGI(_Server):
    """A WSGI application that serves each request inside the scope that it carries, to the end of the response's body."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        which = self._carried(environ, environ)
        if which is None:
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        here = copy_context()
        joining = self._joining(which)
        here.run(joining.__enter__)
        try:
            body = here.run(self.app, environ, start_response)
        except BaseException:
            here.run(joining.__exit__, *sys.exc_info())
            raise
        return _Body(body, here, joining)


class _Body:
    """A response's body, made in the context of its request, which ends with it."""

    def __init__(self, body: Iterable[bytes], here: Context, joining: Joining) -> None:
        self._body = body
        self._here = here
        self._joining = joining
        self._parts: Iterator[bytes] | None = None
        self._left = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._here.run(self._next)

    def _next(self) -> bytes:
        if self._parts is None:
            self._parts = iter(self._body)
        return next(self._parts)

    def close(self) -> None:
        """The server is done with it."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._here.run(close)
        finally:
            if not self._left:
                self._left = True
                self._here.run(self._joining.__exit__, *sys.exc_info())


class JoiningASGI(_Server):
    """An ASGI application that serves each HTTP request, and each WebSocket, inside the scope that it carries."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve a request."""
        which = self._carried(scope.get("headers", []), scope) if scope.get("type") in ("http", "websocket") else None
        if which is None:
            await self.app(scope, receive, send)
            return
        async with self._joining(which):
            await self.app(scope, receive, send)
