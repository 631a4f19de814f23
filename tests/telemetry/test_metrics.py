"""What scopes hold and find, as metrics of OpenTelemetry."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from exported import Exported

from lifeguard import (
    OUTSIDE,
    Resource,
    Rollback,
    Scope,
    acquires,
    all_of,
    on_failure,
    releases,
    rolls_back,
    scope,
)

image = Resource("image")
server = Resource("server")
counted = Resource("claim", again="count")
replaced = Resource("state", again="replace")
pair = Resource("pair", needs=all_of("stop", "close"))
host = Resource("host")
network = Resource("network")
port = Resource("port", within=network, cascade=True)
spawn = Rollback("spawn")

LEAKED = "lifeguard.obligation.kind=image lifeguard.rule.id=LG101 lifeguard.violation.severity=error"


class Images:
    """An image service."""

    @acquires(image, key="name")
    def create(self, name: str) -> None:
        """Make an image."""

    @releases(image, key="name", gone=KeyError)
    def delete(self, name: str, error: Exception | None = None) -> None:
        """Unmake it."""
        if error is not None:
            raise error


def recording(exported: Exported, name: str = "watched") -> Scope:
    """A scope that only records, and tells OpenTelemetry."""
    return scope(name, on_violation="record", observers=[exported.observer()])


def test_everything_of_a_scope_that_leaks(exported: Exported) -> None:
    """The three metrics together: what is held is counted while it is held, and the leak as a violation afterwards."""
    with recording(exported):
        images = Images()
        images.create("a")
        images.create("b")
        images.delete("a")
        assert {"image": 1} == exported.active()
    assert [
        "lifeguard.obligation.active {obligation} [lifeguard.obligation.kind=image] 0",
        "lifeguard.obligation.hold.duration s [lifeguard.obligation.kind=image lifeguard.obligation.outcome=left] 1",
        "lifeguard.obligation.hold.duration s [lifeguard.obligation.kind=image lifeguard.obligation.outcome=released] 1",
        f"lifeguard.violations {{violation}} [{LEAKED}] 1",
    ] == exported.metrics()


def test_duration_is_the_time_between_the_two_calls(exported: Exported) -> None:
    """A duration is in seconds: what was held while an event of 50 ms went by was held so long, and not a minute."""
    with recording(exported):
        images = Images()
        images.create("a")
        threading.Event().wait(0.05)
        images.delete("a")
    (point,) = (point for name, _, point in exported.points() if "hold.duration" in name)
    assert 0.05 <= point.sum < 60
    assert (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200) == point.explicit_bounds


def test_transfers_between_scopes_resources_and_keys_change_no_count(exported: Exported) -> None:
    """What changes hands is one obligation all the way; handed outside, it is nobody's any more."""
    with recording(exported, "outer") as outer:
        outer.acquired(server, "s")
        with recording(exported, "inner") as inner:
            for key in ("to scope", "to server", "to key", "to outside"):
                inner.acquired(image, key)
            inner.transferred(image, "to scope", to=outer)
            inner.transferred(image, "to server", to=(server, "s"))
            inner.transferred(image, "to key", to_key="another")
            assert {"image": 4, "server": 1} == exported.active()
            inner.transferred(image, "to outside", to=OUTSIDE)
            assert {"image": 3, "server": 1} == exported.active()
            inner.released(image, "another")
        assert {"image": 2, "server": 1} == exported.active()
        outer.released(server, "s")
        assert {"image": 1, "server": 0} == exported.active()
        outer.released(image, "to scope")
    assert {"image": 0, "server": 0} == exported.active()
    assert [
        "handed_outside image 1",
        "released image 2",
        "released server 1",
        "settled_with_owner image 1",
    ] == exported.ends()


def test_transfer_to_and_from_a_scope_that_tells_nobody(exported: Exported) -> None:
    """The count covers the scopes that are observed: what goes to another one leaves it, what comes from there joins it."""
    with scope("unobserved") as outer:
        outer.acquired(image, "comes")
        with recording(exported) as inner:
            outer.transferred(image, "comes", to=inner)
            inner.acquired(image, "goes")
            assert {"image": 2} == exported.active()
            inner.transferred(image, "goes", to=outer)
            assert {"image": 1} == exported.active()
            inner.released(image, "comes")
        outer.released(image, "goes")
    assert {"image": 0} == exported.active()
    assert ["handed_on image 1", "released image 1"] == exported.ends()


def test_held_again_is_one_obligation(exported: Exported) -> None:
    """An obligation that counts is one until it is paid as often; one that is replaced ends, and another begins."""
    with recording(exported) as watched:
        watched.acquired(counted, "c")
        watched.acquired(counted, "c")
        watched.released(counted, "c")
        assert {"claim": 1} == exported.active()
        watched.released(counted, "c")
        watched.acquired(replaced, "r")
        watched.acquired(replaced, "r")
        assert {"claim": 0, "state": 1} == exported.active()
        watched.released(replaced, "r")
    assert {"claim": 0, "state": 0} == exported.active()
    assert ["overwritten state 1", "released claim 1", "released state 1"] == exported.ends()


def test_amounts_and_parts_are_one_obligation_each(exported: Exported) -> None:
    """Four vCPUs of a host are one thing that is owed, and so is a pair that needs two releases."""
    with recording(exported) as watched:
        watched.acquired(host, "h", amount=4)
        watched.acquired(host, "h", amount=2)
        watched.acquired(pair, "p")
        watched.released(pair, "p", part="stop")
        watched.released(host, "h", amount=5)
        assert {"host": 1, "pair": 1} == exported.active()
        watched.released(host, "h", amount=1)
        watched.released(pair, "p", part="close")
    assert {"host": 0, "pair": 0} == exported.active()
    assert ["released host 1", "released pair 1"] == exported.ends()


def test_what_goes_with_its_owner_or_its_whole_goes_from_the_count(exported: Exported) -> None:
    """A release takes along what was handed to it and the parts that cascade, and all of them are settled."""
    with recording(exported) as watched:
        watched.acquired(network, "n")
        watched.acquired(port, "p", within="n")
        watched.acquired(image, "i")
        watched.transferred(image, "i", to=(port, "p"))
        assert {"image": 1, "network": 1, "port": 1} == exported.active()
        watched.released(network, "n")
        assert {"image": 0, "network": 0, "port": 0} == exported.active()
    assert ["released network 1", "settled_with_owner image 1", "settled_with_owner port 1"] == exported.ends()


def test_seeds_and_doubts(exported: Exported) -> None:
    """A seeded thing is not owed, and so not counted; what is in doubt is, until it is known that it never came about."""
    with recording(exported) as watched:
        watched.seed(image, "was there", why="a test")
        watched.acquired(image, "doubtful", in_doubt=True, error=TimeoutError())
        assert {"image": 1} == exported.active()
        watched.released(image, "doubtful", gone=KeyError, error=KeyError())
        watched.released(image, "was there")
    assert {"image": 0} == exported.active()
    assert ["dropped image 1"] == exported.ends()


def test_rollbacks_are_obligations(exported: Exported) -> None:
    """A failure opens one, its rollback settles it; one that nobody rolls back is a violation of its own rule."""

    @on_failure(spawn, key="name")
    def start(name: str) -> None:
        raise RuntimeError

    @rolls_back(spawn, key="name")
    def clean_up(name: str) -> None:
        pass

    with recording(exported):
        for name in ("a", "b"):
            try:
                start(name)
            except RuntimeError:
                pass
        assert {"spawn": 2} == exported.active()
        clean_up("a")
    assert {"spawn": 0} == exported.active()
    assert ["left spawn 1", "released spawn 1"] == exported.ends()
    assert "lifeguard.rule.id=LG201" in exported.metrics()[-1]


def test_two_scopes_at_once_are_added_up(exported: Exported) -> None:
    """Scopes of two threads, and one that a decorator makes for each call, tell one metric and are told once each."""
    both, done = threading.Barrier(2), threading.Barrier(2)
    observer = exported.observer()

    @scope(on_violation="record", observers=[observer])
    def work() -> None:
        Images().create("same key")
        both.wait(10)
        done.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    with scope(on_violation="record", observers=[observer]):
        Images().create("same key")
        both.wait(10)
        assert {"image": 2} == exported.active()
        done.wait(10)
        thread.join()
    assert {"image": 0} == exported.active()
    assert ["left image 2"] == exported.ends()


def test_nested_scopes_count_once(exported: Exported) -> None:
    """A call is told to every scope that it is in, and counted where it is held."""
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            stack.enter_context(recording(exported, name))
        Images().create("x")
        assert {"image": 1} == exported.active()
        Images().delete("x")
    assert ["released image 1"] == exported.ends()


def test_what_is_allowed_is_no_violation(exported: Exported) -> None:
    """An allowed leak leaves the count, and is no violation; an allowance that covers nothing is one, as a warning."""
    with recording(exported) as watched:
        watched.allow(image, "a", why="a test")
        watched.allow(image, "b", why="a test")
        Images().create("a")
    assert {"image": 0} == exported.active()
    assert [
        "lifeguard.violations {violation} [lifeguard.rule.id=LG403 lifeguard.violation.severity=warning] 1"
    ] == exported.metrics()[2:]


def test_release_of_what_is_gone_settles(exported: Exported) -> None:
    """A release that raises what says "not there" pays, as in the ledger; any other error leaves the obligation open."""
    with recording(exported):
        images = Images()
        images.create("a")
        for error in (RuntimeError(), KeyError()):
            try:
                images.delete("a", error)
            except Exception:
                assert {"image": int(isinstance(error, RuntimeError))} == exported.active()
    assert ["released image 1"] == exported.ends()


def test_finaliser_in_the_middle_of_a_step_is_counted(exported: Exported) -> None:
    """What tells an event while the ledger is busy is put off by it; the count takes it up when it is there."""

    class Key:
        def __init__(self, watched: Scope) -> None:
            self.watched = watched

        def __del__(self) -> None:
            self.watched.released(image, "held")

    with recording(exported) as watched:
        watched.acquired(image, "held")
        watched.acquired(image, Key(watched))
        watched.acquired(image, "last")
        watched.released(image, "last")
        assert {"image": 1} == exported.active()
        watched.allow(image, why="an object that stands for itself", rule="LG101")
    assert {"image": 0} == exported.active()


def test_many_threads_lose_nothing(exported: Exported) -> None:
    """Whoever tells, tells what others have heard, too: nothing is lost or told twice between threads."""

    def work(number: int) -> None:
        images = Images()
        for turn in range(100):
            images.create(f"{number}-{turn}")
            images.delete(f"{number}-{turn}")

    with scope("all", reach="process", observers=[exported.observer()]):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {"image": 0} == exported.active()
    assert ["released image 800"] == exported.ends()
