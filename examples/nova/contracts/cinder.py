"""Volume attachments, their connections, and volumes that are being detached: the fake Cinder of Nova's functional tests."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.keys import server_of_attachment, targeted_cell, volume_of_attachment
from examples.nova.kinds import instance_record, volume_attachment, volume_connection, volume_detaching
from lifeguard import acquires, contracts_for, releases, uses
from nova import exception


@contracts_for("nova.tests.fixtures.cinder:CinderFixture")
class Cinder:
    # An attachment is about a server, about a volume, and, where the caller targets a cell, about the server's record in it.
    @acquires(
        volume_attachment,
        key="result['id']",
        about=[
            "instance_uuid",
            "volume_id",
            (instance_record, lambda context, instance_uuid: (targeted_cell(context), instance_uuid)),
        ],
    )
    def fake_attachment_create(self, context, volume_id, instance_uuid): ...

    @uses(volume_attachment, key="attachment_id")
    def fake_attachment_get(self, context, attachment_id): ...

    # With the host's connector an attachment becomes a connection that Cinder waits to see completed.
    @uses(volume_attachment, key="attachment_id")
    @acquires(volume_connection, key="attachment_id", within="attachment_id", about=server_of_attachment)
    def fake_attachment_update(self, context, attachment_id, connector): ...

    @uses(volume_attachment, key="attachment_id")
    @releases(volume_connection, key="attachment_id", idempotent=True)
    def fake_attachment_complete(self, _context, attachment_id): ...

    @releases(volume_attachment, key="attachment_id", gone=exception.VolumeAttachmentNotFound)
    @releases(volume_detaching, key=volume_of_attachment, idempotent=True)
    def fake_attachment_delete(self, context, attachment_id): ...

    @acquires(volume_detaching, key="volume_id")
    def fake_begin_detaching(self, context, volume_id): ...

    @releases(volume_detaching, key="volume_id")
    def fake_roll_detaching(self, context, volume_id): ...
