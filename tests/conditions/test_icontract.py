"""icontract and lifeguard: predicates in conditions, every order of the decorators, broken conditions (LG301)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import icontract
import icontract._checkers as checkers
import pytest
from findings import said, watching

from lifeguard import (
    Resource,
    Rollback,
    UsageError,
    ViolationError,
    acquires,
    atomic,
    held,
    on_failure,
    outstanding,
    released,
    releases,
    scope,
    uses,
)
from lifeguard.scopes import Scope

image = Resource("image")
server = Resource("server")
spawn = Rollback("spawn")


def conditioned(name: str = "conditions", **settings: Any) -> Scope:
    """A scope that records what it finds, conditions of icontract included."""
    return scope(name, on_violation="record", conditions="icontract", **settings)


def told(watched: Scope) -> list[str]:
    """The messages of what was found."""
    assert watched.verdict is not None
    return [f"{one.code} {one.message}" for one in (*watched.verdict.violations, *watched.verdict.warnings)]


class Above:
    """Conditions above."""

    @icontract.ensure(lambda result: held(image, result))
    @acquires(image, key="result")
    def create(self, name: str) -> str:
        """Acquire."""
        return name

    @icontract.require(lambda name: held(image, name))
    @uses(image, key="name")
    def show(self, name: str) -> None:
        """Use."""

    @icontract.require(lambda name: held(image, name))
    @icontract.ensure(lambda name: released(image, name))
    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Release."""


class Below:
    """Preconditions below: asked when our call has begun, and nothing is recorded yet."""

    @acquires(image, key="result")
    @icontract.require(lambda name: released(image, name))
    def create(self, name: str) -> str:
        """Acquire."""
        return name

    @uses(image, key="name")
    @icontract.require(lambda name: held(image, name))
    def show(self, name: str) -> None:
        """Use."""

    @releases(image, key="name")
    @icontract.require(lambda name: held(image, name))
    def delete(self, name: str) -> None:
        """Release."""


class Async:
    """Coroutine functions, with conditions of both sorts."""

    @icontract.require(lambda name: released(image, name))
    @icontract.ensure(lambda result: held(image, result))
    @acquires(image, key="result")
    async def create(self, name: str) -> str:
        """Acquire."""
        return name

    @uses(image, key="name")
    @icontract.require(lambda name: held(image, name))
    async def show(self, name: str) -> None:
        """Use."""

    @icontract.require(lambda name: held(image, name))
    @releases(image, key="name")
    async def delete(self, name: str) -> None:
        """Release."""


def run(value: Any) -> Any:
    """A result, of whichever sort of function."""

    async def wait() -> Any:
        return await value

    return asyncio.run(wait()) if asyncio.iscoroutine(value) else value


orders = pytest.mark.parametrize("cls", [Above, Below, Async], ids=lambda cls: cls.__name__)


@orders
def test_predicates_hold_in_a_program_that_is_right(cls: Any) -> None:
    """In every order, with a scope and without one."""
    for context in (conditioned(), scope(), None):
        service = cls()
        if context is None:
            run(service.create("a"))
            run(service.show("a"))
            run(service.delete("a"))
            continue
        with context:
            run(service.create("a"))
            run(service.show("a"))
            run(service.delete("a"))


@orders
def test_a_broken_precondition_raises_and_is_reported(cls: Any) -> None:
    """The program gets icontract's own exception; the scope tells it although it was swallowed, with the history."""
    with conditioned() as watched:
        service = cls()
        run(service.create("a"))
        run(service.delete("a"))
        with pytest.raises(icontract.ViolationError, match="held"):
            run(service.delete("a"))
        with pytest.raises(icontract.ViolationError, match="held"):
            run(service.show("b"))
    first, second = watched.violations
    assert (
        f"image 'a': {cls.__name__}.delete: icontract precondition broke: held(image, name) "
        "(held(image, name) was False; name was 'a')"
    ) == first.message
    assert ["acquired", "released"] == [entry.verb for entry in first.history[:2]]
    assert first.ended.startswith(f"in {cls.__name__}.delete, called at ")
    assert first.place is not None
    assert "test_icontract.py" in first.place.file
    assert ("image", "b", ()) == (second.kind, second.key, second.history)


def test_a_broken_postcondition_below_loses_the_acquire() -> None:
    """Below, our call has raised: what exists is not in the ledger. Above, it is, and leaks."""

    class Wrong:
        @icontract.ensure(lambda result: result != "bad")
        @acquires(image, key="name")
        def above(self, name: str) -> str:
            return name

        @acquires(image, key="name")
        @icontract.ensure(lambda result: result != "bad")
        def below(self, name: str) -> str:
            return name

    for method, found in (
        (Wrong().above, ["LG301 image 'bad'", "LG101 image 'bad'"]),
        (Wrong().below, ["LG301 image 'bad'"]),
    ):
        with conditioned() as watched:
            with pytest.raises(icontract.ViolationError):
                method("bad")
        assert found == said(watched)


def test_a_predicate_in_a_postcondition_below_sees_nothing_yet() -> None:
    """What a call does is recorded when it has ended; a postcondition about it stands above."""

    @acquires(image, key="result")
    @icontract.ensure(lambda result: held(image, result))
    def create(name: str) -> str:
        return name

    with scope(), pytest.raises(icontract.ViolationError):
        create("a")


def test_one_violation_is_one_finding() -> None:
    """However many watched frames it passes through; and the same again is listed under the first."""

    class Service:
        @atomic
        def outer(self, name: str) -> None:
            self.middle(name)

        @icontract.ensure(lambda: True)
        @on_failure(spawn, key="name")
        def middle(self, name: str) -> None:
            self.inner(name)

        @uses(image, key="name")
        @icontract.require(lambda name: name != "bad")
        @icontract.ensure(lambda result: result is None)
        def inner(self, name: str) -> None: ...

    with conditioned() as watched:
        watched.allow(spawn, "bad", why="not what is tested here")
        for _ in range(2):
            with pytest.raises(icontract.ViolationError):
                Service().outer("bad")
    (violation,) = watched.violations
    assert ("LG301", "image", "bad", 1) == (violation.code, violation.kind, violation.key, len(violation.also))


def test_a_condition_on_a_function_without_contracts() -> None:
    """It is about no kind; it is told all the same, inside of any call or none."""

    @icontract.require(lambda x: x > 0, "x is positive")
    def root(x: int) -> float:
        return float(x**0.5)

    with conditioned() as watched, pytest.raises(icontract.ViolationError):
        root(-1)
    assert [
        f"LG301 {root.__qualname__}: icontract precondition broke: x is positive: x > 0: x was -1"  # type: ignore[attr-defined]
    ] == told(watched)


def test_a_custom_error_is_a_broken_condition() -> None:
    """Whatever the condition raises: a class, an instance that is used again, a function."""
    shared = KeyError("shared")

    @icontract.require(lambda x: x != 1, error=ValueError)
    @icontract.require(lambda x: x != 2, error=shared)
    @icontract.require(lambda x: x != 3, error=lambda x: LookupError(x))
    @icontract.ensure(lambda x: x != 4, error=OSError("four"))
    def function(x: int) -> None: ...

    with conditioned() as watched:
        for number, error in enumerate((ValueError, KeyError, LookupError, OSError), 1):
            with pytest.raises(error):
                function(number)
    assert [
        "precondition broke: ValueError: x != 1: x was 1",
        "precondition broke: KeyError: 'shared'",
        "precondition broke: LookupError: 3",
        "postcondition broke: OSError: four",
    ] == [text.partition("icontract ")[2] for text in told(watched)]


def test_a_precondition_that_an_override_weakens_is_not_broken() -> None:
    """icontract makes an exception for the group that failed, and throws it away."""

    class Base(icontract.DBC):
        @icontract.require(lambda x: x > 10)
        def method(self, x: int) -> None: ...

    class Derived(Base):
        @icontract.require(lambda x: x > 0)
        @uses(image, key="x")
        def method(self, x: int) -> None: ...

    class AsyncBase(icontract.DBC):
        @icontract.require(lambda x: x > 10)
        async def method(self, x: int) -> None: ...

    class AsyncDerived(AsyncBase):
        @icontract.require(lambda x: x > 0)
        async def method(self, x: int) -> None: ...

    with conditioned() as watched:
        Derived().method(5)
        asyncio.run(AsyncDerived().method(5))
    assert [] == said(watched)
    with conditioned() as watched:
        with pytest.raises(icontract.ViolationError):
            Derived().method(-1)
        with pytest.raises(icontract.ViolationError):
            asyncio.run(AsyncDerived().method(-1))
    assert 2 == len(said(watched))


def test_dbc_inherits_conditions_that_ask_the_ledger() -> None:
    """An override that carries its own contract is watched, and the base's condition is asked."""

    class Base(icontract.DBC):
        @icontract.require(lambda name: held(image, name))
        @releases(image, key="name")
        def delete(self, name: str) -> None: ...

    class Derived(Base):
        @releases(image, key="name")
        def delete(self, name: str) -> None: ...

    with conditioned() as watched:
        watched.acquired(image, "a")
        Derived().delete("a")
        with pytest.raises(icontract.ViolationError):
            Derived().delete("a")
    assert ["LG301 image 'a'"] == said(watched)


def test_snapshots_count_what_is_outstanding() -> None:
    """With a look at whether anybody watches, as a count has no benefit of the doubt."""
    from lifeguard import watched as is_watched

    class Service:
        @icontract.snapshot(lambda: len(outstanding(image)), name="images")
        @icontract.ensure(lambda OLD: not is_watched(image) or len(outstanding(image)) == OLD.images + 1)
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

        @icontract.snapshot(lambda: len(outstanding(image)), name="images")
        @icontract.ensure(lambda OLD: not is_watched(image) or len(outstanding(image)) == OLD.images - 1)
        @releases(image, key="name")
        async def delete(self, name: str) -> None: ...

    service = Service()
    service.create("a")
    asyncio.run(service.delete("a"))
    with conditioned() as watched:
        service.create("a")
        asyncio.run(service.delete("a"))
        with pytest.raises(icontract.ViolationError):
            asyncio.run(service.delete("a"))
    assert ["LG103 image 'a'", "LG301 image 'a'"] == said(watched)


def test_a_class_invariant_over_the_ledger() -> None:
    """Asked after every public method; broken once, told once, with what it asked about."""

    @icontract.invariant(lambda self: all(held(image, name) for name in self.images))
    class Service:
        def __init__(self) -> None:
            self.images: list[str] = []

        @acquires(image, key="name")
        def create(self, name: str) -> None:
            self.images.append(name)

        @releases(image, key="name")
        def delete(self, name: str) -> None: ...

    with conditioned() as watched:
        service = Service()
        service.create("a")
        service.create("b")
        with pytest.raises(icontract.ViolationError):
            service.delete("b")
        watched.released(image, "a")
    (violation,) = watched.violations
    assert ("LG301", "image", "b") == (violation.code, violation.kind, violation.key)
    assert (
        "Service.delete: icontract invariant broke: all(held(image, name) for name in self.images)" in violation.message
    )
    assert ["acquired", "released"] == [entry.verb for entry in violation.history]


def test_invariants_with_errors_of_their_own_and_of_new() -> None:
    """A class, an instance, a function; and a named tuple, which is checked when it is made."""
    from typing import NamedTuple

    @icontract.invariant(lambda self: self.x != 1, error=ValueError)
    @icontract.invariant(lambda self: self.x != 2, error=KeyError("two"))
    @icontract.invariant(lambda self: self.x != 3, error=lambda self: OSError(self.x))
    class Thing:
        def __init__(self, x: int) -> None:
            self.x = x

    @icontract.invariant(lambda self: self.x != 4)
    class Pair(NamedTuple):
        x: int

    with conditioned() as watched:
        for make, number, error in (
            (Thing, 1, ValueError),
            (Thing, 2, KeyError),
            (Thing, 3, OSError),
            (Pair, 4, icontract.ViolationError),
        ):
            with pytest.raises(error):
                make(number)
        Thing(5)
    assert 4 == len(watched.violations)
    assert all("icontract invariant broke" in one.message for one in watched.violations)


def test_a_condition_that_raises_is_not_broken() -> None:
    """Its exception is the program's own matter."""

    @icontract.invariant(lambda self: 1 / 0 > 0)
    class Thing:
        pass

    @icontract.require(lambda x: x["id"])
    def function(x: Any) -> None: ...

    with conditioned() as watched:
        with pytest.raises(ZeroDivisionError):
            Thing()
        with pytest.raises(KeyError):
            function({})
    assert [] == said(watched)


def test_fail_fast_raises_ours_from_theirs() -> None:
    """At the place where the condition broke, so that an `except` for icontract's own does not swallow it."""
    with scope("fast", fail_fast=True, conditions=["icontract"]) as watched:
        watched.allow(image, "never", why="of no concern", rule="LG101", at_most=1)
        with pytest.raises(ViolationError, match="LG301 condition broke"):
            Above().delete("a")
        watched.allow(None, why="seen above", rule="LG301")
        watched.acquired(image, "never")


def test_allowed_where_a_test_breaks_it_on_purpose() -> None:
    """By the resource, or by the rule."""
    with scope(conditions="icontract") as watched:
        watched.allow(None, why="this is a test of the condition", rule="LG301")
        with pytest.raises(icontract.ViolationError):
            Above().delete("a")


def test_an_allowance_of_it_hides_nothing_else() -> None:
    """A broken condition is a finding of its own: what befalls the resource is told beside it."""
    with conditioned() as watched:
        watched.allow(image, "a", why="tried on purpose", rule="LG301")
        Above().create("a")
        with pytest.raises(icontract.ViolationError):
            Below().create("a")
    assert ["LG101 image 'a'"] == said(watched)


# -- who hears it, and when the hooks are there -----------------------------------------------------------------------------


def hooks() -> list[object]:
    """What stands at the places through which conditions go."""
    return [value for name, value in vars(checkers).items() if name.startswith("_assert_")]


def test_the_hooks_are_there_while_a_scope_wants_them() -> None:
    """From the first that opens to the last that closes, in whichever order; never for others, nor once they are gone."""
    before = hooks()
    made = conditioned()
    with scope():
        assert before == hooks()
    first, second = conditioned("first").open(), conditioned("second").open()
    assert before != hooks()
    first.close()
    assert before != hooks()
    second.close()
    assert before == hooks()
    with made, pytest.raises(icontract.ViolationError):
        Above().delete("a")
    assert before == hooks()
    assert 1 == len(made.violations)


def test_hooks_of_somebody_else_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who patched the same place over us keeps what he has."""
    name = "_assert_preconditions"
    before = getattr(checkers, name)
    with conditioned():
        ours = getattr(checkers, name)

        def theirs(*args: Any, **kwargs: Any) -> Any:
            return ours(*args, **kwargs)

        monkeypatch.setattr(checkers, name, theirs)
    assert theirs is getattr(checkers, name)
    with conditioned() as again, pytest.raises(icontract.ViolationError):
        _broken()
    assert 1 == len(again.violations), "the hook under theirs lets everything pass"
    monkeypatch.setattr(checkers, name, before)


def _broken() -> None:
    @icontract.require(lambda: False, "never")
    def function() -> None: ...

    function()


def test_the_innermost_scope_that_asked_for_it_hears_it() -> None:
    """Those that did not ask hear nothing."""
    with conditioned("outer") as outer, watching("inner") as inner:
        with pytest.raises(icontract.ViolationError):
            _broken()
    assert (1, 0) == (len(outer.violations), len(inner.violations))
    with conditioned("outer") as outer, conditioned("inner") as inner:
        with pytest.raises(icontract.ViolationError):
            _broken()
    assert (0, 1) == (len(outer.violations), len(inner.violations))


def in_thread(work: Callable[[], object]) -> None:
    """Run something in a thread of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_in_another_thread() -> None:
    """As with all else: a scope of the process sees it, one of a context does not."""

    def work() -> None:
        with pytest.raises(icontract.ViolationError):
            _broken()

    with conditioned(reach="process") as everywhere:
        in_thread(work)
    with conditioned() as here:
        in_thread(work)
    assert (1, 0) == (len(everywhere.violations), len(here.violations))


def test_where_this_icontract_has_no_such_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scope does not open: one that saw nothing would look clean."""
    monkeypatch.delattr(checkers, "_assert_postconditions")
    with pytest.raises(
        UsageError, match=r"conditions of icontract .* cannot be seen: it has no _assert_postconditions"
    ):
        conditioned().open()
    assert "lifeguard" not in repr(hooks())
