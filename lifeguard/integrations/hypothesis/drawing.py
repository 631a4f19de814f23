"""From what a story has at hand to the arguments of its next call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_origin

from hypothesis import strategies as st
from hypothesis.errors import HypothesisException, InvalidDefinition

from lifeguard.contracts import Contract
from lifeguard.errors import DeclarationError, UsageError
from lifeguard.integrations.hypothesis.methods import Demand, Method, Parameter
from lifeguard.integrations.hypothesis.stock import Handle, read_condition, read_keys, refusal, solve
from lifeguard.keys import problem_text

T = TypeVar("T")

if TYPE_CHECKING:
    from lifeguard.integrations.hypothesis.machine import Story

ATTEMPTS: Final = 8
"""So many sets of arguments are drawn for one call before it is left out."""

HOPELESS: Final = 200
"""After so many calls left out, and none made, a method is said to be out of reach."""

MOST: Final = 3
"""So many things at most are drawn where a call takes many (`each`)."""


class Left:
    """Stands for the arguments of a call that is left out."""

    def __repr__(self) -> str:
        return "…"


LEFT: Final = Left()


@dataclass(slots=True, eq=False, repr=False)
class Step:
    """What one rule does: call a method; where `stale` is given, with a thing that is released already, on purpose."""

    method: Method
    name: str
    free: Mapping[str, st.SearchStrategy[Any]]
    given: frozenset[str]
    stale: Contract | None = None
    made: int = 0
    left_out: int = 0
    why: str = ""

    def __repr__(self) -> str:
        return self.name

    @property
    def hopeless(self) -> str:
        """Why the method is out of reach, where it was never called though that was tried often; "" else."""
        if self.made or self.left_out < HOPELESS:
            return ""
        names = ", ".join(f'"{self.method.name}.{one.name}": …' for one in self.method.parameters)
        return (
            f"{self.method.label} was never called: of {HOPELESS} times none found arguments that are allowed, the last time "
            f"since {self.why}. Give a strategy: state_machine(strategies={{{names}}}), or leave it out: "
            f'exclude=["{self.name}"]'
        )

    @property
    def alone(self) -> bool:
        """Whether the method releases one thing only."""
        return sum(one.verb in ("releases", "transfers") for one in self.method.contracts) < 2

    def candidates(self, story: Story, demand: Demand) -> list[Handle]:
        """The things that a demand can be met with now."""
        if demand.contract is self.stale and demand.role == "key":
            return story.stock.stale(demand.kind)
        return story.stock.fitting(demand.contract, demand.kind, as_key=demand.role == "key", alone=self.alone)

    def is_possible(self, story: Story) -> bool:
        """Whether there is what every call of the method needs."""
        fixed = story.fixed(self.method)
        for demand in self.method.demands:
            if demand.certain and not demand.names <= fixed.keys() and not self.candidates(story, demand):
                return False
        names = frozenset(fixed)
        settled = [one for one in self.method.contracts if one.when is None and one.names <= names]
        if refusal(story.stock, settled, fixed, self.stale):
            return False
        if self.stale is not None and self.stale.names <= names:
            refs = {(self.stale.kind, key) for key in read_keys(self.stale.key, fixed)}  # type: ignore[arg-type]
            if not refs <= story.stock.released.keys():
                return False
        return bool(self.method.parameters) or not story.refused(self.method, fixed)


@dataclass(slots=True, eq=False)
class Plan:
    """The arguments of one call, drawn together, and which of them were taken."""

    step: Step
    shown: Mapping[str, Any]
    taken: set[str] = field(default_factory=set)


@st.composite
def choice(draw: st.DrawFn, story: Story, usual: Any) -> tuple[Any, dict[str, Any]]:
    """The next rule and its arguments, in place of Hypothesis' own choice.

    It draws one number, whatever rules there are and whichever of them can be run; it stands for a rule of all or, where
    that one cannot be run, for one of those that can. So a step that Hypothesis leaves out while it shrinks a story
    changes nothing for the steps behind it. Hypothesis' own choice draws more the more rules cannot be run.

    Args:
        draw: of Hypothesis.
        story: the running machine.
        usual: Hypothesis' own choice, which knows the rules and whether one can be run.
    """
    number, first = divmod(draw(_NUMBER), len(usual.rules))
    rule = usual.rules[first]
    if not usual.is_valid(rule):
        valid = [one for one in usual.rules if usual.is_valid(one)]
        if not valid:
            raise InvalidDefinition(f"{story!r}: no rule can be run")
        rule = valid[number % len(valid)]
    return rule, {name: draw(strategy) for name, strategy in rule.arguments_strategies.items()}


def argument(step: Step, parameter: Parameter) -> st.SearchStrategy[Any]:
    """The strategy of one argument of a rule: it draws all of them when it is the first."""
    return _argument(step, parameter)


@st.composite
def _argument(draw: st.DrawFn, step: Step, parameter: Parameter) -> Any:
    story: Story = draw(st.runner())
    plan = story.plan
    if plan is None or plan.step is not step or parameter.shown in plan.taken:
        plan = story.plan = Plan(step, _draw_call(draw, story, step))
    plan.taken.add(parameter.shown)
    return plan.shown.get(parameter.shown, LEFT)


def _draw_call(draw: st.DrawFn, story: Story, step: Step) -> Mapping[str, Any]:
    """Arguments that no contract and no precondition forbids; none where there are none, or a few attempts found none.

    Only preconditions are worth another attempt. What the ledger forbids is mostly a matter of what is held, and to draw
    again would shift the meaning of all that follows when Hypothesis leaves out an earlier step.
    """
    method = step.method
    for _ in range(ATTEMPTS):
        shown: dict[str, Any] = {}
        raw = story.fixed(method)
        step.why = _draw_once(draw, story, step, raw, shown)
        if not step.why:
            raw = story.defaults(method) | raw
            step.why = refusal(story.stock, method.contracts, raw, step.stale)
        if step.why:
            break
        step.why = story.refused(method, raw)
        if not step.why:
            return {one.shown: shown[one.name] for one in method.parameters}
    step.left_out += 1
    return {}


def _draw_once(draw: st.DrawFn, story: Story, step: Step, raw: dict[str, Any], shown: dict[str, Any]) -> str:
    method = step.method
    demands = sorted(method.demands, key=lambda one: not one.certain)
    bound = frozenset().union(*(one.names for one in demands)) - step.given
    sizes = _sizes(step)
    for parameter in method.parameters:
        name = parameter.name
        if name in bound or name in sizes:
            continue
        if name == method.receiver:
            objects = story.objects(method)
            if not objects:
                return f"no {parameter.shown} is at hand"
            shown[name] = pick(draw, objects)
            raw[name] = shown[name].pool[0]
        else:
            shown[name] = raw[name] = _made(draw, step, parameter, _or_again(story, step, parameter))
    for demand in demands:
        if not demand.certain and not _may_apply(demand, raw, step):
            continue
        missing = demand.names - raw.keys()
        if not missing:
            continue
        candidates = step.candidates(story, demand)
        if not candidates:
            return f"no {demand.kind.name} is at hand"
        handles = [pick(draw, candidates)]
        if demand.expression.many:
            handles += _draw_more(draw, demand, handles[0], candidates)
        found = solve(demand.expression, handles, raw, missing)
        if found is None:
            raise _unsolvable(method, demand, handles[0])
        for name, value in found.items():
            raw[name] = _as_hinted(method, name, value) if demand.expression.many else value
            shown[name] = handles if isinstance(value, list) and demand.expression.many else handles[0]
    for parameter in method.parameters:
        name = parameter.name
        if name in raw:
            continue
        if name in sizes:
            shown[name] = raw[name] = draw(_size(story, sizes[name], raw, step.free[name]))
        elif name in step.free:
            shown[name] = raw[name] = _made(draw, step, parameter, step.free[name])
        elif parameter.default is not _EMPTY:
            shown[name] = raw[name] = parameter.default
        else:
            return f"nothing is at hand for {name}"
    return ""


def _made(draw: st.DrawFn, step: Step, parameter: Parameter, strategy: st.SearchStrategy[Any]) -> Any:
    try:
        return draw(strategy)
    except HypothesisException:
        raise
    except Exception as error:
        if parameter.name in step.given or parameter.hint is _EMPTY:
            raise
        problem = f"making a {_short(parameter.hint)} raised {problem_text(error)}"
        raise UsageError(_advice(step.method, parameter.name, problem)) from error


_EMPTY: Final = Parameter("", "").default


def pick(draw: st.DrawFn, things: Sequence[T]) -> T:
    """One of some things; it shrinks to the last one.

    The number that is drawn does not depend on how many there are, so that what follows keeps its meaning when Hypothesis
    leaves out an earlier step: else steps that came in pairs would stay in the story.
    """
    return things[-1 - draw(_NUMBER) % len(things)]


_NUMBER: Final = st.integers(0, 2**16 - 1)


def _may_apply(demand: Demand, raw: Mapping[str, Any], step: Step) -> bool:
    condition = demand.contract.when
    if condition is None or not condition.names - {"result"} <= raw.keys():
        return True
    return read_condition(condition, raw)


def _draw_more(draw: st.DrawFn, demand: Demand, first: Handle, candidates: Sequence[Handle]) -> list[Handle]:
    """More things for a call that takes many: those whose keys differ from the first one's only in the part of `each`."""
    several = next(index for index, part in enumerate(demand.expression.parts) if part.many)

    def rest(handle: Handle) -> object:
        key: Any = handle.key
        return (*key[:several], *key[several + 1 :]) if demand.expression.composite else None

    others = [one for one in candidates if one is not first and rest(one) == rest(first)]
    if not others:
        return []
    return draw(st.lists(st.sampled_from(others[::-1]), max_size=MOST - 1, unique_by=id))


def _as_hinted(method: Method, name: str, values: list[Any]) -> Any:
    hint = next((one.hint for one in method.parameters if one.name == name), None)
    origin = get_origin(hint) or hint
    if origin in (set, frozenset, tuple):
        return origin(values)
    return dict.fromkeys(values) if origin is dict else values


def _or_again(story: Story, step: Step, parameter: Parameter) -> st.SearchStrategy[Any]:
    """What a parameter is drawn from: where it names what may be held more than once, held things too."""
    plain = step.free.get(parameter.name)
    if plain is None:
        if parameter.default is _EMPTY:
            return st.nothing()
        return st.just(parameter.default)
    if parameter.name in step.given:
        return plain
    for contract in step.method.contracts:
        if contract.verb != "acquires" or not (contract.amount is not None or contract.kind.again != "error"):  # type: ignore[union-attr]
            continue
        key: Any = contract.key
        if not key.composite and not key.many and key.parts[0].code == parameter.name:
            held = [handle.raw for handle in story.stock.fitting(contract, contract.kind, as_key=True)]
            if held:
                return st.one_of(plain, st.sampled_from(held[::-1]))
    return plain


def _sizes(step: Step) -> dict[str, tuple[Contract, int]]:
    """The parameters that say how much of something is released, with the place of the amount."""
    found: dict[str, tuple[Contract, int]] = {}
    for contract in step.method.contracts:
        if contract.verb == "releases" and contract.amount is not None:
            for index, part in enumerate(contract.amount.parts):
                if part.code is not None and part.code in step.free and part.code not in step.given:
                    found[part.code] = contract, index
    return found


def _size(
    story: Story, size: tuple[Contract, int], raw: Mapping[str, Any], plain: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    contract, index = size
    for key in read_keys(contract.key, raw):  # type: ignore[arg-type]
        generation = story.stock.open.get((contract.kind, key))
        if generation is not None and generation.amounts is not None and index < len(generation.amounts):
            most = generation.amounts[index]
            if isinstance(most, int):
                return st.integers(min(1, most), most)
            if isinstance(most, float):
                return st.floats(0, most)
            return st.just(most)
    return plain


def _unsolvable(method: Method, demand: Demand, handle: Handle) -> Exception:
    names = sorted(demand.names & method.drawn)
    return UsageError(
        f"{method.label}: {' and '.join(names)} cannot be made so that {demand.expression.source} reads "
        f"{demand.kind.name} {handle.raw!r}: nothing that the call which opened it took or gave will do. Give a strategy: "
        f'state_machine(strategies={{"{method.name}.{names[0]}": …}}), with held_key({demand.kind.name}) in it'
    )


# -- strategies of parameters -----------------------------------------------------------------------------------------------

_NUMBERS: Final[dict[Any, Callable[[], st.SearchStrategy[Any]]]] = {
    int: lambda: st.integers(min_value=1),
    float: lambda: st.floats(min_value=1, allow_nan=False, allow_infinity=False),
}


def strategies_of(method: Method, given: Mapping[str, st.SearchStrategy[Any]]) -> dict[str, st.SearchStrategy[Any]]:
    """A strategy for every parameter that is not drawn from the things at hand.

    Args:
        method: the method.
        given: the user's strategies, by "method.parameter" or by parameter.

    Returns:
        the strategies by parameter.

    Raises:
        DeclarationError: there is none for a parameter, and nothing says how to make one.
    """
    found: dict[str, st.SearchStrategy[Any]] = {}
    bound: set[str] = set()
    maybe: set[str] = set()
    for demand in method.demands:
        (bound if demand.certain else maybe).update(demand.names)
    amounts = {
        part.code for one in method.contracts if one.amount is not None for part in one.amount.parts if part.code
    }
    for parameter in method.parameters:
        name = parameter.name
        own = given.get(f"{method.name}.{name}")
        if own is not None:
            found[name] = own
        elif name in bound or name == method.receiver:
            continue
        elif name in given:
            found[name] = given[name]
        elif parameter.problem or parameter.hint is _EMPTY:
            if name not in maybe and parameter.default is _EMPTY:
                raise _no_strategy(method, name, parameter.problem)
        elif name in amounts and parameter.hint in _NUMBERS:
            found[name] = _NUMBERS[parameter.hint]()
        else:
            found[name] = _from_hint(method, parameter)
    return found


def _from_hint(method: Method, parameter: Parameter) -> st.SearchStrategy[Any]:
    try:
        strategy = st.from_type(parameter.hint)
        strategy.validate()
    except Exception as error:
        why = " ".join(str(error).split())
        problem = f"Hypothesis makes nothing from its type hint {_short(parameter.hint)}: {why}"
        raise _no_strategy(method, parameter.name, problem) from error
    return strategy


def _short(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).removeprefix("typing.")


def _no_strategy(method: Method, name: str, problem: str) -> DeclarationError:
    return DeclarationError.at_caller(_advice(method, name, problem))


def _advice(method: Method, name: str, problem: str) -> str:
    return (
        f"{method.label}: there is no way to make its parameter {name!r}: {problem}. Give a strategy: "
        f'state_machine(strategies={{"{name}": …}}), or for this method alone {{"{method.name}.{name}": …}}; '
        f'or leave the method out: exclude=["{method.name}"]'
    )
