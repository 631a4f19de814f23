"""Atomic and settling calls answer for their own share of a thing that others hold, too."""

from __future__ import annotations

import threading
from collections.abc import Callable

from findings import said, watching
from watched_failures import HostError, fails

from lifeguard import Resource, acquires, atomic, releases, scope, settles


def test_an_amount_that_a_failed_call_added_is_left_behind() -> None:
    """What was claimed on a host that holds claims already is a share of its own, in amounts as in counts."""
    vcpus = Resource("vcpus")
    lock = Resource("lock", again="count")

    @acquires(vcpus, key="host", amount="number")
    @acquires(lock, key="host")
    def claim(host: str, number: int) -> None:
        """Acquire some."""

    @releases(vcpus, key="host", amount="number")
    @releases(lock, key="host")
    def free(host: str, number: int) -> None:
        """Release some."""

    @releases(lock, key="host")
    def unlock(host: str) -> None:
        """Release the other."""

    @atomic
    def failing(host: str, freed: int) -> None:
        claim(host, 3)
        if freed:
            free(host, freed)
        raise HostError("full")

    @settles(vcpus)
    def settling(host: str) -> None:
        claim(host, 2)

    with watching() as watched:
        claim("host-1", 5)
        fails(lambda: failing("host-1", 0))
        free("host-1", 8)
        unlock("host-1")
    assert ["LG204 lock 'host-1'", "LG204 vcpus 'host-1'"] == sorted(said(watched))
    with watching() as watched:
        claim("host-1", 5)
        fails(lambda: failing("host-1", 3))
        free("host-1", 5)
    assert [] == said(watched)
    with watching() as watched:
        claim("host-1", 5)
        settling("host-1")
        free("host-1", 7)
        unlock("host-1")
    assert ["LG111 vcpus 'host-1'"] == said(watched)


def test_a_share_that_another_thread_adds_is_not_the_calls_own() -> None:
    """A call that released what it took answers for nothing, though the thing that it opened is held by others now."""
    lock = Resource("lock", again="count")

    @acquires(lock, key="name")
    def take(name: str) -> None:
        """Acquire."""

    @releases(lock, key="name")
    def drop(name: str) -> None:
        """Release."""

    def in_thread(work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    @atomic
    def work() -> None:
        take("a")
        in_thread(lambda: take("a"))
        drop("a")
        raise HostError("full")

    with scope("shared", reach="process", on_violation="record") as watched:
        fails(work)
        drop("a")
    assert [] == said(watched)
