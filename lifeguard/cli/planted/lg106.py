"""Two machines go by one address."""

from lifeguard import Resource, acquires, releases, scope

address = Resource("address")


class Addresses:
    @acquires(address, key="name")
    def lease(self, name): ...

    @releases(address, key="name")
    def give_back(self, name): ...


with scope("boot"):
    addresses = Addresses()
    addresses.lease("10.0.0.1")
    addresses.lease("10.0.0.1")  #-
    #+ addresses.lease("10.0.0.2")
    addresses.give_back("10.0.0.1")
    addresses.give_back("10.0.0.1")  #-
    #+ addresses.give_back("10.0.0.2")
