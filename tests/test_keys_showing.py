"""What reports show of keys, and which keys look like a slip of type."""

from __future__ import annotations

import datetime as dt
import pathlib
import pickle
import uuid
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeguard.keys import alike, identify, plain, problem_text, repr_safely, shorten, show, show_fields

ID = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")


class Color(Enum):
    """Members of several kinds of value."""

    RED = "red"
    PAIR = (1, 2)


class Rights(Flag):
    """Members that can be combined."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    """A frozen value."""

    x: object
    y: object = 0


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("'img-1'", "img-1"),
        ("1", 1),
        ("True", True),
        ("1.0", 1.0),
        ("nan", float("nan")),
        ("None", None),
        ("b'x'", b"x"),
        ("UUID('7c9e6679-7425-40de-944b-e07fc1f90ae7')", ID),
        ("Color.RED", Color.RED),
        ("Path('/etc/x')", pathlib.PurePosixPath("/etc/x")),
        ("PureWindowsPath('c:\\\\x')", pathlib.PureWindowsPath("C:\\X")),
        ("datetime.date(2024, 1, 2)", dt.date(2024, 1, 2)),
        ("datetime.datetime(2024, 1, 2, 3, 4)", dt.datetime(2024, 1, 2, 3, 4)),
        (
            "datetime.datetime(2024, 1, 2, 3, 0, tzinfo=datetime.timezone.utc)",
            dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC),
        ),
        ("datetime.time(3, 4)", dt.time(3, 4)),
        ("datetime.time(3, 4, tzinfo=datetime.timezone.utc)", dt.time(3, 4, tzinfo=dt.UTC)),
        ("datetime.timedelta(days=1)", dt.timedelta(hours=24)),
        ("('p1', 'h1')", ("p1", "h1")),
        ("('p1',)", ("p1",)),
        ("()", ()),
        ("Point(x=1, y=(True, 'a'))", Point(1, (True, "a"))),
        ("<class 'int'>", int),
    ],
)
def test_keys_are_shown_like_their_values(expected: str, value: object) -> None:
    """The text of a key reads like the value in Python."""
    assert expected == show(identify(value))


def test_unnamed_flags_are_shown_by_their_value() -> None:
    """A combination without a name of its own is still told apart."""
    assert show(identify(Rights.READ | Rights.WRITE)) in {"Rights.READ|WRITE", "Rights(3)"}
    assert show(identify(Rights(0))) in {"Rights(0)", "Rights.0"}


def test_shown_keys_are_bounded() -> None:
    """A megabyte of text or a thousand parts are cut, and how much was cut is said."""
    text = show(identify("x" * 1_000_000))
    assert len(text) <= 120
    assert text.startswith("'xxx")
    assert text.endswith(" more)")
    text = show(identify(tuple(range(1000))))
    assert len(text) <= 120
    assert text.startswith("(0, 1, 2, ")
    assert len(show(identify("x" * 100), 40)) <= 40


def test_fields_name_the_parts() -> None:
    """A kind with fields shows each part with its name; what does not fit them is shown as it is."""
    assert "port='p1' host='h1'" == show_fields(identify(("p1", "h1")), ("port", "host"))
    assert "image='img-1'" == show_fields(identify("img-1"), ["image"])
    assert "image=('a', 'b')" == show_fields(identify(("a", "b")), ["image"])
    assert "'img-1'" == show_fields(identify("img-1"), ("port", "host"))
    assert "True" == show_fields(identify(True), ("port", "host"))
    assert "'img-1'" == show_fields(identify("img-1"), None)
    assert "('a', 'b')" == show_fields(identify(("a", "b")), ())
    assert len(show_fields(identify(("p" * 200, "h" * 200)), ("port", "host"))) <= 128


def test_a_key_of_many_parts_is_shown_to_its_last() -> None:
    """Which one it is often stands in the last part: four parts of an ordinary length are not cut."""
    part = "0123456789abcdef0123456789abcdef0123"
    shown = show_fields(identify((part, part, part, "the last")), ("cell", "server", "request", "event"))
    assert f"cell={part!r} server={part!r} request={part!r} event='the last'" == shown


@pytest.mark.parametrize(
    "value",
    [
        "a",
        1,
        b"x",
        None,
        True,
        1.5,
        ID,
        dt.date(2024, 1, 1),
        dt.datetime(2024, 1, 1),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        dt.time(1),
        dt.time(1, tzinfo=dt.UTC),
        dt.timedelta(1),
        pathlib.PurePosixPath("a"),
        ("a", (1, True, ID)),
    ],
)
def test_plain_gives_plain_values_back(value: object) -> None:
    """What is a plain value is in the records as such, with its type, and crosses process borders."""
    got = plain(identify(value))
    assert value == got
    assert type(value) is type(got)
    assert got == pickle.loads(pickle.dumps(got))


def test_plain_gives_texts_for_the_rest() -> None:
    """Members, data classes and objects are texts, also inside tuples."""

    class Server:
        def __repr__(self) -> str:
            return "Server(1)"

    server = Server()
    assert ("Color.RED", "Point(x=1, y=0)", "Server(1)") == plain(identify((Color.RED, Point(1), server)))


ALIKE: list[tuple[Any, Any]] = [
    ("1", 1),
    (1, True),
    (1, 1.0),
    (True, 1.0),
    ("True", True),
    ("1.5", 1.5),
    ("x", b"x"),
    ("None", None),
    (ID, str(ID)),
    (ID, ID.hex),
    (ID, str(ID).upper()),
    (str(ID), ID.hex.upper()),
    (ID, f"urn:uuid:{ID}"),
    (ID, f"{{{ID}}}"),
    (ID, str(ID).encode()),
    (Color.RED, "red"),
    (Rights.READ, 1),
    (pathlib.PurePosixPath("/a"), "/a"),
    (dt.date(2024, 1, 1), "2024-01-01"),
    (dt.datetime(2024, 1, 1, 2), "2024-01-01T02:00:00"),
    (dt.datetime(2024, 1, 1, 2), "2024-01-01 02:00:00"),
    (("a", 1), ("a", "1")),
    (("a", (ID, 1)), ("a", (str(ID), 1))),
]
NOT_ALIKE: list[tuple[Any, Any]] = [
    ("1", "1"),
    (1, 1),
    ("1", 2),
    ("a", "A"),
    (ID, "7c9e"),
    (("a", 1), ("b", "1")),
    (("a", 1), ("a",)),
    (("a",), "a"),
    (Color.PAIR, (1, 2)),
    ([1], [1]),
    (Point(1), Point("1")),
    (2**5000, "x"),
    ("", None),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_values_that_differ_only_by_type_are_alike(one: object, other: object) -> None:
    """The slip that a leak's report points out, in both directions."""
    assert alike(identify(one), identify(other))
    assert alike(identify(other), identify(one))


@pytest.mark.parametrize(("one", "other"), NOT_ALIKE)
def test_equal_and_different_values_are_not_alike(one: object, other: object) -> None:
    """What is equal is no slip, and what differs in more than the type is none either."""
    first, second = identify(one), identify(other)
    assert not alike(first, second)
    assert not alike(second, first)


def test_members_of_a_class_that_is_gone_are_harmless() -> None:
    """A key may outlive the enumeration that it was made of."""
    key = identify(Enum("Gone", "A").A)  # type: ignore[attr-defined]
    import gc

    gc.collect()
    assert not alike(key, "A")
    assert show(key).endswith(".A")


@given(st.text(max_size=300), st.integers(20, 200))
def test_shorten_keeps_to_its_limit_on_one_line(text: str, limit: int) -> None:
    """Whatever the text, the outcome is printable and bounded; a short printable one is left alone."""
    got = shorten(text, limit)
    assert len(got) <= limit
    assert got.isprintable()
    if text.isprintable() and len(text) <= limit:
        assert text == got


def test_shorten_says_how_much_was_cut() -> None:
    """The count is that of the characters that are missing."""
    assert "x" * 10 + "…(+90 more)" == shorten("x" * 100, 22)
    assert "\\n" * 4 + "…(+26 more)" == shorten("\n" * 30, 20)
    assert "\\n" * 10 == shorten("\n" * 10, 20)


@given(st.one_of(st.text(), st.binary(), st.lists(st.text()), st.integers()), st.integers(30, 200))
def test_repr_safely_is_bounded(value: object, limit: int) -> None:
    """A repr is never longer than asked for; a short one is the repr itself."""
    got = repr_safely(value, limit)
    assert len(got) <= limit
    if isinstance(value, str | bytes | int) and len(repr(value)) <= limit:
        assert repr(value) == got


def test_repr_safely_survives_every_repr() -> None:
    """A repr that raises, gives no text, recurses or is of another type of text is harmless; so is a huge container."""

    class Sly(str):
        __slots__ = ()

        def __len__(self) -> int:
            raise AssertionError

    class Bad:
        def __init__(self, outcome: object) -> None:
            self.outcome = outcome

        def __repr__(self) -> str:
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome  # type: ignore[return-value]

    assert "<Bad object; its repr raised ValueError>" == repr_safely(Bad(ValueError()))
    assert "<Bad object; its repr raised TypeError>" == repr_safely(Bad(5))
    assert "<Bad object; its repr raised RecursionError>" == repr_safely(Bad(RecursionError()))
    assert "sly" == repr_safely(Bad(Sly("sly")))
    assert len(repr_safely(list(range(10**6)))) <= 120
    assert len(repr_safely("\n" * 10**6)) <= 120
    cycle: list[object] = []
    cycle.append(cycle)
    assert len(repr_safely(cycle)) <= 120


def test_problem_text_is_one_bounded_line() -> None:
    """An exception is its type and the first line of its text; that there was more is said."""
    assert "KeyError: 'id'" == problem_text(KeyError("id"))
    assert "ValueError" == problem_text(ValueError())
    assert "ValueError: a …(+1 line)" == problem_text(ValueError("a\nb"))
    assert "ValueError: a …(+2 lines)" == problem_text(ValueError("\na\nb\nc\n"))
    assert len(problem_text(ValueError("x" * 10**6))) <= 200
