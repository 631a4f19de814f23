"""OpenTelemetry's propagators carry the scope: every client and server that is instrumented does, without a line in the program.

`OTEL_PROPAGATORS=tracecontext,baggage,lifeguard`, or `CompositePropagator([…, ScopePropagator()])`, behind the others. On the
way out it asks for the scope that is current with the request; on the way in it puts the identity into the baggage of the
context, where `lifeguard.stores.extract`, and so the middleware, finds it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from lifeguard.extensions import missing
from lifeguard.stores.baggage import HEADER
from lifeguard.stores.propagation import MEMBER, current_shared, extract, inject

try:
    from opentelemetry.baggage import set_baggage
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.context import Context
    from opentelemetry.propagators import textmap
except ImportError as error:
    raise missing("opentelemetry-api", "otel", "lifeguard.integrations.opentelemetry_baggage") from error

__all__ = ["ScopePropagator"]


class ScopePropagator(textmap.TextMapPropagator):
    """Writes the current scope into the header `baggage`, and reads it from there."""

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: textmap.Setter[Any] = textmap.default_setter,
    ) -> None:
        """Write. Where the carrier can only be set and not read, the baggage of the context is written with it."""
        which = current_shared()
        if which is None:
            return
        if setter is textmap.default_setter and isinstance(carrier, MutableMapping):
            inject(carrier, which)
        else:
            W3CBaggagePropagator().inject(carrier, set_baggage(MEMBER, which.ident, context), setter)

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: textmap.Getter[Any] = textmap.default_getter,
    ) -> Context:
        """Read. The rest of the baggage is left to the propagator for that."""
        context = context if context is not None else Context()
        values = getter.get(carrier, HEADER)
        which = extract({HEADER: list(values)}) if values else None
        return context if which is None else set_baggage(MEMBER, which.ident, context)

    @property
    def fields(self) -> set[str]:
        """What `inject` writes."""
        return {HEADER}
