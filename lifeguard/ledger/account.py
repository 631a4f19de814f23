"""What was found, put into words: findings become frozen violations, and a book becomes a verdict's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lifeguard.data import field_names, record
from lifeguard.keys import Key, alike, identify, plain, show, show_fields
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.lazily import re
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import subject_of
from lifeguard.ledger.records import Finding, Generation, Note
from lifeguard.ledger.states import State
from lifeguard.places import Place, resolve
from lifeguard.rules import RULES
from lifeguard.verdict import Allowed, Counts, Entry, Outstanding, Verdict, Violation

PAYERS_SHOWN: Final = 4
"""So many of the functions that may pay are named."""


@record
class Payer:
    """A function that may pay.

    Attributes:
        name: its name.
        verb: how: "releases", "transfers" or "rolls_back".
        part: of what needs several releases, which one it is; else "".
        cascade: whether it takes the parts along.
    """

    name: str
    verb: str
    part: str = ""
    cascade: bool = False


_LONG: Final = 120
"""A key that takes more characters than this is not spelled out in the line that would allow it."""


class Payers:
    """The functions that may pay what is owed of a kind; what was asked once is kept."""

    __slots__ = ("_found", "_named")

    def __init__(self, found: Iterable[Payer] = ()) -> None:
        self._found = tuple(found)
        self._named: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}

    def __iter__(self) -> Iterator[Payer]:
        return iter(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def named(self, verb: str = "", parts: tuple[str, ...] = (), *, cascading: bool = False) -> list[str]:
        """Their names in order: of all, or of those that pay so, one of these parts, or with all parts."""
        asked = verb, parts, cascading
        names = self._named.get(asked)
        if names is None:
            names = self._named[asked] = sorted(
                {
                    one.name
                    for one in self._found
                    if verb in ("", one.verb) and (not parts or one.part in parts) and (one.cascade or not cascading)
                }
            )
        return names


payers: list[Callable[[Kind], Payers]] = []
"""Asked which functions may pay what is owed of a kind; who can tell some puts himself in."""


def name_of(kind: Kind, key: Key) -> str:
    """A resource as a sentence names it: "image 'img-1'"."""
    return f"{kind.name} {show_fields(key, kind.fields)}"


def entry(note: Note) -> Entry:
    """One event of a history, its place resolved."""
    return Entry(note.seq, note.verb, note.function, resolve(note.site) if note.site else None, note.actor, note.text)


def _state(generation: Generation) -> str:
    return generation.state.value if isinstance(generation.kind, Resource) else "owed"


def outstanding(generation: Generation) -> Outstanding:
    """An open obligation as users see it."""
    kind = generation.kind
    owner = generation.owner
    first = generation.first[0] if generation.first else None
    return Outstanding(
        kind.name,
        plain(generation.key),
        show_fields(generation.key, kind.fields),
        _state(generation),
        name_of(owner.kind, owner.key) if owner is not None and is_open(owner) else f"scope {generation.book.name!r}",
        generation.book.name,
        tuple(map(subject_of, generation.about)),
        resolve(first.site) if first is not None and first.site else None,
        generation.born,
    )


def counts(book: Book) -> dict[str, Counts]:
    """What a book saw of each kind, by name; kinds of one name are added up."""
    found: dict[str, Counts] = {}
    for kind, tally in book.tallies.copy().items():
        new = {name: getattr(tally, name) for name in field_names(Counts)}
        table = book.tables.get(kind)
        if table is not None:
            for name in ("acquired", "released", "used", "forgotten", "left_out"):
                new[name] += getattr(table, name)
        old = found.get(kind.name)
        if old is not None:
            new = {name: value + getattr(old, name) for name, value in new.items()}
        found[kind.name] = Counts(**new)
    return found


def violation(finding: Finding, ended: str, raised: Place | None = None) -> Violation:
    """A finding, put into words.

    Args:
        finding: what was found.
        ended: how the scope ended, or "open" while it has not.
        raised: where the exception that left the scope was raised.
    """
    rule = RULES[finding.code]
    generation, kind = finding.generation, finding.kind
    about = (
        name_of(kind, finding.key)
        if kind is not None and finding.key is not None
        else kind.name
        if kind is not None
        else ""
    )
    history = tuple(entry(note) for note in generation.history) if generation is not None else ()
    acquired = _acquired(generation)
    broke = finding.call
    place = finding.place or (resolve(broke.site) if broke is not None and broke.site is not None else None)
    text = finding.text + (f"; {finding.later}" if finding.later else "")
    return Violation(
        code=rule.code,
        name=rule.name,
        cwe=rule.cwe_id,
        severity=rule.severity if finding.severity is None else finding.severity,
        scope=finding.book.name,
        kind=kind.name if kind is not None else "",
        key=plain(finding.key) if finding.key is not None else None,
        key_text=show_fields(finding.key, kind.fields) if kind is not None and finding.key is not None else "",
        subjects=tuple(map(subject_of, finding.subjects)),
        message=f"{about}: {text}" if about else text,
        owed=_owed(generation),
        done=_done(generation, history),
        ended=_why_here(finding, ended, raised),
        acquired=acquired,
        place=place if place is not None else acquired,
        actor=broke.actor if broke is not None else history[0].actor if history else "",
        history=history,
        cut=generation.cut if generation is not None else 0,
        children=tuple(_child(child) for child in finding.children),
        also=tuple(finding.also),
        hint=_hint(finding),
        fix=_fix(rule.code),
        allow=_allow(finding),
        seq=finding.seq,
    )


def verdict(
    book: Book,
    findings: Iterable[Finding],
    allowed: Iterable[tuple[Finding, str]],
    *,
    ended: str,
    error: bool,
    raised: str = "",
) -> Verdict:
    """What a judged scope has to say, before it is closed.

    Args:
        book: its book.
        findings: what was found and is not allowed.
        allowed: what is allowed, each with the reason.
        ended: "normally", or the exception that left it.
        error: whether an exception left it.
        raised: where that was raised, as a text; "" where it is not known.
    """
    told_ended = f"{ended}, raised at {raised}" if raised else ended
    told = [violation(finding, told_ended) for finding in sorted(findings, key=lambda finding: finding.seq)]
    return Verdict(
        scope=book.name,
        ended=ended,
        error=error,
        violations=tuple(one for one in told if one.severity == "error"),
        warnings=tuple(one for one in told if one.severity != "error"),
        allowed=tuple(Allowed(violation(finding, told_ended), why) for finding, why in allowed),
        watched=counts(book),
        remember=book.remember,
        sample=book.sample,
    )


def _acquired(generation: Generation | None) -> Place | None:
    if generation is None or not generation.first or generation.first[0].site is None:
        return None
    return resolve(generation.first[0].site)


def _child(child: Generation) -> str:
    place = _acquired(child)
    return f"{name_of(child.kind, child.key)} ({_state(child)})" + (f", from {place}" if place else "")


def _owed(generation: Generation | None) -> str:
    """What is owed, each way to pay it followed by the functions that go it."""
    if generation is None:
        return ""
    kind, what = generation.kind, name_of(generation.kind, generation.key)
    paying = _payers_of(kind)
    if isinstance(kind, Rollback):
        return f"roll back {what}{_named(paying.named())}"
    due = _due(generation) if is_open(generation) else " once"
    if generation.state is State.DOUBT:
        release = f"find out whether {what} exists, and release it"
    else:
        release = f"release {what}{due}"
    releases = paying.named("releases", tuple(generation.remaining))
    transfers = paying.named("transfers")
    ways = [f"{release}{_named(releases)}"] if releases or not transfers else []
    if transfers:
        ways.append(f"hand {'it' if ways else what} over{_named(transfers)}")
    parent = generation.parent
    if parent is not None and is_open(parent):
        taking = _payers_of(parent.kind).named("releases", cascading=not kind.cascade)
        if kind.cascade or taking:
            whole = f"release {name_of(parent.kind, parent.key)}, which takes it along{_named(taking)}"
            ways = [whole] if kind.cascade and not releases and not transfers else [*ways, whole]
    return ", or ".join(ways)


def _payers_of(kind: Kind) -> Payers:
    found = [known for ask in payers if (known := ask(kind))]
    return found[0] if len(found) == 1 else Payers(payer for known in found for payer in known)


def _due(generation: Generation) -> str:
    if generation.remaining:
        return f": {' and '.join(generation.remaining)}"
    if generation.amounts is not None:
        return f": {', '.join(map(str, generation.amounts))} of it"
    return f" {generation.count} times" if generation.count > 1 else ""


def _named(names: list[str]) -> str:
    if not names:
        return " (no contract names a function that does)"
    more = f" and {len(names) - PAYERS_SHOWN} more" if len(names) > PAYERS_SHOWN else ""
    return f" ({', '.join(names[:PAYERS_SHOWN])}{more})"


_PAID_BY = (
    "released",
    "transferred",
    "rolled back",
    "settled",
    "handed",
    "overwritten",
    "release raised",
    "rollback raised",
    "transfer raised",
)


def _done(generation: Generation | None, history: tuple[Entry, ...]) -> str:
    if generation is None:
        return ""
    done = [
        f"{one.verb}{' ' + one.note if one.note else ''} (event {one.seq})"
        for one in history
        if one.verb.startswith(_PAID_BY)
    ]
    return ", ".join(done) if done else "nothing"


_AT_THE_END = frozenset({"LG101", "LG102", "LG110", "LG201", "LG202", "LG205"})
"""These are said when the scope ends, whatever call they go back to."""


def _why_here(finding: Finding, ended: str, raised: Place | None) -> str:
    call = finding.call
    if call is None or finding.code in _AT_THE_END:
        where = f", raised at {raised}" if raised is not None else ""
        return {"normally": "the scope ended normally", "open": "the scope is still open"}.get(
            ended, f"the scope was left by {ended}{where}"
        )
    called = f", called at {resolve(call.site)}" if call.site is not None else ""
    if finding.code == "LG301" and not call.error:
        return f"in {call.function}{called}"
    if not call.error:
        return f"at the end of {call.function}{called}"
    where = f" at {call.error_place}" if call.error_place is not None else ""
    return f"at the end of {call.function}{called}, which raised {call.error}{where}"


def _hint(finding: Finding) -> str:
    generation = finding.generation
    if generation is None or not is_open(generation):
        return ""
    tally = finding.book.tallies.get(generation.kind)
    close = [key for key in tally.strangers if alike(key, generation.key)] if tally is not None else []
    if not close:
        return ""
    stranger = f"the key {show(close[-1])} ({_type(close[-1])}), which was never acquired, was released or used"
    return f"{stranger}: this one is {_type(generation.key)}"


def _type(key: Key) -> str:
    name = type(plain(key)).__name__
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"


def _fix(code: str) -> str:
    """How to mend it; how to allow it is told with its kind and key, not in general."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", RULES[code].fix)
    return " ".join(one for one in sentences if "scope.allow(" not in one)


def _allow(finding: Finding) -> str:
    if finding.kind is None or finding.key is None or RULES[finding.code].severity == "warning":
        return ""
    value = plain(finding.key)
    literal = repr(value) if identify(value) == finding.key else ""
    key = f", {literal if len(literal) <= _LONG else '…'}" if literal else ""
    return f"scope.allow({re.sub(r'[^0-9a-zA-Z_]+', '_', finding.kind.name)}{key}, rule={finding.code!r}, why=…)"
