"""All contracts, one module for each of Nova's services."""

from __future__ import annotations

from examples.nova.contracts import cinder, compute, conductor, glance, hypervisor, neutron, placement, records

ALL = (
    glance.Glance,
    cinder.Cinder,
    neutron.Neutron,
    neutron.NetworkAPI,
    placement.ReportClient,
    placement.Scheduler,
    hypervisor.Driver,
    hypervisor.Units,
    records.Instance,
    records.InstanceMapping,
    records.BuildRequest,
    records.Migration,
    records.BlockDeviceMapping,
    records.VirtualInterface,
    records.InstanceActionEvent,
    compute.ResourceTracker,
    compute.Manager,
    compute.Compute,
    conductor.Conductor,
    conductor.MigrationTask,
    conductor.CrossCellMigrationTask,
    conductor.TargetDBSetupTask,
    conductor.PrepResizeAtDestTask,
    conductor.PrepResizeAtSourceTask,
    conductor.FinishResizeAtDestTask,
    conductor.ConfirmResizeTask,
    conductor.RevertResizeTask,
)
"""Every stand-in class, to be applied together."""
