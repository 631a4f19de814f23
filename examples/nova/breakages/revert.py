"""A resize is reverted; a server is deleted."""

from __future__ import annotations

from examples.nova import kinds
from examples.nova.breakages.ways import (
    BROKEN,
    CINDER,
    COMPUTE,
    CONFIRM,
    DELETE,
    DRIVER,
    INSTANCE,
    MIGRATION,
    NETWORK,
    PLACEMENT,
    REVERT,
    REVERT_DETACHED,
    REVERT_VOLUME,
    TASKS,
    TRACKER,
    UNAVAILABLE,
    Breakage,
    fail,
    given,
    skip,
    status_is,
    twice,
)

REVERT_AND_DELETE: tuple[Breakage, ...] = (
    Breakage(
        "revert leaves the destination's guest",
        REVERT,
        (skip(DRIVER + ".destroy", within=COMPUTE + "._revert_snapshot_based_resize_at_dest"),),
        kinds.guest,
        {"host": "host2"},
    ),
    Breakage(
        "revert leaves the destination's disks",
        REVERT,
        (given(DRIVER + ".destroy", within=COMPUTE + "._revert_snapshot_based_resize_at_dest", destroy_disks=False),),
        kinds.guest_disks,
        {"host": "host2"},
        why="Nova's tests do not notice",
    ),
    Breakage(
        "revert deletes the active binding before the source's is activated",
        REVERT,
        (skip(NETWORK + ".migrate_instance_start", within=COMPUTE + "._revert_snapshot_based_resize_at_dest"),),
        kinds.active_binding,
        why="Nova's tests do not notice: migrate_instance_finish binds the port anew",
    ),
    Breakage(
        "revert leaves the destination's port binding",
        REVERT,
        (
            skip(
                NETWORK + ".cleanup_instance_network_on_host", within=COMPUTE + "._revert_snapshot_based_resize_at_dest"
            ),
        ),
        kinds.port_binding,
        {"host": "host2"},
    ),
    Breakage(
        "revert leaves the destination's volume attachments",
        REVERT_VOLUME,
        (skip(COMPUTE + "._delete_volume_attachments", within=COMPUTE + "._revert_snapshot_based_resize_at_dest"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "revert keeps the destination's claim",
        REVERT,
        (skip(TRACKER + ".drop_move_claim_at_dest"),),
        kinds.claim,
        {"host": "host2"},
    ),
    Breakage(
        "revert leaves the target's record",
        REVERT,
        (skip(INSTANCE + ".destroy", within=TASKS + "RevertResizeTask._execute"),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "revert deletes the target's record softly",
        REVERT,
        (given(INSTANCE + ".destroy", within=TASKS + "RevertResizeTask._execute", hard_delete=False),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "revert leaves the allocation with the migration",
        REVERT_VOLUME,
        (skip(COMPUTE + "._revert_allocation", result=True),),
        kinds.allocation,
    ),
    Breakage(
        "revert does not complete the volumes' connections",
        REVERT_VOLUME,
        (
            skip(
                COMPUTE + "._complete_volume_attachments",
                within=COMPUTE + "._finish_revert_snapshot_based_resize_at_source",
            ),
        ),
        kinds.volume_connection,
        why="Nova's tests do not notice",
    ),
    Breakage(
        "revert keeps the source's migration context",
        REVERT,
        (
            skip(
                INSTANCE + ".drop_migration_context", within=COMPUTE + "._finish_revert_snapshot_based_resize_at_source"
            ),
        ),
        kinds.migration_context,
        {"cell": "cell1"},
        why="Nova's tests do not notice",
    ),
    Breakage(
        "revert does not end the source's migration",
        REVERT_VOLUME,
        (skip(MIGRATION + ".save", when=status_is("reverted", "cell1")),),
        kinds.migration_record,
        {"cell": "cell1"},
    ),
    Breakage(
        "revert forgets the attachment of a volume that was detached meanwhile",
        REVERT_DETACHED,
        (skip(CINDER + ".fake_attachment_delete", within=TASKS + "RevertResizeTask._delete_orphan_source_cell_bdms"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "revert does not bring the guest back",
        REVERT_VOLUME,
        (skip(DRIVER + ".finish_revert_migration"),),
        kinds.guest,
        {"host": "host1"},
    ),
    Breakage(
        "revert fails on the destination, and the migration is not put into error",
        REVERT_VOLUME,
        (
            fail(DRIVER + ".destroy", UNAVAILABLE, within=COMPUTE + "._revert_snapshot_based_resize_at_dest"),
            skip(MIGRATION + ".save", when=status_is("error")),
        ),
        kinds.migration_record,
        {"cell": "cell1"},
    ),
    Breakage(
        "revert fails on the source, and the volumes' connections are not completed",
        REVERT_VOLUME,
        (
            fail(DRIVER + ".finish_revert_migration", UNAVAILABLE),
            skip(
                COMPUTE + "._complete_volume_attachments",
                within=COMPUTE + "._finish_revert_snapshot_based_resize_at_source",
            ),
        ),
        kinds.volume_connection,
    ),
    Breakage(
        "a volume is detached, and its attachment stays",
        REVERT_DETACHED,
        (skip(CINDER + ".fake_attachment_delete", within="nova.virt.block_device:DriverVolumeBlockDevice.detach"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "a detach fails, and the volume goes on being detached",
        REVERT_DETACHED,
        (fail(DRIVER + ".detach_volume", BROKEN), skip(CINDER + ".fake_roll_detaching")),
        kinds.volume_detaching,
    ),
    Breakage(
        "delete leaves the hypervisor's units taken",
        DELETE,
        (skip("nova.virt.fake:Resources.release", within=COMPUTE + "._delete_instance"),),
        kinds.hypervisor_units,
        {"host": "host2"},
    ),
    Breakage(
        "delete leaves the mapping",
        DELETE,
        (skip("nova.compute.api:API._update_queued_for_deletion"),),
        kinds.instance_mapping,
    ),
    Breakage(
        "delete leaves the guest",
        DELETE,
        (skip(DRIVER + ".destroy", within=COMPUTE + "._delete_instance"),),
        kinds.guest,
        {"host": "host2"},
    ),
    Breakage(
        "delete leaves the port bound and owned",
        DELETE,
        (skip(NETWORK + ".deallocate_for_instance"),),
        kinds.port_ownership,
    ),
    Breakage(
        "delete leaves the volumes attached",
        CONFIRM,
        (skip(CINDER + ".fake_attachment_delete", within=COMPUTE + "._delete_instance"),),
        kinds.volume_attachment,
    ),
    Breakage(
        "delete leaves the allocation",
        DELETE,
        (skip(PLACEMENT + ".delete_allocation_for_instance", within=COMPUTE + "._delete_instance", result=True),),
        kinds.allocation,
    ),
    Breakage(
        "delete keeps the claim",
        DELETE,
        (skip(TRACKER + ".update_usage", within=COMPUTE + "._delete_instance"),),
        kinds.claim,
        {"host": "host2"},
    ),
    Breakage(
        "delete leaves the record",
        DELETE,
        (skip(INSTANCE + ".destroy", within=COMPUTE + "._delete_instance"),),
        kinds.instance_record,
        {"cell": "cell2"},
    ),
    Breakage(
        "delete destroys the guest twice",
        DELETE,
        (twice(DRIVER + ".destroy", within=COMPUTE + "._delete_instance"),),
        kinds.guest,
        {"host": "host2"},
        why="Nova's tests do not notice",
    ),
)
