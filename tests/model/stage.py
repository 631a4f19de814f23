"""A stage for events by hand: two scopes, kinds of each sort, and the rows and columns of the design's table as steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from lifeguard import OUTSIDE, Resource, Rollback, all_of, scope
from lifeguard.scopes import Scope

server = Resource("server")
image = Resource("image")
strict = Resource("strict image", unseen="error")
volume = Resource("volume", again="count")
label = Resource("label", again="keep")
slot = Resource("slot", again="replace")
pair = Resource("pair", needs=all_of("stop", "close"))
network = Resource("network")
port = Resource("port", within=network)
subnet = Resource("subnet", within=network, cascade=True)
vcpu = Resource("vcpu")
pool = Resource("pool", again="replace")
member = Resource("member", within=pool)
spawn = Rollback("spawn")
resize = Rollback("resize", unseen="error")


class NotFoundError(Exception):
    """What a service says of something that is not there."""


class Stage:
    """Two scopes of one context that do not contain one another: `mine`, where things happen, and `other`; and more on demand."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.mine = self.open("mine")
        self.other = self.open("other")

    def open(self, name: str, *, inside: Scope | None = None, remember: int | None = 1024) -> Scope:
        """Open one more scope, inside another one or by itself."""
        with inside.active() if inside is not None else nullcontext():
            self.scopes.append(scope(name, on_violation="record", remember=remember).open())
        return self.scopes[-1]

    def left(self) -> list[str]:
        """What is outstanding, as "scope: kind key state"."""
        return [f"{s.name}: {one}" for s in self.scopes for one in s.outstanding]

    def close(self, exc: BaseException | None = None) -> list[str]:
        """Close what is open, the last first; what all say, as "scope: code kind key also-codes" and "scope: n unmatched"."""
        for s in reversed(self.scopes):
            if s.verdict is None:
                s.close(exc)
        said = []
        for s in self.scopes:
            assert s.verdict is not None
            for found in s.verdict.violations:
                codes = [found.code, f"{found.kind} {found.key!r}", *(text[:5] for text in found.also)]
                said.append(f"{s.name}: {' '.join(codes)}")
            said += [f"{s.name}: {count} unmatched" for count in s.verdict.unmatched.values()]
        return said


# --- the rows: how a key gets there -----------------------------------------------------------------------------------


def unseen(on: Stage, kind: Resource) -> None:
    """Nothing has happened."""


def held(on: Stage, kind: Resource) -> None:
    """An acquire returned."""
    on.mine.acquired(kind, 1)


def parts_paid(on: Stage, kind: Resource) -> None:
    """Of two parts, one was released."""
    on.mine.acquired(pair, 1)
    on.mine.released(pair, 1, part="stop")


def in_doubt(on: Stage, kind: Resource) -> None:
    """An acquire raised and may have taken effect."""
    on.mine.acquired(kind, 1, in_doubt=True, error=TimeoutError("no answer"))


def released(on: Stage, kind: Resource) -> None:
    """Acquired and released."""
    on.mine.acquired(kind, 1)
    on.mine.released(kind, 1)


def gone_with_owner(on: Stage, kind: Resource) -> None:
    """Handed to a server, and the server was released."""
    on.mine.acquired(server, "s")
    on.mine.acquired(kind, 1)
    on.mine.transferred(kind, 1, to=(server, "s"))
    on.mine.released(server, "s")


def overwritten(on: Stage, kind: Resource) -> None:
    """Replaced by a second one, which then went to another key and was released there."""
    on.mine.acquired(slot, 1)
    on.mine.acquired(slot, 1)
    on.mine.transferred(slot, 1, to_key=2)
    on.mine.released(slot, 2)


def handed_outside(on: Stage, kind: Resource) -> None:
    """Transferred to the outside world."""
    on.mine.acquired(kind, 1)
    on.mine.transferred(kind, 1, to=OUTSIDE)


# --- the columns: what happens then -----------------------------------------------------------------------------------


def acquire(on: Stage, kind: Resource) -> None:
    """An acquire returned."""
    on.mine.acquired(kind, 1)


def acquire_raised(on: Stage, kind: Resource) -> None:
    """An acquire raised."""
    on.mine.acquired(kind, 1, error=OSError("full"))


def acquire_in_doubt(on: Stage, kind: Resource) -> None:
    """An acquire that is declared in doubt raised."""
    on.mine.acquired(kind, 1, in_doubt=True, error=TimeoutError("no answer"))


def release(on: Stage, kind: Resource) -> None:
    """A release returned."""
    on.mine.released(kind, 1)


def release_idempotent(on: Stage, kind: Resource) -> None:
    """A release that may be repeated returned."""
    on.mine.released(kind, 1, idempotent=True)


def release_raised(on: Stage, kind: Resource) -> None:
    """A release raised something else than what says that it is gone."""
    on.mine.released(kind, 1, error=OSError("busy"), gone=NotFoundError)


def release_gone(on: Stage, kind: Resource) -> None:
    """A release raised what says that it is gone."""
    on.mine.released(kind, 1, error=NotFoundError("gone"), gone=NotFoundError)


def release_stop(on: Stage, kind: Resource) -> None:
    """The part "stop" was released."""
    on.mine.released(pair, 1, part="stop")


def release_close(on: Stage, kind: Resource) -> None:
    """The part "close" was released."""
    on.mine.released(pair, 1, part="close")


def release_close_raised(on: Stage, kind: Resource) -> None:
    """The release of the part "close" raised."""
    on.mine.released(pair, 1, part="close", error=OSError("busy"), gone=NotFoundError)


def release_close_gone(on: Stage, kind: Resource) -> None:
    """The release of the part "close" raised what says that it is gone."""
    on.mine.released(pair, 1, part="close", error=NotFoundError("gone"), gone=NotFoundError)


def transfer(on: Stage, kind: Resource) -> None:
    """A transfer to another scope returned."""
    on.mine.transferred(kind, 1, to=on.other)


def transfer_outside(on: Stage, kind: Resource) -> None:
    """A transfer to the outside world returned."""
    on.mine.transferred(kind, 1, to=OUTSIDE)


def transfer_raised(on: Stage, kind: Resource) -> None:
    """A transfer raised."""
    on.mine.transferred(kind, 1, to=on.other, error=OSError("refused"))


def use(on: Stage, kind: Resource) -> None:
    """A use returned."""
    on.mine.used(kind, 1)


def use_raised(on: Stage, kind: Resource) -> None:
    """A use raised something else than what says that it is gone."""
    on.mine.used(kind, 1, error=OSError("busy"), gone=NotFoundError)


def use_gone(on: Stage, kind: Resource) -> None:
    """A use raised what says that it is gone."""
    on.mine.used(kind, 1, error=NotFoundError("gone"), gone=NotFoundError)


Step = Callable[[Stage, Any], None]
"""Something that happens on a stage to the key 1 of a kind."""
