"""What may be written as a key, a condition, an amount or a selection, and what is said of anything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeguard.errors import DeclarationError
from lifeguard.keys import (
    after,
    each,
    parse_amount,
    parse_condition,
    parse_key,
    parse_pattern,
    pattern_of,
    source_of,
)

KEY_GRAMMAR = (
    "allowed are names, attributes (instance.uuid), subscripts with literals (result['id']) and, at the top, tuples of "
    "these; for anything else give a callable with named parameters"
)
CONDITION_GRAMMAR = (
    "allowed are names, attributes, subscripts with literals, the comparisons == != < <= > >= is in, not, and, or, and "
    "literals; for anything else give a callable with named parameters"
)


def refusal(parse: Any, form: object, **options: Any) -> str:
    """The first line of the DeclarationError; the second one is the place in this file."""
    with pytest.raises(DeclarationError) as caught:
        parse(form, **options)
    message, _, place = str(caught.value).partition("\n")
    assert "test_keys_grammar.py" in place
    return message


@pytest.mark.parametrize(
    ("text", "names", "late"),
    [
        ("image_id", {"image_id"}, False),
        ("instance.uuid", {"instance"}, False),
        ("result['id']", {"result"}, True),
        ("result[0].ids[-1]", {"result"}, True),
        ("flags[None][True]", {"flags"}, False),
        ("self.host, instance.uuid", {"self", "instance"}, False),
        ("(self.host, result)", {"self", "result"}, True),
        ("  image_id  ", {"image_id"}, False),
        ("(image_id)", {"image_id"}, False),
        ("(\n self.host,\n image_id)", {"self", "image_id"}, False),
        ("résultat.été", {"résultat"}, False),
    ],
)
def test_every_path_of_the_grammar_is_accepted(text: str, names: set[str], late: bool) -> None:
    """Names, attributes, subscripts with literals and tuples are keys, and it is known when they are read."""
    expression = parse_key(text)
    assert names == expression.names
    assert late == expression.late
    assert late == expression.mentions_result
    assert not expression.many
    assert text.strip() == expression.source
    assert f"<KeyExpression {text.strip()}>" == repr(expression)


@pytest.mark.parametrize(
    ("text", "offender", "name"),
    [
        ("get(image_id)", "'get(image_id)'", "a call"),
        ("self.get(image_id).x", "'self.get(image_id)'", "a call"),
        ("a + b", "'a + b'", "an operator"),
        ("-a", "'-a'", "an operator"),
        ("a[1:2]", "'a[1:2]'", "a slice"),
        ("a[b]", "'a[b]'", "a subscript with something other than a str, int, bool or None literal"),
        ("a[1.5]", "'a[1.5]'", "a subscript with something other than a str, int, bool or None literal"),
        ("a[1, 2]", "'a[1, 2]'", "a subscript with something other than a str, int, bool or None literal"),
        ("(*a, b)", "'*a'", "a starred value"),
        ("a == b", "'a == b'", "a comparison"),
        ("a and b", "'a and b'", "a logical operator"),
        ("lambda: a", "'lambda: a'", "a lambda in text"),
        ("a if b else c", "'a if b else c'", "an if-expression"),
        ("f'{a}'", "\"f'{a}'\"", "an f-string"),
        ("(a := b)", "'(a := b)'", "an assignment"),
        ("'text'", "\"'text'\"", "a literal"),
        ("a, 1", "'1'", "a literal"),
        ("a, (b, c)", "'(b, c)'", "a tuple"),
        ("[a]", "'[a]'", "a list"),
        ("{a}", "'{a}'", "a set"),
        ("{a: b}", "'{a: b}'", "a dict"),
        ("[x for x in a]", "'[x for x in a]'", "a comprehension"),
        ("(x for x in a)", "'(x for x in a)'", "a comprehension"),
    ],
)
def test_what_is_outside_the_grammar_is_named(text: str, offender: str, name: str) -> None:
    """The refusal shows the expression, the piece in it that is not allowed, what that is, and what is allowed."""
    assert f"key={text!r}: {offender} is {name}; {KEY_GRAMMAR}" == refusal(parse_key, text)


@pytest.mark.parametrize("text", ["image id", "a.", "*a", "a[", "x = 1", "\x00", "("])
def test_what_is_no_expression_is_refused(text: str) -> None:
    """Text that Python cannot parse is refused with the expression and the grammar."""
    message = refusal(parse_key, text)
    assert message.startswith(f"key={text!r}: it is not an expression (")
    assert message.endswith(KEY_GRAMMAR)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_expression_is_refused(text: str) -> None:
    """Blank text is no key."""
    assert f"key={text!r}: the expression is empty; {KEY_GRAMMAR}" == refusal(parse_key, text)


def test_endless_nesting_is_refused_and_not_a_crash() -> None:
    """A megabyte of brackets is a DeclarationError of one bounded line."""
    assert len(refusal(parse_key, "(" * 100_000)) < 500
    assert refusal(parse_key, "a" + ".b" * 5_000).endswith(KEY_GRAMMAR)
    assert refusal(parse_condition, "not " * 5_000 + "a").endswith(CONDITION_GRAMMAR)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (42, "42 (int)"),
        (None, "None (NoneType)"),
        (b"image_id", "b'image_id' (bytes)"),
        (["a", "b"], "['a', 'b'] (list)"),
        ({"host": "x"}, "{'host': 'x'} (dict)"),
    ],
)
def test_a_value_that_is_no_key_is_refused(form: object, shown: str) -> None:
    """The refusal names the value, its type, and what was expected."""
    expected = (
        f'key={shown} is not a key; expected text such as "image_id" or "result[\'id\']", a callable with named '
        "parameters, each(…), after(…), or a tuple of these"
    )
    assert expected == refusal(parse_key, form)


def test_a_wrong_value_inside_a_form_is_shown_with_the_form() -> None:
    """A wrong element of a tuple is named together with the whole key."""
    assert refusal(parse_key, ("a", 5)).startswith("key=('a', 5): 5 (int) is not a key; expected text")
    assert refusal(parse_key, each(None)).startswith("key=each(None): None (NoneType) is not a key; expected text")


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (each("a, b"), 'each(…) takes one expression, not a tuple; write ("host", each("ids"))'),
        (each(("a", "b")), 'each(…) takes one expression, not a tuple; write ("host", each("ids"))'),
        (each(each("a")), "a key has at most one each(…)"),
        (each(after(each("a"))), "a key has at most one each(…)"),
        ((each("a"), each("b")), "a key has at most one each(…)"),
        (("a, b", "c"), "a tuple stands only at the top of a key; write each of its parts by itself"),
        ((("a", "b"), "c"), "a tuple stands only at the top of a key; write each of its parts by itself"),
        ((), "an empty tuple is not a key"),
        ("()", "an empty tuple is not a key"),
    ],
)
def test_combinations_without_meaning_are_refused(form: object, problem: str) -> None:
    """each and tuples have their place; elsewhere they are refused with the whole form."""
    assert f"key={source_of(form)}: {problem}" == refusal(parse_key, form)


def test_the_name_of_the_argument_is_in_the_message() -> None:
    """`what` says which of the contract's arguments was wrong."""
    assert refusal(parse_key, 1, what="within").startswith("within=1 (int) is not a key")


@pytest.mark.parametrize(
    ("form", "late", "many", "composite"),
    [
        (each("result.ids"), True, True, False),
        (each("ids"), False, True, False),
        (after("self.uuid"), True, False, False),
        (each(after("self.ids")), True, True, False),
        (after(each("self.ids")), True, True, False),
        (("self.host", after("self.uuid")), True, False, True),
        (("self.host", each("ids")), False, True, True),
        (after(("self.host", "self.uuid")), True, False, True),
        (after("self.host, self.uuid"), True, False, True),
        (("ids",), False, False, True),
        ("ids,", False, False, True),
        (lambda result: result, True, False, False),
        (lambda self: self, False, False, False),
        (after(lambda self: self), True, False, False),
        (lambda self, result=None: self, True, False, False),
    ],
)
def test_forms_know_their_moment_and_number(form: object, late: bool, many: bool, composite: bool) -> None:
    """after and result make an expression late, each makes it many, a tuple of any length makes it composite."""
    expression = parse_key(form)
    assert (late, many, composite) == (expression.late, expression.many, expression.composite)


def test_sources_are_shown_as_written() -> None:
    """Reports show the expression as the user wrote it, a callable by its name and place."""

    def pick(self: Any) -> object:
        return self

    assert "each('result.ids')" == parse_key(each("result.ids")).source
    assert "each(after('x'))" == repr(each(after("x")))
    assert "('self.host', after('self.uuid'))" == parse_key(("self.host", after("self.uuid"))).source
    assert "('x',)" == parse_key(("x",)).source
    assert f"<pick at test_keys_grammar.py:{pick.__code__.co_firstlineno}>" == parse_key(pick).source
    assert parse_key(lambda x: x).source.startswith("<lambda at test_keys_grammar.py:")


def test_each_and_after_are_frozen_values() -> None:
    """They can be shared between contracts, compared and hashed."""
    assert each("a") == each("a")
    assert 1 == len({after("a"), after("a")})
    with pytest.raises(AttributeError):
        each("a").expression = "b"  # type: ignore[misc]


def test_parts_carry_code_for_a_wrapper_to_inline() -> None:
    """Each text element is given as Python over parameter names, a callable has none."""
    assert ["self.host", "result['id']"] == [part.code for part in parse_key('self.host, result["id"]').parts]
    assert [None] == [part.code for part in parse_key(lambda a: a).parts]


def test_callables_name_the_arguments_that_they_want() -> None:
    """The parameters of a lambda, a method, a partial or an object with __call__ are the names; defaults are optional."""

    class Picker:
        def method(self, image_id: object) -> object:
            return image_id

        def __call__(self, instance: object) -> object:
            return instance

    def two(first: object, second: object) -> object:
        return first, second

    assert {"result", "self"} == parse_key(lambda self, result: result).names
    assert {"x", "y"} == parse_key(lambda x, /, *, y: x).names
    assert {"x"} == parse_key(lambda x, offset=3: x).names
    assert {"x"} == parse_key(lambda x, *, offset=3: x).names
    assert {"image_id"} == parse_key(Picker().method).names
    assert {"instance"} == parse_key(Picker()).names
    assert {"first"} == parse_key(partial(two, second=1)).names


async def a_coroutine(x: object) -> object:
    """Not of use as a key."""
    return x


def a_generator(x: object) -> Iterator[object]:
    """Not of use as a key."""
    yield x


async def an_async_generator(x: object) -> AsyncIterator[object]:
    """Not of use as a key."""
    yield x


@pytest.mark.parametrize(
    "function", [a_coroutine, a_generator, an_async_generator, partial(a_coroutine), partial(a_generator)]
)
def test_functions_that_give_no_value_are_refused(function: object) -> None:
    """A coroutine or generator function would give a coroutine or generator as the key."""
    expected = f"key={source_of(function)}: a coroutine or generator function gives no value; expected a plain function"
    assert expected == refusal(parse_key, function)


def test_callables_without_named_parameters_are_refused() -> None:
    """Star parameters name nothing, and of some builtins nothing is known."""
    message = refusal(parse_key, lambda *args: args)
    assert message.endswith("the callable takes *args; its parameters name the arguments that it wants")
    message = refusal(parse_key, lambda **rest: rest)
    assert message.endswith("the callable takes **rest; its parameters name the arguments that it wants")
    assert refusal(parse_key, max).endswith(
        "the parameters of this callable cannot be read; expected a function with named parameters"
    )


def test_check_names_the_unknown_parameter_and_the_likely_one() -> None:
    """A name that is no parameter is refused with the parameters that exist and the nearest of them."""
    message = refusal(
        lambda form: parse_key(form).check(["self", "image_id", "name"], function="Images.delete"), "imge_id"
    )
    expected = (
        "key='imge_id': 'imge_id' is not a parameter of Images.delete; its parameters are self, image_id, name; "
        "did you mean 'image_id'?"
    )
    assert expected == message


def test_check_without_anything_near_or_any_parameter() -> None:
    """No guess is made where nothing is near, and a function without parameters is said to have none."""
    message = refusal(lambda form: parse_condition(form).check([], function="tick"), "self.ready")
    assert "when='self.ready': 'self' is not a parameter of tick; it has no parameters" == message
    message = refusal(lambda form: parse_key(form).check(["a"], function="f"), lambda zebra: zebra)
    assert message.endswith(": 'zebra' is not a parameter of f; its parameters are a")


def test_check_guesses_result() -> None:
    """A misspelt `result` is recognised, though it is no parameter."""
    message = refusal(lambda form: parse_key(form).check(["self"], function="f"), "reslt['id']")
    assert message.endswith("its parameters are self; did you mean 'result'?")


def test_check_accepts_what_is_there() -> None:
    """Parameters, result and the optional parameters of callables pass."""
    parse_key("self.host, result.id").check(["self"], function="f")
    parse_key(lambda self, unknown=1: self).check(["self"], function="f")
    parse_amount(1).check([], function="f")


def test_check_gives_the_reason_why_there_is_no_result() -> None:
    """On a generator function `result` is refused with the caller's reason, other names are not."""
    reason = "a generator function has no result: name the key by its arguments"
    parse_key("self").check(["self"], function="f", result=reason)
    message = refusal(lambda form: parse_key(form).check(["self"], function="f", result=reason), "result.id")
    assert f"key='result.id' mentions 'result', but {reason}" == message
    message = refusal(lambda form: parse_key(form).check(["self"], function="f", result=reason), each("result"))
    assert f"key=each('result') mentions 'result', but {reason}" == message


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a.b['c']",
        "a == 1",
        "0 < a <= 3",
        "a is not None and not b.c",
        "result in ('x', 'y') or a not in [1, -2]",
        "a in {'x', b'y'}",
        "(a, b) != (1, 2.5)",
        "True",
        "a in ()",
        "not a",
    ],
)
def test_every_condition_of_the_grammar_is_accepted(text: str) -> None:
    """Paths, comparisons, not, and, or, literals and lists of them are conditions."""
    assert text == parse_condition(text).source


@pytest.mark.parametrize(
    ("text", "offender", "name"),
    [
        ("len(a) == 1", "'len(a)'", "a call"),
        ("a + 1 == 2", "'a + 1'", "an operator"),
        ("-a == 2", "'-a'", "an operator"),
        ("a[b] == 2", "'a[b]'", "a subscript with something other than a str, int, bool or None literal"),
        ("a if b else c", "'a if b else c'", "an if-expression"),
        ("a in [b == 1]", "'b == 1'", "a comparison inside a list"),
        ("a in [not b]", "'not b'", "an operator inside a list"),
        ("a in [*b]", "'*b'", "a starred value"),
        ("a == ...", "'...'", "a literal"),
        ("a == {}", "'{}'", "a dict"),
        ("'a'.b", "\"'a'\"", "a literal"),
    ],
)
def test_what_is_no_condition_is_named(text: str, offender: str, name: str) -> None:
    """The refusal shows the condition, the piece that is not allowed, what it is and what is allowed."""
    assert f"when={text!r}: {offender} is {name}; {CONDITION_GRAMMAR}" == refusal(parse_condition, text)


def test_forms_that_are_no_condition() -> None:
    """A bool, a tuple or each(…) is no condition."""
    expected = (
        'when=True (bool) is not a condition; expected text such as "result is not None", a callable with named '
        "parameters, or after(…) around one"
    )
    assert expected == refusal(parse_condition, True)
    assert refusal(parse_condition, after(3)).startswith("when=after(3): 3 (int) is not a condition; expected text")
    assert "when=each('a'): each(…) gives many values; a condition is one" == refusal(parse_condition, each("a"))
    assert refusal(parse_condition, ("a", "b")).startswith("when=('a', 'b') (tuple) is not a condition")


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (-1, "-1: an amount is finite and not negative, got -1"),
        (float("nan"), "nan: an amount is finite and not negative, got nan"),
        (float("inf"), "inf: an amount is finite and not negative, got inf"),
        (Decimal("nan"), "Decimal('NaN'): an amount is finite and not negative, got Decimal('NaN')"),
        (True, "True: an amount is a number, got True (bool)"),
    ],
)
def test_literal_amounts_are_judged_at_once(form: object, shown: str) -> None:
    """A number that can be no amount is refused where it is written."""
    assert f"amount={shown}" == refusal(parse_amount, form)


def test_forms_that_are_no_amount() -> None:
    """each gives many values, and what is no expression is no amount."""
    expected = "amount=each('a'): each(…) gives many values; an amount is a number, or a tuple of them"
    assert expected == refusal(parse_amount, each("a"))
    assert refusal(parse_amount, None).startswith("amount=None (NoneType) is not a key")


def test_selections_name_parts_that_exist() -> None:
    """An unknown part, no part and a kind without parts are refused."""
    fields = ("port", "host")
    expected = "key={'hots': 'x'}: 'hots' is not a part of the key; its parts are port, host"
    assert expected == refusal(parse_pattern, {"hots": "x"}, fields=fields)
    assert expected == refusal(pattern_of, {"hots": "x"}, fields=fields)
    assert "key={} selects nothing; name at least one part of: port, host" == refusal(parse_pattern, {}, fields=fields)
    expected = "key={'host': 'x'}: this kind names no parts; declare it with fields=(…) to select by part"
    assert expected == refusal(parse_pattern, {"host": "x"}, fields=None)
    message = refusal(parse_pattern, {"host": "a, b"}, fields=fields)
    assert "key['host']='a, b': a part of a key is selected by one expression, not by a tuple" == message
    assert "{'host': 'x.y'}" == parse_pattern({"host": "x.y"}, fields).source


@given(st.text(max_size=30))
def test_any_text_is_a_key_or_a_declaration_error(text: str) -> None:
    """No text whatever makes the parsers raise anything else."""
    for parse in (parse_key, parse_condition, parse_amount):
        try:
            source = parse(text).source
        except DeclarationError:
            continue
        assert text.strip() == source
