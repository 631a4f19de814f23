"""A scope that several processes are in: what is acquired in one is released in another, and judged where it was opened."""

from __future__ import annotations

import asyncio
import threading

import pytest
from findings import said
from stores_elsewhere import create, delete, held, watching
from stores_processes import hear, run, say, start

from lifeguard import DeclarationError, UsageError, ViolationError, scope
from lifeguard.context import LEDGER
from lifeguard.stores import Ledger, SharedScope, join, late_events, let_go, shared, store


def test_acquired_in_one_process_and_released_in_another(url: str) -> None:
    """The scope balances, and counts what happened in both."""
    with watching(url) as watched:
        assert 0 == run("leave", url, shared(watched).ident, "a", "b")
        assert ["a", "b"] == held(watched)
        delete("a")
        delete("b")
    assert [] == said(watched)
    assert 2 == watched.watched["image"].acquired


def test_a_leak_of_another_process_is_told_with_its_process_and_host(url: str) -> None:
    """The report says where the one stands who acquired it."""
    with watching(url) as watched:
        run("leave", url, shared(watched).ident, "a")
    assert ["LG101 image 'a'"] == said(watched)
    (violation,) = watched.violations
    assert violation.acquired is not None
    assert "stores_workers.py" in violation.acquired.file
    assert "process " in violation.history[0].actor
    assert str(violation.history[0].actor) in watched.report()


def test_it_raises_where_it_was_opened(url: str) -> None:
    """A shared scope is a gate like any other."""
    with pytest.raises(ViolationError, match="image 'a': still held"), scope("gate", ledger=url) as watched:
        run("leave", url, shared(watched).ident, "a")


def test_joined_in_the_process_that_opened_it(url: str) -> None:
    """By a thread that knows no context, nested in itself, and in a coroutine."""

    async def in_a_task(ident: str) -> None:
        async with join(ident, ledger=url):
            create("task")

    def in_a_thread(which: SharedScope) -> None:
        with join(which, ledger=url), join(which, ledger=url):
            create("thread")

    with watching(url) as watched:
        which = shared(watched)
        thread = threading.Thread(target=in_a_thread, args=(which,))
        thread.start()
        thread.join()
        asyncio.run(in_a_task(which.ident))
        assert ["task", "thread"] == sorted(held(watched))
        create("own")
    assert ["LG101 image 'own'", "LG101 image 'task'", "LG101 image 'thread'"] == sorted(said(watched))


def test_a_join_with_the_reach_of_the_process(url: str) -> None:
    """What other threads do is in it, too."""
    with watching(url) as watched:
        which = shared(watched)

        def work() -> None:
            with join(which, ledger=url, reach="process"):
                thread = threading.Thread(target=create, args=("deep",))
                thread.start()
                thread.join()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert ["deep"] == held(watched)
        delete("deep")
    assert [] == said(watched)


def test_an_own_scope_inside_a_join_judges_its_own(url: str) -> None:
    """Inside a join, an ordinary scope of the process is the innermost one."""
    with watching(url) as watched, join(shared(watched), ledger=url):
        with scope("inner", on_violation="record") as inner:
            create("inner")
        create("outer")
    assert ["LG101 image 'inner'"] == said(inner)
    assert ["LG101 image 'outer'"] == said(watched)


def test_in_the_background(url: str) -> None:
    """What was not waited for is there when the scope is judged, in its order."""
    with watching(Ledger(url, writing="background")) as watched:
        for number in range(50):
            create(f"i{number}")
            delete(f"i{number}")
        run("in_background", url, shared(watched).ident, "left")
    assert ["LG101 image 'left'"] == said(watched)
    assert (51, 50) == (watched.watched["image"].acquired, watched.watched["image"].released)


def test_a_judgement_waits_as_long_as_there_is_progress(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More has gathered than can be written within the patience: the scope waits for all of it."""
    monkeypatch.setattr(store, "AT_ONCE", 10)
    with watching(Ledger(sqlite, writing="background", patience=0.5)) as watched:
        for number in range(1500):
            create(f"i{number}")
            delete(f"i{number}")
        create("left")
    assert ["LG101 image 'left'"] == said(watched)
    assert 1501 == watched.watched["image"].acquired


def test_what_gathers_has_a_bound(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where very many steps wait to be written, the next call waits with them."""
    monkeypatch.setattr(store, "BACKLOG", 200)
    waiting = []
    with watching(Ledger(sqlite, writing="background")) as watched:
        jobs = watched.book.world.store._jobs  # type: ignore[attr-defined]
        for number in range(500):
            create(f"i{number}")
            delete(f"i{number}")
            waiting.append(jobs.qsize())
    assert [] == said(watched)
    assert 0 < max(waiting) <= 200 + 4


def test_what_comes_after_the_verdict_is_kept(url: str) -> None:
    """A worker that is still at it does no harm, and what it did is told to whoever asks."""
    with watching(url) as watched:
        worker = start("late", url, shared(watched).ident)
        hear(worker, "ready")
    assert ["LG101 image 'early'"] == said(watched)
    say(worker)
    hear(worker, "done")
    assert "" == worker.communicate()[0]
    assert 0 == worker.returncode
    told = [(one.verb, one.key, one.function, one.pid) for one in late_events(watched)]
    assert [("acquired", "after", "create", worker.pid), ("released", "early", "delete", worker.pid)] == told
    assert ["LG101 image 'early'"] == said(watched)


def test_a_join_after_the_end_is_refused_or_recorded_as_late(url: str) -> None:
    """Nothing is lost, and nothing passes for having been judged."""
    with watching(url) as watched:
        which = shared(watched)
    with pytest.raises(UsageError, match="was closed before"), join(which, ledger=url):
        pass
    with join(which, ledger=url, late="record"):
        create("late")
    assert [("acquired", "late")] == [(one.verb, one.key) for one in late_events(which, ledger=url)]


def test_nothing_of_it_stays_in_the_memory_of_the_process(url: str) -> None:
    """Neither of the scope nor of a join: the ledger of the process is as before."""
    before = len(LEDGER._engine.books)
    with watching(url) as watched, join(shared(watched), ledger=url):
        create("a")
        delete("a")
    assert (before, []) == (len(LEDGER._engine.books), LEDGER.observed)
    let_go()
    assert [] == [name for name in vars(LEDGER) if name in ("begin", "end", "judge")]


def test_two_scopes_of_one_name(url: str) -> None:
    """They are told apart by their identity."""
    with watching(url, "twin") as one:
        first = shared(one)
        with watching(url, "twin") as two:
            assert first.ident != shared(two).ident
            run("leave", url, shared(two).ident, "of two")
            run("leave", url, first.ident, "of one")
    assert ["LG101 image 'of one'"] == said(one)
    assert ["LG101 image 'of two'"] == said(two)


def test_what_makes_no_sense(url: str, sqlite: str) -> None:
    """Each mistake is an error at once, which says what would be right."""
    with scope("of memory") as plain, pytest.raises(UsageError, match="has no shared ledger"):
        shared(plain)
    with pytest.raises(UsageError, match="there is no scope 0123"), join("0123456789abcdef" * 2, ledger=url):
        pass
    for wrong in ("short", "x" * 32, 7):
        with pytest.raises(DeclarationError, match="32 hexadecimal digits"):
            join(wrong, ledger=url)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="'refuse' or 'record'"):
        join("0" * 32, ledger=url, late="perhaps")  # type: ignore[arg-type]
    closed = watching(url)
    with closed:
        pass
    with pytest.raises(UsageError, match="not open"):
        shared(closed)
    other = sqlite.replace("ledger.db", "other.db")
    with watching(url), pytest.raises(UsageError, match="another one"), watching(other):
        pass
