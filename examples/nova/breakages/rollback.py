"""A resize fails, and its rollback is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from examples.nova import kinds
from examples.nova.breakages.ways import (
    BROKEN,
    CINDER,
    COMPUTE,
    CONFIRM,
    DELETE,
    DESTROY_FAILS,
    DRIVER,
    INSTANCE,
    MIGRATE,
    MIGRATION,
    NETWORK,
    NO_HOST,
    SPAWN_FAILS,
    TASKS,
    Breakage,
    change,
    fail,
    given,
    skip,
    status_is,
)
from nova import exception


def rolled_back_in_order(original: Callable[..., Any]) -> Callable[..., Any]:
    """Roll the completed tasks back, the first one first."""

    def rollback(self: Any, ex: Exception) -> None:
        for task in self._completed_tasks.values():
            task.rollback(ex)

    return rollback


def gives_up_early(original: Callable[..., Any]) -> Callable[..., Any]:
    """Stop rolling back at the first task whose rollback raises."""

    def rollback(self: Any, ex: Exception) -> None:
        for task in reversed(self._completed_tasks.values()):
            task.rollback(ex)

    return rollback


def wrong_host(original: Callable[..., Any]) -> Callable[..., Any]:
    """Delete the binding to the host on which the port was bound before."""

    def delete_port_binding(self: Any, context: Any, port_id: str, host: str) -> Any:
        return original(self, context, port_id, "host1")

    return delete_port_binding


def is_revert(self: Any, context: Any, instance: Any, migration: Any) -> bool:
    """Whether this activates the bindings of the host from which the server came."""
    return migration.dest_compute == migration.source_compute


ROLLBACK: tuple[Breakage, ...] = (
    Breakage(
        "TargetDBSetupTask does not roll back",
        SPAWN_FAILS,
        (skip(TASKS + "TargetDBSetupTask.rollback"),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "TargetDBSetupTask rolls back by a soft delete",
        SPAWN_FAILS,
        (given(INSTANCE + ".destroy", within=TASKS + "TargetDBSetupTask.rollback", hard_delete=False),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "TargetDBSetupTask's rollback is called, and does nothing",
        SPAWN_FAILS,
        (skip(INSTANCE + ".destroy", within=TASKS + "TargetDBSetupTask.rollback"),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "no task rolls back at all",
        SPAWN_FAILS,
        (skip(TASKS + "CrossCellMigrationTask.rollback"),),
        kinds.conductor_task,
    ),
    Breakage(
        "tasks are rolled back in the order in which they were done",
        SPAWN_FAILS,
        (),
        kinds.conductor_task,
        below=(change(TASKS + "CrossCellMigrationTask.rollback", rolled_back_in_order),),
    ),
    Breakage(
        "a rollback that raises stops those that should follow",
        SPAWN_FAILS,
        (),
        kinds.conductor_task,
        below=(
            change(TASKS + "CrossCellMigrationTask.rollback", gives_up_early),
            fail(TASKS + "PrepResizeAtDestTask.rollback", BROKEN),
        ),
    ),
    Breakage(
        "PrepResizeAtDestTask leaves the port's binding",
        SPAWN_FAILS,
        (skip(NETWORK + ".delete_port_binding", within=TASKS + "PrepResizeAtDestTask.rollback"),),
        kinds.port_binding,
        {"host": "host2"},
    ),
    Breakage(
        "PrepResizeAtDestTask deletes the source's binding in place of its own",
        DESTROY_FAILS,
        (change(NETWORK + ".delete_port_binding", wrong_host),),
        kinds.port_binding,
        {"host": "host1"},
    ),
    Breakage(
        "nobody deletes the destination's volume attachment",
        SPAWN_FAILS,
        (
            skip(CINDER + ".fake_attachment_delete", within=TASKS + "PrepResizeAtDestTask.rollback"),
            skip(COMPUTE + "._remove_volume_connection"),
        ),
        kinds.volume_attachment,
    ),
    Breakage(
        "a failed spawn does not disconnect the volumes",
        SPAWN_FAILS,
        (skip(COMPUTE + "._remove_volume_connection"),),
        kinds.volume_attachment,
        why="the conductor deletes the attachment later: only the deadline sees it",
    ),
    Breakage(
        "a failed spawn does not activate the source's bindings",
        SPAWN_FAILS,
        (skip(NETWORK + ".migrate_instance_start", when=is_revert),),
        kinds.active_binding,
    ),
    Breakage(
        "a failed spawn does not activate the source's bindings (the rollback that is owed)",
        SPAWN_FAILS,
        (skip(NETWORK + ".migrate_instance_start", when=is_revert),),
        kinds.resize_spawn,
    ),
    Breakage(
        "PrepResizeAtSourceTask leaves the snapshot",
        DESTROY_FAILS,
        (skip("nova.compute.utils:delete_image", within=TASKS + "PrepResizeAtSourceTask.rollback"),),
        kinds.image,
    ),
    Breakage(
        "MigrationTask does not give the allocation back",
        SPAWN_FAILS,
        (skip("nova.conductor.tasks.migrate:revert_allocation_for_migration"),),
        kinds.allocation,
    ),
    Breakage(
        "MigrationTask does not put the migration into error",
        SPAWN_FAILS,
        (skip(MIGRATION + ".save", within=MIGRATE + ".rollback"),),
        kinds.migration_record,
        {"cell": "cell1"},
    ),
    Breakage(
        "no host was found, and the allocation is not given back",
        NO_HOST,
        (skip("nova.conductor.tasks.migrate:revert_allocation_for_migration"),),
        kinds.allocation,
    ),
    Breakage(
        "a failed compute method leaves its migration as it is",
        DESTROY_FAILS,
        (
            skip(
                MIGRATION + ".save",
                when=status_is("error"),
                within=COMPUTE + ".prep_snapshot_based_resize_at_source",
            ),
        ),
        kinds.migration_record,
        {"cell": "cell1"},
        why="the conductor sets the error later: only the deadline sees it",
    ),
    Breakage(
        "a failed compute method leaves the task state",
        DESTROY_FAILS,
        (skip(COMPUTE + "._instance_update", within=COMPUTE + ".prep_snapshot_based_resize_at_source"),),
        kinds.task_state,
        {"cell": "cell1"},
        why="the conductor takes it back later: only the deadline sees it",
    ),
    Breakage(
        "events are started and never finished",
        DELETE,
        (
            skip(
                "nova.objects.instance_action:InstanceActionEvent.event_finish_with_failure",
                within=COMPUTE + ".terminate_instance",
            ),
        ),
        kinds.action_event,
        {"event": "compute_terminate_instance"},
    ),
    Breakage(
        "recorded tasks are never ended",
        DELETE,
        (skip("nova.manager:Manager._record_task_end"),),
        kinds.recorded_task,
    ),
    Breakage(
        "ports that were bound stay bound when the next one fails",
        CONFIRM,
        (),
        kinds.port_binding,
        {"host": "host2"},
        below=(fail(NETWORK + ".bind_ports_to_host", exception.PortBindingFailed(port_id="a port"), done=True),),
    ),
    Breakage(
        "a snapshot that failed is not deleted",
        CONFIRM,
        (
            fail(DRIVER + ".snapshot", BROKEN),
            skip("nova.compute.utils:delete_image", within=COMPUTE + "._snapshot_for_resize"),
        ),
        kinds.image,
        why="the conductor deletes it later: only the deadline sees it",
    ),
    Breakage(
        "no host was found, and the task state stays",
        NO_HOST,
        (skip("nova.conductor.manager:ComputeTaskManager._set_vm_state_and_notify"),),
        kinds.task_state,
        {"cell": "cell1"},
    ),
)
