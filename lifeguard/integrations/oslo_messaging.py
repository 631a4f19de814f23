"""oslo.messaging: a remote call runs inside the scope of its caller.

Two lines, one on each side: the client's serializer is wrapped (`ScopeSerializer(serializer)`), and the server is told to
join (`join_calls(server)`). The identity travels as `baggage` in the context of the message, beside what the service's own
request context puts there; a server without `join_calls` never notices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifeguard.extensions import missing
from lifeguard.stores.baggage import HEADER
from lifeguard.stores.children import ledger_of
from lifeguard.stores.propagation import Joining, extract, inject

try:
    import oslo_messaging
except ImportError as error:
    raise missing("oslo.messaging", "oslo", "lifeguard.integrations.oslo_messaging") from error

if TYPE_CHECKING:
    from lifeguard.stores.joining import Late
    from lifeguard.stores.naming import Ledger

__all__ = ["ScopeSerializer", "join_calls"]


class ScopeSerializer(oslo_messaging.Serializer):  # type: ignore[misc]
    """A serializer that lets the context of a message carry the caller's scope, and takes it out again.

    Args:
        base: the serializer that does the rest; by default one that changes nothing.
    """

    def __init__(self, base: Any = None) -> None:
        self._base = base if base is not None else oslo_messaging.NoOpSerializer()

    def serialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """As the serializer below does it."""
        return self._base.serialize_entity(ctxt, entity)

    def deserialize_entity(self, ctxt: Any, entity: Any) -> Any:
        """As the serializer below does it."""
        return self._base.deserialize_entity(ctxt, entity)

    def serialize_context(self, ctxt: Any) -> Any:
        """As the serializer below does it, and the scope."""
        told = self._base.serialize_context(ctxt)
        return inject(dict(told)) if isinstance(told, dict) else told

    def deserialize_context(self, ctxt: Any) -> Any:
        """As the serializer below does it, without the scope."""
        if isinstance(ctxt, dict):
            ctxt = {name: value for name, value in ctxt.items() if name != HEADER}
        return self._base.deserialize_context(ctxt)


class _Dispatcher(oslo_messaging.dispatcher.DispatcherBase):  # type: ignore[misc]
    """Dispatches every call inside the scope that it carries."""

    def __init__(self, real: Any, ledger: str | Ledger | None, late: Late) -> None:
        self._real = real
        self._ledger = ledger
        self._late: Late = late

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def dispatch(self, incoming: Any) -> Any:
        """Dispatch one message."""
        carried = incoming.ctxt.get(HEADER) if isinstance(incoming.ctxt, dict) else None
        which = extract({HEADER: carried}) if carried is not None else None
        if which is None:
            return self._real.dispatch(incoming)
        ledger = self._ledger if self._ledger is not None else ledger_of()
        with Joining(which, ledger, late=self._late):
            return self._real.dispatch(incoming)


def join_calls(server: Any, *, ledger: str | Ledger | None = None, late: Late = "refuse") -> Any:
    """Let a server of `oslo_messaging.get_rpc_server` run each call inside the scope that it carries.

    Args:
        server: the server, before it is started.
        ledger: the ledger; by default the one that the environment variable `LIFEGUARD_LEDGER` names when a call comes.
        late: what becomes of a call that runs after its scope was closed; see `lifeguard.stores.join`.

    Returns:
        the server.
    """
    server.dispatcher = _Dispatcher(server.dispatcher, ledger, late)
    return server
