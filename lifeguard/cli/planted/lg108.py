"""The network goes before what hangs on it."""

from lifeguard import Resource, acquires, releases, scope

network = Resource("network")
port = Resource("port", within=network)


class Network:
    @acquires(network, key="name")
    def create(self, name): ...

    @releases(network, key="name")
    def delete(self, name): ...

    @acquires(port, key="name", within="network_name")
    def plug(self, name, network_name): ...

    @releases(port, key="name")
    def unplug(self, name): ...


with scope("tear down"):
    net = Network()
    net.create("blue")
    net.plug("p1", "blue")
    #+ net.unplug("p1")
    net.delete("blue")
    net.unplug("p1")  #-
