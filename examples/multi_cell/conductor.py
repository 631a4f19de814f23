"""The compute hosts and the conductor, which moves a server and rolls back what it began.

A hole is a line that can be left out, or put in the wrong place: `cloud.intact("name")` guards it.
"""
# ruff: noqa: D102 -- what a step does and undoes is said by its class

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from lifeguard import acquires, atomic, on_failure, releases, rolls_back, settles
from multi_cell.services import (
    BINDING,
    GUEST,
    IMAGE,
    SERVER,
    TASK,
    FakeCell,
    FakeHypervisor,
    FakeImages,
    FakeNetwork,
    FakePlacement,
    FakeVolumes,
    HypervisorError,
    NotFound,
)

T = TypeVar("T")


@dataclass
class Server:
    """A virtual machine, as the conductor knows it."""

    uuid: str
    host: ComputeHost
    vcpus: int
    volumes: tuple[str, ...] = ("volume-1", "volume-2")
    ports: tuple[str, ...] = ("port-1", "port-2")
    attachments: list[str] = field(default_factory=list)


@dataclass
class Migration:
    """One move of a server from one host to another."""

    uuid: str
    server: Server
    source: ComputeHost
    dest: ComputeHost
    vcpus: int
    attachments: list[str] = field(default_factory=list)

    @property
    def image_id(self) -> str:
        """Id of the snapshot that carries the root disk over."""
        return f"snapshot-of-{self.uuid}"


class ComputeHost:
    """A host of one cell. What it does, it does in its own thread, as if it were called over a message bus."""

    def __init__(self, cloud: Cloud, cell: FakeCell, name: str) -> None:
        self.cloud = cloud
        self.cell = cell
        self.name = name
        self.hypervisor = FakeHypervisor(cell.cell, name)
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def call(self, method: Callable[..., T], *arguments: object) -> T:
        """Run a method in the host's thread and wait for what comes of it."""
        return self.worker.submit(method, *arguments).result()

    def start(self, server: Server, image_id: str | None = None) -> None:
        """Start the guest, from a snapshot where one is named."""
        disk = asyncio.run(self.cloud.images.download(image_id)) if image_id else b"the disk that is there"
        try:
            self.hypervisor.spawn(server.uuid, disk)
        except HypervisorError:
            if self.cloud.intact("half-a-guest-left"):
                self._clean_up(server)
            raise

    def _clean_up(self, server: Server) -> None:
        try:
            self.hypervisor.clean_up(server.uuid)
        except HypervisorError:  # still busy with the spawn that failed: once more
            if self.cloud.intact("failed-clean-up-swallowed"):
                self.hypervisor.clean_up(server.uuid)

    def stop(self, server: Server) -> None:
        """Destroy the guest; its disk stays for a revert."""
        self.hypervisor.destroy(server.uuid)

    def snapshot(self, server: Server, image_id: str) -> None:
        """Upload the guest's disk as an image."""
        asyncio.run(self.cloud.images.upload(image_id, server.uuid, b"disk"))

    def detach(self, attachment_id: str) -> None:
        """Take a volume off this host: first the device here, then the reservation at the volume service."""
        self.cloud.volumes.close_device(attachment_id)
        if self.cloud.intact("reservation-kept"):
            self.cloud.volumes.end_reservation(attachment_id)


class Task:
    """One step of a move. Subclasses fill in `do` and `undo`; the contract stands on what is called from outside."""

    def __init__(self, cloud: Cloud, migration: Migration) -> None:
        self.cloud = cloud
        self.migration = migration
        self.server = migration.server
        self.source = migration.source
        self.dest = migration.dest

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self.migration.uuid}"

    @on_failure(TASK, key="self", about="self.server.uuid")
    def execute(self) -> None:
        """Do this step. Whoever calls it owes a rollback when it raises."""
        self.do()

    @rolls_back(TASK, key="self")
    def rollback(self) -> None:
        """Take back what this step did, as far as it came."""
        self.undo()

    def do(self) -> None:
        """The work."""

    def undo(self) -> None:
        """The way back."""


class MoveAllocation(Task):
    """The migration takes over what the server holds on the source, so that the server can claim the destination."""

    def do(self) -> None:
        self.cloud.placement.move(self.server.uuid, self.migration.uuid)
        self.cloud.placement.claim(self.server.uuid, self.server.uuid)

    def undo(self) -> None:
        self.cloud.placement.free(self.server.uuid)
        if self.cloud.intact("allocation-not-moved-back"):
            self.cloud.placement.move(self.migration.uuid, self.server.uuid)


class CopyRecords(Task):
    """The destination's cell gets a record of the server."""

    def do(self) -> None:
        self.cloud.create_records(self.dest, self.server)

    def undo(self) -> None:
        if self.cloud.intact("target-record-left"):
            self.dest.cell.destroy_record(self.server.uuid)


class PrepareDestination(Task):
    """The destination gets the CPUs, the ports (not active yet) and the volumes."""

    def do(self) -> None:
        self.dest.hypervisor.reserve(self.migration.vcpus)
        for volume in self.server.volumes:
            attachment = self.cloud.volumes.attach(volume, self.server.uuid, self.dest.name)
            self.migration.attachments.append(attachment)
        for port in self.server.ports:
            self.cloud.network.bind(port, self.dest.name, self.server.uuid)
        if not self.cloud.intact("port-bound-twice"):
            self.cloud.network.bind("port-2", self.dest.name, self.server.uuid)

    def undo(self) -> None:
        if self.cloud.intact("vcpus-kept"):
            self.dest.hypervisor.give_back(self.migration.vcpus)
        if self.cloud.intact("volumes-left-attached"):
            for attachment in self.migration.attachments:
                self.dest.call(self.dest.detach, attachment)
        for port in self.server.ports:
            try:
                self.cloud.network.unbind(port, self.dest.name)
            except NotFound:  # somebody was faster: the next port all the same
                if not self.cloud.intact("rollback-stops-at-first-failure"):
                    raise
                if not self.cloud.intact("unbinding-stops-at-first-failure"):
                    break


class PrepareSource(Task):
    """The source uploads a snapshot and gives up the guest."""

    stopped = False

    def do(self) -> None:
        self.source.call(self.source.snapshot, self.server, self.migration.image_id)
        self.source.call(self.source.stop, self.server)
        self.stopped = True

    def undo(self) -> None:
        if self.cloud.intact("snapshot-left", "image-deleted-by-name"):
            asyncio.run(self.cloud.images.delete(self.migration.image_id))
        if not self.cloud.intact("image-deleted-by-name"):
            asyncio.run(self.cloud.images.delete(f"snapshot of {self.server.uuid}"))
        if self.stopped and self.cloud.intact("source-guest-not-restarted"):
            self.source.call(self.source.start, self.server)


class FinishAtDestination(Task):
    """The destination takes the ports over and starts the guest from the snapshot, which is then of no more use."""

    @settles(IMAGE, about="self.server.uuid")
    def do(self) -> None:
        for port in self.server.ports:
            self.cloud.network.activate(port, self.dest.name, self.server.uuid)
        if not self.cloud.intact("snapshot-deleted-before-use"):
            asyncio.run(self.cloud.images.delete(self.migration.image_id))
        self.dest.call(self.dest.start, self.server, self.migration.image_id)
        if self.cloud.intact("snapshot-outlives-the-move", "snapshot-deleted-before-use"):
            asyncio.run(self.cloud.images.delete(self.migration.image_id))

    def undo(self) -> None:
        for port in self.server.ports:
            if self.cloud.intact("source-not-active-again") or port == "port-1":
                self.cloud.network.activate(port, self.source.name, self.server.uuid)


class Resize(Task):
    """The whole move, step by step; when one fails, it and those before it are rolled back, the last first."""

    def __init__(self, cloud: Cloud, migration: Migration) -> None:
        super().__init__(cloud, migration)
        steps = (MoveAllocation, CopyRecords, PrepareDestination, PrepareSource, FinishAtDestination)
        self.steps = [step(cloud, migration) for step in steps]
        self.begun: list[Task] = []

    def run(self) -> None:
        """Move the server, or raise and leave everything as it was."""
        try:
            self.execute()
        except Exception:
            self.rollback()
            raise

    def do(self) -> None:
        for step in self.steps:
            self.begun.append(step)
            step.execute()

    def undo(self) -> None:
        begun = self.begun[::-1]
        if not self.cloud.intact("failed-step-not-rolled-back"):
            del begun[0]
        if not self.cloud.intact("first-step-rolled-back-first"):
            begun.reverse()
        for step in begun:
            try:
                step.rollback()
            except Exception:  # the others are tried all the same
                if not self.cloud.intact("rollback-stops-at-first-failure"):
                    break


class Cloud:
    """Two cells with a host each, the services they share, and the conductor's verbs."""

    def __init__(self, hole: str | None = None) -> None:
        self.hole = hole
        self.images = FakeImages()
        self.volumes = FakeVolumes()
        self.network = FakeNetwork()
        self.placement = FakePlacement()
        self.source = ComputeHost(self, FakeCell("cell1"), "host-a")
        self.dest = ComputeHost(self, FakeCell("cell2"), "host-b")

    def intact(self, *holes: str) -> bool:
        """Whether none of these holes is switched on."""
        return self.hole not in holes

    @acquires(SERVER, key="server.uuid")
    def register(self, server: Server) -> None:
        """Make the server known to its users."""

    @releases(SERVER, key="server.uuid")
    def forget(self, server: Server) -> None:
        """Take it out of the list; the volume service drops the attachments that a server owns along with it."""

    def create_records(self, host: ComputeHost, server: Server) -> None:
        """Write the server's records into the cell of a host."""
        host.cell.create_record(server.uuid)
        for volume in server.volumes:
            host.cell.create_mapping(volume, server.uuid)

    def boot(self, uuid: str) -> Server:
        """Start a new server on the source."""
        server = Server(uuid, self.source, vcpus=2)
        if self.intact("handed-over-too-early"):
            self.register(server)
        self.create_records(self.source, server)
        self.placement.claim(uuid, uuid)
        self.source.hypervisor.reserve(server.vcpus)
        for volume in server.volumes:
            server.attachments.append(self.volumes.attach(volume, uuid, self.source.name))
            self.volumes.hand_over(server.attachments[-1], uuid)
        for port in server.ports:
            self.network.bind(port, self.source.name, uuid)
            self.network.activate(port, self.source.name, uuid)
        if not self.intact("handed-over-too-early"):
            self.register(server)
        try:
            self.source.call(self.source.start, server)
        except HypervisorError:
            self.scrap(server)
            raise
        return server

    def delete(self, server: Server) -> None:
        """Stop the server and give back all it has."""
        server.host.call(server.host.stop, server)
        self.scrap(server)

    def scrap(self, server: Server) -> None:
        """Give back what a server without a guest has."""
        for port in server.ports:
            with suppress(NotFound):
                self.network.unbind(port, server.host.name)
        server.host.hypervisor.give_back(server.vcpus)
        server.host.cell.destroy_record(server.uuid)
        if self.intact("failed-boot-keeps-its-allocation"):
            self.placement.free(server.uuid)
        self.forget(server)

    @atomic(about="server.uuid", restores=True)
    def resize(self, server: Server, vcpus: int) -> Migration:
        """Move the server to the destination, or raise and leave everything as it was."""
        migration = Migration("migration-1", server, self.source, self.dest, vcpus)
        Resize(self, migration).run()
        server.host = migration.dest
        return migration

    @settles(BINDING, GUEST, key={"host": "migration.source.name"})
    def confirm(self, migration: Migration) -> None:
        """Give up the source."""
        server, source = migration.server, migration.source
        for attachment in server.attachments:
            source.call(source.detach, attachment)
        for port in server.ports:
            if self.intact("source-binding-kept") or port == "port-1":
                self.network.unbind(port, source.name)
        source.hypervisor.give_back(server.vcpus if self.intact("wrong-flavor-given-back") else migration.vcpus)
        if self.intact("migration-allocation-kept"):
            self.placement.free(migration.uuid)
        source.cell.destroy_record(server.uuid)
        if self.intact("attachments-not-handed-over"):
            for attachment in migration.attachments:
                self.volumes.hand_over(attachment, server.uuid)
        if not self.intact("snapshot-deleted-twice"):
            asyncio.run(self.images.delete(migration.image_id))
        server.attachments, server.vcpus = migration.attachments, migration.vcpus

    @settles(BINDING, GUEST, key={"host": "migration.dest.name"})
    def revert(self, migration: Migration) -> None:
        """Give up the destination and start the server again where it was."""
        server, source, dest = migration.server, migration.source, migration.dest
        if not self.intact("record-destroyed-under-its-guest"):
            dest.cell.destroy_record(server.uuid)
        dest.call(dest.stop, server)
        for attachment in migration.attachments:
            dest.call(dest.detach, attachment)
        for port in server.ports:
            if self.intact("source-not-active-after-revert") or port == "port-1":
                self.network.activate(port, source.name, server.uuid)
            self.network.unbind(port, dest.name)
        dest.hypervisor.give_back(migration.vcpus)
        if self.intact("target-record-kept", "record-destroyed-under-its-guest"):
            dest.cell.destroy_record(server.uuid)
        self.placement.free(server.uuid)
        self.placement.move(migration.uuid, server.uuid)
        source.call(source.start, server)
        server.host = source

    def back_up(self, server: Server) -> str | None:
        """Upload a backup; the id of its image, or None where the upload failed."""
        image_id = f"backup-of-{server.uuid}"
        try:
            server.host.call(server.host.snapshot, server, image_id)
        except TimeoutError:
            if self.intact("timed-out-upload-forgotten"):
                asyncio.run(self.images.delete(image_id))  # it may have arrived
            return None
        return image_id

    def close(self) -> None:
        """Let the hosts' threads end."""
        self.source.worker.shutdown()
        self.dest.worker.shutdown()
