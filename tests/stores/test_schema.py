"""The tables have a version: older ones are brought up to date, newer ones are left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from findings import said
from sqlalchemy import create_engine, inspect, text
from stores_elsewhere import create, delete, watching

from lifeguard import DeclarationError, UsageError
from lifeguard.stores import let_go, orphans, prune, schema


def execute(url: str, *statements: str) -> None:
    """Do something to the database by hand."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def rows(url: str, table: str) -> int:
    """How many rows a table has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        count = int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
    engine.dispose()
    return count


def test_an_older_ledger_is_brought_up_to_date(url: str) -> None:
    """What stands in it stays, and what came since is there."""
    with watching(url) as first:
        create("a")
    let_go()
    execute(
        url,
        "DROP TABLE lifeguard_claims",
        "ALTER TABLE lifeguard_scopes DROP COLUMN verdict",
        "UPDATE lifeguard_schema SET version = 1",
    )
    with watching(url) as second:
        create("b")
        delete("b")
    assert (["LG101 image 'a'"], []) == (said(first), said(second))
    engine = create_engine(url)
    assert "lifeguard_claims" in inspect(engine).get_table_names()
    assert "verdict" in [column["name"] for column in inspect(engine).get_columns("lifeguard_scopes")]
    engine.dispose()
    assert 2 == rows(url, "lifeguard_scopes")


def test_a_newer_ledger_is_refused(url: str) -> None:
    """Nothing in it is touched."""
    with watching(url):
        pass
    let_go()
    execute(url, f"UPDATE lifeguard_schema SET version = {schema.VERSION + 1}")
    with pytest.raises(UsageError, match="by a newer lifeguard"), watching(url):
        pass
    with pytest.raises(UsageError, match="by a newer lifeguard"):
        orphans(url)
    assert 1 == rows(url, "lifeguard_scopes")


def test_the_settled_leave_the_hot_table(url: str) -> None:
    """What is open is all that stands there."""
    with watching(url) as watched:
        for number in range(20):
            create(f"i{number}")
            if number >= 3:
                delete(f"i{number}")
        assert (3, 17) == (rows(url, "lifeguard_open"), rows(url, "lifeguard_settled"))
    assert 3 == len(said(watched))
    assert 0 == rows(url, "lifeguard_open")


def test_closing_reads_what_is_open_and_not_what_ever_was(sqlite: str) -> None:
    """So many statements, and so many rows, whatever the history: counted, not timed."""
    counted = []
    for history in (10, 400):
        with watching(sqlite, f"after {history}") as watched:
            for number in range(history):
                create(f"i{number}")
                delete(f"i{number}")
            create("left")
            store = watched.book.world.store
            statements: list[str] = []
            connection = store._connection
            assert connection is not None
            connection.connection.dbapi_connection.set_trace_callback(statements.append)
        counted.append(len(statements))
        let_go()
    assert counted[0] == counted[1]
    assert 0 < counted[0]


def test_prune_takes_out_what_is_over(url: str) -> None:
    """Closed scopes with all that they held go; what is owed and what is young stays."""
    with watching(url, "old"):
        for number in range(5):
            create(f"i{number}")
        delete("i0")
    with watching(url, "open") as watched:
        create("held")
        assert "taken out: 0 scopes, 0 settled obligations and 0 processes" == str(prune(url, older_than=3600))
        gone = prune(url, older_than=timedelta(0))
        assert (1, 5) == (gone.scopes, gone.settled)
        assert 1 == rows(url, "lifeguard_scopes")
        assert ["held"] == [one.key for one in watched.outstanding]
        delete("held")
    assert [] == said(watched)
    for wrong in (-1, "a day", True):
        with pytest.raises(DeclarationError, match="seconds from 0 or a timedelta"):
            prune(url, older_than=wrong)  # type: ignore[arg-type]
