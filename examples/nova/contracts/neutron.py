"""Port bindings, which of them is active, and who owns a port: the fake Neutron, and Nova's own network API above it."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.keys import active_binding_of, owner_of_port
from examples.nova.kinds import active_binding, port_binding, port_ownership, resize_spawn
from lifeguard import acquires, atomic, contracts_for, each, invariant, releases, rolls_back, uses


def is_active(self, port_id, host_id):
    """Whether the binding of this port to this host is the active one."""
    return active_binding_of(self, port_id) == (port_id, host_id)


def is_first(self, port_id):
    """Whether the port has no binding yet: the first one is active at once."""
    return not self._port_bindings[port_id]


def bindings_of(self, port_id):
    """Keys of all bindings of a port: [(port, host), …]."""
    return [(port_id, host) for host in self._port_bindings.get(port_id, {})]


@contracts_for("nova.tests.fixtures.neutron:NeutronFixture")
class Neutron:
    @acquires(port_binding, key="port_id, body['binding']['host']", about=owner_of_port)
    @acquires(active_binding, key="port_id", when=is_first, about=owner_of_port)
    def create_port_binding(self, port_id, body): ...

    @uses(port_binding, key="port_id, host_id")
    @acquires(active_binding, key="port_id")
    def activate_port_binding(self, port_id, host_id): ...

    @releases(port_binding, key="port_id, host_id")
    @releases(active_binding, key="port_id", when=is_active)
    def delete_port_binding(self, port_id, host_id): ...

    # One method binds and unbinds, attaches and detaches: its body decides.
    @acquires(
        port_binding,
        key="port_id, body['port']['binding:host_id']",
        when="body['port']['binding:host_id']",
        about=owner_of_port,
    )
    @acquires(active_binding, key="port_id", when="body['port']['binding:host_id']", about=owner_of_port)
    @releases(port_binding, key=active_binding_of, when="body['port']['binding:host_id'] is None")
    @releases(active_binding, key="port_id", when="body['port']['binding:host_id'] is None")
    @acquires(port_ownership, key="port_id", when="body['port']['device_id']", about="body['port']['device_id']")
    @releases(port_ownership, key="port_id", when="body['port']['device_id'] == ''")
    def update_port(self, port_id, body=None): ...

    # A port goes with whatever it has.
    @releases(port_binding, key=each(bindings_of))
    @releases(active_binding, key="port_id", when=bindings_of)
    @releases(port_ownership, key="port_id", when=lambda self, port_id: self._ports.get(port_id, {}).get("device_id"))
    def delete_port(self, port_id): ...


@contracts_for("nova.network.neutron:API")
class NetworkAPI:
    # F5: ports 1 to n-1 are unbound again when port n cannot be bound.
    @atomic(port_binding)
    def bind_ports_to_host(self, context, instance, host): ...

    # F9: when the guest could not be spawned on the destination, the source's bindings are activated again. Nova says that
    # by a migration whose destination is, for the time of this call, its source.
    @rolls_back(resize_spawn, key="instance.uuid", when="migration.dest_compute == migration.source_compute")
    def migrate_instance_start(self, context, instance, migration): ...


@invariant(active_binding, port_ownership, description="a port that a server owns has an active binding", always=True)
def owned_ports_are_bound(ledger):
    """S5: the source's binding is activated before the destination's active one is deleted."""
    for port in ledger.held(port_ownership):
        if not ledger.held(active_binding, port=port.key):
            yield ledger.breach(active_binding, port.key, "no binding of it is active")
