"""What conditions may ask of the ledger."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from findings import watching

from lifeguard import (
    OUTSIDE,
    DeclarationError,
    Resource,
    Rollback,
    Scope,
    acquires,
    held,
    outstanding,
    owner_of,
    released,
    releases,
    scope,
    watched,
)

image = Resource("image")
server = Resource("server")
spawn = Rollback("spawn")
pair = Resource("pair", fields=("port", "host"))


@acquires(image, key="name")
def create(name: object) -> object:
    """Acquire."""
    return name


@releases(image, key="name")
def delete(name: object) -> None:
    """Release."""


def answers(kind: Any, key: object) -> tuple[bool, bool]:
    """Held, and released."""
    return held(kind, key), released(kind, key)


def test_held_and_released_are_opposites_while_a_scope_watches() -> None:
    """Before, during and after the life of a key."""
    with watching():
        assert (False, True) == answers(image, "a")
        create("a")
        assert (True, False) == answers(image, "a")
        delete("a")
        assert (False, True) == answers(image, "a")


def test_where_nobody_watches_both_say_yes() -> None:
    """A condition must not fail because nobody watches: without a scope, or in one that does not watch this kind."""
    assert (True, True) == answers(image, "a")
    assert not watched(image)
    with scope(ignore=[image]):
        assert (True, True) == answers(image, "a")
        assert not watched(image)
        assert watched(server)


def test_switched_off_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """With LIFEGUARD=off the decorators do nothing, so that a scope knows nothing."""
    with watching():
        assert watched(image)
        monkeypatch.setenv("LIFEGUARD", "off")
        assert not watched(image)
        assert (True, True) == answers(image, "a")


def test_another_thread_sees_what_is_known_and_gives_the_benefit_of_doubt() -> None:
    """A release in a thread without a scope pays there; so the predicates know it, too, and judge nothing else."""
    seen: list[object] = []

    def work() -> None:
        seen.extend([answers(image, "a"), answers(image, "b"), watched(image)])

    with watching() as here:
        create("a")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        here.released(image, "a")
    assert [(True, False), (True, True), False] == seen


def test_rollbacks_are_owed_or_done() -> None:
    """The same words for failures."""
    with watching() as here:
        here.failed(spawn, "s1", error=ValueError("no host"))
        assert (True, False) == answers(spawn, "s1")
        here.rolled_back(spawn, "s1")
        assert (False, True) == answers(spawn, "s1")


def test_who_owns_what() -> None:
    """A scope, a resource, the outside world, nobody."""

    class Thing:
        pass

    with watching("outer") as outer, watching("inner") as inner:
        thing = Thing()
        outer.acquired(server, thing)
        create("a")
        assert inner is owner_of(image, "a")
        assert outer is owner_of(server, thing)
        inner.transferred(image, "a", to=(server, thing))
        assert (server, thing) == owner_of(image, "a")
        create("b")
        inner.transferred(image, "b", to=OUTSIDE)
        assert OUTSIDE is owner_of(image, "b")
        assert None is owner_of(image, "c")
        outer.released(server, thing)
        assert None is owner_of(image, "a")
    assert None is owner_of(image, "a")


def test_owner_has_its_key_as_it_is_written_by_hand() -> None:
    """Parts of a key as a tuple."""
    with watching() as here:
        here.acquired(pair, ("p1", "h1"))
        create("a")
        here.transferred(image, "a", to=(pair, ("p1", "h1")))
        assert (pair, ("p1", "h1")) == owner_of(image, "a")
        here.released(pair, ("p1", "h1"))


def test_outstanding_is_what_is_owed_here() -> None:
    """Of this scope and those around, oldest first; what was seeded is not owed."""
    with watching() as outer, watching() as inner:
        outer.acquired(image, "a")
        create("b")
        inner.seed(image, "c", why="there before")
        outer.acquired(server, "s")
        assert ["a", "b"] == [one.key for one in outstanding(image)]
        assert ["image 'a' (held)", "image 'b' (held)"] == [str(one) for one in outstanding(image)]
        assert held(image, "c")
    assert () == outstanding(image)


def test_objects_stand_for_themselves() -> None:
    """As in the contracts."""
    first, second = [1], [1]
    with watching():
        create(first)
        assert held(image, first)
        assert not held(image, second)
        delete(first)


@pytest.mark.parametrize("ask", [held, released, owner_of])
def test_a_kind_is_needed(ask: Any) -> None:
    """A text in its place is an error that says so, also where nobody watches."""
    with pytest.raises(
        DeclarationError, match=r"takes kinds \(Resource or Rollback\), not 'image'\n  at .*test_predic"
    ):
        ask("image", "a")
    for other in (outstanding, watched):
        with pytest.raises(DeclarationError, match="takes kinds"):
            other("image")  # type: ignore[operator]


def test_in_doubt_counts_as_held() -> None:
    """It may have taken effect, and is owed."""
    with watching() as here:
        here.acquired(image, "a", in_doubt=True, error=TimeoutError())
        assert (True, False) == answers(image, "a")
        here.released(image, "a")


def test_a_scope_is_a_scope() -> None:
    """What `owner_of` gives can be asked on."""
    with watching("build"):
        create("a")
        owner = owner_of(image, "a")
        assert isinstance(owner, Scope)
        assert "build" == owner.name
        delete("a")
