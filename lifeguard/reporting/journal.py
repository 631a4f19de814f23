"""The journal: everything that a ledger was told while a scope was open, as JSON lines, written as it happens.

A line is one write to the file, so that a killed process leaves all but its last line readable, and many processes may
write to one file. `lifeguard.reporting.replay` reads it.

Lines, all with `run` (which writer), `n` (number of the line in its run) and `step`:

- `journal`: the first line of a run: the version of the format, the process.
- `kind`: a kind, before it is first mentioned; who may pay it.
- `scope`, `allow`, `verdict`: what a scope that keeps this journal is, what it allows, what it said in the end.
- `there`: what was held or remembered when the run began.
- `open`, `begin`, `end`, `abandon`, `complain`, `report`, `breached`, `seed`, `judge`, `close`: the steps of the ledger,
  with `seq`, the number of the last event after the step.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lifeguard.context import LEDGER, Event
from lifeguard.errors import UsageError
from lifeguard.keys import problem_text
from lifeguard.ledger.records import Call
from lifeguard.places import Place, user_place
from lifeguard.reporting.lines import Line, Lines
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.scopes import Scope


class Journal:
    """The observer behind `scope(journal=path)`.

    Args:
        path: the file.
        place: where the scope is said to be opened; by default the line that opens it.

    Attributes:
        path: the file.
        entry: under which run and number the scope stands in it; None before the scope is opened.
    """

    def __init__(self, path: str, *, place: Place | None = None) -> None:
        self.path = os.path.abspath(path)
        self.entry: tuple[str, int] | None = None
        self._path = path
        self._place = place
        self._scope: Scope | None = None
        self._keeping = contextlib.ExitStack()
        self._writer: Writer | None = None

    def opening(self, scope: Scope) -> None:
        """The scope is about to open: the file is opened, and whatever the ledger is told from now on goes there.

        Raises:
            UsageError: the file cannot be written.
        """
        self._scope = scope
        self._writer = self._keeping.enter_context(writing(self._path))
        self.entry = self._writer.run, self._writer.scope(scope, self._place or user_place())

    def began(self, call: Call) -> None:
        """Nothing to do: the ledger tells."""

    def event(self, event: Event) -> None:
        """Nothing to do: the ledger tells."""

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged.

        Raises:
            OSError: something could not be written.
        """
        if self._writer is None or self._scope is None:
            return
        self._writer.verdict(self._scope, verdict)
        trouble = self._writer.trouble
        self._keeping.close()
        self._writer = self._scope = None
        if trouble is not None:
            raise OSError(f"the journal {self._path} is not complete: {trouble}")


_WRITERS: dict[str, Writer] = {}
"""The files that are being written, by path."""

_writers_lock = threading.RLock()


@contextlib.contextmanager
def writing(path: str) -> Iterator[Writer]:
    """Write everything that the ledger is told to a file, for the length of a with-block.

    Scopes with this journal that open and close meanwhile share one run, one below the other.

    Args:
        path: the file; what stands there is kept.

    Raises:
        UsageError: it cannot be written.
    """
    path = os.path.abspath(path)
    with _writers_lock:
        writer = _WRITERS.get(path)
        if writer is None:
            try:
                writer = Writer(path)
            except OSError as error:
                raise UsageError.at_caller(f"the journal {path} cannot be written: {problem_text(error)}") from None
            _WRITERS[path] = writer
            LEDGER.record(writer)
        writer.users += 1
    try:
        yield writer
    finally:
        with _writers_lock:
            writer.users -= 1
            if not writer.users and _WRITERS.get(path) is writer:
                del _WRITERS[path]
                LEDGER.stop_recording(writer)
                writer.close()


def _after_fork() -> None:
    """A forked child writes nothing of what its parent had begun: its scopes are inert, and its ledger is empty."""
    global _writers_lock
    _writers_lock = threading.RLock()
    for writer in _WRITERS.values():
        writer.close()
    _WRITERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Writer(Lines):
    """One run of writing to one file: a recorder of the ledger."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._torn = _ends_torn(self._fd)
        self._lock = threading.RLock()
        self._put_off: list[tuple[str, int, tuple[Any, ...]]] = []
        self._lines = 0
        self.run = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.users = 0
        self.trouble: str | None = None

    def close(self) -> None:
        """Write no more."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    # -- lines ------------------------------------------------------------------------------------------------------------------

    def _write(self, step: str, line: Line) -> None:
        with self._lock:
            if self._fd is None:
                return
            told = {"run": self.run, "n": self._lines + 1, "step": step, **line}
            data = json.dumps(told, separators=(",", ":")).encode() + b"\n"
            self._lines += 1
            try:
                if self._torn:
                    data = b"\n" + data
                self._torn = True
                while data:
                    data = data[os.write(self._fd, data) :]
                self._torn = False
            except OSError as error:
                self.trouble = self.trouble or problem_text(error)

    def scope(self, scope: Scope, place: Place | None) -> int:
        """A scope that keeps this journal is about to open, at this place; gives its number."""
        outer = scope.outer.scope.book if scope.outer is not None else None
        self._allowances[scope] = 0
        number = self._new_book(scope.book)
        self._write(
            "scope",
            {
                "scope": number,
                "name": scope.name,
                "reach": scope.reach,
                "outer": self._books.get(outer, 0) if outer is not None else 0,
                "at": [place.file, place.line, place.function] if place is not None else None,
                "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
            },
        )
        return number

    def verdict(self, scope: Scope, verdict: Verdict) -> None:
        """A scope that keeps this journal has been judged, and closed."""
        self._allowances.pop(scope, None)
        self._write("verdict", {"scope": self._books.pop(scope.book, 0), "verdict": verdict.as_dict()})

    def step(self, name: str, seq: int, what: tuple[Any, ...]) -> None:
        """A step of the ledger was done; what cannot be written of it is told when the scope closes."""
        with self._lock:
            self._put_off.append((name, seq, what))
            try:
                while self._put_off:
                    self._write_step(*self._put_off[0])
                    del self._put_off[0]
            except RecursionError:  # the program is near its limit: as soon as it has come back from there
                return
            if name == "record":
                self._write_what_is_there()

    def _write_step(self, name: str, seq: int, what: tuple[Any, ...]) -> None:
        try:
            self._write_allowances()
            line = getattr(self, f"_{name}")(*what)
            if line is not None:
                self._write(name, {"seq": seq, **line})
        except RecursionError:
            raise
        except Exception as error:
            self.trouble = self.trouble or f"a step ({name}) could not be written: {problem_text(error)}"


def _ends_torn(fd: int) -> bool:
    """Whether the last line of a file has no end: a process was killed while it wrote it."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return False
    end = os.lseek(fd, 0, os.SEEK_END)
    if not end:
        return False
    os.lseek(fd, end - 1, os.SEEK_SET)
    return os.read(fd, 1) != b"\n"
