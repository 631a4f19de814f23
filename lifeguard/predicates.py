"""What conditions may ask of the ledger: `@icontract.require(lambda image_id: held(image, image_id))`.

They are plain functions, for conditions of icontract and deal, for `assert`, and for anything else. They look at what the
scopes of the caller know, and never change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lifeguard import context
from lifeguard.context import LEDGER, OPEN
from lifeguard.contracts import expect_kinds
from lifeguard.enforcement import switch
from lifeguard.keys import Key, ObjectKey, Tagged, identify, plain
from lifeguard.kinds import OUTSIDE, Kind, Outside
from lifeguard.ledger import account
from lifeguard.ledger.book import is_open
from lifeguard.ledger.records import Generation
from lifeguard.ledger.states import State
from lifeguard.scopes import Scope
from lifeguard.verdict import Outstanding as Obligation

_ASKED: ContextVar[list[tuple[Kind, Key]] | None] = ContextVar("lifeguard.asked", default=None)


@contextmanager
def listening() -> Iterator[list[tuple[Kind, Key]]]:
    """Collect which resources the predicates are asked about, for the length of a with-block in this context."""
    asked: list[tuple[Kind, Key]] = []
    token = _ASKED.set(asked)
    try:
        yield asked
    finally:
        _ASKED.reset(token)


def watched(kind: Kind) -> bool:
    """Whether a scope here records what happens to a kind.

    Args:
        kind: a resource kind or a rollback.

    Returns:
        False where no scope is open, none of them watches the kind or all of its keys (`sample=`), or `LIFEGUARD=off` is set.

    Raises:
        DeclarationError: it is no kind.
    """
    expect_kinds((kind,), "watched(…)")
    return _watched(kind, None)


def held(kind: Kind, key: object) -> bool:
    """Whether a resource is held now, or a rollback owed.

    A condition must not fail because nobody watches: there the answer is yes. `released` says yes there too, so ask for
    what the condition needs, `released(…)` and not `not held(…)`.

    Args:
        kind: a resource kind or a rollback.
        key: which one: a plain value, or an object that stands for itself, as in `scope.acquired`.

    Returns:
        True where it is held, partly released or in doubt, and where nobody watches; False where it was released, handed
        outside or never acquired. What was there before the scope opened is declared with `scope.seed`.

    Raises:
        DeclarationError: the first argument is no kind.
    """
    found = _find(kind, key, "held(…)")
    if found is None:
        return not _watched(kind, identify(key))
    return is_open(found)


def released(kind: Kind, key: object) -> bool:
    """Whether a resource is held no more, or a rollback done; the opposite of `held`, but where nobody watches.

    Args:
        kind: a resource kind or a rollback.
        key: which one.

    Returns:
        True where it was released, handed outside, gone with its owner or never acquired, and where nobody watches.

    Raises:
        DeclarationError: the first argument is no kind.
    """
    found = _find(kind, key, "released(…)")
    return found is None or not is_open(found)


def owner_of(kind: Kind, key: object) -> tuple[Kind, object] | Scope | Outside | None:
    """Who owes a resource.

    Args:
        kind: a resource kind or a rollback.
        key: which one.

    Returns:
        (kind, key) of the resource that it was handed to; else the open scope that holds it; OUTSIDE where it was handed
        outside; None where it is not held, and where nobody watches: `not watched(image) or owner_of(…) == …`.

    Raises:
        DeclarationError: the first argument is no kind.
    """
    found = _find(kind, key, "owner_of(…)")
    if found is None:
        return None
    if not is_open(found):
        return OUTSIDE if found.state is State.OUTSIDE else None
    if found.owner is not None and is_open(found.owner):
        return found.owner.kind, _value(found.owner.key)
    return next((scope for scope in OPEN if scope.book is found.book), None)


def outstanding(kind: Kind) -> tuple[Obligation, ...]:
    """What is owed of a kind, in the scope of the caller and the scopes around it.

    Args:
        kind: a resource kind or a rollback.

    Returns:
        the obligations, oldest first, what was seeded left out; nothing where nobody watches: a condition that counts
        asks `watched(kind)` too.

    Raises:
        DeclarationError: it is no kind.
    """
    expect_kinds((kind,), "outstanding(…)")
    return tuple(account.outstanding(one) for one in LEDGER.held(kind, context.chain()[0]) if not one.seeded)


def _watched(kind: Kind, key: Key | None) -> bool:
    """Whether a scope here records what happens to a key; without one, to every key of the kind."""
    if not OPEN or switch() == "off":
        return False
    books = [book for book in context.chain()[0] if not book.sealed and book.watches(kind)]
    return any(not book.samples(kind) if key is None else book.takes(kind, key) for book in books)


def _find(kind: Kind, key: object, what: str) -> Generation | None:
    """What a release of this key would mean now; None where it is unseen."""
    expect_kinds((kind,), what)
    wanted = identify(key)
    asked = _ASKED.get()
    if asked is not None:
        asked.append((kind, wanted))
    if not OPEN:
        return None
    found = LEDGER.named(context.chain()[0], [(kind, wanted)])
    return found[0] if found else None


def _value(key: Key) -> object:
    """A key as it is written by hand: plain, or the object itself."""
    if isinstance(key, ObjectKey):
        target = key.target()
        return target if target is not None else plain(key)
    if isinstance(key, tuple) and not isinstance(key, Tagged):
        return tuple([_value(part) for part in key])
    return plain(key)
