"""A server moves between two cells, and lifeguard watches what the move acquires, hands over and rolls back.

    python examples/multi_cell_migration.py                  the whole show
    python examples/multi_cell_migration.py --list           names of the paths and the holes
    python examples/multi_cell_migration.py --hole NAME      one planted hole, and the report it gets
    python examples/multi_cell_migration.py --only paths     the correct code alone (or: --only holes)

`multi_cell/services.py` has the services with their contracts, and the fakes that take the contracts over.
`multi_cell/conductor.py` has the compute hosts (each works in a thread of its own) and the conductor, which resizes,
confirms, reverts and, when a step fails, rolls back what was begun, the last step first.
Here are the paths through it, the table of holes, and the show. The exit code is 0 when every path balances and every
hole is found exactly as the table says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from multi_cell.conductor import Cloud
from multi_cell.services import HypervisorError

from lifeguard import Scope, scope

# --- The paths through it: each one balances -------------------------------------------------------------------------


@contextmanager
def fails(error: type[Exception]) -> Iterator[None]:
    """The block has to raise this."""
    try:
        yield
    except error:
        return
    raise AssertionError(f"no {error.__name__} was raised")


def resize_and_confirm(cloud: Cloud) -> None:
    """A server is resized across cells, confirmed, and deleted where it is then."""
    server = cloud.boot("server-1")
    cloud.confirm(cloud.resize(server, vcpus=4))
    cloud.delete(server)


def resize_and_revert(cloud: Cloud) -> None:
    """A server is resized across cells, reverted, and deleted where it was."""
    server = cloud.boot("server-1")
    cloud.revert(cloud.resize(server, vcpus=4))
    cloud.delete(server)


def spawn_fails(cloud: Cloud) -> None:
    """The guest does not start on the destination; somebody else has removed a port binding there already."""
    server = cloud.boot("server-1")
    cloud.dest.hypervisor.broken.add("spawn")
    cloud.network.lost.add(("port-1", "host-b"))
    with fails(HypervisorError):
        cloud.resize(server, vcpus=4)
    cloud.delete(server)


def destroy_fails(cloud: Cloud) -> None:
    """The snapshot is uploaded, but then the guest on the source cannot be destroyed."""
    server = cloud.boot("server-1")
    cloud.source.hypervisor.broken.add("destroy")
    with fails(HypervisorError):
        cloud.resize(server, vcpus=4)
    cloud.source.hypervisor.broken.clear()
    cloud.delete(server)


def boot_fails(cloud: Cloud) -> None:
    """A new server does not start, and the exception leaves the watched block."""
    cloud.source.hypervisor.broken.add("spawn")
    cloud.boot("server-1")


def backup_times_out(cloud: Cloud) -> None:
    """The upload of a backup gets no answer: the image may be there or not."""
    server = cloud.boot("server-1")
    cloud.images.time_out = True
    cloud.back_up(server)
    cloud.delete(server)


Path = Callable[[Cloud], None]
PATHS: tuple[Path, ...] = (
    resize_and_confirm,
    resize_and_revert,
    spawn_fails,
    destroy_fails,
    boot_fails,
    backup_times_out,
)


# --- The holes: one left out line each, and what has to be said about it ---------------------------------------------

Finding = tuple[str, str, object]
"""Code of the rule, name of the kind, key."""


@dataclass(frozen=True)
class Hole:
    """A planted mistake.

    Attributes:
        name: what `Cloud.intact` asks for.
        path: the path that shows it.
        broken: what is wrong, in one sentence.
        finds: what lifeguard has to say, no more and no less.
    """

    name: str
    path: Path
    broken: str
    finds: frozenset[Finding]


def hole(name: str, path: Path, broken: str, *finds: Finding) -> Hole:
    """A line of the table."""
    return Hole(name, path, broken, frozenset(finds))


HOLES: tuple[Hole, ...] = (
    hole(
        "handed-over-too-early",
        resize_and_confirm,
        "Boot hands the volume attachments over to a server that is not registered yet.",
        ("LG107", "volume attachment", "attachment-1"),
        ("LG107", "volume attachment", "attachment-2"),
    ),
    hole(
        "port-bound-twice",
        resize_and_confirm,
        "Preparing the destination binds port-2 a second time.",
        ("LG106", "port binding", ("port-2", "host-b")),
    ),
    hole(
        "snapshot-deleted-before-use",
        resize_and_confirm,
        "The snapshot is deleted before the guest is started from it; a cache makes that work today.",
        ("LG104", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "snapshot-outlives-the-move",
        resize_and_confirm,
        "Nobody deletes the snapshot when the guest has started from it.",
        ("LG111", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "snapshot-deleted-twice",
        resize_and_confirm,
        "Confirm deletes the snapshot, which the move has deleted already.",
        ("LG103", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "source-binding-kept",
        resize_and_confirm,
        "Confirm unbinds only the first port from the source.",
        ("LG111", "port binding", ("port-2", "host-a")),
    ),
    hole(
        "wrong-flavor-given-back",
        resize_and_confirm,
        "Confirm gives back the CPUs of the new flavor on the source, where the old one was reserved.",
        ("LG103", "vcpus", "host-a"),
    ),
    hole(
        "migration-allocation-kept",
        resize_and_confirm,
        "Confirm leaves the allocation that the migration took over from the server.",
        ("LG101", "allocation", "migration-1"),
    ),
    hole(
        "attachments-not-handed-over",
        resize_and_confirm,
        "Confirm does not make the server the owner of its new attachments, so deleting it leaves them.",
        ("LG101", "volume attachment", "attachment-3"),
        ("LG101", "volume attachment", "attachment-4"),
    ),
    hole(
        "source-not-active-after-revert",
        resize_and_revert,
        "Revert forgets to activate port-2 on the source before it unbinds the destination.",
        ("LG302", "port binding", ("port-2", "host-a")),
    ),
    hole(
        "record-destroyed-under-its-guest",
        resize_and_revert,
        "Revert destroys the record in the target cell while the guest still runs there.",
        ("LG108", "instance record", ("cell2", "server-1")),
    ),
    hole(
        "target-record-kept",
        resize_and_revert,
        "Revert leaves the record (and with it the block device mappings) in the target cell.",
        ("LG101", "instance record", ("cell2", "server-1")),
    ),
    hole(
        "reservation-kept",
        resize_and_revert,
        "A detach closes the device on the host, but leaves the reservation at the volume service.",
        ("LG110", "volume attachment", "attachment-3"),
        ("LG110", "volume attachment", "attachment-4"),
    ),
    hole(
        "half-a-guest-left",
        spawn_fails,
        "Nobody cleans up what the failed spawn left on the host.",
        ("LG201", "spawn", ("host-b", "server-1")),
    ),
    hole(
        "failed-clean-up-swallowed",
        spawn_fails,
        "The first try at cleaning up fails, and the error is swallowed instead of trying again.",
        ("LG202", "spawn", ("host-b", "server-1")),
    ),
    hole(
        "snapshot-left",
        spawn_fails,
        "The rollback of the source forgets the snapshot.",
        ("LG204", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "image-deleted-by-name",
        spawn_fails,
        "The rollback deletes the snapshot by its name instead of its id.",
        ("LG105", "image", "snapshot of server-1"),
        ("LG204", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "source-not-active-again",
        spawn_fails,
        "The rollback activates only the first port on the source again.",
        ("LG204", "active binding", "port-2"),
    ),
    hole(
        "volumes-left-attached",
        spawn_fails,
        "The rollback of the destination leaves the volumes attached there.",
        ("LG204", "volume attachment", "attachment-3"),
        ("LG204", "volume attachment", "attachment-4"),
    ),
    hole(
        "unbinding-stops-at-first-failure",
        spawn_fails,
        "The first port is unbound already; the loop stops there and never comes to the second.",
        ("LG204", "port binding", ("port-2", "host-b")),
    ),
    hole(
        "vcpus-kept",
        spawn_fails,
        "The rollback of the destination does not give the CPUs back.",
        ("LG101", "vcpus", "host-b"),
    ),
    hole(
        "source-guest-not-restarted",
        spawn_fails,
        "The rollback does not start the guest on the source again.",
        ("LG204", "guest", ("host-a", "server-1")),
    ),
    hole(
        "target-record-left",
        spawn_fails,
        "The rollback leaves the server's record in the target cell.",
        ("LG204", "instance record", ("cell2", "server-1")),
    ),
    hole(
        "allocation-not-moved-back",
        spawn_fails,
        "The rollback frees the destination, but the migration keeps what it took over from the server.",
        ("LG204", "allocation", "migration-1"),
    ),
    hole(
        "first-step-rolled-back-first",
        spawn_fails,
        "The rollback runs the steps in the order in which they were done.",
        ("LG206", "conductor task", "MoveAllocation of migration-1"),
        ("LG206", "conductor task", "CopyRecords of migration-1"),
        ("LG206", "conductor task", "PrepareDestination of migration-1"),
    ),
    hole(
        "rollback-stops-at-first-failure",
        spawn_fails,
        "One rollback fails, and the loop over the steps ends there.",
        ("LG202", "conductor task", "PrepareDestination of migration-1"),
        ("LG206", "conductor task", "CopyRecords of migration-1"),
        ("LG206", "conductor task", "MoveAllocation of migration-1"),
        ("LG204", "port binding", ("port-2", "host-b")),
        ("LG204", "instance record", ("cell2", "server-1")),
        ("LG204", "allocation", "migration-1"),
        ("LG204", "allocation", "server-1"),
    ),
    hole(
        "failed-step-not-rolled-back",
        destroy_fails,
        "Only the steps that had returned are rolled back, not the one that failed half way.",
        ("LG201", "conductor task", "PrepareSource of migration-1"),
        ("LG204", "image", "snapshot-of-migration-1"),
    ),
    hole(
        "failed-boot-keeps-its-allocation",
        boot_fails,
        "The clean-up of a failed boot forgets the allocation.",
        ("LG102", "allocation", "server-1"),
    ),
    hole(
        "timed-out-upload-forgotten",
        backup_times_out,
        "Nobody looks whether the upload that timed out has arrived.",
        ("LG205", "image", "backup-of-server-1"),
    ),
)


# --- The show --------------------------------------------------------------------------------------------------------


def watch(path: Path, hole_name: str | None = None) -> Scope:
    """Run a path under the eyes of lifeguard, and give back the scope, which has recorded what there is to say."""
    cloud = Cloud(hole_name)
    # The hosts work in their own threads, which no context variable reaches: the scope watches the whole process.
    watched = scope(title(path), reach="process", remember=None, on_violation="record")
    with suppress(HypervisorError), watched:
        path(cloud)
    cloud.close()
    return watched


def found(watched: Scope) -> frozenset[Finding]:
    """What was found, in the form of the table."""
    return frozenset((each.code, each.kind, each.key) for each in watched.violations)


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'=' * len(text)}")


def show_path(path: Path) -> bool:
    """Run a path without holes; tell whether it balances."""
    heading(f"path: {title(path)}")
    print(path.__doc__)
    watched = watch(path)
    print(f"\n{watched.report()}")
    return not watched.violations


def show_hole(one: Hole) -> bool:
    """Run a path with one hole; tell whether what was found is what the table says."""
    heading(f"hole: {one.name}   (on the path: {title(one.path)})")
    print(one.broken)
    watched = watch(one.path, one.name)
    findings, _, _counts = watched.report().partition("\n\nwatched ")  # the counts stand with the path already
    print(f"\n{findings}")
    for what, difference in ("NOT FOUND", one.finds - found(watched)), ("NOT EXPECTED", found(watched) - one.finds):
        for finding in sorted(difference, key=str):
            print(f"{what}: {finding}")
    return found(watched) == one.finds


def title(path: Path) -> str:
    """A path's name as text."""
    return path.__name__.replace("_", " ")


def main(arguments: list[str] | None = None) -> int:
    """Show what was asked for; 0 when everything was as it should be."""
    parser = argparse.ArgumentParser(description="A server moves between two cells; lifeguard names what goes wrong.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="name the paths and the holes")
    what.add_argument("--hole", choices=[one.name for one in HOLES], metavar="NAME", help="show this hole only")
    what.add_argument("--only", choices=["paths", "holes"], help="show the paths only, or the holes only")
    options = parser.parse_args(arguments)
    if options.list:
        print("paths:", *(f"  {title(path):<36} {path.__doc__}" for path in PATHS), sep="\n")
        print("holes:", *(f"  {one.name:<36} {one.broken}" for one in HOLES), sep="\n")
        return 0
    paths = () if options.hole or options.only == "holes" else PATHS
    holes = () if options.only == "paths" else [one for one in HOLES if options.hole in (None, one.name)]
    balanced = [show_path(path) for path in paths]
    named = [show_hole(one) for one in holes]
    heading("summary")
    if paths:
        print(f"{sum(balanced)} of {len(paths)} correct paths balance.")
    if holes:
        print(f"{sum(named)} of {len(holes)} holes were found exactly as the table says.")
    return 0 if all(balanced) and all(named) else 1


if __name__ == "__main__":
    sys.exit(main())
