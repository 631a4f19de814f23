"""Beside icontract, deal and typeguard: above, below and around; a wrapper that is dropped between two of theirs is found out."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import deal
import icontract
import pytest
import typeguard
from findings import held, watching

from lifeguard import Resource, Rollback, ViolationError, acquires, contracts_of, on_failure, releases, scope, uses
from lifeguard.scopes import Scope

image = Resource("image")
spawn = Rollback("spawn")


def codes(watched: Scope) -> list[str]:
    """The codes that the closed scope found."""
    assert watched.verdict is not None
    return [one.code for one in (*watched.verdict.violations, *watched.verdict.warnings)]


class IcontractAbove:
    """Conditions above."""

    @icontract.require(lambda name: name != "bad")
    @icontract.ensure(lambda result: result != "wrong")
    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class IcontractBelow:
    """Conditions below."""

    @acquires(image, key="name")
    @icontract.require(lambda name: name != "bad")
    @icontract.ensure(lambda result: result != "wrong")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class DealAbove:
    """Conditions above."""

    @deal.pre(lambda self, name: name != "bad")
    @deal.post(lambda result: result != "wrong")
    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class DealBelow:
    """Conditions below."""

    @acquires(image, key="name")
    @deal.pre(lambda self, name: name != "bad")
    @deal.post(lambda result: result != "wrong")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class DealAround:
    """One of deal's above, one below: it keeps our wrapper, since it does not take it for one of its own."""

    @deal.pre(lambda self, name: name != "bad")
    @acquires(image, key="name")
    @deal.post(lambda result: result != "wrong")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class DealOverIcontract:
    """All three."""

    @deal.pre(lambda self, name: name != "bad")
    @acquires(image, key="name")
    @icontract.ensure(lambda result: result != "wrong")
    def create(self, name: str) -> str:
        """Acquire."""
        return name


class BelowClassmethod:
    """On a class method."""

    @classmethod
    @icontract.require(lambda name: name != "bad")
    @acquires(image, key="name")
    @deal.post(lambda result: result != "wrong")
    def create(cls, name: str) -> str:
        """Acquire."""
        return name


conditioned = pytest.mark.parametrize(
    "cls",
    [IcontractAbove, IcontractBelow, DealAbove, DealBelow, DealAround, DealOverIcontract, BelowClassmethod],
    ids=lambda cls: cls.__name__,
)


@conditioned
def test_contracts_and_conditions_both_work(cls: Any) -> None:
    """In every order that keeps the wrapper: the acquire is seen, and the conditions are checked."""
    with watching() as watched:
        assert "a" == cls().create("a")
        with pytest.raises(AssertionError):
            cls().create("bad")
        with pytest.raises(AssertionError):
            cls().create("wrong")
        assert "image 'a' (held)" in held(watched)
        assert "image 'bad' (held)" not in held(watched)
    assert set(codes(watched)) == {"LG101"}
    assert ["acquires"] == [contract.verb for contract in contracts_of(cls)]


def test_above_is_the_right_place_for_a_postcondition_of_an_acquire() -> None:
    """Above, a postcondition that fails finds the acquire recorded; below, our call has raised and nothing is."""
    with watching() as watched:
        for cls in (IcontractAbove, DealAbove):
            with pytest.raises(AssertionError):
                cls().create("wrong")
            assert ["image 'wrong' (held)"] == held(watched)
            watched.released(image, "wrong")
        for below in (IcontractBelow, DealBelow):
            with pytest.raises(AssertionError):
                below().create("wrong")
            assert [] == held(watched)


@conditioned
def test_the_place_is_the_users(cls: Any) -> None:
    """Frames of the peers are left out of the place of an acquire."""
    with watching() as watched:
        cls().create("a")
    (violation,) = watched.violations
    assert violation.acquired is not None
    assert (__file__, "test_the_place_is_the_users") == (violation.acquired.file, violation.acquired.function)


@conditioned
def test_the_signature_survives_both(cls: Any) -> None:
    """Callers see the function's own."""
    bound = "(name: 'str') -> 'str'"
    assert bound == str(inspect.signature(cls().create))


def test_a_failed_condition_is_a_raised_call() -> None:
    """A rollback is owed for a failure by condition below, as for any exception."""

    class Driver:
        @on_failure(spawn, key="name")
        @icontract.require(lambda name: name != "bad")
        def start(self, name: str) -> None: ...

    with watching() as watched:
        with pytest.raises(icontract.ViolationError):
            Driver().start("bad")
        assert ["spawn 'bad' (owed)"] == held(watched)


def test_deal_raises_and_safe_do_not_meet_our_violation() -> None:
    """What is found is said when the scope closes, outside of what deal guards."""

    @deal.raises(KeyError)
    @acquires(image, key="name")
    def create(name: str) -> None: ...

    with pytest.raises(ViolationError), scope("peers"):
        create("a")


def test_coroutines_with_conditions() -> None:
    """Async functions, in both orders, with both peers."""

    @icontract.ensure(lambda result: result != "wrong")
    @acquires(image, key="name")
    async def icontract_above(name: str) -> str:
        return name

    @acquires(image, key="name")
    @deal.post(lambda result: result != "wrong")
    async def deal_below(name: str) -> str:
        return name

    with watching() as watched:
        for create in (icontract_above, deal_below):
            assert inspect.iscoroutinefunction(create)
            assert "a" == asyncio.run(create("a"))
            with pytest.raises(AssertionError):
                asyncio.run(create("wrong"))
            watched.released(image, "a")
    assert set(codes(watched)) == {"LG101"}


def test_an_icontract_class_invariant_around() -> None:
    """`icontract.invariant` wraps the methods of the class; ours stand below it."""

    @icontract.invariant(lambda self: self.made >= 0)
    class Service:
        def __init__(self) -> None:
            self.made = 0

        @acquires(image, key="name")
        def create(self, name: str) -> None:
            self.made += -9 if name == "bad" else 1

    with watching() as watched:
        service = Service()
        service.create("a")
        with pytest.raises(icontract.ViolationError):
            service.create("bad")
        assert ["image 'a' (held)", "image 'bad' (held)"] == held(watched)
    assert ["LG101", "LG101"] == codes(watched)


def test_icontract_dbc_keeps_our_contract_below_it() -> None:
    """An override under DBC that carries its own contract is watched, and its inherited condition is checked."""

    class Base(icontract.DBC):
        @icontract.require(lambda name: name != "bad")
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    class Derived(Base):
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    with watching() as watched:
        Derived().create("a")
        with pytest.raises(icontract.ViolationError):
            Derived().create("bad")
        assert ["image 'a' (held)"] == held(watched)
    assert ["LG101"] == codes(watched)


# -- the sandwich ---------------------------------------------------------------------------------------------------------


SANDWICHES = """\
import icontract
from lifeguard import Resource, acquires

image = Resource("image")


class Sandwich:
    @icontract.require(lambda name: name != "bad")
    @acquires(image, key="name")
    @icontract.ensure(lambda result: result != "wrong")
    def create(self, name):
        return name

    @staticmethod
    @icontract.require(lambda name: name != "bad")
    @acquires(image, key="name")
    @icontract.require(lambda name: name != "worse")
    def create_static(name):
        return name


@icontract.require(lambda name: name != "bad")
@acquires(image, key="name")
@icontract.ensure(lambda result: result != "wrong")
def sandwiched(name):
    return name
"""
"""Between two of icontract's, our wrapper is dropped without a word."""


@pytest.fixture
def sandwiches(tmp_path: Path) -> Iterator[Any]:
    """A module of sandwiches, for the length of a test: a scope finds them wherever they are."""
    file = tmp_path / "sandwiches.py"
    file.write_text(SANDWICHES)
    spec = importlib.util.spec_from_file_location("sandwiches", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["sandwiches"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sandwiches"]


@pytest.fixture(autouse=True)
def no_crumbs() -> Iterator[None]:
    """What a test decorated is gone when the next one begins."""
    yield
    gc.collect()


def test_a_sandwich_is_found_out_and_said(sandwiches: Any) -> None:
    """LG402, an error: it names the function, what happened, and what to do; of methods and of a module's functions."""
    with watching() as watched:
        assert "a" == sandwiches.Sandwich().create("a")
        assert "b" == sandwiches.sandwiched("b")
        assert [] == held(watched)
    assert ["LG402"] * 3 == codes(watched)
    texts = sorted(one.message for one in watched.violations)
    for name, text in zip(("Sandwich.create", "Sandwich.create_static", "sandwiched"), texts, strict=True):
        assert f"the wrapper of {name} was dropped" in text
        assert "put lifeguard's decorators directly on the function" in text


def test_a_sandwich_fails_the_scope(sandwiches: Any) -> None:
    """It is proved, so it is an error, not a warning."""
    with pytest.raises(ViolationError, match="LG402"), scope("peers"):
        sandwiches.sandwiched("a")


def test_a_sandwich_of_a_local_class_is_found_out() -> None:
    """Also where the class was made inside a function."""

    class Local:
        @icontract.require(lambda name: name != "bad")
        @acquires(image, key="name")
        @icontract.ensure(lambda result: result != "wrong")
        def create(self, name: str) -> str:
            return name

    gc.collect()
    with watching() as watched:
        Local().create("a")
    assert ["LG402"] == codes(watched)
    assert "Local.create was dropped" in watched.violations[0].message


@conditioned
def test_what_is_no_sandwich_is_not_called_one(cls: Any) -> None:
    """A wrapper that is reached is not missed."""
    gc.collect()
    with watching() as watched:
        cls().create("a")
        watched.released(image, "a")
    assert [] == codes(watched)


def of_this_module(name: str) -> None:
    """Decorated by a test that throws the wrapper away."""


def test_a_wrapper_that_was_thrown_away_on_purpose_is_not_missed() -> None:
    """A decorated function that nobody keeps, a replaced one, and one whose class is gone."""
    acquires(image, key="name")(of_this_module)

    def function(name: str) -> str:
        return name

    def make() -> Callable[..., Any]:
        class Gone:
            @acquires(image, key="name")
            def create(self, name: str) -> None: ...

        return Gone.create.__wrapped__  # type: ignore[attr-defined, no-any-return]

    acquires(image, key="name")(function)
    replaced = acquires(image, key="name")(function)
    replaced = uses(image, key="name")(function)
    kept = make()
    gc.collect()
    with watching() as watched:
        replaced("a")
        kept(None, "a")
    assert [] == codes(watched)


# -- typeguard ------------------------------------------------------------------------------------------------------------


def test_typeguard_below() -> None:
    """Directly on the function it checks arguments and results; a call that does not fit has raised."""

    class Service:
        @acquires(image, key="name")
        @typeguard.typechecked
        def create(self, name: str) -> str:
            return name

        @releases(image, key="name")
        @typeguard.typechecked
        def delete(self, name: str) -> None: ...

    with watching() as watched:
        Service().create("a")
        with pytest.raises(typeguard.TypeCheckError):
            Service().create(3)  # type: ignore[arg-type]
        assert ["image 'a' (held)"] == held(watched)
        Service().delete("a")
    assert [] == [code for code in codes(watched) if code != "LG402"]


def test_typeguard_above_says_itself_that_it_cannot_check() -> None:
    """It warns, as above any wrapper, and the contract is seen."""

    def create(name: str) -> str:
        return name

    woven = acquires(image, key="name")(create)
    with pytest.warns(typeguard.InstrumentationWarning):
        checked = typeguard.typechecked(woven)
    with watching() as watched:
        assert "a" == checked("a")
        assert ["image 'a' (held)"] == held(watched)


def test_typeguard_checks_a_watched_object_against_a_protocol() -> None:
    """`check_type` sees the signatures through the wrapper."""
    from typing import Protocol

    class Creating(Protocol):
        def create(self, name: str) -> str: ...

    class Other(Protocol):
        def create(self, name: str, size: int) -> str: ...

    typeguard.check_type(IcontractAbove(), Creating)
    with pytest.raises(typeguard.TypeCheckError):
        typeguard.check_type(IcontractAbove(), Other)


def test_deal_introspection_reads_through_our_wrapper() -> None:
    """What deal knows of the function, it knows of ours above it; once."""
    found = list(deal.introspection.get_contracts(DealBelow.create))
    assert ["Post", "Pre"] == sorted(type(one).__name__ for one in found)
    around = list(deal.introspection.get_contracts(DealAround.create))
    assert ["Post", "Pre"] == sorted(type(one).__name__ for one in around)
