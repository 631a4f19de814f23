"""A compute host: it runs guests, and does its share of a resize when the conductor says so."""

from __future__ import annotations

import contextlib

from distributed.resources import Cloud, Hypervisor, Images, Network, Placement, Point


class Compute:
    """The service of one host.

    Args:
        host: its name.
        cloud: where everything is.
        point: called where something may befall it: a fault, or its end.
    """

    def __init__(self, host: str, cloud: Cloud, point: Point) -> None:
        self.host = host
        self._point = point
        self._placement = Placement(cloud)
        self._network = Network(cloud)
        self._images = Images(cloud)
        self._hypervisor = Hypervisor(cloud, point)

    def prep_resize(self, server: str, port: str) -> None:
        """As the destination: take the place that the server will need."""
        self._placement.claim(server, self.host)
        self._point("after-claim")
        self._network.bind(port, self.host)

    def resize(self, server: str) -> str:
        """As the source: make an image of the server's disk, for the way over."""
        image = self._images.snapshot(server)
        try:
            self._point("after-snapshot")
        except Exception:
            self._images.delete(image)
            raise
        return image

    def finish_resize(self, server: str, image: str) -> None:
        """As the destination: start the server from the image."""
        try:
            self._hypervisor.start(server, self.host)
        except Exception:
            self._hypervisor.clean_up(server, self.host)
            raise

    def undo_resize(self, server: str, port: str) -> None:
        """As the destination: give back whatever it has taken, as far as it has come."""
        for undo in (
            lambda: self._hypervisor.stop(server, self.host),
            lambda: self._network.unbind(port, self.host),
            lambda: self._placement.free(server, self.host),
        ):
            with contextlib.suppress(FileNotFoundError):
                undo()

    def confirm_resize(self, server: str, port: str) -> None:
        """As the source: the server is elsewhere now; let go of it."""
        self._hypervisor.stop(server, self.host)
        self._network.unbind(port, self.host)
        self._placement.free(server, self.host)

    def keep(self, server: str, port: str) -> None:
        """As the destination: what was taken is the server's own."""
        self._placement.keep(server, self.host)
        self._network.keep(port, self.host, server)
        self._hypervisor.keep(server, self.host)
