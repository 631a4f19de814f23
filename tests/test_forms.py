"""The forms of functions that can carry a contract, and what survives of a function that does."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import gc
import inspect
import pickle
import typing
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any
from unittest import mock

import pytest

from lifeguard import DeclarationError, Resource, Rollback, acquires, after, atomic, on_failure, releases, scope, uses
from lifeguard.scopes import Scope

image = Resource("image")
session = Resource("session", again="count")
host = Resource("host")
spawn = Rollback("spawn")


def watching() -> Scope:
    """A scope that only records."""
    return scope("forms", on_violation="record")


def held(watched: Scope) -> list[str]:
    """What is outstanding, as texts."""
    return [str(one) for one in watched.outstanding]


def said(watched: Scope) -> list[str]:
    """What the closed scope says, as "code kind key also-codes"."""
    assert watched.verdict is not None
    return [
        " ".join([f"{one.code} {one.kind} {one.key_text}", *(text[:5] for text in one.also)])
        for one in (*watched.verdict.violations, *watched.verdict.warnings)
    ]


def verbs(watched: Scope) -> list[str]:
    """The events of the only violation, oldest first."""
    (violation,) = watched.violations
    return [one.verb for one in violation.history]


@acquires(image, key="name")
def make(name: str, *, fail: bool = False) -> str:
    """Make an image."""
    if fail:
        raise OSError(name)
    return name.upper()


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


class Service:
    """Every sort of method, with the decorator above and below."""

    def __init__(self) -> None:
        self.host = "h1"

    @acquires(image, key="self.host, name")
    def method(self, name: str) -> str:
        """Plain."""
        return name

    @acquires(image, key="name")
    @classmethod
    def class_above(cls, name: str) -> type:
        """Decorator above."""
        return cls

    @classmethod
    @acquires(image, key="name")
    def class_below(cls, name: str) -> type:
        """Decorator below."""
        return cls

    @acquires(image, key="name")
    @staticmethod
    def static_above(name: str) -> str:
        """Decorator above."""
        return name

    @staticmethod
    @acquires(image, key="name")
    def static_below(name: str) -> str:
        """Decorator below."""
        return name

    @acquires(image, key="result")
    @property
    def property_above(self) -> str:
        """Decorator above."""
        return self.host + "-above"

    @property
    @acquires(image, key="result")
    def property_below(self) -> str:
        """Decorator below."""
        return self.host + "-below"

    @acquires(image, key="result")
    @property
    def writable(self) -> str:
        """With a setter."""
        return self.host

    @writable.setter
    def writable(self, value: str) -> None:
        self.host = value

    @writable.deleter
    def writable(self) -> None:
        self.host = ""


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


@acquires(image, key="name")
async def make_async(name: str, *, gate: asyncio.Event | None = None, fail: bool = False) -> str:
    """Make an image, some time."""
    if gate is not None:
        await gate.wait()
    if fail:
        raise OSError(name)
    return name.upper()


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
            gc.collect()
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


# -- generators -----------------------------------------------------------------------------------------------------------


@acquires(image, key="name")
def producing(name: str) -> Generator[str, str, str]:
    """Echo what is sent."""
    try:
        sent = yield f"{name}: begin"
        while sent != "end":
            try:
                sent = yield f"{name}: {sent}"
            except KeyError as error:
                sent = f"caught {error}"
    finally:
        finals.append(name)
    return f"{name}: done"


finals: list[str] = []


def test_a_generator_is_recorded_at_its_end() -> None:
    """`send`, `throw` and the return value pass through; the call ends when the generator does."""
    assert inspect.isgeneratorfunction(producing)
    with watching() as watched:
        generator = producing("a")
        assert "a: begin" == next(generator)
        assert "a: x" == generator.send("x")
        assert "a: caught 'y'" == generator.throw(KeyError("y"))
        assert [] == held(watched)
        with pytest.raises(StopIteration) as stop:
            generator.send("end")
        assert "a: done" == stop.value.value
        assert ["image 'a' (held)"] == held(watched)


def test_a_generator_that_raises_has_raised() -> None:
    """An exception out of a generator, thrown in or its own, is a raised end."""

    @on_failure(spawn, key="name")
    def produce(name: str) -> Iterator[int]:
        yield 1
        raise OSError(name)

    with watching() as watched:
        with pytest.raises(OSError, match="own"):
            list(produce("own"))
        generator = produce("thrown")
        next(generator)
        with pytest.raises(ValueError, match="thrown in"):
            generator.throw(ValueError("thrown in"))
    assert ["LG201 spawn 'own'", "LG201 spawn 'thrown'"] == said(watched)


@pytest.mark.parametrize("how", ["close", "collect", "unstarted"])
def test_a_generator_closed_or_collected_before_its_end_changes_nothing(how: str) -> None:
    """It is abandoned; its own `finally` runs as ever."""
    finals.clear()
    with watching() as watched:
        generator = producing("a")
        if how != "unstarted":
            next(generator)
        if how == "close":
            generator.close()
        del generator
        gc.collect()
    assert ([] if how == "unstarted" else ["a"]) == finals
    assert {} == dict(watched.watched)


def test_a_generator_looks_its_scope_up_at_its_first_step() -> None:
    """Made before the scope opened, it is watched by the scope that it is first stepped in."""
    generator = producing("a")
    with watching() as watched:
        next(generator)
        with pytest.raises(StopIteration):
            generator.send("end")
        assert ["image 'a' (held)"] == held(watched)


def test_a_generator_delegates_and_is_delegated_to() -> None:
    """`yield from` a watched generator hands its return value on."""

    def outer() -> Generator[str, str, str]:
        return (yield from producing("a"))

    with watching() as watched:
        generator = outer()
        next(generator)
        with pytest.raises(StopIteration) as stop:
            generator.send("end")
        assert "a: done" == stop.value.value
        assert ["image 'a' (held)"] == held(watched)


async def consume(generator: AsyncIterator[str]) -> list[str]:
    """All items."""
    return [item async for item in generator]


@acquires(image, key="name")
async def producing_async(name: str) -> Any:
    """Echo what is sent."""
    try:
        sent = yield f"{name}: begin"
        while sent != "end":
            await asyncio.sleep(0)
            try:
                sent = yield f"{name}: {sent}"
            except KeyError as error:
                sent = f"caught {error}"
    finally:
        finals.append(name)


def test_an_async_generator_is_recorded_at_its_end() -> None:
    """`asend` and `athrow` pass through; the call ends when the generator does."""
    assert inspect.isasyncgenfunction(producing_async)

    async def main() -> None:
        generator = producing_async("a")
        assert "a: begin" == await anext(generator)
        assert "a: x" == await generator.asend("x")
        assert "a: caught 'y'" == await generator.athrow(KeyError("y"))
        assert [] == held(watched)
        with pytest.raises(StopAsyncIteration):
            await generator.asend("end")
        assert ["image 'a' (held)"] == held(watched)
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    with watching() as watched:
        asyncio.run(main())


def test_an_async_generator_that_raises_has_raised() -> None:
    """An exception out of an async generator, thrown in or its own, is a raised end."""

    @on_failure(spawn, key="name")
    async def produce(name: str) -> AsyncIterator[int]:
        yield 1
        raise OSError(name)

    async def main() -> None:
        with pytest.raises(OSError, match="own"):
            [one async for one in produce("own")]
        generator: Any = produce("thrown")
        await anext(generator)
        with pytest.raises(ValueError, match="thrown in"):
            await generator.athrow(ValueError("thrown in"))

    with watching() as watched:
        asyncio.run(main())
    assert ["LG201 spawn 'own'", "LG201 spawn 'thrown'"] == said(watched)


@pytest.mark.parametrize("how", ["aclose", "break", "unstarted"])
def test_an_async_generator_closed_before_its_end_changes_nothing(how: str) -> None:
    """It is abandoned; its own `finally` runs, inside the loop, as ever."""
    finals.clear()

    async def main() -> None:
        generator = producing_async("a")
        if how == "aclose":
            await anext(generator)
            await generator.aclose()
        elif how == "break":
            async for _ in generator:
                break
            del generator
            gc.collect()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    with watching() as watched:
        asyncio.run(main())
    assert ([] if how == "unstarted" else ["a"]) == finals
    assert {} == dict(watched.watched)


def test_an_async_generator_runs_unwatched_just_the_same() -> None:
    """Without a scope nothing is recorded, and items, sends and the end are the same."""
    finals.clear()

    @acquires(image, key="name")
    async def three(name: str) -> AsyncIterator[str]:
        for number in range(3):
            yield f"{name}{number}"

    assert ["a0", "a1", "a2"] == asyncio.run(consume(three("a")))


@pytest.mark.parametrize("form", ["generator", "async generator"])
def test_a_generator_has_no_result(form: str) -> None:
    """`result` on a generator is an error that says what to do."""

    def produce() -> Iterator[int]:
        yield 1

    async def produce_async() -> AsyncIterator[int]:
        yield 1

    target: Any = produce if form == "generator" else produce_async
    with pytest.raises(DeclarationError, match=rf"\ban? {form} function has no result when it is called: name the thing by"):
        acquires(image, key="result")(target)


def test_atomic_on_a_generator_says_what_to_do() -> None:
    """What the consumer does between two items cannot be told from what the generator does."""
    with pytest.raises(DeclarationError, match="put the contract on the function that consumes it"):

        @atomic
        def produce() -> Iterator[int]:
            yield 1


# -- functions of contextlib ----------------------------------------------------------------------------------------------


class CleanupError(Exception):
    """What a cleanup raises."""


@acquires(session, key="result")
@contextlib.contextmanager
def opened(name: str, *, swallow: bool = False, broken: str = "") -> Iterator[str]:
    """A session for the length of a with-block."""
    if broken == "enter":
        raise OSError(name)
    try:
        yield f"session {name}"
    except ValueError:
        if not swallow:
            raise
    if broken == "exit":
        raise CleanupError(name)


@releases(session, key="name")
def settle(name: str) -> None:
    """Settle a session by hand."""


def test_a_context_manager_acquires_at_entry_and_pays_when_left() -> None:
    """`result` is what `as` gets; the block's end pays."""
    with watching() as watched:
        manager = opened("a")
        assert [] == held(watched)
        with manager as name:
            assert "session a" == name
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)
    assert [] == said(watched)
    assert (1, 1) == (watched.watched["session"].acquired, watched.watched["session"].released)


def test_a_context_manager_whose_body_raises_pays_all_the_same() -> None:
    """The manager cleaned up and let the body's exception pass."""
    with watching() as watched:
        with pytest.raises(ValueError, match="body"):
            with opened("a"):
                raise ValueError("body")
        assert [] == held(watched)
        with opened("b", swallow=True):
            raise ValueError("body")
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_whose_entry_raises_acquired_nothing() -> None:
    """The exception is the program's own."""
    with watching() as watched:
        with pytest.raises(OSError, match="a"):
            with opened("a", broken="enter"):
                raise AssertionError("never reached")
    assert [] == said(watched)


def test_a_context_manager_whose_cleanup_raises_has_not_paid() -> None:
    """A release that raised has not paid: the attempt is noted."""
    with watching() as watched:
        with pytest.raises(CleanupError):
            with opened("a", broken="exit"):
                pass
    assert ["LG101 session 'session a'"] == said(watched)
    assert ["acquired", "release raised"] == verbs(watched)


def test_a_body_that_settles_itself_is_not_paid_twice() -> None:
    """What the body released, and what it acquired anew, is not touched when the block is left."""
    with watching() as watched:
        with opened("a") as name:
            settle(name)
    assert [] == said(watched)
    with watching() as watched:
        with opened("a") as name:
            settle(name)
            watched.acquired(session, name)
        assert ["session 'session a' (held)"] == held(watched)


def test_context_managers_nest() -> None:
    """Each with-block pays once what it acquired itself."""
    with watching() as watched:
        with opened("a"), opened("a"):
            pass
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_pays_the_amount_that_it_acquired() -> None:
    """Of what is counted by amount, a block gives back its own share."""

    @acquires(host, key="name", amount="vcpus")
    @contextlib.contextmanager
    def claim(name: str, vcpus: int) -> Iterator[None]:
        yield

    with watching() as watched:
        with claim("h1", 2):
            with claim("h1", 3):
                pass
            assert ["host 'h1' (partly released)"] == held(watched)
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_used_as_a_decorator() -> None:
    """Every call of the decorated function enters anew, also when it was decorated before any scope opened."""

    @opened("a")
    def work(number: int) -> list[str]:
        return [*held(watched), str(number)]

    for number in (1, 2):
        with watching() as watched:
            assert ["session 'session a' (held)", str(number)] == work(number)
            assert [] == held(watched)


def test_a_context_manager_looks_its_scope_up_at_entry() -> None:
    """Made before the scope opened, it is watched by the scope that it is entered in."""
    manager = opened("a")
    with watching() as watched, manager:
        assert ["session 'session a' (held)"] == held(watched)
    assert [] == said(watched)


def test_a_context_manager_entered_without_a_scope() -> None:
    """It works as ever, also where a scope opens inside it."""
    with opened("a") as name, watching() as watched:
        assert "session a" == name
    assert [] == said(watched)


def test_a_context_manager_is_single_use_as_before() -> None:
    """Entering twice fails as contextlib's own does."""

    def enter_twice(manager: Any) -> str:
        with manager:
            pass
        with pytest.raises(Exception) as caught:  # noqa: PT011
            manager.__enter__()
        return repr(caught.value)

    with watching():
        assert enter_twice(opened.__wrapped__("a")) == enter_twice(opened("a"))  # type: ignore[attr-defined]


def test_a_context_manager_that_overrides_another_is_one_event() -> None:
    """An override that enters its parent's manager acquires once, and pays once."""

    class Base:
        @acquires(session, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            yield

    class Derived(Base):
        @acquires(session, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            with super().open(name):
                yield

    with watching() as watched:
        watched.acquired(session, "a")
        with Derived().open("a"):
            assert 2 == watched.watched["session"].acquired
        assert ["session 'a' (partly released)"] == held(watched)
        watched.released(session, "a")
    assert [] == said(watched)


def test_exit_stack_enters_a_watched_manager() -> None:
    """It is a context manager for `isinstance` and for `ExitStack`."""
    with watching() as watched:
        manager = opened("a")
        assert isinstance(manager, contextlib.AbstractContextManager)
        with contextlib.ExitStack() as stack:
            assert "session a" == stack.enter_context(manager)
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)


@acquires(session, key="result")
@contextlib.asynccontextmanager
async def opened_async(name: str, *, swallow: bool = False) -> AsyncIterator[str]:
    """A session for the length of an async with-block."""
    await asyncio.sleep(0)
    try:
        yield f"session {name}"
    except ValueError:
        if not swallow:
            raise
    await asyncio.sleep(0)


def test_an_async_context_manager() -> None:
    """The same with `async with`, as a decorator, and with a body that raises, swallows, settles."""

    async def main() -> None:
        async with opened_async("a") as name:
            assert "session a" == name
            assert ["session 'session a' (held)"] == held(watched)
        assert [] == held(watched)
        with pytest.raises(ValueError, match="body"):
            async with opened_async("b"):
                raise ValueError("body")
        async with opened_async("c", swallow=True):
            raise ValueError("body")
        async with opened_async("d") as name:
            settle(name)

        @opened_async("e")
        async def work() -> list[str]:
            return held(watched)

        assert [["session 'session e' (held)"]] * 2 == [await work(), await work()]
        assert [] == held(watched)

    with watching() as watched:
        asyncio.run(main())
    assert [] == said(watched)


def test_other_tasks_in_an_async_with_are_not_the_same_call() -> None:
    """While one task enters, another may acquire the same key: that is a second acquire."""
    lock = Resource("lock")
    steps: list[str] = []

    @acquires(lock, key="name")
    @contextlib.asynccontextmanager
    async def locked(name: str) -> AsyncIterator[None]:
        steps.append("begin")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield

    @acquires(lock, key="name")
    async def steal(name: str) -> None:
        steps.append("steal")

    async def enter() -> None:
        async with locked("a"):
            steps.append("inside")

    async def main() -> None:
        await asyncio.gather(enter(), steal("a"))

    with watching() as watched:
        asyncio.run(main())
    assert ["begin", "steal", "inside"] == steps
    assert ["LG106 lock 'a' LG110"] == said(watched)


def test_an_async_with_that_is_cancelled_pays_when_it_was_left() -> None:
    """Cancellation of the body passes through, and the block has been left."""

    async def work() -> None:
        async with opened_async("a"):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0)
        assert ["session 'session a' (held)"] == held(watched)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with watching() as watched:
        asyncio.run(main())
    assert [] == said(watched)


def test_a_with_block_in_a_generator_that_is_closed_pays() -> None:
    """The block is left by GeneratorExit: the manager cleaned up."""

    def produce() -> Iterator[str]:
        with opened("a") as name:
            yield name

    with watching() as watched:
        generator = produce()
        assert "session a" == next(generator)
        generator.close()  # type: ignore[attr-defined]
        assert [] == held(watched)
    assert [] == said(watched)


def test_other_contracts_of_a_context_manager_end_with_the_block() -> None:
    """A failure of the block is a failure of the call; a use is told when it was left."""

    @uses(image, key="name")
    @on_failure(spawn, key="name")
    @contextlib.contextmanager
    def using(name: str) -> Iterator[None]:
        yield

    with watching() as watched:
        make("a")
        with using("a"):
            assert 0 == watched.watched["image"].used
        assert 1 == watched.watched["image"].used
        with pytest.raises(OSError, match="inside"):
            with using("a"):
                raise OSError("inside")
        assert ["image 'a' (held)", "spawn 'a' (owed)"] == held(watched)


# -- what survives --------------------------------------------------------------------------------------------------------


def plain(a: int, /, b: str = "b", *args: int, c: list[int] | None = None, **kwargs: float) -> tuple[int, ...]:
    """What it does."""
    return (a, *args)


def test_signature_doc_annotations_defaults_and_names_survive() -> None:
    """All that introspection shows is the function's own."""
    decorated = acquires(image, key="a")(plain)
    assert inspect.signature(plain) == inspect.signature(decorated)
    assert inspect.signature(plain) == inspect.signature(decorated, follow_wrapped=False)
    assert inspect.getfullargspec(plain) == inspect.getfullargspec(decorated)
    assert typing.get_type_hints(plain) == typing.get_type_hints(decorated)
    assert plain.__annotations__ == decorated.__annotations__
    assert plain.__defaults__ == decorated.__defaults__
    assert plain.__kwdefaults__ == decorated.__kwdefaults__
    assert ("plain", "plain", __name__, "What it does.") == (
        decorated.__name__,
        decorated.__qualname__,
        decorated.__module__,
        decorated.__doc__,
    )
    assert plain is decorated.__wrapped__  # type: ignore[attr-defined]
    assert plain is inspect.unwrap(decorated)
    assert inspect.getsource(plain) == inspect.getsource(decorated)
    assert inspect.getsourcelines(plain) == inspect.getsourcelines(decorated)
    assert inspect.isfunction(decorated)


def test_the_function_is_the_only_closure_cell() -> None:
    """Tools that look for the function in the closure find it, and nothing else."""
    decorated = acquires(image, key="a")(plain)
    (cell,) = decorated.__closure__ or ()
    assert plain is cell.cell_contents


def test_stacked_contracts_make_one_wrapper() -> None:
    """However many contracts: one call deep, and `__wrapped__` is the function."""
    decorated = acquires(image, key="a")(uses(session, key="b")(releases(host, key="c")(plain)))
    assert plain is decorated.__wrapped__  # type: ignore[attr-defined]
    assert not hasattr(plain, "__wrapped__")


def test_attributes_survive_and_are_not_shared() -> None:
    """What others put on the function stays; what is put on the wrapper goes to the wrapper."""

    def function(a: int) -> int:
        return a

    function.route = "/images"  # type: ignore[attr-defined]
    decorated = acquires(image, key="a")(function)
    decorated.later = 1  # type: ignore[attr-defined]
    again = uses(session, key="a")(decorated)
    assert ("/images", "/images", 1) == (decorated.route, again.route, again.later)  # type: ignore[attr-defined]
    assert not hasattr(function, "later")


def test_coroutine_and_generator_functions_stay_what_they_are() -> None:
    """`inspect` and `asyncio` see the same sort of function, with contracts or without."""
    assert [True, False, False] == [inspect.iscoroutinefunction(one) for one in (make_async, producing, make)]
    assert [True, False, False] == [inspect.isgeneratorfunction(one) for one in (producing, make_async, make)]
    assert [True, False] == [inspect.isasyncgenfunction(one) for one in (producing_async, producing)]
    assert not inspect.isgeneratorfunction(opened)


def test_a_decorated_function_and_method_pickle() -> None:
    """By name, as functions do."""
    assert make is pickle.loads(pickle.dumps(make))
    assert "a" == pickle.loads(pickle.dumps(Service().method))("a")
    assert make is copy.deepcopy(make)


def test_partial_and_partialmethod_of_a_decorated_function() -> None:
    """The wrapper is called with the bound arguments, and its key reads them."""

    class Sized(Service):
        small = functools.partialmethod(Service.method, "small")

    with watching() as watched:
        assert "A" == functools.partial(make, "a")()
        assert "small" == Sized().small()
        assert ["image 'a' (held)", "image ('h1', 'small') (held)"] == held(watched)


def test_lru_cache_above() -> None:
    """A cached call is no call."""
    cached = functools.lru_cache(make)
    with watching() as watched:
        assert ["A", "A"] == [cached("a"), cached("a")]
        assert ["image 'a' (held)"] == held(watched)
    assert ["LG101 image 'a'"] == said(watched)


def test_cached_property_above() -> None:
    """`functools.cached_property` around a decorated getter acquires once."""

    class Lazy:
        @functools.cached_property
        @acquires(image, key="result")
        def image_id(self) -> str:
            return "i1"

    with watching() as watched:
        lazy = Lazy()
        assert ["i1", "i1"] == [lazy.image_id, lazy.image_id]
        assert 1 == watched.watched["image"].acquired


def test_singledispatch_above() -> None:
    """Decorated implementations are dispatched to."""

    @functools.singledispatch
    def create(what: object) -> str:
        raise NotImplementedError

    @create.register
    @acquires(image, key="what")
    def _create_text(what: str) -> str:
        return what

    with watching() as watched:
        assert "a" == create("a")
        assert ["image 'a' (held)"] == held(watched)


def test_abstract_methods_stay_abstract() -> None:
    """`__isabstractmethod__` survives, in both orders."""
    import abc

    class Base(abc.ABC):
        @acquires(image, key="name")
        @abc.abstractmethod
        def above(self, name: str) -> None: ...

        @abc.abstractmethod
        @acquires(image, key="name")
        def below(self, name: str) -> None: ...

    assert {"above", "below"} == Base.__abstractmethods__


def test_create_autospec_of_decorated_things() -> None:
    """`mock.create_autospec` copies the signature of functions and classes."""
    spec = mock.create_autospec(make)
    spec("a", fail=True)
    spec.assert_called_once_with("a", fail=True)
    with pytest.raises(TypeError):
        spec()
    service = mock.create_autospec(Service, instance=True)
    service.method("a")
    with pytest.raises(TypeError):
        service.method()
    spec = mock.create_autospec(make_async, return_value="A")
    assert "A" == asyncio.run(spec("a"))
    spec.assert_awaited_once_with("a")


def test_mock_patch_object_and_back() -> None:
    """Patching a decorated method and undoing it leaves the very wrapper."""
    before = Service.method
    with mock.patch.object(Service, "method", autospec=True) as patched:
        Service().method("a")
        assert 1 == patched.call_count
    assert before is Service.method


def test_overloads_and_equal_parameter_names() -> None:
    """Parameters that are called like our own names, or like builtins, do no harm."""

    @acquires(image, key="lg_call")
    def strange(lg_call: str, lg_f: int = 1) -> tuple[str, int]:
        return lg_call, lg_f

    @acquires(image, key="BaseException")
    def stranger(BaseException: str, result: str = "r") -> str:  # noqa: A002
        if BaseException == "fail":
            raise OSError("stranger")
        return BaseException + result

    @acquires(image, key="strangest")
    def strangest(strangest: str) -> str:
        return strangest

    with watching() as watched:
        assert ("a", 1) == strange("a")
        assert "br" == stranger("b")
        assert "c" == strangest("c")
        with pytest.raises(OSError, match="stranger"):
            stranger("fail")
        assert ["image 'a' (held)", "image 'b' (held)", "image 'c' (held)"] == held(watched)


def test_a_function_with_a_strange_name() -> None:
    """A function whose name is no identifier, or a keyword, can be woven."""

    def function(a: str) -> str:
        return a

    for name in ("two words", "class", "lg_f", "make", "<lambda>"):
        function.__name__ = name
        decorated = acquires(image, key="a")(function)
        with watching() as watched:
            assert (name, "x") == (decorated.__name__, decorated("x"))
            assert ["image 'x' (held)"] == held(watched)


def test_name_mangled_parameters() -> None:
    """A private parameter of a method is called as Python mangles it."""

    class Thing:
        @acquires(image, key="_Thing__name")
        def make(self, __name: str) -> str:
            return __name

    with watching() as watched:
        assert "a" == Thing().make("a")
        assert ["image 'a' (held)"] == held(watched)


def test_recursion_error_and_system_exit_pass_through() -> None:
    """Every BaseException is a raised end, and is untouched."""

    @on_failure(spawn, key="name", exc=BaseException)
    def function(name: str, error: BaseException) -> None:
        raise error

    with watching() as watched:
        for name, error in (("a", SystemExit(3)), ("b", KeyboardInterrupt()), ("c", GeneratorExit())):
            with pytest.raises(type(error)) as caught:
                function(name, error)
            assert error is caught.value
            assert error.__cause__ is None
            assert error.__context__ is None
    assert ["LG201 spawn 'a'", "LG201 spawn 'b'", "LG201 spawn 'c'"] == said(watched)


def test_the_traceback_hides_our_frames_from_pytest() -> None:
    """Frames of ours are marked, so that pytest's report shows the user's."""
    with watching():
        with pytest.raises(OSError, match="a") as caught:
            make("a", fail=True)
    names = [entry.name for entry in caught.traceback.filter(caught)]
    assert ["test_the_traceback_hides_our_frames_from_pytest", "make"] == names


def test_results_and_arguments_are_the_same_objects() -> None:
    """Nothing is copied on the way."""

    @acquires(image, key="name")
    def passing(name: str, thing: object) -> object:
        return thing

    thing = object()
    with watching():
        assert thing is passing("a", thing)
