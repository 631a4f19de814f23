"""What stands around the table: which one is meant, memory, owners and parts, other keys, amounts, seeds, rollbacks."""

from __future__ import annotations

from typing import Literal

import pytest
from model.stage import (
    NotFoundError,
    Stage,
    Step,
    acquire,
    acquire_raised,
    handed_outside,
    held,
    image,
    in_doubt,
    label,
    member,
    network,
    pair,
    pool,
    port,
    release,
    release_raised,
    released,
    resize,
    server,
    slot,
    spawn,
    strict,
    subnet,
    transfer,
    unseen,
    use,
    use_raised,
    vcpu,
    volume,
)

from lifeguard import OUTSIDE, Resource, Rollback
from lifeguard.verdict import Counts

# --- which one --------------------------------------------------------------------------------------------------------


def test_the_innermost_scope_pays_its_own(on: Stage) -> None:
    """A release means what the scope itself holds, though another scope acquired the same key later."""
    on.mine.acquired(image, 1)
    on.other.acquired(image, 1)
    on.mine.released(image, 1)
    assert ["other: image 1 (held)"] == on.left()


def test_a_release_elsewhere_pays_there(on: Stage) -> None:
    """What the scope does not hold itself is paid in whatever scope acquired it last."""
    on.mine.acquired(image, 1)
    inner = on.open("inner", inside=on.mine)
    on.other.acquired(image, 1)
    inner.released(image, 1)
    assert ["mine: image 1 (held)"] == on.left()


def test_the_last_acquired_decides_though_settled(on: Stage) -> None:
    """Where the one acquired last is released, a further release from outside is a double one, not the payment of an older."""
    third = on.open("third")
    on.mine.acquired(image, 1)
    on.other.acquired(image, 1)
    on.other.released(image, 1)
    third.released(image, 1)
    assert ["mine: image 1 (held)"] == on.left()
    assert ["mine: LG101 image 1", "other: LG103 image 1"] == on.close()


def test_a_closed_scope_is_not_looked_at(on: Stage) -> None:
    """What a closed scope held or settled is unseen for the others."""
    on.mine.acquired(image, 1)
    on.mine.close()
    on.other.released(image, 1)
    assert ["mine: LG101 image 1", "other: 1 unmatched"] == on.close()


def test_again_looks_outward_only(on: Stage) -> None:
    """An acquire is "again" if an enclosing scope holds the key, and not if an unrelated one does."""
    inner = on.open("inner", inside=on.mine)
    on.mine.acquired(image, 1)
    on.other.acquired(image, 1)
    inner.acquired(image, 1)
    assert ["mine: LG106 image 1 LG101", "other: LG101 image 1"] == on.close()


@pytest.mark.parametrize(
    ("one", "another"), [(1, True), (1, "1"), (1, 1.0), ("1", b"1"), (0, False), ((1, 2), (True, 2))]
)
def test_a_key_carries_its_type(on: Stage, one: object, another: object) -> None:
    """Keys that are equal for Python but of another type are different keys."""
    on.mine.acquired(image, one)
    on.mine.released(image, another)
    assert [f"mine: image {one!r} (held)"] == on.left()
    assert [f"mine: LG101 image {one!r}", "mine: 1 unmatched"] == on.close()


def test_equal_keys_of_two_kinds_are_two(on: Stage) -> None:
    """A release pays for its own kind only."""
    on.mine.acquired(image, 1)
    on.mine.released(volume, 1)
    assert ["mine: LG101 image 1", "mine: 1 unmatched"] == on.close()


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remember", "said"),
    [
        (None, ["mine: LG103 image 1"]),
        (3, ["mine: LG103 image 1"]),
        (2, ["mine: 1 unmatched"]),
        (0, ["mine: 1 unmatched"]),
    ],
)
def test_remembers_so_many(on: Stage, remember: int | None, said: list[str]) -> None:
    """A double release is exact within the window of settled generations, and unmatched beyond it."""
    on.mine = on.open("mine", remember=remember)
    for key in (1, 2, 3):
        on.mine.acquired(image, key)
        on.mine.released(image, key)
    on.mine.released(image, 1)
    assert said == on.close()


@pytest.mark.parametrize(("remember", "forgotten"), [(None, 0), (3, 0), (2, 1), (0, 3)])
def test_says_how_many_it_forgot(on: Stage, remember: int | None, forgotten: int) -> None:
    """What falls out of the window is counted."""
    on.mine = on.open("mine", remember=remember)
    for key in (1, 2, 3):
        on.mine.acquired(image, key)
        on.mine.released(image, key)
    assert forgotten == on.mine.watched["image"].forgotten


def test_remembers_by_kind(on: Stage) -> None:
    """What other kinds settle does not crowd out what is remembered of one."""
    on.mine = on.open("mine", remember=1)
    released(on, image)
    released(on, volume)
    on.mine.released(image, 1)
    assert ["mine: LG103 image 1"] == on.close()


# --- owners and parts -------------------------------------------------------------------------------------------------


def test_a_closed_scope_cannot_take(on: Stage) -> None:
    """A transfer to a closed scope is LG107, and the giver keeps the obligation."""
    on.other.close()
    held(on, image)
    transfer(on, image)
    assert ["mine: image 1 (held)"] == on.left()
    release(on, image)
    assert ["mine: LG107 image 1"] == on.close()


@pytest.mark.parametrize("owner", [unseen, released])
def test_a_resource_that_is_not_held_cannot_take(on: Stage, owner: Step) -> None:
    """A transfer to a resource that is not held is LG107, and the giver keeps the obligation."""
    owner(on, server)
    on.mine.acquired(image, 7)
    on.mine.transferred(image, 7, to=(server, 1))
    assert ["mine: image 7 (held)"] == on.left()
    on.mine.released(image, 7)
    assert ["mine: LG107 image 7"] == on.close()


def test_a_leak_tells_what_it_owns_under_itself(on: Stage) -> None:
    """What a leaked server owns is reported under the server and not for itself."""
    on.mine.acquired(server, 1)
    on.mine.acquired(image, 7)
    on.mine.transferred(image, 7, to=(server, 1))
    assert ["mine: LG101 server 1"] == on.close()
    (leak,) = on.mine.violations
    assert 1 == len(leak.children)
    assert "image 7" in leak.children[0]


def test_what_is_owned_moves_with_its_owner(on: Stage) -> None:
    """An owner that goes to another scope takes along what it owns."""
    on.mine.acquired(server, 1)
    on.mine.acquired(image, 7)
    on.mine.transferred(image, 7, to=(server, 1))
    on.mine.transferred(server, 1, to=on.other)
    assert ["other: server 1 (held)", "other: image 7 (held)"] == on.left()
    on.other.released(server, 1)
    assert [] == on.close()


@pytest.mark.parametrize(
    ("kind", "cascade", "left", "said"),
    [
        (port, None, ["mine: port 7 (held)"], ["mine: LG108 network 1", "mine: LG101 port 7"]),
        (port, True, [], []),
        (port, False, ["mine: port 7 (held)"], ["mine: LG101 port 7"]),
        (subnet, None, [], []),
        (subnet, False, [], []),
    ],
)
def test_a_parent_goes_before_its_parts(
    on: Stage, kind: Resource, cascade: bool | None, left: list[str], said: list[str]
) -> None:
    """A parent released before its part is LG108, unless the kind or the release takes the part along."""
    on.mine.acquired(network, 1)
    on.mine.acquired(kind, 7, within=1)
    on.mine.released(network, 1, cascade=cascade)
    assert left == on.left()
    assert said == on.close()


def test_parts_before_the_parent(on: Stage) -> None:
    """Released in the right order, there is nothing to say."""
    on.mine.acquired(network, 1)
    on.mine.acquired(port, 7, within=1)
    on.mine.released(port, 7)
    on.mine.released(network, 1)
    assert [] == on.close()


def test_a_raised_release_of_the_parent_judges_nothing(on: Stage) -> None:
    """A release of the parent that raised leaves parent and part as they were."""
    on.mine.acquired(network, 1)
    on.mine.acquired(port, 7, within=1)
    on.mine.released(network, 1, error=OSError("in use"))
    on.mine.released(port, 7)
    on.mine.released(network, 1)
    assert [] == on.close()


# --- again, and another key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "acquires", "releases", "said"),
    [
        (image, 2, 2, ["mine: LG106 image 1"]),
        (image, 3, 2, ["mine: LG106 image 1 LG110"]),
        (image, 3, 3, ["mine: LG106 image 1"]),
        (image, 2, 3, ["mine: LG106 image 1 LG103"]),
        (volume, 3, 3, []),
        (volume, 3, 2, ["mine: LG110 volume 1"]),
        (volume, 2, 3, ["mine: LG103 volume 1"]),
        (label, 3, 1, []),
        (label, 3, 2, ["mine: LG103 label 1"]),
        (slot, 3, 1, []),
        (slot, 3, 2, ["mine: LG103 slot 1"]),
    ],
)
def test_so_many_releases_are_due(on: Stage, kind: Resource, acquires: int, releases: int, said: list[str]) -> None:
    """After several acquires of one key as many releases are due as its kind says."""
    for _ in range(acquires):
        on.mine.acquired(kind, 1)
    for _ in range(releases):
        on.mine.released(kind, 1)
    assert said == on.close()


@pytest.mark.parametrize(
    ("kind", "there", "left", "said"),
    [
        (image, unseen, ["image 1 (held)"], ["mine: LG101 image 1"]),
        (image, released, ["image 1 (held)"], ["mine: LG101 image 1"]),
        (image, handed_outside, ["image 1 (held)"], ["mine: LG101 image 1"]),
        (image, in_doubt, ["image 1 (held)"], ["mine: LG101 image 1"]),
        (image, held, ["image 1 (held)"], ["mine: LG106 image 1 LG101"]),
        (volume, held, ["volume 1 (held)"], ["mine: LG101 volume 1"]),
        (label, held, ["label 1 (held)"], ["mine: LG101 label 1"]),
        (slot, held, ["slot 1 (held)"], ["mine: LG101 slot 1"]),
        (slot, in_doubt, ["slot 1 (held)"], ["mine: LG101 slot 1"]),
    ],
)
def test_to_another_key(on: Stage, kind: Resource, there: Step, left: list[str], said: list[str]) -> None:
    """An obligation that moves to another key is owed there and no more under its own; where that is held, `again` decides."""
    there(on, kind)
    on.mine.acquired(kind, 2)
    on.mine.transferred(kind, 2, to_key=1)
    assert [f"mine: {one}" for one in left] == on.left()
    assert said == on.close()


@pytest.mark.parametrize(
    ("kind", "releases", "said"),
    [
        (image, 2, ["mine: LG106 image 1"]),
        (volume, 1, ["mine: LG110 volume 1"]),
        (volume, 2, []),
        (volume, 3, ["mine: LG103 volume 1"]),
        (label, 1, []),
        (slot, 1, []),
        (slot, 2, ["mine: LG103 slot 1"]),
    ],
)
def test_two_that_became_one(on: Stage, kind: Resource, releases: int, said: list[str]) -> None:
    """Two obligations that came under one key need as many releases as the kind says."""
    on.mine.acquired(kind, 1)
    on.mine.acquired(kind, 2)
    on.mine.transferred(kind, 2, to_key=1)
    for _ in range(releases):
        on.mine.released(kind, 1)
    assert said == on.close()


@pytest.mark.parametrize("then", [use, release, transfer])
@pytest.mark.parametrize("there", [unseen, held])
def test_the_old_key_is_unseen(on: Stage, there: Step, then: Step) -> None:
    """Nothing is known any more of the key that an obligation left."""
    on.mine.acquired(volume, 2)
    on.mine.acquired(volume, 1)
    if there is held:
        on.mine.acquired(volume, 3)
    on.mine.transferred(volume, 1, to_key=3)
    then(on, volume)
    assert ["mine: LG101 volume 2", "mine: LG101 volume 3", "mine: 1 unmatched"] == on.close()


def test_amounts_that_became_one_are_added(on: Stage) -> None:
    """Of two amounts that came under one key the sum is owed."""
    on.mine.acquired(vcpu, 1, amount=2)
    on.mine.acquired(vcpu, 2, amount=3)
    on.mine.transferred(vcpu, 2, to_key=1)
    on.mine.released(vcpu, 1, amount=5)
    assert [] == on.close()


def test_a_new_key_counts_from_the_transfer(on: Stage) -> None:
    """What moved to a key is the last that was acquired under it, though an older one of this key was settled in between."""
    on.mine.acquired(image, 1)
    on.mine.acquired(image, 2)
    on.mine.released(image, 2)
    on.mine.transferred(image, 1, to_key=2)
    on.other.released(image, 2)
    assert [] == on.close()


def test_what_replaces_a_parent_has_its_parts(on: Stage) -> None:
    """A parent that is overwritten, or comes under the key of another, passes its parts on to what is there then."""
    on.mine.acquired(pool, 1)
    on.mine.acquired(member, 7, within=1)
    on.mine.acquired(pool, 1)
    on.mine.acquired(pool, 2)
    on.mine.transferred(pool, 2, to_key=1)
    on.mine.released(pool, 1)
    on.mine.released(member, 7)
    assert ["mine: LG108 pool 1"] == on.close()


@pytest.mark.parametrize("again", ["keep", "replace", "count", "error"])
def test_what_comes_to_a_held_key_brings_what_belongs_to_it(
    on: Stage, again: Literal["keep", "replace", "count", "error"]
) -> None:
    """Whatever `again` makes of two that come under one key, their parts and what they own go with what is there then."""
    house = Resource("house", again=again)
    room = Resource("room", within=house)
    for key in (1, 2):
        on.mine.acquired(house, key)
        on.mine.acquired(room, key, within=key)
        on.mine.acquired(image, key)
        on.mine.transferred(image, key, to=(house, key))
    on.mine.transferred(house, 2, to_key=1)
    on.mine.close()
    (leak,) = on.mine.violations
    assert ["image 1", "image 2", "room 1", "room 2"] == sorted(text.partition(" (")[0] for text in leak.children)


def test_an_owner_that_never_was(on: Stage) -> None:
    """What was handed to an owner in doubt that turned out not to exist is owed by the scope."""
    on.mine.acquired(server, 1, in_doubt=True, error=TimeoutError("no answer"))
    on.mine.acquired(image, 7)
    on.mine.transferred(image, 7, to=(server, 1))
    on.mine.used(server, 1, error=NotFoundError("no such server"), gone=NotFoundError)
    assert ["mine: LG101 image 7"] == on.close()


def test_says_how_many_went_elsewhere(on: Stage) -> None:
    """A scope says how many acquires other scopes recorded while it was open."""
    inner = on.open("inner", inside=on.mine)
    for s in (on.mine, inner, on.other, on.other, on.other):
        s.acquired(label, 1)
    on.close()
    assert [3, 2, 4] == [s.verdict.elsewhere for s in on.scopes if s.verdict is not None]


def test_a_leak_after_the_first_scope_has_closed(on: Stage) -> None:
    """What was found fault with in a scope that is closed is found again where it leaks."""
    on.mine.acquired(image, 1)
    on.mine.acquired(image, 1)
    on.mine.transferred(image, 1, to=on.other)
    on.mine.close()
    assert ["mine: LG106 image 1", "other: LG101 image 1"] == on.close()


@pytest.mark.parametrize("kind", [port, subnet])
def test_a_part_that_leaked_in_a_closed_scope(on: Stage, kind: Resource) -> None:
    """What a closed scope has judged does not count as held when its parent goes."""
    on.mine.acquired(network, 1)
    on.other.acquired(kind, 7, within=1)
    on.other.close()
    on.mine.released(network, 1)
    assert [f"other: LG101 {kind.name} 7"] == on.close()


def test_the_chain_goes_all_the_way_out(on: Stage) -> None:
    """A scope opened inside an inner one has the outer one in its chain, too."""
    inner = on.open("inner", inside=on.mine)
    innermost = on.open("innermost", inside=inner)
    on.mine.acquired(volume, 1)
    innermost.acquired(volume, 1)
    innermost.released(volume, 1)
    innermost.released(volume, 1)
    assert [] == on.close()


def test_counts_what_it_saw(on: Stage) -> None:
    """The figures of a scope say what happened to each kind; what raised is not counted, but for failures."""
    acquire(on, image)
    acquire_raised(on, image)
    use(on, image)
    use_raised(on, image)
    release_raised(on, image)
    release(on, image)
    on.mine.acquired(image, 2)
    on.mine.transferred(image, 2, to=OUTSIDE)
    on.mine.used(image, 3)
    on.mine.failed(spawn, 1)
    on.mine.rolled_back(spawn, 1)
    assert {
        "image": Counts(acquired=2, released=1, transferred=1, used=1, unmatched=1),
        "spawn": Counts(failed=1, rolled_back=1),
    } == on.mine.watched


# --- amounts, seeds, rollbacks, leaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "left", "said"),
    [
        ([4, -4], [], []),
        ([4, 2, -5, -1], [], []),
        ([4, -3], ["mine: vcpu 1 (partly released)"], ["mine: LG110 vcpu 1"]),
        ([4, 2], ["mine: vcpu 1 (held)"], ["mine: LG101 vcpu 1"]),
        ([4, -5], [], ["mine: LG103 vcpu 1"]),
        ([4, -5, 2], ["mine: vcpu 1 (held)"], ["mine: LG103 vcpu 1", "mine: LG101 vcpu 1"]),
    ],
)
def test_amounts(on: Stage, amounts: list[int], left: list[str], said: list[str]) -> None:
    """An amount counts for its key: never below zero, zero at the end."""
    for amount in amounts:
        if amount > 0:
            on.mine.acquired(vcpu, 1, amount=amount)
        else:
            on.mine.released(vcpu, 1, amount=-amount)
    assert left == on.left()
    assert said == on.close()


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ([], []),
        ([use], []),
        ([release], []),
        ([release, release], ["mine: LG103 strict image 1"]),
        ([release, use], ["mine: LG104 strict image 1"]),
    ],
)
def test_seeded(on: Stage, then: list[Step], said: list[str]) -> None:
    """What was there before may be used and released once, and need not be."""
    on.mine.seed(strict, 1, why="made by the fixture")
    assert [] == on.left()
    for step in then:
        step(on, strict)
    assert said == on.close()


FAILED, DONE, TRIED = "failed", "rolled back", "tried"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([FAILED], ["mine: LG201 {} 1"]),
        ([FAILED, FAILED], ["mine: LG201 {} 1"]),
        ([FAILED, TRIED], ["mine: LG202 {} 1"]),
        ([FAILED, TRIED, FAILED], ["mine: LG202 {} 1"]),
        ([FAILED, TRIED, DONE], []),
        ([FAILED, FAILED, DONE], []),
        ([FAILED, DONE, FAILED], ["mine: LG201 {} 1"]),
        ([TRIED], []),
        ([FAILED, DONE, TRIED], []),
    ],
)
@pytest.mark.parametrize("kind", [spawn, resize])
def test_rollbacks(on: Stage, kind: Rollback, events: list[str], said: list[str]) -> None:
    """A failure is owed until its rollback returned; who tried in vain is told apart from who never tried."""
    for event in events:
        if event == FAILED:
            on.mine.failed(kind, 1, error=OSError("no space"))
        else:
            on.mine.rolled_back(kind, 1, error=OSError("still there") if event == TRIED else None)
    assert [text.format(kind.name) for text in said] == on.close()


def test_rollback_of_what_never_failed(on: Stage) -> None:
    """It is counted, and LG203 where the rollback is declared so."""
    on.mine.rolled_back(spawn, 1)
    on.mine.rolled_back(resize, 1)
    assert ["mine: LG203 resize 1", "mine: 1 unmatched", "mine: 1 unmatched"] == on.close()


def test_left_by_an_exception(on: Stage) -> None:
    """What was leaked on an exception is LG102; the codes that say more stay."""
    on.mine.acquired(image, 1)
    on.mine.acquired(image, 2, in_doubt=True, error=TimeoutError("no answer"))
    on.mine.acquired(pair, 3)
    on.mine.released(pair, 3, part="stop")
    on.mine.failed(spawn, 4)
    assert [
        "mine: LG102 image 1",
        "mine: LG205 image 2",
        "mine: LG110 pair 3",
        "mine: LG201 spawn 4",
    ] == on.close(ValueError("the body's own"))


def test_one_cause_one_finding(on: Stage) -> None:
    """What later rules say of the same generation stands under its first violation; a new generation has its own."""
    released(on, image)
    use(on, image)
    release(on, image)
    released(on, image)
    release(on, image)
    assert ["mine: LG104 image 1 LG103", "mine: LG103 image 1"] == on.close()
