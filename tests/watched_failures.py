"""A call that fails, the rollback that is owed then, and the kinds that failures are told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lifeguard import Resource, Rollback, on_failure, rolls_back

image = Resource("image")
server = Resource("server")
port = Resource("port", fields=("number", "host"))
spawn = Rollback("spawn")
strict = Rollback("strict", unseen="error")
task = Rollback("task", order="lifo")


class HostError(Exception):
    """What a spawn raises."""


@on_failure(spawn, key="name", about="name")
def start(name: str, error: BaseException | None = None, inside: Callable[[], object] = lambda: None) -> str:
    """Fail, or not."""
    inside()
    if error is not None:
        raise error
    return name


@rolls_back(spawn, key="name")
def cleanup(name: str, error: BaseException | None = None) -> None:
    """Roll back, or fail to."""
    if error is not None:
        raise error


def fails(function: Callable[..., Any], *args: Any, error: type[BaseException] = HostError) -> None:
    """Call a function that must raise."""
    with pytest.raises(error):
        function(*args)
