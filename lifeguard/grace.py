"""Looking again, a bounded number of times, before work that ends in the background is judged."""

from __future__ import annotations

import sys
from time import monotonic

from lifeguard.context import LEDGER, running_loop
from lifeguard.kinds import Grace
from lifeguard.lazily import inspect
from lifeguard.ledger.book import Book

_SHORTEST = 0.001
_LONGEST = 0.1


def _pause(attempt: int) -> float:
    """Seconds to wait at most before the next look: 1 ms, doubled each time, 100 ms at the most."""
    return float(min(_SHORTEST * 2**attempt, _LONGEST))


def _wait_for_payment(book: Book, seconds: float) -> None:
    """Wait until something that the book held is settled, at most so long, whatever else happens in the ledger."""
    before, end = LEDGER.owed(book), monotonic() + seconds
    while (left := end - monotonic()) > 0 and LEDGER.owed(book) == before:
        LEDGER.wait_for_payment(book, left)


def wait(grace: Grace, book: Book) -> Exception | None:
    """Look again until nothing is outstanding or the attempts are used up. In a running event loop it only looks.

    Returns:
        what the caller's step raised, which ends the waiting; None if it raised nothing.
    """
    for attempt in range(grace.attempts):
        if not LEDGER.owed(book):
            break
        if grace.step is not None:
            try:
                answer = grace.step()
            except Exception as error:
                return error
            if inspect.iscoroutine(answer):
                answer.close()  # a plain with-block cannot await it
        elif running_loop() is not None:
            break
        else:
            _wait_for_payment(book, _pause(attempt))
    return None


async def wait_async(grace: Grace, book: Book) -> Exception | None:
    """The same without blocking the event loop: it awaits between two looks."""
    for attempt in range(grace.attempts):
        if not LEDGER.owed(book):
            break
        if grace.step is not None:
            try:
                answer = grace.step()
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:
                return error
        else:
            loop = running_loop()
            if loop is None:
                break  # an event loop that is not known: it must not be blocked
            await sys.modules[loop].sleep(_pause(attempt))
    return None
