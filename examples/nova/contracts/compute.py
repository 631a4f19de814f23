"""The compute service: claims, pending resizes, recorded tasks, and what must be over when one of its methods ends."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.keys import cell_of
from examples.nova.kinds import (
    active_binding,
    allocation,
    claim,
    guest,
    guest_disks,
    image,
    instance_record,
    migration_context,
    migration_record,
    pending_resize,
    port_binding,
    port_ownership,
    recorded_task,
    task_state,
    volume_attachment,
    volume_connection,
)
from lifeguard import acquires, contracts_for, each, invariant, releases, settles


@contracts_for("nova.compute.resource_tracker:ResourceTracker")
class ResourceTracker:
    @acquires(claim, key="self.host, instance.uuid", about="instance.uuid")
    def instance_claim(self, context, instance): ...

    @acquires(claim, key="self.host, instance.uuid", about="instance.uuid")
    def resize_claim(self, context, instance): ...

    @releases(claim, key="self.host, instance.uuid")
    def abort_instance_claim(self, context, instance): ...

    @releases(claim, key="self.host, instance.uuid")
    def drop_move_claim(self, context, instance): ...

    @releases(claim, key="self.host, instance.uuid")
    def drop_move_claim_at_source(self, context, instance): ...

    @releases(claim, key="self.host, instance.uuid")
    def drop_move_claim_at_dest(self, context, instance): ...

    # The claim of a deleted server goes when its usage is updated.
    @releases(claim, key="self.host, instance.uuid", when="instance.vm_state == 'deleted'")
    def update_usage(self, context, instance): ...


@contracts_for("nova.manager:Manager")
class Manager:
    @acquires(recorded_task, key=lambda self, result: f"{self.service_name} on {self.host}, task {result}")
    def _record_task_start(self): ...

    @releases(recorded_task, key=lambda self, key: f"{self.service_name} on {self.host}, task {key}")
    def _record_task_end(self, key): ...


def migration_of(migration):
    """Key of the migration's record: (cell, migration)."""
    return cell_of(migration._context), migration.uuid


def record_of_instance(instance):
    """Key of what is kept in the instance's record: (cell, server)."""
    return cell_of(instance._context), instance.uuid


def attachments_of(bdms):
    """The volume attachments of a list of block device mappings."""
    return [bdm.attachment_id for bdm in bdms if bdm.is_volume and bdm.attachment_id]


@contracts_for("nova.compute.manager:ComputeManager")
class Compute:
    # F8: a snapshot that failed is deleted.
    @settles(image, key="image_id", ended="raised")
    def _snapshot_for_resize(self, ctxt, image_id, instance): ...

    # F9: when the guest could not be spawned here, its volumes are disconnected from this host.
    @settles(volume_attachment, key=each(attachments_of), ended="raised")
    def _finish_snapshot_based_resize_at_dest_spawn(self, ctxt, instance, migration, image_meta, bdms): ...

    # The source's attachments are exchanged for empty ones, which a revert will use.
    @settles(volume_attachment, key=each(attachments_of))
    def _terminate_volume_connections(self, context, instance, bdms): ...

    # S1: the temporary snapshot goes once the guest was spawned from it. From here on a confirm or a revert is due.
    @settles(image, key="snapshot_id")
    @acquires(pending_resize, key="instance.uuid", about="instance.uuid")
    def _finish_snapshot_based_resize_at_dest(self, ctxt, instance, migration, snapshot_id): ...

    @acquires(pending_resize, key="instance.uuid", about="instance.uuid")
    def _finish_resize(self, context, instance): ...

    @releases(pending_resize, key="instance.uuid")
    def _confirm_snapshot_based_resize_at_source(self, ctxt, instance, migration): ...

    @releases(pending_resize, key="instance.uuid")
    def _confirm_resize(self, context, instance): ...

    @releases(pending_resize, key="instance.uuid")
    def _finish_revert_resize(self, context, instance): ...

    # F17: connections are completed, whether the guest came back or not.
    @releases(pending_resize, key="instance.uuid")
    @settles(volume_connection, about="instance.uuid", ended="either")
    def _finish_revert_snapshot_based_resize_at_source(self, ctxt, instance, migration): ...

    # F12: a failed method leaves its migration in error. F13: and takes back the task state.
    @settles(migration_record, key=migration_of, ended="raised")
    @settles(task_state, key=record_of_instance, ended="raised")
    def prep_snapshot_based_resize_at_source(self, ctxt, instance, migration): ...

    @settles(migration_record, key=migration_of, ended="raised")
    @settles(task_state, key=record_of_instance, ended="raised")
    def finish_snapshot_based_resize_at_dest(self, ctxt, instance, migration): ...

    @settles(migration_record, key=migration_of, ended="raised")
    @settles(task_state, key=record_of_instance, ended="raised")
    def revert_snapshot_based_resize_at_dest(self, ctxt, instance, migration): ...

    @settles(migration_record, key=migration_of, ended="raised")
    @settles(task_state, key=record_of_instance, ended="raised")
    def finish_revert_snapshot_based_resize_at_source(self, ctxt, instance, migration): ...

    # F15: the server is on the other host now, so the migration's allocation goes even when the clean-up here failed.
    @settles(migration_record, key=migration_of, ended="raised")
    @settles(allocation, key="migration.uuid", ended="either")
    def confirm_snapshot_based_resize_at_source(self, ctxt, instance, migration): ...

    # S4: a deleted server holds nothing.
    @settles(
        instance_record,
        migration_record,
        migration_context,
        task_state,
        pending_resize,
        claim,
        guest,
        guest_disks,
        port_binding,
        active_binding,
        port_ownership,
        volume_attachment,
        allocation,
        about="instance.uuid",
    )
    def _delete_instance(self, context, instance, bdms): ...


@invariant(pending_resize, description="a server that is there, and to which nothing is being done, has a guest")
def servers_have_guests(ledger):
    """S3: a revert brings the guest back. Looked at when a resize was confirmed or reverted, and at the end."""
    busy = {state["server"] for state in ledger.held(task_state)}
    for record in ledger.held(instance_record):
        server = record["server"]
        if server in busy or ledger.held(pending_resize, server=server) or ledger.held(guest, server=server):
            continue
        if ledger.held(allocation, consumer=server):
            for claimed in ledger.held(claim, server=server):
                yield ledger.breach(guest, (claimed["host"], server), "its host has a claim for it, and no guest")


@invariant(pending_resize, description="a server with a resize pending holds an allocation on both hosts", always=True)
def resized_servers_hold_both(ledger):
    """Its migration holds the source's, the server the destination's. Looked at when a resize begins or ends to be pending."""
    for pending in ledger.held(pending_resize):
        server = pending["server"]
        about_it = [one for one in ledger.held(allocation) if any(subject.key == server for subject in one.subjects)]
        if len(about_it) < 2:
            yield ledger.breach(allocation, server, f"it holds {len(about_it)}")
