"""What waits in the file of a process that dies is told by another one, whatever happens to that one."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from findings import said
from postgresql import PostgreSQL
from stores_elsewhere import create, delete, held, watching
from stores_processes import run

from lifeguard.data import replace
from lifeguard.stores import Ledger, let_go, shared
from lifeguard.stores import database as databases
from lifeguard.stores.database import Unreachable
from lifeguard.stores.store import Store, store_of


@dataclass
class Left:
    """A scope in which a worker was killed while its database was locked."""

    ledger: Ledger
    scope: str
    room: Path

    def files(self) -> list[str]:
        """What waits, by the kind of its file."""
        return sorted(path.suffix for path in self.room.iterdir())

    def somebody_comes(self) -> int:
        """A process that reaches the ledger; gives its exit code."""
        return run("come", self.ledger.url, self.scope, str(self.room))


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """An empty folder for what waits."""
    made = tmp_path / "room"
    made.mkdir()
    return made


def killed_while_it_is_locked(left: Left) -> None:
    """A worker acquires "waits" while another connection has the database, and is killed when the call has returned."""
    assert -9 == run("die_waiting", left.ledger.url, left.scope, str(left.room))
    assert [".waiting"] == left.files()


def test_what_a_killed_worker_left_waiting_is_told(sqlite: str, room: Path) -> None:
    """A call that had returned is not lost, though the database never heard of it while the process lived."""
    ledger = Ledger(sqlite, waiting_room=str(room))
    with watching(ledger) as watched:
        left = Left(ledger, shared(watched).ident, room)
        killed_while_it_is_locked(left)
        assert 0 == left.somebody_comes()
        assert (["waits"], []) == (held(watched), left.files())
        delete("waits")
    assert [] == said(watched)


def test_a_database_that_goes_away_again_while_it_is_told(
    sqlite: str, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays where the next attempt finds it, and is told once."""
    real = Store.transact
    failures: list[str] = []

    def fails_once(store: Store, world: object, batch: list[object]) -> None:
        if not failures and any(getattr(job, "name", "") == "end" for job in batch):
            failures.append("gone")
            raise Unreachable("gone again")
        real(store, world, batch)  # type: ignore[arg-type]

    ledger = Ledger(sqlite, waiting_room=str(room))
    with watching(ledger) as watched:
        left = Left(ledger, shared(watched).ident, room)
        killed_while_it_is_locked(left)
        monkeypatch.setattr(Store, "transact", fails_once)
        store = store_of(replace(ledger, lease=14.0))
        assert store.flush()
        assert (["gone"], []) == (failures, left.files())
        assert ["waits"] == held(watched)
        delete("waits")
    assert [] == said(watched)


def test_a_file_that_cannot_be_read_is_kept_and_told_once(
    sqlite: str, room: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It stops nobody, and is put aside."""
    ledger = Ledger(sqlite, waiting_room=str(room))
    with watching(ledger) as watched:
        left = Left(ledger, shared(watched).ident, room)
        killed_while_it_is_locked(left)
    let_go()
    (path,) = room.iterdir()
    path.write_bytes(path.read_bytes() + b"no JSON\n")
    with caplog.at_level(logging.WARNING, "lifeguard"):
        for name in ("one", "two"):
            with watching(ledger, name) as later:
                create(name)
                delete(name)
            assert [] == said(later)
            let_go()
    assert [".unreadable"] == left.files()
    assert 1 == sum("cannot be read, and stay in" in record.message for record in caplog.records)


@pytest.mark.parametrize("field", ["host_ident", "started"])
def test_a_living_process_of_the_same_number_elsewhere_keeps_its_file(sqlite: str, room: Path, field: str) -> None:
    """Containers that share a folder often have the same numbers; what lives is not told by others."""
    ledger = Ledger(sqlite, waiting_room=str(room))
    with watching(ledger) as watched:
        store = watched.book.world.store  # type: ignore[attr-defined]
        process = {
            name: getattr(store.process, name) for name in ("host", "host_ident", "boot", "pid", "started", "program")
        }
        process |= {"number": 0, "ident": "f" * 32, "host_ident": "another"}
        process |= {field: "another"}
        path = room / f"{ledger.fingerprint}-{'f' * 32}.waiting"
        path.write_text(json.dumps({"version": 1, "process": process}) + "\n")
        assert store_of(replace(ledger, lease=14.0)).flush()
    assert [path] == list(room.iterdir())


def test_two_settings_of_one_database_in_one_process(sqlite: str, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits under one of them is not taken from it by the other."""
    monkeypatch.setattr(databases, "TRIES", 1)
    monkeypatch.setattr(databases, "BUSY", 20)
    first = Ledger(sqlite, waiting_room=str(room))
    with watching(first) as watched:
        store = watched.book.world.store  # type: ignore[attr-defined]
        with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            create("waits")
            other.execute("ROLLBACK")
        store._again_at = time.monotonic() + 3600  # it does not ask again by itself
        assert store_of(replace(first, lease=14.0)).flush()
        assert 1 == len(list(room.iterdir()))
        store._again_at = 0.0
        delete("waits")
    assert [] == said(watched)
    assert [] == list(room.iterdir())


def test_a_database_that_was_away_when_a_worker_joined(postgresql: PostgreSQL, room: Path) -> None:
    """It does its work and ends; what it did is told when somebody reaches the ledger."""
    ledger = Ledger(postgresql.database(), waiting_room=str(room), patience=10)
    with watching(ledger) as watched:
        left = Left(ledger, shared(watched).ident, room)
        postgresql.stop()
        try:
            assert 0 == run("join_without_it", ledger.url, left.scope, str(room))
            assert [".waiting"] == left.files()
        finally:
            postgresql.start()
        assert 0 == left.somebody_comes()
        assert ["kept"] == held(watched)
        delete("kept")
    assert [] == said(watched)
    assert (2, 2) == (watched.watched["image"].acquired, watched.watched["image"].released)
    let_go()


def test_others_that_stay_in_the_way(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is tried a bounded number of times, and the error says what the database said."""
    monkeypatch.setattr(databases, "TRIES", 4)
    monkeypatch.setattr(databases, "BUSY", 10)
    again: list[None] = []
    database = databases.Database(Ledger(sqlite))
    database.prepare()
    with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            database.connect() as connection,
            pytest.raises(Unreachable, match=r"^OperationalError: database is locked$"),
        ):
            databases.in_transaction(connection, lambda _: pytest.fail("it is locked"), lambda: again.append(None))
    assert 3 == len(again)


def test_a_locked_file_is_told_later(sqlite: str, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done while another connection kept the file for longer than all tries is told in its order."""
    monkeypatch.setattr(databases, "TRIES", 2)
    monkeypatch.setattr(databases, "BUSY", 10)
    with watching(Ledger(sqlite, waiting_room=str(room))) as watched:
        create("before")
        with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            create("meanwhile")
            delete("before")
            delete("before")
            assert 1 == len(list(room.iterdir()))
            other.execute("ROLLBACK")
        assert ["meanwhile"] == held(watched)
        delete("meanwhile")
    assert ["LG103 image 'before'"] == said(watched)
    assert [] == list(room.iterdir())
