"""The table of the design, cell by cell, with events by hand; what is expected is written out, never computed."""

from __future__ import annotations

import pytest
from model.stage import (
    Stage,
    Step,
    acquire,
    acquire_in_doubt,
    acquire_raised,
    gone_with_owner,
    handed_outside,
    held,
    image,
    in_doubt,
    label,
    overwritten,
    pair,
    parts_paid,
    release,
    release_close,
    release_close_gone,
    release_close_raised,
    release_gone,
    release_idempotent,
    release_raised,
    release_stop,
    released,
    slot,
    strict,
    transfer,
    transfer_outside,
    transfer_raised,
    unseen,
    use,
    use_gone,
    use_raised,
    volume,
)

from lifeguard import Resource

CELLS: list[tuple[Step, Step, Resource, list[str], list[str]]] = [
    # row, column, kind, what is outstanding then, what is said at the close
    #
    (unseen, acquire, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (unseen, acquire_raised, image, [], []),
    (unseen, acquire_in_doubt, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (unseen, release, image, [], ["mine: 1 unmatched"]),
    (unseen, release, strict, [], ["mine: LG105 strict image 1", "mine: 1 unmatched"]),
    (unseen, release_idempotent, image, [], ["mine: 1 unmatched"]),
    (unseen, release_raised, strict, [], []),
    (unseen, release_gone, strict, [], []),
    (unseen, transfer, image, [], ["mine: 1 unmatched"]),
    (unseen, transfer, strict, [], ["mine: LG105 strict image 1", "mine: 1 unmatched"]),
    (unseen, transfer_raised, strict, [], []),
    (unseen, use, image, [], ["mine: 1 unmatched"]),
    (unseen, use, strict, [], ["mine: LG105 strict image 1", "mine: 1 unmatched"]),
    (unseen, use_raised, strict, [], []),
    (unseen, use_gone, strict, [], []),
    #
    (held, acquire, image, ["mine: image 1 (held)"], ["mine: LG106 image 1 LG101"]),
    (held, acquire, volume, ["mine: volume 1 (held)"], ["mine: LG101 volume 1"]),
    (held, acquire, label, ["mine: label 1 (held)"], ["mine: LG101 label 1"]),
    (held, acquire, slot, ["mine: slot 1 (held)"], ["mine: LG101 slot 1"]),
    (held, acquire_raised, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (held, acquire_in_doubt, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (held, release, image, [], []),
    (held, release_raised, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (held, release_gone, image, [], []),
    (held, transfer, image, ["other: image 1 (held)"], ["other: LG101 image 1"]),
    (held, transfer_outside, image, [], []),
    (held, transfer_raised, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (held, use, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (held, use_gone, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    #
    (parts_paid, acquire, pair, ["mine: pair 1 (partly released)"], ["mine: LG106 pair 1 LG110"]),
    (parts_paid, acquire_raised, pair, ["mine: pair 1 (partly released)"], ["mine: LG110 pair 1"]),
    (parts_paid, release_close, pair, [], []),
    (parts_paid, release_stop, pair, ["mine: pair 1 (partly released)"], ["mine: LG103 pair 1 LG110"]),
    (parts_paid, release_close_raised, pair, ["mine: pair 1 (partly released)"], ["mine: LG110 pair 1"]),
    (parts_paid, release_close_gone, pair, [], []),
    (parts_paid, transfer, pair, ["other: pair 1 (partly released)"], ["other: LG110 pair 1"]),
    (parts_paid, transfer_outside, pair, [], []),
    (parts_paid, use, pair, ["mine: pair 1 (partly released)"], ["mine: LG110 pair 1"]),
    #
    (in_doubt, acquire, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (in_doubt, acquire_raised, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (in_doubt, acquire_in_doubt, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (in_doubt, release, image, [], []),
    (in_doubt, release_raised, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (in_doubt, release_gone, image, [], []),
    (in_doubt, transfer, image, ["other: image 1 (held)"], ["other: LG101 image 1"]),
    (in_doubt, transfer_outside, image, [], []),
    (in_doubt, transfer_raised, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (in_doubt, use, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (in_doubt, use_raised, image, ["mine: image 1 (in doubt)"], ["mine: LG205 image 1"]),
    (in_doubt, use_gone, image, [], []),
    #
    (released, acquire, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (released, acquire_raised, image, [], []),
    (released, release, image, [], ["mine: LG103 image 1"]),
    (released, release_idempotent, image, [], []),
    (released, release_raised, image, [], []),
    (released, release_gone, image, [], []),
    (released, transfer, image, [], ["mine: LG104 image 1"]),
    (released, transfer_outside, image, [], ["mine: LG104 image 1"]),
    (released, transfer_raised, image, [], []),
    (released, use, image, [], ["mine: LG104 image 1"]),
    (released, use_raised, image, [], []),
    #
    (gone_with_owner, acquire, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (gone_with_owner, acquire_raised, image, [], []),
    (gone_with_owner, release, image, [], []),
    (gone_with_owner, release_raised, image, [], []),
    (gone_with_owner, transfer, image, [], ["mine: LG104 image 1"]),
    (gone_with_owner, use, image, [], ["mine: LG104 image 1"]),
    #
    (overwritten, acquire, slot, ["mine: slot 1 (held)"], ["mine: LG101 slot 1"]),
    (overwritten, acquire_raised, slot, [], []),
    (overwritten, release, slot, [], []),
    (overwritten, release_raised, slot, [], []),
    (overwritten, transfer, slot, [], ["mine: LG104 slot 1"]),
    (overwritten, use, slot, [], ["mine: LG104 slot 1"]),
    #
    (handed_outside, acquire, image, ["mine: image 1 (held)"], ["mine: LG101 image 1"]),
    (handed_outside, acquire_raised, image, [], []),
    (handed_outside, release, image, [], []),
    (handed_outside, release_raised, image, [], []),
    (handed_outside, transfer, image, [], []),
    (handed_outside, use, image, [], []),
]


def _named(cell: tuple[Step, Step, Resource, list[str], list[str]]) -> str:
    row, column, kind = cell[:3]
    return f"{row.__name__}-{column.__name__}-{kind.name}".replace(" ", "_")


@pytest.mark.parametrize(("row", "column", "kind", "left", "said"), CELLS, ids=map(_named, CELLS))
def test_cell(on: Stage, row: Step, column: Step, kind: Resource, left: list[str], said: list[str]) -> None:
    """Each cell of the table leaves what it says, and says what it says."""
    row(on, kind)
    column(on, kind)
    assert left == on.left()
    assert said == on.close()


AFTERWARDS: list[tuple[Step, Step, Resource, list[str]]] = [
    # row, column, kind, what one more release says: it tells states apart that look alike in the table above
    #
    (held, acquire, image, ["mine: LG106 image 1 LG110"]),
    (held, acquire, volume, ["mine: LG110 volume 1"]),
    (held, acquire, label, []),
    (held, acquire, slot, []),
    (held, release, image, ["mine: LG103 image 1"]),
    (held, release_gone, image, ["mine: LG103 image 1"]),
    (held, release_raised, image, []),
    (held, transfer, image, []),
    (held, transfer_outside, image, []),
    (in_doubt, release, image, ["mine: LG103 image 1"]),
    (in_doubt, transfer, image, []),
    (released, acquire, image, []),
    (released, acquire_raised, image, ["mine: LG103 image 1"]),
    (released, release, image, ["mine: LG103 image 1 LG103"]),
    (released, release_raised, image, ["mine: LG103 image 1"]),
    (released, use, image, ["mine: LG104 image 1 LG103"]),
    (gone_with_owner, acquire, image, []),
    (gone_with_owner, acquire_raised, image, []),
    (gone_with_owner, release, image, ["mine: LG103 image 1"]),
    (gone_with_owner, release_raised, image, []),
    (gone_with_owner, use, image, ["mine: LG104 image 1"]),
    (overwritten, release, slot, ["mine: LG103 slot 1"]),
    (overwritten, release_raised, slot, []),
    (handed_outside, acquire, image, []),
    (handed_outside, release, image, []),
    (handed_outside, use, image, []),
]


@pytest.mark.parametrize(
    ("row", "column", "kind", "said"), AFTERWARDS, ids=[_named((*cell[:3], [], [])) for cell in AFTERWARDS]
)
def test_afterwards(on: Stage, row: Step, column: Step, kind: Resource, said: list[str]) -> None:
    """After a cell, a further release finds the state that the cell names."""
    row(on, kind)
    column(on, kind)
    on.mine.released(kind, 1)
    assert [] == [text for text in on.left() if "partly" not in text]
    assert said == on.close()
