"""Which methods a state machine calls, what their contracts demand of a call, and which of their parameters are drawn."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal

from lifeguard.binding import BoundContracts
from lifeguard.contracts import Contract
from lifeguard.errors import DeclarationError
from lifeguard.integrations.hypothesis.conditions import declared_by_deal
from lifeguard.keys import KeyExpression, repr_safely
from lifeguard.kinds import Kind, Rollback
from lifeguard.watching import Function
from lifeguard.weaving import _beneath, _form_of, inner_of, reached, signature_of

Form = Literal["function", "coroutine", "generator", "async generator", "with", "async with", "property"]

Role = Literal["key", "parent", "new owner"]

DRAWING = ("uses", "releases", "transfers", "rolls_back")
"""The verbs whose key must be one that is held, or owed, when the call is made."""

_SPECIAL = {"__enter__": "enter", "__exit__": "leave", "__aenter__": "enter", "__aexit__": "leave", "__call__": "call"}
_EXITS = ("__exit__", "__aexit__")


def slug(name: str) -> str:
    """A name as it can stand in a program: "port binding" -> "port_binding"."""
    plain = re.sub(r"\W+", "_", name).strip("_") or "thing"
    return f"_{plain}" if plain[0].isdigit() else plain


def snake(name: str) -> str:
    """`ImageService` -> `image_service`."""
    return slug(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def bundle_name(kind: Kind) -> str:
    """What variables of a kind are called in a story."""
    return f"failed_{slug(kind.name)}" if isinstance(kind, Rollback) else slug(kind.name)


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """One thing that must be there when a call is made: read from the arguments by an expression of a contract."""

    contract: Contract
    kind: Kind
    expression: KeyExpression
    role: Role

    @property
    def names(self) -> frozenset[str]:
        """The parameters that the expression mentions."""
        return self.expression.names

    @property
    def certain(self) -> bool:
        """Whether it is there for every call, and not only under a condition."""
        return self.contract.when is None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameter:
    """One parameter of a method that is drawn: its name, and what it is called in a story."""

    name: str
    shown: str
    hint: Any = inspect.Parameter.empty
    default: Any = inspect.Parameter.empty
    problem: str = ""  # why the hint is of no use

    def __repr__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method or function that a rule calls.

    Attributes:
        name: what the rule is called.
        attribute: where the subject has it; "" for what is called itself (a class that is constructed).
        subject: the number of the subject in the machine; None for a function that belongs to no object.
        function: what is called where there is no subject.
        label: its name as messages print it.
        contracts: what it says.
        signature: its parameters, the receiver included.
        receiver: the name of the parameter that is the object.
        form: how it is called.
        declared: the exceptions that it is declared to raise.
        parameters: those that are drawn.
        outer: what a caller reaches: the outermost decorator's function.
    """

    name: str
    attribute: str
    subject: int | None
    function: Function | None
    label: str
    contracts: tuple[Contract, ...]
    signature: inspect.Signature
    receiver: str | None
    form: Form
    declared: tuple[type[BaseException], ...]
    outer: Any
    constructs: bool = False
    parameters: tuple[Parameter, ...] = ()
    demands: tuple[Demand, ...] = field(default=())

    @property
    def drawn(self) -> frozenset[str]:
        """The names of the parameters that are drawn."""
        return frozenset(one.name for one in self.parameters)

    @property
    def opened(self) -> Iterator[Kind]:
        """The kinds of which a call may open something."""
        for contract in self.contracts:
            if contract.verb in ("acquires", "on_failure") or contract.to_key is not None:
                yield contract.kind

    @property
    def settled(self) -> Iterator[Kind]:
        """The kinds of which a call may settle something."""
        for contract in self.contracts:
            if contract.verb in ("releases", "transfers", "rolls_back") and contract.to_key is None:
                yield contract.kind


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One object, class, module or function that is driven, before there is an instance of it."""

    name: str
    target: Any  # a class, a module, or the function itself
    constructed: bool = False  # by a rule, since its constructor carries a contract

    @property
    def receiver(self) -> str:
        """What its instances are called in a story."""
        return snake(self.name)


def _demands(contracts: Iterable[Contract]) -> Iterator[Demand]:
    for contract in contracts:
        if contract.verb in DRAWING:
            key = contract.key
            assert isinstance(key, KeyExpression)
            if not key.late:
                yield Demand(contract, contract.kind, key, "key")
        if contract.within is not None and not contract.within[1].late:
            yield Demand(contract, contract.within[0], contract.within[1], "parent")
        if isinstance(contract.to, tuple) and not contract.to[1].late:
            yield Demand(contract, contract.to[0], contract.to[1], "new owner")


def _declared(contracts: Iterable[Contract], function: object) -> tuple[type[BaseException], ...]:
    by_deal = declared_by_deal(function)
    found: dict[type[BaseException], None] = dict.fromkeys(by_deal)
    for contract in contracts:
        found.update(dict.fromkeys(contract.raises))
        if contract.exc_given or not by_deal:
            found.update(dict.fromkeys(contract.exc))
    return tuple(found)


def _points_of(bound: type[BoundContracts]) -> tuple[Any, Mapping[str, Any]]:
    known = vars(bound).get("__lifeguard_bound__")
    if known is None:
        raise DeclarationError.at_caller(
            f"state_machine(contracts=…) takes stand-in classes of contracts_for(…), not {repr_safely(bound)}; "
            "a fake takes over the contracts of its service with @implements(Service)"
        )
    return known.target, known.points


def check_bindings(value: object) -> tuple[type[BoundContracts], ...]:
    """The stand-ins that were given; DeclarationError for anything that is none."""
    given: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    for one in given:
        if not isinstance(one, type):
            raise DeclarationError.at_caller(
                f"state_machine(contracts=…) takes stand-in classes of contracts_for(…), not {repr_safely(one)}"
            )
        _points_of(one)
    return given


def find_methods(
    subjects: Iterable[Subject], bindings: Iterable[type[BoundContracts]], taken: Callable[[str], bool]
) -> list[Method]:
    """Every method that carries contracts, in the order of definition as far as Python knows one.

    Args:
        subjects: what is driven.
        bindings: stand-ins whose contracts will be applied while the machine runs.
        taken: whether a rule cannot have a name.

    Returns:
        the methods, their names distinct.
    """
    found: list[Method] = []
    for number, subject in enumerate(subjects):
        for attribute, value, contracts, declared in _contracted(subject.target, bindings):
            found.append(_method(number, subject, attribute, value, contracts, declared))
    names: dict[str, int] = {}
    for method in found:
        names[method.name] = names.get(method.name, 0) + 1
    subject_names = [subject.receiver for subject in subjects]
    named: list[Method] = []
    used: set[str] = set()
    for method in found:
        name = method.name
        if names[name] > 1 and method.subject is not None:
            name = f"{subject_names[method.subject]}_{name}"
        while taken(name) or name in used:
            name += "_"
        used.add(name)
        named.append(replace(method, name=name))
    return named


def _contracted(
    target: Any, bindings: Iterable[type[BoundContracts]]
) -> Iterator[tuple[str, Any, tuple[Contract, ...], inspect.Signature | None]]:
    """Attribute, value, contracts, and the signature that a stand-in gives."""
    members = {"": target} if inspect.isroutine(target) else {name: _static(target, name) for name in _names(target)}
    bound: dict[str, list[Any]] = {}
    for stand_in in bindings:
        where, points = _points_of(stand_in)
        if where is target or (isinstance(where, type) and isinstance(target, type) and issubclass(target, where)):
            for name, point in points.items():
                bound.setdefault(name, []).append(point)
    for name, value in members.items():
        inner = inner_of(value)
        contracts = [contract for woven in reached(inner) if woven.active for contract in woven.contracts]
        declared = None
        for point in bound.get(name, ()):
            contracts += point.contracts
            declared = point._seen_from(inner)
        if contracts:
            yield name, value, tuple(contracts), declared


def _names(target: Any) -> list[str]:
    if not isinstance(target, type):
        return list(vars(target))
    names: dict[str, None] = {}
    for base in reversed(target.__mro__):
        names.update(dict.fromkeys(vars(base)))
    return list(names)


def _static(target: Any, name: str) -> Any:
    return vars(target).get(name) if isinstance(target, ModuleType) else inspect.getattr_static(target, name, None)


def _method(
    number: int,
    subject: Subject,
    attribute: str,
    value: Any,
    contracts: tuple[Contract, ...],
    declared: inspect.Signature | None,
) -> Method:
    inner = inner_of(value)
    signature = declared or signature_of(inner) or inspect.Signature()
    constructs = attribute == "__init__" and isinstance(subject.target, type)
    first = next(iter(signature.parameters), None)
    is_member = isinstance(subject.target, type) and not isinstance(value, staticmethod)
    receiver = first if is_member else None
    core = next((woven.function for woven in reached(inner)), inner)
    form: Any = "property" if isinstance(value, property) else _form_of(_beneath(core))
    name = snake(subject.name) if constructs else _SPECIAL.get(attribute, attribute or inner.__name__)
    if constructs:
        name = f"make_{name}"
    return Method(
        name=name,
        attribute=attribute,
        subject=number,
        function=None if attribute else inner,
        label=f"{subject.name}.{attribute}" if isinstance(subject.target, type) else (attribute or inner.__name__),
        contracts=contracts,
        signature=signature,
        receiver=receiver,
        form=form,
        declared=_declared(contracts, inner),
        outer=inner,
        constructs=constructs,
        demands=tuple(_demands(contracts)),
    )


def parameters_of(method: Method, subject: Subject, strategies: Mapping[str, object]) -> tuple[Parameter, ...]:
    """The parameters that are drawn: those without a default, those that contracts mention, those with a strategy.

    Args:
        method: the method.
        subject: whose it is.
        strategies: what the user gave, by "method.parameter" or by parameter.

    Returns:
        the parameters; of an object that a rule constructs, its receiver is one of them.
    """
    mentioned = frozenset().union(*(contract.names for contract in method.contracts))
    found: list[Parameter] = []
    if subject.constructed and method.receiver is not None and not method.constructs:
        found.append(Parameter(method.receiver, subject.receiver))
    if method.attribute in _EXITS:
        return tuple(found)
    hints = _Hints(method.outer, subject.target)
    taken = {one.shown for one in found} | {"self", "target", "targets"}
    for one in method.signature.parameters.values():
        if one.name == method.receiver or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        given = f"{method.name}.{one.name}" in strategies or one.name in strategies
        if one.default is not one.empty and one.name not in mentioned and not given:
            continue
        shown = one.name
        while shown in taken:
            shown += "_"
        taken.add(shown)
        hint, problem = hints.of(one)
        found.append(Parameter(one.name, shown, hint, one.default, problem))
    return tuple(found)


class _Hints:
    """The type hints of a function, each by itself, so that one that cannot be resolved does not hide the others."""

    def __init__(self, function: Any, target: Any) -> None:
        core = inspect.unwrap(function)
        self._globals = getattr(core, "__globals__", {})
        closure = getattr(core, "__closure__", None) or ()
        code = getattr(core, "__code__", None)
        self._locals: dict[str, Any] = dict(vars(target)) if isinstance(target, type) else {}
        if code is not None:
            for name, cell in zip(code.co_freevars, closure, strict=False):
                try:
                    self._locals[name] = cell.cell_contents
                except ValueError:  # not filled yet
                    continue

    def of(self, parameter: inspect.Parameter) -> tuple[Any, str]:
        """The hint of a parameter, and why there is none."""
        import typing

        if parameter.annotation is parameter.empty:
            return parameter.empty, "it has no type hint"
        holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        try:
            hints = typing.get_type_hints(holder, self._globals, self._locals, include_extras=True)
        except Exception as error:
            return parameter.empty, f"its type hint {parameter.annotation!r} cannot be resolved: {error}"
        hint = hints[parameter.name]
        if hint is Any or hint is object:
            return parameter.empty, f"its type hint is {getattr(hint, '__name__', hint)}, which can be anything"
        return hint, ""


def constructor_of(target: Any, bindings: Iterable[type[BoundContracts]]) -> bool:
    """Whether the constructor of a class carries a contract, so that its instances are things that are held."""
    if not isinstance(target, type):
        return False
    return any(name == "__init__" for name, *_ in _contracted(target, bindings))


def target_of(value: object) -> Any:
    """What is looked at for contracts: of an object its class; a class, module or function itself."""
    if isinstance(value, type | ModuleType) or inspect.isroutine(value):
        return value
    return type(value)


def name_of(target: Any) -> str:
    """A name for what is driven."""
    if isinstance(target, functools.partial):
        target = target.func
    name = getattr(target, "__name__", None) or type(target).__name__
    return str(name).rpartition(".")[2]


def acquirers(methods: Iterable[Method], kind: Kind) -> list[str]:
    """The labels of the methods that may open something of a kind."""
    return [method.label for method in methods if kind in method.opened]
