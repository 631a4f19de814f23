"""Allocations in Placement, and their moves between a server and its migration."""

# ruff: noqa: D101, D102 - a stand-in has the names of what it stands for

from __future__ import annotations

from examples.nova.kinds import allocation
from lifeguard import acquires, atomic, contracts_for, releases, transfers


@contracts_for("nova.scheduler.client.report:SchedulerReportClient")
class ReportClient:
    # These report failure by their result, not by an exception.
    @acquires(allocation, key="consumer_uuid", when="result", about="consumer_uuid")
    def claim_resources(self, context, consumer_uuid, alloc_request): ...

    @acquires(allocation, key="consumer_uuid", when="result and payload['allocations']", about="consumer_uuid")
    @releases(allocation, key="consumer_uuid", when="result and not payload['allocations']")
    def put_allocations(self, context, consumer_uuid, payload): ...

    # What the target held is overwritten: that is how the destination's allocation goes when a resize is reverted.
    @transfers(allocation, key="source_consumer_uuid", to_key="target_consumer_uuid", when="result")
    def move_allocations(self, context, source_consumer_uuid, target_consumer_uuid): ...

    @releases(allocation, key="uuid", when="result")
    def delete_allocation_for_instance(self, context, uuid): ...


@contracts_for("nova.scheduler.manager:SchedulerManager")
class Scheduler:
    # F19: what was claimed is given back when not every server finds a host.
    @atomic(allocation)
    def select_destinations(self, context): ...
