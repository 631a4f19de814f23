"""The forms of functions that can carry a contract: functions, methods, properties, special methods, coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from findings import held, said, watching
from watched_forms import Service, image, make, make_async, spawn

from lifeguard import acquires, after, on_failure, releases


@releases(image, key="name")
def unmake(name: str) -> None:
    """Take an image away."""


# -- plain functions and methods ------------------------------------------------------------------------------------------


def test_plain_function_returns_and_raises_as_before() -> None:
    """The result and the exception of a watched function are its own."""
    with watching() as watched:
        assert "A" == make("a")
        with pytest.raises(OSError, match="b"):
            make("b", fail=True)
        assert ["image 'a' (held)"] == held(watched)
        unmake("a")
    assert [] == said(watched)


class Special(Service):
    """Inherits all of them."""


def test_a_method_has_the_receiver_as_self() -> None:
    """`self` in a key is the instance."""
    with watching() as watched:
        assert "a" == Service().method("a")
        assert ["image ('h1', 'a') (held)"] == held(watched)
    assert ["LG101 image ('h1', 'a')"] == said(watched)


@pytest.mark.parametrize("name", ["class_above", "class_below", "static_above", "static_below"])
def test_class_and_static_methods(name: str) -> None:
    """The order of our decorator and of classmethod or staticmethod is free, on the class as on an instance."""
    kind = classmethod if name.startswith("class") else staticmethod
    assert isinstance(inspect.getattr_static(Service, name), kind)
    with watching() as watched:
        assert (Service if kind is classmethod else "on class") == getattr(Service, name)("on class")
        assert (Special if kind is classmethod else "on object") == getattr(Special(), name)("on object")
        assert ["image 'on class' (held)", "image 'on object' (held)"] == held(watched)


@pytest.mark.parametrize("name", ["property_above", "property_below"])
def test_the_getter_of_a_property(name: str) -> None:
    """A contract on a property stands on its getter."""
    prop = inspect.getattr_static(Service, name)
    assert isinstance(prop, property)
    assert f"Decorator {name.split('_')[1]}." == prop.__doc__
    with watching() as watched:
        value = getattr(Service(), name)
        assert [f"image {value!r} (held)"] == held(watched)


def test_a_property_keeps_its_setter_and_deleter() -> None:
    """They come after the contract in the class body, and work as before."""
    service = Service()
    with watching() as watched:
        service.writable = "h2"
        assert [] == held(watched)
        assert "h2" == service.writable
        assert ["image 'h2' (held)"] == held(watched)
        del service.writable
        assert "" == service.host


def test_init_with_a_key_that_it_sets_itself() -> None:
    """`after("self.uuid")` is read when `__init__` has returned."""

    class Thing:
        @acquires(image, key=after("self.uuid"))
        def __init__(self, uuid: str) -> None:
            self.uuid = uuid

    with watching() as watched:
        assert "u1" == Thing("u1").uuid
        assert ["image 'u1' (held)"] == held(watched)


def test_init_with_the_object_itself_as_key() -> None:
    """An object is known by identity from before its `__init__` has run."""

    class Thing:
        @acquires(image, key="self")
        def __init__(self, name: str) -> None:
            self.name = name

        @releases(image, key="self")
        def close(self) -> None: ...

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

        def __repr__(self) -> str:
            return f"Thing({self.name})"

    with watching() as watched:
        first, _second = Thing("first"), Thing("second")
        first.close()
    assert ["LG101 image Thing(second)"] == said(watched)


def test_enter_and_exit() -> None:
    """A context manager of its own class carries its contracts on `__enter__` and `__exit__`."""

    class Lock:
        name = "lock"

        @acquires(image, key="self.name")
        def __enter__(self) -> Lock:
            return self

        @releases(image, key="self.name")
        def __exit__(self, *exc: object) -> bool:
            return True

    with watching() as watched:
        with Lock() as lock:
            assert ["image 'lock' (held)"] == held(watched)
            raise ValueError
        assert [] == held(watched)
        lock.__enter__()
    assert ["LG101 image 'lock'"] == said(watched)


def test_async_enter_and_exit() -> None:
    """The same for `__aenter__` and `__aexit__`."""

    class Lock:
        @acquires(image, key="self")
        async def __aenter__(self) -> Lock:
            return self

        @releases(image, key="self")
        async def __aexit__(self, *exc: object) -> None: ...

    async def main() -> list[str]:
        async with Lock():
            inside = held(watched)
        return inside + held(watched)

    with watching() as watched:
        assert 1 == len(asyncio.run(main()))


def test_dunder_del_and_call() -> None:
    """Special methods are methods: `__call__` acquires, `__del__` releases."""

    class Thing:
        @acquires(image, key="name")
        def __call__(self, name: str) -> str:
            self.name = name
            return name

        @releases(image, key="self.name")
        def __del__(self) -> None: ...

    with watching() as watched:
        thing = Thing()
        assert "x" == thing("x")
        assert ["image 'x' (held)"] == held(watched)
        del thing
        gc.collect()
    assert [] == said(watched)


def test_every_kind_of_parameter_reaches_the_function() -> None:
    """Positional-only, plain, star, keyword-only and double-star parameters, defaults, and their keys."""

    @acquires(image, key="a, b, args, c, kwargs['z']")
    def function(a: int, /, b: int = 2, *args: int, c: int = 3, **kwargs: int) -> object:
        return a, b, args, c, kwargs

    @acquires(image, key="a, b")
    def only(a: int, *, b: int = 5) -> tuple[int, int]:
        return a, b

    @acquires(image, key="a, b")
    def positional(a: int, b: int = 7, /) -> tuple[int, int]:
        return a, b

    with watching() as watched:
        assert (1, 2, (), 3, {"z": 9}) == function(1, z=9)
        assert (1, 4, (5, 6), 8, {"z": 9}) == function(1, 4, 5, 6, c=8, z=9)
        assert (1, 5) == only(1)
        assert (1, 7) == positional(1)
        keys = [one.key for one in watched.outstanding]
    assert [(1, 2, (), 3, 9), (1, 4, (5, 6), 8, 9), (1, 5), (1, 7)] == keys


@pytest.mark.parametrize("watched", [True, False])
def test_wrong_arguments_are_a_type_error_of_the_function(watched: bool) -> None:
    """A call that does not fit the signature fails as before, names the function, and is no event."""
    with watching() if watched else contextlib.nullcontext() as scope_or_none:
        with pytest.raises(TypeError, match=r"make\(\) missing 1 required positional argument: 'name'"):
            make()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
            make(nmae="a")  # type: ignore[call-arg]
    if scope_or_none is not None:
        assert [] == said(scope_or_none)


def test_a_lambda_a_partial_and_a_callable_object() -> None:
    """What can be called can be watched, if its key can be read."""

    class Maker:
        def __call__(self, name: str) -> str:
            return name

    make_a = acquires(image, key="name")(lambda name: name)
    make_b = acquires(image, key="result")(functools.partial(lambda name, suffix: name + suffix, suffix="!"))
    make_c = acquires(image, key="name")(Maker())
    with watching() as watched:
        assert ["a", "b!", "c"] == [make_a("a"), make_b("b"), make_c("c")]
        assert ["image 'a' (held)", "image 'b!' (held)", "image 'c' (held)"] == held(watched)


def test_an_object_with_an_async_call() -> None:
    """An object whose `__call__` is a coroutine function is watched as a coroutine function."""

    class Maker:
        async def __call__(self, name: str) -> str:
            await asyncio.sleep(0)
            return name + "!"

    make = acquires(image, key="result")(Maker())
    with watching() as watched:
        assert "a!" == asyncio.run(make("a"))
        assert ["image 'a!' (held)"] == held(watched)


def test_a_partial_of_a_coroutine_function() -> None:
    """`functools.partial` of a coroutine function is one."""

    async def create(name: str, suffix: str) -> str:
        return name + suffix

    make = acquires(image, key="result")(functools.partial(create, suffix="!"))
    assert inspect.iscoroutinefunction(make)
    with watching() as watched:
        assert "a!" == asyncio.run(make("a"))
        assert ["image 'a!' (held)"] == held(watched)


def test_a_builtin_is_watched_by_its_result() -> None:
    """A function without a Python signature of its own can carry a contract that names `result`."""
    make = acquires(image, key="result")(max)
    with watching() as watched:
        assert 3 == make(1, 3, 2)
        assert ["image 3 (held)"] == held(watched)


def test_decorated_below_by_a_wrapper_that_hides_the_signature() -> None:
    """Around a `*args, **kwargs` wrapper with `functools.wraps`, parameters are those that callers see."""

    def passing(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    @acquires(image, key="host, name")
    @passing
    def create(name: str, host: str = "h1") -> str:
        return name + host

    with watching() as watched:
        assert "ah1" == create("a")
        assert "bh2" == create("b", "h2")
        assert "ch3" == create(host="h3", name="c")
        keys = [one.key for one in watched.outstanding]
    assert [("h1", "a"), ("h2", "b"), ("h3", "c")] == keys
    assert "(name: 'str', host: 'str' = 'h1') -> 'str'" == str(inspect.signature(create))


# -- coroutines -----------------------------------------------------------------------------------------------------------


def test_coroutine_functions_stay_so_and_are_recorded_when_they_end() -> None:
    """An acquire of a coroutine is held after it was awaited to its end, not before."""
    assert inspect.iscoroutinefunction(make_async)

    async def main() -> None:
        gate = asyncio.Event()
        task = asyncio.create_task(make_async("a", gate=gate))
        await asyncio.sleep(0)
        assert [] == held(watched)
        gate.set()
        assert "A" == await task
        assert ["image 'a' (held)"] == held(watched)
        with pytest.raises(OSError, match="b"):
            await make_async("b", fail=True)

    with watching() as watched:
        asyncio.run(main())
    assert ["LG101 image 'a'"] == said(watched)


def test_cancellation_is_a_raised_end() -> None:
    """A cancelled coroutine acquired nothing; declared in doubt it is in doubt; an expected failure is owed."""

    @acquires(image, key="name", in_doubt=True)
    @on_failure(spawn, key="name", exc=BaseException)
    async def create(name: str) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(create("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with watching() as watched:
        asyncio.run(main())
        assert ["image 'a' (in doubt)", "spawn 'a' (owed)"] == held(watched)
    assert ["LG205 image 'a'", "LG201 spawn 'a'"] == said(watched)


def test_a_cancellation_that_the_coroutine_swallows_is_no_end() -> None:
    """Only how the call itself ends counts."""

    @acquires(image, key="name")
    async def create(name: str) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "never"

    async def main() -> None:
        task = asyncio.create_task(create("a"))
        await asyncio.sleep(0)
        task.cancel()
        assert "late" == await task

    with watching() as watched:
        asyncio.run(main())
        assert ["image 'a' (held)"] == held(watched)


def test_a_coroutine_never_awaited_changes_nothing() -> None:
    """It never began, and Python's own warning about it is still given."""
    with watching() as watched:
        with pytest.warns(RuntimeWarning, match="coroutine 'make_async' was never awaited"):
            make_async("a")
    assert {} == dict(watched.watched)


def test_a_coroutine_closed_half_way_changes_nothing() -> None:
    """A coroutine that was begun and never awaited to its end is abandoned: nothing acquired, nothing failed."""

    @acquires(image, key="name", in_doubt=True)
    @on_failure(spawn, key="name", exc=BaseException)
    async def create(name: str) -> None:
        await asyncio.sleep(0)

    with watching() as watched:
        coroutine = create("a")
        coroutine.send(None)
        coroutine.close()
        del coroutine
        gc.collect()
    assert [] == said(watched)
    assert {} == dict(watched.watched)
