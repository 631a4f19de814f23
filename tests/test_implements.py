"""A fake takes over the contracts of the service that it stands for, and is compared with it when its class is made."""

# ruff: noqa: D101, D102  the classes inside the tests are the material, not the tests

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from lifeguard import DeclarationError, Resource, acquires, contracts_of, implements, releases, scope, uses

image = Resource("image")


class Service:
    """The real one, in every form that a method can have."""

    @acquires(image, key="result")
    def create(self, name: str, *, size: int = 0) -> str:
        """Make an image."""
        return name

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None:
        """Delete it."""

    @classmethod
    @acquires(image, key="name")
    def by_class(cls, name: str) -> None:
        """Make one without an instance."""

    @staticmethod
    @acquires(image, key="name")
    def by_static(name: str) -> None:
        """Make one without a class."""

    @property
    @acquires(image, key="result")
    def by_property(self) -> str:
        """Make one by looking."""
        return "p"

    @acquires(image, key="name")
    async def later(self, name: str) -> None:
        """Make one later."""

    def unrelated(self, anything: object) -> None:
        """It has no contract, so a fake need not have it."""


def leaks(program: Callable[[], object]) -> list[object]:
    """The keys that a program leaks; nothing else may be found of it."""
    with scope("fake", on_violation="record") as watched:
        program()
    assert watched.verdict is not None
    assert [] == [one for one in watched.verdict.violations if one.code != "LG101"]
    return [one.key for one in watched.verdict.violations]


class Fake:
    """A fake of the whole service, in the same forms."""

    def create(self, name: str, *, size: int = 0) -> str:
        """Make an image."""
        return f"fake-{name}"

    def delete(self, image_id: str) -> None:
        """Delete it."""

    @classmethod
    def by_class(cls, name: str) -> str:
        """Make one without an instance."""
        return cls.__name__

    @staticmethod
    def by_static(name: str) -> None:
        """Make one without a class."""

    @property
    def by_property(self) -> str:
        """Make one by looking."""
        return "fake-p"

    async def later(self, name: str) -> None:
        """Make one later."""


def test_the_same_contracts_on_every_form() -> None:
    """Methods, class and static methods, properties and coroutines are watched as the service's are."""
    made = implements(Service)(Fake)
    assert Fake is made
    one = Fake()
    assert ["fake-a"] == leaks(lambda: one.create("a"))
    assert [] == leaks(lambda: one.delete(one.create("a")))
    assert ["c"] == leaks(lambda: Fake.by_class("c"))
    assert "Fake" == one.by_class("c")
    assert ["s"] == leaks(lambda: Fake.by_static("s"))
    assert ["fake-p"] == leaks(lambda: one.by_property)
    assert ["l"] == leaks(lambda: asyncio.run(one.later("l")))


def test_the_service_is_left_as_it_is() -> None:
    """Its own calls are told by its own contracts."""
    assert ["a"] == leaks(lambda: Service().create("a"))


def test_a_protocol() -> None:
    """What it declares must be there; its parameters are those of the contracts."""

    class Images(Protocol):
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    @implements(Images)
    class Good:
        def create(self, name: str) -> None: ...

    assert ["a"] == leaks(lambda: Good().create("a"))
    with pytest.raises(DeclarationError, match="but does not define 'create'"):

        @implements(Images)
        class Bad(Images): ...


def test_an_abstract_class() -> None:
    """The fake inherits from it and overrides what is abstract."""

    class Images(abc.ABC):
        @acquires(image, key="name")
        @abc.abstractmethod
        def create(self, name: str) -> None: ...

        @releases(image, key="name")
        def delete(self, name: str) -> None: ...

    @implements(Images)
    class Good(Images):
        def create(self, name: str) -> None: ...

    one = Good()
    assert ["a"] == leaks(lambda: one.create("a"))
    assert [] == leaks(lambda: (one.create("a"), one.delete("a")))
    with pytest.raises(DeclarationError, match="but does not define 'create'"):

        @implements(Images)
        class Bad(Images): ...


def test_a_fake_that_calls_the_real_method() -> None:
    """One event, though both carry the contract."""

    @implements(Service)
    class Delegating(Service):
        def create(self, name: str, *, size: int = 0) -> str:
            return super().create(name)

    assert ["a"] == leaks(lambda: Delegating().create("a"))


def test_a_fake_of_a_fake() -> None:
    """What it inherits is watched already, and what it overrides is watched once."""

    @implements(Service)
    class Small(Fake):
        def create(self, name: str, *, size: int = 0) -> str:
            return "small"

    one = Small()
    assert ["small"] == leaks(lambda: one.create("a"))
    assert [] == leaks(lambda: one.delete(one.create("a")))


def test_a_fake_with_contracts_of_its_own() -> None:
    """What it says itself of a verb and kind stands; the rest is taken over."""

    @implements(Service)
    class Own(Fake):
        @acquires(image, key="name")
        def create(self, name: str, *, size: int = 0) -> str:
            return "made"

    assert ["a"] == leaks(lambda: Own().create("a"))


def test_several_services() -> None:
    """A fake may stand for more than one."""

    class Other:
        @uses(image, key="image_id")
        def show(self, image_id: str) -> None: ...

    @implements(Service, Other)
    class Both(Fake):
        def show(self, image_id: str) -> None: ...

    with scope("both", on_violation="record") as watched:
        one = Both()
        one.show(one.create("a"))
    assert watched.verdict is not None
    assert (1, 1) == (watched.verdict.watched["image"].acquired, watched.verdict.watched["image"].used)


def test_the_service_is_not_said_to_be_unused() -> None:
    """Its contract saw a call, through the fake."""

    class Images(Protocol):
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...
        @releases(image, key="name")
        def delete(self, name: str) -> None: ...

    @implements(Images)
    class OnlyFake:
        def create(self, name: str) -> None: ...
        def delete(self, name: str) -> None: ...

    with scope("unused", on_violation="record") as watched:
        OnlyFake().create("a")
    assert watched.verdict is not None
    mine = [name for name in watched.verdict.unused if "test_the_service" in name]
    assert [f"{OnlyFake.__qualname__}.delete"] == mine


# -- errors --------------------------------------------------------------------------------------------------------------------


class Small:
    """A service with one method, of which the fakes below differ."""

    @acquires(image, key="name")
    def create(self, name: str, size: int = 0) -> None:
        """Make an image."""


class Async:
    """A service with one coroutine function."""

    @acquires(image, key="name")
    async def create(self, name: str) -> None:
        """Make an image."""


class Missing: ...


class AProperty:
    @property
    def create(self) -> None: ...


class AStatic:
    @staticmethod
    def create(name: str, size: int = 0) -> None: ...


class AValue:
    create = 7


class ACoroutine:
    async def create(self, name: str, size: int = 0) -> None: ...


class AGenerator:
    def create(self, name: str, size: int = 0) -> Iterator[int]:
        yield 1


class WithoutParameter:
    def create(self, name: str) -> None: ...


class OtherParameter:
    def create(self, title: str, size: int = 0) -> None: ...


class WithoutDefault:
    def create(self, name: str, size: int) -> None: ...


class KeywordOnly:
    def create(self, *, name: str, size: int = 0) -> None: ...


class OneMore:
    def create(self, name: str, size: int = 0, *, more: int) -> None: ...


class OtherOrder:
    def create(self, size: int = 0, name: str = "") -> None: ...


class PositionalOnly:
    def create(self, name: str, size: int = 0, /) -> None: ...


class Plain:
    def create(self, name: str) -> None: ...


@pytest.mark.parametrize(
    ("service", "fake", "text"),
    [
        (Small, Missing, "Missing implements Small, but has no 'create'"),
        (Small, AProperty, "its 'create' is a property, not a method"),
        (Small, AStatic, "its 'create' is a static method, not a method"),
        (Small, AValue, "its 'create' is 7, which cannot be called"),
        (Small, ACoroutine, "its 'create' is a coroutine function, not a plain function"),
        (Small, AGenerator, "its 'create' is a generator function, not a plain function"),
        (Async, Plain, "its 'create' is a plain function, not a coroutine function"),
        (Small, WithoutParameter, "it has no parameter 'size'"),
        (Small, OtherParameter, "it has no parameter 'name'"),
        (Small, WithoutDefault, "its parameter 'size' has no default"),
        (Small, KeywordOnly, "its parameter 'name' can only be given by keyword"),
        (Small, OneMore, "it needs a parameter 'more', which the service does not have"),
        (Small, OtherOrder, "its parameter 'name' stands in another place"),
        (Small, PositionalOnly, "its parameter 'name' cannot be given by keyword"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fake_that_differs(service: type, fake: type, text: str) -> None:
    """Said when its class is made, with what differs; the fake is left as it was."""
    before = dict(vars(fake))
    with pytest.raises(DeclarationError) as caught:
        implements(service)(fake)
    assert text in str(caught.value)
    assert before == dict(vars(fake))


def test_a_fake_that_takes_anything() -> None:
    """`*args, **kwargs` fits every call; the contract finds its arguments all the same."""

    @implements(Small)
    class Anything:
        def create(self, *args: object, **kwargs: object) -> None: ...

    assert ["a", "b"] == leaks(lambda: (Anything().create("a"), Anything().create(size=1, name="b")))


def test_a_receiver_by_another_name() -> None:
    """The receiver is no parameter; a contract that names it finds it by its place."""

    class Host:
        name = "h1"

        @acquires(image, key="self.name, image_id")
        def create(self, image_id: str) -> None: ...

    @implements(Host)
    class Other:
        name = "h2"

        def create(this, image_id: str) -> None: ...

    assert [("h2", "a")] == leaks(lambda: Other().create("a"))


def test_two_services_with_one_method() -> None:
    """The contracts of both are taken over."""
    lease = Resource("lease")

    class Leases:
        @acquires(lease, key="name")
        def create(self, name: str, size: int = 0) -> None: ...

    @implements(Small, Leases)
    class Both:
        def create(self, name: str, size: int = 0) -> None: ...

    assert ["a", "a"] == leaks(lambda: Both().create("a"))
    assert {image, lease} == {one.kind for one in contracts_of(Both)}


def test_half_a_fake_is_not_woven() -> None:
    """All or nothing: a method that fits is not woven when another one is missing."""

    class Half:
        def create(self, name: str, *, size: int = 0) -> str:
            return name

    before = dict(vars(Half))
    with pytest.raises(DeclarationError):
        implements(Service)(Half)
    assert before == dict(vars(Half))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((), "takes the service class that the fake stands for"),
        ((7,), "takes classes, not 7"),
        ((Missing,), "Missing carries no contract"),
    ],
)
def test_no_service(given: tuple[Any, ...], text: str) -> None:
    """What it was given is named."""
    with pytest.raises(DeclarationError, match=text):
        implements(*given)(Fake)


def test_decorates_a_class() -> None:
    """And nothing else."""
    with pytest.raises(DeclarationError, match="decorates a class, not "):
        implements(Small)(lambda: None)  # type: ignore[type-var]


# -- what carries which contracts ----------------------------------------------------------------------------------------------


def test_contracts_of_a_function_a_class_an_object() -> None:
    """The same ones, wherever they are asked for."""
    (create,) = contracts_of(Small.create)
    assert ("acquires", (image,), "name") == (create.verb, create.kinds, create.key.source)  # type: ignore[union-attr]
    assert (create,) == contracts_of(Small().create) == contracts_of(Small) == contracts_of(Small())
    assert () == contracts_of(Missing) == contracts_of(len) == contracts_of(7)


def test_contracts_of_a_class_in_the_order_of_its_names() -> None:
    """Inherited ones included; of one function the outermost decorator first."""

    class More(Small):
        @uses(image, key="name")
        @releases(image, key="other")
        def again(self, name: str, other: str) -> None: ...

    assert ["uses", "releases", "acquires"] == [one.verb for one in contracts_of(More)]
    assert ["uses", "releases"] == [one.verb for one in contracts_of(More.again)]
    assert ["acquires"] == [one.verb for one in contracts_of(vars(Service)["by_property"])]
