"""Which one a call speaks of, and what else its contracts read; several contracts on one function."""

from __future__ import annotations

from typing import Any

import pytest
from findings import codes_and_keys, held, said, unreadable, watching
from watched_calls import Instance, NotFoundError, image, images, server, spawn

from lifeguard import (
    OUTSIDE,
    Event,
    Resource,
    acquires,
    all_of,
    atomic,
    each,
    on_failure,
    releases,
    rolls_back,
    settles,
    transfers,
    uses,
)
from lifeguard.ledger.records import Call
from lifeguard.verdict import Verdict

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

    with watching("reading") as watched:
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


def test_none_is_a_key_like_another() -> None:
    """A key that is None is held, moved to and shown; it is not taken for no key at all."""

    @acquires(image, key="name")
    def create(name: str | None) -> None:
        """Acquire."""

    @transfers(image, key="name", to_key="other")
    def rename(name: str | None, other: str | None) -> None:
        """Hand on to another key."""

    with watching() as watched:
        create("a")
        rename("a", None)
    assert [("LG101", None)] == codes_and_keys(watched)
    assert "image None: still held when the scope ended" == watched.violations[0].message
    assert "from 'a' to None" == watched.violations[0].history[-1].note


def test_a_transfer_names_both_ends() -> None:
    """Histories and findings name the key or the owner that something was handed to."""

    @acquires(image, key="name")
    def create(name: str) -> None:
        """Acquire."""

    @transfers(image, key="name", to=(image, "owner"))
    def give(name: str, owner: str) -> None:
        """Hand over to another image."""

    with watching() as watched:
        create("a")
        create("b")
        give("a", "b")
        give("b", "c")
    assert [("LG107", "b")] == codes_and_keys(watched)
    assert "image 'b': handed to image 'c', which is not held" == watched.violations[0].message.partition(";")[0]
    assert ("image 'a' (held)",) == tuple(one.partition(",")[0] for one in watched.violations[0].children)
