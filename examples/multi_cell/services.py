"""The services of a small cloud with two cells: their contracts, and the fakes that take them over.

Read from the top: the kinds (what can be owed), the services (a contract stands where the method is declared), the
fakes (no contract is written twice: `@implements` takes over those of the service and compares the methods).
The move itself, and everything that can go wrong with it, is in `conductor.py`.
"""
# ruff: noqa: D102 -- the contracts are what these methods have to say

from __future__ import annotations

import asyncio
from itertools import count
from typing import Protocol

from lifeguard import (
    Holding,
    LedgerView,
    Resource,
    Rollback,
    acquires,
    all_of,
    implements,
    invariant,
    on_failure,
    releases,
    rolls_back,
    transfers,
    uses,
)

# --- The kinds: what can be owed in this cloud -----------------------------------------------------------------------

SERVER = Resource("server")
IMAGE = Resource("image", unseen="error")
ATTACHMENT = Resource("volume attachment", needs=all_of("device", "reservation"))
BINDING = Resource("port binding", fields=("port", "host"))
ACTIVE = Resource("active binding", fields=("port",), again="replace", within=BINDING, cascade=True)
ALLOCATION = Resource("allocation", fields=("consumer",), again="replace")
RECORD = Resource("instance record", fields=("cell", "server"))
MAPPING = Resource("block device mapping", fields=("cell", "volume"), within=RECORD, cascade=True)
GUEST = Resource("guest", fields=("host", "server"), within=RECORD)
VCPUS = Resource("vcpus", fields=("host",))

SPAWN = Rollback("spawn")
TASK = Rollback("conductor task", order="lifo")


@invariant(BINDING, ACTIVE, description="a bound port is active on exactly one host")
def one_active_binding(ledger: LedgerView) -> list[Holding]:
    """Name the bindings of ports that are active nowhere."""
    active = {each["port"] for each in ledger.held(ACTIVE)}
    return [each for each in ledger.held(BINDING) if each["port"] not in active]


class NotFound(Exception):
    """The service does not know this id (any more)."""


class HypervisorError(Exception):
    """The hypervisor could not do it."""


# --- The services: the contract stands where the method is declared --------------------------------------------------


class ImageService(Protocol):
    """Keeps images. An upload that times out may have arrived all the same: it is in doubt until somebody looks."""

    @acquires(IMAGE, key="image_id", about="server_id", in_doubt=True)
    async def upload(self, image_id: str, server_id: str, data: bytes) -> None: ...

    @uses(IMAGE, key="image_id")
    async def download(self, image_id: str) -> bytes: ...

    @releases(IMAGE, key="image_id", gone=NotFound)
    async def delete(self, image_id: str) -> None: ...


class VolumeService(Protocol):
    """Attaches volumes to hosts. A detach has two halves, and a server owns what was handed over to it."""

    @acquires(ATTACHMENT, key="result", about="server_id")
    def attach(self, volume_id: str, server_id: str, host: str) -> str: ...

    @transfers(ATTACHMENT, key="attachment_id", to=(SERVER, "server_id"))
    def hand_over(self, attachment_id: str, server_id: str) -> None: ...

    @releases(ATTACHMENT, key="attachment_id", part="device")
    def close_device(self, attachment_id: str) -> None: ...

    @releases(ATTACHMENT, key="attachment_id", part="reservation")
    def end_reservation(self, attachment_id: str) -> None: ...


class NetworkService(Protocol):
    """Binds ports to hosts. A port may be bound to two hosts during a move, but is active on one only."""

    @acquires(BINDING, key="port_id, host", about="server_id")
    def bind(self, port_id: str, host: str, server_id: str) -> None: ...

    @acquires(ACTIVE, key="port_id", within="port_id, host", about="server_id")
    def activate(self, port_id: str, host: str, server_id: str) -> None: ...

    @releases(BINDING, key="port_id, host", gone=NotFound)
    def unbind(self, port_id: str, host: str) -> None: ...


class PlacementService(Protocol):
    """Counts what consumers use. A failing call does not raise: it says so."""

    @acquires(ALLOCATION, key="consumer", about="server_id")
    def claim(self, consumer: str, server_id: str) -> None: ...

    @transfers(ALLOCATION, key="source", to_key="target", when="result")
    def move(self, source: str, target: str) -> bool: ...

    @releases(ALLOCATION, key="consumer", when="result")
    def free(self, consumer: str) -> bool: ...


class CellDatabase(Protocol):
    """The records of one cell. The hard delete of a record takes its block device mappings along."""

    cell: str

    @acquires(RECORD, key="self.cell, server_id", about="server_id")
    def create_record(self, server_id: str) -> None: ...

    @acquires(MAPPING, key="self.cell, volume_id", within="self.cell, server_id", about="server_id")
    def create_mapping(self, volume_id: str, server_id: str) -> None: ...

    @releases(RECORD, key="self.cell, server_id")
    def destroy_record(self, server_id: str) -> None: ...


class Hypervisor(Protocol):
    """Runs guests on one host. A spawn that fails leaves half a guest, which the caller has to clean away."""

    cell: str
    host: str

    @acquires(VCPUS, key="self.host", amount="vcpus")
    def reserve(self, vcpus: int) -> None: ...

    @releases(VCPUS, key="self.host", amount="vcpus")
    def give_back(self, vcpus: int) -> None: ...

    @on_failure(SPAWN, key="self.host, server_id", about="server_id", raises=HypervisorError)
    @acquires(GUEST, key="self.host, server_id", within="self.cell, server_id", about="server_id")
    def spawn(self, server_id: str, disk: bytes) -> None: ...

    @rolls_back(SPAWN, key="self.host, server_id", raises=HypervisorError, retried=True)
    def clean_up(self, server_id: str) -> None: ...

    @releases(GUEST, key="self.host, server_id", raises=HypervisorError)
    def destroy(self, server_id: str) -> None: ...


# --- The fakes: as forgiving as fakes are, which is why nobody would notice ------------------------------------------


@implements(ImageService)
class FakeImages:
    """Deletes without complaint what is not there, and serves deleted images from its cache."""

    def __init__(self) -> None:
        self.cache: dict[str, bytes] = {}
        self.time_out = False

    async def upload(self, image_id: str, server_id: str, data: bytes) -> None:
        await asyncio.sleep(0)
        self.cache[image_id] = data
        if self.time_out:
            raise TimeoutError(f"no answer to the upload of {image_id}")

    async def download(self, image_id: str) -> bytes:
        await asyncio.sleep(0)
        return self.cache[image_id]

    async def delete(self, image_id: str) -> None:
        await asyncio.sleep(0)


@implements(VolumeService)
class FakeVolumes:
    """Numbers its attachments."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def attach(self, volume_id: str, server_id: str, host: str) -> str:
        return f"attachment-{next(self.numbers)}"

    def hand_over(self, attachment_id: str, server_id: str) -> None:
        pass

    def close_device(self, attachment_id: str) -> None:
        pass

    def end_reservation(self, attachment_id: str) -> None:
        pass


@implements(NetworkService)
class FakeNetwork:
    """Knows only which bindings somebody else has removed."""

    def __init__(self) -> None:
        self.lost: set[tuple[str, str]] = set()

    def bind(self, port_id: str, host: str, server_id: str) -> None:
        pass

    def activate(self, port_id: str, host: str, server_id: str) -> None:
        pass

    def unbind(self, port_id: str, host: str) -> None:
        if (port_id, host) in self.lost:
            raise NotFound(f"{port_id} is not bound to {host}")


@implements(PlacementService)
class FakePlacement:
    """Keeps the consumers."""

    def __init__(self) -> None:
        self.consumers: set[str] = set()

    def claim(self, consumer: str, server_id: str) -> None:
        self.consumers.add(consumer)

    def move(self, source: str, target: str) -> bool:
        moved = source in self.consumers
        self.consumers.discard(source)
        self.consumers.add(target)
        return moved

    def free(self, consumer: str) -> bool:
        held = consumer in self.consumers
        self.consumers.discard(consumer)
        return held


@implements(CellDatabase)
class FakeCell:
    """Remembers nothing at all."""

    def __init__(self, cell: str) -> None:
        self.cell = cell

    def create_record(self, server_id: str) -> None:
        pass

    def create_mapping(self, volume_id: str, server_id: str) -> None:
        pass

    def destroy_record(self, server_id: str) -> None:
        pass


@implements(Hypervisor)
class FakeHypervisor:
    """Fails on demand: put "spawn" or "destroy" into `broken`. Right after a failed spawn it is busy."""

    def __init__(self, cell: str, host: str) -> None:
        self.cell = cell
        self.host = host
        self.broken: set[str] = set()
        self.busy = False

    def _work(self, method: str) -> None:
        if method in self.broken:
            raise HypervisorError(f"{method} failed on {self.host}")

    def reserve(self, vcpus: int) -> None:
        pass

    def give_back(self, vcpus: int) -> None:
        pass

    def spawn(self, server_id: str, disk: bytes) -> None:
        self.busy = "spawn" in self.broken
        self._work("spawn")

    def clean_up(self, server_id: str) -> None:
        busy, self.busy = self.busy, False
        if busy:
            raise HypervisorError(f"the disk of {server_id} is still in use on {self.host}")

    def destroy(self, server_id: str) -> None:
        self._work("destroy")
