"""How the parts of a key are found that are not an argument or a return value: cells, hosts, who owns a port.

Every function here only looks at attributes that are set. Nova's objects load missing ones from the database when they are
read, and a contract must never cause that.
"""

from __future__ import annotations

from typing import Any

from oslo_utils.fixture import uuidsentinel

from nova.db.main import api as main_db

CELLS = ("cell1", "cell2")


def is_set(obj: Any, field: str) -> bool:
    """Whether a field of one of Nova's objects has a value, so that reading it loads nothing."""
    return bool(obj.obj_attr_is_set(field))


def cell_named(uuid: str) -> str:
    """The name of a cell; Nova's tests make the uuid of a cell from its name."""
    for name in CELLS:
        if getattr(uuidsentinel, name) == uuid:
            return name
    return uuid


def targeted_cell(context: Any) -> str | None:
    """The cell that a request context is targeted at; None where it is not."""
    return _cell_of_manager(getattr(context, "db_connection", None))


def cell_of(context: Any) -> str | None:
    """The cell whose database a request context reaches: the targeted one, or the one in which this service runs."""
    databases = _databases()
    manager = getattr(context, "db_connection", None)
    if manager is None and databases is not None:
        manager = databases._last_ctxt_mgr
    return _cell_of_manager(manager)


def _databases() -> Any:
    """The fixture that stands for the cells' databases; it takes the place of `get_context_manager` while a test runs."""
    return getattr(main_db.get_context_manager, "__self__", None)


def _cell_of_manager(manager: Any) -> str | None:
    databases = _databases()
    if manager is None or databases is None:
        return None
    for connection, known in databases._ctxt_mgrs.items():
        if known is manager:
            return cell_named(connection)
    return None


def record_of(self: Any) -> tuple[str | None, str]:
    """Key of an object that is kept in a cell under a uuid: (cell, uuid)."""
    return cell_of(self._context), self.uuid


def instance_of(self: Any) -> tuple[str | None, str]:
    """Key of the instance record to which a record belongs: (cell, server)."""
    return cell_of(self._context), self.instance_uuid


def owner_of_port(self: Any, port_id: str, body: Any) -> str:
    """The server that owns a port, or will after this call."""
    wanted = body.get("port", {}).get("device_id")
    return wanted or self._ports[port_id]["device_id"]


def active_binding_of(self: Any, port_id: str) -> tuple[str, str | None]:
    """Key of the binding of a port that is active now: (port, host)."""
    return port_id, self._get_active_binding(port_id)[0]


def server_of_attachment(self: Any, attachment_id: str) -> str | None:
    """The server for which a volume attachment was made; None where the attachment does not exist."""
    for attachments in self.volume_to_attachment.values():
        if attachment_id in attachments:
            return attachments[attachment_id]["instance_uuid"]
    return None


def volume_of_attachment(self: Any, attachment_id: str) -> str | None:
    """The volume of an attachment; None where the attachment does not exist."""
    for volume, attachments in self.volume_to_attachment.items():
        if attachment_id in attachments:
            return volume
    return None
