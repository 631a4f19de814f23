"""A planted leak, which an exploration has to find before its silence is worth anything."""

from __future__ import annotations

import functools

from lifeguard.decorators import acquires, releases, uses
from lifeguard.errors import UsageError
from lifeguard.faults.points import Menu
from lifeguard.faults.running import World
from lifeguard.faults.searching import Bounds, Search
from lifeguard.kinds import Resource


@functools.cache
def check() -> None:
    """Find the planted leak; once in a process.

    Raises:
        UsageError: it was not found, so that nothing that is found or not found can be trusted.
    """
    cage = Resource("canary")

    @acquires(cage, key="name")
    def let_in(name: str) -> None: ...

    @uses(cage, key="name")
    def look_at(name: str) -> None: ...

    @releases(cage, key="name")
    def let_out(name: str) -> None: ...

    def careless() -> None:
        let_in("tweety")
        look_at("tweety")
        let_out("tweety")

    world = World(scenario=careless, name="canary", menu=Menu())
    search = Search(world, Bounds(depth=1), lambda done, wanted, found: None)
    why = search.baselines()
    if not why:
        search.go()
    found = {(case.said.verdict, case.said.kind) for case in search.cases.values()}
    if why or ("leak", "canary") not in found:
        raise UsageError.at_caller(
            "the exploration did not find the leak that it plants for itself, so it would find none of yours: "
            + (f"without any fault, {why}" if why else "is lifeguard switched off (LIFEGUARD=off)?")
        )
