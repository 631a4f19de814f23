"""deal and lifeguard: declared failures, broken conditions (LG301), every order of the decorators."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import deal
import pytest
from deal._runtime import _contracts, _invariant, _validators
from findings import held as outstanding_now
from findings import said, watching

from lifeguard import (
    Resource,
    Rollback,
    UsageError,
    ViolationError,
    held,
    on_failure,
    released,
    releases,
    rolls_back,
    scope,
    uses,
)
from lifeguard.integrations.deal import declared_failures
from lifeguard.scopes import Scope

ROOT = Path(__file__).parents[2]

image = Resource("image")
spawn = Rollback("spawn")


class NoHost(LookupError):
    """A failure that is declared."""


def conditioned(name: str = "conditions", **settings: Any) -> Scope:
    """A scope that records what it finds, conditions of deal included."""
    return scope(name, on_violation="record", conditions="deal", **settings)


def messages(watched: Scope) -> list[str]:
    """What was found, by the texts that follow the function's name."""
    return [one.message.partition(": deal.")[2] for one in watched.violations]


# -- declared failures ----------------------------------------------------------------------------------------------------


@deal.raises(KeyError, OSError)
@deal.reason(ValueError, lambda name: name == "bad")
def plain(name: str) -> None:
    """No contract of ours."""


@deal.raises(KeyError)
@on_failure(spawn, key="name")
@deal.reason(ValueError, lambda name: name == "bad")
def around(name: str) -> None:
    """Deal above and below."""


@deal.safe
@releases(image, key="name")
def safe(name: str) -> None:
    """Declared to raise nothing."""


@deal.pre(lambda name: name)
@releases(image, key="name")
def undeclared(name: str) -> None:
    """Nothing is said of what it raises."""


@deal.chain(deal.raises(KeyError), deal.pre(lambda name: name))
@releases(image, key="name")
def chained(name: str) -> None:
    """Several at once."""


@deal.raises(KeyError)
@releases(image, key="name")
async def asynchronous(name: str) -> None:
    """A coroutine function."""


class Service:
    """Methods."""

    @releases(image, key="name")
    @deal.raises(KeyError)
    def method(self, name: str) -> None:
        """Deal below."""

    @classmethod
    @deal.raises(KeyError)
    @releases(image, key="name")
    def of_class(cls, name: str) -> None:
        """Deal above."""


@pytest.mark.parametrize(
    ("function", "failures"),
    [
        (plain, (KeyError, OSError, ValueError)),
        (around, (KeyError, ValueError)),
        (safe, ()),
        (undeclared, None),
        (chained, (KeyError,)),
        (asynchronous, (KeyError,)),
        (Service.method, (KeyError,)),
        (Service().method, (KeyError,)),
        (Service.of_class, (KeyError,)),
        (len, None),
    ],
)
def test_declared_failures(function: Any, failures: Any) -> None:
    """Read by deal's own introspection, through our wrapper, in any order; nothing declared is None, not ()."""
    assert failures == declared_failures(function)


class Above:
    """The declaration above."""

    @deal.raises(NoHost)
    @on_failure(spawn, key="name")
    def start(self, name: str, error: BaseException) -> None:
        """Fail."""
        raise error

    @deal.raises(NoHost)
    @deal.pre(lambda self, name, error: True)
    @on_failure(spawn, key="name")
    @rolls_back(Rollback("other"), key="name")
    async def start_async(self, name: str, error: BaseException) -> None:
        """Fail."""
        raise error


class Below:
    """The declaration below."""

    @on_failure(spawn, key="name")
    @deal.raises(NoHost)
    def start(self, name: str, error: BaseException) -> None:
        """Fail."""
        raise error

    @on_failure(spawn, key="name")
    @deal.raises(NoHost)
    async def start_async(self, name: str, error: BaseException) -> None:
        """Fail."""
        raise error


class Sub(NoHost):
    """A special case of what is declared."""


@pytest.mark.parametrize("cls", [Above, Below])
@pytest.mark.parametrize("name", ["start", "start_async"])
@pytest.mark.parametrize(
    ("error", "owed"), [(NoHost("full"), ["spawn 's1' (owed)"]), (TypeError("slip"), []), (KeyboardInterrupt(), [])]
)
def test_declared_failures_are_the_failures(cls: Any, name: str, error: BaseException, owed: list[str]) -> None:
    """Without exc=, what `deal.raises` declares must be rolled back, wherever it stands; what is not declared need not."""
    with watching() as watched:
        with pytest.raises(BaseException):
            result = getattr(cls(), name)("s1", error)
            asyncio.run(result)
        assert owed == outstanding_now(watched)
        watched.allow(spawn, why="looked at above") if owed else None


def test_subclasses_of_what_is_declared() -> None:
    """Below, deal replaces them, since it compares the very class; above, they have reached us and count."""
    with watching() as watched:
        with pytest.raises(deal.RaisesContractError):
            Above().start("s1", Sub())
        assert ["spawn 's1' (owed)"] == outstanding_now(watched)
        with pytest.raises(deal.RaisesContractError):
            Below().start("s2", Sub())
        assert ["spawn 's1' (owed)"] == outstanding_now(watched)


def test_exc_goes_before_what_deal_says() -> None:
    """Said is said."""

    @deal.raises(NoHost)
    @on_failure(spawn, key="name", exc=TypeError)
    def start(name: str, error: BaseException) -> None:
        raise error

    with watching() as watched:
        with pytest.raises(NoHost):
            start("s1", NoHost())
        with pytest.raises(deal.RaisesContractError):
            start("s2", TypeError())
        assert ["spawn 's2' (owed)"] == outstanding_now(watched)


def test_without_a_list_of_exceptions_all_count() -> None:
    """`deal.reason` explains one and excludes none; what is `deal.safe` and raises has failed all the more."""

    @deal.reason(ValueError, lambda name, error: True)
    @on_failure(spawn, key="name")
    def reasoned(name: str, error: BaseException) -> None:
        raise error

    @deal.safe
    @on_failure(spawn, key="name")
    def safely(name: str, error: BaseException) -> None:
        raise error

    with watching() as watched:
        for number, function in enumerate((reasoned, safely)):
            with pytest.raises((TypeError, deal.RaisesContractError)):
                function(f"s{number}", TypeError())
        assert ["spawn 's0' (owed)", "spawn 's1' (owed)"] == outstanding_now(watched)


def test_a_failing_call_inside_does_not_lend_its_declaration() -> None:
    """Each call is read by its own declaration."""

    @on_failure(spawn, key="name")
    def outer(name: str) -> None:
        inner(name)

    @deal.raises(KeyError)
    @uses(image, key="name")
    def inner(name: str) -> None:
        raise KeyError(name)

    @deal.raises(ValueError)
    def caller(name: str) -> None:
        outer(name)

    with watching() as watched:
        with pytest.raises(deal.RaisesContractError):
            caller("s1")
        assert ["spawn 's1' (owed)"] == outstanding_now(watched)


# -- broken conditions ----------------------------------------------------------------------------------------------------


class Conditioned:
    """One condition of each sort, above and below our decorator."""

    @deal.pre(lambda self, name: held(image, name))
    @releases(image, key="name")
    def pre(self, name: str) -> None:
        """A precondition."""

    @releases(image, key="name")
    @deal.pre(lambda _: held(image, _.name))
    def pre_below(self, name: str) -> None:
        """A precondition."""

    @deal.post(lambda result: result is None)
    @uses(image, key="name")
    def post(self, name: str) -> str:
        """A postcondition."""
        return name

    @deal.ensure(lambda self, name, result: released(image, name))
    @uses(image, key="name")
    def ensure(self, name: str) -> None:
        """A postcondition with the arguments."""

    @uses(image, key="name")
    @deal.raises(KeyError)
    def raises(self, name: str) -> None:
        """It raises what it does not declare."""
        raise OSError("disk full")

    @deal.safe
    @releases(image, key="name")
    def safe(self, name: str) -> None:
        """It raises at all."""
        raise OSError("disk full")

    @deal.reason(ValueError, lambda self, name: name == "expected")
    @uses(image, key="name")
    def reason(self, name: str) -> None:
        """It raises for another reason."""
        raise ValueError(name)

    @deal.has()
    @uses(image, key="name")
    def silent(self, name: str) -> None:
        """It prints."""
        print(name)

    @deal.pre(lambda self, name: False, exception=ZeroDivisionError, message="never")
    @uses(image, key="name")
    def custom(self, name: str) -> None:
        """An exception of its own."""

    @deal.pre(lambda self, name: name != "a")
    @uses(image, key="name")
    async def asynchronous(self, name: str) -> None:
        """A coroutine function."""

    @deal.post(lambda result: result != "a")
    @uses(image, key="name")
    def generator(self, name: str) -> Any:
        """A generator function."""
        yield name

    @deal.chain(deal.pre(lambda self, name: name != "a"), deal.safe)
    @uses(image, key="name")
    def chained(self, name: str) -> None:
        """Several at once."""


def run(value: Any) -> Any:
    """A result, of whichever sort of function."""

    async def wait() -> Any:
        return await value

    if inspect.iscoroutine(value):
        return asyncio.run(wait())
    return list(value) if hasattr(value, "__next__") else value


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("pre", deal.PreContractError, "pre broke: expected held(image, name) (where name='b')"),
        ("pre_below", deal.PreContractError, "pre broke: expected held(image, name) (where name='b')"),
        ("post", deal.PostContractError, "post broke: expected result is None (where result='b')"),
        ("raises", deal.RaisesContractError, "raises(KeyError) broke: it raised OSError: disk full"),
        ("safe", deal.RaisesContractError, "safe broke: it raised OSError: disk full"),
        ("reason", deal.ReasonContractError, "reason broke: expected name == \"expected\" (where name='b')"),
        ("silent", deal.SilentContractError, "has broke: SilentContractError"),
        ("custom", ZeroDivisionError, "pre broke: ZeroDivisionError: never"),
    ],
)
def test_a_broken_condition_is_reported(name: str, error: type[BaseException], text: str) -> None:
    """Although the program swallowed deal's exception; without colours; about the resource, with its history."""
    with conditioned() as watched:
        watched.acquired(image, "b")
        watched.released(image, "b")
        watched.allow(image, why="only conditions are looked at here", rule="LG104")
        with pytest.raises(error):
            getattr(Conditioned(), name)("b")
    (violation,) = [one for one in watched.violations if one.code == "LG301"]
    assert [text] == [one.message.partition(": deal.")[2] for one in watched.violations if one.code == "LG301"]
    assert ("image", "b") == (violation.kind, violation.key)
    assert ["acquired", "released"] == [entry.verb for entry in violation.history[:2]]
    assert violation.ended.startswith(f"in Conditioned.{name}, called at ")
    assert violation.place is not None
    assert "test_deal.py" in violation.place.file


@pytest.mark.parametrize("name", ["ensure", "asynchronous", "generator", "chained"])
def test_every_form(name: str) -> None:
    """Coroutine functions, generators, chains."""
    with conditioned() as watched:
        watched.acquired(image, "a")
        with pytest.raises(deal.ContractError):
            run(getattr(Conditioned(), name)("a"))
        run(watched.released(image, "a"))
    (violation,) = watched.violations
    assert ("LG301", "image", "a") == (violation.code, violation.kind, violation.key)


def test_a_rollback_that_is_declared_safe_and_raises() -> None:
    """It is told as what it is: a broken promise, and a rollback that was tried in vain."""

    class Driver:
        @on_failure(spawn, key="name")
        def start(self, name: str) -> None:
            raise NoHost

        @deal.safe
        @rolls_back(spawn, key="name")
        def undo(self, name: str) -> None:
            raise OSError("disk full")

    with conditioned() as watched:
        with pytest.raises(NoHost):
            Driver().start("s1")
        with pytest.raises(deal.RaisesContractError):
            Driver().undo("s1")
    assert ["LG301 spawn 's1'", "LG202 spawn 's1'"] == said(watched)
    assert watched.violations[0].message.endswith("Driver.undo: deal.safe broke: it raised OSError: disk full")


def test_one_violation_is_one_finding() -> None:
    """Through any number of watched and conditioned calls; another condition that it breaks is another."""

    @deal.safe
    @uses(image, key="name")
    def outer(name: str) -> None:
        middle(name)

    @deal.post(lambda result: True)
    @uses(image, key="name")
    def middle(name: str) -> None:
        inner(name)

    @uses(image, key="name")
    @deal.pre(lambda name: name != "bad")
    def inner(name: str) -> None: ...

    with conditioned() as watched, pytest.raises(deal.PreContractError):
        outer("bad")
    assert ["pre broke: expected name != \"bad\" (where name='bad')"] == messages(watched)


def test_a_class_invariant() -> None:
    """Of methods and of attributes."""

    @deal.inv(lambda obj: obj.size >= 0)
    class Store:
        size = 0

        @uses(image, key="amount")
        def take(self, amount: int) -> None:
            self.size -= amount

    with conditioned() as watched:
        store = Store()
        with pytest.raises(deal.InvContractError):
            store.take(3)
    (violation,) = watched.violations
    assert (
        violation.message.startswith("test_a_class_invariant.<locals>.Store")
        or "Store: deal.inv broke" in violation.message
    )


def test_what_deal_asks_by_itself_is_not_broken() -> None:
    """`dispatch` chooses a function by its precondition, `cases` leaves out what a precondition refuses."""

    @deal.dispatch
    def size(name: str) -> int:
        raise NotImplementedError

    @size.register
    @deal.pre(lambda name: name == "big")
    @uses(image, key="name")
    def _big(name: str) -> int:
        return 9

    @size.register
    @deal.pre(lambda name: name != "big")
    @uses(image, key="name")
    def _small(name: str) -> int:
        return 1

    @deal.pre(lambda name: len(name) > 1)
    @uses(image, key="name")
    def long(name: str) -> str:
        return name

    with conditioned() as watched:
        assert (9, 1) == (size("big"), size("tiny"))
        for case in deal.cases(long, count=20, check_types=False):
            case()
    assert [] == said(watched)


def test_a_validator_that_is_asked_by_hand_is_not_broken() -> None:
    """Through deal's introspection anybody may ask."""
    (contract,) = deal.introspection.get_contracts(Conditioned.pre)
    with conditioned() as watched:
        with pytest.raises(deal.PreContractError):
            contract.validate(None, "a")  # type: ignore[attr-defined]
    assert [] == said(watched)


def test_fail_fast() -> None:
    """Ours is raised at the place; an `except deal.ContractError` does not swallow it."""
    with scope("fast", fail_fast=True, conditions=["deal"]) as watched:
        with pytest.raises(ViolationError, match="LG301 condition broke"):
            Conditioned().pre("a")
        watched.allow(None, why="seen above", rule="LG301")


def test_the_hooks_are_there_while_a_scope_wants_them() -> None:
    """And deal is as it was."""

    def hooks() -> list[object]:
        return [
            _validators.Validator._exception,
            *(vars(_contracts.Contracts)[name] for name in ("_run_sync", "_run_async", "_run_iter")),
            _invariant.InvariantedClass._deal_validate,
        ]

    before = hooks()
    with conditioned():
        assert all(one is not other for one, other in zip(before, hooks(), strict=True))
    assert before == hooks()


def test_where_this_deal_has_no_such_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scope does not open."""
    monkeypatch.delattr(_contracts.Contracts, "_run_iter")
    with pytest.raises(UsageError, match=r"conditions of deal .* cannot be seen: it has no Contracts._run_iter"):
        conditioned().open()
