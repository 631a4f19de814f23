"""What other processes are given to do by these tests, and how a test sees what they did."""

from __future__ import annotations

import os
import threading

from lifeguard import Resource, Scope, acquires, releases, scope, uses
from lifeguard.stores import Ledger

image = Resource("image")


@acquires(image, key="name")
def create(name: str) -> int:
    """Make an image; gives the process that did."""
    return os.getpid()


@releases(image, key="name")
def delete(name: str) -> int:
    """Delete one; gives the process that did."""
    return os.getpid()


@uses(image, key="name")
def look_at(name: str) -> int:
    """Use one; gives the process that did."""
    return os.getpid()


def create_in_a_thread(name: str) -> int:
    """Make one, in a thread that knows no context."""
    thread = threading.Thread(target=create, args=(name,))
    thread.start()
    thread.join()
    return os.getpid()


def create_and_raise(name: str) -> None:
    """Make one, and fail."""
    create(name)
    raise ZeroDivisionError(name)


def held(watched: Scope) -> list[object]:
    """The keys of what a scope holds, whoever acquired it."""
    return sorted(str(one.key) for one in watched.outstanding)


def watching(url: str | Ledger, name: str = "shared") -> Scope:
    """A shared scope that only records."""
    return scope(name, ledger=url, on_violation="record")
