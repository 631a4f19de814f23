"""What makes two keys the same key, and what a key keeps alive."""

from __future__ import annotations

import copy
import datetime as dt
import gc
import pathlib
import pickle
import sys
import threading
import uuid
import weakref
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeguard.keys import ObjectKey, Tagged, forget, hold, identify, plain, show
from lifeguard.keys import identity as identity_module


class Color(Enum):
    """Members by value, one with an alias."""

    RED = 1
    CRIMSON = 1  # noqa: PIE796 - the alias is meant
    BLUE = 2


class Other(Enum):
    """Has a member like one of Color."""

    RED = 1


class Text(str, Enum):  # noqa: UP042 - the older spelling is the one in use
    """Members that are texts."""

    A = "a"


class Number(IntEnum):
    """Members that are numbers."""

    ONE = 1


class Rights(Flag):
    """Members that can be combined."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    """A frozen value."""

    x: object
    y: object = 0
    note: str = field(default="", compare=False)


@dataclass(frozen=True)
class Place:
    """Another one with the same fields."""

    x: object
    y: object = 0


@dataclass
class Mutable:
    """Equal by value, but it can change."""

    x: object = 0


def refuse(*_: object) -> NoReturn:
    """Stands for code of the user's that must not run."""
    raise AssertionError("user code ran")


class Hostile:
    """An object whose comparison, hash and truth must not be asked for."""

    __eq__ = __ne__ = __hash__ = __bool__ = refuse


class HostileText(str):
    """A text whose comparison and hash must not be asked for."""

    __slots__ = ()
    __eq__ = __ne__ = __hash__ = __str__ = __len__ = refuse


class HostileInt(int):
    """A number whose comparison and hash must not be asked for."""

    __eq__ = __ne__ = __hash__ = __int__ = __index__ = refuse


class HostileBytes(bytes):
    """Bytes whose comparison and hash must not be asked for."""

    __eq__ = __ne__ = __hash__ = __bytes__ = refuse


class HostileTuple(tuple[object, ...]):
    """A tuple whose comparison, hash and iteration must not be asked for."""

    __slots__ = ()
    __eq__ = __ne__ = __hash__ = __iter__ = __len__ = refuse


class HostileMeta(type):
    """A class of classes that cannot be compared."""

    __eq__ = __ne__ = __hash__ = refuse


class WithHostileClass(metaclass=HostileMeta):
    """An instance of a class that cannot be hashed."""


class Slotted:
    """An object that cannot be referred to weakly."""

    __slots__ = ("value",)


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, float("nan"), float("inf")]),
    st.sampled_from(["", "1", "a", "None", "True", "1.0"]),
    st.text(max_size=4),
    st.sampled_from([b"", b"1", b"a"]),
    st.sampled_from([uuid.UUID(int=0), uuid.UUID(int=1), Color.RED, Color.CRIMSON, Color.BLUE, Other.RED]),
    st.sampled_from([Rights.READ, Rights.READ | Rights.WRITE, Rights(0)]),
    st.sampled_from([pathlib.PurePosixPath("a"), pathlib.PurePosixPath("A"), pathlib.PureWindowsPath("A")]),
    st.sampled_from([pathlib.PureWindowsPath("a"), pathlib.Path("a")]),
    st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
    st.sampled_from([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
    st.sampled_from([dt.datetime(2024, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))]),
    st.sampled_from([dt.time(1), dt.time(1, tzinfo=dt.UTC), dt.time(2, tzinfo=dt.timezone(dt.timedelta(hours=1)))]),
    st.sampled_from([dt.timedelta(hours=24), dt.timedelta(days=1), dt.timedelta(0)]),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.builds(Point, inner, inner), st.builds(Place, inner, inner)
    ),
    max_leaves=5,
)


def family(value: object) -> type:
    """The types within which plain values may be equal."""
    for kind in (bool, int, float, str, bytes, tuple, dt.datetime, dt.date, dt.time, pathlib.PurePath):
        if isinstance(value, kind):
            return kind
    return type(value)


def same(one: Any, other: Any) -> bool:
    """The obvious model of equality: the same kind of value, and equal; a float that is no number equals itself."""
    if family(one) is not family(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, Point | Place):
        return same(one.x, other.x) and same(one.y, other.y)
    return bool(one == other) or bool(one != one and other != other)


@given(VALUES, VALUES)
def test_equal_values_have_equal_keys_and_different_ones_do_not(one: object, other: object) -> None:
    """identify is a congruence: keys are equal exactly where the values are."""
    left, right = identify(one), identify(other)
    assert same(one, other) == (left == right)
    assert same(one, other) == (right == left)
    if left == right:
        assert hash(left) == hash(right)


@given(VALUES)
def test_a_copy_has_the_same_key(value: object) -> None:
    """The value counts, not the object."""
    assert identify(value) == identify(copy.deepcopy(value))
    assert identify(value) == identify(pickle.loads(pickle.dumps(value)))


@given(VALUES)
def test_a_key_is_its_own_key(value: object) -> None:
    """What is normalised stays as it is."""
    key = identify(value)
    assert key == identify(key)


@given(VALUES)
def test_every_key_has_a_text_and_a_value_that_pickles(value: object) -> None:
    """Reports can show each key in one bounded line, and records of it cross process borders."""
    key = identify(value)
    assert 0 < len(show(key)) <= 120
    pickle.dumps(plain(key))


def test_numbers_carry_their_type() -> None:
    """1, True and 1.0 are three keys, alone and in tuples; -0.0 is 0.0 and nan is nan."""
    assert 3 == len({identify(1), identify(True), identify(1.0)})
    assert 3 == len({identify((1,)), identify((True,)), identify((1.0,))})
    assert identify(0.0) == identify(-0.0)
    assert identify(float("nan")) == identify(float("-nan"))
    assert identify(0) != identify(False)


def test_instances_of_subclasses_stand_for_their_base_value() -> None:
    """A str, int or bytes of the user's own is what it holds; so are members of mixed enumerations."""
    for expected, value in [
        ("a", HostileText("a")),
        (7, HostileInt(7)),
        (b"x", HostileBytes(b"x")),
        ("a", Text.A),
        (1, Number.ONE),
    ]:
        key = identify(value)
        assert type(expected) is type(key)
        assert expected == key


def test_named_tuples_are_tuples() -> None:
    """The names of a named tuple are no part of the key."""
    pair = namedtuple("pair", "port host")
    key = identify(pair("p", "h"))
    assert type(key) is tuple
    assert ("p", "h") == key


def test_plain_values_are_their_own_keys() -> None:
    """str, int and bytes are not wrapped, so that they cost nothing; None is, so that it is not taken for no key at all."""
    assert None is not identify(None)
    assert identify(None) is identify(None)
    assert (None, "None") == (plain(identify(None)), show(identify(None)))
    for value in ("text", 12345678901234567890, b"bytes"):
        assert value is identify(value)


def test_no_user_code_compares_or_hashes() -> None:
    """Objects, texts, tuples, classes and data classes with a hostile __eq__ and __hash__ are harmless keys."""
    values: list[Any] = [
        Hostile(),
        HostileText("h"),
        HostileInt(3),
        HostileBytes(b"h"),
        HostileTuple([Hostile(), 1]),
        WithHostileClass(),
        WithHostileClass,
        Point(Hostile()),
        (Hostile(), [Hostile()]),
    ]
    for value in values:
        assert identify(value) == identify(value)
        assert 1 == len({identify(value), identify(value)})
    assert len(values) == len({identify(value) for value in values})


def test_enumerations_and_data_classes_belong_to_their_class() -> None:
    """Equal members or fields of another class make another key; aliases are the same member."""
    assert identify(Color.RED) != identify(Other.RED)
    assert identify(Color.RED) == identify(Color.CRIMSON)
    assert identify(Point(1, 2)) != identify(Place(1, 2))
    assert identify(Point(1)) != identify(Point(True))
    assert identify(Point(1, note="a")) == identify(Point(1, note="b"))


def test_a_user_tuple_never_equals_a_tagged_value() -> None:
    """Not even a tuple that is made of what makes up the tagged one."""
    key = identify(True)
    assert isinstance(key, Tagged)
    assert key != identify(tuple(key))
    assert "<BOOL>" == repr(key[0])


def test_data_classes_that_can_change_are_objects() -> None:
    """Only frozen data classes are values; also one that lacks a field is an object."""
    one, other = Mutable(), Mutable()
    assert one == other
    assert identify(one) != identify(other)
    broken = object.__new__(Point)
    assert isinstance(identify(broken), ObjectKey)


@pytest.mark.parametrize(
    "make", [list, dict, set, object, Slotted, lambda: Mutable([]), lambda: lambda: None, lambda: 1j]
)
def test_everything_else_goes_by_identity(make: Callable[[], object]) -> None:
    """Two equal objects are two keys, and one object keeps its key while somebody holds it."""
    one, other = make(), make()
    if one is other:
        other = complex("1j")
    first = identify(one)
    assert isinstance(first, ObjectKey)
    assert first is identify(one)
    assert first.target() is one
    assert first != identify(other)


def test_a_weakly_known_object_is_not_kept_alive() -> None:
    """The key of an ordinary object does not hold it."""
    value = Hostile()
    gone = weakref.ref(value)
    key = identify(value)
    assert isinstance(key, ObjectKey)
    assert not key.strong
    del value
    gc.collect()
    assert gone() is None
    assert key.target() is None


def test_an_object_that_gets_the_same_id_is_another() -> None:
    """A key is a serial number, never the bare id."""
    keys: list[Any] = []
    ids: set[int] = set()
    reused = False
    for _ in range(50):
        value = Mutable()
        reused = reused or id(value) in ids
        ids.add(id(value))
        keys.append(identify(value))
        del value
    assert reused, "the interpreter gave no id out twice, so this test shows nothing"
    assert 50 == len(set(keys))
    assert 50 == len({key.serial for key in keys})


def test_an_object_that_cannot_be_weak_is_kept_until_it_is_forgotten() -> None:
    """The key alone keeps a list alive; after forget nothing of lifeguard refers to it."""
    value: list[object] = []
    key = identify(("h", (value,)))
    referrers = [one for one in gc.get_referrers(value) if isinstance(one, ObjectKey)]
    assert 1 == len(referrers)
    assert referrers[0].strong
    forget(key)
    del referrers
    assert [] == [one for one in gc.get_referrers(value) if type(one).__module__.startswith("lifeguard")]
    assert identify(("h", (value,))) != key


def test_a_key_that_nobody_holds_lets_go_of_its_object() -> None:
    """Where no obligation was opened, nothing has to be forgotten."""
    value = Slotted()
    before = sys.getrefcount(value)
    key = identify(value)
    assert before < sys.getrefcount(value)
    del key
    assert before == sys.getrefcount(value)


def test_each_hold_asks_for_one_forget() -> None:
    """Two obligations on one list: it stays known until both are settled; one forget too many does no harm."""
    value: list[object] = []
    key = identify((value, Point(1)))
    hold(key)
    hold(key)
    forget(key)
    assert key == identify((value, Point(1)))
    forget(key)
    assert key != identify((value, Point(1)))
    forget(key)
    hold("plain")
    forget("plain")


def test_forgetting_a_weak_key_changes_nothing() -> None:
    """A second release of an ordinary object is still recognised."""
    value = Mutable()
    key = identify(value)
    forget(key)
    assert key is identify(value)


def test_nothing_stays_in_the_registry() -> None:
    """Keys and objects that are gone leave no entry, whichever of them goes first."""
    gc.collect()
    before = len(identity_module._registry)
    first, second = Mutable(), Mutable()
    first_key, second_key = identify(first), identify(second)
    assert before + 2 == len(identity_module._registry)
    del first
    assert before + 1 == len(identity_module._registry)
    del second_key
    assert before == len(identity_module._registry)
    del first_key, second
    kept = [identify([]) for _ in range(10)]
    for key in kept:
        forget(key)
    assert before == len(identity_module._registry)


def test_the_text_of_an_object_is_made_when_it_is_first_seen() -> None:
    """It is bounded, on one line, and outlives the object."""

    class Server:
        def __repr__(self) -> str:
            return "Server\n" + "x" * 1_000_000

    key = identify(Server())
    gc.collect()
    assert isinstance(key, ObjectKey)
    assert len(key.text) <= 80
    assert key.text.startswith("Server\\nxxx")
    assert key.text.endswith(" more)")
    assert "…(+" in key.text


def test_a_repr_that_raises_is_told_and_tried_again() -> None:
    """The text says so, until the object is seen again and can be shown; showing a key runs no code of the user's."""

    class Server:
        name: str

        def __repr__(self) -> str:
            if not hasattr(self, "name"):
                raise ValueError("too early")
            return f"Server({self.name})"

    server = Server()
    key = identify(server)
    assert isinstance(key, ObjectKey)
    assert "<Server object; its repr raised ValueError>" == key.text
    server.name = "s"
    assert "<Server object; its repr raised ValueError>" == show(key)
    assert key is identify(server)
    assert "Server(s)" == show(key)
    assert f"<key {key.serial}: Server(s)>" == repr(key)


def test_moments_in_different_zones_are_compared_as_moments() -> None:
    """An aware datetime is an instant, a naive one is none; the ends of the calendar work too."""
    east = dt.timezone(dt.timedelta(hours=2))
    assert identify(dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)) == identify(dt.datetime(2024, 1, 1, 14, tzinfo=east))
    assert identify(dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)) != identify(dt.datetime(2024, 1, 1, 12))
    assert identify(dt.date(2024, 1, 1)) != identify(dt.datetime(2024, 1, 1))
    first = identify(dt.datetime.min.replace(tzinfo=east))
    assert first != identify(dt.datetime.min.replace(tzinfo=dt.UTC))
    assert "-7200000000 µs after year 1, UTC" == plain(first)


def test_a_time_zone_of_the_users_is_asked_once() -> None:
    """Its code runs when the key is made, never when keys are compared."""
    calls: list[object] = []

    class Zone(dt.tzinfo):
        def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
            calls.append(when)
            return dt.timedelta(hours=1)

        dst = tzname = refuse

    key = identify(dt.datetime(2024, 1, 1, tzinfo=Zone()))
    assert 1 == len(calls)
    assert key == identify(dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC))
    assert 1 == len(calls)


def test_threads_agree_on_the_key_of_an_object() -> None:
    """However many threads see an object first, it has one key."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            value, found = Mutable(), list[Any]()
            barrier = threading.Barrier(4)

            def look(value: object = value, found: list[Any] = found, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                found.append(identify(value))

            threads = [threading.Thread(target=look) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert 4 == len(found)
            assert 1 == len({key.serial for key in found})
    finally:
        sys.setswitchinterval(interval)


def test_a_finaliser_may_identify() -> None:
    """A __del__ that makes keys, run by the collector at any moment, disturbs nothing."""
    seen: list[Any] = []

    class Closing:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            seen.append(identify(self).text)  # type: ignore[union-attr]
            identify([1])

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        keys = [identify(value) for value in [Closing() for _ in range(20)]]
        gc.collect()
    finally:
        gc.set_threshold(*threshold)
    assert 20 == len(set(keys))
    gc.collect()
    assert 20 == len(seen)


def test_the_light_import_loads_no_type_for_nothing() -> None:
    """Without uuid, pathlib and datetime loaded, no value can have their types, and none is looked for."""
    modules = {name: sys.modules.pop(name) for name in ("uuid", "datetime", "pathlib")}
    try:
        value = Mutable()
        assert isinstance(identify(value), ObjectKey)
    finally:
        sys.modules.update(modules)
