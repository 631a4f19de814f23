"""Where in the user's code something happened: cheap to record, resolved to a file and line when it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import CodeType, FrameType, TracebackType

from lifeguard.data import GENERATED, record

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep

_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PLUMBING = tuple(
    _STANDARD + name
    for name in (
        "asyncio" + os.sep,
        "concurrent" + os.sep,
        "contextlib.py",
        "functools.py",
        "threading.py",
        "unittest" + os.sep + "mock.py",
    )
)
_PLUMBING_PACKAGES = (
    "anyio",
    "beartype",
    "deal",
    "eventlet",
    "exceptiongroup",
    "futurist",
    "greenlet",
    "icontract",
    "oslo_utils",
    "outcome",
    "sniffio",
    "trio",
    "typeguard",
    "uvloop",
    "wrapt",
)
_PLUMBING_PARTS = tuple(f"{os.sep}site-packages{os.sep}{name}{os.sep}" for name in _PLUMBING_PACKAGES)

Site = tuple[CodeType, int]
"""A code object and the offset of the instruction that was running: two references, no string is made."""

_hidden: dict[str, bool] = {}

USER_FILES: set[str] = set()
"""Files that are known to be the user's own: a frame of one of them made its calls itself."""

SHOWN_FROM: ContextVar[str | None] = ContextVar("lifeguard.shown_from", default=None)
"""The folder that paths are shown relative to; None for the current one. A report of what happened in another process
sets it to that one's.
"""


@record
class Place:
    """A line of the user's code.

    Attributes:
        file: path as the interpreter knows it.
        line: line number, counted from 1; 0 where only a task or thread is known.
        function: qualified name of the function that was running.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        if not self.line:
            return self.function
        return f"{short_path(self.file)}:{self.line} in {self.function}"

    def as_dict(self) -> dict[str, object]:
        """The place as JSON-ready data."""
        return {"file": self.file, "line": self.line, "function": self.function}


def short_path(path: str) -> str:
    """The path relative to the current folder where it lies inside it, else from `site-packages` on, else as it is."""
    here = SHOWN_FROM.get()
    if here is None:
        try:
            here = os.getcwd()
        except OSError:  # the current folder was deleted
            return path
    if path.startswith(here + os.sep):
        return path[len(here) + 1 :]
    marker = f"{os.sep}site-packages{os.sep}"
    return path.rpartition(marker)[2] if marker in path else path


def is_plumbing(path: str) -> bool:
    """Whether a file is lifeguard itself or machinery that only passes calls on (asyncio, trio, icontract, mock…)."""
    known = _hidden.get(path)
    if known is None:
        known = path.startswith((_OURS, GENERATED, "<frozen ", "<@beartype", *_PLUMBING)) or any(
            part in path for part in _PLUMBING_PARTS
        )
        _hidden[path] = known
        if not known and path != "<string>":
            USER_FILES.add(path)
    return known


_LOOP_STEPS = {
    "_run": os.sep.join(("asyncio", "events.py")),
    "unrolled_run": os.sep.join(("trio", "_core", "_run.py")),
}
"""Where an event loop runs a task or a callback. Whoever runs the loop did not call what it runs."""


def caller(frame: FrameType | None) -> Site | None:
    """The innermost frame, from `frame` outwards, that is the user's own; None where an event loop made the call."""
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if not is_plumbing(file) and not _is_generated(code):
            return code, frame.f_lasti
        step = _LOOP_STEPS.get(code.co_name)
        if step is not None and file.endswith(step):
            return None
        frame = frame.f_back
    return None


def is_step(code: CodeType) -> bool:
    """Whether it is where asyncio's event loop runs a task or a callback."""
    return code.co_name == "_run" and code.co_filename.endswith(_LOOP_STEPS["_run"])


def _is_generated(code: CodeType) -> bool:
    """Whether it is what `dataclasses` writes; `python -c` has the same file name."""
    return code.co_filename == "<string>" and code.co_qualname.startswith("__create_fn__")


def user_place() -> Place | None:
    """The place in the user's code that called into lifeguard, as a `Place`."""
    site = caller(sys._getframe(1))
    return resolve(site) if site is not None else None


def line_of(code: CodeType, offset: int) -> int:
    """The line number of an instruction."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if number is not None and start <= offset < end:
            return number
        if number is not None and start <= offset:
            line = number
    return line


def resolve(site: Site) -> Place:
    """Turn a recorded site into file, line and function."""
    code, offset = site
    return Place(code.co_filename, line_of(code, offset), code.co_qualname)


def definition(code: CodeType) -> Place:
    """Where a function is defined."""
    return Place(code.co_filename, code.co_firstlineno, code.co_qualname)


def _frames(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lasti
        traceback = traceback.tb_next


def raised_at(error: BaseException) -> Place | None:
    """The innermost place, in the user's code, of an exception's traceback; None where it has none."""
    found: Site | None = None
    for site in _frames(error.__traceback__):
        if not is_plumbing(site[0].co_filename):
            found = site
    return resolve(found) if found is not None else None
