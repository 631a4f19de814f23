"""How a ledger is named, and what of that is never shown."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from findings import said
from postgresql import PostgreSQL
from sqlalchemy import create_engine, inspect, text
from stores_elsewhere import create, delete, watching

from lifeguard import DeclarationError, UsageError, scope
from lifeguard.stores import Ledger, let_go, orphans, shared
from lifeguard.stores.naming import shown

PASSWORD = "s3cr3t-and-long"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "not 7"),
        ("", "not ''"),
        ("run.db", "'sqlite:///run.db' or 'postgresql"),
        ("sqlite://", "the file of a SQLite database"),
        ("sqlite:///:memory:", "the file of a SQLite database"),
        ("mysql://me:pw@host/db", "not 'mysql://me:***@host/db'"),
        ("postgresql+pg8000://host/db", "postgresql+psycopg"),
        ("nonsense://x", "not 'nonsense://x'"),
    ],
)
def test_what_names_no_ledger(value: object, text: str) -> None:
    """It is told when the scope is made, with what it takes and the line."""
    with pytest.raises(DeclarationError) as caught:
        scope("s", ledger=value)  # type: ignore[arg-type]
    assert text in str(caught.value)
    assert "test_naming.py" in str(caught.value)
    assert ":pw@" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"writing": "sometimes"}, "'through' or 'background'"),
        ({"patience": 0}, "seconds above 0"),
        ({"lease": True}, "seconds above 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], text: str) -> None:
    """Each names the value, and what was expected."""
    with pytest.raises(DeclarationError, match=text):
        Ledger("sqlite:///run.db", **settings)  # type: ignore[arg-type]


def test_what_does_not_go_together(sqlite: str, tmp_path: Path) -> None:
    """A journal, a sample, and failing fast in the background."""
    with pytest.raises(DeclarationError, match="journal of all processes"):
        scope("s", ledger=sqlite, journal=tmp_path / "j.jsonl")
    with pytest.raises(DeclarationError, match="known to all processes"):
        scope("s", ledger=sqlite, sample=0.5)
    with pytest.raises(DeclarationError, match="written through"):
        scope("s", ledger=Ledger(sqlite, writing="background"), fail_fast=True)


def test_memory_is_the_ledger_of_the_process() -> None:
    """Said, or not said, it is the same."""
    with scope("s", ledger="memory", on_violation="record") as watched:
        create("a")
        assert ["a"] == [one.key for one in watched.outstanding]
        delete("a")
    assert [] == said(watched)


def test_a_file_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The scope does not open: it would have nothing to judge by."""
    with pytest.raises(UsageError, match="cannot be reached"), scope("s", ledger=f"sqlite:///{tmp_path}/no/where.db"):
        pass
    let_go()


def test_a_server_that_is_not_there() -> None:
    """The same, without its password."""
    url = f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/db"
    with pytest.raises(UsageError, match="cannot be reached") as caught, scope("s", ledger=Ledger(url, patience=1)):
        pass
    assert PASSWORD not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be reached") as caught:
        orphans(url)
    assert PASSWORD not in str(caught.value)
    let_go()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///run.db", "sqlite:///run.db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg://me:p%40ss@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql+psycopg://me:p@ss@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql+psycopg://host/db?password=x&a=b", "postgresql+psycopg://host/db?password=***&a=b"),
        ("postgresql+psycopg://host/db?sslpassword=x", "postgresql+psycopg://host/db?sslpassword=***"),
    ],
)
def test_what_is_shown_of_a_url(url: str, expected: str) -> None:
    """Everything but what may be a secret."""
    assert expected == shown(url)
    assert expected in repr(Ledger("sqlite:///run.db")).replace("sqlite:///run.db", expected)


def test_a_password_stands_nowhere(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A whole run with one: reports, records, errors, the waiting room, the database itself."""
    plain = postgresql.database()
    url = plain.replace("lifeguard@", f"lifeguard:{PASSWORD}@")
    caplog.set_level(logging.DEBUG)
    ledger = Ledger(url, waiting_room=str(tmp_path))
    with watching(ledger) as watched:
        create("a")
        told = [repr(watched), repr(shared(watched)), repr(ledger), str(ledger), watched.report()]
        postgresql.stop()
        create("b")
        told.append(watched.report())
        postgresql.start()
        delete("b")
    told += [watched.report(), str(orphans(url)), orphans(url).as_json(), caplog.text, *capsys.readouterr()]
    assert ["LG101 image 'a'"] == said(watched)
    assert [] == [text for text in told if PASSWORD in text]
    assert [] == [
        path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD in path.read_text(errors="replace")
    ]
    engine = create_engine(plain)
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                assert PASSWORD not in str(row)
    engine.dispose()
    let_go()
