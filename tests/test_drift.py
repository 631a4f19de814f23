"""Drift: an object's own state against the ledger."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from findings import said, watching

from lifeguard import (
    OUTSIDE,
    DeclarationError,
    Resource,
    ViolationError,
    acquires,
    implements,
    releases,
    scope,
    tracks,
    transfers,
    uses,
)
from lifeguard.drift import Drift

image = Resource("image")
other = Resource("other")
server = Resource("server")


class Images:
    """A fake that can be made to lie."""

    def __init__(self, *there: str) -> None:
        self.images = {name: object() for name in there}

    @acquires(image, key="name")
    def create(self, name: str) -> None:
        """Acquire."""
        self.images[name] = object()

    @acquires(image, key="name")
    def create_nothing(self, name: str) -> None:
        """Say so, and do nothing."""

    @releases(image, key="name")
    def delete(self, name: str) -> None:
        """Release."""
        del self.images[name]

    @releases(image, key="name")
    def delete_nothing(self, name: str) -> None:
        """Say so, and do nothing."""

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str) -> None:
        """It is there, but of no concern."""

    @transfers(image, key="name", to=(server, "owner"))
    def attach(self, name: str, owner: str) -> None:
        """It goes with the server."""

    @uses(image, key="name")
    def show(self, name: str) -> None:
        """Look at it."""


@tracks(image, state=lambda self: self.images)
class Tracked(Images):
    """Compared when the scope closes."""


@tracks(image, state="self.images", always=True)
class Always(Images):
    """Compared after every call."""


def drifts(work: Any, make: Any = Tracked, *there: str) -> list[str]:
    """What a scope says of a program that gets a fake."""
    with watching() as watched:
        work(make(*there), watched)
    assert watched.verdict is not None
    return [f"{one.code} {one.message}" for one in (*watched.verdict.violations, *watched.verdict.warnings)]


def test_what_agrees_is_left_alone() -> None:
    """Through the contracts everything may come and go, and what is handed outside may stay."""

    def work(images: Images, watched: Any) -> None:
        images.create("a")
        images.delete("a")
        images.create("b")
        images.publish("b")
        images.create("a")
        images.publish("a")
        images.images.pop("a")

    assert [] == drifts(work)


def test_what_is_left_of_a_release_is_found() -> None:
    """A release that reports success and does nothing."""

    def work(images: Images, watched: Any) -> None:
        images.create("a")
        images.delete_nothing("a")

    assert ["LG109 image 'a': released, but Tracked still has it"] == drifts(work)


def test_what_was_never_made_is_found() -> None:
    """An acquire that reports success and does nothing; it is released, so nothing else is wrong but the use."""

    def work(images: Images, watched: Any) -> None:
        images.create_nothing("a")

    assert ["LG109 image 'a': the ledger holds it, but Tracked has it no more; still open at the end"] == drifts(work)


def test_what_came_without_a_contract_is_found() -> None:
    """It was put in behind the contracts' back."""

    def work(images: Images, watched: Any) -> None:
        images.create("a")
        images.images["b"] = object()
        images.delete("a")

    assert ["LG109 image 'b': Tracked has it, but no acquire of it was seen"] == drifts(work)


def test_what_went_without_a_contract_is_found() -> None:
    """A leak that is none: it is gone, but not through a release. One cause, one finding."""

    def work(images: Images, watched: Any) -> None:
        images.create("a")
        del images.images["a"]

    with watching() as watched:
        work(Tracked(), watched)
    assert ["LG109 image 'a' LG101"] == said(watched)


def test_what_was_there_before_is_taken_as_given() -> None:
    """A fake that is filled before its first call in the scope; its things may be released once, by a contract."""

    def work(images: Images, watched: Any) -> None:
        images.show("x")
        images.delete("x")

    assert [] == drifts(work, Tracked, "x", "y")

    def behind(images: Images, watched: Any) -> None:
        images.show("x")
        del images.images["x"]

    assert ["LG109 image 'x': Tracked had it and has it no more, but no release was seen"] == drifts(
        behind, Tracked, "x", "y"
    )

    def lying(images: Images, watched: Any) -> None:
        images.delete_nothing("x")

    assert ["LG109 image 'x': released, but Tracked still has it"] == drifts(lying, Tracked, "x")

    def seeded(images: Images, watched: Any) -> None:
        watched.seed(image, "x", why="there before")
        images.show("x")
        del images.images["x"]

    assert ["LG109 image 'x': the ledger holds it, but Tracked has it no more"] == drifts(seeded, Tracked, "x")


def test_what_is_settled_with_its_owner_must_be_gone() -> None:
    """The server took the image with it, says the ledger; the fake still has it."""

    def work(images: Images, watched: Any) -> None:
        watched.acquired(server, "s")
        images.create("a")
        images.attach("a", "s")
        watched.released(server, "s")

    assert ["LG109 image 'a': settled with its owner, or overwritten, but Tracked still has it"] == drifts(work)


def test_an_object_that_was_not_at_work_is_not_compared() -> None:
    """Only what the scope saw: elsewhere objects live their own lives."""
    idle = Tracked("x")
    with watching() as watched:
        busy = Tracked()
        busy.create("a")
        busy.delete("a")
        idle.images.clear()
    assert [] == said(watched)


def test_two_objects_of_one_class_may_share() -> None:
    """Acquired through one, seen in the other, released through the other: two clients of one store."""
    with watching() as watched:
        one, two = Tracked(), Tracked()
        two.images = one.images
        one.create("a")
        two.show("a")
        two.delete("a")
        two.create("b")
        one.show("b")
        one.delete("b")
    assert [] == said(watched)


def test_two_objects_of_one_class_may_differ() -> None:
    """What one of them acquired need not be in the other."""
    with watching() as watched:
        one, two = Tracked(), Tracked()
        one.create("a")
        two.create("b")
        one.delete("a")
        two.delete("b")
        one.create("c")
        del one.images["c"]
        two.show("c")
    assert ["LG109 image 'c' LG101"] == said(watched)


def test_keys_that_each_object_numbers_itself() -> None:
    """The issuer belongs into the key, here as there."""

    @tracks(image, state=lambda self: self.rows, key="self, item['id']")
    class Numbering:
        def __init__(self) -> None:
            self.rows: list[dict[str, int]] = []

        @acquires(image, key="self, result")
        def create(self) -> int:
            self.rows.append({"id": len(self.rows) + 1})
            return len(self.rows)

        @releases(image, key="self, number")
        def delete(self, number: int) -> None:
            self.rows = [row for row in self.rows if row["id"] != number]

    with watching() as watched:
        one, two = Numbering(), Numbering()
        one.create()
        two.create()
        one.delete(1)
        two.rows.clear()
    assert ["LG109"] == [one.code for one in watched.violations]
    assert "Numbering has it no more" in watched.violations[0].message


def test_objects_can_be_the_keys() -> None:
    """What is keyed by identity is compared by identity."""

    @tracks(image, state="self.made")
    class Making:
        def __init__(self) -> None:
            self.made: list[object] = []

        @acquires(image, key="result")
        def make(self) -> object:
            self.made.append([])
            return self.made[-1]

        @releases(image, key="one")
        def drop(self, one: object) -> None:
            self.made = [each for each in self.made if each is not one]

    with watching() as watched:
        making = Making()
        first, second = making.make(), making.make()
        making.drop(first)
        making.made = [[]]
        assert second is not None
    assert ["LG109", "LG109"] == [one.code for one in watched.violations]


def test_after_every_call_where_asked() -> None:
    """It stands at the call that brought it about, is said once, and fail_fast raises it there."""
    with watching() as watched:
        images = Always()
        images.create("a")
        images.delete_nothing("a")
        images.show("b")
        del images.images["a"]
        images.show("b")
    (violation,) = watched.violations
    assert "image 'a': released, but Always still has it" == violation.message
    assert violation.ended.startswith("at the end of Images.delete_nothing, called at ")
    images = Always()
    with scope("fast", fail_fast=True) as fast:
        images.create("a")
        with pytest.raises(ViolationError, match="LG109 drift"):
            images.delete_nothing("a")
        fast.allow(image, "a", why="seen", rule="LG109")


def test_in_the_middle_of_a_call_nothing_is_compared() -> None:
    """A method that calls watched methods of its own is judged when it has ended; so are tasks that overlap."""

    class Nested(Always):
        @uses(image, key="name")
        def swap(self, name: str) -> None:
            """For a moment it is not in the state."""
            kept = self.images.pop(name)
            self.show(name)
            self.images[name] = kept

        @uses(image, key="name")
        async def swap_slowly(self, name: str) -> None:
            """The same, with a pause."""
            kept = self.images.pop(name)
            await asyncio.sleep(0)
            self.images[name] = kept

    async def overlap(images: Nested) -> None:
        await asyncio.gather(images.swap_slowly("a"), images.swap_slowly("b"))

    with watching() as watched:
        images = Nested()
        for name in ("a", "b"):
            images.create(name)
        images.swap("a")
        asyncio.run(overlap(images))
        for name in ("a", "b"):
            images.delete(name)
    assert [] == said(watched)


def test_nested_scopes_say_it_once() -> None:
    """The inner one judges; what it left is given for the outer one, whose own things are compared at its own end."""
    with watching("outer") as outer:
        images = Tracked()
        images.create("of the outer")
        with watching("inner") as inner:
            images.create("leaked")
            images.images["put in"] = object()
            images.delete("of the outer")
        images.create("lost")
        images.images.pop("lost")
    assert ["LG101 image 'leaked'", "LG109 image 'put in'"] == sorted(said(inner))
    assert ["LG109 image 'lost' LG101"] == said(outer)


def test_an_object_is_kept_until_the_scope_closes_and_not_longer() -> None:
    """A fake is often a variable of the function under test, which has ended when the scope is judged."""
    with watching() as watched:
        images = Tracked()
        images.create("a")
        images.delete_nothing("a")
        dead = weakref.ref(images)
        del images
    gc.collect()
    assert None is dead()
    assert ["LG109 image 'a'"] == said(watched)


def test_an_object_whose_end_is_an_event_is_not_kept() -> None:
    """What its `__del__` does happens when it would without lifeguard; then there is nothing to compare."""

    class Mortal(Tracked):
        def __del__(self) -> None:
            for name in list(self.images):
                self.delete(name)

    with watching() as watched:
        images = Mortal()
        images.create("a")
        images.create("b")
        images.delete_nothing("b")
        del images
        gc.collect()
        watched.allow(image, "b", why="the fake lies", rule="LG103")
        images = Mortal()
        images.create("c")
        images.delete_nothing("c")
    assert ["LG109 image 'c'"] == said(watched)
    del images


def test_objects_without_weak_references() -> None:
    """They are compared like all others."""

    @tracks(image, state="self.images")
    class Slotted:
        __slots__ = ("images",)

        def __init__(self) -> None:
            self.images: list[str] = []

        @acquires(image, key="name")
        def create(self, name: str) -> None: ...

    with watching() as watched:
        Slotted().create("a")
    assert ["LG109 image 'a' LG101"] == said(watched)


def test_a_class_that_holds_the_state_itself() -> None:
    """Class methods: the class is the object."""

    @tracks(image, state="self.images")
    class Shared:
        images: list[str] = []

        @classmethod
        @acquires(image, key="name")
        def create(cls, name: str) -> None: ...

    with watching() as watched:
        Shared.create("a")
    assert watched.violations[0].message.startswith("image 'a': the ledger holds it, but the class ")
    assert ["LG109 image 'a' LG101"] == said(watched)


def test_an_acquire_in_init_and_what_it_prepares() -> None:
    """While `__init__` runs there is no state yet; what it has put there when it ends is given."""

    @tracks(other, state="self.parts")
    class Service:
        @acquires(image, key="self")
        def __init__(self) -> None:
            self.parts = ["given"]

        @releases(image, key="self")
        def close(self) -> None:
            self.parts.clear()

        @acquires(other, key="name")
        def add(self, name: str) -> None: ...

    with watching() as watched:
        service = Service()
        service.add("a")
        service.close()
    assert ["LG109 other 'a' LG101", "LG109 other 'given'"] == sorted(said(watched))


def test_a_state_that_cannot_be_read() -> None:
    """LG401, never an exception of the program's."""

    @tracks(image, state="self.imagse")
    class Misspelled(Images):
        pass

    @tracks(image, state=lambda self: 7)
    class Number(Images):
        pass

    @tracks(image, state="self.images", key="item['id']")
    class Items(Images):
        pass

    for cls, text in (
        (Misspelled, "Misspelled could not be read: AttributeError"),
        (Number, "gives 7, which is no collection"),
        (Items, "item['id']: TypeError"),
    ):
        with watching() as watched:
            images = cls()
            images.create("a")
            images.publish("a")
        (violation,) = watched.violations
        assert "LG401" == violation.code
        assert text in violation.message


def test_subclasses_and_several_kinds() -> None:
    """Both of a class's states are compared, and those of the class that it derives from."""

    @tracks(server, state="self.servers")
    @tracks(other, state="self.others")
    class Everything(Tracked):
        def __init__(self) -> None:
            super().__init__()
            self.servers: list[str] = []
            self.others: list[str] = []

        @acquires(server, key="name")
        def boot(self, name: str) -> None: ...

        @acquires(other, key="name")
        def make(self, name: str) -> None: ...

    with watching() as watched:
        everything = Everything()
        everything.boot("s")
        everything.make("o")
        everything.create_nothing("i")
    assert ["LG109 image 'i' LG101", "LG109 other 'o' LG101", "LG109 server 's' LG101"] == sorted(said(watched))


def test_a_fake_that_implements_a_service() -> None:
    """The contracts come from the service, the state is the fake's own."""

    @tracks(image, state=lambda self: self.created_images)
    @implements(Images)
    class Fake:
        def __init__(self) -> None:
            self.created_images: list[str] = []

        def create(self, name: str) -> None:
            self.created_images.append(name)

        def create_nothing(self, name: str) -> None: ...
        def delete(self, name: str) -> None: ...
        def delete_nothing(self, name: str) -> None: ...
        def publish(self, name: str) -> None: ...
        def attach(self, name: str, owner: str) -> None: ...
        def show(self, name: str) -> None: ...

    with watching() as watched:
        fake = Fake()
        fake.create("a")
        fake.delete("a")
    assert ["LG109 image 'a'"] == said(watched)


def test_a_class_that_comes_while_the_scope_is_open() -> None:
    """The scope looks on from there."""
    with watching() as watched:

        @tracks(image, state="self.images")
        class Late(Images):
            pass

        late = Late()
        late.create("a")
        late.delete_nothing("a")
    assert ["LG109 image 'a'"] == said(watched)


def test_a_scope_that_does_not_watch_the_kind() -> None:
    """It has nothing to compare, and nobody looks on."""
    with scope(only=[Resource("unheard of")], on_violation="record") as watched:
        images = Tracked()
        images.create("a")
        images.images.clear()
        assert [] == [one for one in watched.book.observers if isinstance(one, Drift)]
    assert [] == said(watched)


def test_allowed() -> None:
    """As any other finding of the resource."""
    with scope() as watched:
        watched.allow(image, "a", why="the fake forgets on purpose", rule="LG109")
        images = Tracked()
        images.create("a")
        images.delete_nothing("a")


@pytest.mark.parametrize(
    ("state", "key", "text"),
    [
        ("self.a, self.b", "item", "takes one collection of the object"),
        ("selv.images", "item", "'selv' is not a parameter"),
        ("result", "item", "takes one collection of the object"),
        ("self.images", "result", "mentions 'result', but an item is no call"),
        ("self.images", "row['id']", "'row' is not a parameter"),
        (7, "item", "state"),
        (None, "item", "state=None"),
    ],
)
def test_written_wrongly(state: Any, key: Any, text: str) -> None:
    """An error where it is written."""
    with pytest.raises(DeclarationError, match=text):
        tracks(image, state=state, key=key)


def test_decorates_classes_only() -> None:
    """And says so."""
    with pytest.raises(DeclarationError, match=r"tracks\(…\) decorates a class, not <function"):
        tracks(image, state="self.images")(lambda: None)  # type: ignore[type-var]
    with pytest.raises(DeclarationError, match=r"tracks\(always=…\) takes True or False, not 1"):
        tracks(image, state="self.images", always=1)  # type: ignore[arg-type]


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With LIFEGUARD=off nothing is compared."""
    monkeypatch.setenv("LIFEGUARD", "off")

    @tracks(image, state="self.images")
    class Off(Images):
        pass

    monkeypatch.delenv("LIFEGUARD")
    with watching() as watched:
        Off().create_nothing("a")
    assert ["LG101 image 'a'"] == said(watched)


@pytest.fixture(autouse=True)
def no_crumbs() -> Iterator[None]:
    """What a test decorated is gone when the next one begins."""
    yield
    gc.collect()
