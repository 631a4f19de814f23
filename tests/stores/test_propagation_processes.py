"""Child processes of every sort take part in the scope of their parent."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from stores_elsewhere import create, create_and_raise, create_in_a_thread, delete, held, image

import lifeguard
from lifeguard import Scope, scope
from lifeguard.stores import carry, child_environment, current_shared, pool_initializer, propagation, shared

WAYS = [way for way in ("fork", "spawn") if way in multiprocessing.get_all_start_methods()]


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """A ledger of this test alone."""
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def watched(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scope]:
    """A shared scope that is current, and balances in the end."""
    monkeypatch.setattr(propagation, "_said", set())
    with scope("parent", ledger=ledger) as watched:
        yield watched


@pytest.mark.parametrize("way", WAYS)
def test_process_with_a_carried_target(way: str, ledger: str, watched: Scope) -> None:
    """What a child acquires is held by the parent's scope, where the child was; the parent may release it."""
    process = multiprocessing.get_context(way).Process(target=carry(create, ledger=ledger), args=("a",))
    process.start()
    process.join()
    assert 0 == process.exitcode
    assert ["a"] == held(watched)
    delete("a")


@pytest.mark.parametrize("way", WAYS)
def test_process_that_fails_raises_what_it_raises(way: str, ledger: str, watched: Scope) -> None:
    """A carried function raises its own exception, and what it holds stays owed."""
    with multiprocessing.get_context(way).Pool(1) as pool, pytest.raises(ZeroDivisionError, match="b"):
        pool.apply(carry(create_and_raise, ledger=ledger), ("b",))
    assert ["b"] == held(watched)
    delete("b")


@pytest.mark.parametrize("way", WAYS)
def test_pool_whose_workers_join(way: str, ledger: str, watched: Scope) -> None:
    """Every worker of a pool is in the scope as long as it lives, its threads too."""
    with multiprocessing.get_context(way).Pool(2, initializer=pool_initializer(ledger=ledger)) as pool:
        processes = pool.map(create, ["a", "b", "c"], chunksize=1)
        processes.append(pool.apply(create_in_a_thread, ("d",)))
        assert ["a", "b", "c", "d"] == held(watched)
        pool.map(delete, ["a", "b", "c", "d"])
        pool.close()
        pool.join()
    assert os.getpid() not in processes


@pytest.mark.parametrize("way", WAYS)
def test_executor_whose_workers_join(way: str, ledger: str, watched: Scope) -> None:
    """The same for concurrent.futures; work of its own scope is carried."""
    how = multiprocessing.get_context(way)
    with ProcessPoolExecutor(1, mp_context=how, initializer=pool_initializer(ledger=ledger)) as executor:
        assert os.getpid() != executor.submit(create, "a").result()
        assert ["a"] == held(watched)
        executor.submit(delete, "a").result()
    with ProcessPoolExecutor(1, mp_context=how) as executor:
        executor.submit(create, "nobody's").result()
        executor.submit(carry(create, ledger=ledger), "b").result()
        assert ["b"] == held(watched)
        executor.submit(carry(delete, ledger=ledger), "b").result()


def test_carried_in_a_thread_of_this_process(ledger: str, watched: Scope) -> None:
    """A carried function may as well run in the process that carries it."""
    carry(create, ledger=ledger)("a")
    assert ["a"] == held(watched)
    delete("a")


PROGRAM = """
import threading
from lifeguard import Resource, acquires
from lifeguard.stores import current_shared, join_parent
image = Resource("image")
@acquires(image, key="name")
def create(name): ...
with join_parent() as joined:
    create("a")
    thread = threading.Thread(target=create, args=("b",))
    thread.start()
    thread.join()
    print(joined, current_shared().ident if joined else None)
"""


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program with an environment."""
    path = {"PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    return subprocess.run(command, env={**environ, **path}, capture_output=True, text=True, timeout=60)


def test_program_with_a_scope_in_its_environment(ledger: str, watched: Scope) -> None:
    """A program that is started joins by its environment, and passes the scope on as the same one."""
    ran = run(child_environment(ledger=ledger))
    assert (f"True {shared(watched).ident}\n", "") == (ran.stdout, ran.stderr)
    assert ["a", "b"] == held(watched)
    assert shared(watched) == current_shared()
    delete("a")
    delete("b")


def test_program_of_a_scope_that_is_closed(ledger: str) -> None:
    """A child that comes too late does its work without the scope, and says so."""
    with scope("short", ledger=ledger):
        environ = child_environment(ledger=ledger)
    ran = run(environ)
    assert ("False None\n", 0) == (ran.stdout, ran.returncode)
    assert "a scope is not joined: UsageError" in ran.stderr


def test_program_whose_ledger_is_named_by_a_variable(ledger: str, watched: Scope) -> None:
    """The URL need not stand in LIFEGUARD_LEDGER itself."""
    environ = {**child_environment(ledger="env:MY_DATABASE"), "MY_DATABASE": ledger}
    assert ledger not in environ["LIFEGUARD_LEDGER"]
    assert run(environ).stdout.startswith("True")
    watched.released(image, "a")
    watched.released(image, "b")
