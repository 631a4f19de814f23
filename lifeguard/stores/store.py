"""One database, as this process writes to it: a thread that does what it is given in order, some of it in each transaction.

Watched threads hand over steps and, where the ledger is written through, wait until theirs is committed. Where the database does
not answer, the steps wait in a file (see `waiting`), nobody waits for them any longer, and they are told in their order when it
answers again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from lifeguard.data import replace
from lifeguard.errors import UsageError
from lifeguard.keys import problem_text
from lifeguard.stores import processes
from lifeguard.stores.books import SharedBook
from lifeguard.stores.database import Database, Unreachable, in_transaction, unreachable
from lifeguard.stores.jobs import Job
from lifeguard.stores.keys import KeyCodec
from lifeguard.stores.kinds import Kinds
from lifeguard.stores.naming import Ledger
from lifeguard.stores.rows import RowCodec
from lifeguard.stores.schema import JOINS, PROCESSES
from lifeguard.stores.spans import Snapshot
from lifeguard.stores.steps import STEPS
from lifeguard.stores.waiting import WaitingRoom
from lifeguard.stores.worlds import World

AT_ONCE: Final = 500
"""So many steps go into one transaction at the most."""

BACKLOG: Final = 20_000
"""So many steps may wait to be written; whoever tells one more waits with them."""

LINGER: Final = 0.005
"""Seconds that the thread that writes lets steps gather, where nobody waits for one."""

AGAIN: Final = (0.05, 2.0)
"""Seconds until a database that does not answer is asked again: at first, and at the most."""


class Store:
    """One ledger's database. Made by `store_of`."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.database = Database(ledger)
        self.process = processes.this_process()
        self.keys = KeyCodec(self.process.ident)
        self.kinds = Kinds(self._connected)
        self.rows = RowCodec(0, self.keys, self.kinds.number, self._name_of)
        self.worlds: dict[str, World] = {}
        self.own_world: World | None = None
        self.room = WaitingRoom(self)
        self.trouble = ""  # why it cannot be reached; "" while it can
        self.ever_reached = False
        self._names: dict[int, str] = {}
        self._numbers: dict[object, int] = {}
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._count = 0
        self._committed = 0  # so many transactions were
        self._adopted = False  # whether what dead processes left waiting has been told
        self._counting = threading.Lock()
        self._connection: Connection | None = None
        self._current: Connection | None = None  # while a transaction runs
        self._thread: threading.Thread | None = None
        self._writer = 0  # its identity
        self._pulse: threading.Thread | None = None
        self._stop = threading.Event()
        self._again_at = 0.0
        self._pause = AGAIN[0]

    # -- for everybody ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to write; the database need not be there yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lifeguard ledger", daemon=True)
            self._thread.start()
            self._pulse = threading.Thread(target=self._live, name="lifeguard lease", daemon=True)
            self._pulse.start()

    def world(self, ident: str) -> World:
        """The world with an identity."""
        known = self.worlds.get(ident)
        if known is None:
            known = self.worlds[ident] = World(self, ident)
        return known

    def world_of_scope(self, scope: str) -> World:
        """The world of a scope that cannot be looked up now."""
        for world in self.worlds.values():
            if world.here(scope) is not None:
                return world
        return self.worlds.setdefault(f"of scope {scope}", World(self, "", scope))

    def world_of_process(self) -> World:
        """The world of the scopes that this process opens by itself."""
        if self.own_world is None:
            self.own_world = self.world(self.process.ident)
        return self.own_world

    def number_of(self, about: object) -> int:
        """A number for something that findings are about, in this process."""
        return self._numbers.setdefault(about, len(self._numbers))

    def tell(self, job: Job, *, wait: bool) -> Job:
        """Hand a step over.

        Args:
            job: the step.
            wait: whether to wait until it is committed: as long as the database takes steps, and not longer than the ledger's
                patience without one. Where very many wait to be written, it is waited all the same: what gathers has a bound.
        """
        wait = (wait or self._jobs.qsize() > BACKLOG) and not self.writes_here and self._thread is not None
        lock = None
        if wait:
            lock = job.done = threading.Lock()
            lock.acquire()
        self._jobs.put(job)
        if lock is not None:
            seen = self._committed
            while not lock.acquire(timeout=self.ledger.patience):
                if self._committed == seen:
                    job.lost = not job.seen
                    break
                seen = self._committed
        return job

    def ask(self, world: World | None, question: Callable[..., Any], *what: Any, otherwise: Any = None) -> Any:
        """Ask something after everything that was told before.

        Args:
            world: of which world; None for the database as such, whose connection the question then gets.
            question: a function of the world and `what`, run in the thread that writes.
            what: its arguments.
            otherwise: the answer where there is none: the database does not answer, or the thread that writes asks itself.
        """
        if self.writes_here or self._thread is None:
            return otherwise
        job = Job("ask", world, (question, *what))
        self.tell(job, wait=True)
        if job.lost and job.done is None:  # by a connection that had been lost before: there may be another
            job = self.tell(Job("ask", world, (question, *what)), wait=True)
        if job.error is not None:
            raise job.error
        return otherwise if job.lost or job.done is not None else job.result

    @property
    def writes_here(self) -> bool:
        """Whether the running thread is the one that writes: it cannot wait for itself."""
        return threading.get_ident() == self._writer

    def flush(self) -> bool:
        """Wait until everything that was told is committed; False where it is not."""
        return bool(self.ask(None, lambda connection: True, otherwise=False))

    def close(self) -> None:
        """Write what is left, say that the process leaves, and stop."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        self._jobs.put(None)
        thread.join(self.ledger.patience * 2)
        if self._pulse is not None:
            self._pulse.join(self.ledger.patience)

    # -- the thread that writes -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._writer = threading.get_ident()
        while True:
            batch, last = self._gather()
            try:
                self._do(batch)
            except Exception as error:  # a defect of lifeguard's own: nobody must wait for ever
                for job in batch:
                    job.lost, job.error = True, job.error or error
            for job in batch:
                job.finish()
            if last:
                break
        self._leave()

    def _gather(self) -> tuple[list[Job], bool]:
        """The next steps, and whether they are the last."""
        try:
            job = self._jobs.get(timeout=self._time_to_try_again())
        except Empty:
            return [], False
        batch: list[Job] = []
        lingered = False
        while job is not None:
            batch.append(job)
            if len(batch) >= AT_ONCE:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except Empty:
                if lingered or any(one.done is not None for one in batch):
                    return batch, False
                try:
                    if (
                        self.ledger.writing == "through"
                    ):  # a call has begun: it may end at once, in the same transaction
                        job = self._jobs.get(timeout=LINGER)
                    else:
                        lingered = True
                        time.sleep(LINGER)
                        job = self._jobs.get_nowait()
                except Empty:
                    return batch, False
        return batch, True

    def _time_to_try_again(self) -> float | None:
        return max(0.01, self._again_at - time.monotonic()) if self.trouble else None

    def _do(self, batch: list[Job]) -> None:
        for job in batch:
            if job.name != "ask":
                self._count += 1
                job.number = self._count
        asks_only = all(job.name == "ask" for job in batch)
        if self.trouble and (time.monotonic() < self._again_at) and not (asks_only and batch and batch[-1].done):
            self.room.take_in(batch)
            return
        if (self.trouble or self.room.occupied) and not self._come_back():
            self.room.take_in(batch)
            return
        if not batch:
            return
        for world, jobs in groupby(batch, key=lambda job: job.world):
            some = list(jobs)
            if self.trouble:
                self.room.take_in(some)
                continue
            try:
                self.transact(world, some)
            except Unreachable as error:
                self._lose(error)
                self.room.take_in(some)

    def _lose(self, error: Exception) -> None:
        self.trouble = str(error)
        self._again_at = time.monotonic() + self._pause
        self._pause = min(AGAIN[1], self._pause * 2)
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()

    def _come_back(self) -> bool:
        """Ask the database again, and tell it what has waited; False where it still does not answer."""
        try:
            self._connect()
            self.room.let_out()
        except Unreachable as error:
            self._lose(error)
            return False
        self.trouble, self._pause = "", AGAIN[0]
        return True

    def _connect(self) -> Connection:
        if self._connection is None:
            self.database.prepare()
            self._connection = self.database.connect()
        if not self.process.number:
            now = self.database.now
            lease = self.ledger.lease
            number = in_transaction(self._connection, lambda one: processes.register(one, self.process, lease, now))
            self._speak_as(replace(self.process, number=number))
            self.ever_reached = True
        if not self._adopted:
            self._adopted = True  # before: what is adopted is told through this connection
            try:
                self.room.adopt()
            except Unreachable:
                self._adopted = False
                raise
        return self._connection

    def _speak_as(self, process: processes.Process) -> None:
        self.process = process
        self.rows.process = process.number
        for world in self.worlds.values():
            world.process = process.number
            world.undone()

    @contextlib.contextmanager
    def speaking_for(self, process: processes.Process) -> Iterator[None]:
        """Tell what another process has left; the thread that writes does it.

        Args:
            process: the other one, as it was when it began to wait; the database may not know it yet.
        """
        assert self._connection is not None
        me, now, lease = self.process, self.database.now, self.ledger.lease
        if not process.number:

            def known(connection: Connection) -> int:
                found = connection.execute(select(PROCESSES.c.id).where(PROCESSES.c.ident == process.ident)).scalar()
                return int(found) if found is not None else processes.register(connection, process, lease, now)

            process = replace(process, number=in_transaction(self._connection, known))
        self._speak_as(process)
        try:
            yield
        finally:
            self._speak_as(me)

    def unread(self, world: World) -> None:
        """The scopes of a world have to be looked at again."""
        world.undone()

    def transact(self, world: World | None, batch: list[Job]) -> None:
        """Do some steps of one world in one transaction.

        Raises:
            Unreachable: it could not be committed, or nobody knows whether it was.
        """
        before = Snapshot([world] if world is not None else [])

        def work(connection: Connection) -> None:
            self._current = connection
            if world is not None:
                world.begin(connection)
                world.tables.fetch(ref for job in batch for ref in job.refs)
            done = world.state["applied"].get(str(self.process.number), 0) if world is not None else 0
            for job in batch:
                if not 0 < job.number <= done:
                    self._step(job, connection)
            if world is not None:
                world.commit(self.process.number, max(job.number for job in batch))

        def again() -> None:
            before.restore()
            self.kinds.forget()
            if world is not None:
                world.undone()

        try:
            in_transaction(self._connect(), work, again)
        except BaseException as error:
            again()
            raise unreachable(error) if isinstance(error, Exception) else error from None
        finally:
            self._current = None
        if world is not None:
            world.done()
        for job in batch:
            job.seen = True
        self._committed += 1

    def _step(self, job: Job, connection: Connection) -> None:
        try:
            if job.name != "ask":
                job.result = STEPS[job.name](job.world, *job.what)
            else:
                question, *what = job.what
                job.result = question(job.world if job.world is not None else connection, *what)
            job.error = None
        except (UsageError, SQLAlchemyError, Unreachable) as error:
            if not isinstance(error, UsageError):
                raise
            job.error = error
        except Exception as error:  # a defect of lifeguard's own must not stop what comes after it
            job.result = None
            if job.world is not None:
                text = f"a step ({job.name}) of the shared ledger failed ({problem_text(error)}); please report it"
                job.world.ledger.complain(job.world.open_books(), "LG401", text, about=text)

    def _connected(self) -> Connection:
        assert self._current is not None, "outside of a transaction"
        return self._current

    def _name_of(self, process: int) -> str:
        known = self._names.get(process)
        if known is None:
            statement = select(PROCESSES.c.pid, PROCESSES.c.host).where(PROCESSES.c.id == process)
            row = self._connected().execute(statement).one_or_none()
            known = f"process {row.pid} on {row.host}" if row is not None else f"process number {process}"
            self._names[process] = known
        return known

    def _leave(self) -> None:
        if self._connection is not None and not self.trouble:
            with contextlib.suppress(Exception):
                in_transaction(
                    self._connection,
                    lambda one: processes.leaves(one, self.process.number, self.database.now),
                )
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
        self.room.leave()

    # -- the lease --------------------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._stop.wait(self.ledger.lease / 3):
            if self.process.number and not self.trouble:
                with contextlib.suppress(Exception):
                    self.database.run(lambda one: processes.lives(one, self.process.number, self.database.now))

    # -- scopes -----------------------------------------------------------------------------------------------------------------

    def join(self, connection: Connection, book: SharedBook) -> None:
        """Write down that this process is in a scope."""
        known = connection.execute(
            select(JOINS.c.scope).where(JOINS.c.scope == book.number, JOINS.c.process == self.process.number)
        ).scalar()
        if known is None:
            values = {"scope": book.number, "process": self.process.number, "since": self.database.now}
            connection.execute(insert(JOINS).values(**values))
        else:
            self._set_join(connection, book, ended=None)

    def part(self, connection: Connection, book: SharedBook) -> None:
        """Write down that it is in it no more."""
        self._set_join(connection, book, ended=self.database.now)

    def _set_join(self, connection: Connection, book: SharedBook, **values: Any) -> None:
        this = (JOINS.c.scope == book.number, JOINS.c.process == self.process.number)
        connection.execute(update(JOINS).where(*this).values(**values))


_STORES: dict[Ledger, Store] = {}
_opening = threading.Lock()


def store_of(ledger: Ledger) -> Store:
    """The store of a ledger in this process, made when it is first asked for."""
    with _opening:
        store = _STORES.get(ledger)
        if store is None:
            store = _STORES[ledger] = Store(ledger)
            store.start()
        return store


def let_go() -> None:
    """Write what is left to every ledger, say that this process leaves them, and let go of them."""
    with _opening:
        stores = list(_STORES.values())
        _STORES.clear()
    for store in stores:
        store.close()
    for step in letting_go:
        step()


letting_go: list[Callable[[], object]] = []
"""Called when this process has let go of its ledgers."""


atexit.register(let_go)


_PARENTS: list[Store] = []
"""Stores of the process that this one was forked from: kept, so that nothing of theirs is closed here."""


def _after_fork() -> None:
    global _opening
    _opening = threading.Lock()
    for store in _STORES.values():
        store._thread = store._pulse = None
        _PARENTS.append(store)
    _STORES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
