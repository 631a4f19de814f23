"""The conductor: the steps of a resize in their order, and the way back when one of them fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from distributed.resources import Cloud, Images
from distributed.wire import CallFailed, call


class Conductor:
    """The service.

    Args:
        cloud: where everything is.
        hosts: the addresses of the compute hosts, by name.
        say: prints a line.
        careless: whether it forgets the image on its way back: the mistake of this demonstration.
    """

    def __init__(self, cloud: Cloud, hosts: dict[str, str], say: Callable[[str], None], *, careless: bool) -> None:
        self._images = Images(cloud)
        self._hosts = hosts
        self._say = say
        self._careless = careless

    def _tell(self, host: str, what: str, **told: Any) -> Any:
        self._say(f"asks {host} to {what}")
        return call(self._hosts[host], what, **told)

    def resize(self, server: str, port: str, source: str, dest: str) -> None:
        """Move a server.

        Raises:
            CallFailed: a step failed, and what had been done is undone.
        """
        image = None
        try:
            self._tell(dest, "prep_resize", server=server, port=port)
            image = self._tell(source, "resize", server=server)
            self._tell(dest, "finish_resize", server=server, image=image)
        except CallFailed as error:
            self._say(f"that failed ({error}): going back")
            self._go_back(dest, server, port, image)
            raise
        self._tell(dest, "keep", server=server, port=port)
        self._tell(source, "confirm_resize", server=server, port=port)
        self._images.delete(image)

    def _go_back(self, dest: str, server: str, port: str, image: str | None) -> None:
        try:
            self._tell(dest, "undo_resize", server=server, port=port)
        except CallFailed as error:
            self._say(f"{dest} could not undo it: {error}")
        if image is not None and not self._careless:
            self._images.delete(image)
