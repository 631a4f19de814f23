"""What was found, put into words: findings become frozen violations, and a book becomes a verdict's figures."""

from __future__ import annotations

from lifeguard.keys import alike, identify, plain, show, show_fields
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.invariants import subject_of
from lifeguard.ledger.records import Finding, Generation, Key, Note
from lifeguard.ledger.states import State
from lifeguard.places import Place, resolve
from lifeguard.rules import RULES
from lifeguard.verdict import Counts, Entry, Outstanding, Violation

PAYERS_SHOWN = 4
"""So many of the functions that may pay are named."""


def name_of(kind: Kind, key: Key) -> str:
    """A resource as a sentence names it: "image 'img-1'"."""
    return f"{kind.name} {show_fields(key, kind.fields)}"


def entry(note: Note) -> Entry:
    """One event of a history, its place resolved."""
    return Entry(note.seq, note.verb, note.function, resolve(note.site) if note.site else None, note.actor, note.text)


def outstanding(generation: Generation) -> Outstanding:
    """An open obligation as users see it."""
    kind = generation.kind
    state = generation.state.value if isinstance(kind, Resource) else "owed"
    owner = generation.owner
    first = generation.first[0] if generation.first else None
    return Outstanding(
        kind.name,
        plain(generation.key),
        show_fields(generation.key, kind.fields),
        state,
        name_of(owner.kind, owner.key) if owner is not None and is_open(owner) else f"scope {generation.book.name!r}",
        generation.book.name,
        tuple(map(subject_of, generation.about)),
        resolve(first.site) if first is not None and first.site else None,
        generation.born,
    )


def counts(book: Book) -> dict[str, Counts]:
    """What a book saw of each kind, by name; kinds of one name are added up."""
    found: dict[str, Counts] = {}
    for kind, tally in book.tallies.items():
        new = {name: getattr(tally, name) for name in Counts.__slots__}
        old = found.get(kind.name)
        if old is not None:
            new = {name: value + getattr(old, name) for name, value in new.items()}
        found[kind.name] = Counts(**new)
    return found


def violation(finding: Finding, ended: str) -> Violation:
    """A finding, put into words.

    Args:
        finding: what was found.
        ended: how the scope ended, or "open" while it has not.
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
    place = resolve(broke.site) if broke is not None and broke.site is not None else None
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
        ended=_why_here(finding, ended),
        acquired=acquired,
        place=place if place is not None else acquired,
        actor=broke.actor if broke is not None else history[0].actor if history else "",
        history=history,
        cut=generation.cut if generation is not None else 0,
        children=tuple(_child(child) for child in finding.children),
        also=tuple(finding.also),
        hint=_hint(finding),
        fix=_fix(finding),
        seq=finding.seq,
    )


def _acquired(generation: Generation | None) -> Place | None:
    if generation is None or not generation.first or generation.first[0].site is None:
        return None
    return resolve(generation.first[0].site)


def _child(child: Generation) -> str:
    place = _acquired(child)
    return f"{name_of(child.kind, child.key)} ({child.state.value})" + (f", from {place}" if place else "")


def _owed(generation: Generation | None) -> str:
    if generation is None:
        return ""
    kind = generation.kind
    if isinstance(kind, Rollback):
        owed = f"roll back {name_of(kind, generation.key)}"
    elif generation.state is State.DOUBT:
        owed = f"find out whether {name_of(kind, generation.key)} exists, and release it"
    elif generation.remaining:
        owed = f"release {name_of(kind, generation.key)}: {' and '.join(generation.remaining)}"
    elif generation.amounts is not None and is_open(generation):
        owed = f"release {', '.join(map(str, generation.amounts))} of {name_of(kind, generation.key)}"
    elif generation.count > 1 and is_open(generation):
        owed = f"release {name_of(kind, generation.key)} {generation.count} times"
    else:
        owed = f"release {name_of(kind, generation.key)}, or hand it over"
    payers = list(kind._payers)
    if not payers:
        return f"{owed} (no contract names a function that does)"
    more = f" and {len(payers) - PAYERS_SHOWN} more" if len(payers) > PAYERS_SHOWN else ""
    return f"{owed} ({', '.join(payers[:PAYERS_SHOWN])}{more})"


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


def _why_here(finding: Finding, ended: str) -> str:
    if finding.code in ("LG101", "LG102", "LG110", "LG201", "LG202", "LG205") or finding.call is None:
        if ended == "normally":
            return "the scope ended normally"
        return ended if ended == "open" else f"the scope was left by {ended}"
    call = finding.call
    where = f" at {resolve(call.site)}" if call.site is not None else ""
    raised = f", which raised {call.error}" if call.error else ""
    return f"at the end of {call.function}{raised}{where}"


def _hint(finding: Finding) -> str:
    generation = finding.generation
    if generation is None or not is_open(generation):
        return ""
    tally = finding.book.tallies.get(generation.kind)
    close = [key for key in tally.strangers if alike(key, generation.key)] if tally is not None else []
    if not close:
        return ""
    return f"the key {show(close[-1])} ({_type(close[-1])}), which was never acquired, was released or used: this one is a {_type(generation.key)}"


def _type(key: Key) -> str:
    value = plain(key)
    return type(value).__name__


def _fix(finding: Finding) -> str:
    fix = RULES[finding.code].fix
    if finding.kind is None or finding.key is None or RULES[finding.code].severity == "warning":
        return fix
    value = plain(finding.key)
    literal = repr(value) if identify(value) == finding.key else None
    variable = finding.kind.name.replace(" ", "_")
    key = f", {literal}" if literal is not None else ""
    return f"{fix}\nto allow it: scope.allow({variable}{key}, rule={finding.code!r}, why=…)"
