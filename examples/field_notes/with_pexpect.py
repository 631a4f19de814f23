"""pexpect 4.9.0 and ptyprocess 0.7.0, explored: a socket whose shutdown fails, and a pipe that outlives a failed fork."""

# ruff: noqa: D102 - a stand-in has the names of what it stands for

from __future__ import annotations

import os
import resource
import socket
import struct
from typing import Any

import ptyprocess
from pexpect.socket_pexpect import SocketSpawn

from lifeguard import BoundContracts, Resource, acquires, contracts_for, each, releases, uses
from lifeguard.faults import Result, explore

connection = Resource("socket")
descriptor = Resource("descriptor")


@contracts_for("socket:socket")
class SocketContracts(BoundContracts):
    """A socket is held until it is closed; shutting it down is not closing it."""

    @uses(connection, key="self", raises=OSError)
    def shutdown(self, how: int) -> None: ...

    @releases(connection, key="self")
    def close(self) -> None: ...


@contracts_for("socket")
class SocketFunctions(BoundContracts):
    """Where sockets come from."""

    @staticmethod
    @acquires(connection, key=each("result"))
    def socketpair() -> object: ...


@contracts_for("os")
class Descriptors(BoundContracts):
    """A pipe is two descriptors, each of which has to be closed."""

    @staticmethod
    @acquires(descriptor, key=each("result"), raises=OSError)
    def pipe() -> object: ...

    @staticmethod
    @releases(descriptor, key="fd")
    def close(fd: int) -> None: ...


@contracts_for("pty")
class Forks(BoundContracts):
    """The child's terminal is a descriptor of the parent's; a fork may fail, for want of processes or of terminals."""

    @staticmethod
    @acquires(descriptor, key="result[1]", when="result[0] != 0", raises=OSError)
    def fork() -> object: ...


def talk() -> None:
    """Talk to the other end of a socket, then close both."""
    here, there = socket.socketpair()
    try:
        spawned = SocketSpawn(here)
        try:
            spawned.send(b"hello")
        finally:
            spawned.close()
    finally:
        there.close()


def talking() -> Result:
    """Every call on a socket fails once."""
    with SocketContracts.applied(), SocketFunctions.applied():
        return explore(talk, kinds=["before"], depth=1, progress=False)


def spawning() -> Result:
    """Start and end a child in a terminal, with the fork and the pipe that tells of a failed exec failing once each."""
    ours = os.getpid()

    def run_true() -> None:
        try:
            child: Any = ptyprocess.PtyProcess.spawn(["true"])
            child.wait()
            os.close(child.fd)
            child.fd, child.closed = -1, True
        finally:
            if os.getpid() != ours:
                os._exit(1)

    with Descriptors.applied(), Forks.applied():
        return explore(run_true, kinds=["raises"], depth=1, progress=False)


def open_descriptors() -> set[int]:
    """The descriptors that this process has open."""
    found = set()
    for one in range(256):
        try:
            os.fstat(one)
        except OSError:
            continue
        found.add(one)
    return found


def reset_by_peer() -> bool:
    """Nothing injected: the peer resets a TCP connection. Does `SocketSpawn.close`, called twice, close the socket?"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _ = server.accept()
        spawned = SocketSpawn(here)
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()
        try:
            here.recv(1)
        except ConnectionResetError:
            pass
        for _ in range(2):
            try:
                spawned.close()
            except OSError as error:
                print("SocketSpawn.close:", error)
        closed = here.fileno() == -1
        here.close()
        return closed


def without_terminals() -> int:
    """Nothing injected: a process may open two descriptors more, so the pipe is made and the fork fails. What is left?"""
    spare = os.pipe()
    for one in spare:
        os.close(one)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = open_descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 1, limits[1]))
    try:
        ptyprocess.PtyProcess.spawn(["true"])
    except OSError as error:
        print("PtyProcess.spawn:", error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    left = open_descriptors() - before
    for one in left:
        os.close(one)
    return len(left)


if __name__ == "__main__":
    print(talking().report())
    print(spawning().report())
    print("closed after the peer's reset:", reset_by_peer())
    print("descriptors left by a fork that failed:", without_terminals())
