"""The answer to a request is lost, and nobody asks whether it was carried out."""

from contextlib import suppress

from lifeguard import Resource, acquires, releases, scope

volume = Resource("volume")


class NotFound(Exception):
    pass


class Volumes:
    @acquires(volume, key="name", in_doubt=True)
    def create(self, name):
        raise TimeoutError("no answer")

    @releases(volume, key="name", gone=NotFound)
    def delete(self, name):
        raise NotFound(name)


with scope("boot"):
    volumes = Volumes()
    with suppress(TimeoutError):
        volumes.create("root")
    #+ with suppress(NotFound):
    #+     volumes.delete("root")
