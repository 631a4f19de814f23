"""What an acquire is about: recorded by the wrapper itself where it is plain, and the same as on the long way."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from findings import held, said, watching
from hypothesis import given, settings
from hypothesis import strategies as st
from watched_calls import Instance

from lifeguard import Event, Resource, Scope, Verdict, acquires, atomic, releases, scope, settles
from lifeguard.context import LEDGER
from lifeguard.ledger.records import Call

disk = Resource("disk")
server = Resource("server")
kept = Resource("kept", again="keep")


class Disks:
    """Disks of an owner, by name, by attribute, and of a server too."""

    @acquires(disk, key="name", about="owner")
    def make(self, name: str, owner: object) -> None:
        """About one subject."""

    @acquires(disk, key="result", about=["owner.uuid", (server, "owner.host")])
    def make_for(self, name: str, owner: Instance) -> str:
        """About two, one of a kind."""
        return name

    @acquires(kept, key="name", about="owner.uuid")
    def keep(self, name: str, owner: Instance) -> None:
        """Changes what it is about."""
        owner.uuid = "changed"

    @acquires(disk, key="name", about="owner.uuid")
    async def make_soon(self, name: str, owner: Instance) -> None:
        """In a coroutine function."""

    @releases(disk, key="name")
    def wipe(self, name: str) -> None:
        """Release."""

    @settles(about="owner")
    def retire(self, owner: object) -> None:
        """Whatever is open for an owner is settled when this returned."""

    @atomic(about="owner")
    def rebuild(self, owner: object, names: list[str]) -> None:
        """Fails, having made some."""
        for name in names:
            self.make(name, owner)
        raise OSError


class Silent:
    """An observer, so that nothing is recorded on the short way."""

    def began(self, call: Call) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing."""


def plainly(watched: Scope) -> list[object]:
    """The keys that are held plainly."""
    return [key for table in watched.book.tables.values() for key in table.held]


@pytest.mark.parametrize("owner", ["a", 7, None])
def test_plain_subjects_take_the_short_way(owner: object) -> None:
    """Text, whole numbers and nothing do not send an acquire the long way."""
    disks = Disks()
    with watching() as watched:
        disks.make("d1", owner)  # finds its lane
        disks.make("d2", owner)
        assert ["d1", "d2"] == plainly(watched)
        subjects = () if owner is None else ((None, owner),)
        assert [subjects] * 2 == [tuple((one.kind, one.key) for one in left.subjects) for left in watched.outstanding]


def test_subjects_of_two_sorts() -> None:
    """Each keeps its kind; one that is None does not exist."""
    disks = Disks()
    with watching() as watched:
        disks.make_for("d1", Instance("u1", "h1"))
        disks.make_for("d2", Instance(None, "h2"))
        assert ["d1", "d2"] == plainly(watched)
        told = [[(one.kind, one.key) for one in left.subjects] for left in watched.outstanding]
    assert [[(None, "u1"), ("server", "h1")], [("server", "h2")]] == told


def test_a_subject_is_read_when_the_call_begins() -> None:
    """What the call does to its arguments comes too late, also where its end has to take the long way (a key held twice)."""
    disks = Disks()
    with watching() as watched:
        disks.keep("d0", Instance("u0"))
        disks.keep("d1", Instance("u1"))
        assert ["d0", "d1"] == plainly(watched)
        disks.keep("d1", Instance("u2"))
        found = [[one.key for one in left.subjects] for left in watched.outstanding]
    assert [["u0"], ["u1", "u2"]] == found


def test_what_is_not_plain_is_about_the_same() -> None:
    """An object is a subject by its identity, on the long way."""
    disks, owner = Disks(), Instance("u1")
    with watching() as watched:
        disks.make("d1", owner)
        disks.make("d2", owner)
        assert [] == plainly(watched)
        watched.allow(disk, about=owner, why="of that owner")
    assert [] == said(watched)


def test_a_subject_that_cannot_be_read() -> None:
    """It is told, and does no harm."""
    disks = Disks()
    with watching() as watched:
        disks.make_for("d1", "no instance")  # type: ignore[arg-type]
    assert ["LG401"] == [text.split()[0] for text in said(watched)]


def test_what_settles_an_owner_finds_what_is_plainly_held() -> None:
    """Of its owner, and of nobody else."""
    disks = Disks()
    with watching() as watched:
        disks.make("d1", "a")
        disks.make("d2", "b")
        disks.retire("a")
        disks.wipe("d1")
        disks.wipe("d2")
    assert ["LG111 disk 'd1'"] == said(watched)


def test_an_allowance_by_subject() -> None:
    """It covers what is about it."""
    disks = Disks()
    with watching() as watched:
        disks.make("d1", "a")
        disks.make("d2", "b")
        watched.allow(disk, about="a", why="it stays")
        assert ["disk 'd1' (held)", "disk 'd2' (held)"] == held(watched)
    assert ["LG101 disk 'd2'"] == said(watched)


# -- both ways say the same ------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["d1", "d2"])
OWNERS = st.sampled_from(["a", "b", 1, None, Instance("u1"), Instance(None)])
STEPS = st.one_of(
    st.tuples(st.just("make"), NAMES, OWNERS),
    st.tuples(st.just("make_for"), NAMES, st.sampled_from([Instance("a"), Instance("b"), Instance(None)])),
    st.tuples(st.just("wipe"), NAMES),
    st.tuples(st.just("retire"), OWNERS),
    st.tuples(st.just("rebuild"), OWNERS, st.lists(NAMES, max_size=2)),
)


def judged(steps: list[tuple[Any, ...]], observers: list[Any]) -> object:
    """The verdict on some calls, its events numbered from the scope's first one."""
    disks = Disks()
    with scope("story", on_violation="record", observers=observers) as watched:
        since = watched.book.opened_at
        watched.allow(disk, about="b", why="b may leave something")
        for name, *arguments in steps:
            try:
                getattr(disks, name)(*arguments)
            except OSError:
                pass
    assert watched.verdict is not None
    assert LEDGER.outstanding(watched.book) == []
    return _renumbered(watched.verdict.as_dict(), since)


def _renumbered(data: Any, since: int) -> Any:
    if isinstance(data, dict):
        return {
            name: value - since if name == "seq" and isinstance(value, int) else _renumbered(value, since)
            for name, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [_renumbered(one, since) for one in data]
    if isinstance(data, str):
        return re.sub(r"\bevent (\d+)", lambda found: f"event {int(found[1]) - since}", data)
    return data


def test_a_coroutine_function() -> None:
    """Its subjects are told as well."""
    with watching() as watched:
        asyncio.run(Disks().make_soon("d1", Instance("u1")))
        assert [["u1"]] == [[one.key for one in left.subjects] for left in watched.outstanding]


@settings(deadline=None)
@given(st.lists(STEPS, max_size=8))
def test_the_short_way_and_the_long_one(steps: list[tuple[Any, ...]]) -> None:
    """Whatever happens to disks with and without owners, an observer changes nothing of what is said."""
    assert judged(steps, []) == judged(steps, [Silent()])
