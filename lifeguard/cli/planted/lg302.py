"""For a moment a port is bound on two hosts."""

from lifeguard import Resource, acquires, invariant, releases, scope

binding = Resource("binding", fields=("port", "host"))


@invariant(binding, description="a port is bound on one host", always=True)
def one_host(ledger):
    return len(ledger.held(binding)) <= 1


class Ports:
    @acquires(binding, key="port, host")
    def bind(self, port, host): ...

    @releases(binding, key="port, host")
    def unbind(self, port, host): ...


with scope("move a server"):
    ports = Ports()
    ports.bind("p1", "host1")
    #+ ports.unbind("p1", "host1")
    ports.bind("p1", "host2")
    ports.unbind("p1", "host1")  #-
    ports.unbind("p1", "host2")
