"""A call that makes two things raises at the second, and the first one is there."""

from contextlib import suppress

from lifeguard import Resource, acquires, atomic, releases, scope

disk = Resource("disk")


class Disks:
    @acquires(disk, key="name")
    def create(self, name):
        if name == "data":
            raise OSError("disk full")

    @releases(disk, key="name")
    def delete(self, name): ...

    @atomic
    def create_both(self):
        self.create("root")
        self.create("data")  #-
        #+ try:
        #+     self.create("data")
        #+ except OSError:
        #+     self.delete("root")
        #+     raise


with scope("boot"):
    disks = Disks()
    with suppress(OSError):
        disks.create_both()
    disks.delete("root")  #-
