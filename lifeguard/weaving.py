"""A function and its contracts become one wrapper, with the function's own signature and of its own form.

The wrapper is generated source: its parameters are the function's, so that no arguments are packed and no signature is
bound; while no scope
is open it costs one look at a list. The function is its only closure cell, and `__wrapped__`.
"""

from __future__ import annotations

import contextlib
import functools
import keyword
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from types import CodeType, FunctionType
from typing import Any

from lifeguard import context, fast, templates, watching
from lifeguard.contracts import Contract, contradiction
from lifeguard.data import GENERATED, replace
from lifeguard.enforcement import switch
from lifeguard.errors import DeclarationError
from lifeguard.keys import KeyExpression, after, parse_key, plain_lot, repr_safely
from lifeguard.kinds import Kind, Rollback
from lifeguard.lazily import binascii, inspect, linecache
from lifeguard.ledger.lanes import Label, used
from lifeguard.managers import WatchedAsyncManager, WatchedManager
from lifeguard.roster import ROSTER
from lifeguard.speedups import COMPILED
from lifeguard.watching import Function, Woven

_PEERS_OWN = frozenset({"__deal_contract", "__preconditions__", "__postconditions__", "__postcondition_snapshots__"})
"""Attributes by which icontract and deal find their own wrappers. Copied, they would make ours be taken for one of
them, and be dropped.
"""

_MARK = "__lifeguard__"

DROPPED: list[tuple[weakref.ref[Any], str, frozenset[Kind]]] = []
"""Functions whose wrapper has gone although they themselves had not, with the kinds of its contracts: a decorator above
may have dropped it (see `lifeguard.blindness`).
"""

_anything: Any = object
_HELPER: CodeType = contextlib.contextmanager(_anything).__code__
_ASYNC_HELPER: CodeType = contextlib.asynccontextmanager(_anything).__code__
"""What contextlib makes of a generator function always has the same code, by which it is known."""


def _keyed_after(contract: Contract) -> Contract:
    """For an `__init__`: where the key is the object itself, it is read when there is an object, and not a half-made one."""
    key = contract.key
    if contract.verb != "acquires" or not isinstance(key, KeyExpression):
        return contract
    if not any(part.code == "self" and not part.late for part in key.parts):
        return contract
    if any(part.code is None or part.many for part in key.parts):
        return contract
    forms = tuple(after(part.source) if part.code == "self" else part.source for part in key.parts)
    return replace(contract, key=parse_key(forms if key.composite else forms[0]))


def _beneath(function: Function) -> Function:
    """What lies beneath wrappers of ours: of a context manager function they have the form, but not the code."""
    while (woven := woven_of(function)) is not None and woven.wrapper is not None and woven.wrapper() is function:
        function = woven.function
    return function


def _form_of(function: Function) -> str:
    code = getattr(function, "__code__", None)
    if code is _HELPER:
        return "with"
    if code is _ASYNC_HELPER:
        return "async with"
    if not inspect.isroutine(function) and not isinstance(function, type | functools.partial):
        function = inspect.getattr_static(type(function), "__call__", function)  # an object that can be called
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "function"


_NAMES: dict[str, Any] = {
    "lg_open": context.OPEN,
    "lg_observed": context.LEDGER.observed,
    "lg_begin": watching.begin,
    "lg_returned": watching.returned,
    "lg_raised": watching.raised,
    "lg_abandoned": watching.abandoned,
    "lg_entering": watching.entering,
    "lg_leaving": watching.leaving,
    "lg_unread": watching.unread,
    "lg_late": watching.late,
    "lg_late_acquire": watching.late_acquire,
    "lg_late_awaited": watching.late_awaited,
    "lg_enter": fast.enter,
    "lg_ended": fast.ended,
    "lg_clock": fast.CLOCK,
    "lg_flows": context.FLOW.get,
    "lg_here": fast.HERE,
    "lg_mine": fast.MINE,
    "lg_who_runs": fast.who_runs,
    "lg_is_caller": fast.is_caller,
    "lg_lot": plain_lot,
    "lg_used": used,
    "lg_getframe": sys._getframe,
    "lg_id": id,  # a parameter may have the name of a builtin
    "lg_type": type,
    "lg_str": str,
    "lg_int": int,
    "lg_Exception": Exception,
    "lg_BaseException": BaseException,
    "lg_GeneratorExit": GeneratorExit,
    "lg_StopAsyncIteration": StopAsyncIteration,
}
"""What generated wrappers know."""

_STEPS = ("acquired", "acquired_of", "named", "released", "was_used", "enter", "ended")
"""What they call of their way, where there is the compiled helper."""

_NO_RESULT = (
    "{} has no result when it is called: name the thing by an argument, "
    "or put the contract on a function that returns it"
)


def describe(function: Function) -> str:
    """A function's name as reports print it."""
    return str(getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or repr_safely(function))


def signature_of(function: Function) -> inspect.Signature | None:
    """The signature that callers see; None where Python knows none."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def weave(
    function: Function,
    contracts: tuple[Contract, ...],
    *,
    declared: inspect.Signature | None = None,
    origin: str = "",
    name: str | None = None,
) -> Function:
    """Make the wrapper.

    Args:
        function: what is watched. If it is a wrapper of ours already, its contracts join in and one new wrapper is
            made; but where it is bound from outside, it stays apart, so that each can be taken off.
        contracts: its contracts, the outermost first.
        declared: the signature of a stand-in, where the function is bound from outside.
        origin: the name of that stand-in.
        name: what reports call it; by default its qualified name.

    Returns:
        the wrapper: a function of the same form; with LIFEGUARD=off the function itself.

    Raises:
        DeclarationError: a name that is no parameter, contracts that contradict each other, or one that its form cannot
        carry.
    """
    known: Woven | None = getattr(function, "__dict__", {}).get(_MARK)
    attributes = dict(getattr(function, "__dict__", {}))
    if known is not None and not origin and known.wrapper is not None and known.wrapper() is function:
        contracts = (*contracts, *known.contracts)
        function, declared = known.function, declared or signature_of(known.function)
        known.state["bound"] = False
    name = name or describe(function)
    for position, contract in enumerate(contracts):
        for other in contracts[:position]:
            why = contradiction(other, contract)
            if why:
                raise DeclarationError.at_caller(f"{name}: {why}")
    if getattr(function, "__name__", None) == "__init__":
        contracts = tuple(map(_keyed_after, contracts))
    form = _form_of(_beneath(function))
    visible = declared or signature_of(function)
    _check(contracts, name, form, visible)
    if switch() == "off":
        return function
    context.LEDGER.tie(kind for contract in contracts for kind in contract.ties)
    woven = Woven(function, contracts, name, origin)
    wrapper = _build(woven, function, form, visible)
    _dress(wrapper, function, attributes, woven)
    woven.wrapper = weakref.ref(wrapper)
    ROSTER.enrol(woven)
    _watch_for_drop(woven, function)
    return wrapper


def _watch_for_drop(woven: Woven, function: Function) -> None:
    try:
        alive = weakref.ref(function)
    except TypeError:
        return
    state = woven.state

    kinds = frozenset(kinds_of(woven))

    def dropped() -> None:
        if state["bound"] and alive() is not None:
            DROPPED.append((alive, state["name"], kinds))

    weakref.finalize(woven, dropped).atexit = False


def _check(contracts: tuple[Contract, ...], name: str, form: str, visible: inspect.Signature | None) -> None:
    article = "an" if form.startswith("a") else "a"
    result = _NO_RESULT.format(f"{article} {form} function") if form in ("generator", "async generator") else None
    for contract in contracts:
        if visible is not None:
            contract.check(_usable(visible), function=name, result=result)
        if form in ("generator", "async generator"):
            wide = contract.key is not None or contract.about
            ordered = any(isinstance(kind, Rollback) and kind.order is not None for kind in contract.kinds)
            if (contract.verb in ("atomic", "settles") and not wide) or (contract.verb == "on_failure" and ordered):
                raise DeclarationError.at_caller(
                    f"{name}: {contract} on {article} {form} function cannot tell what it opens "
                    "from what its caller does between two items; "
                    "name the subject with about=, or put the contract on the function that consumes it"
                )


def _usable(signature: inspect.Signature) -> list[str]:
    return [one.name for one in signature.parameters.values()]


def _build(woven: Woven, function: Function, form: str, visible: inspect.Signature | None) -> FunctionType:
    names = frozenset().union(*(contract.names for contract in woven.contracts)) - {"result"}
    optional = {
        name
        for contract in woven.contracts
        for one in contract.expressions()
        for part in one.parts
        for name in part.optional
    }
    own = _own_signature(function)
    known = list(own.parameters) if own is not None else []
    if visible is not None and visible.parameters:
        first = next(iter(visible.parameters))
        woven.receiver = first if first in ("self", "cls") else None
    if known and known[0] in ("self", "cls"):
        woven.receiver = known[0]
    wanted = sorted(names | (optional & set(known)) | ({woven.receiver} if woven.receiver else set()))
    if own is not None and all(name in known for name in wanted):
        parameters, passed = _spell(own)
        read = "{" + ", ".join(f"{name!r}: {name}" for name in wanted) + "}"
        binder = None
    else:
        parameters, passed = "*lg_args, **lg_kwargs", "*lg_args, **lg_kwargs"
        read = "lg_bind(lg_args, lg_kwargs)"
        binder = _binder(wanted, visible)
    plain = function.__name__ if isinstance(getattr(function, "__name__", None), str) else "wrapped"
    if not plain.isidentifier() or keyword.iskeyword(plain) or plain in known or plain.startswith("lg_"):
        plain = "wrapped"
    simple = woven.simple if binder is None else None
    source = templates.source(
        form, simple, receiver=woven.receiver, name=plain, parameters=parameters, passed=passed, read=read
    )
    namespace: dict[str, Any] = {
        **_NAMES,
        "lg_woven": woven,
        "lg_way": woven.way,
        "lg_name": woven.name,
        "lg_label": Label(woven.name, simple.kinds) if simple is not None else None,
        "lg_manager": WatchedManager if form == "with" else WatchedAsyncManager,
        "lg_bind": binder,
    }
    if COMPILED is None:
        namespace["lg_crc"] = binascii.crc32
    else:
        namespace |= {f"lg_{step}": getattr(woven.way, step) for step in _STEPS}
    file = f"{GENERATED}{woven.name} {id(woven):x}>"
    exec(compile(source, file, "exec", dont_inherit=True), namespace)  # our own template, with the parameters' names
    wrapper: FunctionType = namespace.pop("make")(function)  # no cycle stays, so that a wrapper goes when it is dropped
    if binder is None:
        wrapper.__defaults__ = getattr(function, "__defaults__", None)
        wrapper.__kwdefaults__ = getattr(function, "__kwdefaults__", None)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    weakref.finalize(woven, linecache.cache.pop, file, None).atexit = False
    return wrapper


def _own_signature(function: Function) -> inspect.Signature | None:
    """The parameters of the very function, not of what it wraps; None where they cannot be spelled."""
    if not isinstance(function, FunctionType):
        return None
    signature = inspect.signature(function, follow_wrapped=False)
    if any(name.startswith(("lg_", ".")) for name in signature.parameters):
        return None
    return signature


def _spell(signature: inspect.Signature) -> tuple[str, str]:
    """The parameters as they are written in a definition, and as they are passed on."""
    parameters: list[str] = []
    passed: list[str] = []
    kinds = [one.kind for one in signature.parameters.values()]
    for position, one in enumerate(signature.parameters.values()):
        if one.kind is one.VAR_POSITIONAL:
            parameters.append(f"*{one.name}")
            passed.append(f"*{one.name}")
        elif one.kind is one.VAR_KEYWORD:
            parameters.append(f"**{one.name}")
            passed.append(f"**{one.name}")
        elif one.kind is one.KEYWORD_ONLY:
            if one.VAR_POSITIONAL not in kinds and "*" not in parameters:
                parameters.append("*")
            parameters.append(one.name)
            passed.append(f"{one.name}={one.name}")
        else:
            parameters.append(one.name)
            passed.append(one.name)
            last = position + 1 == len(kinds) or kinds[position + 1] is not one.POSITIONAL_ONLY
            if one.kind is one.POSITIONAL_ONLY and last:
                parameters.append("/")
    return ", ".join(parameters), ", ".join(passed)


def _binder(
    names: Collection[str], declared: inspect.Signature | None
) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, object]]:
    """Finds arguments by name where the function hides its signature: by keyword, else at the place where the stand-in
    has it.
    """
    parameters = list(declared.parameters.values()) if declared is not None else []
    positions = {
        one.name: position
        for position, one in enumerate(parameters)
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    }
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name in names:
            position = positions.get(name)
            if name in kwargs:
                found[name] = kwargs[name]
            elif position is not None and position < len(args):
                found[name] = args[position]
            elif name in defaults:
                found[name] = defaults[name]
        return found

    return bind


def _dress(wrapper: FunctionType, function: Function, attributes: dict[str, Any], woven: Woven) -> None:
    functools.update_wrapper(wrapper, function, updated=())
    for name, value in attributes.items():
        if name not in _PEERS_OWN and name not in (_MARK, "__wrapped__"):
            wrapper.__dict__[name] = value
    wrapper.__dict__[_MARK] = woven


def woven_of(function: object) -> Woven | None:
    """What was woven into a wrapper; None for anything that is no wrapper of ours."""
    woven = getattr(function, "__dict__", {}).get(_MARK)
    return woven if isinstance(woven, Woven) else None


def reached(function: object) -> Iterator[Woven]:
    """The woven functions along the chain of `__wrapped__`, the outermost first."""
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        woven = woven_of(function)
        if woven is not None and woven.wrapper is not None and woven.wrapper() is function:
            yield woven
        function = getattr(function, "__dict__", {}).get("__wrapped__")


def inner_of(value: object) -> Any:
    """The function inside a descriptor; anything else as it is."""
    if isinstance(value, classmethod | staticmethod):
        return value.__func__
    return value.fget if isinstance(value, property) else value


def kinds_of(woven: Woven) -> set[Kind]:
    """The kinds that its contracts speak of."""
    return {kind for contract in woven.contracts for kind in contract.kinds}
