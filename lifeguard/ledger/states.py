"""One obligation: which state follows from which event, and what has to be done about it. A table, and nothing else.

The rows and columns are those of the design page, section 4.0; a test holds the two together.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where one generation of a key stands."""

    UNSEEN = "unseen"
    HELD = "held"
    PARTLY = "partly released"
    DOUBT = "in doubt"
    RELEASED = "released"
    GONE = "settled with its owner, or overwritten"
    OUTSIDE = "handed outside"


OPEN_STATES: Final = frozenset({State.HELD, State.PARTLY, State.DOUBT})
"""In these states the obligation is outstanding."""


class Event(Enum):
    """What the end of one call says about one key."""

    ACQUIRED = "acquired"
    ACQUIRE_RAISED = "acquire raised"
    ACQUIRE_IN_DOUBT = "acquire raised, in doubt"
    RELEASED = "released"
    RELEASE_RAISED = "release raised"
    RELEASE_GONE = "release raised: already gone"
    TRANSFERRED = "transferred"
    TRANSFER_RAISED = "transfer raised"
    USED = "used"
    USE_RAISED = "use raised"
    USE_GONE = "use raised: not there"


class Effect(Enum):
    """What the book has to do."""

    NOTHING = auto()
    OPEN = auto()  # a new generation, held
    OPEN_IN_DOUBT = auto()  # a new generation, in doubt
    AGAIN = auto()  # acquired while held: the kind's `again` decides
    CONFIRM = auto()  # in doubt no longer: it is held
    DISSOLVE = auto()  # in doubt no longer: it never came about
    NOTE = auto()  # goes into the history, changes nothing
    PAY = auto()  # once, one part, or an amount; settled when nothing remains
    MOVE = auto()  # a transfer
    SPEND = auto()  # the one release that is fine after the owner went
    DOUBLE = auto()  # LG103
    AFTER = auto()  # LG104
    UNMATCHED = auto()  # counted; LG105 where the kind says so


_RAISED: Final = {
    Event.ACQUIRE_RAISED: Effect.NOTE,
    Event.ACQUIRE_IN_DOUBT: Effect.NOTE,
    Event.RELEASE_RAISED: Effect.NOTE,
    Event.RELEASE_GONE: Effect.NOTE,
    Event.TRANSFER_RAISED: Effect.NOTE,
    Event.USE_RAISED: Effect.NOTE,
    Event.USE_GONE: Effect.NOTE,
}

_HELD: Final = {
    **_RAISED,
    Event.ACQUIRED: Effect.AGAIN,
    Event.RELEASED: Effect.PAY,
    Event.RELEASE_GONE: Effect.PAY,
    Event.TRANSFERRED: Effect.MOVE,
    Event.USED: Effect.NOTE,
}

TABLE: Final[dict[State, dict[Event, Effect]]] = {
    State.UNSEEN: {
        **dict.fromkeys(_RAISED, Effect.NOTHING),
        Event.ACQUIRED: Effect.OPEN,
        Event.ACQUIRE_IN_DOUBT: Effect.OPEN_IN_DOUBT,
        Event.RELEASED: Effect.UNMATCHED,
        Event.TRANSFERRED: Effect.UNMATCHED,
        Event.USED: Effect.UNMATCHED,
    },
    State.HELD: _HELD,
    State.PARTLY: _HELD,
    State.DOUBT: {
        **_RAISED,
        Event.ACQUIRED: Effect.CONFIRM,
        Event.RELEASED: Effect.PAY,
        Event.RELEASE_GONE: Effect.DISSOLVE,
        Event.TRANSFERRED: Effect.MOVE,
        Event.USED: Effect.CONFIRM,
        Event.USE_GONE: Effect.DISSOLVE,
    },
    State.RELEASED: {
        **_RAISED,
        Event.ACQUIRED: Effect.OPEN,
        Event.RELEASED: Effect.DOUBLE,
        Event.TRANSFERRED: Effect.AFTER,
        Event.USED: Effect.AFTER,
    },
    State.GONE: {
        **_RAISED,
        Event.ACQUIRED: Effect.OPEN,
        Event.RELEASED: Effect.SPEND,
        Event.TRANSFERRED: Effect.AFTER,
        Event.USED: Effect.AFTER,
    },
    State.OUTSIDE: {
        **_RAISED,
        Event.ACQUIRED: Effect.OPEN,
        Event.RELEASED: Effect.NOTE,
        Event.TRANSFERRED: Effect.NOTE,
        Event.USED: Effect.NOTE,
    },
}


def effect_of(state: State, event: Event) -> Effect:
    """What has to be done when `event` meets a generation in `state`."""
    return TABLE[state][event]
