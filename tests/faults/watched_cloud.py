"""A little cloud whose calls carry contracts: what the tests of faults explore."""

from __future__ import annotations

from lifeguard import Resource, Rollback, acquires, on_failure, releases, rolls_back, transfers, uses

image = Resource("image")
volume = Resource("volume")
server = Resource("server")
spawn = Rollback("spawn")


class Gone(Exception):
    """It is not there any more."""


class Busy(Exception):
    """The cloud says: try again."""


class Cloud:
    """Fakes in a few lines."""

    def __init__(self) -> None:
        self.number = 0

    @acquires(image, key="result", raises=Busy)
    def create_image(self) -> str:
        """An image with a number."""
        self.number += 1
        return f"image-{self.number}"

    @uses(image, key="image_id")
    def show_image(self, image_id: str) -> None:
        """Look at it."""

    @releases(image, key="image_id", gone=Gone)
    def delete_image(self, image_id: str) -> None:
        """Away with it."""

    @acquires(volume, key="name")
    def attach(self, name: str) -> None:
        """A volume is attached."""

    @releases(volume, key="name")
    def detach(self, name: str) -> None:
        """And detached."""

    @transfers(volume, key="name", to=(server, "server_id"))
    def hand_over(self, name: str, server_id: str) -> None:
        """The server owns it from now on."""

    @acquires(server, key="server_id")
    def register(self, server_id: str) -> None:
        """A server is known."""

    @releases(server, key="server_id")
    def forget(self, server_id: str) -> None:
        """And forgotten, with all that it owns."""

    @on_failure(spawn, key="server_id")
    def start(self, server_id: str) -> None:
        """A guest starts."""

    @rolls_back(spawn, key="server_id")
    def clean_up(self, server_id: str) -> None:
        """What a failed start left is taken away."""
