"""fsspec 2026.9.0: `open_files` as a context, explored: what stays open when opening or closing one of several files fails."""

# ruff: noqa: D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import tempfile
from pathlib import Path

import fsspec

from lifeguard import BoundContracts, Resource, acquires, contracts_for, releases
from lifeguard.faults import Result, explore

opened = Resource("opened file")


@contracts_for("fsspec.core:OpenFile")
class OpenFileContracts(BoundContracts):
    """An OpenFile is open from `__enter__` to `close`, which its `__exit__` calls."""

    @acquires(opened, key="self", raises=FileNotFoundError)
    def __enter__(self) -> object: ...

    @releases(opened, key="self")
    def close(self) -> None: ...


def explored() -> Result:
    """Read three files in one with-block, with each opening and each closing failing once."""
    with tempfile.TemporaryDirectory() as folder, OpenFileContracts.applied():
        for name in "abc":
            Path(folder, name).write_text(name)

        def read_three() -> None:
            with fsspec.open_files([str(Path(folder, name)) for name in "abc"], "r") as files:
                for file in files:
                    file.read()

        return explore(read_three, kinds=["before"], progress=False)


def without_lifeguard() -> list[bool]:
    """The same with nothing injected: the second of three files does not exist; which of the others are left open?"""
    with tempfile.TemporaryDirectory() as folder:
        for name in "ac":
            Path(folder, name).write_text(name)
        files = fsspec.open_files([str(Path(folder, name)) for name in "abc"], "r")
        try:
            with files:
                raise AssertionError("a file that does not exist was opened")
        except FileNotFoundError:
            left = [bool(file.fobjects) and not file.fobjects[0].closed for file in files]
        for file in files:
            file.close()
        return left


def written() -> str:
    """Nothing injected: the first of two files cannot be written for want of space. What is in the second then?"""
    with tempfile.TemporaryDirectory() as folder:
        second = Path(folder, "second")
        files = fsspec.open_files(["/dev/full", str(second)], "w")
        try:
            with files as (one, two):
                one.write("data")
                two.write("data")
        except OSError:
            content = second.read_text()
        files[1].close()
        return content


if __name__ == "__main__":
    print(explored().report())
    print("left open when the second file does not exist:", without_lifeguard())
    print("content of the second file when the first is full:", repr(written()))
