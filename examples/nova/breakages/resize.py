"""A resize that succeeds, and its confirmation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from examples.nova import kinds
from examples.nova.breakages.ways import (
    CINDER,
    COMPUTE,
    CONFIRM,
    CONFIRM_VOLUME,
    DELETE,
    DRIVER,
    INSTANCE,
    MIGRATION,
    PLACEMENT,
    REVERT,
    TASKS,
    TRACKER,
    UNAVAILABLE,
    Breakage,
    change,
    fail,
    first_before,
    given,
    skip,
    status_is,
    twice,
)


def delete_snapshot(self: Any, ctxt: Any, instance: Any, migration: Any, image_meta: Any, bdms: Any) -> None:
    """Delete the image that the guest is about to be spawned from."""
    if "id" in image_meta and image_meta.id:
        self.image_api.delete(ctxt, image_meta.id)


def for_the_instance(original: Callable[..., Any]) -> Callable[..., Any]:
    """Delete the server's allocation in place of the migration's."""

    def delete(self: Any, context: Any, instance: Any, migration: Any) -> None:
        self.reportclient.delete_allocation_for_instance(context, instance.uuid, force=True)

    return delete


RESIZE: tuple[Breakage, ...] = (
    Breakage(
        "the allocation is not moved to the migration",
        CONFIRM_VOLUME,
        (
            skip(
                PLACEMENT + ".move_allocations",
                within="nova.conductor.tasks.migrate:replace_allocation_with_migration",
                result=True,
            ),
        ),
        kinds.allocation,
    ),
    Breakage(
        "the destination claims twice",
        DELETE,
        (twice(TRACKER + ".resize_claim"),),
        kinds.claim,
        {"host": "host2"},
    ),
    Breakage(
        "the request to build the server is not deleted",
        DELETE,
        (skip("nova.objects.build_request:BuildRequest.destroy"),),
        kinds.build_request,
    ),
    Breakage(
        "the snapshot outlives the resize",
        DELETE,
        (skip("nova.compute.utils:delete_image"),),
        kinds.image,
    ),
    Breakage(
        "the snapshot is deleted before the guest is spawned from it",
        DELETE,
        (first_before(COMPUTE + "._finish_snapshot_based_resize_at_dest_spawn", delete_snapshot),),
        kinds.image,
        why="Nova's tests do not notice",
    ),
    Breakage(
        "the source's old attachments stay when they are exchanged",
        CONFIRM_VOLUME,
        (skip(CINDER + ".fake_attachment_delete", within=COMPUTE + "._terminate_volume_connections"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "the source's guest is not destroyed",
        CONFIRM,
        (skip(DRIVER + ".destroy", within=COMPUTE + "._prep_snapshot_based_resize_at_source"),),
        kinds.guest,
        {"host": "host1"},
    ),
    Breakage(
        "the source's disks are not kept",
        REVERT,
        (given(DRIVER + ".destroy", within=COMPUTE + "._prep_snapshot_based_resize_at_source", destroy_disks=True),),
        kinds.guest_disks,
        {"host": "host1"},
    ),
    Breakage(
        "confirm leaves the source's disks",
        CONFIRM,
        (skip(DRIVER + ".cleanup", within=COMPUTE + "._confirm_snapshot_based_resize_at_source"),),
        kinds.guest_disks,
        {"host": "host1"},
    ),
    Breakage(
        "confirm leaves the source's port binding",
        CONFIRM,
        (skip(COMPUTE + "._confirm_snapshot_based_resize_delete_port_bindings"),),
        kinds.port_binding,
        {"host": "host1"},
    ),
    Breakage(
        "confirm leaves the source's volume attachment",
        CONFIRM_VOLUME,
        (skip(COMPUTE + "._delete_volume_attachments"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "confirm keeps the source's claim",
        CONFIRM,
        (skip(TRACKER + ".drop_move_claim_at_source"),),
        kinds.claim,
        {"host": "host1"},
    ),
    Breakage(
        "confirm drops the source's claim twice",
        CONFIRM,
        (twice(TRACKER + ".drop_move_claim_at_source"),),
        kinds.claim,
        {"host": "host1"},
    ),
    Breakage(
        "confirm leaves the migration's allocation",
        CONFIRM,
        (skip(COMPUTE + "._delete_allocation_after_move"),),
        kinds.allocation,
    ),
    Breakage(
        "confirm deletes the server's allocation in place of the migration's",
        DELETE,
        (change(COMPUTE + "._delete_allocation_after_move", for_the_instance),),
        kinds.allocation,
    ),
    Breakage(
        "confirm leaves the source's record",
        CONFIRM,
        (skip(INSTANCE + ".destroy", within=TASKS + "ConfirmResizeTask._execute"),),
        kinds.instance_record,
        {"cell": "cell1"},
    ),
    Breakage(
        "confirm deletes the source's record softly",
        CONFIRM,
        (given(INSTANCE + ".destroy", within=TASKS + "ConfirmResizeTask._execute", hard_delete=False),),
        kinds.instance_record,
        {"cell": "cell1"},
    ),
    Breakage(
        "confirm does not end the target's migration",
        DELETE,
        (skip(MIGRATION + ".save", when=status_is("confirmed", "cell2")),),
        kinds.migration_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "confirm keeps the target's migration context",
        CONFIRM,
        (skip(INSTANCE + ".drop_migration_context", within=TASKS + "ConfirmResizeTask._execute"),),
        kinds.migration_context,
        {"cell": "cell2"},
    ),
    Breakage(
        "confirm fails on the source, and the migration's allocation stays",
        CONFIRM,
        (
            fail(DRIVER + ".cleanup", UNAVAILABLE, within=COMPUTE + "._confirm_snapshot_based_resize_at_source"),
            skip(COMPUTE + "._delete_allocation_after_move"),
        ),
        kinds.allocation,
    ),
    Breakage(
        "confirm fails on the source, and the migration is not put into error",
        CONFIRM,
        (
            fail(DRIVER + ".cleanup", UNAVAILABLE, within=COMPUTE + "._confirm_snapshot_based_resize_at_source"),
            skip(MIGRATION + ".save", when=status_is("error", "cell2")),
        ),
        kinds.migration_record,
        {"cell": "cell2"},
    ),
)
