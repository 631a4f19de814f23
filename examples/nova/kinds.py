"""What a cross-cell resize of a server acquires, hands on, uses and must give back.

The names and the order of the fields are those by which Nova's developers speak of these things. A cell is its name
(`cell1`), a host its name, everything else its uuid or id as text.

`unseen="error"` stands where everything that is released or used must have been acquired while the test ran. (Images are
there before, volumes are detached without a word, and states may be taken away that nobody set.)
"""

from __future__ import annotations

from lifeguard import Resource, Rollback

# Records in a cell's database. What hangs on an instance's record goes with it, soft or hard; action events stay when the
# record is only marked as deleted, so that an operator can still read what was done.
instance_record = Resource("instance record", unseen="error", fields=("cell", "server"))
migration_record = Resource(
    "migration record", unseen="error", fields=("cell", "migration"), within=instance_record, cascade=True
)
migration_context = Resource(
    "migration context", fields=("cell", "server"), again="keep", within=instance_record, cascade=True
)
task_state = Resource("task state", fields=("cell", "server"), again="keep", within=instance_record, cascade=True)
block_device_mapping = Resource(
    "block device mapping",
    unseen="error",
    fields=("cell", "mapping"),
    again="keep",
    within=instance_record,
    cascade=True,
)
virtual_interface = Resource(
    "virtual interface", unseen="error", fields=("cell", "interface"), within=instance_record, cascade=True
)
action_event = Resource(
    "action event", unseen="error", fields=("cell", "server", "request", "event"), again="keep", within=instance_record
)

# Records in the API's database.
instance_mapping = Resource("instance mapping", unseen="error", fields=("server",))
build_request = Resource("build request", unseen="error", fields=("server",))

# What other services hold for a server.
image = Resource("image", fields=("image",))
volume_attachment = Resource("volume attachment", unseen="error", fields=("attachment",))
volume_connection = Resource(
    "volume connection", unseen="error", fields=("attachment",), again="keep", within=volume_attachment, cascade=True
)
volume_detaching = Resource("volume detaching", fields=("volume",), again="keep")
port_binding = Resource("port binding", unseen="error", fields=("port", "host"), again="keep")
active_binding = Resource("active binding", unseen="error", fields=("port",), again="keep")
port_ownership = Resource("port ownership", unseen="error", fields=("port",), again="keep")
allocation = Resource("allocation", unseen="error", fields=("consumer",), again="replace")

# What a compute host holds.
pending_resize = Resource("pending resize", unseen="error", fields=("server",))
claim = Resource("claim", unseen="error", fields=("host", "server"))
guest = Resource("guest", unseen="error", fields=("host", "server"))
guest_disks = Resource("guest disks", unseen="error", fields=("host", "server"), again="keep")
hypervisor_units = Resource("hypervisor units", fields=("host",))
recorded_task = Resource("recorded task", unseen="error", fields=("task",))

# What must be undone when it failed.
conductor_task = Rollback("conductor task", order="lifo")
resize_spawn = Rollback("spawn on the destination")
