"""Guests, the disks kept for a revert, and the units of a hypervisor: the fake driver of Nova's functional tests.

Nova's tests make `spawn` or `destroy` fail by a mock on the driver *instance*; `instances=True` watches such mocks too.
"""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import weakref

from examples.nova.keys import is_set
from examples.nova.kinds import guest, guest_disks, hypervisor_units, image, resize_spawn
from lifeguard import acquires, contracts_for, on_failure, releases, uses

HOSTS: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
"""The host of each `Resources` object, which does not know it itself."""


def host_of_units(self, host):
    """The host at which a driver starts; its units are known by it from now on."""
    HOSTS[self.resources] = host
    return host


def image_of(image_meta):
    """The image that a guest is spawned from; None for a server that boots from a volume."""
    return image_meta.id if image_meta is not None and is_set(image_meta, "id") else None


@contracts_for("nova.virt.fake:FakeDriver", instances=True)
class Driver:
    @uses(hypervisor_units, key=host_of_units)
    def init_host(self, host): ...

    @uses(image, key=image_of, when=lambda image_meta: image_of(image_meta) is not None)
    @acquires(guest, key="self._host, instance.uuid", about="instance.uuid")
    @acquires(guest_disks, key="self._host, instance.uuid", about="instance.uuid")
    @on_failure(resize_spawn, key="instance.uuid", when="instance.task_state == 'resize_finish'", about="instance.uuid")
    def spawn(self, context, instance, image_meta): ...

    # The guest comes back from the disks that were kept when it was destroyed for the resize.
    @uses(guest_disks, key="self._host, instance.uuid")
    @acquires(guest, key="self._host, instance.uuid", about="instance.uuid")
    def finish_revert_migration(self, context, instance, network_info, migration): ...

    @uses(guest, key="self._host, instance.uuid")
    @uses(image, key="image_id")
    def snapshot(self, context, instance, image_id): ...

    @uses(guest, key="self._host, instance.uuid")
    def power_off(self, instance): ...

    @uses(guest, key="self._host, instance.uuid")
    def power_on(self, context, instance): ...

    @releases(guest, key="self._host, instance.uuid")
    @releases(guest_disks, key="self._host, instance.uuid", when="destroy_disks")
    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True): ...

    @releases(guest_disks, key="self._host, instance.uuid", when="destroy_disks")
    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True): ...


@contracts_for("nova.virt.fake:Resources")
class Units:
    @acquires(hypervisor_units, key=lambda self: HOSTS[self], amount="vcpus, mem, disk")
    def claim(self, vcpus=0, mem=0, disk=0): ...

    @releases(hypervisor_units, key=lambda self: HOSTS[self], amount="vcpus, mem, disk")
    def release(self, vcpus=0, mem=0, disk=0): ...
