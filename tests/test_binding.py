"""Contracts for code that one does not own: bound to what is there, seen in calls, and taken off without a trace."""

# ruff: noqa: D102  the classes inside the tests are the material, not the tests

from __future__ import annotations

import asyncio
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lifeguard import DeclarationError, Resource, UsageError, acquires, contracts_for, releases, scope, uses

image = Resource("image")


class Cloud:
    """Somebody else's code; a test that changes it works on a subclass or on a class of its own."""

    def create(self, name: str) -> str:
        """Make an image."""
        return f"image-{name}"

    def delete(self, image_id: str) -> None:
        """Delete an image."""


class Regional(Cloud):
    """It inherits everything."""


@contracts_for(Cloud)
class CloudContracts:
    """What `Cloud` does."""

    @acquires(image, key="result")
    def create(self) -> None: ...

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None: ...


def held(program: Callable[[], object]) -> list[object]:
    """The keys that are held after a program has run."""
    with scope("held", on_violation="record") as watched:
        program()
    assert watched.verdict is not None
    assert [] == [one for one in watched.verdict.violations if one.code not in ("LG101", "LG110")]
    return [one.key for one in watched.verdict.violations]


def blind(program: Callable[[], object]) -> list[str]:
    """What a scope could not see while a program ran."""
    with scope("blind", on_violation="record") as watched:
        program()
    assert watched.verdict is not None
    return [one.message for one in watched.verdict.violations if one.code == "LG402"]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """After every test the classes that it shares with the others are what they were."""
    before = [dict(vars(one)) for one in (Cloud, Regional)]
    yield
    assert before == [dict(vars(one)) for one in (Cloud, Regional)]


# -- applied and taken off -----------------------------------------------------------------------------------------------------


def test_seen_in_a_with_block_and_not_outside() -> None:
    """Before and after, calls are the class's own."""
    cloud = Cloud()
    assert [] == held(lambda: cloud.create("a"))
    with CloudContracts.applied():
        assert ["image-a"] == held(lambda: cloud.create("a"))
        assert [] == held(lambda: cloud.delete(cloud.create("a")))
    assert [] == held(lambda: cloud.create("a"))


def test_as_a_decorator() -> None:
    """Applied in each call of a function, and of a coroutine function until it was awaited to its end."""

    @CloudContracts.applied()
    def make() -> str:
        return Cloud().create("a")

    @CloudContracts.applied()
    async def make_later() -> str:
        await asyncio.sleep(0)
        return Cloud().create("b")

    assert ["image-a"] == held(make)
    assert ["image-b"] == held(lambda: asyncio.run(make_later()))
    assert "make_later" == make_later.__name__


def test_between_start_and_stop() -> None:
    """For set-ups: of the class and of what `applied` gives."""
    for applied in (CloudContracts, CloudContracts.applied()):
        applied.start()
        assert ["image-a"] == held(lambda: Cloud().create("a"))
        applied.stop()
        assert [] == held(lambda: Cloud().create("a"))


def test_stopped_once_too_often() -> None:
    """A misuse that says so, and damages nothing."""
    with pytest.raises(UsageError, match="CloudContracts: the contracts are not applied"):
        CloudContracts.stop()
    with CloudContracts.applied():
        assert ["image-a"] == held(lambda: Cloud().create("a"))


def test_nested() -> None:
    """Applied twice is applied once, until the last one is taken off."""
    with CloudContracts.applied():
        with CloudContracts.applied():
            assert ["image-a"] == held(lambda: Cloud().create("a"))
        assert ["image-a"] == held(lambda: Cloud().create("a"))
    assert [] == held(lambda: Cloud().create("a"))


def test_taken_off_when_the_body_raises() -> None:
    """As every context manager."""
    with pytest.raises(KeyError), CloudContracts.applied():
        raise KeyError
    assert [] == held(lambda: Cloud().create("a"))


def test_nothing_is_left_if_one_binding_fails() -> None:
    """All or none: the method that could be bound is unbound again."""

    class Meta(type):
        def __setattr__(cls, name: str, value: object) -> None:
            if name == "second":
                raise TypeError("frozen")
            super().__setattr__(name, value)

    class Target(metaclass=Meta):
        def first(self, key: str) -> None: ...
        def second(self, key: str) -> None: ...

    @contracts_for(Target)
    class Contracts:
        @acquires(image, key="key")
        def first(self, key: str) -> None: ...
        @acquires(image, key="key")
        def second(self, key: str) -> None: ...

    before = dict(vars(Target))
    with pytest.raises(DeclarationError, match=r"Target\.second cannot be watched: frozen"):
        Contracts.start()
    assert before == dict(vars(Target))
    with pytest.raises(UsageError):
        Contracts.stop()


def test_a_class_that_cannot_be_changed() -> None:
    """A built-in type says so in the terms of the binding."""

    @contracts_for(dict)
    class Contracts:
        @acquires(image, key="key")
        def pop(self, key: str) -> None: ...

    with pytest.raises(DeclarationError, match=r"dict\.pop cannot be watched: cannot set"):
        Contracts.start()


# -- what can be a target ------------------------------------------------------------------------------------------------------


def test_a_class_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nested class, too; it is imported when the contracts are bound."""
    module = types.ModuleType("someones_cloud")
    exec(
        "class Outer:\n  class Cloud:\n    def create(self, name): return name\ndef make(name): return name",
        vars(module),
    )
    monkeypatch.setitem(sys.modules, "someones_cloud", module)

    @contracts_for("someones_cloud:Outer.Cloud")
    class Contracts:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    with Contracts.applied():
        assert ["a"] == held(lambda: module.Outer.Cloud().create("a"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "itself"])
def test_a_module(monkeypatch: pytest.MonkeyPatch, by_name: bool) -> None:
    """Its functions, Python's and the built-in ones, stand as static methods."""
    module = types.ModuleType("someones_functions")
    exec("def make(name): return name\nbuilt_in = max", vars(module))
    monkeypatch.setitem(sys.modules, "someones_functions", module)

    @contracts_for("someones_functions" if by_name else module)
    class Contracts:
        @staticmethod
        @acquires(image, key="name")
        def make(name: str) -> None: ...

        @staticmethod
        @acquires(image, key="result")
        def built_in() -> None: ...

    before = dict(vars(module))
    with Contracts.applied():
        assert ["a"] == held(lambda: module.make("a"))
        assert [3] == held(lambda: module.built_in(1, 3))
    assert before == dict(vars(module))


def test_inherited_methods() -> None:
    """The wrapper stands on the target itself, not on its base, and is gone afterwards."""

    @contracts_for(Regional)
    class Contracts:
        @acquires(image, key="result")
        def create(self) -> None: ...

    with Contracts.applied():
        assert "create" in vars(Regional)
        assert [] == held(lambda: Cloud().create("a"))
        assert ["image-a"] == held(lambda: Regional().create("a"))
    assert "create" not in vars(Regional)


def test_stand_ins_that_inherit() -> None:
    """Their inherited methods count."""

    @contracts_for(Regional)
    class Contracts(CloudContracts):  # type: ignore[misc, valid-type]
        @uses(image, key="image_id")
        def delete(self, image_id: str) -> None: ...

    with Contracts.applied():
        assert ["image-a"] == held(lambda: Regional().delete(Regional().create("a")))


def test_two_stand_ins_for_one_method() -> None:
    """Each is seen, each comes off by itself, in any order, and none is taken for replaced."""
    lease = Resource("lease")

    @contracts_for(Cloud)
    class Others:
        @acquires(lease, key="name")
        def create(self, name: str) -> None: ...

    first, second = CloudContracts.applied(), Others.applied()
    first.start()
    second.start()
    assert ["image-a", "a"] == held(lambda: Cloud().create("a"))
    assert [] == blind(lambda: None)
    first.stop()
    assert ["a"] == held(lambda: Cloud().create("a"))
    first.start()
    second.stop()
    assert ["image-a"] == held(lambda: Cloud().create("a"))
    first.stop()
    assert [] == held(lambda: Cloud().create("a"))


def inner(function: Any) -> Any:
    """The function under all wrappers."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def test_a_method_that_has_contracts_of_its_own() -> None:
    """They stay, and the same event told by both is one."""

    class Target:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    @contracts_for(Target)
    class Contracts:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    with Contracts.applied():
        assert ["a"] == held(lambda: Target().create("a"))
    assert ["a"] == held(lambda: Target().create("a"))


# -- forms ---------------------------------------------------------------------------------------------------------------------


class Upper:
    """An object that can be called, which Python does not bind to the object whose class it stands in."""

    def __call__(self, name: str) -> str:
        """Make it large."""
        return name.upper()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on a partial is bound to the object")
def test_a_partial_in_a_class() -> None:
    """It is called without the object."""

    class Target:
        create = functools.partial(str.upper, "c")

    @contracts_for(Target)
    class Contracts:
        @staticmethod
        @acquires(image, key="result")
        def create() -> None: ...

    with Contracts.applied():
        assert ["C"] == held(Target().create)


def test_every_form_of_a_method() -> None:
    """Class and static methods, properties and coroutines keep their form."""

    class Target:
        name = "p"

        @classmethod
        def by_class(cls, key: str) -> str:
            return cls.__name__ + key

        @staticmethod
        def by_static(key: str) -> str:
            return key

        @property
        def by_property(self) -> str:
            return self.name

        @by_property.setter
        def by_property(self, name: str) -> None:
            self.name = name

        async def later(self, key: str) -> str:
            await asyncio.sleep(0)
            return key

        def several(self) -> Iterator[int]:
            yield 1

        by_object = Upper()

    @contracts_for(Target)
    class Contracts:
        @acquires(image, key="key")
        def by_class(self, key: str) -> None: ...
        @acquires(image, key="key")
        def by_static(self, key: str) -> None: ...
        @acquires(image, key="result")
        def by_property(self) -> None: ...
        @acquires(image, key="result")
        async def later(self) -> None: ...
        @acquires(image, key="self.name")
        def several(self) -> None: ...
        @staticmethod
        @acquires(image, key="result")
        def by_object() -> None: ...

    before, one = dict(vars(Target)), Target()
    with Contracts.applied():
        assert ["k"] == held(lambda: Target.by_class("k"))
        assert ["k"] == held(lambda: one.by_static("k"))
        assert ["p"] == held(lambda: one.by_property)
        one.by_property = "q"
        assert "Targetk" == one.by_class("k")
        assert ["k"] == held(lambda: asyncio.run(one.later("k")))
        assert ["q"] == held(lambda: list(one.several()))
        assert ["C"] == held(lambda: one.by_object("c"))
    assert before == dict(vars(Target))


def test_a_built_in_method_of_a_subclass() -> None:
    """It is bound to its object as before."""

    class Names(list[str]): ...

    @contracts_for(Names)
    class Contracts:
        @acquires(image, key="object")
        def append(self, object: str) -> None: ...

    names = Names()
    with Contracts.applied():
        assert ["a"] == held(lambda: names.append("a"))
    assert ["a"] == names
    assert "append" not in vars(Names)


class Hidden:
    """Its decorator hides what it takes."""

    @staticmethod
    def hide(function: Any) -> Any:
        """A decorator without functools.wraps."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @hide
    def create(self, context: object, name: str, size: int = 0) -> str:
        """Make an image."""
        return name


@contracts_for(Hidden)
class HiddenContracts:
    """It gives the place of the parameter that the contracts name."""

    @acquires(image, key="name, size")
    def create(self, context: object, name: str, size: int = 7) -> None: ...


@pytest.mark.parametrize(
    ("key", "call"),
    [
        (("a", 1), lambda one: one.create(None, "a", 1)),
        (("a", 1), lambda one: one.create(None, size=1, name="a")),
        (("a", 7), lambda one: one.create(None, "a")),
    ],
    ids=["by place", "by keyword", "by default"],
)
def test_a_hidden_signature(key: object, call: Callable[[Hidden], object]) -> None:
    """Arguments are found by keyword, else where the stand-in has them, else they are its default."""
    with HiddenContracts.applied():
        assert [key] == held(lambda: call(Hidden()))


# -- single objects ------------------------------------------------------------------------------------------------------------


def test_single_objects() -> None:
    """Only those that are given are watched, and nothing stays in them."""
    one, other = Cloud(), Regional()
    with CloudContracts.applied(one, other):
        assert ["image-a", "image-b"] == held(lambda: (one.create("a"), other.create("b"), Cloud().create("c")))
    assert ({}, {}) == (vars(one), vars(other))
    assert [] == held(lambda: one.create("a"))


def test_an_object_and_its_class() -> None:
    """Together, in any order, a call is still one event."""
    one = Cloud()
    for first, second in [((), (one,)), ((one,), ())]:
        with CloudContracts.applied(*first), CloudContracts.applied(*second):
            assert ["image-a"] == held(lambda: one.create("a"))
        assert {} == vars(one)


def test_objects_that_cannot_be_watched() -> None:
    """Another class, or no place to put a wrapper: said at once."""

    class Slotted(Cloud):
        __slots__ = ()

    class Bare:
        __slots__ = ()

        def create(self) -> None: ...

    @contracts_for(Bare)
    class Contracts:
        @acquires(image, key="result")
        def create(self) -> None: ...

    with pytest.raises(DeclarationError, match="takes instances of Cloud, not 'text'"):
        CloudContracts.applied("text").start()
    with pytest.raises(DeclarationError, match=r"Bare\.create cannot be watched on one object; apply it to the class"):
        Contracts.applied(Bare()).start()


# -- set-ups that overwrite ----------------------------------------------------------------------------------------------------


def overwritten(self: Cloud, name: str) -> str:
    """What a set-up puts in place of `Cloud.create`."""
    return f"fake-{name}"


def test_bound_again_where_a_set_up_overwrote_it() -> None:
    """A scope that opens wraps what is there then; so does `rebind`."""
    original = Cloud.create
    with CloudContracts.applied():
        Cloud.create = overwritten  # type: ignore[method-assign]
        assert ["fake-a"] == held(lambda: Cloud().create("a"))
        Cloud.create = overwritten  # type: ignore[method-assign]
        CloudContracts.rebind()
        assert overwritten is not vars(Cloud)["create"]
    assert overwritten is vars(Cloud)["create"]
    Cloud.create = original  # type: ignore[method-assign]


@pytest.mark.parametrize("opened", [False, True], ids=["no scope between", "a scope between"])
@pytest.mark.parametrize(
    "order",
    [
        ["start", "patch", "restore", "stop"],
        ["start", "patch", "stop", "restore"],
        ["patch", "start", "restore", "stop"],
        ["patch", "start", "stop", "restore"],
    ],
    ids="-".join,
)
def test_overwriting_and_restoring_in_every_order(order: list[str], opened: bool) -> None:
    """After all four steps calls are unwatched, reach the real method, and contracts can be applied anew."""
    monkeypatch = pytest.MonkeyPatch()
    original = Cloud.create
    steps: dict[str, Callable[[], object]] = {
        "start": CloudContracts.start,
        "stop": CloudContracts.stop,
        "patch": lambda: monkeypatch.setattr(Cloud, "create", overwritten),
        "restore": monkeypatch.undo,
    }
    now: set[str] = set()
    for step in order:
        steps[step]()
        now ^= {"start" if step in ("start", "stop") else "patch"}
        if opened:
            name = "fake-a" if "patch" in now else "image-a"
            assert ([name] if "start" in now else []) == held(lambda: Cloud().create("a"))
    assert "image-a" == Cloud().create("a")
    assert [] == held(lambda: Cloud().create("a"))
    with CloudContracts.applied():
        assert ["image-a"] == held(lambda: Cloud().create("a"))
    assert original is inner(Cloud.create)
    Cloud.create = original  # type: ignore[method-assign]


def test_replaced_by_what_cannot_be_watched() -> None:
    """It does no harm to the program that opens a scope; the scope says that it is blind there."""
    original = Cloud.delete
    with CloudContracts.applied():
        for value in (None, lambda self: None):
            Cloud.delete = value  # type: ignore[assignment, method-assign]
            (text,) = blind(lambda: None)
            assert text.startswith("Cloud.delete was replaced by ")
        del Cloud.delete
        assert ["Cloud.delete was removed while its contract was applied: calls of that are not seen"] == blind(
            lambda: None
        )
        Cloud.delete = original  # type: ignore[method-assign]
