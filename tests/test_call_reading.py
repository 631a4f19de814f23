"""How one call is read: what at its begin, what at its end, in which order, and what cannot be read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lifeguard import (
    OUTSIDE,
    Event,
    Resource,
    Rollback,
    acquires,
    after,
    all_of,
    atomic,
    each,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
    transfers,
    uses,
)
from lifeguard.ledger.records import Call
from lifeguard.scopes import Scope
from lifeguard.verdict import Verdict

image = Resource("image")
server = Resource("server")
spawn = Rollback("spawn")


def watching(name: str = "reading") -> Scope:
    """A scope that only records."""
    return scope(name, on_violation="record")


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


def unreadable(watched: Scope) -> str:
    """The text of the only finding, which is LG401."""
    assert watched.verdict is not None
    (violation,) = watched.verdict.violations
    assert "LG401" == violation.code
    return violation.message


class NotFoundError(Exception):
    """What a service says of something that is not there."""


@dataclass
class Instance:
    """An instance, compared by nothing that the tests use."""

    uuid: str | None
    host: str = "h1"


class Images:
    """A service."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        return name

    @releases(image, key="name", gone=NotFoundError)
    def delete(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Release, after something else."""
        inside()

    @uses(image, key="name")
    def show(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Use, after something else."""
        inside()

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str, inside: Callable[[], object] = lambda: None) -> None:
        """Transfer, after something else."""
        inside()


images = Images()


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


# -- which one ------------------------------------------------------------------------------------------------------------


def test_objects_are_known_by_identity() -> None:
    """Whatever their `__eq__` and `__hash__` say; a strict equality never runs."""

    class Handle:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("never compared")

        def __hash__(self) -> int:
            raise AssertionError("never hashed")

    @acquires(image, key="result")
    def open_it() -> Handle:
        return Handle()

    @releases(image, key="handle")
    def close(handle: Handle) -> None: ...

    with watching() as watched:
        first, second = open_it(), open_it()
        close(second)
        assert 1 == len(watched.outstanding)
        close(first)
        close(first)
    assert ["LG103"] == [one.code for one in watched.violations]


def test_each_acquires_and_releases_many() -> None:
    """A list, tuple, set or mapping; an empty one is none."""

    @acquires(image, key=each("result"))
    def create_all(names: Any) -> Any:
        return names

    @releases(image, key=each("names"))
    def delete_all(names: Any) -> None:
        names.clear()

    with watching() as watched:
        create_all(["a", "b"])
        create_all({"c": 1, "d": 2})
        create_all(())
        assert ["image 'a' (held)", "image 'b' (held)", "image 'c' (held)", "image 'd' (held)"] == held(watched)
        delete_all(["d", "b"])
        delete_all({"a", "c"})
    assert [] == said(watched)


def test_each_in_a_composite_key() -> None:
    """One key for each item, with the other parts the same."""

    @acquires(image, key=("host", each("names")))
    def create_all(host: str, names: list[str]) -> None: ...

    with watching() as watched:
        create_all("h1", ["a", "b"])
        assert [("h1", "a"), ("h1", "b")] == [one.key for one in watched.outstanding]


def test_self_in_the_key_tells_two_issuers_apart() -> None:
    """Where fakes number from 1, the issuer belongs into the key; LG106 on two receivers says so."""

    class Fake:
        @acquires(image, key="number")
        def create(self, number: int) -> None: ...

        @acquires(server, key="self, number")
        def boot(self, number: int) -> None: ...

    one, two = Fake(), Fake()
    with watching() as watched:
        one.create(1)
        two.create(1)
        one.boot(1)
        two.boot(1)
        assert 2 == len([each for each in watched.outstanding if each.kind == "server"])
    (again,) = [found for found in watched.violations if found.code == "LG106"]
    assert 'the issuer belongs into the key (key="self, …")' in again.message


def test_the_same_receiver_is_not_accused_of_numbering_from_one() -> None:
    """LG106 on one receiver is a plain second acquire."""
    with watching() as watched:
        images.create("a")
        images.create("a")
    (again,) = watched.violations
    assert "LG106" == again.code
    assert "issuer" not in again.message


# -- the other expressions ------------------------------------------------------------------------------------------------


def test_about_names_subjects() -> None:
    """An unnamed subject, one of a kind, a list; None is no subject."""

    @acquires(image, key="name", about=["instance.uuid", (server, "instance.host"), "nothing"])
    def create(name: str, instance: Instance, nothing: object = None) -> None: ...

    with watching() as watched:
        create("a", Instance("u1"))
        (one,) = watched.outstanding
    assert ["'u1'", "server 'h1'"] == [str(subject) for subject in one.subjects]
    assert [(None, "u1"), ("server", "h1")] == [(subject.kind, subject.key) for subject in one.subjects]


def test_about_can_mention_the_result() -> None:
    """It is read at the end, then; of a call that raised there is no such subject."""

    @acquires(image, key="name", about="result", in_doubt=True)
    def create(name: str, fail: bool) -> str:
        if fail:
            raise OSError
        return "subject of " + name

    with watching() as watched:
        create("a", False)
        with pytest.raises(OSError):
            create("b", True)
        assert [["subject of a"], []] == [[subject.key for subject in one.subjects] for one in watched.outstanding]


def test_within_names_the_parent() -> None:
    """By the expression alone where the kind names its parent's kind, else with the kind."""
    port = Resource("port", within=server)
    disk = Resource("disk")

    @acquires(server, key="name")
    def boot(name: str) -> None: ...

    @releases(server, key="name")
    def stop(name: str) -> None: ...

    @acquires(port, key="name", within="server_id")
    @acquires(disk, key="name", within=(server, "server_id"))
    def attach(name: str, server_id: str) -> None: ...

    with watching() as watched:
        boot("s1")
        attach("x", "s1")
        stop("s1")
    assert ["LG101 disk 'x'", "LG101 port 'x'", "LG108 server 's1'"] == sorted(said(watched))


def test_within_each_pairs_keys_and_parents() -> None:
    """With `each` on both sides one parent for each; a differing number is LG401."""
    port = Resource("port", within=server)

    @acquires(server, key=each("names"))
    def boot(names: list[str]) -> None: ...

    @releases(server, key="name", cascade=True)
    def stop(name: str) -> None: ...

    @acquires(port, key=each("names"), within=each("servers"))
    def attach(names: list[str], servers: list[str]) -> None: ...

    with watching() as watched:
        boot(["s1", "s2"])
        attach(["p1", "p2"], ["s1", "s2"])
        attach(["p3", "p4"], ["s1"])
        stop("s1")
        assert ["server 's2' (held)", "port 'p2' (held)"] == held(watched)
        stop("s2")
    assert "gives 1 keys for 2 resources" in unreadable(watched)


def test_amounts_are_read_like_keys() -> None:
    """An expression, a literal, several; what is no amount is LG401, and the call goes on."""
    cpus = Resource("vcpus")

    @acquires(cpus, key="host", amount="wanted.vcpus, wanted.memory")
    def claim(host: str, wanted: Any) -> str:
        wanted.vcpus = 99
        return host

    @releases(cpus, key="host", amount="vcpus, memory")
    def unclaim(host: str, vcpus: int, memory: int) -> None: ...

    class Flavor:
        vcpus: Any = 2
        memory: Any = 512

    with watching() as watched:
        assert "h1" == claim("h1", Flavor())
        unclaim("h1", 2, 500)
        assert ["vcpus 'h1' (partly released)"] == held(watched)
        unclaim("h1", 0, 12)
        bad = Flavor()
        bad.vcpus = "two"
        assert "h2" == claim("h2", bad)
    assert "an amount is a number, got 'two'" in unreadable(watched)


def test_to_a_scope() -> None:
    """`to=` may give an open scope; a closed one cannot pay, what is none is LG401, and the giver keeps it."""

    class Handover:
        @transfers(image, key="name", to="target")
        def give(self, name: str, target: object) -> None: ...

    other = watching("other").open()
    closed = watching("closed").open()
    closed.close()
    with watching() as watched:
        for name in "abcd":
            images.create(name)
        Handover().give("a", other)
        Handover().give("b", closed)
        Handover().give("c", "no scope")
        Handover().give("d", OUTSIDE)
        assert ["image 'b' (held)", "image 'c' (held)"] == held(watched)
        assert ["image 'a' (held)"] == held(other)
    other.close()
    codes = sorted(one.code + one.key_text for one in watched.violations)
    assert ["LG101'c'", "LG107'b'", "LG401"] == codes
    (problem,) = [one.message for one in watched.violations if one.code == "LG401"]
    assert "gives 'no scope', which is neither a scope nor OUTSIDE" in problem


def test_to_a_resource_and_to_another_key() -> None:
    """The owner, and the new key, are read from the arguments; `to_key` with `each` pairs."""

    @transfers(image, key="name", to=(server, "owner.uuid"))
    def attach(name: str, owner: Instance) -> None:
        owner.uuid = None

    @transfers(image, key=each("names"), to_key=each("result"))
    def rename(names: list[str]) -> list[str]:
        return [name.upper() for name in names]

    with watching() as watched:
        watched.acquired(server, "s1")
        images.create("a")
        images.create("b")
        rename(["a", "b"])
        attach("A", Instance("s1"))
        assert ["server 's1'", "scope 'reading'"] == [one.owner for one in watched.outstanding if one.kind == "image"]
        watched.released(server, "s1")
        assert ["image 'B' (held)"] == held(watched)


def test_gone_pays_where_the_exception_says_so() -> None:
    """`gone` names exceptions of a release that pay; `BaseException` pays on the attempt; another has not paid."""

    @releases(server, key="name", gone=BaseException)
    def close(name: str, error: BaseException) -> None:
        raise error

    def not_found() -> None:
        raise NotFoundError

    def other() -> None:
        raise OSError

    with watching() as watched:
        images.create("a")
        with pytest.raises(OSError):
            images.delete("a", other)
        assert ["image 'a' (held)"] == held(watched)
        with pytest.raises(NotFoundError):
            images.delete("a", not_found)
        assert [] == held(watched)
        watched.acquired(server, "s1")
        with pytest.raises(KeyboardInterrupt):
            close("s1", KeyboardInterrupt())
        assert [] == held(watched)
    assert [] == said(watched)


def test_in_doubt_and_looking_for_it() -> None:
    """An acquire that raised may have taken effect: a use that finds it, one that does not, and nobody looking."""

    @acquires(image, key="name", in_doubt=True)
    def create(name: str) -> None:
        raise TimeoutError

    @uses(image, key="name", gone=NotFoundError)
    def look(name: str, there: bool) -> None:
        if not there:
            raise NotFoundError

    with watching() as watched:
        for name in "abc":
            with pytest.raises(TimeoutError):
                create(name)
        look("a", True)
        with pytest.raises(NotFoundError):
            look("b", False)
        assert ["image 'a' (held)", "image 'c' (in doubt)"] == held(watched)
        images.delete("a")
    assert ["LG205 image 'c'"] == said(watched)


def test_parts_and_idempotent_and_cascade_reach_the_ledger() -> None:
    """What a release declares is what it does."""
    pair = Resource("pair", needs=all_of("stop", "close"))

    @releases(pair, key="name", part="stop")
    def stop(name: str) -> None: ...

    @releases(pair, key="name", part="close", idempotent=True)
    def close(name: str) -> None: ...

    with watching() as watched:
        watched.acquired(pair, "p")
        stop("p")
        assert ["pair 'p' (partly released)"] == held(watched)
        close("p")
        close("p")
        assert [] == held(watched)
    assert [] == said(watched)


# -- several contracts on one function ------------------------------------------------------------------------------------


class Order:
    """An observer that writes down the verbs of each call's acts, in the order in which they were applied."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def began(self, call: Call) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Remember."""
        self.seen.append([act.verb.name for act in event.acts])

    def closed(self, verdict: Verdict) -> None:
        """Nothing."""


def test_the_contracts_of_one_function_apply_in_order() -> None:
    """Uses, releases, acquires, transfers, failures, however they are written."""
    order = Order()

    @on_failure(spawn, key="name", exc=(), when="not result")
    @transfers(image, key="name", to=OUTSIDE)
    @acquires(server, key="name")
    @releases(server, key="old")
    @uses(image, key="name")
    def replace(name: str, old: str) -> bool:
        return False

    with watching() as watched:
        watched.acquired(server, "old")
        images.create("a")
        watched.book.observers = (order,)
        replace("a", "old")
        assert ["server 'a' (held)", "spawn 'a' (owed)"] == held(watched)
    assert [["USE", "RELEASE", "ACQUIRE", "TRANSFER", "FAIL"]] == order.seen
    assert ["LG101 server 'a'", "LG201 spawn 'a'"] == said(watched)


def test_release_and_acquire_of_one_key_is_a_renewal() -> None:
    """The release names what was held at the begin; the acquire makes a new generation."""

    @acquires(image, key="new")
    @releases(image, key="old")
    def renew(old: str, new: str) -> None: ...

    with watching() as watched:
        images.create("a")
        renew("a", "a")
        assert ["image 'a' (held)"] == held(watched)
        assert (2, 1) == (watched.watched["image"].acquired, watched.watched["image"].released)
    assert ["LG101 image 'a'"] == said(watched)


def test_acquire_and_transfer_in_one_call() -> None:
    """What the call makes, it may hand over: the key is of the result, so it is looked up at the end."""

    @transfers(image, key="result", to=(server, "owner"))
    @acquires(image, key="result")
    def create_for(owner: str) -> str:
        return "made"

    with watching() as watched:
        watched.acquired(server, "s1")
        create_for("s1")
        assert ["server 's1'"] == [one.owner for one in watched.outstanding if one.kind == "image"]
        watched.released(server, "s1")
    assert [] == said(watched)


def test_acquire_and_transfer_in_one_call_by_an_argument() -> None:
    """The same where the key is an argument: nothing was held at the begin, so what the call itself acquired is meant."""

    @transfers(image, key="name", to=OUTSIDE)
    @acquires(image, key="name")
    def publish_new(name: str) -> None: ...

    with watching() as watched:
        publish_new("a")
        publish_new("a")
        assert [] == held(watched)
        assert (2, 2, 0) == (
            watched.watched["image"].acquired,
            watched.watched["image"].transferred,
            watched.watched["image"].unmatched,
        )
    assert [] == said(watched)


def test_settles_judges_after_what_the_call_itself_says() -> None:
    """The release of the very call has been told when its settling is judged."""

    @settles(image, key="name")
    @releases(image, key="name")
    def finish(name: str) -> None: ...

    with watching() as watched:
        images.create("a")
        finish("a")
    assert [] == said(watched)


def test_settles_for_returned_and_atomic_for_raised() -> None:
    """Both on one function: the one end that happened decides."""

    @settles(image)
    @atomic
    def work(name: str, fail: bool) -> None:
        images.create(name)
        if fail:
            raise OSError

    with watching() as watched:
        work("a", False)
        with pytest.raises(OSError):
            work("b", True)
    assert ["LG111 image 'a' LG101", "LG204 image 'b' LG101"] == said(watched)


def test_a_failure_and_a_rollback_in_one_class() -> None:
    """A raised rollback is an attempt; a returned one pays."""

    class Driver:
        @on_failure(spawn, key="name")
        def start(self, name: str) -> None:
            raise OSError("no host")

        @rolls_back(spawn, key="name")
        def cleanup(self, name: str, fail: bool = False) -> None:
            if fail:
                raise OSError("busy")

    driver = Driver()
    with watching() as watched:
        for name in "ab":
            with pytest.raises(OSError, match="no host"):
                driver.start(name)
            with pytest.raises(OSError, match="busy"):
                driver.cleanup(name, True)
        driver.cleanup("a")
    assert ["LG202 spawn 'b'"] == said(watched)
    assert ["failed", "rollback raised"] == [one.verb for one in watched.violations[0].history]
    assert ["OSError: no host", "OSError: busy"] == [one.note for one in watched.violations[0].history]


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
