"""A volume is given to a server that does not exist yet."""

from lifeguard import Resource, acquires, releases, scope, transfers

server = Resource("server")
volume = Resource("volume")


class Cloud:
    @acquires(volume, key="name")
    def create_volume(self, name): ...

    @transfers(volume, key="name", to=(server, "to"))
    def attach(self, name, to): ...

    @acquires(server, key="name")
    def boot(self, name): ...

    @releases(server, key="name")
    def destroy(self, name): ...


with scope("boot"):
    cloud = Cloud()
    cloud.create_volume("root")
    #+ cloud.boot("web")
    cloud.attach("root", to="web")
    cloud.boot("web")  #-
    cloud.destroy("web")
