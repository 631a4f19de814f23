"""What an invariant may look at: a read-only view of what is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from lifeguard.data import record
from lifeguard.keys import Key, identify, plain, show_fields
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.verdict import Subject

if TYPE_CHECKING:
    from lifeguard.ledger.records import Generation


@record
class Holding:
    """One resource that is held.

    Attributes:
        kind: its kind.
        key: its key, as a plain value.
        fields: the parts of the key by name, where the kind names them.
        subjects: what it is about.
        owner: the resource that owns it, as (kind's name, key), or None where a scope does.
    """

    kind: Kind
    key: object
    fields: dict[str, object]
    subjects: tuple[Subject, ...]
    owner: tuple[str, object] | None

    def __str__(self) -> str:
        return f"{self.kind.name} {self.key!r}"

    def __getitem__(self, field: str) -> object:
        return self.fields[field]


@record
class Breach:
    """One place where an invariant does not hold: of which kind, for which key, and why."""

    kind: Kind
    key: object
    why: str = ""


class LedgerView:
    """What is held now in a scope and the scopes around it. It cannot change anything.

    Given to functions decorated with `lifeguard.invariant`.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[Kind], list[Generation]]) -> None:
        self._read = read

    def held(self, kind: Kind, **fields: object) -> tuple[Holding, ...]:
        """The resources of a kind that are held, oldest first.

        Args:
            kind: which kind.
            **fields: parts of the key that must be equal, where the kind has `fields`.

        Returns:
            one `Holding` each, seeded ones included.

        Raises:
            TypeError: a field that the kind does not have (the invariant is then reported as LG401).
        """
        names = kind.fields or ()
        for field in fields:
            if field not in names:
                raise TypeError(f"{kind!r} has no field {field!r}; it has {', '.join(names) or 'none'}")
        wanted = {names.index(field): identify(value) for field, value in fields.items()}
        found = []
        for generation in self._read(kind):
            key = generation.key
            parts = key if isinstance(key, tuple) and len(names) > 1 else (key,)
            if all(position < len(parts) and parts[position] == value for position, value in wanted.items()):
                found.append(holding(generation))
        return tuple(found)

    def count(self, kind: Kind, **fields: object) -> int:
        """How many resources of a kind are held; arguments as for `held`."""
        return len(self.held(kind, **fields))

    @staticmethod
    def breach(kind: Kind, key: object, why: str = "") -> Breach:
        """Say of which key the invariant does not hold; to be returned or yielded by the invariant."""
        return Breach(kind, key, why)


def fields_of(kind: Kind, key: Key) -> dict[str, object]:
    """The parts of a key by name, as plain values; empty where the kind names none."""
    names = kind.fields if isinstance(kind, Resource) else None
    if not names:
        return {}
    if len(names) == 1:
        return {names[0]: plain(key)}
    return {name: plain(part) for name, part in zip(names, key, strict=False)} if isinstance(key, tuple) else {}


def subject_of(subject: tuple[Kind | None, Key]) -> Subject:
    """A subject as reports show it."""
    kind, key = subject
    return Subject(kind.name if kind else None, plain(key), show_fields(key, kind.fields if kind else None))


def holding(generation: Generation) -> Holding:
    """A generation as an invariant sees it."""
    owner = generation.owner
    return Holding(
        generation.kind,
        plain(generation.key),
        fields_of(generation.kind, generation.key),
        tuple(map(subject_of, generation.about)),
        (owner.kind.name, plain(owner.key)) if owner is not None else None,
    )


def breaches(kinds: tuple[Kind, ...], answer: object) -> list[Breach]:
    """Read what an invariant returned.

    None and True say that it holds, False that it does not; otherwise it is a Breach, a Holding, a (Holding, text)
    pair, a (kind, key) pair,
    or an iterable of these.

    Raises:
        TypeError: it returned something else.
    """
    if answer is None or answer is True:
        return []
    if answer is False:
        return [Breach(kinds[0], None)]
    if isinstance(answer, Breach | Holding) or _is_pair(answer):
        answer = [answer]
    if not isinstance(answer, Iterable) or isinstance(answer, str | bytes):
        raise TypeError(f"an invariant returns True, False, breaches or holdings, not {type(answer).__name__}")
    found = []
    for one in answer:
        why = ""
        broken: object = one
        if isinstance(one, tuple) and _is_pair(one):
            broken, why = one
        if isinstance(broken, Holding):
            found.append(Breach(broken.kind, broken.key, str(why)))
        elif isinstance(broken, Breach):
            found.append(broken)
        elif isinstance(broken, tuple) and len(broken) == _PAIR and isinstance(broken[0], Resource | Rollback):
            found.append(Breach(broken[0], broken[1]))
        else:
            raise TypeError(f"an invariant gives breaches or holdings, not {type(one).__name__}")
    return found


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, tuple) and len(value) == _PAIR and isinstance(value[0], Holding) and isinstance(value[1], str)
    )


_PAIR: Final = 2
