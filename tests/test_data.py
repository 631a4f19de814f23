"""Records are data classes to everybody, but for what those cost at import."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lifeguard
from lifeguard.data import field, record, replace
from lifeguard.verdict import Counts


@record
class Point:
    """With a default, and one made anew each time."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)

    def total(self) -> int:
        """A method."""
        return self.x + self.y


@record(eq=False)
class Alone:
    """Equal to itself alone."""

    name: str


@record(frozen=False, eq=False)
class Open:
    """Can be changed."""

    name: str
    used: bool = False


@record(kw_only=True)
class Named:
    """Fields by name only."""

    width: int = 80

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ValueError(self.width)


def test_made_as_a_data_class_is() -> None:
    """By place and by name, with defaults; each record has a default of its own where that is made anew."""
    assert (1, 2, []) == (Point(1).x, Point(1).y, Point(1).tags)
    assert "Point(x=1, y=5, tags=['a'])" == repr(Point(1, y=5, tags=["a"]))
    assert Point(1).tags is not Point(1).tags
    assert 3 == Point(1).total()
    assert 9 == Named(width=9).width


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Point(), "missing 1 required positional argument: 'x'"),  # type: ignore[call-arg]
        (lambda: Point(1, z=3), "unexpected keyword argument 'z'"),  # type: ignore[call-arg]
        (lambda: Named(5), "takes 1 positional argument but 2 were given"),  # type: ignore[misc]
    ],
)
def test_wrong_arguments(make: Callable[[], object], said: str) -> None:
    """Told by Python itself, also when the very first one is made."""
    with pytest.raises(TypeError, match=said):
        make()


def test_checked_when_made() -> None:
    """`__post_init__` is called."""
    with pytest.raises(ValueError, match="-1"):
        Named(width=-1)


def test_frozen() -> None:
    """A field is set once, there are no others, and none can be deleted."""
    point: Any = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert not hasattr(point, "__dict__")
    changing = Open("a")
    changing.used = True
    assert changing.used


def test_equal() -> None:
    """By class and fields, and hashed by them; or each by itself."""
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != (1, 2, [])
    assert 1 == len({Counts(1), Counts(1)})
    one = Alone("a")
    assert one == one
    assert one != Alone("a")
    assert 2 == len({one, Alone("a")})


def test_what_dataclasses_knows_of_them() -> None:
    """Fields with their defaults, replacing and turning into a dict."""
    assert dataclasses.is_dataclass(Point)
    fields = dataclasses.fields(Point)
    assert [("x", "int"), ("y", "int"), ("tags", "list[str]")] == [(one.name, one.type) for one in fields]
    assert (dataclasses.MISSING, 2, list) == (fields[0].default, fields[1].default, fields[2].default_factory)
    point: Any = Point(1, tags=["a"])
    assert Point(7, 2, ["a"]) == dataclasses.replace(point, x=7) == replace(Point(1, tags=["a"]), x=7)
    assert {"x": 1, "y": 2, "tags": ["a"]} == dataclasses.asdict(point)


def test_copied_pickled_and_matched() -> None:
    """As every plain value is."""
    point = Point(1, 5, ["a"])
    assert point == pickle.loads(pickle.dumps(point)) == copy.copy(point) == copy.deepcopy(point)
    match point:
        case Point(x, y):
            assert (1, 5) == (x, y)


def test_its_signature() -> None:
    """The parameters are seen before the first record is made, too."""

    @record
    class New:
        first: int
        second: str = "b"

    assert ["first", "second"] == list(inspect.signature(New).parameters)
    assert "a" == New(1, "a").second
    assert ["first", "second"] == list(inspect.signature(New).parameters)


def test_a_class_derived_from_a_record() -> None:
    """It has the record's fields, though the record itself was never made."""

    @record
    class Base:
        name: str

    class Derived(Base):
        __slots__ = ()

    assert "a" == Derived("a").name
    assert Derived("a") == Derived("a")
    assert Derived("a") != Base("a")


def test_import_needs_no_inspect() -> None:
    """What decorators need is imported when the first one is used, and what records need of `dataclasses` when asked."""
    folder = Path(lifeguard.__file__).parent.parent
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "before = set(sys.modules); import lifeguard\n"
        "print(sorted({'ast', 'dataclasses', 'dis', 'inspect', 'linecache', 'tokenize'} & (set(sys.modules) - before)))\n"
        "image = lifeguard.Resource('image')\n"
        "@lifeguard.acquires(image, key='name')\n"
        "def create(name): pass\n"
        "print('inspect' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert "[]\nTrue\n" == run.stdout
