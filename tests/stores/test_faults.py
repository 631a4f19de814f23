"""What a shared ledger survives: killed workers, a database that goes away, a full disk, a clock that is set back."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from findings import said
from postgresql import PostgreSQL
from stores_elsewhere import create, delete, held, watching
from stores_processes import start

import lifeguard.stores.processes as processes
from lifeguard import scope
from lifeguard.stores import Ledger, let_go, orphans, shared

ROUNDS = 200 if os.environ.get("LIFEGUARD_STORES") == "whole" else 12
VICTIM = Path(__file__).parents[1] / "stores_victim.py"


def settled_and_held(output: str) -> tuple[set[str], set[str], set[str]]:
    """What a victim's words say: what must be held, what must not be, and what may be either."""
    state: dict[str, str] = {}
    for line in output.splitlines():
        word, _, name = line.partition(" ")
        state[name] = word
    by = {word: {name for name, last in state.items() if last == word} for word in set(state.values())}
    return by.get("created", set()), by.get("deleted", set()), by.get("creating", set()) | by.get("deleting", set())


def test_a_worker_is_killed_at_any_moment(url: str) -> None:
    """Nothing that had been acknowledged is lost, and nothing is found that was not done."""
    with watching(url) as watched:
        which = shared(watched).ident
        must: set[str] = set()
        may: set[str] = set()
        must_not: set[str] = set()
        for seed in range(ROUNDS):
            done = subprocess.run(
                [sys.executable, str(VICTIM), url, which, str(seed)], stdout=subprocess.PIPE, text=True, check=False
            )
            assert -signal.SIGKILL == done.returncode
            there, gone, either = settled_and_held(done.stdout)
            must |= there
            must_not |= gone
            may |= either
        left = {str(key) for key in held(watched)}
        assert set() == must - left
        assert set() == left & must_not
        assert left <= must | may
        assert left == {str(one.key) for one in orphans(url)}
        for name in left:
            delete(name)
    assert [] == said(watched)


def test_a_server_that_is_stopped_and_started_again(postgresql: PostgreSQL) -> None:
    """The program goes on, its events wait in their order, and nothing is missing at the end."""
    ledger = Ledger(postgresql.database(), patience=10)
    with watching(ledger) as watched:
        create("before")
        postgresql.stop()
        create("meanwhile")
        delete("before")
        postgresql.start()
        delete("meanwhile")
        delete("before")
    assert ["LG103 image 'before'"] == said(watched)
    assert (2, 3) == (watched.watched["image"].acquired, watched.watched["image"].released)


def test_a_server_that_stays_away(postgresql: PostgreSQL, tmp_path: Path) -> None:
    """The scope says that it had to judge without it; what waits is told when the next process reaches it."""
    ledger = Ledger(postgresql.database(), patience=0.5, waiting_room=str(tmp_path))
    try:
        with watching(ledger) as watched:
            create("before")
            postgresql.stop()
            create("meanwhile")
        assert watched.verdict is not None
        (warning,) = watched.verdict.warnings
        assert "LG401" == warning.code
        assert "judged without the ledger" in warning.message
        assert "events of this process wait in" in warning.message
        let_go()
    finally:
        postgresql.start()
    with watching(ledger, "later"):
        pass
    let_go()
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]


def test_a_full_disk(tmp_path: Path, sqlite: str) -> None:
    """Calls return, and the scope says what it could not write down."""
    ledger = Ledger(sqlite, patience=0.5, waiting_room=str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    with watching(ledger) as watched:
        create("before")
        book: Any = watched.book
        store = book.world.store

        def fill(connection: Any) -> None:
            raw = connection.connection.dbapi_connection
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count = {pages}")

        store.ask(None, fill)
        names = [f"{'x' * 200}-{number}" for number in range(60)]
        for name in names:
            create(name)
        assert "full" in store.trouble
        store.database._engine.dispose()
        with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        for name in names:
            delete(name)
    assert ["LG101 image 'before'"] == said(watched)


def test_a_clock_that_is_set_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No host's clock is asked: leases go by the database's."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    monkeypatch.setattr(time, "time_ns", lambda: int((real() - 3600) * 1e9))
    with watching(Ledger(url, lease=1.0)) as watched:
        worker = start("late", url, shared(watched).ident)
        assert worker.stdout is not None
        worker.stdout.readline()
        assert [] == list(orphans(url))
        worker.kill()
        worker.communicate()
        (one,) = orphans(url)
        assert 0 <= one.age < 60
        delete("early")
    assert [] == said(watched)


def test_a_database_that_others_keep_busy(sqlite: str) -> None:
    """Another one's long transaction is waited for, and changes nothing."""
    with watching(sqlite) as watched:
        create("a")
        with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            done = threading.Event()

            def work() -> None:
                with watched.active():
                    create("b")
                done.set()

            thread = threading.Thread(target=work)
            thread.start()
            assert not done.wait(0.2)
            other.execute("COMMIT")
        thread.join()
        delete("a")
        delete("b")
    assert [] == said(watched)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("writing", ["through", "background"])
def test_a_fork_while_steps_are_on_their_way(url: str, writing: Any) -> None:
    """The child's scopes are inert, and the parent's steps are written once."""
    with watching(Ledger(url, writing=writing)) as watched:
        for number in range(20):
            create(f"i{number}")
        child = os.fork()
        if not child:
            try:
                create("of the child")
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for number in range(20):
            delete(f"i{number}")
    assert [] == said(watched)
    assert (20, 20) == (watched.watched["image"].acquired, watched.watched["image"].released)


def test_a_process_is_known_by_more_than_its_number() -> None:
    """Its start is told by the system, and its end is noticed at once."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        begun = processes.start_of(other.pid)
        assert begun
        other.kill()
        other.wait()
    assert begun != processes.start_of(other.pid)


def test_two_scopes_at_a_time_in_many_threads(url: str) -> None:
    """Steps of many threads come one after the other, and none is lost."""
    with watching(url) as watched, contextlib.ExitStack() as stack:
        threads = []
        for thread in range(4):

            def work(thread: int = thread) -> None:
                with watched.active():
                    for number in range(10):
                        create(f"{thread}-{number}")
                        delete(f"{thread}-{number}")

            threads.append(threading.Thread(target=work))
        for one in threads:
            one.start()
            stack.callback(one.join)
    assert [] == said(watched)
    assert (40, 40) == (watched.watched["image"].acquired, watched.watched["image"].released)


def test_connection_refused_from_the_start_does_not_hide_the_scope(tmp_path: Path) -> None:
    """A scope that cannot be opened says so, and the next one of memory is as ever."""
    with pytest.raises(Exception, match="cannot be reached"), scope("s", ledger=f"sqlite:///{tmp_path}/no/x.db"):
        pass
    with scope("plain", on_violation="record") as plain:
        create("a")
        delete("a")
    assert [] == said(plain)
