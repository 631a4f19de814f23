"""A program, run as Python itself would run it: `python script.py …` or `python -m module …`, in this process."""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pkgutil
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType, TracebackType
from typing import Any

from lifeguard.cli.exits import USAGE, Failure
from lifeguard.data import GENERATED
from lifeguard.places import Place

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MACHINERY = "<frozen importlib"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended.

    Attributes:
        code: its exit code.
        error: what left it; None where it returned, or called `sys.exit(0)`.
        died: whether the process has to die of it as Python's would: it was interrupted.
    """

    code: int = 0
    error: BaseException | None = None
    died: bool = False


class Program:
    """A script, a folder or archive with a `__main__.py`, or a module.

    Args:
        target: the path, or the name of the module.
        arguments: what it is to find in `sys.argv`.
        module: whether it is a module.
    """

    def __init__(self, target: str, arguments: Sequence[str] = (), *, module: bool = False) -> None:
        self.target = target
        self.module = module
        self.name = f"python -m {target}" if module else target
        self._arguments = list(arguments)
        self._pid = os.getpid()
        self.began = False  # whether any of its own lines was reached
        self._replaced: ModuleType | None = None
        self._importer: Any = None

    @property
    def place(self) -> Place:
        """Where it begins."""
        if self.module or not _is_source(self.target):
            return Place(self.target, 0, self.name)
        return Place(os.path.abspath(self.target), 1, "<module>")

    def is_module(self, module: ModuleType) -> bool:
        """Whether a module is this program, imported: another module than the `__main__` that will run."""
        if self.module:
            return module.__name__ in (self.target, f"{self.target}.__main__") and not hasattr(module, "__path__")
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and os.path.realpath(file) == os.path.realpath(self.target)

    @property
    def forked(self) -> bool:
        """Whether this is a process that the program has forked, and that came to its end here."""
        return os.getpid() != self._pid

    def prepare(self) -> None:
        """Make `sys.argv` and `sys.path` what the program expects.

        Raises:
            Failure: there is no such file.
        """
        sys.argv[:] = [self.target, *self._arguments]
        if self.module:
            first = os.getcwd()
        else:
            if not os.path.exists(self.target):
                raise Failure(f"there is no file {self.target!r} to run; a module is run with -m", USAGE)
            self._importer = pkgutil.get_importer(self.target) if not _is_source(self.target) else None
            bundle = os.path.abspath(self.target)
            first = bundle if self._importer is not None else os.path.dirname(os.path.realpath(self.target))
        if not sys.flags.safe_path:
            sys.path[0] = first  # where ours was
        elif self._importer is not None:  # a folder or an archive is looked into, whatever Python was told
            sys.path.insert(0, first)

    def run(self) -> Ending:
        """Run it to its end. What leaves it is printed as Python prints it, without our frames."""
        main = ModuleType("__main__")
        vars(main)["__builtins__"] = builtins
        if sys.version_info < (3, 14):
            main.__annotations__ = {}
        self._replaced = sys.modules.get("__main__")
        try:
            code = self._load(main)
            sys.modules["__main__"] = main
            if sys.modules.get("__mp_main__") is self._replaced:  # where multiprocessing was imported before
                sys.modules["__mp_main__"] = main
            self.began = True
            exec(code, vars(main))
        except BaseException as error:
            leaving = error
        else:
            return Ending()
        if isinstance(leaving, SystemExit):
            return _exited(leaving)
        if not os.environ.get("LIFEGUARD_TRACEBACK"):
            _hide_ours(leaving)
        return _told(leaving)

    def _load(self, main: ModuleType) -> CodeType:
        """The program's code; its module gets what Python gives to a `__main__`."""
        if self.module or self._importer is not None:
            spec = self._spec_of_module() if self.module else self._importer.find_spec("__main__")
            if spec is None or spec.loader is None:
                raise SystemExit(_complaint(f"can't find '__main__' module in {self.target!r}"))
            loader: Any = spec.loader
            code = loader.get_code(spec.name)
            if code is None:
                raise SystemExit(_complaint(f"no code object available for {spec.name}"))
            main.__spec__ = spec if self.module else None
            main.__loader__, main.__package__, main.__file__ = spec.loader, spec.parent, spec.origin
            vars(main)["__cached__"] = spec.cached
            if self.module and spec.origin is not None:
                sys.argv[0] = spec.origin
            loaded: CodeType = code
            return loaded
        path = os.path.abspath(self.target)
        main.__file__, main.__package__, main.__spec__ = path, None, None
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
        vars(main)["__cached__"] = None
        with io.open_code(path) as file:
            source = file.read()
        return compile(source, path, "exec", dont_inherit=True)

    def _spec_of_module(self) -> importlib.machinery.ModuleSpec | None:
        name = self.target
        try:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.submodule_search_locations is not None:
                name = f"{name}.__main__"
                spec = importlib.util.find_spec(name)
        except (ImportError, ValueError) as error:
            if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
                raise SystemExit(_complaint(f"No module named {name!r}")) from None
            raise
        if spec is None:
            package = name.endswith(".__main__") and name != self.target
            why = f"; {self.target!r} is a package and cannot be directly executed" if package else ""
            raise SystemExit(_complaint(f"No module named {name}{why}"))
        return spec


def _is_source(path: str) -> bool:
    return os.path.isfile(path) and not path.endswith((".zip", ".pyz"))


def _complaint(text: str) -> str:
    return f"{sys.executable}: {text}"


def wait_for_threads() -> bool:
    """Wait until every thread has ended that Python waits for; False where that was interrupted.

    Python does this between the end of the main program and what `atexit` has to do. To know the one from the other, this
    very step of the interpreter's is taken here, a moment earlier; `multiprocessing` does the same in its processes. It
    also tells the workers of thread pools to end, which nobody else could: to join them would be to wait for ever. When
    Python comes to it again there is nothing left to do.
    """
    with contextlib.suppress(KeyboardInterrupt):  # Python 3.13 prints it and goes on, earlier ones raise it
        step = getattr(threading, "_shutdown", None)
        if step is not None:
            step()
        else:
            while left := _waited_for():
                left[0].join()
    return not _waited_for()


def _waited_for() -> list[threading.Thread]:
    """The threads that Python waits for, of those that still run."""
    return [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]


def _exited(error: SystemExit) -> Ending:
    """What `sys.exit(…)` asked for, done as Python does it."""
    code = error.code
    if code is None:
        return Ending()
    if isinstance(code, int):
        failed = bool(code & 0xFF) if os.name == "posix" else bool(code)
        return Ending(int(code), error if failed else None)
    sys.stderr.write(f"{code}\n")
    sys.stderr.flush()
    return Ending(1, error)


def _told(error: BaseException) -> Ending:
    """An exception that left the program, given to `sys.excepthook` as Python gives it."""
    shown = error.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, shown
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        getattr(sys, "excepthook", sys.__excepthook__)(type(error), error, shown)
    except SystemExit as leaving:
        return _exited(leaving)
    except BaseException as failed:
        _hide_ours(failed)
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exception(failed)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, shown)
    return Ending(1, error, died=isinstance(error, KeyboardInterrupt))


def _hide_ours(error: BaseException) -> None:
    """Take our frames, and those of the import machinery before the program's first one, out of an exception and all that it
    came from.
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _without_ours(one.__traceback__)
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions


def _without_ours(shown: TracebackType | None) -> TracebackType | None:
    rows: list[TracebackType] = []
    while shown is not None:
        file = shown.tb_frame.f_code.co_filename
        first = not rows and file.startswith(_MACHINERY)
        if not first and not file.startswith((_OURS, GENERATED)):
            rows.append(shown)
        shown = shown.tb_next
    again: TracebackType | None = None
    for row in reversed(rows):
        again = TracebackType(again, row.tb_frame, row.tb_lasti, row.tb_lineno)
    return again
