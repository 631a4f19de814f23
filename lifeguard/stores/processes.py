"""Which process this is, and whether another one is still alive.

A process is known by its host, the host's boot, its number and the moment it was started, so that a number that was given out
again is another one. On the same host the system is asked; of another host it is known when it last said that it lives, by the
clock of the database: no host's clock is asked.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, update

from lifeguard.data import record
from lifeguard.stores.schema import PROCESSES, inserted


@record
class Process:
    """A process as a ledger knows it.

    Attributes:
        number: its number in the database; 0 while it has none.
        ident: its identity, 32 hexadecimal digits; a forked child has one of its own.
        host: the name of its host.
        host_ident: what tells hosts of one name apart.
        boot: which boot of the host; "" where the system does not say.
        pid: its number on the host.
        started: when it was started, as the system tells it; "" where it does not.
        program: what runs in it.
    """

    number: int
    ident: str
    host: str
    host_ident: str
    boot: str
    pid: int
    started: str
    program: str

    @property
    def name(self) -> str:
        """As reports name it."""
        return f"process {self.pid} on {self.host}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def boot_ident() -> str:
    """Which boot of this host it is; "" where the system does not say."""
    return _read("/proc/sys/kernel/random/boot_id")


def host_ident() -> str:
    """What tells this host from another one of the same name, and one container from another: who numbers the processes."""
    try:
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbering = ""
    return f"{_read('/etc/machine-id') or format(uuid.getnode(), '012x')} {numbering}".strip()


def start_of(pid: int) -> str | None:
    """When a process of this host was started; None where there is none, "" where the system does not say."""
    if sys.platform == "linux":
        told = _read(f"/proc/{pid}/stat")
        fields = told.rpartition(")")[2].split()
        if not fields or fields[0] in ("Z", "X"):  # it has ended, and nobody has asked for its result yet
            return None
        return fields[_STARTED]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


_STARTED = 19
"""The twenty-second field of /proc/PID/stat; the first two are before the ")"."""


def this_process() -> Process:
    """The running process."""
    pid = os.getpid()
    program = " ".join(os.path.basename(part) for part in sys.argv[:1]) or "python"
    return Process(
        0, uuid.uuid4().hex, socket.gethostname(), host_ident(), boot_ident(), pid, start_of(pid) or "", program
    )


def register(connection: Connection, process: Process, lease: float, now: Any) -> int:
    """Write a process down; gives its number."""
    values = {
        "ident": process.ident,
        "host": process.host,
        "host_ident": process.host_ident,
        "boot": process.boot,
        "pid": process.pid,
        "started": process.started,
        "program": process.program,
        "lease": lease,
        "since": now,
        "seen": now,
    }
    return inserted(connection.execute(insert(PROCESSES).values(**values)))


def lives(connection: Connection, number: int, now: Any) -> None:
    """Say that a process lives."""
    connection.execute(update(PROCESSES).where(PROCESSES.c.id == number).values(seen=now, ended=None))


def leaves(connection: Connection, number: int, now: Any) -> None:
    """Say that a process has left in good order."""
    connection.execute(update(PROCESSES).where(PROCESSES.c.id == number).values(seen=now, ended=now))


def is_gone(process: Process) -> bool:
    """Whether a process of this host has ended; False for one of another host."""
    if process.host_ident != host_ident() or process.host != socket.gethostname():
        return False
    if process.boot != boot_ident():
        return True
    started = start_of(process.pid)
    return started is None or (bool(process.started) and bool(started) and started != process.started)


def is_dead(row: Any, now: float) -> bool:
    """Whether a process is known to be dead.

    Args:
        row: its row.
        now: what the database's clock says.
    """
    if row.ended is not None:
        return True
    process = Process(row.id, row.ident, row.host, row.host_ident, row.boot, row.pid, row.started, row.program)
    if process.host_ident == host_ident() and process.host == socket.gethostname():
        return is_gone(process)
    return bool(now - row.seen > row.lease)
