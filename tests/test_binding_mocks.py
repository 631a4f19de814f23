"""Mocks in place of methods that carry bound contracts: their calls are watched, and they stay mocks."""

# ruff: noqa: D102  the classes inside the tests are the material, not the tests

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from lifeguard import DeclarationError, Resource, acquires, contracts_for, releases, scope

image = Resource("image")


class Cloud:
    """Somebody else's code."""

    def create(self, name: str) -> str:
        """Make an image."""
        return f"image-{name}"

    async def delete(self, image_id: str) -> None:
        """Delete an image."""


@contracts_for(Cloud, instances=True)
class CloudContracts:
    """What `Cloud` does, on its instances, too."""

    @acquires(image, key="result")
    def create(self) -> None: ...

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None: ...


def judged(program: Callable[[], object]) -> list[tuple[str, object]]:
    """What is found of a program."""
    with scope("mocks", on_violation="record") as watched:
        program()
    assert watched.verdict is not None
    return [(one.code, one.key) for one in watched.verdict.violations]


@pytest.mark.parametrize("autospec", [False, True])
def test_a_mock_on_an_instance(autospec: bool) -> None:
    """It is watched, its own assertions work on both sides, and nothing of it stays."""
    cloud = Cloud()
    with CloudContracts.applied():
        with mock.patch.object(cloud, "create", autospec=autospec, return_value="mocked") as put:
            assert [("LG101", "mocked")] == judged(lambda: cloud.create("a"))
            put.assert_called_once_with("a")
            made: Any = cloud.create
            made.assert_called_once()
            assert 1 == made.call_count
            with pytest.raises(AssertionError):
                made.assert_not_called()
        assert {} == vars(cloud)
        assert [("LG101", "image-a")] == judged(lambda: cloud.create("a"))
    assert "__setattr__" not in vars(Cloud)


def test_an_asynchronous_mock_on_an_instance() -> None:
    """The mock of a coroutine function is watched until it was awaited to its end."""
    cloud = Cloud()

    async def work() -> None:
        await cloud.delete(cloud.create("a"))

    with CloudContracts.applied(), mock.patch.object(cloud, "delete") as put:
        assert isinstance(put, mock.AsyncMock)
        assert [] == judged(lambda: asyncio.run(work()))
        put.assert_awaited_once_with("image-a")


def test_a_mock_changed_through_the_instance() -> None:
    """What is set on it reaches the mock; it is equal to itself, and prints as itself."""
    cloud: Any = Cloud()
    with CloudContracts.applied():
        put = mock.Mock()
        cloud.create = put
        cloud.create.return_value = "later"
        assert [("LG101", "later")] == judged(lambda: cloud.create("a"))
        assert put == cloud.create
        assert cloud.create == cloud.create
        assert repr(put) == repr(cloud.create)
        assert hash(put) == hash(cloud.create)
        assert isinstance(cloud.create, mock.Mock)
        del cloud.create.return_value
        cloud.create.side_effect = KeyError
        with pytest.raises(KeyError):
            cloud.create("a")


def test_a_function_on_an_instance() -> None:
    """Whatever can be called is watched; what cannot, and other attributes, are put as they are."""
    cloud: Any = Cloud()
    with CloudContracts.applied():
        cloud.create = lambda name: name.upper()
        assert [("LG101", "A")] == judged(lambda: cloud.create("a"))
        cloud.create = 7
        cloud.other = len
        assert (7, len) == (cloud.create, cloud.other)


def test_a_mock_that_outlives_the_contracts() -> None:
    """Calls pass through, unwatched."""
    cloud: Any = Cloud()
    with CloudContracts.applied():
        cloud.create = mock.Mock(return_value="mocked")
    assert [] == judged(lambda: cloud.create("a"))
    assert "mocked" == cloud.create("a")


def test_a_class_with_its_own_setattr() -> None:
    """It is called, and put back."""

    class Careful:
        def __setattr__(self, name: str, value: object) -> None:
            object.__setattr__(self, name, value)
            object.__setattr__(self, "last", name)

        def create(self, name: str) -> str:
            return name

    @contracts_for(Careful, instances=True)
    class Contracts:
        @acquires(image, key="result")
        def create(self) -> None: ...

    before, one = vars(Careful)["__setattr__"], Careful()
    with Contracts.applied():
        one.create = lambda name: name * 2  # type: ignore[method-assign]
        assert [("LG101", "aa")] == judged(lambda: one.create("a"))
    assert before is vars(Careful)["__setattr__"]
    assert "create" == vars(one)["last"]


def test_without_instances_a_mock_on_an_instance_is_told() -> None:
    """An attribute that hides the method, on an object that was seen: LG402."""

    @contracts_for(Cloud)
    class Contracts:
        @acquires(image, key="result")
        def create(self) -> None: ...

        @releases(image, key="image_id")
        def delete(self, image_id: str) -> None: ...

    cloud: Any = Cloud()

    def work() -> None:
        made = cloud.create("a")
        with scope("inner", only=[]):
            cloud.delete = mock.Mock()
        cloud.delete(made)

    with Contracts.applied():
        assert [("LG402", None), ("LG101", "image-a")] == judged(work)


@pytest.mark.parametrize("autospec", [False, True])
def test_a_mock_on_the_class(autospec: bool) -> None:
    """Before the contracts are applied, or before a scope opens, it is watched as what it stands for."""
    with mock.patch.object(Cloud, "create", autospec=autospec, return_value="mocked") as put:
        with CloudContracts.applied():
            assert [("LG101", "mocked")] == judged(lambda: Cloud().create("a"))
            made: Any = Cloud.create
            made.assert_called_once()
        assert 1 == put.call_count
        assert put is vars(Cloud)["create"]
    with CloudContracts.applied():
        with mock.patch.object(Cloud, "create", autospec=autospec, return_value="mocked"):
            assert [("LG101", "mocked")] == judged(lambda: Cloud().create("a"))
        assert [("LG101", "image-a")] == judged(lambda: Cloud().create("a"))
    assert "image-a" == Cloud().create("a")


def test_a_mock_on_the_class_while_a_scope_is_open() -> None:
    """It was not there when the scope opened, so its calls are not seen: LG402."""
    patcher = mock.patch.object(Cloud, "create")

    def work() -> None:
        patcher.start()
        Cloud().create("a")

    with CloudContracts.applied():
        assert [("LG402", None)] == judged(work)
        patcher.stop()
    assert "image-a" == Cloud().create("a")


def test_mocks_are_not_kept_alive() -> None:
    """Contracts that are applied for a whole run keep no mock of any test."""
    with CloudContracts.applied():
        cloud: Any = Cloud()
        with mock.patch.object(cloud, "create") as put:
            cloud.create("a")
        alive = weakref.ref(put)
        del put
        gc.collect()
        assert alive() is None


def test_instances_of_a_module() -> None:
    """A module has none."""
    with pytest.raises(DeclarationError, match=r"instances=True\) takes a class"):
        contracts_for("json", instances=True)
