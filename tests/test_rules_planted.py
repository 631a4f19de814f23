"""The checker can fail: for every rule one planted violation that is found, and a near miss that is left alone."""

# ruff: noqa: D102  the classes inside the tests are the material, not the tests

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from watched_classes import Faithful, Forgetful, Shelf, image

from lifeguard import (
    OUTSIDE,
    Holding,
    LedgerView,
    Resource,
    Rollback,
    Scope,
    Verdict,
    acquires,
    all_of,
    atomic,
    invariant,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
    transfers,
    uses,
)
from lifeguard.rules import RULES

server = Resource("server")
row = Resource("row", unseen="error")
network = Resource("network")
subnet = Resource("subnet", within=network)
process = Resource("process", needs=all_of("stop", "close"))
volume = Resource("volume")
spawning = Rollback("spawn")
task = Rollback("task", order="lifo", unseen="error")
binding = Resource("binding", fields=("port", "host"))


class NotFound(Exception):
    """The fake knows no such thing."""


class Fakes:
    """Everything that the programs below do to resources, with contracts as a user writes them."""

    @acquires(image, key="result['id']")
    def create_image(self, name: str) -> dict[str, str]:
        """Make an image."""
        return {"id": f"image-of-{name}"}

    @uses(image, key="image_id")
    def show_image(self, image_id: str) -> None:
        """Look at it."""

    @releases(image, key="image_id")
    def delete_image(self, image_id: str) -> None:
        """Delete it."""

    @transfers(image, key="image_id", to=OUTSIDE)
    def publish_image(self, image_id: str) -> None:
        """Give it to its readers."""

    @acquires(server, key="name")
    def boot(self, name: str) -> None:
        """Start a server."""

    @transfers(image, key="image_id", to=(server, "name"))
    def attach(self, image_id: str, name: str) -> None:
        """The image goes with the server from now on."""

    @releases(server, key="name")
    def destroy(self, name: str) -> None:
        """Destroy a server."""

    @acquires(row, key="row_id")
    def insert(self, row_id: int) -> None:
        """Insert a row."""

    @releases(row, key="row_id")
    def remove(self, row_id: int) -> None:
        """Remove a row."""

    @acquires(network, key="name")
    def create_network(self, name: str) -> None:
        """Make a network."""

    @releases(network, key="name")
    def delete_network(self, name: str) -> None:
        """Delete a network."""

    @acquires(subnet, key="name", within="network_name")
    def create_subnet(self, name: str, network_name: str) -> None:
        """Make a part of a network."""

    @releases(subnet, key="name")
    def delete_subnet(self, name: str) -> None:
        """Delete a part of a network."""

    @acquires(process, key="pid")
    def start(self, pid: int) -> None:
        """Start a process."""

    @releases(process, key="pid", part="stop")
    def stop(self, pid: int) -> None:
        """One half of its end."""

    @releases(process, key="pid", part="close")
    def close(self, pid: int) -> None:
        """The other half."""

    @acquires(volume, key="name", in_doubt=True)
    def create_volume(self, name: str, *, answered: bool) -> None:
        """Make a volume; the answer may get lost."""
        if not answered:
            raise TimeoutError(name)

    @releases(volume, key="name", gone=NotFound)
    def delete_volume(self, name: str, *, there: bool) -> None:
        """Delete a volume."""
        if not there:
            raise NotFound(name)

    @on_failure(spawning, key="name")
    def spawn(self, name: str) -> None:
        """Spawn on a host that has no room."""
        raise RuntimeError("no room")

    @rolls_back(spawning, key="name")
    def cleanup(self, name: str, *, works: bool = True) -> None:
        """Clean up after it."""
        if not works:
            raise OSError("stuck")

    @on_failure(task, key="name")
    def step(self, name: str, *inside: Callable[[], object]) -> None:
        """A task, and the tasks that it is made of."""
        for one in inside:
            one()
        if inside:
            raise RuntimeError("the last step failed")

    @rolls_back(task, key="name")
    def undo(self, name: str) -> None:
        """Undo a task."""

    @atomic
    def create_both(self, *, clean: bool) -> None:
        """Make an image and fail."""
        made = self.create_image("half")
        if clean:
            self.delete_image(made["id"])
        raise RuntimeError("the other half failed")

    @settles(image)
    def probe(self, *, clean: bool) -> None:
        """Make an image only to look at it."""
        made = self.create_image("probe")
        if clean:
            self.delete_image(made["id"])

    @acquires(binding, key="port, host")
    def bind(self, port: str, host: str) -> None:
        """Bind a port."""

    @releases(binding, key="port, host")
    def unbind(self, port: str, host: str) -> None:
        """Unbind it."""

    @acquires(image, key="made.id")
    def register(self, made: object) -> None:
        """Take an image over, which says itself which one it is."""


@invariant(binding, description="a port is bound on one host", always=True)
def one_host(ledger: LedgerView) -> list[Holding]:
    """Which bindings are of a port that is bound elsewhere, too."""
    held = ledger.held(binding)
    return [one for one in held if 1 < sum(one.key[0] == other.key[0] for other in held)]


fakes = Fakes()
alive: list[object] = []  # until the scope is judged
fails = contextlib.suppress(RuntimeError, OSError, NotFound)


@dataclass(frozen=True)
class Planted:
    """One violation, and what looks like it.

    Attributes:
        code: the rule.
        kind: the kind of which it must be found.
        key: the key of which it must be found.
        wrong: the program that breaks the rule.
        right: the program that does not.
    """

    code: str
    kind: str
    key: object
    wrong: Callable[[Scope], object]
    right: Callable[[Scope], object]


def planted(code: str, kind: str, key: object) -> Callable[[type], type]:
    """Put a class with a wrong and a right program into the table."""

    def add(programs: type) -> type:
        TABLE.append(Planted(code, kind, key, vars(programs)["wrong"], vars(programs)["right"]))
        return programs

    return add


TABLE: list[Planted] = []


@planted("LG101", "image", "image-of-a")
class Leaked:
    """Made and forgotten; made and published."""

    def wrong(self: Scope) -> None:
        fakes.create_image("a")

    def right(self: Scope) -> None:
        fakes.publish_image(fakes.create_image("a")["id"])


@planted("LG102", "image", "image-of-a")
class LeakedOnError:
    """The exception passes the delete; a finally does not let it."""

    def wrong(self: Scope) -> None:
        made = fakes.create_image("a")
        raise KeyError
        fakes.delete_image(made["id"])

    def right(self: Scope) -> None:
        made = fakes.create_image("a")
        try:
            raise KeyError
        finally:
            fakes.delete_image(made["id"])


@planted("LG103", "image", "image-of-a")
class ReleasedTwice:
    """Twice for one acquire; twice for two."""

    def wrong(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        fakes.delete_image(made)
        fakes.delete_image(made)

    def right(self: Scope) -> None:
        for _ in range(2):
            fakes.delete_image(fakes.create_image("a")["id"])


@planted("LG104", "image", "image-of-a")
class UsedAfterRelease:
    """Used after it was deleted; used after it was published."""

    def wrong(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        fakes.delete_image(made)
        fakes.show_image(made)

    def right(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        fakes.publish_image(made)
        fakes.show_image(made)


@planted("LG105", "row", 2)
class NeverAcquired:
    """A row that nobody inserted; one that was there before."""

    def wrong(self: Scope) -> None:
        fakes.insert(1)
        fakes.remove(1)
        fakes.remove(2)

    def right(self: Scope) -> None:
        self.seed(row, 2, why="inserted by the migration")
        fakes.remove(2)


@planted("LG106", "image", "image-of-a")
class AcquiredAgain:
    """One name for two things that live at once; one after the other."""

    def wrong(self: Scope) -> None:
        for _ in range(2):
            fakes.create_image("a")
        for _ in range(2):
            fakes.delete_image("image-of-a")

    def right(self: Scope) -> None:
        for _ in range(2):
            fakes.create_image("a")
            fakes.delete_image("image-of-a")


@planted("LG107", "image", "image-of-a")
class HandedToNobody:
    """Attached to a server that is not there; to one that is."""

    def wrong(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        fakes.attach(made, "s1")
        fakes.delete_image(made)

    def right(self: Scope) -> None:
        fakes.boot("s1")
        fakes.attach(fakes.create_image("a")["id"], "s1")
        fakes.destroy("s1")


@planted("LG108", "network", "blue")
class ReleasedWithParts:
    """The network before its subnet; the subnet before its network."""

    def wrong(self: Scope) -> None:
        fakes.create_network("blue")
        fakes.create_subnet("s", "blue")
        fakes.delete_network("blue")
        fakes.delete_subnet("s")

    def right(self: Scope) -> None:
        fakes.create_network("blue")
        fakes.create_subnet("s", "blue")
        fakes.delete_subnet("s")
        fakes.delete_network("blue")


@planted("LG109", "image", "a")
class Drifted:
    """The release reports success and leaves it where it is; it takes it away."""

    def wrong(self: Scope) -> None:
        shelf = Shelf()
        shelf.put("a")
        shelf.take("a", really=False)

    def right(self: Scope) -> None:
        shelf = Shelf()
        shelf.put("a")
        shelf.take("a")


@planted("LG110", "process", 17)
class PartlyReleased:
    """Stopped and not closed; both, in any order."""

    def wrong(self: Scope) -> None:
        fakes.start(17)
        fakes.stop(17)

    def right(self: Scope) -> None:
        fakes.start(17)
        fakes.close(17)
        fakes.stop(17)


@planted("LG111", "image", "image-of-probe")
class Overdue:
    """Settled after the call that settles; inside it."""

    def wrong(self: Scope) -> None:
        fakes.probe(clean=False)
        fakes.delete_image("image-of-probe")

    def right(self: Scope) -> None:
        fakes.probe(clean=True)


@planted("LG201", "spawn", "s1")
class NoRollback:
    """The failure is swallowed; it is cleaned up."""

    def wrong(self: Scope) -> None:
        with fails:
            fakes.spawn("s1")

    def right(self: Scope) -> None:
        with fails:
            fakes.spawn("s1")
        fakes.cleanup("s1")


@planted("LG202", "spawn", "s1")
class RollbackFailed:
    """The rollback fails, too; it is tried again and returns."""

    def wrong(self: Scope) -> None:
        with fails:
            fakes.spawn("s1")
        with fails:
            fakes.cleanup("s1", works=False)

    def right(self: Scope) -> None:
        RollbackFailed.wrong(self)
        fakes.cleanup("s1")


@planted("LG203", "task", "t")
class RollbackOfSuccess:
    """What succeeded is undone; what failed is."""

    def wrong(self: Scope) -> None:
        fakes.step("t")
        fakes.undo("t")

    def right(self: Scope) -> None:
        with fails:
            fakes.step("t", lambda: None)
        fakes.undo("t")


@planted("LG204", "image", "image-of-half")
class NotAtomic:
    """Deleted by the caller; deleted before the exception leaves the call."""

    def wrong(self: Scope) -> None:
        with fails:
            fakes.create_both(clean=False)
        fakes.delete_image("image-of-half")

    def right(self: Scope) -> None:
        with fails:
            fakes.create_both(clean=True)


@planted("LG205", "volume", "v1")
class InDoubt:
    """Nobody looks whether it is there; somebody deletes it, and it is not."""

    def wrong(self: Scope) -> None:
        with fails:
            fakes.create_volume("v1", answered=False)

    def right(self: Scope) -> None:
        InDoubt.wrong(self)
        with fails:
            fakes.delete_volume("v1", there=False)


@planted("LG206", "task", "first")
class OutOfOrder:
    """The first step is undone first; the last one is."""

    def wrong(self: Scope) -> None:
        with fails:
            fakes.step("whole", lambda: fakes.step("first"), lambda: fakes.step("second"))
        for name in ("first", "second", "whole"):
            fakes.undo(name)

    def right(self: Scope) -> None:
        with fails:
            fakes.step("whole", lambda: fakes.step("first"), lambda: fakes.step("second"))
        for name in ("second", "first", "whole"):
            fakes.undo(name)


@planted("LG302", "binding", ("p", "h1"))
class InvariantBroke:
    """One port on two hosts at once; one after the other."""

    def wrong(self: Scope) -> None:
        self.allow(binding, {"host": "h2"}, why="the other one of the pair")
        for host in ("h1", "h2"):
            fakes.bind("p", host)
        for host in ("h1", "h2"):
            fakes.unbind("p", host)

    def right(self: Scope) -> None:
        for host in ("h1", "h2"):
            fakes.bind("p", host)
            fakes.unbind("p", host)


@planted("LG401", "image", None)
class NotEvaluated:
    """An object without the attribute that the key names; one that has it."""

    def wrong(self: Scope) -> None:
        fakes.register(object())

    def right(self: Scope) -> None:
        class Made:
            id = "a"

        fakes.register(Made())
        fakes.delete_image("a")


@planted("LG402", "", None)
class NotSeen:
    """An override hides the contract, and objects of its class are in use; it passes the call on."""

    def wrong(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        one = Forgetful()
        alive.append(one)
        one.look(made)
        one.drop(made)
        fakes.delete_image(made)

    def right(self: Scope) -> None:
        made = fakes.create_image("a")["id"]
        one = Faithful()
        one.look(made)
        one.drop(made)


@planted("LG403", "", None)
class AllowedNothing:
    """What it allows does not happen; it does."""

    def wrong(self: Scope) -> None:
        self.allow(image, "image-of-a", why="left by design")

    def right(self: Scope) -> None:
        self.allow(image, "image-of-a", why="left by design")
        fakes.create_image("a")


def judged(program: Callable[[Scope], object]) -> Verdict:
    """The verdict over a program."""
    watched = scope("planted", on_violation="record")
    with contextlib.suppress(KeyError), watched:
        program(watched)
    alive.clear()
    assert watched.verdict is not None
    return watched.verdict


def told(verdict: Verdict) -> list[tuple[str, str, object]]:
    """What a verdict says, of whatever severity, but for what is likely and not proved."""
    warnings = [one for one in verdict.warnings if one.code != "LG402"]
    return [(one.code, one.kind, one.key) for one in (*verdict.violations, *warnings)]


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.code)
def test_the_violation_is_found(one: Planted) -> None:
    """With exactly this code, kind and key, and nothing else with it."""
    assert [(one.code, one.kind, one.key)] == told(judged(one.wrong))


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.code)
def test_the_near_miss_is_left_alone(one: Planted) -> None:
    """A checker that cries over correct code is switched off."""
    assert [] == told(judged(one.right))


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.code)
def test_the_violation_is_of_the_table(one: Planted) -> None:
    """Name, weakness and severity are those of the rule, and the report begins with them."""
    verdict, rule = judged(one.wrong), RULES[one.code]
    violation = next(each for each in (*verdict.violations, *verdict.warnings) if each.code == one.code)
    assert (rule.name, rule.cwe_id, rule.severity) == (violation.name, violation.cwe, violation.severity)
    assert verdict.balanced == (rule.severity == "warning")


def test_every_rule_is_planted() -> None:
    """A new rule needs its own planted violation; those of LG207 and LG301 stand with faults and integrations, which say
    them.
    """
    assert set(RULES) - {"LG207", "LG301"} == {one.code for one in TABLE}
    assert len(TABLE) == len({one.code for one in TABLE})
