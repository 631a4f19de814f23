"""typeguard: fakes against their services, keys against `key_type`, `Live` resources, and broken checks (LG301)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import typeguard

from lifeguard import inheritance
from lifeguard.context import Event
from lifeguard.errors import DeclarationError
from lifeguard.integrations.conditions import Hooks, tell
from lifeguard.keys import Key, ObjectKey, Tagged, identify, plain, repr_safely, show
from lifeguard.keys.identity import DATACLASS, ENUM
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.ledger.records import Call
from lifeguard.places import is_plumbing
from lifeguard.predicates import held
from lifeguard.telling import report
from lifeguard.verdict import Verdict

if TYPE_CHECKING:
    from lifeguard.scopes import Scope

_ASKED: Final = "__lifeguard_asked__"


# -- Live -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Live:
    """In an annotation: the value is the key of a resource that is held now.

    `def delete(self, image_id: Annotated[str, Live(image)])`, in a module that typeguard instruments, refuses an id
    that was released already. The answer is that of `lifeguard.held`: where nobody watches, every id passes.

    Args:
        kind: a resource kind, or a rollback that must be owed.

    Raises:
        DeclarationError: it is no kind.
    """

    kind: Kind

    def __post_init__(self) -> None:
        if not isinstance(self.kind, Resource | Rollback):
            raise DeclarationError.at_caller(f"Live(…) takes a kind, not {repr_safely(self.kind)}")


def lookup(origin_type: Any, args: tuple[Any, ...], extras: tuple[Any, ...]) -> Callable[..., None] | None:
    """What typeguard asks for a checker, through `lifeguard_typeguard` or directly: ours, where an annotation has `Live`."""
    live = [one for one in extras if isinstance(one, Live)]
    if not live:
        return None
    rest = tuple(one for one in extras if not isinstance(one, Live))

    def check(value: object, origin_type: Any, args: tuple[Any, ...], memo: typeguard.TypeCheckMemo) -> None:
        _check_without(value, origin_type, args, rest, memo)
        for one in live:
            if not held(one.kind, value):
                error = typeguard.TypeCheckError(f"is not a live {one.kind.name}: {repr_safely(value, 60)}")
                error.__dict__[_ASKED] = ((one.kind, identify(value)),)
                raise error

    return check


_entry = getattr(sys.modules.get("lifeguard_typeguard"), "lookup", None)
if _entry not in typeguard.checker_lookup_functions:  # the entry point may be switched off, or not installed
    typeguard.checker_lookup_functions.insert(0, lookup)


def _check_without(
    value: object, origin_type: Any, args: tuple[Any, ...], extras: tuple[Any, ...], memo: typeguard.TypeCheckMemo
) -> None:
    """Check a value as typeguard would without `Live`."""
    for find in typeguard.checker_lookup_functions:
        checker = find(origin_type, args, extras)
        if checker is not None:
            checker(value, origin_type, args, memo)
            return
    if isinstance(origin_type, type) and not isinstance(value, origin_type):
        raise typeguard.TypeCheckError(f"is not an instance of {origin_type.__qualname__}")


# -- keys -----------------------------------------------------------------------------------------------------------------


class KeyTypes:
    """The observer behind `scope(check_types=True)`: every key must be of its kind's `key_type`."""

    def __init__(self) -> None:
        self._scope: Scope | None = None
        self._told: set[tuple[Kind, Key]] = set()

    def opening(self, scope: Scope) -> None:
        """The scope opens."""
        self._scope = scope

    def began(self, call: Call) -> None:
        """Nothing to do."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do."""

    def event(self, event: Event) -> None:
        """Check the keys of one call.

        Raises:
            ViolationError: one does not fit, and the scope has `fail_fast=True`.
        """
        book = self._scope.book if self._scope is not None else None
        for act in event.acts:
            kind = act.kind
            if not isinstance(kind, Resource) or kind.key_type is None or (kind, act.key) in self._told:
                continue
            if next((one for one in event.call.chain if not one.closed and one.watches(kind)), None) is not book:
                continue
            problem = _problem(act.key, kind.key_type)
            if problem:
                self._told.add((kind, act.key))
                text = f"{event.call.function}: key_type of {kind.name} broke: {problem}"
                report("LG301", text, call=event.call, kind=kind, key=act.key, about=text, outcome=event.outcome)


def _problem(key: Key, key_type: Any) -> str:
    """Why a key is not of a type; "" where it is, or where its value is there no more."""
    try:
        value = _value(key)
    except LookupError:
        return ""
    try:
        typeguard.check_type(value, key_type)
    except typeguard.TypeCheckError as error:
        return f"{show(key)} {str(error).removeprefix(f'{_named(value)} ')}"
    return ""


def _named(value: object) -> str:
    cls = value if isinstance(value, type) else type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"class {name}" if isinstance(value, type) else name


def _value(key: Key) -> object:
    """The value that a key stands for.

    Raises:
        LookupError: an object that is gone, or a data class, of which the key has no more than the fields.
    """
    if isinstance(key, ObjectKey):
        target = key.target()
        if target is None:
            raise LookupError(show(key))
        return target
    if isinstance(key, Tagged):
        if key[0] is ENUM:
            members = _value(key[1])
            assert isinstance(members, type)
            assert issubclass(members, Enum)
            return members[key[2]]
        if key[0] is DATACLASS:
            cls: Any = _value(key[1])
            made = object.__new__(cls)
            for name, value in zip(key[2], key[3], strict=True):
                object.__setattr__(made, name, _value(value))
            return made
        return plain(key)
    if isinstance(key, tuple):
        return tuple([_value(part) for part in key])
    return key


# -- fakes ----------------------------------------------------------------------------------------------------------------


def check_fake(fake: object, service: type) -> None:
    """Compare a fake with the service, or the Protocol, that it stands for.

    What typeguard compares of a Protocol (that each member is there, and takes its arguments) it compares here. What it
    does not see is compared as well: plain functions in place of coroutine or generator functions, methods in place of
    properties or class methods, and services that are no Protocols. Annotations of parameters and results are compared
    by neither.

    Args:
        fake: a class or an object. A mock answers everything, so that there is nothing to compare; but one with a
            `spec` is compared by that.
        service: a class, an abstract one, or a Protocol.

    Raises:
        DeclarationError: they differ, or the fake is a mock without a spec.
    """
    if not isinstance(service, type):
        raise DeclarationError.at_caller(
            f"check_fake(fake, service) takes a class as service, not {repr_safely(service)}"
        )
    cls = fake if isinstance(fake, type) else type(fake)
    mock = sys.modules.get("unittest.mock")
    if mock is not None and issubclass(cls, mock.NonCallableMock):
        spec = getattr(fake, "_spec_class", None)
        if spec is None:
            raise DeclarationError.at_caller(
                f"{cls.__name__} for {service.__qualname__} answers every call, and passes every check of types: give it "
                f"spec={service.__qualname__}, or take a fake"
            )
        cls = spec
    if getattr(service, "_is_protocol", False):
        try:
            typeguard.check_type(cls, type[service])
        except typeguard.TypeCheckError as error:
            text = str(error).removeprefix(f"class {cls.__module__}.{cls.__qualname__} ")
            raise DeclarationError.at_caller(f"{cls.__qualname__} {text}") from None
    for name, value in _members(service):
        inheritance.compare(cls, service, name, value)


def _members(service: type) -> Iterator[tuple[str, object]]:
    for name, value in inheritance.members(service):
        callable_member = callable(value) or isinstance(value, classmethod | staticmethod | property)
        if not name.startswith("_") and callable_member:
            yield name, value


# -- broken checks --------------------------------------------------------------------------------------------------------


def install() -> Hooks:
    """Let typeguard tell us of every check of an instrumented function that breaks: its own setting for this.

    The setting that was there before is called after ours.
    """
    config: Any = typeguard.config
    before = config.typecheck_fail_callback
    hooks = Hooks()

    def broke(error: typeguard.TypeCheckError, memo: typeguard.TypeCheckMemo) -> None:
        __tracebackhide__ = True
        if not hooks.idle:
            _tell(error, sys._getframe(1))
        if before is None:
            raise error
        before(error, memo)

    hooks.put(config, "typecheck_fail_callback", broke)
    return hooks


def _tell(error: typeguard.TypeCheckError, frame: FrameType | None) -> None:
    __tracebackhide__ = True
    argument = False
    while frame is not None and is_plumbing(frame.f_code.co_filename):
        argument = argument or frame.f_code.co_name.startswith("check_argument_types")
        frame = frame.f_back
    if frame is None:
        return
    code = frame.f_code
    tell(
        "typeguard",
        "typeguard's check",
        lambda: str(error),
        name=code.co_qualname,
        code=code,
        frame=frame.f_back if argument else frame,
        asked=error.__dict__.get(_ASKED, ()),
        arguments=dict(frame.f_locals),
    )
