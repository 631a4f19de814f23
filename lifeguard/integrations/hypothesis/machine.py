"""One run of a state machine: its scope, its objects, and its steps, each judged when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType
from typing import Any, ClassVar, Final

from hypothesis.errors import FailedHealthCheck, UnsatisfiedAssumption
from hypothesis.stateful import RuleBasedStateMachine, multiple

from lifeguard.binding import BoundContracts
from lifeguard.context import LEDGER
from lifeguard.contracts import Contract
from lifeguard.drift import Drift
from lifeguard.errors import UsageError, ViolationError
from lifeguard.integrations.hypothesis import conditions
from lifeguard.integrations.hypothesis.drawing import LEFT, Plan, Step, choice
from lifeguard.integrations.hypothesis.methods import DRAWING, Method, Subject, acquirers, bundle_name
from lifeguard.integrations.hypothesis.stock import (
    Handle,
    Ref,
    Stock,
    raw_keys,
    read_ended,
    read_keys,
    solve,
)
from lifeguard.keys import KeyExpression, problem_text, repr_safely, show_fields
from lifeguard.kinds import Kind
from lifeguard.scopes import Scope, scope
from lifeguard.text import render
from lifeguard.verdict import Verdict

LEFT_OVER: Final = frozenset({"LG101", "LG102", "LG110", "LG201", "LG202", "LG205", "LG206"})
"""What is said of obligations that are open at the end. A story may stop anywhere, so these are judged only where asked."""

BUGS: Final = (
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
)
"""What `on_failure`'s own default, Exception, does not declare: these are mistakes in a program, not failures of a call."""


class NeverCalled(UsageError, FailedHealthCheck):
    """A method is out of reach, so that the machine would test less than it seems to.

    As a failed health check it stops Hypothesis at once: there is no story to shrink.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """What a machine was made of: everything that all its runs have in common."""

    name: str
    factory: Callable[[], Any]
    subjects: tuple[Subject, ...]
    bindings: tuple[type[BoundContracts], ...]
    steps: tuple[Step, ...]
    raises: Mapping[str, tuple[type[BaseException], ...]]
    leaks: bool
    conditions: tuple[str, ...]
    run: Callable[[Any], Any] | None
    teardown: Callable[..., Any] | None
    settled: set[Kind] = field(default_factory=set)


def _perform_async() -> dict[str, Any]:
    async def coroutine(invoke: Any) -> Any:
        return await invoke()

    async def async_generator(invoke: Any) -> Any:
        return [item async for item in invoke()]

    async def async_with(invoke: Any) -> Any:
        async with invoke() as value:
            return value

    return {"coroutine": coroutine, "async generator": async_generator, "async with": async_with}


def _call(invoke: Any) -> Any:
    return invoke()


def _exhaust(invoke: Any) -> Any:
    return list(invoke())


def _enter_and_leave(invoke: Any) -> Any:
    with invoke() as value:
        return value


_SYNC: Final[dict[str, Any]] = {
    "function": _call,
    "property": _call,
    "generator": _exhaust,
    "with": _enter_and_leave,
}
_ASYNC: Final = _perform_async()


def _placed(perform: FunctionType, file: str, line: int, name: str) -> FunctionType:
    """The same function, standing at a line of the story: reports then name the step, and not Hypothesis' own code."""
    code: CodeType = perform.__code__
    told = code.replace(co_filename=file, co_firstlineno=line - 1, co_name=name, co_qualname=f"state.{name}")
    return FunctionType(told, perform.__globals__)


class Story(RuleBasedStateMachine):
    """The base of the machines that `state_machine` makes: a rule for each method, over what the ledger holds.

    Attributes:
        scope: the scope that watches this run.
        subject: what the factory gave; of several objects a tuple.
    """

    cast: ClassVar[Cast]

    def __init__(self) -> None:
        super().__init__()
        usual: Any = getattr(self, "_rules_strategy", None)
        if hasattr(usual, "rules") and hasattr(usual, "is_valid"):
            own: Any = choice(self, usual)
            self._rules_strategy = own
        cast = self.cast
        self.plan: Plan | None = None
        self._line = 1
        self._names: list[str] = []
        self._told = False
        self._runner: asyncio.Runner | None = None
        self._ends = contextlib.ExitStack()
        try:
            for binding in cast.bindings:
                self._ends.enter_context(binding.applied())
            watching = scope(
                cast.name, reach="process", on_violation="record", remember=None, conditions=cast.conditions
            )
            self.scope: Scope = watching.open()
            self._ends.callback(self._close)
            with self.scope.active():
                self._objects: list[Any] = self._make()
            self.stock = Stock(self.scope.book)
            self._begin()
        except BaseException:
            self._ends.close()
            raise

    @property
    def subject(self) -> Any:
        """What the factory gave; of several objects a tuple."""
        return self._objects[0] if len(self._objects) == 1 else tuple(self._objects)

    def _make(self) -> list[Any]:
        subjects = self.cast.subjects
        made: Any = self.cast.factory()
        if inspect.isawaitable(made):
            made = self.run(_awaited(made))
        if len(subjects) == 1 and not isinstance(made, _Several):
            objects = [made]
        else:
            objects = list(made)
        for step in self.cast.steps:
            number = step.method.subject
            one = objects[number] if number is not None and number < len(objects) else None
            if len(objects) != len(subjects) or (step.method.attribute and not hasattr(one, step.method.attribute)):
                raise UsageError(
                    f"{self.cast.name}: the factory first gave {' and '.join(subject.name for subject in subjects)}, and then "
                    f"{repr_safely(made, 120)}, which has no {step.method.label}"
                )
        return objects

    def _begin(self) -> None:
        self.stock.look()
        self.stock.take_rest(tuple(self._objects), bundle_name)
        self._judge(None)
        problem = _out_of_reach(self.cast, {kind for kind, _ in self.stock.open})
        if problem:
            raise NeverCalled(problem)

    # -- what the strategies ask --------------------------------------------------------------------------------------------

    def fixed(self, method: Method) -> dict[str, Any]:
        """The arguments that are not drawn: the receiver, but where a rule constructs it."""
        if method.receiver is None or method.subject is None:
            return {}
        if self.cast.subjects[method.subject].constructed:
            return {}
        return {method.receiver: self._objects[method.subject]}

    def defaults(self, method: Method) -> dict[str, Any]:
        """The default values of a method's parameters."""
        parameters = method.signature.parameters.values()
        return {one.name: one.default for one in parameters if one.default is not one.empty}

    def objects(self, method: Method) -> list[Handle]:
        """The objects that a rule has constructed and that are still held, oldest first."""
        maker = next(one for one in self.cast.steps if one.method.constructs and one.method.subject == method.subject)
        kinds = set(maker.method.opened)
        handles = [self.stock.named(ref) for ref in self.stock.all_named() if ref[0] in kinds]
        target = self.cast.subjects[method.subject].target  # type: ignore[index]
        return [one for one in handles if one is not None and one.pool and isinstance(one.pool[0], target)]

    def refused(self, method: Method, arguments: Mapping[str, Any]) -> str:
        """Why the preconditions of icontract or deal forbid a call; "" where they do not."""
        with self.scope.active():
            run = lambda awaitable: self.run(_awaited(awaitable))  # noqa: E731
            return conditions.refused(method.outer, arguments, method.receiver, run)

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine to its end, in the event loop of this story."""
        if self.cast.run is not None:
            return self.cast.run(coroutine)
        if self._runner is None:
            self._runner = asyncio.Runner()
            self._ends.callback(self._runner.close)
        return self._runner.run(coroutine, context=contextvars.copy_context())

    def is_stuck(self) -> bool:
        """Whether no rule can be run: a story of things that are made once may come to its end."""
        return not any(step.is_possible(self) for step in self.cast.steps)

    # -- a step -----------------------------------------------------------------------------------------------------------------

    def take_step(self, step: Step, given: Mapping[str, Any]) -> Any:
        """Call the method of a rule, and judge what came of it.

        Args:
            step: the rule.
            given: the arguments by the names that the story shows; things by their handles.

        Returns:
            the things that it opened, for the bundle.

        Raises:
            ViolationError: a rule was broken.
        """
        __tracebackhide__ = True
        self._line += 1
        self.plan = None
        self._names = []
        if any(value is LEFT for value in given.values()):
            return multiple()
        method = step.method
        arguments = self.defaults(method) | self._unwrapped(method, given)
        step.made += 1
        before = self._states(method, arguments)
        watched = self.scope.watched
        result, error = None, None
        with self.scope.active():
            try:
                result = self._perform(step, arguments)
            except UnsatisfiedAssumption:
                raise
            except Exception as raised:
                error = raised
        if error is None and self.scope.watched == watched:
            self._complain_blind(method)
        self.stock.look()
        handles = self._opened(method, arguments, result, error)
        legal = error is None or self._is_legal(step, error, before)
        self._judge(error)
        if error is not None and not legal:
            error.add_note(_undeclared(method, error))
            raise error
        self._judge_leaks()
        self._names = [handle.name for handle in handles]
        return handles[0] if len(handles) == 1 else multiple(*handles)

    def _unwrapped(self, method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments themselves, where things of the story stand for them."""
        by_name = {one.name: given[one.shown] for one in method.parameters if one.shown in given}
        raw = self.fixed(method) | {name: value for name, value in by_name.items() if not _handles(value)}
        for demand in sorted(method.demands, key=lambda one: not one.certain):
            missing = {name for name in demand.names if name in by_name and name not in raw}
            handles = next((_handles(by_name[name]) for name in sorted(missing)), [])
            if handles and handles[0].kind is demand.kind:
                found = solve(demand.expression, handles, raw, missing) or {}
                for name, value in found.items():
                    raw[name] = _as_many(method, name, value) if isinstance(by_name[name], list) else value
        for name, value in by_name.items():
            if name not in raw:
                raw[name] = value.pool[0] if name == method.receiver else value.raw
        return raw

    def _perform(self, step: Step, arguments: Mapping[str, Any]) -> Any:
        __tracebackhide__ = True
        method = step.method
        positional, named = _as_called(method, arguments)
        owner = self._objects[method.subject] if method.subject is not None else None
        if method.receiver is not None and method.receiver in arguments and not method.constructs:
            owner = arguments[method.receiver]

        def invoke() -> Any:
            __tracebackhide__ = True
            if method.constructs:
                return self.cast.subjects[method.subject].target(*positional, **named)  # type: ignore[index]
            if method.form == "property":
                return getattr(owner, method.attribute)
            function: Any = getattr(owner, method.attribute) if method.attribute else method.function
            return function(*positional, **named)

        where = f"<story of {self.cast.name}>"
        if method.form in _ASYNC:
            return self.run(_placed(_ASYNC[method.form], where, self._line, step.name)(invoke))
        return _placed(_SYNC[method.form], where, self._line, step.name)(invoke)

    def _opened(
        self, method: Method, arguments: Mapping[str, Any], result: Any, error: Exception | None
    ) -> list[Handle]:
        """The things that a call has opened, named."""
        found: list[Handle] = []
        if method.constructs and error is None:
            arguments = {**arguments, str(method.receiver): result}
        pool = _pool(result, [value for name, value in arguments.items() if name != method.receiver])
        for contract in method.contracts:
            expression: Any = contract.key if contract.to_key is None else contract.to_key
            if contract.verb == "acquires":
                applies = error is None or contract.in_doubt
            elif contract.verb == "on_failure":
                applies = True
            else:
                applies = error is None and contract.to_key is not None
            if not applies or not isinstance(expression, KeyExpression):
                continue
            if error is None and not read_ended(contract.when, arguments, result) and contract.verb != "on_failure":
                continue
            keys = read_keys(expression, arguments, result)
            for key, raw in zip(keys, raw_keys(expression, arguments, result) if keys else (), strict=False):
                handle = self.stock.take(contract.kind, key, bundle_name(contract.kind), raw, pool)
                if handle is not None:
                    found.append(handle)
        return found

    # -- what is right, and what is wrong -----------------------------------------------------------------------------------

    def _states(self, method: Method, arguments: Mapping[str, Any]) -> dict[Contract, Ref | None]:
        """For each contract that knows "gone", a thing that is held for certain when the call is made."""
        found: dict[Contract, Ref | None] = {}
        for contract in method.contracts:
            if contract.gone and isinstance(contract.key, KeyExpression) and not contract.key.late:
                refs = [(contract.kind, key) for key in read_keys(contract.key, arguments)]
                held = [ref for ref in refs if ref in self.stock.open and not self.stock.in_doubt(ref)]
                found[contract] = held[0] if held and len(held) == len(refs) else None
        return found

    def _is_legal(self, step: Step, error: Exception, before: Mapping[Contract, Ref | None]) -> bool:
        """Whether the contracts declare what a call has raised."""
        for one in (*step.method.declared, *self.cast.raises.get(step.method.name, ()), *self.cast.raises.get("", ())):
            if isinstance(error, one) and not (one in (Exception, BaseException) and isinstance(error, BUGS)):
                return True
        for contract, held in before.items():
            if not isinstance(error, contract.gone):
                continue
            if held is not None and contract is not step.stale:
                kind, key = held
                text = (
                    f"{step.method.label} says that it is gone ({problem_text(error)}), though nobody released it "
                    "or handed it over"
                )
                LEDGER.complain((self.scope.book,), "LG109", text, kind=kind, key=key, about=("gone", kind, key))
            return True
        return False

    def _complain_blind(self, method: Method) -> None:
        """A call returned, and the ledger was told nothing, though a contract speaks of every call."""
        every = (one for one in method.contracts if one.when is None and one.verb in ("acquires", *DRAWING))
        if any(one.key is not None and not one.key.many for one in every):
            text = f"{method.label} was called, and none of its contracts saw it: is it an override that hides them?"
            LEDGER.complain((self.scope.book,), "LG402", text, about=("blind", method.label))

    def _judge(self, error: Exception | None) -> None:
        """Raise what the ledger has found so far, and where the objects' own state disagrees with it (`tracks`)."""
        __tracebackhide__ = True
        for observer in self.scope.book.observers:
            if isinstance(observer, Drift):
                observer.judging(self.scope)
        if self.scope.book.findings and self.scope.violations:
            found = self.scope.interim(list(self.scope.book.findings))
            self._tell(found, error)

    def _judge_leaks(self) -> None:
        """Where leaks are asked for: when the story itself holds nothing any more, nothing at all may be held."""
        if not self.cast.leaks:
            return
        left = self.stock.leaks(self.cast.settled)
        if not left:
            return
        texts = {(one.kind.name, show_fields(one.key, one.kind.fields)) for one in left}
        verdict = self.scope.close()
        told = tuple(one for one in verdict.violations if (one.kind, one.key_text) in texts)
        if told:
            self._tell(replace(verdict, violations=told), None)

    def _tell(self, verdict: Verdict, error: Exception | None) -> None:
        __tracebackhide__ = True
        self._told = True
        short = replace(verdict, warnings=(), watched={}, unused=(), nowhere=0, elsewhere=0)
        raise ViolationError(render(short), verdict) from error

    def _close(self) -> None:
        if self.scope.verdict is None:
            self.scope.close()

    def teardown(self) -> None:
        """Tidy up, close the scope, and judge what can be judged only at its end."""
        on_its_way = sys.exc_info()[1] is not None
        with self._ends:
            if self.cast.teardown is not None:
                with contextlib.nullcontext() if self.scope.verdict else self.scope.active():
                    done = self.cast.teardown(*self._objects)
                    if inspect.isawaitable(done):
                        self.run(_awaited(done))
        verdict = self.scope.verdict
        if verdict is None or on_its_way or self._told:
            return
        told = tuple(one for one in verdict.violations if one.code not in LEFT_OVER)
        if told:
            self._tell(replace(verdict, violations=told), None)
        for step in self.cast.steps:
            if step.hopeless:
                raise NeverCalled(step.hopeless)

    def _new_name(self, target: str) -> str:
        """The name of the next variable: that of its thing, whose kind need not be the rule's first one."""
        if not self._names:
            usual: Callable[[str], str] = super()._new_name
            return usual(target)
        name = self._names.pop(0)
        self.names_list.append(name)
        return name


class _Several(tuple[Any, ...]):
    """More objects than one, or one of a machine that is made of a list."""

    __slots__ = ()


def several(objects: Any) -> Any:
    """Marks the objects of a machine that drives more than one."""
    return _Several(objects)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _handles(value: Any) -> list[Handle]:
    if isinstance(value, Handle):
        return [value]
    if isinstance(value, list) and value and all(isinstance(one, Handle) for one in value):
        return value
    return []


def _as_many(method: Method, name: str, values: Any) -> Any:
    from lifeguard.integrations.hypothesis.drawing import _as_hinted

    return _as_hinted(method, name, values)


def _as_called(method: Method, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    if method.attribute in ("__exit__", "__aexit__"):
        return [None, None, None], {}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    drawn = method.drawn
    for one in method.signature.parameters.values():
        if one.name == method.receiver or one.name not in drawn:
            continue
        if one.kind is one.POSITIONAL_ONLY:
            positional.append(arguments[one.name])
        else:
            named[one.name] = arguments[one.name]
    return positional, named


def _pool(result: Any, arguments: list[Any]) -> tuple[object, ...]:
    elements: list[Any] = []
    if isinstance(result, list | tuple):
        elements = list(result)
    elif isinstance(result, dict):
        elements = list(result.values())
    return (result, *arguments, *elements)


def _undeclared(method: Method, error: Exception) -> str:
    name = type(error).__name__
    return (
        f"{method.label} raised {name}, which none of its contracts declares. If it may, say so there (raises={name}), "
        f"or to the machine: state_machine(raises={{{method.name!r}: {name}}})"
    )


def _out_of_reach(cast: Cast, held: set[Kind]) -> str:
    """Why some methods would never be called; "" where all can be."""
    reached = set(held)
    waiting = {step.method: step for step in cast.steps if step.stale is None}
    while True:
        ready = [method for method in waiting if all(one.kind in reached for one in method.demands if one.certain)]
        if not ready:
            break
        for method in ready:
            reached |= set(method.opened)
            del waiting[method]
    if not waiting:
        return ""
    lines = []
    for method in waiting:
        kind = next(one.kind for one in method.demands if one.certain and one.kind not in reached)
        makers = acquirers((step.method for step in cast.steps), kind)
        who = f"only {', '.join(makers)} can open one" if makers else "none of the methods opens one"
        lines.append(f"{method.label} needs {bundle_name(kind)}, and {who}")
    names = sorted(method.name for method in waiting)
    return (
        f"{cast.name}: {'; '.join(lines)}. It would never be called: let the factory make one, drive what makes them, too, "
        f"or leave it out: exclude={names}"
    )
