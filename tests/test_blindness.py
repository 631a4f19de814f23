"""Contracts that could not see their calls (LG402): proved ones are errors, likely ones warnings, and all else is left alone."""

# ruff: noqa: D102  the classes inside the tests are the material, not the tests

from __future__ import annotations

import functools
import gc
import pickle
from collections.abc import Callable
from typing import Any

import deal
import icontract
import pytest

import lifeguard
from lifeguard import Resource, Verdict, acquires, contracts_for, implements, releases, scope, uses

image = Resource("image")


def judged(program: Callable[[], object]) -> Verdict:
    """The verdict over a program, after everything that died before is gone."""
    gc.collect()
    with scope("blind", on_violation="record") as watched:
        program()
    assert watched.verdict is not None
    return watched.verdict


def found(program: Callable[[], object]) -> list[str]:
    """What is proved, in the words of the report."""
    return [one.message for one in judged(program).violations if one.code == "LG402"]


def likely(program: Callable[[], object]) -> list[str]:
    """What is only likely."""
    return [one.message for one in judged(program).warnings if one.code == "LG402"]


# -- overrides -----------------------------------------------------------------------------------------------------------------


def service() -> Any:
    """A new service class, so that no other test's subclasses hide its contracts."""

    class Service:
        @uses(image, key="image_id")
        def show(self, image_id: str) -> None: ...

        @releases(image, key="image_id")
        def delete(self, image_id: str) -> None: ...

    return Service


def test_an_override_that_hides_a_contract_and_is_in_use() -> None:
    """Proved: an object of its class was seen in another watched call of the scope."""

    class Hiding(service()):
        def delete(self, image_id: str) -> None: ...

    one = Hiding()
    (text,) = found(lambda: (one.show("a"), one.delete("a")))
    assert "Hiding.delete (line " in text
    assert "hides the contract of service.<locals>.Service.delete and never reaches it" in text
    assert text.endswith(
        "decorate it, call super().delete(…), or put @implements(service.<locals>.Service) on "
        "test_an_override_that_hides_a_contract_and_is_in_use.<locals>.Hiding"
    )


def test_an_override_of_which_nothing_was_seen() -> None:
    """Likely: no watched call of the hidden contract, and none on an object of that class."""
    base = service()

    class Hiding(base):
        def delete(self, image_id: str) -> None: ...

    assert [] == found(lambda: base().show("a"))
    assert 1 == len(likely(lambda: base().show("a")))
    assert [] == likely(lambda: base().delete("a"))


def test_an_override_of_an_override() -> None:
    """Looked for at any depth, below classes that override nothing, too."""

    class Between(service()): ...

    class Hiding(Between):
        def delete(self, image_id: str) -> None: ...

    one = Hiding()
    assert 1 == len(found(lambda: one.show("a")))


def reaching() -> list[type]:
    """Overrides that do not hide."""
    base = service()

    class CallsSuper(base):
        def delete(self, image_id: str) -> None:
            super().delete(image_id)

    class CallsBase(base):
        def delete(self, image_id: str) -> None:
            base.delete(self, image_id)

    class InAClosure(base):
        def delete(self, image_id: str) -> None:
            def later() -> None:
                super(InAClosure, self).delete(image_id)

            later()

    class Decorated(base):
        @releases(image, key="image_id")
        def delete(self, image_id: str) -> None: ...

    class DecoratedAbove(base):
        @functools.lru_cache
        @releases(image, key="image_id")
        def delete(self, image_id: str) -> None: ...

    @implements(base)
    class Implements(base):
        def delete(self, image_id: str) -> None: ...

    class NotOverriding(base):
        def other(self) -> None: ...

    class NoCode(base):
        delete = functools.partial(print)

    return [CallsSuper, CallsBase, InAClosure, Decorated, DecoratedAbove, Implements, NotOverriding, NoCode]


@pytest.mark.parametrize("cls", reaching(), ids=lambda cls: cls.__name__)
def test_an_override_that_reaches_the_contract(cls: Any) -> None:
    """Or may reach it, as far as its code can be read, or has its own."""
    one = cls()
    verdict = judged(lambda: one.show("a"))
    assert [] == [one.message for one in (*verdict.violations, *verdict.warnings) if f".{cls.__name__}." in one.message]


def test_an_unrelated_class() -> None:
    """A method of the same name elsewhere hides nothing, and a scope of other kinds says nothing of it."""
    base, other = service(), Resource("other")

    class Unrelated:
        def delete(self, image_id: str) -> None: ...

    class Hiding(base):
        def delete(self, image_id: str) -> None: ...

    @acquires(other, key="name")
    def make(name: str) -> None: ...

    verdict = judged(lambda: (Unrelated().delete("a"), make("a")))
    assert [] == [one for one in (*verdict.violations, *verdict.warnings) if one.code == "LG402"]


# -- dropped by a decorator above ----------------------------------------------------------------------------------------------


def test_dropped_between_two_of_icontract() -> None:
    """icontract keeps one checker for a function, and takes the function from under what stands between."""

    class Service:
        @icontract.require(lambda name: name)
        @acquires(image, key="name")
        @icontract.require(lambda name: len(name) < 9)
        def create(self, name: str) -> None: ...

    one = Service()
    (text,) = found(lambda: one.create("a"))
    assert "the wrapper of test_dropped_between_two_of_icontract.<locals>.Service.create was dropped" in text
    assert "put lifeguard's decorators directly on the function" in text


@pytest.mark.parametrize("above", [icontract.require(lambda name: name), deal.pre(lambda self, name: bool(name))])
def test_below_other_contracts(above: Any) -> None:
    """Directly on the function nothing is dropped."""

    class Service:
        @above
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    one = Service()
    verdict = judged(lambda: one.create("a"))
    assert [("LG101", "a")] == [(each.code, each.key) for each in verdict.violations]


def test_decorators_of_lifeguard_one_above_the_other() -> None:
    """They become one wrapper, and none of them was dropped."""

    class Service:
        @acquires(image, key="name")
        @uses(image, key="other")
        def create(self, name: str, other: str) -> None: ...

    one = Service()
    assert [] == found(lambda: one.create("a", "b"))


def test_a_fake_that_is_gone() -> None:
    """It inherited what it was woven around; its base runs without a contract as it always did."""

    class Service:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    class Base:
        def create(self, name: str) -> None: ...

    implements(Service)(type("Fake", (Base,), {}))
    assert [] == found(lambda: (Service().create("a"), Base().create("b")))


# -- replaced or hidden while bound --------------------------------------------------------------------------------------------


class Cloud:
    """Somebody else's code."""

    def create(self, name: str) -> str:
        """Make an image."""
        return name

    def delete(self, image_id: str) -> None:
        """Delete it."""


@contracts_for(Cloud)
class CloudContracts:
    """What it does."""

    @acquires(image, key="name")
    def create(self, name: str) -> None: ...

    @releases(image, key="image_id")
    def delete(self, image_id: str) -> None: ...


def test_replaced_while_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there now is shown."""

    def replace() -> None:
        monkeypatch.setattr(Cloud, "create", lambda self, name: name)

    with CloudContracts.applied():
        (text,) = found(replace)
        assert text.startswith("Cloud.create was replaced by <function test_replaced_while_applied.")
        assert text.endswith(" while its contract was applied: calls of that are not seen")
        monkeypatch.undo()
        assert [] == found(lambda: None)


def test_wrapped_while_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """What wraps ours, and says so, still reaches it."""

    def wrap() -> None:
        monkeypatch.setattr(Cloud, "create", functools.wraps(Cloud.create)(lambda *args: None))

    with CloudContracts.applied():
        assert [] == found(wrap)
        monkeypatch.undo()


def test_hidden_by_an_attribute_of_an_object() -> None:
    """Proved by the object, which was seen in a call of another method."""

    class Named(Cloud):
        def __repr__(self) -> str:
            return "<the cloud>"

    one: Any = Named()

    def work() -> None:
        one.create("a")
        one.delete = print

    with CloudContracts.applied():
        assert [
            "Cloud.delete is hidden by an attribute of <the cloud> while its contract was applied: calls of that are not seen"
        ] == found(work)


def test_other_attributes_hide_nothing() -> None:
    """Nor do those of objects that were never seen."""
    one, other = Cloud(), Cloud()
    vars(one)["name"] = print
    vars(other)["delete"] = print
    with CloudContracts.applied():
        assert [] == found(lambda: one.create("a"))


# -- contracts that saw no call ------------------------------------------------------------------------------------------------


def unused(program: Callable[[], object], mark: str) -> list[str]:
    """Those contracts that saw no call whose names contain a text."""
    return [name for name in judged(program).unused if mark in name]


def test_contracts_of_seen_kinds_that_saw_no_call() -> None:
    """They are listed by their names, in their order; those of kinds that were not seen are not."""
    seen, other = Resource("seen"), Resource("other")

    class Mine:
        @acquires(seen, key="name")
        def create(self, name: str) -> None: ...
        @releases(seen, key="name")
        def delete(self, name: str) -> None: ...
        @uses(seen, key="name")
        def check(self, name: str) -> None: ...
        @acquires(other, key="name")
        def elsewhere(self, name: str) -> None: ...

    one = Mine()
    assert [f"{Mine.__qualname__}.{name}" for name in ("check", "delete")] == unused(lambda: one.create("a"), "Mine")
    assert [] == unused(lambda: None, "Mine")


def test_each_scope_knows_its_own_calls() -> None:
    """A call counts for the scopes that were open, whatever was called since, and whenever somebody looks."""
    kind = Resource("own")

    @uses(kind, key="name")
    def first(name: str) -> None: ...

    @uses(kind, key="name")
    def second(name: str) -> None: ...

    @uses(kind, key="name")
    def third(name: str) -> None: ...

    def names(verdict: Verdict | None) -> list[str]:
        assert verdict is not None
        return [name.rpartition(".")[2] for name in verdict.unused]

    with scope("outer", on_violation="record") as outer:
        first("a")
        first("a")
        with scope("inner", on_violation="record") as inner:
            second("a")
        with scope("next", on_violation="record") as after:
            first("a")
        third("a")
        second("a")
    assert ["first", "third"] == names(inner.verdict)
    assert ["second", "third"] == names(after.verdict)
    assert [] == names(outer.verdict)


def test_unused_is_what_was_true_at_the_closing() -> None:
    """What is woven, called or gone later changes nothing, and looking twice neither; as data it is a plain tuple."""
    kind = Resource("fixed")

    @uses(kind, key="name")
    def called(name: str) -> None: ...

    @uses(kind, key="name")
    def quiet(name: str) -> None: ...

    verdict = judged(lambda: called("a"))

    @uses(kind, key="name")
    def later(name: str) -> None: ...

    name = f"{test_unused_is_what_was_true_at_the_closing.__name__}.<locals>.quiet"
    with scope("other"):
        quiet("a")
    del quiet
    gc.collect()
    assert (name,) == verdict.unused
    assert verdict.unused == (name,)
    assert (name,) == pickle.loads(pickle.dumps(verdict.unused)) == tuple(verdict.unused)
    assert f"({name!r},)" == repr(verdict.unused)
    assert [name] == verdict.as_dict()["unused"]


def test_bound_contracts_that_saw_no_call() -> None:
    """While they are applied, whatever was seen; under the name of what they stand for, and never under their own."""
    with CloudContracts.applied():
        assert ["Cloud.create", "Cloud.delete"] == unused(lambda: None, "Cloud")
        assert ["Cloud.delete"] == unused(lambda: Cloud().create("a"), "Cloud")
    assert [] == unused(lambda: None, "Cloud")


def test_a_method_seen_through_its_bound_contract() -> None:
    """A method with contracts of its own, bound to others, saw its call."""

    class Target:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    @contracts_for(Target)
    class Contracts:
        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    with Contracts.applied():
        assert [] == unused(lambda: Target().create("a"), "Target")


def test_nothing_is_asked_where_nothing_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope that saw no call looks at no class."""

    def fail() -> None:
        raise AssertionError("looked at all classes")

    monkeypatch.setattr(lifeguard.blindness, "_all_classes", fail)
    assert [] == found(lambda: None)
