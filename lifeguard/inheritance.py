"""Contracts that a fake takes over from the service that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from lifeguard.contracts import PAYING, Contract, expect_flag
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError
from lifeguard.extensions import installed, load, missing
from lifeguard.keys import repr_safely
from lifeguard.kinds import Kind
from lifeguard.lazily import inspect
from lifeguard.ledger import account
from lifeguard.roster import ROSTER
from lifeguard.watching import Function, Woven
from lifeguard.weaving import describe, inner_of, reached, signature_of, weave, woven_of

C = TypeVar("C", bound=type)


def _sort(value: object) -> str:
    if isinstance(value, classmethod):
        return "a class method"
    if isinstance(value, staticmethod):
        return "a static method"
    return "a property" if isinstance(value, property) else "a method"


def _form(function: object) -> str:
    if inspect.isasyncgenfunction(function):
        return "an async generator function"
    if inspect.iscoroutinefunction(function):
        return "a coroutine function"
    return "a generator function" if inspect.isgeneratorfunction(function) else "a plain function"


def contracts_of(target: object) -> tuple[Contract, ...]:
    """The contracts that a function, a class or an object carries.

    Args:
        target: a function or method; a class, for those of all its methods, inherited ones included; or any other
            object, for those of its class.

    Returns:
        the contracts, the outermost decorator first; for a class in the order of its attributes' names.
    """
    if not isinstance(target, type):
        inner = inner_of(target)
        found = [contract for woven in reached(getattr(inner, "__func__", inner)) for contract in woven.contracts]
        if found or inspect.isroutine(inner):
            return tuple(found)
        target = type(target)
    return tuple(
        contract for _, value in members(target) for woven in reached(inner_of(value)) for contract in woven.contracts
    )


def members(cls: type) -> Iterator[tuple[str, object]]:
    """The attributes of a class, inherited ones included, as they stand there, in the order of their names."""
    names = sorted({name for base in cls.__mro__ for name in vars(base)})
    for name in names:
        yield name, inspect.getattr_static(cls, name)


def _payers(kind: Kind) -> account.Payers:
    return ROSTER.kept(kind, "payers", lambda: account.Payers(_paying(kind)))


def _paying(kind: Kind) -> Iterator[account.Payer]:
    """The functions whose contracts pay: of a service and its fakes the service's, of a stand-in the real one's."""
    found: dict[Contract, str] = {}
    for woven in ROSTER.of_kind(kind):
        name = woven.state.get("stands for", woven.name)
        first = "taken over" in woven.state
        for contract in woven.contracts:
            if contract.verb in PAYING and contract.kind is kind and (first or contract not in found):
                found[contract] = name
    for contract, name in found.items():
        yield account.Payer(name, contract.verb, contract.part or "", bool(contract.cascade))


account.payers.append(_payers)


def implements(*services: type, check_types: bool = False) -> Callable[[C], C]:
    """A fake takes over the contracts of the services that it stands for, and is compared with them.

    For every method of a service that carries a contract the fake must have one of the same name, sort (method, class
    method, static method,
    property) and form (plain, coroutine, generator), which can be called as the service's can.

    Args:
        *services: classes, abstract ones and Protocols included.
        check_types: compare all their public methods, and not only those that carry a contract; those of a Protocol with
            typeguard, too.

    Returns:
        the class decorator; it gives back the class, its methods woven.

    Raises:
        DeclarationError: a method is missing or differs, or a service carries no contract.
        UsageError: `check_types`, and typeguard is not installed.
    """
    expect_flag(check_types, "implements(check_types=…)")
    if check_types and not installed("typeguard"):
        raise missing("typeguard", "typeguard", "implements(check_types=True)")
    if not services:
        raise DeclarationError.at_caller("implements(…) takes the service class that the fake stands for")
    for service in services:
        if not isinstance(service, type):
            raise DeclarationError.at_caller(f"implements(…) takes classes, not {repr_safely(service)}")

    def weave_all(fake: C) -> C:
        if not isinstance(fake, type):
            raise DeclarationError.at_caller(f"implements(…) decorates a class, not {repr_safely(fake)}")
        taken: list[tuple[str, object, list[Woven]]] = []
        for service in services:
            carried = [(name, value, list(reached(inner_of(value)))) for name, value in members(service)]
            carried = [one for one in carried if one[2]]
            if not carried and switch() != "off":
                raise DeclarationError.at_caller(
                    f"implements({service.__qualname__}): {service.__qualname__} carries no contract"
                )
            if check_types:
                load("check_fake")(fake, service)
            for name, value, wovens in carried:
                if compare(fake, service, name, value):
                    taken.append((name, value, wovens))
        for one in taken:
            _take_over(fake, *one)
        return fake

    return weave_all


def compare(fake: type, service: type, name: str, value: object) -> bool:
    """Whether the fake has a method of its own that can stand for the service's.

    Raises:
        DeclarationError: it cannot, or there is none.
    """
    what = f"{fake.__qualname__} implements {service.__qualname__}"
    try:
        own = inspect.getattr_static(fake, name)
    except AttributeError:
        raise DeclarationError.at_caller(f"{what}, but has no {name!r}") from None
    if own is value:
        protocol = getattr(service, "_is_protocol", False) or getattr(inner_of(value), "__isabstractmethod__", False)
        if protocol:
            raise DeclarationError.at_caller(f"{what}, but does not define {name!r}")
        return False  # inherited as it is: its contract is reached
    if _sort(own) != _sort(value):
        raise DeclarationError.at_caller(f"{what}, but its {name!r} is {_sort(own)}, not {_sort(value)}")
    function, real = cast(Function, inner_of(own)), cast(Function, inner_of(value))
    if not callable(function):
        raise DeclarationError.at_caller(f"{what}, but its {name!r} is {repr_safely(own)}, which cannot be called")
    if _form(function) != _form(real):
        raise DeclarationError.at_caller(f"{what}, but its {name!r} is {_form(function)}, not {_form(real)}")
    problem = _not_callable_as(function, real, receiver=not isinstance(own, staticmethod))
    if problem:
        raise DeclarationError.at_caller(f"{what}, but its {name!r} cannot be called as the service's: {problem}")
    return True


def _take_over(fake: type, name: str, value: object, wovens: list[Woven]) -> None:
    own = inspect.getattr_static(fake, name)
    function, real = cast(Function, inner_of(own)), cast(Function, inner_of(value))
    mine = [contract for woven in reached(function) for contract in woven.contracts]
    inherited = tuple(
        contract
        for woven in wovens
        for contract in woven.contracts
        if not any(one is contract or (one.verb == contract.verb and one.kinds == contract.kinds) for one in mine)
    )
    if not inherited:
        return
    for woven in wovens:
        woven.state["taken over"] = True
        ROSTER.changed(woven)
    known = woven_of(function)
    own_name = getattr(function, "__name__", None) == name
    label = known.name if known is not None else describe(function) if own_name else f"{fake.__qualname__}.{name}"
    seen = signature_of(function)
    names = frozenset().union(*(contract.names for contract in inherited)) - {"result"}
    hidden = seen is None or not names <= set(seen.parameters)
    watched: Any = weave(function, inherited, name=label, declared=signature_of(real) if hidden else None)
    if switch() == "off":
        return
    made = woven_of(watched)
    if made is not None and name not in vars(fake):
        made.state["bound"] = False  # what the fake inherits runs without us elsewhere
    if isinstance(own, classmethod | staticmethod):
        watched = type(own)(watched)
    elif isinstance(own, property):
        watched = property(watched, own.fset, own.fdel, own.__doc__)
    setattr(fake, name, watched)


def _has_receiver(signature: inspect.Signature) -> bool:
    first = next(iter(signature.parameters.values()), None)
    return first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)


def _not_callable_as(function: Function, real: Function, *, receiver: bool) -> str:
    """Why a call that fits the service does not fit the fake; "" where it does."""
    own, wanted = signature_of(function), signature_of(real)
    if own is None or wanted is None:
        return ""
    has, needed = (dict(list(one.parameters.items())[receiver and _has_receiver(one) :]) for one in (own, wanted))
    takes_any = any(one.kind is one.VAR_POSITIONAL for one in has.values())
    takes_any_keyword = any(one.kind is one.VAR_KEYWORD for one in has.values())
    places = [name for name, one in has.items() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    for place, (name, one) in enumerate(needed.items()):
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        mine = has.get(name)
        if mine is None:
            by_name = takes_any_keyword or one.kind is one.POSITIONAL_ONLY
            by_place = takes_any or one.kind is one.KEYWORD_ONLY
            if not (by_name and by_place):
                return f"it has no parameter {name!r}"
        elif (
            mine.default is mine.empty
            and one.default is not one.empty
            and mine.kind not in (mine.VAR_POSITIONAL, mine.VAR_KEYWORD)
        ):
            return f"its parameter {name!r} has no default"
        elif mine.kind is mine.POSITIONAL_ONLY and one.kind is not one.POSITIONAL_ONLY:
            return f"its parameter {name!r} cannot be given by keyword"
        elif one.kind is one.POSITIONAL_OR_KEYWORD and name in places and places.index(name) != place:
            return f"its parameter {name!r} stands in another place"
        elif mine.kind is mine.KEYWORD_ONLY and one.kind is not one.KEYWORD_ONLY:
            return f"its parameter {name!r} can only be given by keyword"
    for name, mine in has.items():
        required = mine.default is mine.empty and mine.kind not in (mine.VAR_POSITIONAL, mine.VAR_KEYWORD)
        if required and name not in needed:
            return f"it needs a parameter {name!r}, which the service does not have"
    return ""
