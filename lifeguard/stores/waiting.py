"""Where events wait for a database that does not answer: a file of this process, told to the database in order when it is back.

Each step has a number, and the database knows the number of the last one that it has of a process: what was committed though
nobody heard of it is not told twice. A file that a dead process has left is told by the next one of this host that reaches the
same ledger.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from lifeguard.data import field_names, replace
from lifeguard.keys import problem_text
from lifeguard.stores import processes
from lifeguard.stores.books import SharedBook
from lifeguard.stores.database import Unreachable
from lifeguard.stores.jobs import Job
from lifeguard.stores.lines import StepLines, line_of

if TYPE_CHECKING:
    from lifeguard.stores.store import Store
    from lifeguard.stores.worlds import World

_LOGGER: Final = logging.getLogger("lifeguard")

VERSION: Final = 1
AT_ONCE: Final = 200
"""So many steps that have waited are told in one transaction."""


_IN_USE: Final[set[Path]] = set()
"""The files that stores of this process are writing now: one database may have several, under different settings."""


class WaitingRoom:
    """The file of one process for one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path: Path | None = None
        self._fd: int | None = None
        self._told = 0  # so many bytes of it are in the database already
        self._lines = StepLines(store.keys, self._book_of)
        self._reading_world: World | None = None
        self.waiting = 0
        self.lost = 0  # so many could not even wait
        self.why_lost = ""

    @property
    def occupied(self) -> bool:
        """Whether somebody waits."""
        return self.waiting > 0

    @property
    def path(self) -> str:
        """The file, as far as there is one."""
        return str(self._path) if self._path is not None else ""

    # -- in ---------------------------------------------------------------------------------------------------------------------

    def take_in(self, batch: Iterable[Job]) -> None:
        """Let steps wait; who asks gets no answer."""
        for job in batch:
            job.lost = True
            if job.name == "ask" or job.world is None:
                continue
            try:
                told = self._lines.write(job.number, job.name, job.what)
                self._write({**told, "world": job.world.ident, "scope": job.world.of_scope})
                self.waiting += 1
            except Exception as error:  # the disk is full, or a defect of lifeguard's own: the program goes on
                self.lost += 1
                self.why_lost = self.why_lost or problem_text(error)

    def _write(self, told: dict[str, Any]) -> None:
        if self._fd is None:
            self._path = folder(self._store) / f"{self._store.ledger.fingerprint}-{self._store.process.ident}.waiting"
            _IN_USE.add(self._path)
            self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._fd).st_size == 0:
                process = self._store.process
                header = {name: getattr(process, name) for name in field_names(process)}
                os.write(self._fd, line_of({"version": VERSION, "process": header}))
        data = line_of(told)
        while data:
            data = data[os.write(self._fd, data) :]

    # -- out --------------------------------------------------------------------------------------------------------------------

    def let_out(self) -> None:
        """Tell the database what has waited, in order.

        Raises:
            Unreachable: it does not answer; what it has not got still waits.
        """
        if not self.waiting or self._path is None:
            return
        with open(self._path, "rb") as file:
            self._told = self._told or len(file.readline())
            file.seek(self._told)
            for lines in _some(file):
                self._tell([json.loads(line) for line in lines])
                self._told += sum(map(len, lines))
                self.waiting = max(0, self.waiting - len(lines))
        self._empty()

    def _tell(self, told: list[dict[str, Any]]) -> None:
        jobs: list[Job] = []
        for one in told:
            world = self._store.world(one["world"]) if one["world"] else self._store.world_of_scope(one["scope"])
            if jobs and jobs[-1].world is not world:
                self._store.transact(jobs[-1].world, jobs)
                jobs = []
            self._reading_world = world
            name, what = self._lines.read(one)
            job = Job(name, world, what)
            job.number = one["n"]
            jobs.append(job)
        if jobs:
            self._store.transact(jobs[-1].world, jobs)

    def _book_of(self, ident: str, told: dict[str, Any]) -> SharedBook:
        world = self._reading_world
        assert world is not None
        known = world.here(ident)
        if known is None or known.closed:
            known = SharedBook(
                told["name"], ident=ident, remember=told["remember"], only=told["only"], ignore=told["ignore"]
            )
            world.enter(known)
            self._store.unread(world)
        return known

    def _empty(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            _IN_USE.discard(self._path)
        self._path, self._told, self.waiting = None, 0, 0

    def leave(self) -> None:
        """The process ends; what still waits stays in its file."""
        if not self.waiting:
            self._empty()
        elif self._fd is not None and self._path is not None:
            os.close(self._fd)
            self._fd = None
            _IN_USE.discard(self._path)

    # -- of the dead ------------------------------------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Tell the database what processes of this host left waiting that are dead.

        Raises:
            Unreachable: it does not answer.
        """
        for path in left_behind(self._store):
            with contextlib.suppress(OSError), path.open("rb") as file:
                if _claimed(file):  # of two that find it, one tells it; the other's claim ends with its process
                    try:
                        self._tell_for_the_dead(_complete(file.read()))
                    except Unreachable:
                        raise
                    except Exception as error:  # it is damaged: kept for whoever can read it, and told once
                        kept = path.replace(path.with_suffix(".unreadable"))
                        _LOGGER.warning(
                            "events of a dead process cannot be read, and stay in %s: %s", kept, problem_text(error)
                        )
                    else:
                        path.unlink()

    def _tell_for_the_dead(self, lines: list[bytes]) -> None:
        with self._store.speaking_for(_process_in(lines[0])):
            reader = WaitingRoom(self._store)
            for start in range(1, len(lines), AT_ONCE):
                reader._tell([json.loads(line) for line in lines[start : start + AT_ONCE]])


def _claimed(file: IO[bytes]) -> bool:
    """Whether this process is the one that tells a file: nobody else does, or has."""
    if find_spec("fcntl") is not None:
        fcntl = importlib.import_module("fcntl")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return os.fstat(file.fileno()).st_nlink > 0


def _some(file: Any) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    for line in file:
        if not line.endswith(b"\n"):
            break
        lines.append(line)
        if len(lines) == AT_ONCE:
            yield lines
            lines = []
    if lines:
        yield lines


def _complete(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n")[:-1] if line]


def _process_in(line: bytes) -> processes.Process:
    return processes.Process(**json.loads(line)["process"])


def folder(store: Store) -> Path:
    """The folder for what waits: the user's own, and nobody else's.

    Raises:
        OSError: there can be none.
    """
    given = store.ledger.waiting_room
    user = os.getuid() if hasattr(os, "getuid") else "user"
    path = Path(given) if given is not None else Path(tempfile.gettempdir(), f"lifeguard-{user}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if given is None and hasattr(os, "getuid"):
        told = path.lstat()
        if told.st_uid != os.getuid() or told.st_mode & 0o077:
            raise PermissionError(f"{path} belongs to somebody else, or others may write there")
    return path


def _same(one: processes.Process, other: processes.Process) -> bool:
    """Whether two records are of one process, as its system knows it: a number alone is also another container's."""
    return replace(one, number=0, ident="") == replace(other, number=0, ident="")


def left_behind(store: Store) -> list[Path]:
    """The files that dead processes of this host left for the same ledger, and this one when it let go of it."""
    try:
        found = sorted(folder(store).glob(f"{store.ledger.fingerprint}-*.waiting"))
    except OSError:
        return []
    dead = []
    for path in found:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
            process = _process_in(_complete(path.read_bytes())[0])
            let_go = _same(process, store.process) and path not in _IN_USE  # by this very process
            if process.ident != store.process.ident and (let_go or processes.is_gone(process)):
                dead.append(path)
    return dead
