"""What is held in a shared scope, and what befalls it outside: threads, finalisers, calls that end too late, managers, drift."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

import pytest
from findings import said
from stores_elsewhere import image

import lifeguard
import lifeguard.stores
from lifeguard import acquires, held, released, releases, tracks, uses
from lifeguard.stores import Ledger


@acquires(image, key="name")
def create(name: str) -> None:
    """Make an image."""


@releases(image, key="name")
def delete(name: str) -> None:
    """Take it away."""


@pytest.fixture(params=["through", "background"])
def ledger(request: pytest.FixtureRequest, sqlite: str) -> Ledger:
    """A ledger in a file, written in one way after the other."""
    return Ledger(sqlite, writing=request.param)


def in_a_thread(work: object, *arguments: object) -> list[object]:
    """Call something in a thread, which is in no scope; what it gave."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work(*arguments)))  # type: ignore[operator]
    thread.start()
    thread.join()
    return found


def test_a_thread_without_a_scope_pays(ledger: Ledger) -> None:
    """As in memory: a release pays for what is held, whoever makes it; a second one is a double one."""
    with lifeguard.scope("watched", ledger=ledger, on_violation="record") as watched:
        create("a")
        in_a_thread(delete, "a")
        in_a_thread(delete, "a")
        in_a_thread(create, "b")
    assert ["LG103 image 'a'"] == said(watched)


def test_what_nobody_knows_stays_in_memory(ledger: Ledger) -> None:
    """A release outside of the shared scope, of what it does not know, is a stranger to the scope that it happens in."""
    with (
        lifeguard.scope("memory", reach="process", on_violation="record") as memory,
        lifeguard.scope("shared", ledger=ledger, on_violation="record").open().active() as shared,
    ):
        in_a_thread(delete, "never")
    shared.close()
    assert {"image": 1} == memory.verdict.unmatched if memory.verdict is not None else False
    assert {} == shared.watched


def test_a_finaliser_pays_whatever_thread_collects(ledger: Ledger) -> None:
    """Objects in cycles release what they acquired when the collector finds them, be it in the thread that writes."""

    class Holder:
        def __init__(self, name: str) -> None:
            self.me = self
            self.name = name
            create(name)

        def __del__(self) -> None:
            delete(self.name)

    with lifeguard.scope("watched", ledger=ledger, on_violation="record") as watched:
        for number in range(300):
            Holder(f"of {number}")
        gc.collect()
    assert [] == said(watched)


def test_conditions_see_it_from_another_thread(ledger: Ledger) -> None:
    """What is held and what was released is known there, too."""
    with lifeguard.scope("watched", ledger=ledger) as watched:
        create("a")
        create("b")
        delete("b")
        assert [True] == in_a_thread(held, image, "a")
        assert [False] == in_a_thread(released, image, "a")
        assert [False] == in_a_thread(held, image, "b")
        delete("a")
    assert watched.verdict is not None


def test_a_call_that_ends_after_the_verdict_is_late(ledger: Ledger) -> None:
    """It began inside, and what it speaks of was judged: that is counted, and nothing is blamed."""
    go, inside = threading.Event(), threading.Event()

    @releases(image, key="name")
    def slowly(name: str) -> None:
        inside.set()
        assert go.wait(10)

    watched = lifeguard.scope("watched", ledger=ledger, on_violation="record")
    with watched:
        create("a")
        thread = threading.Thread(target=watched.bind(slowly), args=("a",))
        thread.start()
        assert inside.wait(10)
    go.set()
    thread.join()
    assert ["LG101 image 'a'"] == said(watched)
    assert ["image 'a' released"] == [
        f"{one.kind} {one.key_text} {one.verb}" for one in lifeguard.stores.late_events(watched)
    ]


def test_a_manager_that_overrides_another_is_one_event(ledger: Ledger) -> None:
    """An override that enters its parent's manager acquires once, and pays once, of what is held already, too."""

    class Base:
        @acquires(image, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            yield

    class Derived(Base):
        @acquires(image, key="name")
        @contextlib.contextmanager
        def open(self, name: str) -> Iterator[None]:
            with super().open(name):
                yield

    with lifeguard.scope("watched", ledger=ledger, on_violation="record") as watched:
        with Derived().open("a"):
            assert 1 == watched.watched["image"].acquired
        assert () == watched.outstanding
    assert [] == said(watched)
    assert 1 == watched.watched["image"].released


def test_the_state_of_an_object_is_not_compared_and_that_is_said(ledger: Ledger) -> None:
    """Other processes may hold what is in the same ledger: an object of this one cannot be held against it."""
    kind = lifeguard.Resource("tracked image")

    @tracks(kind, state="self.images")
    class Fake:
        def __init__(self) -> None:
            self.images: list[str] = []

        @acquires(kind, key="name")
        def create(self, name: str) -> None:
            """It forgets it at once."""

        @releases(kind, key="name")
        def delete(self, name: str) -> None:
            """It is not there."""

    with lifeguard.scope("watched", ledger=ledger, on_violation="record") as watched:
        fake = Fake()
        for name in ("a", "b"):
            fake.create(name)
            fake.delete(name)
    assert watched.verdict is not None
    assert () == watched.violations
    assert ["LG401"] == [one.code for one in watched.verdict.warnings]
    assert watched.verdict.warnings[0].message.endswith(
        "Fake is not compared: other processes may hold what is in the same ledger"
    )


def test_memory_is_as_ever_beside_it(ledger: Ledger) -> None:
    """Once a shared scope was open, what goes to the memory of the process is told as before: in the order of the verbs."""
    with lifeguard.scope("shared", ledger=ledger, on_violation="record"):
        pass
    seen: list[str] = []

    class Order:
        def began(self, call: object) -> None: ...

        def event(self, event: lifeguard.Event) -> None:
            seen.extend(act.verb.name for act in event.acts)

        def closed(self, verdict: object) -> None: ...

    @acquires(image, key="new")
    @releases(image, key="old")
    @uses(image, key="old")
    def replace(old: str, new: str) -> None: ...

    with lifeguard.scope("memory", observers=[Order()], on_violation="record") as watched:
        create("a")
        replace("a", "b")
    assert ["ACQUIRE", "USE", "RELEASE", "ACQUIRE"] == seen
    assert ["LG101 image 'b'"] == said(watched)
