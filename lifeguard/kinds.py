"""What can be owed: resource kinds, rollbacks, and the few constants that contracts are written with."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, final

from lifeguard.data import record
from lifeguard.errors import DeclarationError

if TYPE_CHECKING:
    from lifeguard.contracts import Invariant

Again = Literal["error", "count", "keep", "replace"]
Unseen = Literal["ignore", "error"]

_AGAIN: Final = ("error", "count", "keep", "replace")
_UNSEEN: Final = ("ignore", "error")


@final
class Outside:
    """The type of `OUTSIDE`, the owner that stands for everything beyond the scope."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "OUTSIDE"

    def __reduce__(self) -> str:
        return "OUTSIDE"


OUTSIDE: Final = Outside()
"""The outside world as an owner: what is handed to it is settled."""


@record
class AllOf:
    """Several releases that are all needed. Made by `all_of`."""

    parts: tuple[str, ...]

    def __repr__(self) -> str:
        return f"all_of({', '.join(map(repr, self.parts))})"


def all_of(*parts: str) -> AllOf:
    """Say that a resource needs several different releases before it is settled.

    Args:
        parts: names of the releases; each `releases(…, part=…)` says which one it is.

    Returns:
        a value for `Resource(…, needs=…)`.

    Raises:
        DeclarationError: fewer than two parts, a part that is not a non-empty text, or one named twice.
    """
    for part in parts:
        if not isinstance(part, str) or not part:
            raise DeclarationError.at_caller(f"all_of() takes names of releases (non-empty texts), not {part!r}")
    if len(parts) < 2:
        raise DeclarationError.at_caller(
            f"all_of() takes at least two parts, not {len(parts)}: one release needs no parts"
        )
    if len(set(parts)) != len(parts):
        raise DeclarationError.at_caller(f"all_of() names a part twice: {', '.join(map(repr, parts))}")
    return AllOf(parts)


@record
class Grace:
    """How often a closing scope looks again before it judges work that ends in the background.

    Counts attempts, not time, since a loaded machine has no reliable clock. The scope stops looking as soon as nothing
    is outstanding.

    Attributes:
        attempts: how many times at the most (an int from 1).
        step: called between two looks, to let the background work go on (`eventlet.sleep`, `loop.run_once`, …); may
            return an awaitable in an `async with`. By default a closing scope waits for the next payment: 1 ms at
            first, then twice as long each time, up to 100 ms.

    Raises:
        DeclarationError: an `attempts` that is not a positive int, a `step` that cannot be called.
    """

    attempts: int = 20
    step: Callable[[], Awaitable[object] | object] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise DeclarationError.at_caller(f"Grace(attempts=…) takes a whole number from 1, not {self.attempts!r}")
        if self.step is not None and not callable(self.step):
            raise DeclarationError.at_caller(f"Grace(step=…) takes a function, not {self.step!r}")


def _name_of(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DeclarationError.at_caller(f"{what} takes a name (a non-empty text), not {value!r}")
    return value


def _one_of(value: object, allowed: Iterable[str], what: str) -> None:
    if value not in tuple(allowed):
        raise DeclarationError.at_caller(f"{what} takes one of {', '.join(map(repr, allowed))}, not {value!r}")


@final
class Resource:
    """A kind of thing that can be owed. Compared by identity, so that a typo in its use is a NameError.

    Args:
        name: what reports call it ("image", "port binding").
        again: what a second acquire of a held key means: "error" (LG106), "count" (as many releases are due), "keep" (a
            state
            set twice), "replace" (what was held is overwritten).
        unseen: what a release, transfer or use of a key that was never acquired means: "ignore" (counted) or "error"
            (LG105).
        fields: names of the parts of a key, for reports and for choosing by part.
        needs: `all_of(…)` where several different releases are due.
        within: the kind that this one is a part of; `acquires(…, within=…)` says which one.
        cascade: whether releasing the parent settles what is held of this kind (True) or is LG108 (False).
        key_type: what a key must be, as a type annotation (`UUID`, `tuple[str, int]`); checked with typeguard in a
            `scope(check_types=True)`, and nowhere else.

    Raises:
        DeclarationError: a value of the wrong sort, or two that contradict each other.
    """

    __slots__ = (
        "__weakref__",
        "_invariants",
        "_tied",
        "_tracked",
        "again",
        "cascade",
        "fields",
        "key_type",
        "name",
        "needs",
        "unseen",
        "within",
    )

    def __init__(
        self,
        name: str,
        *,
        again: Again = "error",
        unseen: Unseen = "ignore",
        fields: tuple[str, ...] | list[str] | None = None,
        needs: AllOf | None = None,
        within: Resource | None = None,
        cascade: bool = False,
        key_type: Any = None,
    ) -> None:
        self.name = _name_of(name, "Resource()")
        _one_of(again, _AGAIN, f"Resource({name!r}, again=…)")
        _one_of(unseen, _UNSEEN, f"Resource({name!r}, unseen=…)")
        if fields is not None:
            if isinstance(fields, str) or not all(isinstance(field, str) and field.isidentifier() for field in fields):
                raise DeclarationError.at_caller(
                    f"Resource({name!r}, fields=…) takes a tuple of identifiers, not {fields!r}"
                )
            if not fields or len(set(fields)) != len(fields):
                raise DeclarationError.at_caller(
                    f"Resource({name!r}, fields={fields!r}) is empty or names a field twice"
                )
        if needs is not None and not isinstance(needs, AllOf):
            raise DeclarationError.at_caller(f"Resource({name!r}, needs=…) takes all_of(…), not {needs!r}")
        if needs is not None and again == "count":
            raise DeclarationError.at_caller(
                f"Resource({name!r}): needs=all_of(…) and again='count' contradict each other"
            )
        if within is not None and not isinstance(within, Resource):
            raise DeclarationError.at_caller(f"Resource({name!r}, within=…) takes a Resource, not {within!r}")
        if cascade and within is None:
            raise DeclarationError.at_caller(f"Resource({name!r}, cascade=True) says nothing without within=")
        self.again: Again = again
        self.unseen: Unseen = unseen
        self.fields = tuple(fields) if fields is not None else None
        self.needs = needs
        self.within = within
        if isinstance(key_type, str):
            raise DeclarationError.at_caller(
                f"Resource({name!r}, key_type=…) takes a type, not a text: UUID and not {key_type!r}"
            )
        self.cascade = bool(cascade)
        self.key_type = key_type
        self._invariants: list[Invariant] = []
        self._tied = False  # whether contracts tie its keys to others (see `Contract.ties`)
        self._tracked = False  # whether the state of some class is compared (see `lifeguard.drift`)
        _declared.add(self)

    def __repr__(self) -> str:
        return f"Resource({self.name!r})"


@final
class Rollback:
    """A kind of rollback: owed when a call failed, paid when it was done. Compared by identity.

    Args:
        name: what reports call it ("spawn").
        order: "lifo" where the completed steps of a failed call must be rolled back too, the last first, each one
            tried.
        unseen: what the rollback of something that never failed means: "ignore" (counted) or "error" (LG203).

    Raises:
        DeclarationError: a value of the wrong sort.
    """

    __slots__ = ("__weakref__", "_invariants", "_tied", "name", "order", "unseen")

    def __init__(self, name: str, *, order: Literal["lifo"] | None = None, unseen: Unseen = "ignore") -> None:
        self.name = _name_of(name, "Rollback()")
        if order not in (None, "lifo"):
            raise DeclarationError.at_caller(f"Rollback({name!r}, order=…) takes None or 'lifo', not {order!r}")
        _one_of(unseen, _UNSEEN, f"Rollback({name!r}, unseen=…)")
        self.order: Literal["lifo"] | None = order
        self.unseen: Unseen = unseen
        self._invariants: list[Invariant] = []
        self._tied = order is not None  # whether its keys belong together (see `Contract.ties`)
        _declared.add(self)

    def __repr__(self) -> str:
        return f"Rollback({self.name!r})"

    @property
    def fields(self) -> None:
        """A rollback's key has no named parts."""
        return None


Kind = Resource | Rollback


@record
class KindsNamed:
    """Kinds by their names: those that there are, and those that will be declared later.

    Attributes:
        names: the names.
    """

    names: frozenset[str]

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, Resource | Rollback) and kind.name in self.names


_declared: weakref.WeakSet[Kind] = weakref.WeakSet()


def declared_kinds() -> list[Kind]:
    """Every kind that there is now, by name: for configuration files, which can only name them."""
    return sorted(_declared, key=lambda kind: kind.name)
