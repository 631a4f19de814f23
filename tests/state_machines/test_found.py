"""What a machine finds by itself, and the story that it tells of it, whole."""

from __future__ import annotations

import asyncio

import pytest
from stories import codes, failure, found, run, story

from lifeguard import (
    Resource,
    Rollback,
    UsageError,
    ViolationError,
    acquires,
    contracts_for,
    implements,
    invariant,
    on_failure,
    releases,
    rolls_back,
    tracks,
    uses,
)
from lifeguard.integrations.hypothesis import state_machine

image = Resource("image")
port = Resource("port")
server = Resource("server")
connection = Resource("connection")
spawned = Rollback("spawn")


class NotFound(Exception):
    """There is no such thing."""


class Closed(Exception):
    """It is closed."""


class Ports:
    """An inner service."""

    def __init__(self) -> None:
        self.count = 0

    @acquires(port, key="result")
    def create(self) -> str:
        """Make one."""
        self.count += 1
        return f"p{self.count}"

    @releases(port, key="port_id")
    def delete(self, port_id: str) -> None:
        """Remove one."""


class Servers:
    """A service whose servers have ports of the inner one."""

    def __init__(self) -> None:
        self.ports = Ports()
        self.servers: dict[str, list[str]] = {}

    @acquires(server, key="result")
    def boot(self, ports: int) -> str:
        """Make one."""
        name = f"s{len(self.servers)}"
        self.servers[name] = [self.ports.create() for _ in range(min(abs(ports), 3))]
        return name

    @releases(server, key="server_id")
    def destroy(self, server_id: str) -> None:
        """Remove one, with its ports."""
        for one in self.servers[server_id]:
            self.ports.delete(one)


class DoubleServers(Servers):
    """Releases the first of two ports twice."""

    @releases(server, key="server_id")
    def destroy(self, server_id: str) -> None:
        """Remove one."""
        ports = self.servers[server_id]
        for one in [*ports, *ports[1:][:1]]:
            self.ports.delete(one)


class LeakyServers(Servers):
    """Forgets the last port."""

    @releases(server, key="server_id")
    def destroy(self, server_id: str) -> None:
        """Remove one."""
        for one in self.servers[server_id][:-1]:
            self.ports.delete(one)


def test_a_planted_double_release() -> None:
    """An inner resource is released twice, where there are two of them: the story has just that."""
    error = failure(state_machine(DoubleServers))
    assert ["LG103"] == codes(error)
    assert ["server_0 = state.boot(ports=2)", "state.destroy(server_id=server_0)"] == story(error)


def test_the_report_names_the_steps_of_the_story() -> None:
    """A place in the report is a line of the story that stands below it, and no line of Hypothesis."""
    text = str(failure(state_machine(DoubleServers)))
    assert "<story of DoubleServersMachine>:" not in text, "the calls of ports are made by the fake"
    error = failure(state_machine(lambda: Silent(), name="SilentMachine"))
    assert "acquired  <story of SilentMachine>:2 in state.create" in str(error)
    assert "at the end of Silent.delete, called at <story of SilentMachine>:4 in state.delete_again" in str(error)


def test_a_leak_is_found_where_it_is_asked_for() -> None:
    """When the story holds nothing any more, nothing may be held."""
    error = failure(state_machine(LeakyServers, leaks=True))
    assert ["LG101"] == codes(error)
    assert ["server_0 = state.boot(ports=1)", "state.destroy(server_id=server_0)"] == story(error)


def test_a_leak_is_not_found_where_it_is_not_asked_for() -> None:
    """A story may stop anywhere: what it still holds then is no leak."""
    run(state_machine(LeakyServers), 30)
    run(state_machine(Servers, leaks=True), 30)


class Images:
    """A service that refuses what it does not have."""

    def __init__(self) -> None:
        self.count = 0
        self.images: dict[str, str] = {}

    @acquires(image, key="result['id']")
    def create(self, name: str) -> dict[str, str]:
        """Make one."""
        self.count += 1
        made = {"id": f"i{self.count}", "name": name}
        self.images[made["id"]] = name
        return made

    @uses(image, key="image_id", gone=NotFound)
    def show(self, image_id: str) -> str:
        """Look at one."""
        if image_id not in self.images:
            raise NotFound(image_id)
        return self.images[image_id]

    @releases(image, key="image_id", gone=NotFound)
    def delete(self, image_id: str) -> None:
        """Remove one."""
        if image_id not in self.images:
            raise NotFound(image_id)
        del self.images[image_id]


@implements(Images)
class Silent:
    """Deletes twice without a word."""

    def __init__(self) -> None:
        self.count = 0

    def create(self, name: str) -> dict[str, str]:
        """Make one."""
        self.count += 1
        return {"id": f"i{self.count}"}

    def show(self, image_id: str) -> str:
        """Look at one, whether or not it is there."""
        return ""

    def delete(self, image_id: str) -> None:
        """Remove one."""


def test_a_release_that_the_service_refuses() -> None:
    """The contract names the exception for what is gone; a fake that releases again without it is found."""
    error = failure(state_machine(Silent, exclude=["show"]))
    assert ["LG103"] == codes(error)
    assert [
        "image_0 = state.create(name='')",
        "state.delete(image_id=image_0)",
        "state.delete_again(image_id=image_0)",
    ] == story(error)


def test_a_use_after_release() -> None:
    """A fake shows what was deleted."""
    error = failure(state_machine(Silent, exclude=["delete_again"]))
    assert ["LG104"] == codes(error)
    assert [
        "image_0 = state.create(name='')",
        "state.delete(image_id=image_0)",
        "state.show_after_release(image_id=image_0)",
    ] == story(error)


def test_a_correct_service_passes() -> None:
    """A hundred examples find nothing, and every rule was run."""
    machine = state_machine(Images)
    run(machine, 100)
    assert {"create", "show", "show_after_release", "delete", "delete_again"} == {
        step.name
        for step in machine.cast.steps  # type: ignore[attr-defined]
        if step.made > 20
    }


@implements(Images)
class Full(Images):
    """Keeps two images at most, and loses the third without a word."""

    @acquires(image, key="result['id']")
    def create(self, name: str) -> dict[str, str]:
        """Make one."""
        self.count += 1
        if len(self.images) < 2:
            self.images[f"i{self.count}"] = name
        return {"id": f"i{self.count}"}


def test_what_is_held_cannot_be_gone() -> None:
    """A fake says NotFound of something that nobody released: the story is as long as it must be."""
    error = failure(state_machine(Full))
    assert ["LG109"] == codes(error)
    *makes, last = story(error)
    assert [f"image_{number} = state.create(name='')" for number in range(3)] == makes
    assert last in ("state.delete(image_id=image_2)", "state.show(image_id=image_2)")
    assert "says that it is gone (NotFound: i3), though nobody released it or handed it over" in str(error)


@tracks(image, state="self.created")
class Forgetful:
    """Never strikes an image off its list."""

    def __init__(self) -> None:
        self.created: list[str] = []

    @acquires(image, key="result")
    def create(self) -> str:
        """Make one."""
        self.created.append(f"i{len(self.created)}")
        return self.created[-1]

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """Remove one."""


def test_drift() -> None:
    """A fake's list no longer says what exists."""
    error = failure(state_machine(Forgetful))
    assert ["LG109"] == codes(error)
    assert ["image_0 = state.create()", "state.delete(image_id=image_0)"] == story(error)


class Wire:
    """A constructor with a contract."""

    lax = False

    @acquires(connection, key="self")
    def __init__(self, host: str) -> None:
        self.open = True

    @uses(connection, key="self", gone=Closed)
    async def send(self, data: bytes) -> None:
        """Send something."""
        await asyncio.sleep(0)
        if not self.open and not self.lax:
            raise Closed

    @releases(connection, key="self", idempotent=True)
    def close(self) -> None:
        """Close it; twice does no harm."""
        self.open = False


class LaxWire(Wire):
    """Sends though it is closed."""

    lax = True


def test_constructed_objects() -> None:
    """Objects are made by a rule; the methods of each are called on one of them, coroutines in a loop."""
    machine = state_machine(Wire)
    run(machine)
    assert all(step.made for step in machine.cast.steps)  # type: ignore[attr-defined]
    assert (
        ["LG104"],
        [
            "connection_0 = state.make_lax_wire(host='')",
            "state.close(lax_wire=connection_0)",
            "state.send_after_release(data=b'', lax_wire=connection_0)",
        ],
    ) == found(state_machine(LaxWire))


class Driver:
    """A driver whose failed spawns have to be rolled back."""

    def __init__(self) -> None:
        self.half: set[str] = set()

    @on_failure(spawned, key="uuid", exc=MemoryError)
    def spawn(self, uuid: str, memory: int) -> None:
        """Start something, if there is room."""
        if memory > 100:
            self.half.add(uuid)
            raise MemoryError

    @rolls_back(spawned, key="uuid")
    def cleanup(self, uuid: str) -> None:
        """Remove what a failed spawn has left."""
        self.half.discard(uuid)
        if self.half:
            raise RuntimeError(f"others are left: {self.half}")


def test_a_rollback_is_called_for_what_failed() -> None:
    """A failure that the contract declares is no error; what it leaves to be rolled back has a name of its own."""
    error = failure(state_machine(Driver))
    assert isinstance(error, RuntimeError)
    first, second, last = story(error)
    assert first.startswith("failed_spawn_0 = state.spawn(memory=101, uuid=")
    assert second.startswith("failed_spawn_1 = state.spawn(memory=101, uuid=")
    assert last in ("state.cleanup(uuid=failed_spawn_0)", "state.cleanup(uuid=failed_spawn_1)")


def test_a_failure_that_nobody_declared() -> None:
    """The program's own exception comes out, with a note on how to declare it."""
    error = failure(state_machine(Driver))
    assert (
        "Driver.cleanup raised RuntimeError, which none of its contracts declares. If it may, say so there "
        "(raises=RuntimeError), or to the machine: state_machine(raises={'cleanup': RuntimeError})"
    ) == error.__notes__[0]
    run(state_machine(Driver, raises={"cleanup": RuntimeError}), 30)
    run(state_machine(Driver, raises=RuntimeError), 30)


class Clumsy:
    """Fails by a mistake of its own, where a failure is expected."""

    @on_failure(spawned, key="name")
    def spawn(self, name: str) -> None:
        """Make the mistake."""
        if name:
            raise AttributeError("mistake")


def test_a_mistake_is_no_declared_failure() -> None:
    """`on_failure` without `exc=` means every failure, and yet no AttributeError."""
    assert isinstance(failure(state_machine(Clumsy)), AttributeError)


pairs = Resource("pair")


@invariant(pairs, description="there are never three")
def _at_most_two(view: object) -> bool:
    return view.count(pairs) < 3  # type: ignore[attr-defined, no-any-return]


class Pairs:
    """Makes as many as one likes."""

    @acquires(pairs, key="result")
    def make(self) -> object:
        """Make one."""
        return object()


def test_an_invariant_over_the_ledger() -> None:
    """It is judged when the run has ended, wherever that is."""
    lines = [f"pair_{number} = state.make()" for number in range(3)]
    assert (["LG302"], lines) == found(state_machine(Pairs))


class Glance:
    """Somebody else's class."""

    def create(self, name: str) -> str:
        """Make one."""
        return name

    def delete(self, image_id: str) -> None:
        """Remove one."""


class OwnGlance(Glance):
    """An override that hides what is bound to the base."""

    def delete(self, image_id: str) -> None:
        """Remove one."""


@contracts_for(Glance)
class GlanceContracts:
    """Its contracts."""

    @acquires(image, key="name")
    def create(self, name: str) -> str: ...  # noqa: D102

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None: ...  # noqa: D102


def test_contracts_that_see_nothing() -> None:
    """A machine that was blind would find nothing, and seem to be content."""
    run(state_machine(Glance, contracts=GlanceContracts), 30)
    codes_found, lines = found(state_machine(OwnGlance, contracts=GlanceContracts))
    assert (["LG402"], ["image_0 = state.create(name='')", "state.delete(image_id=image_0)"]) == (codes_found, lines)


class Counter:
    """Releases what nothing opens."""

    @releases(port, key="port_id")
    def delete(self, port_id: str) -> None:
        """Remove one."""


def test_a_method_that_can_never_be_called() -> None:
    """It is said before the first step: such a machine would find nothing."""
    with pytest.raises(UsageError) as caught:
        run(state_machine(Counter))
    assert (
        "CounterMachine: Counter.delete needs port, and none of the methods opens one. It would never be called: "
        "let the factory make one, drive what makes them, too, or leave it out: exclude=['delete']"
    ) == str(caught.value)


def test_the_violation_is_one_of_lifeguard() -> None:
    """It has the verdict, as every ViolationError."""
    error = failure(state_machine(DoubleServers))
    assert isinstance(error, ViolationError)
    assert "DoubleServersMachine" == error.scope
