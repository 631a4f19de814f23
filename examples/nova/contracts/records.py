"""Records in the cells' databases and in the API's: instances, mappings, migrations, events, and states kept in them."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.keys import cell_of, instance_of, is_set, record_of
from examples.nova.kinds import (
    action_event,
    block_device_mapping,
    build_request,
    instance_mapping,
    instance_record,
    migration_context,
    migration_record,
    task_state,
    virtual_interface,
)
from lifeguard import OUTSIDE, acquires, after, contracts_for, releases, transfers

OVER = ("error", "confirmed", "reverted", "completed", "failed", "cancelled", "done")


def new_task_state(self):
    """Whether this save puts a task state into the record."""
    return "task_state" in self._changed_fields and self.task_state is not None


def no_task_state(self):
    """Whether this save takes the task state away."""
    return "task_state" in self._changed_fields and self.task_state is None


def new_migration_context(self):
    """Whether this save puts a migration context into the record: it comes by assignment."""
    return "migration_context" in self._changed_fields and self.migration_context is not None


def soft_delete_counts(self, hard_delete):
    """A soft delete is enough for the record that the user sees; a hidden copy in another cell has to go for good, or the
    next resize to that cell stumbles over it."""
    return not hard_delete and not (is_set(self, "hidden") and self.hidden)


def unfinished(self):
    """Whether an event that is copied to another cell is still open."""
    return not (is_set(self, "finish_time") and self.finish_time)


def is_over(self):
    """Whether a migration has come to an end, good or bad."""
    return is_set(self, "status") and self.status in OVER


@contracts_for("nova.objects.instance:Instance")
class Instance:
    @acquires(instance_record, key=record_of, about="self.uuid")
    @acquires(task_state, key=record_of, when=new_task_state, within=record_of, about="self.uuid")
    def create(self): ...

    @releases(instance_record, key=record_of, when="hard_delete", cascade=True)
    @releases(instance_record, key=record_of, when=soft_delete_counts, cascade=False)
    def destroy(self, hard_delete=False): ...

    @acquires(task_state, key=record_of, when=new_task_state, within=record_of, about="self.uuid")
    @releases(task_state, key=record_of, when=no_task_state, idempotent=True)
    @acquires(migration_context, key=record_of, when=new_migration_context, within=record_of, about="self.uuid")
    def save(self): ...

    @releases(migration_context, key=record_of, when="self.migration_context", idempotent=True)
    def drop_migration_context(self): ...


@contracts_for("nova.objects.instance_mapping:InstanceMapping")
class InstanceMapping:
    @acquires(instance_mapping, key="self.instance_uuid", about="self.instance_uuid")
    def create(self): ...

    # The mapping of a deleted server is left to `nova-manage db archive_deleted_rows`.
    @transfers(instance_mapping, key="self.instance_uuid", to=OUTSIDE, when="self.queued_for_delete")
    def save(self): ...

    @releases(instance_mapping, key="self.instance_uuid")
    def destroy(self): ...


@contracts_for("nova.objects.build_request:BuildRequest")
class BuildRequest:
    @acquires(build_request, key="self.instance_uuid", about="self.instance_uuid")
    def create(self): ...

    @releases(build_request, key="self.instance_uuid")
    def destroy(self): ...


@contracts_for("nova.objects.migration:Migration")
class Migration:
    @acquires(
        migration_record,
        key=after(record_of),
        when=lambda self: not is_over(self),
        within=instance_of,
        about="self.instance_uuid",
    )
    def create(self): ...

    # A migration is over when a status that says so is saved, once or more often.
    @releases(migration_record, key=record_of, when=is_over, idempotent=True)
    def save(self): ...


@contracts_for("nova.objects.block_device:BlockDeviceMapping")
class BlockDeviceMapping:
    @acquires(block_device_mapping, key=after(record_of), within=instance_of, about="self.instance_uuid")
    def create(self): ...

    @acquires(block_device_mapping, key=after(record_of), within=instance_of, about="self.instance_uuid")
    def update_or_create(self): ...

    @releases(block_device_mapping, key=record_of)
    def destroy(self): ...


@contracts_for("nova.objects.virtual_interface:VirtualInterface")
class VirtualInterface:
    @acquires(virtual_interface, key=after(record_of), within=instance_of, about="self.instance_uuid")
    def create(self): ...

    @releases(virtual_interface, key=record_of)
    def destroy(self): ...


@contracts_for("nova.objects.instance_action:InstanceActionEvent")
class InstanceActionEvent:
    @acquires(
        action_event,
        key=lambda context, instance_uuid, event_name: (
            cell_of(context),
            instance_uuid,
            context.request_id,
            event_name,
        ),
        within=lambda context, instance_uuid: (cell_of(context), instance_uuid),
        about="instance_uuid",
    )
    def event_start(cls, context, instance_uuid, event_name): ...

    # An event is copied to the other cell as it stands, open or finished.
    @acquires(
        action_event,
        key=lambda self, instance_uuid, request_id: (cell_of(self._context), instance_uuid, request_id, self.event),
        when=unfinished,
        within=lambda self, instance_uuid: (cell_of(self._context), instance_uuid),
        about="instance_uuid",
    )
    def create(self, instance_uuid, request_id): ...

    @releases(
        action_event,
        key=lambda context, instance_uuid, event_name: (
            cell_of(context),
            instance_uuid,
            context.request_id,
            event_name,
        ),
        idempotent=True,
    )
    def event_finish_with_failure(cls, context, instance_uuid, event_name): ...
