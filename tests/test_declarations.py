"""Contracts that are written wrongly: an error at once, which names the value, what was expected, and the user's line."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest

import lifeguard
from lifeguard import (
    OUTSIDE,
    DeclarationError,
    Resource,
    Rollback,
    acquires,
    after,
    all_of,
    atomic,
    contracts_of,
    each,
    invariant,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
    transfers,
    uses,
)

image = Resource("image")
server = Resource("server", fields=("host", "name"))
port = Resource("port", within=server)
pair = Resource("pair", needs=all_of("stop", "close"))
counted = Resource("counted", again="count")
spawn = Rollback("spawn")
task = Rollback("task", order="lifo")

wrong: Any = "a value of the wrong sort"


def function(image_id: str, name: str = "") -> str:
    """The function that the contracts below are put on."""
    return image_id


def number(value: object = 1) -> Any:
    """Something that a type checker knows nothing of."""
    return value


# What is written, and what the message says: the value, and what was expected.
DECORATORS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "a kind that is a text": (
        lambda: acquires(wrong, key="a"),
        ["acquires(…) takes a Resource", "'a value of the wrong sort'"],
    ),
    "a kind that is a class": (lambda: releases(number(Resource), key="a"), ["releases(…) takes a Resource", "<class"]),
    "a rollback for a resource": (
        lambda: uses(number(spawn), key="a"),
        ["takes a Resource, not the rollback Rollback('spawn')"],
    ),
    "a resource for a rollback": (
        lambda: on_failure(number(image), key="a"),
        ["takes a Rollback", "Resource('image')"],
    ),
    "rolls_back of a resource": (lambda: rolls_back(number(image), key="a"), ["rolls_back(…) takes a Rollback"]),
    "no key at all": (lambda: acquires(image, key=None), ["key=None", "a contract says which one"]),
    "an empty key": (lambda: acquires(image, key=""), ["key=''"]),
    "a key that is a number": (lambda: acquires(image, key=7), ["key=7"]),
    "a key that is a list": (lambda: acquires(image, key=["a"]), ["key=['a']"]),
    "a call in a key": (lambda: acquires(image, key="name.upper()"), ["key='name.upper()'", "a call"]),
    "arithmetic in a key": (lambda: acquires(image, key="a + b"), ["key='a + b'", "an operator"]),
    "a syntax error in a key": (lambda: acquires(image, key="a["), ["key='a['"]),
    "an empty tuple as a key": (lambda: acquires(image, key=()), ["key=()"]),
    "a callable with star parameters": (lambda: acquires(image, key=lambda *args: 1), ["key="]),
    "each inside each": (lambda: acquires(image, key=each(each("a"))), ["key="]),
    "a call in a condition": (lambda: acquires(image, key="a", when="len(a)"), ["when='len(a)'", "a call"]),
    "a condition that is a number": (lambda: acquires(image, key="a", when=1), ["when=1"]),
    "each in a condition": (lambda: acquires(image, key="a", when=each("a")), ["when="]),
    "an empty list of subjects": (lambda: acquires(image, key="a", about=[]), ["about=[] names no subject"]),
    "a subject of three": (
        lambda: acquires(image, key="a", about=(server, "a", "b")),
        ["about= takes (kind, expression)"],
    ),
    "a parent where the kind has none": (
        lambda: acquires(image, key="a", within="b"),
        ["within='b'", "names no parent kind"],
    ),
    "another parent than declared": (
        lambda: acquires(port, key="a", within=(image, "b")),
        ["Resource('port') is declared to be a part of Resource('server')"],
    ),
    "a rollback as a parent": (lambda: acquires(image, key="a", within=(spawn, "b")), ["within=(…) takes a Resource"]),
    "amount with needs": (lambda: acquires(pair, key="a", amount="b"), ["amount='b'", "needs several releases"]),
    "amount released with needs": (
        lambda: releases(pair, key="a", part="stop", amount="b"),
        ["needs several releases"],
    ),
    "amount with again": (lambda: acquires(counted, key="a", amount=1), ["amounts add up", "again='count'"]),
    "a negative amount": (lambda: acquires(image, key="a", amount=-1), ["amount=-1"]),
    "an amount that is a bool": (lambda: acquires(image, key="a", amount=True), ["amount=True"]),
    "an amount of each": (lambda: acquires(image, key="a", amount=each("b")), ["each(…) gives many values"]),
    "in doubt by the result": (
        lambda: acquires(image, key="result.id", in_doubt=True),
        ["known only when the call returned"],
    ),
    "in doubt by what is set": (lambda: acquires(image, key=after("self.id"), in_doubt=True), ["made of arguments"]),
    "in doubt is no flag": (
        lambda: acquires(image, key="a", in_doubt=number()),
        ["acquires(in_doubt=…) takes True or False, not 1"],
    ),
    "raises no exceptions": (
        lambda: acquires(image, key="a", raises=wrong),
        ["acquires(raises=…) takes an exception class"],
    ),
    "gone is a text": (lambda: releases(image, key="a", gone=wrong), ["releases(gone=…) takes an exception class"]),
    "gone holds an instance": (
        lambda: uses(image, key="a", gone=(number(OSError()),)),
        ["uses(gone=…) takes an exception class"],
    ),
    "a release without its part": (lambda: releases(pair, key="a"), ["needs all of 'stop', 'close'", "part="]),
    "a part that there is not": (
        lambda: releases(pair, key="a", part="open"),
        ["needs all of 'stop', 'close'", "not 'open'"],
    ),
    "a part of what needs none": (
        lambda: releases(image, key="a", part="stop"),
        ["part='stop'", "needs only one release"],
    ),
    "idempotent is no flag": (
        lambda: releases(image, key="a", idempotent=number()),
        ["releases(idempotent=…) takes True or False"],
    ),
    "cascade is no flag": (
        lambda: releases(image, key="a", cascade=number()),
        ["releases(cascade=…) takes True or False, not 1"],
    ),
    "neither to nor to_key": (lambda: transfers(image, key="a"), ["either to=", "or to_key="]),
    "both to and to_key": (lambda: transfers(image, key="a", to=OUTSIDE, to_key="b"), ["either to=", "or to_key="]),
    "to a number": (lambda: transfers(image, key="a", to=number()), ["to=1", "a new owner is OUTSIDE"]),
    "to a rollback": (lambda: transfers(image, key="a", to=(number(spawn), "b")), ["to=(…) takes a Resource"]),
    "to_key is nothing": (lambda: transfers(image, key="a", to_key=None), ["to_key=None"]),
    "failures of no exception": (
        lambda: on_failure(spawn, key="a", exc=()),
        ["on_failure(exc=()) never fails without a when= that mentions result"],
    ),
    "failures of a text": (
        lambda: on_failure(spawn, key="a", exc=wrong),
        ["on_failure(exc=…) takes an exception class"],
    ),
    "a failure by its result": (lambda: on_failure(spawn, key="result.id"), ["a call that raised has no result"]),
    "success_pays is no flag": (
        lambda: on_failure(spawn, key="a", success_pays=number()),
        ["on_failure(success_pays=…)"],
    ),
    "atomic of a text": (lambda: atomic(number("image")), ["atomic(…) takes kinds", "'image'"]),
    "atomic of a number": (lambda: atomic(number()), ["atomic(…) takes kinds", "not 1"]),
    "atomic by the result": (lambda: atomic(image, key="result"), ["named by its arguments"]),
    "atomic about the result": (lambda: atomic(about="result"), ["named by its arguments"]),
    "restores is no flag": (
        lambda: atomic(image, restores=number()),
        ["atomic(restores=…) takes True or False, not 1"],
    ),
    "parts of no kind": (lambda: settles(key={"host": "a"}), ["kinds that are named"]),
    "parts of a kind without fields": (lambda: settles(image, key={"host": "a"}), ["this kind names no parts"]),
    "a part that the kind has not": (
        lambda: settles(server, key={"hots": "a"}),
        ["'hots' is not a part", "host, name"],
    ),
    "settles of a text": (lambda: settles(number("image")), ["settles(…) takes kinds"]),
    "settles after an unknown end": (
        lambda: settles(image, ended=number("never")),
        ["settles(ended=…) takes", "'never'"],
    ),
    "settles a raised call by its result": (
        lambda: settles(image, key="result", ended="either"),
        ["settles(ended='either')", "a call that raised has no result"],
    ),
    "an invariant of nothing": (lambda: invariant(description="holds"), ["names at least one kind"]),
    "an invariant of a text": (lambda: invariant(wrong, description="holds"), ["invariant(…) takes kinds"]),
    "an invariant without a sentence": (lambda: invariant(image, description=" "), ["invariant(description=…)"]),
    "always is no flag": (lambda: invariant(image, description="holds", always=number()), ["invariant(always=…)"]),
}


@pytest.mark.parametrize("case", DECORATORS)
def test_what_is_wrong_in_itself_is_told_when_it_is_written(case: str) -> None:
    """Value, expectation, and this file with the line of the lambda above."""
    write, expected = DECORATORS[case]
    with pytest.raises(DeclarationError) as caught:
        write()
    text = str(caught.value)
    for part in expected:
        assert part in text
    lines, start = inspect.getsourcelines(write)
    place = text.splitlines()[-1]
    assert "test_declarations.py:" in place
    line = int(place.partition("test_declarations.py:")[2].split()[0])
    assert start <= line < start + len(lines)


def put(decorator: Callable[[Any], Any], on: object = function) -> str:
    """The message of the error when a decorator is put on something."""
    with pytest.raises(DeclarationError) as caught:
        decorator(on)
    return str(caught.value)


def here() -> str:
    """The line that calls, as messages print it."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return f"test_declarations.py:{frame.f_back.f_lineno} in"


def test_the_message_points_at_the_users_decorator() -> None:
    """The last line is file and line of the declaration, none of ours."""
    with pytest.raises(DeclarationError) as caught:
        line = here()
        acquires(image, key="nmae")(function)
    before, _, rest = line.partition(":")
    expected = f"{before}:{int(rest.split()[0]) + 1} in test_the_message_points_at_the_users_decorator"
    assert str(caught.value).splitlines()[-1].endswith(expected)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "decorator",
    [
        acquires(image, key="imageid"),
        releases(image, key="imageid.x"),
        uses(image, key="name, imageid"),
        transfers(image, key="image_id", to=(server, "imageid")),
        transfers(image, key="image_id", to_key="imageid"),
        acquires(image, key="image_id", when="imageid > 3"),
        acquires(image, key="image_id", about=["name", (server, "imageid")]),
        acquires(image, key="image_id", amount="imageid"),
        acquires(port, key="image_id", within="imageid"),
        acquires(image, key=lambda imageid: imageid),
        on_failure(spawn, key="imageid"),
        rolls_back(spawn, key=each("imageid")),
        atomic(image, key="imageid"),
        settles(server, key={"host": "imageid"}),
        settles(about="imageid"),
    ],
)
def test_an_unknown_parameter_names_those_that_exist(decorator: Any) -> None:
    """In every expression of every contract."""
    text = put(decorator)
    assert "'imageid' is not a parameter of function" in text
    assert "its parameters are image_id, name" in text
    assert "did you mean 'image_id'?" in text


class Slotted:
    """Cannot be called."""


@pytest.mark.parametrize(
    "target",
    [None, 3, "create", Slotted(), cached_property(function), [function]],
    ids=["None", "a number", "a text", "an object", "a cached property", "a list of functions"],
)
def test_a_decorator_on_something_that_cannot_be_called(target: object) -> None:
    """The value is named."""
    text = put(acquires(image, key="image_id"), target)
    assert "acquires(image, key=image_id) decorates a function or method, not " in text
    assert lifeguard.keys.repr_safely(target) in text  # type: ignore[attr-defined]


def test_a_decorator_on_a_class_says_where_to_put_it() -> None:
    """On `__init__`."""
    assert "not the class Slotted: put it on __init__" in put(acquires(image, key="self"), Slotted)
    assert "not the class Slotted" in put(lambda target: atomic(target), Slotted)


def test_a_property_without_a_getter() -> None:
    """There is nothing to watch."""
    assert "the property has no getter to watch" in put(
        acquires(image, key="self"), property(None, lambda self, value: None)
    )


def test_an_invariant_on_something_that_cannot_be_called() -> None:
    """The value is named."""
    assert "decorates a function of a LedgerView, not 3" in put(invariant(image, description="holds"), 3)


CONTRADICTIONS: dict[str, tuple[list[Callable[[Any], Any]], str]] = {
    "acquires and releases": (
        [acquires(image, key="image_id"), releases(image, key="image_id")],
        "contradict each other",
    ),
    "releases and transfers": (
        [releases(image, key="image_id"), transfers(image, key="image_id", to=OUTSIDE)],
        "contradict each other; say with when= which of them applies",
    ),
    "fails and rolls back": (
        [on_failure(spawn, key="image_id"), rolls_back(spawn, key="image_id")],
        "contradict each other",
    ),
    "the same twice": ([acquires(image, key="image_id"), acquires(image, key="image_id")], "is written twice"),
    "the same part twice": (
        [releases(pair, key="image_id", part="stop"), releases(pair, key="image_id", part="stop")],
        "is written twice",
    ),
    "atomic twice": ([atomic(image), atomic(image)], "is written twice"),
    "settles twice": ([settles(about="name"), settles(about="name")], "is written twice"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_contradictions_on_one_function(case: str, reverse: bool) -> None:
    """In whatever order they are stacked; the function is named."""
    decorators, expected = CONTRADICTIONS[case]
    first, second = reversed(decorators) if reverse else decorators
    text = put(second, first(lambda image_id, name: None))
    assert expected in text
    assert "<lambda>: " in text


def test_what_only_looks_like_a_contradiction() -> None:
    """Other keys, other kinds, conditions, parts, and a use beside anything."""

    @acquires(image, key="image_id")
    @releases(image, key="name")
    @uses(image, key="image_id")
    @acquires(server, key="name, image_id", when="name")
    @releases(server, key="name, image_id", when="not name")
    @releases(pair, key="image_id", part="stop")
    @releases(pair, key="image_id", part="close")
    @atomic(image)
    @atomic(image, about="name")
    @settles(server)
    def several(image_id: str, name: str) -> None: ...

    assert 10 == len(contracts_of(several))


def test_a_generator_function_and_what_it_cannot_carry() -> None:
    """Its result, spans of its own context, steps in order."""

    def produce(image_id: str) -> Any:
        yield image_id

    async def produce_async(image_id: str) -> Any:
        yield image_id

    for target, form in ((produce, "a generator function"), (produce_async, "an async generator function")):
        assert f"{form} has no result" in put(acquires(image, key="result"), target)
        for decorator in (atomic, atomic(image), settles(image), on_failure(task, key="image_id")):
            assert "cannot tell what it opens" in put(decorator, target)
        atomic(about="image_id")(target)
        settles(image, key="image_id")(target)
        on_failure(spawn, key="image_id")(target)


def test_stacking_makes_one_wrapper_and_leaves_the_inner_one_alone() -> None:
    """The contracts join; what was woven before goes on as it was."""
    inner = uses(image, key="image_id")(function)
    outer = acquires(server, key="name, image_id")(inner)
    assert function is outer.__wrapped__ is inner.__wrapped__  # type: ignore[attr-defined]
    assert ["acquires", "uses"] == [contract.verb for contract in contracts_of(outer)]
    assert ["uses"] == [contract.verb for contract in contracts_of(inner)]


def test_a_contract_knows_its_place() -> None:
    """File and line of the decorator."""
    place = contracts_of(acquires(image, key="image_id")(function))[0].place
    assert place is not None
    assert __file__ == place.file


def test_atomic_with_and_without_parentheses() -> None:
    """Bare, on functions and descriptors; called with nothing; with kinds."""

    @atomic
    def bare(image_id: str) -> None: ...

    @atomic()
    def called(image_id: str) -> None: ...

    class Thing:
        @atomic
        @staticmethod
        def static() -> int:
            return 1

        @atomic
        @classmethod
        def of_class(cls) -> int:
            return 2

        @atomic
        @property
        def value(self) -> int:
            return 3

    assert ["atomic", "atomic"] == [contract.verb for one in (bare, called) for contract in contracts_of(one)]
    assert (1, 2, 3) == (Thing.static(), Thing.of_class(), Thing().value)


# -- LIFEGUARD=off --------------------------------------------------------------------------------------------------------


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment switches lifeguard off."""
    monkeypatch.setenv("LIFEGUARD", "off")


@pytest.mark.usefixtures("off")
def test_off_returns_the_very_function() -> None:
    """Every decorator gives back what it was put on: functions, descriptors, stacked or not."""
    descriptor, prop = classmethod(function), property(lambda self: 1)
    for decorator in (
        acquires(image, key="image_id"),
        releases(image, key="image_id"),
        transfers(image, key="image_id", to=OUTSIDE),
        uses(image, key="image_id"),
        on_failure(spawn, key="image_id"),
        rolls_back(spawn, key="image_id"),
        atomic,
        atomic(image),
        settles(image),
        invariant(image, description="holds"),
    ):
        assert function is decorator(function)
    assert descriptor is acquires(image, key="image_id")(descriptor)
    assert prop is acquires(image, key="self")(prop)
    assert () == contracts_of(function)
    assert [] == [one for one in image._invariants if one.function is function]


@pytest.mark.usefixtures("off")
def test_off_validates_first() -> None:
    """A contract written wrongly is an error all the same."""
    assert "'imageid' is not a parameter of function" in put(acquires(image, key="imageid"))
    assert "decorates a function or method, not 3" in put(acquires(image, key="image_id"), 3)
    with pytest.raises(DeclarationError):
        acquires(image, key=None)


@pytest.mark.usefixtures("off")
def test_off_leaves_no_trace() -> None:
    """A scope that is used all the same finds nothing: no blind contract, no unused one, no one who may pay."""
    kind = Resource("of nobody")

    class Service:
        @acquires(kind, key="name")
        def create(self, name: str) -> None: ...

        @uses(kind, key="name")
        @releases(kind, key="name")
        def delete(self, name: str) -> None: ...

    gc.collect()
    with scope("off", on_violation="record") as watched:
        Service().create("a")
        watched.acquired(kind, "b")
    assert watched.verdict is not None
    assert ["LG101"] == [one.code for one in watched.violations]
    assert () == watched.verdict.warnings
    assert () == watched.verdict.unused
    assert "Service.delete" not in watched.violations[0].owed


def test_an_unknown_switch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """LIFEGUARD takes off, warn or raise."""
    monkeypatch.setenv("LIFEGUARD", "on")
    assert "LIFEGUARD takes off, warn or raise, not 'on'" in put(acquires(image, key="image_id"))


@pytest.mark.parametrize("value", ["warn", "raise", "", "OFF "])
def test_the_other_switches_do_weave(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Only off, in whatever case, leaves the function as it is."""
    monkeypatch.setenv("LIFEGUARD", value)
    woven = acquires(image, key="image_id")(function)
    assert (value.strip().lower() == "off") == (woven is function)


def test_what_is_written_without_parentheses() -> None:
    """`@settles` and `@atomic` work bare; `@scope` says how it is written, and so does one above a class method."""

    @settles
    def work() -> str:
        return "done"

    assert "done" == work()
    with pytest.raises(DeclarationError, match=r"written with parentheses: @scope\(\)"):
        scope(work)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="put it below that"):
        scope("a name")(classmethod(work))
