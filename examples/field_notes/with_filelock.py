"""filelock 4.2.11, explored: two locks, and descriptors and file locks that fail beneath them."""

# ruff: noqa: D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from filelock import FileLock

from lifeguard import BoundContracts, Resource, acquires, contracts_for, releases, uses
from lifeguard.faults import Result, explore

descriptor = Resource("descriptor")


@contracts_for("os")
class Descriptors(BoundContracts):
    """A descriptor is open from `open` to `close`; asking for its state may fail."""

    @staticmethod
    @acquires(descriptor, key="result", raises=OSError)
    def open() -> object: ...

    @staticmethod
    @uses(descriptor, key="fd", raises=OSError)
    def fstat(fd: int) -> object: ...

    @staticmethod
    @releases(descriptor, key="fd")
    def close(fd: int) -> None: ...


@contracts_for("fcntl")
class Locks(BoundContracts):
    """Taking and giving back the lock of a file may fail."""

    @staticmethod
    @uses(descriptor, key="fd", raises=OSError)
    def flock(fd: int) -> None: ...


def explored() -> Result:
    """Hold two locks, with each call beneath them failing, before and after it takes effect, and each second one too."""

    with tempfile.TemporaryDirectory() as folder, Descriptors.applied(), Locks.applied():
        runs = itertools.count()

        def hold_two() -> None:
            # A run in which a descriptor could not be closed leaves its file locked, so each run has files of its own.
            run = next(runs)
            first, second = (FileLock(Path(folder, f"{name}-{run}")) for name in ("first", "second"))
            with first, second:
                pass

        return explore(hold_two, kinds=["before", "raises"], pairs="all", progress=False)


if __name__ == "__main__":
    print(explored().report())
