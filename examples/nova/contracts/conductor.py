"""The conductor's tasks: each one that failed is rolled back, with the steps that it had done, the last first."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.keys import cell_named, cell_of
from examples.nova.kinds import (
    action_event,
    active_binding,
    allocation,
    block_device_mapping,
    claim,
    conductor_task,
    guest,
    guest_disks,
    image,
    instance_record,
    migration_context,
    migration_record,
    pending_resize,
    port_binding,
    port_ownership,
    task_state,
    virtual_interface,
    volume_attachment,
    volume_connection,
)
from lifeguard import after, atomic, contracts_for, on_failure, rolls_back, settles

TASKS = "nova.conductor.tasks.cross_cell_migrate"


def task_record(self):
    """Key of the server's record in the cell at which the task's context is targeted: (cell, server)."""
    return cell_of(self.context), self.instance.uuid


def target_record(self):
    """Key of the server's record in the cell to which it is resized: (cell, server)."""
    return cell_named(self.host_selection.cell_uuid), self.instance.uuid


def failed_migration(self):
    """Key of the migration that a failed revert puts into error: the source's, once the server is mapped to it again."""
    migration = self._source_cell_migration or self.migration
    return cell_of(migration._context), migration.uuid


def failed_record(self):
    """Key of the record that a failed revert puts into error: (cell, server)."""
    instance = self._source_cell_instance or self.instance
    return cell_of(instance._context), instance.uuid


@contracts_for("nova.conductor.manager:ComputeTaskManager")
class Conductor:
    # F13: when it failed, no task goes on.
    @settles(task_state, key=lambda context, instance: (cell_of(context), instance.uuid), ended="raised")
    def _cold_migrate(self, context, instance): ...


# `TaskBase.execute` calls `_execute`, and `rollback` when that raised (F1); so the failure is that of `_execute`.
class Task:
    @on_failure(conductor_task, key="self", about="self.instance.uuid")
    def _execute(self): ...

    @rolls_back(conductor_task, key="self")
    def rollback(self, ex): ...


@contracts_for("nova.conductor.tasks.migrate:MigrationTask")
class MigrationTask(Task):
    # F11: the source's allocation is the server's again, and the migration is over.
    @atomic(allocation, migration_record, about="self.instance.uuid")
    @atomic(allocation, about="self.instance.uuid", restores=True)
    def execute(self): ...


@contracts_for(f"{TASKS}:CrossCellMigrationTask")
class CrossCellMigrationTask(Task):
    # F3, F4, F6, F7, F10: of a failed resize nothing stays, on no host and in no cell.
    @atomic(
        instance_record,
        block_device_mapping,
        virtual_interface,
        action_event,
        migration_context,
        port_binding,
        claim,
        guest,
        image,
        about="self.instance.uuid",
    )
    @atomic(volume_attachment, about=(instance_record, target_record))
    # F9: and the server has what it had. (Not its guest: Nova leaves it to be rebooted, from the disks that were kept.)
    @atomic(instance_record, port_binding, active_binding, port_ownership, about="self.instance.uuid", restores=True)
    def execute(self): ...


@contracts_for(f"{TASKS}:TargetDBSetupTask")
class TargetDBSetupTask(Task):
    @atomic(instance_record, block_device_mapping, virtual_interface, migration_record, action_event)
    def execute(self): ...


@contracts_for(f"{TASKS}:PrepResizeAtDestTask")
class PrepResizeAtDestTask(Task):
    @atomic(port_binding, volume_attachment)
    def execute(self): ...


@contracts_for(f"{TASKS}:PrepResizeAtSourceTask")
class PrepResizeAtSourceTask(Task):
    @atomic(image)
    def execute(self): ...


@contracts_for(f"{TASKS}:FinishResizeAtDestTask")
class FinishResizeAtDestTask(Task): ...


@contracts_for(f"{TASKS}:ConfirmResizeTask")
class ConfirmResizeTask(Task):
    # S2: a confirmed resize leaves nothing on the source host or in the source's cell.
    @settles(
        guest,
        guest_disks,
        port_binding,
        claim,
        key={"host": "self.migration.source_compute"},
        about="self.instance.uuid",
    )
    @settles(migration_record, migration_context, pending_resize, about="self.instance.uuid")
    @settles(allocation, key="self.migration.uuid")
    @settles(instance_record, key=lambda self: (source_cell(self), self.instance.uuid))
    @settles(volume_attachment, about=(instance_record, lambda self: (source_cell(self), self.instance.uuid)))
    # F16: when it failed, the migration is in error and no task goes on.
    @settles(migration_record, key=lambda self: (cell_of(self.context), self.migration.uuid), ended="raised")
    @settles(task_state, key=task_record, ended="raised")
    def execute(self): ...


@contracts_for(f"{TASKS}:RevertResizeTask")
class RevertResizeTask(Task):
    # S3: a reverted resize leaves nothing on the destination host or in the destination's cell.
    @settles(
        guest,
        guest_disks,
        port_binding,
        claim,
        key={"host": "self.migration.dest_compute"},
        about="self.instance.uuid",
    )
    @settles(migration_record, migration_context, pending_resize, volume_connection, about="self.instance.uuid")
    @settles(allocation, key="self.migration.uuid")
    @settles(instance_record, key=task_record)
    @settles(volume_attachment, about=(instance_record, task_record))
    # F16: when it failed, the migration is in error and no task goes on.
    @settles(migration_record, key=after(failed_migration), ended="raised")
    @settles(task_state, key=after(failed_record), ended="raised")
    def execute(self): ...


def source_cell(self):
    """The cell from which the server came: the one at which the task's context is not targeted."""
    return "cell2" if cell_of(self.context) == "cell1" else "cell1"
