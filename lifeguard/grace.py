"""Looking again, a bounded number of times, before work that ends in the background is judged."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable
from typing import Any, cast

from lifeguard.context import LEDGER
from lifeguard.kinds import Grace
from lifeguard.ledger.book import Book

_SHORTEST = 0.001
_LONGEST = 0.1


def _pause(attempt: int) -> float:
    """Seconds to wait at most before the next look: 1 ms, doubled each time, 100 ms at the most."""
    return float(min(_SHORTEST * 2**attempt, _LONGEST))


def _loop_runs() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def wait(grace: Grace, book: Book) -> None:
    """Look again until nothing is outstanding or the attempts are used up. In a running event loop it never waits: it
    looks once.
    """
    for attempt in range(grace.attempts):
        if not LEDGER.outstanding(book):
            return
        if grace.step is not None:
            answer = grace.step()
            if inspect.iscoroutine(answer):
                answer.close()  # a plain with-block cannot await it
        elif _loop_runs():
            return
        else:
            LEDGER.wait_for_payment(book, _pause(attempt))


async def wait_async(grace: Grace, book: Book) -> None:
    """The same without blocking the event loop: it awaits between two looks."""
    for attempt in range(grace.attempts):
        if not LEDGER.outstanding(book):
            return
        if grace.step is not None:
            answer = grace.step()
            if inspect.isawaitable(answer):
                await answer
        else:
            await _sleep(_pause(attempt))


def _sleep(seconds: float) -> Awaitable[Any]:
    if _loop_runs():
        return cast(Awaitable[Any], sys.modules["asyncio"].sleep(seconds))
    return cast(Awaitable[Any], sys.modules["trio"].sleep(seconds))
