"""A scope that watches a sample: what is in it, what belongs together, and what is said of the rest."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import uuid
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from programs import expect_report, run_program
from watched_images import image, images

import lifeguard
from lifeguard import (
    DeclarationError,
    Resource,
    Rollback,
    acquires,
    held,
    invariant,
    on_failure,
    releases,
    rolls_back,
    scope,
    tracks,
    transfers,
    uses,
    watched,
)
from lifeguard.context import LEDGER
from lifeguard.keys import LOTS, identify, lot


class Colour(Enum):
    """A key that has a class."""

    RED = 1


def _inside(sample: float, count: int = 1) -> list[str]:
    """Keys that are in a sample."""
    return [name for number in range(10_000) if lot(name := f"in-{number}") < sample * LOTS][:count]


def _outside(sample: float, count: int = 1) -> list[str]:
    """Keys that are not."""
    return [name for number in range(10_000) if lot(name := f"out-{number}") >= sample * LOTS][:count]


# -- lots ----------------------------------------------------------------------------------------------------------------------

LOT_OF = {
    "image-1": 3414842373,
    "1": 190856327,
    "é": 1949955550,
    "\ud800": 2996705448,
}


@pytest.mark.parametrize("text", LOT_OF)
def test_lots_never_change(text: str) -> None:
    """Processes of different versions share a sample: these numbers are for ever."""
    assert LOT_OF[text] == lot(text)


def test_lots_are_the_same_in_every_process() -> None:
    """Whatever Python's own hashes are seeded with."""
    program = "from lifeguard.keys import identify, lot\nprint([lot(identify(key)) for key in ('a', 7, ('a', 7), b'x', None)])"
    path = os.pathsep.join([str(Path(lifeguard.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert {f"{[lot(identify(key)) for key in ('a', 7, ('a', 7), b'x', None)]}\n"} == said


def test_keys_that_differ_only_by_type_draw_the_same() -> None:
    """A leak's report can then say under which other type the key was released."""
    one = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert lot("1") == lot(1) == lot(identify(True)) == lot(b"1")
    assert lot(str(one)) == lot(identify(one))
    assert lot("-7") == lot(-7)


def test_every_sort_of_key_draws_one() -> None:
    """Also long numbers, which Python does not write in decimal, and objects, which keep theirs while they live."""
    thing = object()
    keys = [
        10**5000,
        -(10**30),
        1.5,
        float("nan"),
        None,
        Colour.RED,
        dt.date(2020, 1, 1),
        ("a", (1, None)),
        thing,
    ]
    assert all(0 <= lot(identify(key)) < LOTS for key in keys)
    assert lot(identify(thing)) == lot(identify(thing))


def test_lots_are_spread_evenly() -> None:
    """Names that are counted up, as keys mostly are, do not crowd in one part."""
    for form in ("{}", "image-{}", "00000000-0000-4000-8000-{:012x}"):
        lots = [lot(form.format(number)) for number in range(4000)]
        for part in (0.5, 0.1, 0.01):
            share = sum(one < part * LOTS for one in lots) / len(lots)
            assert part * 0.6 < share < part * 1.4


# -- what is watched ---------------------------------------------------------------------------------------------------------


def test_whoever_records_draws_the_same_lots() -> None:
    """The wrapper alone, with the compiled helper or without, and the ledger."""
    keys: list[Any] = [
        *(f"k{number}" for number in range(50)),
        *range(-50, 50),
        "é",
        "\ud800",
        2**62,
        2**63,
        -(2**63),
        2**70,
    ]
    with scope("s", sample=0.5, on_violation="record") as fast:
        for key in keys:
            images.create(key)
        assert [key for key in keys if lot(key) < LOTS / 2] == [one.key for one in fast.outstanding]
    with scope("t", sample=0.5, on_violation="record") as slow:
        for key in keys:
            slow.acquired(image, key)
        assert [key for key in keys if lot(key) < LOTS / 2] == [one.key for one in slow.outstanding]


def test_both_ends_or_neither() -> None:
    """Of what is in the sample everything is found; of the rest nothing is said, and nothing is unmatched."""
    inside, outside = _inside(0.1, 3), _outside(0.1, 30)
    with scope("s", sample=0.1, on_violation="record") as watch:
        for key in (*inside, *outside):
            images.create(key)
        for key in (*inside[1:], *outside[1:]):
            images.show(key)
            images.delete(key)
        images.delete(inside[2])
        images.delete(outside[2])
    assert watch.verdict is not None
    assert [("LG101", inside[0]), ("LG103", inside[2])] == sorted((one.code, one.key) for one in watch.violations)
    seen = watch.verdict.watched["image"]
    assert (3, 3, 2, 0, 30) == (seen.acquired, seen.released, seen.used, seen.unmatched, seen.left_out)


def test_what_is_left_out_takes_no_long_way() -> None:
    """After the first calls of each function no call object is made, and the ledger's lock is not taken."""
    names = _outside(0.01, 40)
    with scope("s", sample=0.01) as watch:
        for number, name in enumerate(names):
            if number == 1:
                before = LEDGER._calls
            images.create(name)
            images.show(name)
            images.delete(name)
        assert before == LEDGER._calls
    assert watch.verdict is not None
    assert 40 == watch.verdict.watched["image"].left_out


def test_coroutine_functions() -> None:
    """Are sampled alike."""
    kind = Resource("soon")

    @acquires(kind, key="result")
    async def take(name: str) -> str:
        return name

    @releases(kind, key="name")
    async def give(name: str) -> None:
        return None

    async def run() -> None:
        for key in (*_inside(0.1, 2), *_outside(0.1, 20)):
            await take(key)
            if key != _inside(0.1)[0]:
                await give(key)

    with scope("s", sample=0.1, on_violation="record") as watch:
        asyncio.run(run())
    assert watch.verdict is not None
    assert [("LG101", _inside(0.1)[0])] == [(one.code, one.key) for one in watch.violations]
    seen = watch.verdict.watched["soon"]
    assert (2, 1, 0, 20) == (seen.acquired, seen.released, seen.unmatched, seen.left_out)


def test_nothing_and_all() -> None:
    """A sample of 0 watches nothing at all, not even what ties keys together; one of 1 leaves nothing out."""
    owner, thing = Resource("owner"), Resource("thing")
    transfers(thing, key="key", to=(owner, "to"))(lambda key, to: None)
    with scope("none", sample=0) as none:
        none.acquired(owner, 1)
        images.create("a")
        none.failed(Rollback("r", order="lifo"), 1)
    assert none.verdict is not None
    assert {"owner": (0, 1), "image": (0, 1)} == {
        kind: (one.acquired, one.left_out) for kind, one in none.verdict.watched.items()
    }
    with scope("all", sample=1, on_violation="record") as whole:
        images.create("a")
    assert ["LG101"] == [one.code for one in whole.violations]
    assert whole.verdict is not None
    assert 1.0 == whole.verdict.sample


# -- what is said ------------------------------------------------------------------------------------------------------------


def test_the_summary_says_that_it_is_a_sample() -> None:
    """And how many acquires were not watched, as a text and as data."""
    program = """
        with scope("night", sample=0.01) as watched:
            for number in range(1003):
                images.create(f"l-{number}")
                images.show(f"l-{number}")
                images.delete(f"l-{number}")
        """
    expect_report(
        """
        scope 'night' balanced

        watched image: 10 acquired, 10 released, 10 used
        a sample of 1 %: 993 of 1,003 acquires not watched
        """,
        program,
    )
    verdict = run_program(program).verdict
    assert verdict is not None
    data: Any = verdict.as_dict()
    assert (0.01, 10, 993) == (
        data["sample"],
        data["watched"]["image"]["acquired"],
        data["watched"]["image"]["left_out"],
    )


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "0.5", None, float("nan"), [0.5]])
def test_bad_values(value: Any) -> None:
    """Are refused where they are said."""
    with pytest.raises(DeclarationError, match=r"scope\(sample=…\) takes a number from 0 to 1 .*, not ") as caught:
        scope("s", sample=value)
    assert f"{Path(__file__).name}:" in str(caught.value)


# -- what belongs together ---------------------------------------------------------------------------------------------------


def test_owners_and_parents_are_watched_whole() -> None:
    """What was handed to a server, or is part of one, is judged by what becomes of it, whatever the server's key is."""
    server, disk, port = Resource("server"), Resource("disk"), Resource("port")
    transfers(disk, key="disk", to=(server, "server"))(lambda disk, server: None)
    acquires(port, key="port", within=(server, "server"))(lambda port, server: None)
    inside, outside = _inside(0.1)[0], _outside(0.1)[0]
    with scope("s", sample=0.1, on_violation="record") as watch:
        watch.acquired(server, outside)
        watch.acquired(disk, inside)
        watch.transferred(disk, inside, to=(server, outside))
        watch.acquired(port, inside, within=(server, outside))
        watch.transferred(disk, outside, to=(server, outside))
    assert [("LG101", "server", outside)] == [(one.code, one.kind, one.key) for one in watch.violations]
    assert [f"disk '{inside}'", f"port '{inside}'"] == [one.partition(" (")[0] for one in watch.violations[0].children]


def test_what_changes_its_key_is_watched_whole() -> None:
    """The new key may not be in the sample of the old one."""
    row = Resource("row")
    transfers(row, key="old", to_key="new")(lambda old, new: None)
    inside, outside = _inside(0.1)[0], _outside(0.1)[0]
    with scope("s", sample=0.1, on_violation="record") as watch:
        watch.acquired(row, outside)
        watch.transferred(row, outside, to_key=inside)
    assert [("LG101", inside)] == [(one.code, one.key) for one in watch.violations]


def test_ordered_rollbacks_are_watched_whole() -> None:
    """The steps of a failed call have keys of their own; other rollbacks are sampled by theirs."""
    task, spawn = Rollback("task", order="lifo"), Rollback("spawn", unseen="error")
    outside = _outside(0.1)[0]

    @on_failure(spawn, key="key")
    @on_failure(task, key="key")
    def work(key: str) -> None:
        raise ValueError

    @rolls_back(spawn, key="key")
    def undo(key: str) -> None:
        return None

    with scope("s", sample=0.1, on_violation="record") as watch:
        with pytest.raises(ValueError, match=r"^$"):
            work(outside)
        undo(outside)
        undo(_outside(0.1, 2)[1])
    assert [("LG201", "task")] == [(one.code, one.kind) for one in watch.violations]


def test_what_is_tied_too_late_is_given_up() -> None:
    """Where some servers were left out before anything said that they own disks, nothing is said of a disk handed to one:
    neither that the server is not held, nor that the disk leaked.
    """
    server, disk = Resource("server"), Resource("disk", again="keep")
    inside, outside = _inside(0.1)[0], _outside(0.1)[0]
    with scope("s", sample=0.1, on_violation="record") as watch:
        watch.acquired(server, outside)
        watch.acquired(disk, inside)
        watch.transferred(disk, inside, to=(server, outside))
        watch.acquired(disk, inside)
        watch.released(server, outside)
    assert () == watch.violations


def test_a_scope_that_leaves_it_out_takes_it_away() -> None:
    """What is handed to a scope that does not watch it is owed no more."""
    outside = _outside(0.1)[0]
    with scope("whole") as whole, scope("part", sample=0.1, on_violation="record") as part:
        with whole.active():
            images.create(outside)
        whole.transferred(image, outside, to=part)
        images.delete(outside)
    assert () == part.violations


# -- scopes in scopes --------------------------------------------------------------------------------------------------------


def test_what_is_left_out_goes_to_the_scope_around() -> None:
    """As what a scope does not watch of a kind."""
    thin, thick = _inside(0.1)[0], next(key for key in _outside(0.1, 50) if lot(key) < LOTS / 2)
    nowhere = next(key for key in _outside(0.1, 50) if lot(key) >= LOTS / 2)
    with (
        scope("outer", sample=0.5, on_violation="record") as outer,
        scope("inner", sample=0.1, on_violation="record") as inner,
    ):
        for key in (thin, thick, nowhere):
            images.create(key)
    assert ([thin], [thick]) == ([one.key for one in inner.violations], [one.key for one in outer.violations])
    assert inner.verdict is not None
    assert outer.verdict is not None
    assert (2, 0) == (inner.verdict.watched["image"].left_out, outer.verdict.watched["image"].left_out)


def test_a_scope_that_watches_more_is_heard_when_it_opens_and_closes() -> None:
    """What nobody watched may be watched from then on, and the other way round."""
    outside = _outside(0.1)[0]
    with scope("part", sample=0.1) as part:
        images.create(outside)
        with scope("whole", on_violation="record") as whole:
            images.create(outside)
            with part.active():
                images.delete(outside)
            images.create(outside)
        images.create(outside)
        images.delete(outside)
    assert [("LG101", outside)] == [(one.code, one.key) for one in whole.violations]
    assert part.verdict is not None
    assert 2 == part.verdict.watched["image"].left_out


def test_an_unseen_key_is_no_error_where_its_acquire_may_have_been_left_out() -> None:
    """Neither in the scope that watches a sample nor in one inside it that watches all."""
    ticket = Resource("ticket", unseen="error")
    inside, outside = _inside(0.1)[0], _outside(0.1)[0]
    with scope("part", sample=0.1, on_violation="record") as part, scope("whole", on_violation="record") as whole:
        part.acquired(ticket, outside)
        whole.released(ticket, outside)
        whole.used(ticket, inside)
    assert [("LG105", inside)] == [(one.code, one.key) for one in whole.violations]
    assert () == part.violations


# -- what looks at the whole -------------------------------------------------------------------------------------------------


def test_invariants_are_not_checked() -> None:
    """A rule over all that is held need not hold of a part."""
    lamp = Resource("lamp")
    asked: list[object] = []

    @invariant(lamp, description="two lamps at least", always=True)
    def pair(view: Any) -> bool:
        asked.append(view)
        return view.count(lamp) >= 2

    with scope("part", sample=0.5) as part:
        part.acquired(lamp, _inside(0.5)[0])
        part.released(lamp, _inside(0.5)[0])
    assert [] == asked
    with scope("whole", on_violation="record") as whole:
        whole.acquired(lamp, "a")
        whole.released(lamp, "a")
    assert ["LG302"] == [one.code for one in whole.violations]


def test_predicates_do_not_fail_for_what_is_left_out() -> None:
    """As where nobody watches; and no condition counts a part."""
    inside, outside = _inside(0.1)[0], _outside(0.1)[0]
    with scope("s", sample=0.1):
        assert not held(image, inside)
        assert held(image, outside)
        assert lifeguard.released(image, outside)
        assert not watched(image)


def test_an_allowance_of_something_left_out_is_no_finding() -> None:
    """Whether it would have matched nobody knows."""
    with scope("s", sample=0.1) as watch:
        watch.allow(image, _outside(0.1)[0], why="it stays")
        images.create(_outside(0.1)[0])
    assert watch.verdict is not None
    assert () == watch.verdict.warnings


def test_drift_is_told_of_the_sample_alone() -> None:
    """What an object has and the scope leaves out came without an acquire only as far as the scope can see."""
    box = Resource("box")

    @tracks(box, state="self.boxes")
    class Store:
        def __init__(self) -> None:
            self.boxes: set[str] = set()

        @acquires(box, key="name")
        def add(self, name: str) -> None:
            self.boxes.add(name)

        @uses(box, key="name")
        def look(self, name: str) -> None:
            self.boxes.add(name + "")

    store = Store()
    inside, outside = _inside(0.1, 2), _outside(0.1, 2)
    with scope("s", sample=0.1, on_violation="record") as watch:
        store.add(inside[0])
        store.add(outside[0])
        store.look(inside[1])
        store.look(outside[1])
        watch.allow(box, inside[0], why="it stays")
    assert [("LG109", inside[1])] == [(one.code, one.key) for one in watch.violations]


def test_seeds_are_sampled() -> None:
    """A seeded key that is left out is as unseen as the others."""
    ticket = Resource("ticket", unseen="error")
    with scope("s", sample=0.1, on_violation="record") as watch:
        watch.seed(ticket, *_inside(0.1), *_outside(0.1), why="they were there")
        for key in (*_inside(0.1), *_outside(0.1)):
            watch.released(ticket, key)
            watch.released(ticket, key)
    assert [("LG103", _inside(0.1)[0])] == [(one.code, one.key) for one in watch.violations]


def test_objects_are_sampled_by_themselves() -> None:
    """An object is in the sample, or it is not, as long as it lives; also when nothing kept its key meanwhile."""
    thing = Resource("thing", unseen="error")

    class Thing:
        pass

    things = [Thing() for _ in range(200)]
    with scope("s", sample=0.5, on_violation="record") as watch:
        for one in things:
            watch.acquired(thing, one)
        kept = len(watch.outstanding)
        for one in things:
            watch.released(thing, one)
    assert () == watch.violations
    assert 0 < kept < 200
