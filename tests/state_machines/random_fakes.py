"""Fakes made at random: correct ones, and ones with a hole of a sort that is known."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from lifeguard import OUTSIDE, Resource, acquires, releases, tracks, transfers, uses


class NotFound(Exception):
    """What a fake says of a thing that it does not have."""


class Refused(Exception):
    """A failure that is declared."""


class Broken(Exception):
    """A failure that nobody declared."""


HOLES = {
    "inner double release": "LG103",
    "inner use after release": "LG104",
    "inner leak": "LG101",
    "use after release": "LG104",
    "silent second release": "LG103",
    "loses what it holds": "LG109",
    "keeps what it released": "LG109",
    "forgets what it holds": "LG109",
    "second release raises": "Broken",
    "undeclared failure": "Broken",
}
"""What can be wrong with a fake, and what must be said of it."""


@dataclass(frozen=True)
class Plan:
    """How a fake is made."""

    given_ids: bool  # whether the caller names what is made
    inner: int  # so many inner things come with each
    gone: bool  # whether it says NotFound of what it does not have
    idempotent: bool  # whether releasing again is fine
    outside: bool  # whether things can be published
    refuses: bool  # whether making may fail, as declared
    late: bool  # whether the hole opens only where two things are held
    hole: str

    @staticmethod
    def at_random(number: int, hole: str) -> Plan:
        """A plan that has room for the hole."""
        dice = random.Random(f"{number} {hole}")
        coin = lambda: dice.random() < 0.5  # noqa: E731
        again = hole == "second release raises"
        silent = hole == "silent second release"
        gone = hole in ("use after release", "silent second release", "loses what it holds") or coin()
        return Plan(
            given_ids=coin(),
            inner=dice.randint(1, 2) if hole.startswith("inner") else dice.randint(0, 2),
            gone=gone,
            idempotent=again or (not silent and coin()),
            outside=coin(),
            refuses=coin(),
            late=coin(),
            hole=hole,
        )


class Ports:
    """The inner service, which is correct."""

    kind = Resource("port")

    def __init__(self) -> None:
        self.made = 0

    @acquires(kind, key="result")
    def make(self) -> int:
        """Make one."""
        self.made += 1
        return self.made

    @uses(kind, key="port")
    def show(self, port: int) -> None:
        """Look at one."""

    @releases(kind, key="port")
    def remove(self, port: int) -> None:
        """Remove one."""


def make_fake(plan: Plan) -> Any:
    """A class of fakes as planned; their kind is its attribute `kind`."""
    server = Resource("server")
    gone = NotFound if plan.gone else ()
    key = "name" if plan.given_ids else "result['id']"

    @tracks(server, state="self.servers")
    class Servers:
        kind = server

        def __init__(self) -> None:
            self.servers: dict[str, list[int]] = {}
            self.ports = Ports()
            self.count = 0

        def open_hole(self, hole: str) -> bool:
            """Whether this hole is there, and open now."""
            return plan.hole == hole and (not plan.late or len(self.servers) > 1)

        @acquires(server, key=key, raises=Refused)
        def boot(self, name: str) -> dict[str, str]:
            """Make one."""
            if plan.refuses and len(name) > 2:
                raise Refused(name)
            if self.open_hole("undeclared failure"):
                raise Broken(name)
            self.count += 1
            number = name if plan.given_ids else f"s{self.count}"
            if self.open_hole("forgets what it holds") or self.open_hole("loses what it holds"):
                return {"id": number}
            self.servers[number] = [self.ports.make() for _ in range(plan.inner)]
            return {"id": number}

        @uses(server, key="server_id", gone=gone)
        def show(self, server_id: str) -> None:
            """Look at one."""
            if server_id not in self.servers and not self.open_hole("use after release"):
                raise NotFound(server_id)
            for port in self.servers.get(server_id, ()):
                self.ports.show(port)

        @releases(server, key="server_id", gone=gone, idempotent=plan.idempotent)
        def delete(self, server_id: str) -> None:
            """Remove one."""
            if server_id not in self.servers:
                if plan.hole == "second release raises":
                    raise Broken(server_id)
                if plan.idempotent or plan.hole == "silent second release":
                    return
                raise NotFound(server_id)
            leaky, double = self.open_hole("inner leak"), self.open_hole("inner double release")
            used, kept = self.open_hole("inner use after release"), self.open_hole("keeps what it released")
            ports = self.servers[server_id] if kept else self.servers.pop(server_id)
            for port in ports[leaky:]:
                self.ports.remove(port)
                if double:
                    self.ports.remove(port)
                if used:
                    self.ports.show(port)
            if kept:
                ports.clear()

        if plan.outside:

            @transfers(server, key="server_id", to=OUTSIDE)
            def publish(self, server_id: str) -> None:
                """Hand one to the world, without its ports."""
                for port in self.servers[server_id]:
                    self.ports.remove(port)
                self.servers[server_id] = []

    return Servers
