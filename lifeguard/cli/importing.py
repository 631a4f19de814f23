"""The user's modules, by name or by path: imported as the user's own program would import them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from lifeguard.cli.exits import Failure
from lifeguard.keys import problem_text
from lifeguard.places import raised_at, short_path

_MACHINERY = os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep


def import_from_here() -> None:
    """Let modules of the current folder be found, as `python -m` does, unless Python was told to be safe about it."""
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def is_path(name: str) -> bool:
    """Whether a module is given by its file."""
    return name.endswith(".py") or os.sep in name or (os.altsep is not None and os.altsep in name)


def load(name: str) -> ModuleType:
    """Import a module.

    What it prints goes to the standard error, so that what a command prints can be read by programs.

    Args:
        name: its name, or the path of its file.

    Raises:
        Failure: it cannot be imported; the text says where it broke off.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return _by_path(name) if is_path(name) else importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a script that ends with sys.exit() is no module either
            place = raised_at(error)
            known = place is not None and place.line and not place.file.startswith(_MACHINERY)
            where = f" ({short_path(place.file)}:{place.line})" if place is not None and known else ""
            first = problem_text(error).partition(" …(")[0]  # the line behind it is the place
            raise Failure(f"{name!r} cannot be imported: {first}{where}") from error


def _by_path(path: str) -> ModuleType:
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    for module in list(sys.modules.values()):
        if module.__name__ != "__main__" and _is_of(module, file):
            return module
    root, name = _in_package(file)
    if not sys.flags.safe_path and root not in sys.path:
        sys.path.append(root)  # behind all others: a file `tempfile.py` with contracts must not hide the real one
    if "." in name:
        found = importlib.import_module(name)
        if _is_of(found, file):
            return found
    known = name in sys.modules or importlib.util.find_spec(name.partition(".")[0]) is not None
    called = f"{name} ({path})" if known and not _would_find(name, file) else name
    spec = importlib.util.spec_from_file_location(called, file)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _is_of(module: ModuleType, file: Path) -> bool:
    known = getattr(module, "__file__", None)
    return isinstance(known, str) and os.path.realpath(known) == str(file)


def _would_find(name: str, file: Path) -> bool:
    """Whether an import of the name would give this very file."""
    if name in sys.modules or "." in name:
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and os.path.realpath(spec.origin) == str(file)


def _in_package(file: Path) -> tuple[str, str]:
    """The folder from which a file can be imported, and its name there: that of its package with it, where it is in one."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return str(folder), ".".join(parts) or file.stem


def with_submodules(module: ModuleType) -> Iterator[ModuleType]:
    """A module and, of a package, all modules in it; those called `__main__` are left alone.

    Raises:
        Failure: one of them cannot be imported.
    """
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{module.__name__}."):
        if found.name.rpartition(".")[2] != "__main__":
            yield from with_submodules(load(found.name))
