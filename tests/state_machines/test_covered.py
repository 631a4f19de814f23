"""Every form that a contract can have: correct services pass, and all of their rules were run."""

# ruff: noqa: D102

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import types
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from stories import failure, found, run, story

from lifeguard import (
    OUTSIDE,
    Resource,
    acquires,
    all_of,
    atomic,
    contracts_for,
    each,
    implements,
    releases,
    settles,
    transfers,
    uses,
)
from lifeguard.integrations.hypothesis import held_key, state_machine

network = Resource("network")
port = Resource("port", within=network)
server = Resource("server")
volume = Resource("volume")
binding = Resource("port binding", fields=("port", "host"))
lock = Resource("lock")
vcpus = Resource("vcpus")


class NotFound(Exception):
    """There is no such thing."""


def all_called(machine: Any, examples: int = 40) -> None:
    """Run a machine that should find nothing, and see that every one of its rules was run."""
    run(machine, examples)
    assert [] == [step.name for step in machine.cast.steps if not step.made]


class Cloud:
    """Parents, transfers, many at once, conditions, several contracts on a method."""

    def __init__(self) -> None:
        self.count = itertools.count(1)
        self.networks: set[str] = set()
        self.ports: dict[str, str] = {}
        self.servers: set[str] = set()
        self.volumes: dict[str, str | None] = {}
        self.bound: set[tuple[str, str | None]] = set()

    @acquires(network, key="result")
    def create_network(self) -> str:
        name = f"net{next(self.count)}"
        self.networks.add(name)
        return name

    @releases(network, key="network_id")
    def delete_network(self, network_id: str) -> None:
        assert network_id not in self.ports.values(), "never while it has ports"
        self.networks.remove(network_id)

    @acquires(port, key="result['id']", within="network_id")
    def create_port(self, network_id: str) -> dict[str, str]:
        assert network_id in self.networks
        name = f"p{next(self.count)}"
        self.ports[name] = network_id
        return {"id": name}

    @releases(port, key="port['id']")
    def delete_port(self, port: dict[str, str]) -> None:
        del self.ports[port["id"]]

    @uses(port, key="port_id")
    @acquires(binding, key="port_id, host", when="host is not None")
    @releases(binding, key="port_id, old", when="host is None")
    def bind(self, port_id: str, host: str | None = None, old: str | None = None) -> None:
        assert port_id in self.ports
        if host is None:
            self.bound.remove((port_id, old))
        else:
            assert (port_id, host) not in self.bound
            self.bound.add((port_id, host))

    @acquires(server, key="result")
    def boot(self) -> str:
        name = f"s{next(self.count)}"
        self.servers.add(name)
        return name

    @releases(server, key="server_id")
    def destroy(self, server_id: str) -> None:
        self.servers.remove(server_id)
        self.volumes = {name: owner for name, owner in self.volumes.items() if owner != server_id}

    @acquires(volume, key=each("result"))
    def create_volumes(self, count: int) -> list[str]:
        made = [f"v{next(self.count)}" for _ in range(min(3, abs(count)))]
        self.volumes.update(dict.fromkeys(made))
        return made

    @transfers(volume, key="volume_id", to=(server, "server_id"))
    def attach(self, volume_id: str, server_id: str) -> None:
        assert self.volumes[volume_id] is None
        assert server_id in self.servers
        self.volumes[volume_id] = server_id

    @transfers(volume, key="volume_id", to=OUTSIDE)
    def export(self, volume_id: str) -> None:
        assert self.volumes.pop(volume_id) is None

    @releases(volume, key=each("volume_ids"))
    def delete_volumes(self, volume_ids: list[str]) -> None:
        for name in volume_ids:
            assert self.volumes.pop(name) is None


def test_a_cloud() -> None:
    """Its methods assert that they are called only as their contracts allow: that is what is drawn."""
    all_called(state_machine(Cloud), 60)


def test_many_at_once_read_well() -> None:
    """What a call opens has a name each, and a call that takes many shows their names."""

    class Fragile(Cloud):
        @releases(volume, key=each("volume_ids"))
        def delete_volumes(self, volume_ids: list[str]) -> None:
            assert len(volume_ids) < 2
            super().delete_volumes(volume_ids)

    first, last = story(failure(state_machine(Fragile, include=["create_volumes", "delete_volumes"])))
    assert "volume_0, volume_1 = state.create_volumes(count=2)" == first
    assert last in (
        "state.delete_volumes(volume_ids=[volume_1, volume_0])",
        "state.delete_volumes(volume_ids=[volume_0, volume_1])",
    )


class Hosts:
    """Amounts, where a thing has no identity."""

    def __init__(self) -> None:
        self.used: dict[str, Any] = {}

    @acquires(vcpus, key="host", amount="count, memory")
    def claim(self, host: str, count: int, memory: Decimal) -> None:
        used = self.used.get(host, (0, 0))
        self.used[host] = used[0] + count, used[1] + memory

    @releases(vcpus, key="host", amount="count, memory")
    def free(self, host: str, count: int, memory: Decimal) -> None:
        used = self.used[host]
        assert used[0] >= count
        assert used[1] >= memory
        self.used[host] = used[0] - count, used[1] - memory


def test_amounts() -> None:
    """Never more is released than is held, and what is held is claimed again."""
    memory = st.integers(1, 50).map(Decimal)
    all_called(state_machine(Hosts, strategies={"memory": memory}))


pair = Resource("pair", needs=all_of("stop", "close"))


class Pairs:
    """A resource that needs two releases."""

    def __init__(self) -> None:
        self.open: dict[int, set[str]] = {}

    @acquires(pair, key="result")
    def make(self) -> int:
        self.open[len(self.open)] = set()
        return len(self.open) - 1

    @releases(pair, key="number", part="stop")
    def stop(self, number: int) -> None:
        assert "stop" not in self.open[number]
        self.open[number].add("stop")

    @releases(pair, key="number", part="close")
    def close(self, number: int) -> None:
        assert "close" not in self.open[number]
        self.open[number].add("close")


def test_several_releases() -> None:
    """Each part is released once."""
    all_called(state_machine(Pairs))


counted = Resource("counted", again="count")
kept = Resource("kept", again="keep")


class Again:
    """Things that may be acquired while they are held."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.on: set[str] = set()
        self.twice = 0

    @acquires(counted, key="name")
    def ref(self, name: str) -> None:
        self.count[name] = self.count.get(name, 0) + 1
        self.twice += self.count[name] > 1
        Again.most = max(Again.most, self.count[name])

    most = 0

    @releases(counted, key="name")
    def unref(self, name: str) -> None:
        assert self.count[name] > 0
        self.count[name] -= 1

    @acquires(kept, key="name")
    def turn_on(self, name: str) -> None:
        self.on.add(name)

    @releases(kept, key="name", idempotent=True)
    def turn_off(self, name: str) -> None:
        self.on.discard(name)


def test_acquired_again() -> None:
    """What may be held several times is acquired several times."""
    all_called(state_machine(Again))
    assert Again.most > 2


class Repository:
    """A key that is given by the caller, together with who issued it, and that changes."""

    def __init__(self) -> None:
        self.items: set[int] = set()

    @acquires(lock, key="self, number")
    def make(self, number: int) -> None:
        assert number not in self.items
        self.items.add(number)

    @transfers(lock, key="self, number", to_key="self, new")
    def rename(self, number: int, new: int) -> None:
        assert new not in self.items or new == number
        self.items.remove(number)
        self.items.add(new)

    @releases(lock, key="self, number")
    def drop(self, number: int) -> None:
        self.items.remove(number)


def test_keys_of_the_caller() -> None:
    """A key that is held is not given again."""
    all_called(state_machine(Repository))


class Forms:
    """Every form that a function can have."""

    name = "the only one"

    @acquires(lock, key="result")
    @classmethod
    def of_class(cls) -> object:
        return object()

    @releases(lock, key="it")
    @staticmethod
    def static(it: object) -> None: ...

    @acquires(volume, key="self.name")
    @property
    def property(self) -> int:
        return 1

    @releases(volume, key="self.name")
    def generator(self) -> Iterator[int]:
        yield 1
        yield 2

    @uses(lock, key="it")
    async def async_generator(self, it: object) -> AsyncIterator[object]:
        await asyncio.sleep(0)
        yield it

    @acquires(server, key="result")
    @contextlib.contextmanager
    def manager(self) -> Iterator[object]:
        yield object()

    @acquires(server, key="result")
    @contextlib.asynccontextmanager
    async def async_manager(self) -> AsyncIterator[object]:
        yield object()

    @uses(lock, key="it")
    async def coroutine(self, it: object) -> None:
        await asyncio.sleep(0)


def test_forms() -> None:
    """Each is run to its end."""
    all_called(state_machine(Forms, leaks=True))


class Awkward:
    """Names that Hypothesis' own machine has, too; a with-block; and things read from a result."""

    def __init__(self) -> None:
        self.inside = 0

    @acquires(lock, key="self")
    def __enter__(self) -> Awkward:
        self.inside += 1
        assert self.inside == 1
        return self

    @releases(lock, key="self")
    def __exit__(self, *exc: object) -> None:
        self.inside -= 1

    @acquires(server, key="target")
    def bundle(self, target: str) -> None: ...

    @releases(server, key="target")
    def teardown(self, target: str) -> None: ...

    @acquires(volume, key=lambda result: result["volume"]["id"])
    def nested(self) -> dict[str, Any]:
        self.inside += 10
        self.inside -= 10
        return {"volume": {"id": object()}}

    @releases(volume, key=lambda volume: volume["id"])
    def unnested(self, volume: dict[str, object]) -> None:
        assert volume["id"] is not None


def test_awkward_names() -> None:
    """A rule whose name is taken gets another one; an argument too."""
    machine: Any = state_machine(Awkward)
    all_called(machine)
    assert ["enter", "leave", "bundle_", "teardown_", "nested", "unnested"] == [
        step.name for step in machine.cast.steps
    ]


taken: set[str] = set()


@acquires(lock, key="name")
def take(name: str) -> None:
    """A function of a module."""
    assert name not in taken
    taken.add(name)


@releases(lock, key="name")
def give_back(name: str) -> None:
    """Its other end."""
    taken.remove(name)


def test_functions() -> None:
    """A list of functions, or a module with them; what they leave is cleared by the user's own teardown."""
    all_called(state_machine([take, give_back], teardown=lambda *functions: taken.clear()))
    module = types.ModuleType("leases")
    module.take, module.give_back = take, give_back  # type: ignore[attr-defined]
    all_called(state_machine(module, teardown=lambda _: taken.clear()))


def test_functions_of_a_module_that_is_bound() -> None:
    """A stand-in for a module binds its functions while the machine runs, and no longer."""
    module = types.ModuleType("bound_leases")

    def open_it(name: str) -> None: ...
    def close_it(name: str) -> None: ...

    module.open_it, module.close_it = open_it, close_it  # type: ignore[attr-defined]
    sys.modules["bound_leases"] = module

    @contracts_for("bound_leases")
    class Leases:
        @acquires(lock, key="name")
        @staticmethod
        def open_it(name: str) -> None: ...

        @releases(lock, key="name")
        @staticmethod
        def close_it(name: str) -> None: ...

    all_called(state_machine(module, contracts=[Leases]))
    assert module.open_it is open_it
    del sys.modules["bound_leases"]


class Service:
    """What a fake stands for; its parameters have no hints."""

    @acquires(lock, key="result")
    def make(self, name, *, context): ...  # type: ignore[no-untyped-def]

    @settles(lock, key="it")
    @releases(lock, key="it", gone=NotFound)
    @atomic(lock)
    def remove(self, it): ...  # type: ignore[no-untyped-def]


def test_a_fake_and_its_strategies() -> None:
    """`implements` gives a fake its contracts; strategies by parameter, by method, and with keys of what is held."""

    @implements(Service)
    class Fake:
        def __init__(self) -> None:
            self.count = 0
            self.made: set[str] = set()

        def make(self, name, *, context):  # type: ignore[no-untyped-def]
            assert name in "abc"
            assert context is None
            self.count += 1
            self.made.add(f"{name}{self.count}")
            return f"{name}{self.count}"

        def remove(self, it):  # type: ignore[no-untyped-def]
            if it not in self.made:
                raise NotFound(it)
            self.made.remove(it)

    names = {"make.name": st.sampled_from("abc"), "context": st.none()}
    all_called(state_machine(Fake, strategies=names))


class Request:
    """What a method takes in place of a key."""

    def __init__(self, lock_id: str) -> None:
        self.lock_id = lock_id


class ByRequest:
    """A release whose key is inside of what it takes."""

    def __init__(self) -> None:
        self.made = 0

    @acquires(lock, key="result")
    def make(self) -> str:
        self.made += 1
        return f"l{self.made}"

    @releases(lock, key="request.lock_id")
    def remove(self, request: Request) -> None:
        assert request.lock_id.startswith("l")


def test_a_key_inside_an_argument() -> None:
    """Where nothing at hand will do, the error says how to give a strategy; `held_key` is the key in it."""
    error = failure(state_machine(ByRequest))
    assert (
        "ByRequest.remove: request cannot be made so that request.lock_id reads lock 'l1': nothing that the call which "
        'opened it took or gave will do. Give a strategy: state_machine(strategies={"remove.request": …}), with '
        "held_key(lock) in it"
    ) == str(error).splitlines()[0]
    requests = st.builds(Request, held_key(lock))
    all_called(state_machine(ByRequest, strategies={"remove.request": requests}))


def test_several_objects() -> None:
    """A factory may make a world of several objects; methods of one name are told apart."""

    class One:
        @acquires(lock, key="result")
        def make(self) -> object:
            return object()

        @releases(lock, key="it")
        def drop(self, it: object) -> None: ...

    class Other:
        @uses(lock, key="it")
        def look(self, it: object) -> None: ...

        @acquires(volume, key="result")
        def make(self) -> object:
            return object()

    machine: Any = state_machine(lambda: (One(), Other()))
    all_called(machine)
    assert ["one_make", "drop", "look", "other_make"] == [step.name for step in machine.cast.steps]
    assert "OneOtherMachine" == machine.__name__


def test_a_factory_that_is_a_coroutine() -> None:
    """It is awaited in the loop of the run, and what it acquires is there from the beginning."""

    async def make() -> Pairs:
        await asyncio.sleep(0)
        pairs = Pairs()
        pairs.make()
        return pairs

    all_called(state_machine(make, include=["stop", "close"]))


def test_a_double_use_of_one_thing() -> None:
    """Two parameters that must be different things are never the same one."""

    class Swap:
        @acquires(lock, key="result")
        def make(self) -> object:
            return object()

        @releases(lock, key="first")
        @releases(lock, key="second")
        def swap(self, first: object, second: object) -> None:
            assert first is not second

    all_called(state_machine(Swap))


def test_in_doubt() -> None:
    """What may have been made although the call failed can be looked for, and may be gone."""

    class Doubtful:
        @acquires(lock, key="name", in_doubt=True, raises=TimeoutError)
        def make(self, name: str) -> None:
            if len(name) > 1:
                raise TimeoutError

        @releases(lock, key="name", gone=NotFound)
        def drop(self, name: str) -> None:
            if len(name) > 1:
                raise NotFound

    machine: Any = state_machine(Doubtful, exclude=["drop_again"])
    all_called(machine)
    assert (
        ["LG103"],
        ["lock_0 = state.make(name='')", "state.drop(name=lock_0)", "state.drop_again(name=lock_0)"],
    ) == found(state_machine(Doubtful))
