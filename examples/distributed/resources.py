"""What can be owed in this cloud, and the clients by which every process reaches it.

The cloud itself is a folder with a file for each thing, so that what a dead process leaves behind really is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lifeguard import Resource, Rollback, acquires, on_failure, releases, rolls_back, transfers

SERVER = Resource("server")
ALLOCATION = Resource("allocation", fields=("server", "host"))
BINDING = Resource("port binding", fields=("port", "host"))
IMAGE = Resource("image")
GUEST = Resource("guest", fields=("server", "host"))
SPAWN = Rollback("spawn")


Point = Callable[[str], None]
"""Called where something may befall a service: it raises, it ends the process, or it does nothing."""


class Cloud:
    """Everything that exists, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, *name: str) -> None:
        """One thing more."""
        (self.folder / "~".join(name)).touch(exist_ok=False)

    def remove(self, *name: str) -> None:
        """One thing less."""
        (self.folder / "~".join(name)).unlink()

    def everything(self) -> list[str]:
        """What there is, in words."""
        return sorted(one.name.replace("~", " ") for one in self.folder.iterdir() if "~" in one.name)


class Placement:
    """Who may use how much of which host."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @acquires(ALLOCATION, key="server, host")
    def claim(self, server: str, host: str) -> None:
        """Take a place on a host."""
        self._cloud.make("allocation", server, host)

    @releases(ALLOCATION, key="server, host")
    def free(self, server: str, host: str) -> None:
        """Give it back."""
        self._cloud.remove("allocation", server, host)

    @transfers(ALLOCATION, key="server, host", to=(SERVER, "server"))
    def keep(self, server: str, host: str) -> None:
        """It is the server's from now on, and goes with it."""


class Network:
    """Where ports are bound."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @acquires(BINDING, key="port, host")
    def bind(self, port: str, host: str) -> None:
        """Bind a port on a host; it may be bound on several."""
        self._cloud.make("binding", port, host)

    @releases(BINDING, key="port, host")
    def unbind(self, port: str, host: str) -> None:
        """Take the binding away."""
        self._cloud.remove("binding", port, host)

    @transfers(BINDING, key="port, host", to=(SERVER, "server"))
    def keep(self, port: str, host: str, server: str) -> None:
        """It is the server's from now on."""


class Images:
    """The image service."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @acquires(IMAGE, key="result", about="server")
    def snapshot(self, server: str) -> str:
        """Make an image of a server's disk."""
        self._cloud.make("image", f"snapshot-of-{server}")
        return f"snapshot-of-{server}"

    @releases(IMAGE, key="image")
    def delete(self, image: str) -> None:
        """Delete it."""
        self._cloud.remove("image", image)


class Hypervisor:
    """What runs the guests of one host."""

    def __init__(self, cloud: Cloud, point: Point) -> None:
        self._cloud = cloud
        self._point = point

    @acquires(GUEST, key="server, host")
    @on_failure(SPAWN, key="server, host")
    def start(self, server: str, host: str) -> None:
        """Start a guest. What fails half-way has to be cleaned up."""
        self._cloud.make("disk", server, host)
        self._point("finish_resize")
        self._cloud.make("guest", server, host)

    @rolls_back(SPAWN, key="server, host")
    def clean_up(self, server: str, host: str) -> None:
        """Remove what a failed start has left."""
        self._cloud.remove("disk", server, host)

    @releases(GUEST, key="server, host")
    def stop(self, server: str, host: str) -> None:
        """Stop a guest for good."""
        self._cloud.remove("guest", server, host)
        self._cloud.remove("disk", server, host)

    @transfers(GUEST, key="server, host", to=(SERVER, "server"))
    def keep(self, server: str, host: str) -> None:
        """It is the server's from now on."""


def releasers(cloud: Cloud) -> list[object]:
    """Whose contracts say how each of these things is released, for `lifeguard.stores.reap`."""
    return [Hypervisor(cloud, lambda point: None), Images(cloud), Network(cloud), Placement(cloud)]
