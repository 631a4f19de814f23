"""When and how keys, conditions, amounts and selections are read from a call."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from lifeguard.keys import (
    Pattern,
    Unreadable,
    after,
    each,
    identify,
    parse_amount,
    parse_condition,
    parse_key,
    parse_pattern,
    pattern_of,
    show,
)


def keys_of(form: object, arguments: dict[str, object], result: object = None) -> tuple[Any, ...]:
    """Read a key at both moments."""
    expression = parse_key(form)
    return expression.finish(expression.begin(arguments), arguments, result)


def holds(form: object, result: object = None, **arguments: object) -> bool:
    """Evaluate a condition at both moments."""
    condition = parse_condition(form)
    return condition.finish(condition.begin(arguments), arguments, result)


def problem_of(read: Callable[[], object]) -> tuple[str, str]:
    """Source and problem of what cannot be read."""
    with pytest.raises(Unreadable) as caught:
        read()
    assert caught.value.__context__ is None
    assert f"{caught.value.source}: {caught.value.problem}" == str(caught.value)
    return caught.value.source, caught.value.problem


class Watched:
    """Notes which attributes and items are asked for."""

    def __init__(self) -> None:
        self.touched: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        self.touched.append(name)
        return self

    def __getitem__(self, item: object) -> object:
        self.touched.append(repr(item))
        return "value"


def test_each_element_has_its_own_moment() -> None:
    """Arguments are read before the call, result and after() behind it."""
    server = SimpleNamespace(host="before", uuid=None)
    expression = parse_key(("self.host", after("self.uuid"), "result['id']"))
    begun = expression.begin({"self": server})
    assert expression.now(begun) is None
    server.host, server.uuid = "later", "u-1"
    assert (("before", "u-1", 7),) == expression.finish(begun, {"self": server}, {"id": 7})


def test_a_key_of_arguments_is_known_at_the_beginning() -> None:
    """A destroy may clear the id: the key is what it was before the call."""
    server = SimpleNamespace(uuid="u-1")
    expression = parse_key("self.uuid")
    begun = expression.begin({"self": server})
    server.uuid = None
    assert ("u-1",) == expression.now(begun)
    assert ("u-1",) == expression.finish(begun, {"self": server}, None)


def test_callables_are_read_at_the_moment_of_what_they_want() -> None:
    """A callable that wants result is read at the end, one in after() too, any other at the beginning."""
    calls: list[str] = []

    def note(name: str) -> Callable[[Any], object]:
        def read(self: object) -> object:
            calls.append(name)
            return name

        return read

    expression = parse_key((note("first"), after(note("last")), lambda self, result: result))
    begun = expression.begin({"self": 1})
    assert ["first"] == calls
    assert (("first", "last", "r"),) == expression.finish(begun, {"self": 1}, "r")
    assert ["first", "last"] == calls


def test_callables_get_arguments_by_name() -> None:
    """Positional-only, keyword-only and optional parameters are filled from the arguments, else left to their default."""
    arguments: dict[str, object] = {"x": 1, "y": 2}
    assert ((1, 2),) == keys_of(lambda x, /, *, y: (x, y), arguments)
    assert ((1, 3),) == keys_of(lambda x, z=3: (x, z), arguments)
    assert ((1, 2),) == keys_of(lambda x, y=3: (x, y), arguments)
    assert (("r", 1),) == keys_of(lambda result, /, x: (result, x), arguments, "r")
    assert (("r", 1),) == keys_of(lambda x, result=None: (result, x), arguments, "r")


def test_result_is_the_return_value_even_where_a_parameter_is_called_so() -> None:
    """The name `result` always means what came back."""
    assert ("returned",) == keys_of("result", {"result": "argument"}, "returned")
    assert ("returned",) == keys_of(lambda result: result, {"result": "argument"}, "returned")


def test_names_of_our_own_do_not_collide_with_the_users() -> None:
    """Parameters may be called `arguments` or like builtins."""
    assert ((1, 2),) == keys_of("arguments, len", {"arguments": 1, "len": 2})


def test_reading_touches_only_what_is_written() -> None:
    """No other attribute or item is asked for, and nothing is asked for twice."""
    watched = Watched()
    keys_of("self.a.b['c']", {"self": watched})
    assert ["a", "b", "'c'"] == watched.touched


def test_reading_keys_from_literal_subscripts() -> None:
    """str, int, negative int, None and bool subscripts do what they do in Python."""
    table = {"a": "A", None: "N", True: "T"}
    assert ("A",) == keys_of("x['a']", {"x": table})
    assert (("N", "T"),) == keys_of("x[None], x[True]", {"x": table})
    assert (("last", "first"),) == keys_of("x[-1], x[0]", {"x": ["first", "last"]})


@pytest.mark.parametrize(
    "items",
    [
        ["a", "b"],
        ("a", "b"),
        {"a": 1, "b": 2},
        {"a": 1, "b": 2}.keys(),
        OrderedDict(a=1, b=2),
        UserDict({"a": 1, "b": 2}),
        UserList(["a", "b"]),
        deque(["a", "b"]),
    ],
)
def test_each_gives_the_items(items: object) -> None:
    """Lists, tuples, mappings and their like give one key for each item, mappings their keys."""
    assert ("a", "b") == keys_of(each("ids"), {"ids": items})


def test_each_of_sets_and_of_nothing() -> None:
    """Sets give their items in some order; an empty list gives no key at all."""
    assert {"a", "b"} == set(keys_of(each("ids"), {"ids": {"a", "b"}}))
    assert {"a", "b"} == set(keys_of(each("ids"), {"ids": frozenset("ab")}))
    assert () == keys_of(each("ids"), {"ids": []})
    assert () == keys_of(("host", each("ids")), {"host": "h", "ids": []})


def test_each_in_a_composite_key() -> None:
    """The other elements are repeated for each item."""
    assert (("h", 1), ("h", 2)) == keys_of(("self.host", each("result")), {"self": SimpleNamespace(host="h")}, [1, 2])
    assert (("p", "h"),) == keys_of(each("pairs"), {"pairs": [("p", "h")]})


def test_each_is_read_at_the_beginning() -> None:
    """A list that the call empties gives the items that it had."""
    ids = ["a", "b"]
    expression = parse_key(each("ids"))
    begun = expression.begin({"ids": ids})
    ids.clear()
    assert ("a", "b") == expression.finish(begun, {"ids": ids}, None)


def test_an_iterator_is_never_consumed() -> None:
    """each over an iterator, a generator or a text is unreadable, and takes nothing from it."""
    iterator = iter(["a", "b"])
    source, problem = problem_of(lambda: keys_of(each("ids"), {"ids": iterator}))
    assert "ids" == source
    assert problem.startswith("each(…) expects a list, tuple, set or mapping, got <list_iterator object")
    assert problem.endswith("(list_iterator); an iterator is never consumed")
    assert ["a", "b"] == list(iterator)
    for other in ("text", b"bytes", 5, None, map(str, [1]), bytearray(b"x")):
        _, problem = problem_of(partial(keys_of, each("ids"), {"ids": other}))
        assert problem.startswith("each(…) expects a list, tuple, set or mapping, got ")


def test_what_cannot_be_read_is_told_with_its_source() -> None:
    """A missing attribute, a missing item or any other exception is Unreadable, with the element that failed."""
    assert ("result['id']", "KeyError: 'id'") == problem_of(lambda: keys_of("self, result['id']", {"self": 1}, {}))
    assert ("self.uuid", "AttributeError: 'int' object has no attribute 'uuid'") == problem_of(
        lambda: keys_of("self.uuid", {"self": 1})
    )
    source, problem = problem_of(lambda: keys_of(lambda x: 1 // x, {"x": 0}))
    assert source.startswith("<lambda at test_keys_reading.py:")
    assert "ZeroDivisionError: integer division or modulo by zero" == problem


def test_begin_never_raises_and_the_problem_waits() -> None:
    """What could not be read at the beginning is told by now() and by finish(), also where other parts are late."""
    expression = parse_key("self.uuid, result")
    begun = expression.begin({"self": 1})
    assert expression.now(begun) is None
    assert "self.uuid" == problem_of(lambda: expression.finish(begun, {"self": 1}, 2))[0]
    early = parse_key("self.uuid")
    begun = early.begin({"self": 1})
    assert "self.uuid" == problem_of(lambda: early.now(begun))[0]


class Nasty(Exception):
    """An exception whose own text raises."""

    def __str__(self) -> str:
        raise ValueError("no text either")


def test_an_exception_whose_text_raises_is_harmless() -> None:
    """The problem then names the type."""

    def fail(x: object) -> object:
        raise Nasty

    assert "Nasty: (its text raised ValueError)" == problem_of(lambda: keys_of(fail, {"x": 1}))[1]


def test_interrupts_pass() -> None:
    """KeyboardInterrupt and SystemExit are no matter of keys."""

    def interrupt(x: object) -> object:
        raise KeyboardInterrupt

    expression = parse_key(interrupt)
    with pytest.raises(KeyboardInterrupt):
        expression.begin({"x": 1})


def test_a_kept_problem_holds_no_object_of_the_call() -> None:
    """The exception with its traceback, and so the arguments, are let go."""

    class Server:
        pass

    server = Server()
    gone = weakref.ref(server)
    expression = parse_key("self.uuid")
    begun = expression.begin({"self": server})
    del server
    gc.collect()
    assert gone() is None
    assert "self.uuid" == problem_of(lambda: expression.finish(begun, {}, None))[0]


def test_a_repr_that_failed_before_init_is_made_afterwards() -> None:
    """The key of an object that is being made shows the object as it was when it was made."""

    class Connection:
        def __repr__(self) -> str:
            return f"Connection({self.host})"  # type: ignore[attr-defined]

    connection = Connection()
    expression = parse_key("self")
    begun = expression.begin({"self": connection})
    connection.host = "h"  # type: ignore[attr-defined]
    (key,) = expression.finish(begun, {"self": connection}, None)
    del connection
    gc.collect()
    assert "Connection(h)" == show(key)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (True, "a == 1"),
        (False, "a != 1"),
        (True, "0 < a <= 1"),
        (False, "0 < a < 1"),
        (True, "a >= 1 and b"),
        (False, "a > 1 or not b"),
        (True, "b in ('x', 'y')"),
        (True, "b not in ['z', a]"),
        (True, "b in {'x'}"),
        (True, "n is None"),
        (False, "n is not None"),
        (True, "(a, b) == (1, 'x')"),
        (True, "a == 1 == a"),
        (True, "a > -1"),
        (True, "a < 1.5"),
        (True, "not n"),
        (True, "a == True"),
        (False, "n and n.x"),
        (True, "n is None or n.x"),
        (True, "d['k']['l'] == 2"),
        (False, "not (a and b)"),
    ],
)
def test_conditions_mean_what_they_mean_in_python(expected: bool, text: str) -> None:
    """Operators, chains, literals and precedence are Python's."""
    values: dict[str, Any] = {"a": 1, "b": "x", "n": None, "d": {"k": {"l": 2}}}
    assert expected == bool(eval(text, {}, values))
    assert expected is holds(text, **values)


@pytest.mark.parametrize(
    "text",
    [
        "a.x == 1",
        "not a.x",
        "a['x'] is None",
        "d['x'] == 1",
        "d['x'] != 1",
        "l[5] or True",
        "a.x is None or True",
        "not l['x']",
    ],
)
def test_what_does_not_exist_makes_the_whole_condition_false(text: str) -> None:
    """A missing attribute or item is False for the whole, not for the one comparison."""
    assert holds(text, a=1, d={}, l=[]) is False


def test_what_is_not_evaluated_does_not_count_as_missing() -> None:
    """and and or stop early, also where a part is read at the beginning and the rest at the end."""
    assert holds("a is None or a.x == 1", a=None)
    assert not holds("a is not None and a.x == 1", a=None)
    assert holds("result or a.x", result=1, a=None)
    assert not holds("result or a.x", result=0, a=None)
    assert holds("a is None or result.x", a=None)


def test_a_condition_of_arguments_reads_no_more_than_it_needs() -> None:
    """A path behind an `and` that failed is not touched."""
    watched = Watched()
    assert not holds("flag and x.y", flag=False, x=watched)
    assert [] == watched.touched


def test_conditions_read_arguments_before_and_result_behind_the_call() -> None:
    """Each path of a mixed condition has its own moment; after() makes all of it late."""
    task = SimpleNamespace(state="old")
    mixed = parse_condition("task.state == 'old' and result.ok")
    late = parse_condition(after("task.state == 'old'"))
    early = parse_condition("task.state == 'old'")
    begun = [condition.begin({"task": task}) for condition in (mixed, late, early)]
    assert [None, None, True] == [mixed.now(begun[0]), late.now(begun[1]), early.now(begun[2])]
    task.state = "new"
    arguments: dict[str, object] = {"task": task}
    assert mixed.finish(begun[0], arguments, SimpleNamespace(ok=True))
    assert not late.finish(begun[1], arguments, None)
    assert early.finish(begun[2], arguments, None)


def test_callable_conditions() -> None:
    """A callable is a condition; what it does not find makes it false, as in text."""
    assert holds(lambda result: result["id"], result={"id": 5})
    assert not holds(lambda result: result["id"], result={})
    assert not holds(lambda x: x.y, x=1)
    assert holds(after(lambda x: x), x=1)


def test_any_other_exception_makes_a_condition_unreadable() -> None:
    """A comparison of what cannot be compared, a property that fails, a truth that raises: not false, but told."""

    class Bad:
        def __bool__(self) -> bool:
            raise RuntimeError("no truth")

        @property
        def broken(self) -> object:
            raise OSError("disk")

    assert ("a < b", "TypeError: '<' not supported between instances of 'int' and 'str'") == problem_of(
        lambda: holds("a < b", a=1, b="x")
    )
    assert ("a", "RuntimeError: no truth") == problem_of(lambda: holds("a", a=Bad()))
    assert ("a.broken and result", "OSError: disk") == problem_of(lambda: holds("a.broken and result", 1, a=Bad()))
    assert "TypeError" == problem_of(lambda: holds(lambda a: a + "x", a=1))[1].split(":")[0]
    assert holds("result or a.broken", 1, a=Bad())


def test_an_attribute_error_of_a_comparison_is_not_a_missing_path() -> None:
    """Only the path itself may be missing."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise AttributeError("inside")

        __hash__ = None  # type: ignore[assignment]

    assert ("a == 1", "AttributeError: inside") == problem_of(lambda: holds("a == 1", a=Odd()))


def amounts(form: object, result: object = None, **arguments: object) -> tuple[object, ...]:
    """Read an amount at both moments."""
    expression = parse_amount(form)
    return expression.finish(expression.begin(arguments), arguments, result)


def test_amounts_are_numbers_of_any_exact_kind() -> None:
    """One number, several, a literal, or what a callable gives."""
    flavor = SimpleNamespace(vcpus=2, memory=512)
    assert (2,) == amounts("flavor.vcpus", flavor=flavor)
    assert (2, 512) == amounts("flavor.vcpus, flavor.memory", flavor=flavor)
    assert (2, 512) == amounts(lambda flavor: (flavor.vcpus, flavor.memory), flavor=flavor)
    assert (5,) == amounts("result", 5)
    assert (1,) == amounts(1)
    assert (Decimal("1.5"), Fraction(1, 3), 0.5, 0) == amounts(
        "a, b, c, d", a=Decimal("1.5"), b=Fraction(1, 3), c=0.5, d=0
    )
    assert (3,) == parse_amount("x").now(parse_amount("x").begin({"x": 3}))
    assert parse_amount("result").now(parse_amount("result").begin({})) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "an amount is a number, got True (bool)"),
        (None, "an amount is a number, got None (NoneType)"),
        ("3", "an amount is a number, got '3' (str)"),
        (-1, "an amount is finite and not negative, got -1"),
        (float("nan"), "an amount is finite and not negative, got nan"),
        (float("inf"), "an amount is finite and not negative, got inf"),
        (Decimal("nan"), "an amount is finite and not negative, got Decimal('NaN')"),
        (Decimal("inf"), "an amount is finite and not negative, got Decimal('Infinity')"),
        (3j, "an amount is a number, got 3j (complex)"),
    ],
)
def test_what_is_no_amount_is_unreadable(value: object, problem: str) -> None:
    """Bools, None, texts, negative numbers and what is not finite are told."""
    assert ("x", problem) == problem_of(lambda: amounts("x", x=value))
    assert ("x", problem) == problem_of(lambda: amounts("y, x", y=1, x=value))


def test_a_tuple_inside_several_amounts_is_unreadable() -> None:
    """Several amounts are numbers, not tuples."""
    assert ("x", "an amount is a number, got a tuple") == problem_of(lambda: amounts("x, y", x=(1, 2), y=3))


def patterns(selection: dict[str, object], result: object = None, **arguments: object) -> tuple[Pattern, ...]:
    """Read a selection at both moments."""
    expression = parse_pattern(selection, ("port", "host"))
    return expression.finish(expression.begin(arguments), arguments, result)


def test_patterns_compare_the_named_parts() -> None:
    """A selection matches keys by the parts that it names, in any order of naming."""
    (pattern,) = patterns({"host": "m.source"}, m=SimpleNamespace(source="h1"))
    assert [True, False, False, False] == [
        pattern.matches(identify(key)) for key in [("p1", "h1"), ("p1", "h2"), "h1", ("p1", "h1", "x")]
    ]
    (both,) = patterns({"host": "h", "port": "result"}, "p", h="h1")
    assert both.matches(("p", "h1"))
    assert not both.matches(("h1", "p"))
    assert "host='h1' port='p'" == str(both)


def test_patterns_of_one_part_and_of_many() -> None:
    """A kind with one part is selected by its plain key; each gives one pattern an item."""
    assert pattern_of({"server": "s1"}, ["server"]).matches("s1")
    assert not pattern_of({"server": "s1"}, ["server"]).matches("s2")
    assert pattern_of({"server": True}, ["server"]).matches(identify(True))
    assert not pattern_of({"server": True}, ["server"]).matches(identify(1))
    assert 2 == len(patterns({"host": each("hosts")}, hosts=["h1", "h2"]))
    assert () == patterns({"host": each("hosts")}, hosts=[])


def test_patterns_have_moments_and_problems_too() -> None:
    """now() knows an early selection, a late one is read at the end, a missing attribute is told."""
    early = parse_pattern({"host": "h"}, ("port", "host"))
    found = early.now(early.begin({"h": "h1"}))
    assert found is not None
    assert found[0].matches(("p", "h1"))
    late = parse_pattern({"host": after("h")}, ("port", "host"))
    assert late.now(late.begin({"h": "h1"})) is None
    assert ("m.source", "AttributeError: 'int' object has no attribute 'source'") == problem_of(
        lambda: patterns({"host": "m.source"}, m=1)
    )


def test_a_selection_never_matches_a_value_that_carries_its_type() -> None:
    """A UUID, inside a tuple of tag and value, is not taken for a key of two parts."""
    assert not pattern_of({"host": 1.0}, ("port", "host")).matches(identify(1.0))
