"""The short way for the plainest calls: one contract with one plain key, one scope, nobody looking on.

It does what the long way (`watching`, `reading`, `telling`, the ledger's verbs) does, on the same tables and under the
same lock, without
the records that only the rarer contracts need. Whatever is not plain goes the long way; what turns out not to be plain
half-way goes on
there, as if it had begun there. A property test drives both with the same events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lifeguard import context
from lifeguard.context import AWAITING, CURRENT, LEDGER, PROCESS, SPANS
from lifeguard.contracts import Contract
from lifeguard.keys import Key, KeyExpression
from lifeguard.kinds import Resource
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Generation, Verb
from lifeguard.places import Site

if TYPE_CHECKING:
    from lifeguard.keys import Part
    from lifeguard.watching import Woven

_QUICK_VERBS = {"acquires": Verb.ACQUIRE, "releases": Verb.RELEASE, "uses": Verb.USE}


class Plain:
    """What the short way needs to know of a woven function."""

    __slots__ = ("kind", "late", "part", "verb")

    def __init__(self, verb: Verb, kind: Resource, part: Part) -> None:
        self.verb = verb
        self.kind = kind
        self.part = part
        self.late = part.late


def plain_of(contracts: tuple[Contract, ...]) -> Plain | None:
    """What the short way needs to know; None where the contracts of a function are not that plain."""
    if len(contracts) != 1:
        return None
    contract = contracts[0]
    verb, key = _QUICK_VERBS.get(contract.verb), contract.key
    if verb is None or not isinstance(key, KeyExpression) or key.composite or key.many or len(key.parts) != 1:
        return None
    kind = contract.kind
    special = (
        contract.when or contract.about or contract.within or contract.amount or contract.in_doubt or contract.part
    )
    if special or contract.cascade is not None or not isinstance(kind, Resource) or kind.needs is not None:
        return None
    part = key.parts[0]
    if part.code is None or (part.late and verb is not Verb.ACQUIRE):
        return None
    return Plain(verb, kind, part)


class Quick:
    """One running call that goes the short way."""

    __slots__ = ("actor", "arguments", "began", "book", "key", "receiver", "site", "target", "thread", "woven")

    def __init__(self, woven: Woven, arguments: Mapping[str, object], book: Book, site: Site | None) -> None:
        self.woven = woven
        self.arguments = arguments
        self.book = book
        self.site = site
        self.thread, self.actor = context.actor()
        self.began = 0
        self.key: Key | None = None
        self.target: Generation | None = None
        self.receiver: object = None


def lone_book() -> Book | None:
    """The book of the one scope that a call made here and now is in; None where there are none or several, or somebody
    looks on.
    """
    node = CURRENT.get(None)
    if node is None:
        if len(PROCESS) != 1:
            return None
        scope = PROCESS[0]
    else:
        scope = node.scope
        if node.left or node.outer is not None or (PROCESS and (len(PROCESS) > 1 or PROCESS[0] is not scope)):
            return None
    book = scope.book
    if scope.outer is not None or book.sealed or book.observers or book.only is not None or book.ignore:
        return None
    return book


def begin(woven: Woven, plain: Plain, arguments: Mapping[str, object], site: Site | None) -> Quick | None:
    """A plain call begins; None where it has to go the long way."""
    book = lone_book()
    if book is None or plain.kind._invariants or SPANS.get(()) or LEDGER.looks_wide:
        return None
    quick = Quick(woven, arguments, book, site)
    if not plain.late:
        key = plain.part.read(arguments, None)
        if type(key) is not str and type(key) is not int:
            return None
        quick.key = key
        if plain.verb is not Verb.ACQUIRE:
            quick.target = LEDGER.quick_target(plain.kind, key, book)
            if quick.target is None:
                return None
    quick.began = LEDGER.seq
    woven.last = quick.began
    if woven.receiver is not None:
        receiver = arguments.get(woven.receiver)
        if receiver is not None:
            woven.saw(receiver, quick.began)
            quick.receiver = (type(receiver).__qualname__, id(receiver))
    return quick


def returned(quick: Quick, plain: Plain, result: object) -> bool:
    """A plain call has returned; False where its end has to go the long way."""
    woven, site = quick.woven, quick.site
    if quick.book.sealed or SPANS.get(()) or LEDGER.looks_wide or lone_book() is not quick.book:
        return False
    told = (woven.name, site, quick.actor, quick.thread, AWAITING.get(()))
    if plain.verb is Verb.ACQUIRE:
        key = quick.key
        if plain.late:
            read = plain.part.read(quick.arguments, result)
            if type(read) is not str and type(read) is not int:
                return False
            key = read
        return LEDGER.quick_acquire(plain.kind, key, quick.book, told, quick.receiver)
    assert quick.target is not None
    if plain.verb is Verb.RELEASE:
        return LEDGER.quick_release(quick.target, quick.book, told)
    return LEDGER.quick_use(quick.target, quick.book, told)
