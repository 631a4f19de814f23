"""A clean-up that can fail hides why it was needed. Only fault exploration sees this: it makes the calls fail."""

from lifeguard import Resource, acquires, releases
from lifeguard.faults import explore

port = Resource("port")


class Ports:
    @acquires(port, key="name")
    def create(self, name): ...

    @releases(port, key="name")
    def delete(self, name): ...


def boot():
    ports = Ports()
    failed = False
    try:
        ports.create("p1")
    except Exception:
        failed = True
        #+ raise
    if failed:
        raise RuntimeError("boot failed")
    ports.delete("p1")


explore(boot, kinds=["before"], depth=1).raise_if_found()
