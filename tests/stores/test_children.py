"""A scope in the environment of a child process, and in what is handed to one."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pytest

from lifeguard import DeclarationError, UsageError, scope
from lifeguard.stores import Ledger, SharedScope, carry, child_environment, join_parent, pool_initializer, propagation
from lifeguard.stores.children import ledger_of

IDENT = "0123456789abcdef0123456789abcdef"
SCOPE = SharedScope(IDENT, "resize")
SECRET = "postgresql+psycopg://user:secret@db.example/ledger"


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIFEGUARD_LEDGER", raising=False)
    monkeypatch.setattr(propagation, "_said", set())


def test_environment_of_a_child() -> None:
    """The identity and the ledger are added to a copy; the rest is as it was."""
    before = {"PATH": "/bin", "LIFEGUARD_SCOPE": "f" * 32}
    assert {
        "PATH": "/bin",
        "LIFEGUARD_SCOPE": IDENT,
        "LIFEGUARD_LEDGER": "sqlite:///run.db",
    } == child_environment(before, scope=SCOPE, ledger="sqlite:///run.db")
    assert {"PATH": "/bin", "LIFEGUARD_SCOPE": "f" * 32} == before


def test_child_of_no_scope_gets_none() -> None:
    """Where there is no shared scope, a child must not join the one that this process was given."""
    with scope("of this process"):
        assert {"LIFEGUARD_LEDGER": "sqlite:///run.db"} == child_environment(
            {"LIFEGUARD_SCOPE": IDENT, "LIFEGUARD_LEDGER": "sqlite:///run.db"}
        )


def test_password_is_not_shown_unless_it_is_asked_for() -> None:
    """An environment can be read by every process of the user; the error shows no password either."""
    with pytest.raises(UsageError) as raised:
        child_environment({}, scope=SCOPE, ledger=SECRET)
    assert "secret" not in str(raised.value)
    assert "'postgresql+psycopg://user:***@db.example/ledger'" in str(raised.value)
    assert "ledger='env:NAME'" in str(raised.value)
    assert SECRET == child_environment({}, scope=SCOPE, ledger=SECRET, credentials=True)["LIFEGUARD_LEDGER"]
    assert {"LIFEGUARD_SCOPE": IDENT, "LIFEGUARD_LEDGER": "env:DB"} == child_environment(
        {}, scope=SCOPE, ledger="env:DB"
    )


@pytest.mark.parametrize(
    ("environ", "ledger", "said"),
    [
        ({}, None, []),
        ({"LIFEGUARD_LEDGER": ""}, None, []),
        ({"LIFEGUARD_LEDGER": "sqlite:///run.db"}, "sqlite:///run.db", []),
        ({"LIFEGUARD_LEDGER": "env:DB", "DB": SECRET}, SECRET, []),
        (
            {"LIFEGUARD_LEDGER": "env:DB"},
            None,
            ["no ledger: LIFEGUARD_LEDGER names the variable 'DB', which is not set (said once)"],
        ),
    ],
)
def test_ledger_of_an_environment(
    environ: dict[str, str], ledger: str | None, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The URL stands there, or the name of the variable where it stands."""
    assert ledger == ledger_of(environ)
    assert said == [one.getMessage() for one in caplog.records]


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ({"ledger": "memory"}, DeclarationError, "a child process cannot see that"),
        ({"ledger": "nonsense"}, DeclarationError, "takes 'memory', a URL"),
        ({"ledger": 7}, DeclarationError, "takes 'memory', a URL"),
        ({"scope": "resize"}, DeclarationError, "takes a scope, or what shared(scope) gives, not 'resize'"),
    ],
)
def test_bad_input(how: dict[str, Any], error: type[Exception], text: str) -> None:
    """What names no ledger or no scope is refused where it is written."""
    with pytest.raises(error) as raised:
        child_environment({}, **how)
    assert text in str(raised.value)
    assert f"{__file__.rpartition('/')[2]}:" in str(raised.value)


def test_scope_that_cannot_be_shared() -> None:
    """A scope of this process alone that is named is an error, and not a child without one."""
    with scope("own") as own, pytest.raises(UsageError, match="has no shared ledger"):
        child_environment({}, scope=own)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, []),
        ({"LIFEGUARD_LEDGER": "sqlite:///run.db"}, []),
        (
            {"LIFEGUARD_SCOPE": IDENT},
            ["a scope is not joined: neither ledger= nor LIFEGUARD_LEDGER says which ledger it is in"],
        ),
        (
            {"LIFEGUARD_SCOPE": "'; DROP TABLE x", "LIFEGUARD_LEDGER": "sqlite:///run.db"},
            ["no scope is joined: LIFEGUARD_SCOPE holds no identity of a scope"],
        ),
    ],
)
def test_child_runs_whatever_its_environment_says(
    environ: dict[str, str], said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A child that cannot join does its work all the same; what is wrong is said once."""
    for _ in range(2):
        with join_parent(environ) as joined:
            assert not joined
    assert [f"{one} (said once)" for one in said] == [one.getMessage() for one in caplog.records]
    assert {logging.WARNING} >= {one.levelno for one in caplog.records}


def test_what_is_carried_pickles_and_shows_no_password() -> None:
    """A function with its scope goes through a pickle; its repr, which ends up in logs, has no password."""
    carried = carry(len, ledger=SECRET, scope=SCOPE)
    again: Any = pickle.loads(pickle.dumps(carried))
    assert (len, SCOPE, SECRET) == (again.function, again.which, again.ledger)
    assert "secret" not in repr(carried)
    assert isinstance(
        pickle.loads(pickle.dumps(pool_initializer(ledger=Ledger("sqlite:///run.db")))),
        type(pool_initializer(ledger="x")),
    )


def test_without_a_ledger_nothing_can_be_carried() -> None:
    """Who carries a scope has to know the ledger; and what is carried is a function."""
    with pytest.raises(UsageError, match="needs to know the ledger: ledger=…, or LIFEGUARD_LEDGER in the environment"):
        carry(len)
    with pytest.raises(UsageError, match="needs to know the ledger"):
        pool_initializer()
    with pytest.raises(DeclarationError, match="takes a function, not 7"):
        carry(7, ledger="sqlite:///run.db")  # type: ignore[arg-type]

    async def later() -> None:
        """Do it later."""

    with pytest.raises(DeclarationError, match="takes a function that has done its work when it returns"):
        carry(later, ledger="sqlite:///run.db")


def test_function_that_carries_no_scope_runs_as_it_is() -> None:
    """Without a shared scope here, what is carried is the function alone."""
    assert 3 == carry(len, ledger="sqlite:///never-opened.db")("abc")
