"""Tokens: readable, safe in a shell, and the same after a round trip."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeguard import UsageError
from lifeguard.faults.tokens import PHASES, Planned, Token, hash_of_way, safe_name

names = st.from_regex(r"[A-Za-z0-9_.-]+", fullmatch=True)
planned = st.builds(Planned, names, st.integers(1, 10**6), st.sampled_from(PHASES), names)
tokens = st.builds(
    Token,
    st.lists(planned, min_size=1, max_size=3).map(tuple),
    st.one_of(st.just(""), st.lists(names).map(hash_of_way)),
)


@given(tokens)
def test_round_trip(token: Token) -> None:
    """What is written is read again."""
    assert token == Token.parse(str(token))


@given(tokens)
def test_safe_in_a_shell(token: Token) -> None:
    """A token needs no quotes but where a tilde stands, which stands never first."""
    assert re.fullmatch(r"lg1:[A-Za-z0-9_.:@+~-]+", str(token))
    assert [str(token)] == shlex.split(str(token))


@given(st.text())
def test_any_name_becomes_a_safe_one(name: str) -> None:
    """Whatever a function is called, its token can be read again."""
    token = Token((Planned(safe_name(name), 1, "before", "InjectedFault"),))
    assert token == Token.parse(str(token))


def test_local_functions_go_by_their_short_names() -> None:
    """What a function is local to says nothing."""
    assert "Cloud.attach" == safe_name("test_it.<locals>.Cloud.attach")
    assert "_lambda_" == safe_name("<lambda>")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lg1:",
        "lg2:a@1:before:E",
        "lg1:a@0:before:E",
        "lg1:a@1:during:E",
        "lg1:a@1:before:E~xyz",
        "lg1:a@1:before:E~",
    ],
)
def test_what_is_no_token(text: str) -> None:
    """The error shows what one looks like."""
    with pytest.raises(UsageError, match="is no replay token; one looks like lg1:"):
        Token.parse(text)
