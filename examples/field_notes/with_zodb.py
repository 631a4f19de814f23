"""ZODB 6.4, explored: two storages that are closed one after the other, and a lock that outlives a failed opening."""

# ruff: noqa: D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import tempfile
from pathlib import Path

from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage

from lifeguard import BoundContracts, Resource, acquires, contracts_for, releases
from lifeguard.faults import Result, explore

storage = Resource("storage")


@contracts_for("ZODB.FileStorage:FileStorage")
class StorageContracts(BoundContracts):
    """A storage is open, and its file locked, from its construction to `close`."""

    @acquires(storage, key="self")
    def __init__(self) -> None: ...

    @releases(storage, key="self")
    def close(self) -> None: ...


def explored() -> Result:
    """Close a demo storage over two files, with each step failing once."""

    def layered() -> None:
        with tempfile.TemporaryDirectory() as folder:
            base = FileStorage(str(Path(folder, "base.fs")))
            try:
                changes = FileStorage(str(Path(folder, "changes.fs")))
            except BaseException:
                base.close()
                raise
            DemoStorage(base=base, changes=changes).close()

    with StorageContracts.applied():
        return explore(layered, kinds=["before"], depth=1, progress=False)


def opened_again() -> str:
    """Nothing injected: open a data file that cannot be read, keep the exception, put it right, open it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.fs")
        path.write_bytes(b"not a database")
        try:
            FileStorage(str(path))
        except Exception as error:
            kept = error
        path.unlink()
        try:
            FileStorage(str(path)).close()
        except Exception as error:
            return f"{type(kept).__name__}, then {type(error).__name__}"
        return f"{type(kept).__name__}, then opened"


if __name__ == "__main__":
    print(explored().report())
    print(opened_again())
