"""What Nova's tests leave on purpose, and what unbroken Nova does: the one place, with a reason on each line.

`LEFT` says for each test in which state its servers are when it ends. A server that is not named there has to be gone.
`FOUND` and `BY_DESIGN` cover what Nova and its fakes do whatever the test; docs/nova.md tells each of them in full.
"""

from __future__ import annotations

from collections.abc import Callable

from examples.nova.kinds import (
    action_event,
    active_binding,
    allocation,
    block_device_mapping,
    claim,
    guest,
    guest_disks,
    hypervisor_units,
    instance_mapping,
    instance_record,
    migration_context,
    migration_record,
    pending_resize,
    port_binding,
    port_ownership,
    task_state,
    virtual_interface,
    volume_attachment,
)
from lifeguard import Resource

HOST1 = ("cell1", "host1")
HOST2 = ("cell2", "host2")
HOST3 = ("cell1", "host3")

Allow = Callable[..., None]
State = Callable[[Allow, str], None]


def active(
    where: tuple[str, str], *, ports: int = 1, volumes: int = 0, copied: int = 0, retried: bool = False
) -> State:
    """A server that goes on running.

    Args:
        where: its cell and host.
        ports: how many ports it has.
        volumes: how many volumes are attached.
        copied: how often its events were copied into this cell while they were running (finding 3).
        retried: a resize to here had failed before, so that its claim is still the one of finding 1.
    """
    cell, host = where

    def state(allow: Allow, server: str) -> None:
        why = f"the test ends with the server on {host} in {cell}"
        allow(instance_mapping, {"server": server}, why=why)
        allow(instance_record, {"cell": cell, "server": server}, why=why)
        allow(block_device_mapping, {"cell": cell}, about=server, at_most=1, why=why)
        allow(allocation, {"consumer": server}, why=why)
        if not retried:
            allow(claim, {"host": host, "server": server}, why=why)
        allow(guest, {"host": host, "server": server}, why=why)
        allow(guest_disks, {"host": host, "server": server}, why=why)
        allow(hypervisor_units, {"host": host}, why=why)
        if ports:
            allow(virtual_interface, {"cell": cell}, about=server, at_most=ports, why=why)
            allow(port_binding, {"host": host}, about=server, at_most=ports, why=why)
            allow(active_binding, about=server, at_most=ports, why=why)
            allow(port_ownership, about=server, at_most=ports, why=why)
        if volumes:
            allow(volume_attachment, about=(instance_record, (cell, server)), at_most=volumes, why=why)
        unfinished_events(allow, cell, server, copied)

    return state


def resized(
    source: tuple[str, str],
    target: tuple[str, str],
    *,
    volumes: int = 0,
    copied: int = 1,
    before: int = 0,
    retried: bool = False,
) -> State:
    """A server whose resize is neither confirmed nor reverted: what the source keeps for a revert stays, too.

    Args:
        source: the cell and host from which it was resized.
        target: those to which it was.
        volumes: how many volumes are attached.
        copied: how often its events were copied into the target's cell while they were running (finding 3).
        before: how often into the source's, by an earlier resize.
        retried: the same resize had failed before (findings 1 and 2).
    """
    running = active(target, volumes=volumes, copied=copied, retried=retried)
    cell, host = source

    def state(allow: Allow, server: str) -> None:
        running(allow, server)
        why = f"the test ends before the resize from {host} is confirmed or reverted"
        allow(pending_resize, {"server": server}, why=why)
        allow(allocation, about=server, at_most=1, why=f"{why}: the migration's")
        allow(claim, {"host": host, "server": server}, why=why)
        allow(guest_disks, {"host": host, "server": server}, why=why)
        allow(port_binding, {"host": host}, about=server, at_most=1, why=why)
        for each_cell in sorted({cell, target[0]}):
            allow(migration_record, {"cell": each_cell}, about=server, at_most=1, why=why)
            if not (retried and each_cell == cell):
                allow(migration_context, {"cell": each_cell, "server": server}, why=why)
        if cell != target[0]:
            allow(instance_record, {"cell": cell, "server": server}, why=f"{why}: the hidden record")
            allow(task_state, {"cell": cell, "server": server}, why=f"{why}: the hidden record says resize_migrated")
            allow(block_device_mapping, {"cell": cell}, about=server, at_most=1, why=why)
            allow(virtual_interface, {"cell": cell}, about=server, at_most=1, why=why)
            if volumes:
                allow(
                    volume_attachment, about=(instance_record, (cell, server)), at_most=volumes, why=f"{why}: reserved"
                )
            unfinished_events(allow, cell, server, before)
        else:
            allow(
                guest,
                {"host": host, "server": server},
                why="the fake driver keeps the source's guest until the confirm",
            )
            allow(hypervisor_units, {"host": host}, why="the fake driver keeps the source's guest until the confirm")

    return state


def unfinished_events(allow: Allow, cell: str, server: str, copied: int) -> None:
    """Finding 3: TargetDBSetupTask copies the events that are running, and nothing ever finishes the copies."""
    for event in ("cold_migrate", "conductor_migrate_server"):
        if copied:
            why = "finding 3: copied to the target cell while it was running, and never finished there"
            allow(action_event, {"cell": cell, "server": server, "event": event}, at_most=copied, why=why)


LEFT: dict[str, tuple[State, ...]] = {
    "test_anti_affinity_group": (active(HOST2, ports=0, copied=1), active(HOST3, ports=0)),
    "test_cold_migrate_cross_cell_weigher_stays_in_source_cell": (resized(HOST1, HOST3, copied=0),),
    "test_cold_migrate_target_host_in_other_cell": (resized(HOST1, HOST2),),
    "test_finish_snapshot_based_resize_at_dest_spawn_fails": (resized(HOST1, HOST2, volumes=1, retried=True),),
    "test_poll_unconfirmed_resizes_with_no_upcall": (resized(HOST1, HOST2),),
    "test_poll_unconfirmed_resizes_with_upcall": (active(HOST2, copied=1),),
    "test_prep_snapshot_based_resize_at_source_destroy_fails": (resized(HOST1, HOST2, retried=True),),
    "test_resize_confirm_from_stopped": (resized(HOST2, HOST1, volumes=1, copied=2, before=1),),
    "test_resize_cross_cell_weigher_filtered_to_target_cell_by_spec": (resized(HOST1, HOST2),),
    "test_resize_revert_from_stopped": (resized(HOST1, HOST2),),
}
"""The servers that a test leaves, in the order in which it creates them."""

Rule = tuple[Resource, dict[str, str], str, str]

FAILED_RESIZE: tuple[Rule, ...] = (
    (claim, {"host": "host2"}, "LG204", "finding 1: no rollback drops the claim on the destination"),
    (migration_context, {"cell": "cell1"}, "LG204", "finding 2: no rollback drops the source's migration context"),
)
REVERTED: tuple[Rule, ...] = (
    (
        hypervisor_units,
        {"host": "host1"},
        "LG103",
        "finding 4: the fake driver's finish_revert_migration claims no units",
    ),
)
FOUND: dict[str, tuple[Rule, ...]] = {
    "test_finish_snapshot_based_resize_at_dest_spawn_fails": FAILED_RESIZE,
    "test_prep_snapshot_based_resize_at_source_destroy_fails": FAILED_RESIZE,
    "test_resize_revert_detach_volume_while_resized": REVERTED,
    "test_resize_revert_from_stopped": REVERTED,
    "test_resize_revert_volume_backed": REVERTED,
}
"""What was found in unbroken Nova, for each test that shows it."""

DELETED_AFTER_RESIZE = ("test_delete_while_in_verify_resize_status", "test_resize_confirm_image_backed")
"""Tests that resize a server, let it be confirmed, and delete it."""


def allow_for(test: str, allow: Allow, servers: list[str]) -> None:
    """Say what a test may leave and do.

    Args:
        test: its name.
        allow: `scope.allow` of the scope in which it ran.
        servers: the servers that it created, oldest first.
    """
    for state, server in zip(LEFT.get(test, ()), servers, strict=False):
        state(lambda *key, **how: allow(*key, rule="LG101", **how), server)
    for kind, key, rule, why in FOUND.get(test, ()):
        allow(kind, key, rule=rule, why=why)
    if test in DELETED_AFTER_RESIZE:
        for server in servers:
            unfinished_events(lambda *key, **how: allow(*key, rule="LG101", **how), "cell2", server, 1)
