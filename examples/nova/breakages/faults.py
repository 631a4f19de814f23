"""Calls that fail while Nova itself is as it is: what its rollbacks then leave. Told in docs/nova.md."""

from __future__ import annotations

from examples.nova import kinds
from examples.nova.breakages.ways import (
    BROKEN,
    COMPUTE,
    CONFIRM,
    TRACKER,
    Breakage,
    fail,
)
from nova import exception

FAULTS: tuple[Breakage, ...] = (
    Breakage(
        "finding 5: what fails on the destination after the guest was spawned leaves the guest there",
        CONFIRM,
        (
            fail(
                COMPUTE + "._update_instance_after_spawn",
                BROKEN,
                within=COMPUTE + "._finish_snapshot_based_resize_at_dest",
            ),
        ),
        kinds.guest,
        {"host": "host2"},
    ),
    Breakage(
        "finding 5: and the port without an active binding",
        CONFIRM,
        (
            fail(
                COMPUTE + "._update_instance_after_spawn",
                BROKEN,
                within=COMPUTE + "._finish_snapshot_based_resize_at_dest",
            ),
        ),
        kinds.active_binding,
    ),
    Breakage(
        "finding 6: a destination that refuses the server leaves it in the task state resize_prep",
        CONFIRM,
        (fail(TRACKER + ".resize_claim", exception.ComputeResourcesUnavailable(reason="broken on purpose")),),
        kinds.task_state,
        {"cell": "cell1"},
    ),
)
