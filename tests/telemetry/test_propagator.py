"""OpenTelemetry's own propagators carry a shared scope."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Setter

from lifeguard import scope
from lifeguard.integrations.opentelemetry_baggage import ScopePropagator
from lifeguard.stores import SharedScope, extract, shared

BOTH = CompositePropagator([W3CBaggagePropagator(), ScopePropagator()])
IDENT = "0123456789abcdef0123456789abcdef"


class IntoList(Setter[list[tuple[str, bytes]]]):
    """Sets as Kafka's instrumentation does."""

    def set(self, carrier: list[tuple[str, bytes]], key: str, value: str) -> None:
        """Append a header."""
        carrier.append((key, value.encode()))


def test_clients_that_are_instrumented_carry_the_scope(tmp_path: Path) -> None:
    """The scope joins what else is in the baggage, in headers and in carriers that can only be set."""
    with scope("request", ledger=f"sqlite:///{tmp_path}/ledger.db") as watched:
        ident = shared(watched).ident
        context = baggage.set_baggage("user", "7")
        headers: dict[str, str] = {}
        BOTH.inject(headers, context)
        assert {"baggage": f"user=7,lifeguard.scope={ident}"} == headers
        told: list[tuple[str, bytes]] = []
        ScopePropagator().inject(told, context, IntoList())
        assert [("baggage", f"user=7,lifeguard.scope={ident}".encode())] == told


def test_without_a_shared_scope_it_writes_nothing() -> None:
    """A process of its own adds nothing to anybody's headers."""
    headers: dict[str, str] = {}
    with scope("own"):
        ScopePropagator().inject(headers)
    assert {} == headers


def test_servers_that_are_instrumented_find_it() -> None:
    """What the propagator has read is found by whoever asks for the scope of the request, without its headers."""
    for propagator in (BOTH, ScopePropagator()):
        context = propagator.extract({"baggage": f"user=7,lifeguard.scope={IDENT}"}, Context())
        token = attach(context)
        assert SharedScope(IDENT, "") == extract({})
        detach(token)
    assert {"user": "7", "lifeguard.scope": IDENT} == dict(
        baggage.get_all(BOTH.extract({"baggage": f"user=7,lifeguard.scope={IDENT}"}))
    )


def test_what_is_no_scope_is_not_read() -> None:
    """The context stays as it was, whatever stands in the header."""
    for header in ("", "a=1", "lifeguard.scope=nonsense", "x" * 9000):
        assert {} == dict(baggage.get_all(ScopePropagator().extract({"baggage": header}, Context())))
    assert {} == dict(baggage.get_all(ScopePropagator().extract({}, Context())))


def test_entry_point() -> None:
    """`OTEL_PROPAGATORS=tracecontext,baggage,lifeguard` finds it, and it says what it writes."""
    (found,) = entry_points(group="opentelemetry_propagator", name="lifeguard")
    assert {"baggage"} == found.load()().fields
