"""How one call is read: what at its begin, what at its end, in which order, and what cannot be read."""

from __future__ import annotations

import contextlib
import functools
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from findings import held, said, unreadable, watching
from watched_calls import Instance, NotFoundError, image, images, server, spawn

from lifeguard import (
    acquires,
    after,
    atomic,
    each,
    on_failure,
    releases,
    settles,
    uses,
)

# -- begin and end --------------------------------------------------------------------------------------------------------


def test_a_key_of_arguments_is_read_before_the_call() -> None:
    """A destroy may clear the id."""

    @releases(image, key="instance.uuid")
    def destroy(instance: Instance) -> None:
        instance.uuid = None

    @acquires(image, key="instance.uuid")
    def spawn_it(instance: Instance) -> None:
        instance.uuid = "other"

    with watching() as watched:
        instance = Instance("u1")
        spawn_it(instance)
        assert ["image 'u1' (held)"] == held(watched)
        instance.uuid = "u1"
        destroy(instance)
    assert [] == said(watched)


def test_a_key_read_before_the_call_holds_when_it_raises() -> None:
    """Also where the release raised what says that the thing is gone, and had cleared the id."""

    @releases(image, key="instance.uuid", gone=NotFoundError)
    def destroy(instance: Instance) -> None:
        instance.uuid = None
        raise NotFoundError

    with watching() as watched:
        images.create("u1")
        with pytest.raises(NotFoundError):
            destroy(Instance("u1"))
    assert [] == said(watched)


def test_a_key_that_is_read_twice_is_a_key_that_changes() -> None:
    """What is read of arguments is read once, at the begin, and never again."""
    reads: list[str] = []

    class Spy:
        @property
        def uuid(self) -> str:
            reads.append("read")
            return "u1"

    @releases(image, key="spy.uuid")
    def destroy(spy: Spy) -> None:
        assert ["read"] == reads
        raise OSError

    with watching() as watched:
        images.create("u1")
        with pytest.raises(OSError):
            destroy(Spy())
    assert ["read"] == reads
    assert ["LG101 image 'u1'"] == said(watched)


def test_after_reads_when_the_call_has_returned() -> None:
    """`after` says so where the call itself sets it; in a tuple each element has its own moment."""

    @acquires(image, key=("instance.host", after("instance.uuid"), "result"))
    def spawn_it(instance: Instance) -> int:
        instance.host, instance.uuid = "changed", "set"
        return 7

    with watching() as watched:
        spawn_it(Instance(None))
        assert [("h1", "set", 7)] == [one.key for one in watched.outstanding]


def test_a_condition_of_arguments_is_read_before_the_call() -> None:
    """And one of the result after it."""

    @acquires(image, key="instance.host", when="instance.uuid is None")
    @releases(image, key="instance.host", when="instance.uuid is not None")
    def toggle(instance: Instance) -> None:
        instance.uuid = "set" if instance.uuid is None else None

    @acquires(image, key="name", when="result == 'made'")
    def maybe(name: str) -> str:
        return name

    with watching() as watched:
        instance = Instance(None)
        toggle(instance)
        assert ["image 'h1' (held)"] == held(watched)
        toggle(instance)
        assert [] == held(watched)
        maybe("found")
        maybe("made")
        assert ["image 'made' (held)"] == held(watched)


@pytest.mark.parametrize(("verb", "code"), [("delete", "LG103"), ("show", "LG104"), ("publish", "LG104")])
def test_the_end_speaks_of_the_generation_that_the_key_named_at_the_begin(verb: str, code: str) -> None:
    """While a call runs, a thread releases the thing and acquires its key anew: the call means the first life, which is gone."""

    def renew() -> None:
        def work() -> None:
            with watched.active():
                images.delete("a")
                images.create("a")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with watching() as watched:
        images.create("a")
        getattr(images, verb)("a", renew)
        assert ["image 'a' (held)"] == held(watched)
        images.delete("a")
    assert [f"{code} image 'a'"] == said(watched)


def test_a_key_unseen_at_the_begin_is_unmatched_at_the_end() -> None:
    """What was acquired while the release ran is not what it released."""
    with watching() as watched:
        images.delete("a", lambda: images.create("a"))
        assert ["image 'a' (held)"] == held(watched)
        assert 1 == watched.watched["image"].unmatched


def test_a_scope_that_opens_while_the_call_runs() -> None:
    """The scope of the end is what counts: an acquire is recorded where it returns."""

    @acquires(image, key="name")
    def create(name: str, inside: Callable[[], object]) -> None:
        inside()

    inner = watching("inner")
    with watching() as outer:
        create("a", lambda: outer.acquired(image, "b"))
        with inner:
            assert [] == held(inner)
            create("c", lambda: None)
        assert ["image 'b' (held)", "image 'a' (held)"] == held(outer)
    assert ["LG101 image 'c'"] == said(inner)


def test_a_scope_that_closes_while_the_call_runs() -> None:
    """An acquire that returns after its scope closed goes to the one that is open then, or nowhere."""

    @acquires(image, key="name")
    def create(name: str, inside: Callable[[], object]) -> str:
        inside()
        return name

    inner = watching("inner").open()
    stack = contextlib.ExitStack()
    with watching() as outer:
        stack.enter_context(inner.active())
        create("a", lambda: (stack.close(), inner.close()))
        assert ["image 'a' (held)"] == held(outer)
    assert [] == said(inner)


def test_no_scope_is_open_at_the_begin() -> None:
    """A call that began unwatched is unwatched; what it calls is watched."""
    watched = watching()

    @acquires(image, key="name")
    def create(name: str) -> None:
        watched.__enter__()

    create("a")
    images.create("b")
    assert ["image 'b' (held)"] == held(watched)
    watched.__exit__(None, None, None)


# -- what cannot be read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "result", "problem"),
    [
        ("result['id']", {}, "result['id'] could not be read: KeyError: 'id'"),
        ("result.id", 5, "result.id could not be read: AttributeError: 'int' object has no attribute 'id'"),
        (each("result"), iter("ab"), "an iterator is never consumed"),
        (lambda result: 1 / 0, None, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_key_that_cannot_be_read_is_reported_and_harms_nobody(key: Any, result: object, problem: str) -> None:
    """LG401, and the result is untouched: an iterator is never consumed."""

    @acquires(image, key=key)
    def create(result_value: object) -> object:
        return result_value

    with watching() as watched:
        assert result is create(result)
    assert problem in unreadable(watched)
    assert "acquires(image, key=" in unreadable(watched)
    if hasattr(result, "__next__"):
        assert ["a", "b"] == list(result)  # type: ignore[call-overload]


def test_the_same_unreadable_contract_is_one_finding() -> None:
    """A contract that never can be read is said once, with the number of further times under it."""

    @acquires(image, key="result['id']")
    def create() -> dict[str, str]:
        return {}

    with watching() as watched:
        for _ in range(3):
            create()
    assert ["LG401 image  LG401 LG401"] == said(watched)


def test_an_unreadable_key_of_a_call_that_raised_is_not_the_story() -> None:
    """An acquire that failed before its arguments made sense acquired nothing, whatever its key."""

    @acquires(image, key="instance.uuid")
    @releases(server, key="instance.uuid")
    def create(instance: object) -> None:
        raise OSError("first")

    with watching() as watched:
        with pytest.raises(OSError, match="first"):
            create(None)
    assert [] == said(watched)


def test_an_unreadable_key_of_an_acquire_in_doubt_is_told() -> None:
    """There it matters: something may exist of which nothing is known."""

    @acquires(image, key="instance.uuid", in_doubt=True)
    def create(instance: object) -> None:
        raise OSError("first")

    with watching() as watched:
        with pytest.raises(OSError, match="first"):
            create(None)
    assert "instance.uuid could not be read: AttributeError" in unreadable(watched)


def test_a_condition_that_leads_nowhere_is_false() -> None:
    """A missing attribute or item makes the whole condition false, and reports nothing."""

    @acquires(image, key="name", when="options.size > 3 or name == 'a'")
    @uses(server, key="options['server']", when="options['server'] is not None")
    def create(name: str, options: object) -> None: ...

    with watching() as watched:
        create("a", {})
        create("a", None)
        assert [] == held(watched)
    assert [] == said(watched)


def test_a_condition_that_raises_is_reported() -> None:
    """Any other error of a condition is LG401, at the end of the call, and nothing is acquired."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise OSError("odd")

        __hash__ = None  # type: ignore[assignment]

    @acquires(image, key="name", when="odd == 1")
    def create(name: str, odd: object) -> str:
        return name

    with watching() as watched:
        assert "a" == create("a", Odd())
        assert [] == held(watched)
    assert "odd == 1 could not be read: OSError: odd" in unreadable(watched)


def test_a_property_that_raises_does_not_raise_into_the_program() -> None:
    """Whatever Exception it is."""

    class Nasty:
        @property
        def uuid(self) -> str:
            raise NotImplementedError("nasty")

        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    @acquires(image, key="nasty.uuid")
    @uses(server, key="nasty")
    def create(nasty: Nasty) -> int:
        return 3

    with watching() as watched:
        assert 3 == create(Nasty())
    assert "NotImplementedError: nasty" in unreadable(watched)


def test_a_repr_that_raises_or_is_a_megabyte_long() -> None:
    """Identity keys are shown by a bounded text."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    class Long:
        def __repr__(self) -> str:
            return "x" * 1_000_000

    with watching() as watched:
        things = Broken(), Long(), "y" * 1_000_000
        for one in things:
            images.create(one)  # type: ignore[arg-type]
    broken, long, text = watched.violations
    assert "<Broken object; its repr raised RuntimeError>" == broken.key_text
    assert "xxxxx" in long.key_text
    assert 200 > len(long.key_text)
    assert "more)" in text.key_text
    assert 10_000 > len(text.message)
    assert 20_000 > len(watched.report())


def test_an_error_whose_text_raises_or_is_a_megabyte_long() -> None:
    """Exceptions of the program are kept as bounded texts, and never called again."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @on_failure(spawn, key="name")
    def fail(name: str, error: Exception) -> None:
        raise error

    with watching() as watched:
        with pytest.raises(Silent):
            fail("a", Silent())
        with pytest.raises(OSError):
            fail("b", OSError("z" * 1_000_000))
    assert ["LG201 spawn 'a'", "LG201 spawn 'b'"] == said(watched)
    assert "Silent: (its text raised RuntimeError)" in watched.violations[0].history[0].note
    assert 500 > len(watched.violations[1].history[0].note)


def test_an_unreadable_subject_of_atomic_or_settles() -> None:
    """LG401; the call and its exception are untouched."""

    @atomic(about="instance.uuid")
    def work(instance: object) -> None:
        raise OSError

    @settles(image, key="result['id']")
    def finish() -> dict[str, str]:
        return {}

    with watching() as watched:
        with pytest.raises(OSError):
            work(None)
        assert {} == finish()
    assert ["LG401", "LG401"] == [one.code for one in watched.violations]


def test_at_the_limit_of_recursion_the_program_gets_its_own_error() -> None:
    """What of lifeguard fails for want of stack is never an error of another sort, and the ledger stays usable."""

    @acquires(image, key="depth")
    def dive(depth: int) -> int:
        return dive(depth + 1)

    with watching() as watched:
        with pytest.raises(RecursionError):
            dive(0)
        images.create("after")
        assert "image 'after' (held)" in held(watched)


# -- what is shown --------------------------------------------------------------------------------------------------------


def create_here() -> None:
    """Calls the acquire: this is the place to show."""
    images.create("a")


def test_the_place_of_an_event_is_the_callers_line() -> None:
    """The user's frame that called, not ours and not the function's own."""
    with watching() as watched:
        create_here()
    (violation,) = watched.violations
    assert violation.acquired is not None
    assert ("create_here", create_here.__code__.co_firstlineno + 2) == (
        violation.acquired.function,
        violation.acquired.line,
    )
    assert __file__ == violation.acquired.file


def test_the_history_names_function_thread_and_error() -> None:
    """Every event: what, by which function, where, and in which thread."""
    with watching() as watched:
        images.create("a")
        with pytest.raises(OSError):
            images.delete("a", lambda: (_ for _ in ()).throw(OSError("busy")))
    (violation,) = watched.violations
    assert [
        ("acquired", "Images.create", "MainThread", ""),
        ("release raised", "Images.delete", "MainThread", "OSError: busy"),
    ] == [(one.verb, one.function, one.actor, one.note) for one in violation.history]


def test_nothing_of_the_users_is_kept_alive() -> None:
    """Records hold texts: neither arguments, results nor exceptions are referred to when the scope closed."""
    import gc
    import weakref

    class Thing:
        pass

    class ThingError(Exception):
        pass

    @acquires(image, key="thing")
    @on_failure(spawn, key="name")
    def create(thing: Thing, name: str, fail: bool) -> Thing:
        if fail:
            raise ThingError
        return thing

    def use() -> Iterator[weakref.ref[Any]]:
        thing = Thing()
        create(thing, "a", False)
        yield weakref.ref(thing)
        try:
            create(Thing(), "b", True)
        except ThingError as error:
            yield weakref.ref(error)

    with watching() as watched:
        references = list(use())
        gc.collect()
        assert [None, None] == [reference() for reference in references]
    assert 2 == len(watched.violations)


def test_a_key_of_a_function_without_code() -> None:
    """What a callable gives back is the same key as what another function takes, whatever its type."""
    issued = uuid.UUID(int=7)
    make = acquires(image, key="result")(functools.partial(lambda name: issued))

    @releases(image, key="image_id")
    def drop(image_id: uuid.UUID) -> None:
        """Give it back."""

    for _ in range(2):  # the first call finds its lane on the way
        with watching() as watched:
            make("a")
            drop(uuid.UUID(int=7))
        assert [] == said(watched)
        assert 0 == watched.watched["image"].unmatched
