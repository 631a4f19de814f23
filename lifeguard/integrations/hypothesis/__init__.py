"""Hypothesis: from contracts alone, a state machine that looks for the sequence of calls that breaks them.

`state_machine` finds the methods that carry contracts; `methods` says what a call of each needs, `stock` what a run has
at hand, `drawing` makes the arguments of the next call, `machine` makes the call and judges it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from lifeguard.extensions import missing

try:
    import hypothesis
except ImportError as error:
    raise missing("hypothesis", "hypothesis", "lifeguard.integrations.hypothesis") from error

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import Bundle, RuleBasedStateMachine, precondition, rule

from lifeguard.contracts import Contract, Errors, expect_errors, expect_flag
from lifeguard.errors import DeclarationError
from lifeguard.integrations.hypothesis.drawing import Step, argument, pick, strategies_of
from lifeguard.integrations.hypothesis.machine import Cast, Story, several
from lifeguard.integrations.hypothesis.methods import (
    Method,
    Subject,
    bundle_name,
    check_bindings,
    constructor_of,
    find_methods,
    name_of,
    parameters_of,
    slug,
    target_of,
)
from lifeguard.integrations.hypothesis.stock import Handle
from lifeguard.keys import repr_safely
from lifeguard.kinds import Kind, Resource, Rollback
from lifeguard.scopes import scope
from lifeguard.weaving import reached

__all__ = ["Handle", "held_key", "state_machine"]


def state_machine(
    factory: Any,
    *,
    contracts: Any = (),
    strategies: Mapping[str, st.SearchStrategy[Any]] | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    raises: Mapping[str, type[BaseException] | Errors] | type[BaseException] | Errors = (),
    leaks: bool = False,
    conditions: str | Iterable[str] = (),
    settings: hypothesis.settings | None = None,
    run: Callable[[Any], Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    name: str | None = None,
) -> type[RuleBasedStateMachine]:
    """Make a state machine of contracts alone: Hypothesis then looks for a sequence of calls that breaks them.

    There is a rule for each method that carries a contract. An acquire fills the bundle of its kind; uses, releases and
    transfers draw from what is held; what was released or handed over is not drawn again, but by rules of its own for
    contracts that say what happens then (`idempotent=True`, `gone=…`). Every other argument is made from its type hint.

    Args:
        factory: what is driven. A class, or a function without parameters that makes an object (or a tuple of objects);
            a module; or a list of functions. A class whose constructor carries a contract is constructed by a rule, as
            often as the story likes.
        contracts: stand-ins made by `contracts_for`, applied while the machine runs. The contracts that the object's
            class carries itself, or has taken over with `implements`, count always.
        strategies: what arguments are made from, by parameter ("name") or by method and parameter ("create.name"). In
            them, `held_key(kind)` stands for the key of something that is held.
        include: the methods that are called; all by default.
        exclude: methods, or rules ("delete_again"), that are not.
        raises: exceptions that calls may raise: by method, or for all. What contracts declare (`raises=`, `gone=`,
            `on_failure`), and what `deal.raises` does, is always allowed.
        leaks: whether something is wrong when the machine has released all that it acquired itself, and something is
            held all the same.
        conditions: the libraries whose broken conditions are found (LG301), swallowed ones too, as for `lifeguard.scope`.
        settings: of Hypothesis, for the machine's TestCase.
        run: runs a coroutine to its end; by default in an event loop of asyncio that lasts as long as one run.
        teardown: called with what the factory gave when a run has ended.
        name: the machine's name; by default that of what is driven, and "Machine".

    Returns:
        a subclass of Hypothesis' RuleBasedStateMachine; its TestCase is what a test suite collects.

    Raises:
        DeclarationError: nothing there carries a contract, an argument cannot be made, or a value of the wrong sort.
    """
    bindings = check_bindings(contracts)
    expect_flag(leaks, "state_machine(leaks=…)")
    make, subjects = _read_factory(factory, bindings, run, teardown)
    methods = find_methods(subjects, bindings, _is_taken)
    if not methods:
        names = " and ".join(one.name for one in subjects)
        raise DeclarationError.at_caller(
            f"state_machine: {names} carries no contract. Decorate its methods, take contracts over with "
            "@implements(Service), or give stand-ins: state_machine(…, contracts=StandIn)"
        )
    given = _read_strategies(strategies)
    methods = _chosen(methods, include)
    methods = [replace(one, parameters=parameters_of(one, _subject(subjects, one), given)) for one in methods]
    steps, left_out = _without(_steps_of(methods, given), exclude, methods)
    _check_strategies(given, methods, left_out)
    cast = Cast(
        name=_read_name(name, subjects),
        factory=make,
        subjects=tuple(subjects),
        bindings=bindings,
        steps=tuple(steps),
        raises=_read_raises(raises, methods),
        leaks=leaks,
        conditions=_read_conditions(conditions),
        run=run,
        teardown=teardown,
        settled={kind for step in steps for kind in step.method.settled},
    )
    return _build(cast, settings)


def held_key(kind: Kind) -> st.SearchStrategy[Any]:
    """The key of something that the running machine holds, for use in `strategies=` and in rules of one's own.

    Args:
        kind: of which kind; of a rollback, what it is owed for.

    Returns:
        a strategy; an example that draws from it while nothing is held is dropped.

    Raises:
        DeclarationError: it is no kind.
    """
    if not isinstance(kind, Resource | Rollback):
        raise DeclarationError.at_caller(f"held_key(…) takes a kind (Resource or Rollback), not {repr_safely(kind)}")
    return _held_key(kind)


@st.composite
def _held_key(draw: st.DrawFn, kind: Kind) -> Any:
    story = draw(st.runner())
    if not isinstance(story, Story):
        raise InvalidArgument(f"held_key({kind!r}) can be drawn only in a machine of state_machine(…)")
    keys = story.stock.free(kind)
    hypothesis.assume(keys)
    return pick(draw, keys).raw


# -- reading what was given -----------------------------------------------------------------------------------------------


def _read_factory(
    factory: Any, bindings: Any, run: Callable[[Any], Any] | None, teardown: Callable[..., Any] | None
) -> tuple[Callable[[], Any], list[Subject]]:
    if isinstance(factory, ModuleType):
        return lambda: factory, [_new_subject(factory, bindings)]
    if isinstance(factory, list | tuple):
        for one in factory:
            if not inspect.isroutine(one) or not list(reached(one)):
                raise DeclarationError.at_caller(
                    f"state_machine([…]) takes functions that carry contracts, not {repr_safely(one)}"
                )
        if not factory:
            raise DeclarationError.at_caller("state_machine([]) has nothing to call")
        return lambda: several(factory), [_new_subject(one, bindings) for one in factory]
    if not callable(factory):
        raise DeclarationError.at_caller(
            "state_machine(factory) takes a class, a function that makes the object, a module or a list of functions, "
            f"not {repr_safely(factory)}"
        )
    if isinstance(factory, type):
        subject = _new_subject(factory, bindings, constructed=constructor_of(factory, bindings))
        if subject.constructed:
            return lambda: factory, [subject]
        _expect_no_parameters(factory)
        return factory, [subject]
    if inspect.isroutine(factory) and list(reached(factory)):
        name = getattr(factory, "__name__", "…")
        raise DeclarationError.at_caller(
            f"state_machine({name}): {name} carries a contract itself; to drive functions, give a list: [{name}, …]"
        )
    _expect_no_parameters(factory)
    sample = _sample(factory, run, teardown)
    if isinstance(sample, _Shown):
        return factory, [_new_subject(sample.target, bindings)]
    if isinstance(sample, tuple):
        return lambda: several(factory()), [_new_subject(target_of(one), bindings) for one in sample]
    return factory, [_new_subject(target_of(sample), bindings)]


def _new_subject(target: Any, bindings: Any, *, constructed: bool = False) -> Subject:
    return Subject(name_of(target), target, constructed)


def _expect_no_parameters(factory: Any) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if needed:
        name = name_of(factory)
        raise DeclarationError.at_caller(
            f"state_machine({name}): {name} needs {', '.join(needed)}; give a function that makes the object: "
            f"state_machine(lambda: {name}(…))"
        )


def _sample(factory: Any, run: Callable[[Any], Any] | None, teardown: Callable[..., Any] | None) -> Any:
    """What a factory makes, to see of which class it is: by its annotation, else by calling it once."""
    hints: dict[str, Any] = {}
    try:
        hints = inspect.get_annotations(factory, eval_str=True)
    except Exception:  # a name that only type checkers know
        hints = {}
    hint = hints.get("return")
    if isinstance(hint, type) and hint not in (object, tuple) and not inspect.isabstract(hint):
        protocol = getattr(hint, "_is_protocol", False)
        if not protocol and list(find_methods([Subject("", hint)], (), lambda name: False)):
            return _Shown(hint)
    made = factory()
    if inspect.isawaitable(made):
        made = _run_once(made, run)
    if teardown is not None:
        done = teardown(*made) if isinstance(made, tuple) else teardown(made)
        if inspect.isawaitable(done):
            _run_once(done, run)
    return made


def _run_once(awaitable: Any, run: Callable[[Any], Any] | None) -> Any:
    import asyncio

    async def awaited() -> Any:
        return await awaitable

    return (run or asyncio.run)(awaited())


class _Shown:
    """Stands for an object of which only the class is known."""

    def __init__(self, target: type) -> None:
        self.target = target


def _is_taken(name: str) -> bool:
    return hasattr(Story, name) or name in ("stock", "plan", "scope", "wait")


def _subject(subjects: list[Subject], method: Method) -> Subject:
    assert method.subject is not None
    return subjects[method.subject]


def _read_strategies(strategies: Any) -> dict[str, st.SearchStrategy[Any]]:
    if strategies is None:
        return {}
    if not isinstance(strategies, Mapping):
        raise DeclarationError.at_caller(
            f"state_machine(strategies=…) takes a mapping of parameters to strategies, not {repr_safely(strategies)}"
        )
    for key, value in strategies.items():
        if not isinstance(value, st.SearchStrategy):
            raise DeclarationError.at_caller(
                f"state_machine(strategies={{{key!r}: …}}) takes a strategy of Hypothesis, not {repr_safely(value)}"
            )
    return dict(strategies)


def _names(value: Any, what: str) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(one, str) for one in value):
        raise DeclarationError.at_caller(f"state_machine({what}=…) takes a list of names, not {repr_safely(value)}")
    return list(value)


def _unknown(what: str, name: str, known: Iterable[str]) -> DeclarationError:
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return DeclarationError.at_caller(
        f"state_machine({what}): there is no {name!r}; there are {', '.join(names)}{hint}"
    )


def _chosen(methods: list[Method], include: Iterable[str] | None) -> list[Method]:
    if include is None:
        return methods
    names = _names(include, "include")
    for one in names:
        if one not in {method.name for method in methods}:
            raise _unknown("include=…", one, [method.name for method in methods])
    if not names:
        raise DeclarationError.at_caller("state_machine(include=[]) leaves nothing to call")
    return [method for method in methods if method.name in names]


def _without(steps: list[Step], exclude: Iterable[str], methods: list[Method]) -> tuple[list[Step], set[str]]:
    names = _names(exclude, "exclude")
    known = {step.name for step in steps} | {method.name for method in methods}
    for one in names:
        if one not in known:
            raise _unknown("exclude=…", one, known)
    left = [step for step in steps if step.name not in names and step.method.name not in names]
    if not left:
        raise DeclarationError.at_caller(f"state_machine(exclude={names!r}) leaves nothing to call")
    return left, set(names)


def _check_strategies(given: Mapping[str, object], methods: list[Method], left_out: set[str]) -> None:
    """Every strategy must be for something, so that a typo is found."""
    known: set[str] = set()
    for method in methods:
        for one in method.signature.parameters:
            if one != method.receiver:
                known |= {one, f"{method.name}.{one}"}
    for key in given:
        if key not in known:
            raise _unknown("strategies={…}", str(key), known)


def _read_raises(raises: Any, methods: list[Method]) -> dict[str, Errors]:
    if not isinstance(raises, Mapping):
        return {"": expect_errors(raises, "state_machine(raises=…)")}
    names = {method.name for method in methods}
    for one in raises:
        if one not in names:
            raise _unknown("raises={…}", str(one), names)
    return {key: expect_errors(value, f"state_machine(raises={{{key!r}: …}})") for key, value in raises.items()}


def _read_conditions(conditions: Any) -> tuple[str, ...]:
    scope(conditions=conditions)  # checks them
    return (conditions,) if isinstance(conditions, str) else tuple(conditions)


def _read_name(name: Any, subjects: list[Subject]) -> str:
    if name is None:
        base = "".join(slug(one.name)[:1].upper() + slug(one.name)[1:] for one in subjects[:2])
        return f"{base}Machine"
    if not isinstance(name, str) or not name.isidentifier():
        raise DeclarationError.at_caller(f"state_machine(name=…) takes an identifier, not {repr_safely(name)}")
    return name


# -- the machine ------------------------------------------------------------------------------------------------------------


def _steps_of(methods: list[Method], given: Mapping[str, st.SearchStrategy[Any]]) -> list[Step]:
    steps: list[Step] = []
    for method in methods:
        free = strategies_of(method, given)
        own = frozenset(one.name for one in method.parameters if f"{method.name}.{one.name}" in given)
        steps.append(Step(method, method.name, free, own))
        for contract in method.contracts:
            name = _name_of_stale(contract, method)
            if name and not any(step.name == name for step in steps):
                steps.append(Step(method, name, free, own, contract))
    return steps


def _name_of_stale(contract: Contract, method: Method) -> str:
    """The name of the rule that calls a method with something released on purpose; "" where the contract says nothing."""
    if contract.key is None or contract.key.late or contract.amount is not None or contract.part is not None:
        return ""
    if contract.verb == "releases" and (contract.idempotent or contract.gone):
        return f"{method.name}_again"
    return f"{method.name}_after_release" if contract.verb == "uses" and contract.gone else ""


def _rule_of(step: Step, bundles: Mapping[Kind, Any]) -> Any:
    def call(self: Story, **given: Any) -> Any:
        __tracebackhide__ = True
        result = self.take_step(step, given)
        return result if target is not None else None

    call.__name__ = step.name
    call.__qualname__ = f"{step.method.label} as {step.name}"
    call.__doc__ = f"Call {step.method.label}."
    target = next((bundles[kind] for kind in step.method.opened), None)
    arguments: dict[str, Any] = {one.shown: argument(step, one) for one in step.method.parameters}
    made = precondition(step.is_possible)(call)
    into: dict[str, Any] = {"target": target} if target is not None else {}
    decorate: Any = rule
    return decorate(**into, **arguments)(made)


def _read_settings(settings: Any) -> hypothesis.settings:
    """The settings of a TestCase: no deadline unless one was set, and no explanation by lines of lifeguard's own code."""
    default: Any = hypothesis.settings.default
    if settings is None:
        phases = tuple(one for one in default.phases if one is not hypothesis.Phase.explain)
        checks: Any = list(hypothesis.HealthCheck)
        return hypothesis.settings(deadline=None, suppress_health_check=checks, phases=phases)
    if not isinstance(settings, hypothesis.settings):
        raise DeclarationError.at_caller(
            f"state_machine(settings=…) takes hypothesis.settings(…), not {repr_safely(settings)}"
        )
    phases = tuple(one for one in settings.phases if one is not hypothesis.Phase.explain)
    return hypothesis.settings(
        settings,
        deadline=None if settings.deadline == default.deadline else settings.deadline,
        phases=phases if settings.phases == default.phases else settings.phases,
    )


def _build(cast: Cast, settings: Any) -> type[RuleBasedStateMachine]:
    bundles: dict[Kind, Any] = {}
    for step in cast.steps:
        for kind in step.method.opened:
            bundles.setdefault(kind, Bundle(bundle_name(kind)))
    namespace: dict[str, Any] = {"__doc__": f"Looks for calls that break the contracts of {cast.name}.", "cast": cast}
    namespace["__module__"] = sys._getframe(2).f_globals.get("__name__", __name__)
    for step in cast.steps:
        namespace[step.name] = _rule_of(step, bundles)

    def wait(self: Story) -> None:
        pass

    namespace["wait"] = rule()(precondition(lambda self: self.is_stuck())(wait))
    meta: Any = type(Story)
    machine: Any = meta(cast.name, (Story,), namespace)
    machine.TestCase.settings = _read_settings(settings)
    return machine  # type: ignore[no-any-return]
