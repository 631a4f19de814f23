"""What deal itself does, as we rely on it or warn of it: a fact that changes is told by a test of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import deal
import pytest
from findings import said, watching

from lifeguard import (
    Resource,
    scope,
    uses,
)
from lifeguard.integrations.deal import declared_failures
from lifeguard.scopes import Scope

ROOT = Path(__file__).parents[2]

image = Resource("image")


def conditioned() -> Scope:
    """A scope that records what it finds, conditions of deal included."""
    return scope("conditions", on_violation="record", conditions="deal")


def test_fact_nested_conditions_are_not_checked_while_one_is_asked() -> None:
    """deal switches all checks off, for the whole process, while any validator runs."""

    @deal.pre(lambda name: name != "bad")
    def helper(name: str) -> bool:
        return True

    @deal.pre(lambda name: helper("bad"))
    def function(name: str) -> None: ...

    with conditioned() as watched:
        function("a")
    assert [] == said(watched)

    asking, goes_on = threading.Event(), threading.Event()

    @deal.pre(lambda name: asking.set() or goes_on.wait(5))
    def slow(name: str) -> None: ...

    thread = threading.Thread(target=slow, args=("a",))
    thread.start()
    assert asking.wait(5)
    assert helper("bad"), "in this thread deal checks nothing now"
    goes_on.set()
    thread.join()
    with pytest.raises(deal.PreContractError):
        helper("bad")


def test_fact_raises_compares_the_very_class() -> None:
    """A subclass is replaced by deal; we match with isinstance."""

    @deal.raises(LookupError)
    def find(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(deal.RaisesContractError):
        find("a")
    assert issubclass(KeyError, declared_failures(find) or ())


def test_fact_generators_lose_what_is_sent_and_returned() -> None:
    """deal drives them with next(); below deal, our wrapper cannot help it."""

    @deal.post(lambda result: True)
    @uses(image, key="name")
    def talk(name: str) -> Any:
        got = yield name
        yield got
        return "end"

    with watching():
        generator = talk("a")
        next(generator)
        assert None is generator.send("hello")
        with pytest.raises(StopIteration) as end:
            next(generator)
        assert None is end.value.value


def test_fact_async_generators_are_checked_as_objects() -> None:
    """A postcondition gets the generator, not its items."""

    @deal.post(lambda result: hasattr(result, "asend"))
    @uses(image, key="name")
    async def items(name: str) -> Any:
        yield name

    async def main() -> list[str]:
        return [one async for one in items("a")]

    with conditioned() as watched:
        assert ["a"] == asyncio.run(main())
    assert [] == said(watched)


def test_fact_overrides_inherit_nothing() -> None:
    """And `deal.inherit` binds the class in the place of the object: both declare nothing for us."""

    class Base:
        @deal.raises(KeyError)
        def method(self, name: str) -> object: ...

    class Derived(Base):
        def method(self, name: str) -> object:
            return self

    class Inheriting(Base):
        @deal.inherit
        def method(self, name: str) -> object:
            return self

    assert None is declared_failures(Derived.method)
    assert Inheriting is Inheriting().method("a")


def test_fact_importing_deal_replaces_the_excepthook() -> None:
    """So lifeguard imports it only where a scope or a user asks for it."""
    program = (
        "import sys, lifeguard; before = sys.excepthook\n"
        "with lifeguard.scope(): pass\n"
        "print('deal' in sys.modules, sys.excepthook is before)\n"
        "with lifeguard.scope(conditions='deal'): pass\n"
        "print('deal' in sys.modules, sys.excepthook is before)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"],
        capture_output=True,
        text=True,
    )
    assert ("False True\nTrue False\n", "") == (ran.stdout, ran.stderr)


def test_fact_objects_of_deal_inv_do_not_pickle() -> None:
    """It makes a class of another name; keys and reports hold none of them."""
    import pickle

    assert "InvariantedHere" == Here.__name__ or "HereInvarianted" == Here.__name__
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Here())
    with conditioned() as watched:
        watched.acquired(image, "a")
        with pytest.raises(deal.InvContractError):
            Here().broken()
        watched.released(image, "a")
    assert watched.verdict == pickle.loads(pickle.dumps(watched.verdict))


@deal.inv(lambda obj: obj.fine)
class Here:
    """A class with an invariant."""

    fine = True

    def broken(self) -> None:
        """Break it."""
        self.fine = False
