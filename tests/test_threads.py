"""Threads, finalisers and signal handlers: no event is lost, nothing is judged twice, nothing dead-locks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from findings import codes_and_keys

import lifeguard
from lifeguard import Resource, Rollback, acquires, on_failure, releases, rolls_back, scope, uses
from lifeguard.keys import identity

THREADS = 8

image = Resource("image")
volume = Resource("volume", again="count")
vcpu = Resource("vcpu")
spawn = Rollback("spawn")


class Images:
    """A fake service."""

    @acquires(image, key="image_id")
    def create(self, image_id: object) -> None:
        """Make one."""

    @uses(image, key="image_id")
    def show(self, image_id: object) -> None:
        """Look at one."""

    @releases(image, key="image_id")
    def delete(self, image_id: object) -> None:
        """Remove one."""

    @acquires(volume, key="volume_id")
    def attach(self, volume_id: object) -> None:
        """Once more."""

    @releases(volume, key="volume_id")
    def detach(self, volume_id: object) -> None:
        """Once less."""

    @acquires(vcpu, key="host", amount="vcpus")
    def claim(self, host: str, vcpus: int) -> None:
        """Take some."""

    @releases(vcpu, key="host", amount="vcpus")
    def drop(self, host: str, vcpus: int) -> None:
        """Give some back."""

    @on_failure(spawn, key="server")
    def start(self, server: object) -> None:
        """Fail."""
        raise OSError

    @rolls_back(spawn, key="server")
    def clean(self, server: object) -> None:
        """Roll back."""


images = Images()


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[int], object]) -> None:
    """Run something in all threads at once, each with its number; what one of them raises is raised here."""
    barrier = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_no_event_is_lost() -> None:
    """Eight threads on one process-reach scope: every acquire, use and release is counted, and all balances."""
    rounds = 150

    def work(number: int) -> None:
        for turn in range(rounds):
            key = f"{number}-{turn}"
            images.create(key)
            images.show(key)
            images.delete(key)

    with scope(reach="process", remember=None) as s:
        together(work)
    counts = s.watched["image"]
    expected = (THREADS * rounds, THREADS * rounds, THREADS * rounds, 0)
    assert expected == (counts.acquired, counts.used, counts.released, counts.unmatched)
    assert s.verdict is not None
    assert (0, 0) == (s.verdict.nowhere, s.verdict.elsewhere)


def test_on_one_key() -> None:
    """Counted acquires and amounts of one key, by all threads: the sums come out."""
    rounds = 100

    def work(number: int) -> None:
        for _ in range(rounds):
            images.attach("v")
            images.claim("host", 2)
            if number:
                images.drop("host", 2)
                images.detach("v")

    with scope(reach="process", on_violation="record") as s:
        together(work)
        for _ in range(rounds):
            images.detach("v")
        images.drop("host", 2 * rounds - 1)
    assert [("LG110", "host")] == codes_and_keys(s)
    assert "1" in s.violations[0].message
    assert THREADS * rounds == s.watched["volume"].acquired == s.watched["volume"].released


def test_exactly_one_wins() -> None:
    """All threads release the same things: each thing has one release and seven doubles, under one finding."""
    keys = [f"i{number}" for number in range(60)]

    def work(number: int) -> None:
        for key in keys:
            images.delete(key)

    with scope(reach="process", on_violation="record") as s:
        for key in keys:
            images.create(key)
        together(work)
    assert sorted(("LG103", key) for key in keys) == sorted(codes_and_keys(s))  # type: ignore[type-var]
    assert {THREADS - 2} == {len(one.also) for one in s.violations}
    assert THREADS * len(keys) == s.watched["image"].released


def test_failures_and_rollbacks() -> None:
    """What failed in one thread is rolled back in another."""
    failed = [threading.Event() for _ in range(THREADS)]

    def work(number: int) -> None:
        for turn in range(30):
            with pytest.raises(OSError):
                images.start((number, turn))
        failed[number].set()
        other = (number + 1) % THREADS
        assert failed[other].wait(30)
        for turn in range(30):
            images.clean((other, turn))

    with scope(reach="process") as s:
        together(work)
    assert (THREADS * 30, THREADS * 30) == (s.watched["spawn"].failed, s.watched["spawn"].rolled_back)


def test_many_receivers() -> None:
    """Each thread makes objects of its own by the dozen; none of their events is lost."""

    def work(number: int) -> None:
        for turn in range(100):
            service = Images()
            service.create((number, turn))
            service.delete((number, turn))

    with scope(reach="process", on_violation="record") as s:
        together(work)
    assert [] == codes_and_keys(s)
    assert (THREADS * 100, THREADS * 100) == (s.watched["image"].acquired, s.watched["image"].released)


def test_scopes_that_open_and_close_meanwhile() -> None:
    """Every thread judges its own things; a process-reach scope comes and goes in each of them."""
    found: list[list[tuple[str, object]]] = []

    def work(number: int) -> None:
        for turn in range(20):
            with scope(on_violation="record", reach="process" if turn % 2 else "context") as s:
                images.create((number, turn))
                images.create((number, turn, "kept"))
                images.delete((number, turn))
            found.append(codes_and_keys(s))

    with scope("around", reach="process", on_violation="record") as around:
        together(work)
    assert [] == codes_and_keys(around)
    expected = [[("LG101", (number, turn, "kept"))] for number in range(THREADS) for turn in range(20)]
    assert sorted(map(repr, expected)) == sorted(map(repr, found))


def test_looking_while_others_work() -> None:
    """`outstanding`, `violations`, `watched` and `report` may be asked at any time."""
    kinds = [Resource(f"kind {number}") for number in range(THREADS)]

    def work(number: int) -> None:
        for turn in range(12):
            s.acquired(kinds[number], turn)
            assert s.outstanding is not None
            s.released(kinds[number], turn)
            s.released(kinds[number], turn)
            assert s.violations
            assert f"kind {number}" in s.watched
        assert s.report()

    with scope(reach="process", on_violation="record") as s:
        for kind in kinds:
            s.acquired(kind, "first")
            s.released(kind, "first")
        together(work)
    assert THREADS * 12 == len(s.violations)


def test_bound_in_all_threads() -> None:
    """A context scope gets what bound functions do in eight threads, and nothing else."""
    with scope(on_violation="record") as s:
        bound = s.bind(images.create)

        def work(number: int) -> None:
            for turn in range(50):
                bound((number, turn))
                images.create((number, turn))

        together(work)
    assert THREADS * 50 == len(s.violations)
    assert s.verdict is not None
    assert THREADS * 50 == s.verdict.nowhere


# --- finalisers ---------------------------------------------------------------------------------------------------------


class Handle:
    """Releases itself when it is collected, in a cycle so that only the collector finds it."""

    def __init__(self, number: int) -> None:
        self.name = f"handle {number}"
        self.itself = self
        self.take()

    @acquires(image, key="self.name")
    def take(self) -> None:
        """Take it."""

    @releases(image, key="self.name")
    def __del__(self) -> None:
        """Give it back."""


def test_released_by_the_collector() -> None:
    """The plain case: the collection releases."""
    with scope(on_violation="record") as s:
        Handle(1)
        assert ["handle 1"] == [one.key for one in s.outstanding]
        gc.collect()
    assert [] == codes_and_keys(s)
    assert 1 == s.watched["image"].released


def test_a_finaliser_while_the_ledger_works() -> None:
    """The collector runs at every few allocations, in the middle of the ledger's own steps as well: nothing is lost."""
    before = gc.get_threshold()
    many = 400
    with scope(reach="process", on_violation="record", remember=None) as s:
        gc.set_threshold(7)
        try:
            for number in range(many):
                Handle(number)
                images.create(number)
                images.delete(number)
        finally:
            gc.set_threshold(*before)
        gc.collect()
    assert [] == codes_and_keys(s)
    assert (2 * many, 2 * many) == (s.watched["image"].acquired, s.watched["image"].released)


def test_a_finaliser_inside_a_step_of_the_ledger() -> None:
    """A step that is interrupted by a release of its own thread is ended first; then that release is applied."""
    from lifeguard.context import LEDGER

    with scope(on_violation="record") as s:
        s.acquired(image, "i")
        seen: list[int] = []

        def step() -> None:
            images.delete("i")  # as a finaliser would
            s.acquired(image, "j")
            seen.append(len(s.book.held))

        LEDGER._do(step)
        assert [1] == seen
        assert ["j"] == [one.key for one in s.outstanding]
    assert [("LG101", "j")] == codes_and_keys(s)


def test_finalisers_in_eight_threads() -> None:
    """The collector runs in whichever thread comes along."""
    before = gc.get_threshold()

    def work(number: int) -> None:
        for turn in range(40):
            Handle(number * 1000 + turn)
            images.create((number, turn))
            images.delete((number, turn))

    with scope(reach="process", on_violation="record", remember=None) as s:
        gc.set_threshold(50)
        try:
            together(work)
        finally:
            gc.set_threshold(*before)
        gc.collect()
    assert [] == codes_and_keys(s)
    assert THREADS * 80 == s.watched["image"].acquired == s.watched["image"].released


# --- signals ------------------------------------------------------------------------------------------------------------

SIGNALS = """
import signal, sys, threading
from lifeguard import *

image = Resource("image")

class Images:
    @acquires(image, key="image_id")
    def create(self, image_id): pass
    @releases(image, key="image_id")
    def delete(self, image_id): pass

images = Images()
handled = 0

def handler(number, frame):
    global handled
    handled += 1
    mine = "signal", handled  # the next signal may come while this one is being handled
    images.create(mine)
    images.delete(mine)

signal.signal(signal.SIGALRM, handler)
rounds = 0
with scope(reach="process", on_violation="record", remember=None) as s:
    stop = threading.Event()
    def other():
        turn = 0
        while not stop.is_set():
            images.create(("other", turn))
            images.delete(("other", turn))
            turn += 1
    thread = threading.Thread(target=other)
    if "threads" in sys.argv:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    while handled < 200:
        images.create(rounds)
        images.delete(rounds)
        rounds += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    stop.set()
    if "threads" in sys.argv:
        thread.join()
counts = s.watched["image"]
print([str(one) for one in s.violations], counts.acquired - counts.released, counts.unmatched)
print(counts.acquired >= rounds + handled)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timers")
@pytest.mark.parametrize("mode", ["alone", "threads"])
def test_a_signal_handler(mode: str) -> None:
    """A handler that acquires and releases whatever its thread is doing: it neither waits for ever nor loses an event."""
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(SIGNALS), mode]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ("", "[] 0 0\nTrue\n") == (ran.stderr, ran.stdout)


def test_a_release_by_the_finaliser_of_an_object_in_a_cycle() -> None:
    """The collector clears weak references before it runs `__del__`; it is the same object all the same, and pays."""

    class Handle:
        @acquires(image, key="self")
        def __init__(self) -> None:
            self.me = self

        @releases(image, key="self")
        def __del__(self) -> None:
            """Release."""

    with scope("cycles", on_violation="record") as watched:
        for _ in range(50):
            Handle()
        gc.collect()
    assert () == watched.violations
    assert (50, 50) == (watched.watched["image"].acquired, watched.watched["image"].released)
    assert {} == identity._dying


def test_who_runs_is_known_after_every_switch() -> None:
    """A thread before, between and after its loops; its tasks, one that starts at once, callbacks, and a thread of the loop's."""
    create = acquires(Resource("image"), key="name")(lambda name: None)

    async def acquire(*names: str) -> None:
        for name in names:
            create(name)
            await asyncio.sleep(0)

    async def main(turn: int) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        task.set_name("main")
        create(f"main 1.{turn}")
        loop.call_soon(create, f"thread 1.{turn}")
        others = [
            asyncio.create_task(acquire(f"{name} 1.{turn}", f"{name} 2.{turn}"), name=name) for name in ("ann", "bob")
        ]
        await asyncio.sleep(0)
        create(f"main 2.{turn}")
        await asyncio.gather(*others)
        if sys.version_info >= (3, 12):
            eager = acquire(f"eager 1.{turn}", f"eager 2.{turn}")
            await asyncio.Task(eager, loop=loop, name="eager", eager_start=True)
        create(f"main 3.{turn}")
        await asyncio.to_thread(create, f"worker 1.{turn}")
        create(f"main 4.{turn}")

    with scope(on_violation="record") as watched, asyncio.Runner() as runner:
        for turn in (1, 2):
            create(f"thread 2.{turn}")
            runner.run(main(turn))
        create("thread 3")
    actors = [(str(one.key).partition(" ")[0], one.actor.partition("_")[0]) for one in watched.violations]
    tasks = ["ann", "bob", "eager", "main"] if sys.version_info >= (3, 12) else ["ann", "bob", "main"]
    expected = {*((name, f"task {name}") for name in tasks), ("thread", "MainThread"), ("worker", "asyncio")}
    assert expected == set(actors)
    assert {"main": 8, "ann": 4, "bob": 4} | {"thread": 5, "worker": 2} == {
        name: [one for one, _ in actors].count(name) for name in ("main", "ann", "bob", "thread", "worker")
    }
