"""The ledger against the reference model: the same events by hand into both, the same verdicts out of both."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from model import reference as ref
from model.reference import Kind

import lifeguard

EXAMPLES = int(os.environ.get("LIFEGUARD_EXAMPLES", "0"))
"""How many examples to try. Without it the same few hundred every time; with it, that many new ones."""

like_ci = settings(
    max_examples=EXAMPLES or 200,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

IMAGE = Kind("image")
VOLUME = Kind("volume", again="count")
LABEL = Kind("label", again="keep")
SLOT = Kind("slot", again="replace")
TICKET = Kind("ticket", unseen="error")
PAIR = Kind("pair", needs=("stop", "close"))
SERVER = Kind("server", again="keep")
NETWORK = Kind("network", again="keep")
PORT = Kind("port", within=NETWORK)
SUBNET = Kind("subnet", within=NETWORK, cascade=True)
VCPU = Kind("vcpu")
SPAWN = Kind("spawn", rollback=True)
RESIZE = Kind("resize", rollback=True, unseen="error")

FAMILIES = [
    (IMAGE,),
    (VOLUME,),
    (LABEL, SLOT),
    (TICKET, RESIZE),
    (PAIR, SERVER),
    (IMAGE, SERVER),
    (VOLUME, SLOT, SERVER),
    (NETWORK, PORT),
    (NETWORK, SUBNET, PORT, SERVER),
    (VCPU,),
    (SPAWN, RESIZE),
]


class NotFoundError(Exception):
    """The answer of a service that says: it is gone already."""


@dataclass(frozen=True)
class Open:
    """Open a scope in a context, below the scope of that context that `parent` picks (None: below nothing)."""

    context: int
    parent: int | None
    reach: str
    remember: int | None


@dataclass(frozen=True)
class Close:
    """Close the open scope that `scope` picks, as if `exc` left it."""

    scope: int
    exc: bool


@dataclass(frozen=True)
class Event:
    """An event by hand on the open scope that `scope` picks; `options` are its keyword arguments."""

    scope: int
    verb: str
    kind: Kind
    key: Any
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class ToScope:
    """A scope as the target of a transfer: any that was ever opened, closed or not."""

    scope: int


Step = Open | Close | Event
KINDS = {kind for family in FAMILIES for kind in family}


# --- programs ---------------------------------------------------------------------------------------------------------

picks = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4])
keys = st.sampled_from([1, 1, 1, 1, True, "1"])
errors = st.sampled_from([*[None] * 7, OSError("broken"), NotFoundError("gone")])
gones = st.sampled_from([None, NotFoundError, BaseException])


def _options(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    present = st.fixed_dictionaries(strategies)
    return present.map(lambda chosen: tuple((name, value) for name, value in chosen.items() if value is not None))


def _events(kind: Kind) -> list[st.SearchStrategy[Event]]:
    """The events of a kind, each as often as it shall be chosen."""

    def event(verb: str, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
        return st.builds(Event, picks, st.just(verb), st.just(kind), keys, _options(**strategies))

    if kind.rollback:
        failure = st.sampled_from([OSError("failed"), KeyError("failed")])
        return [event("failed", error=failure), event("rolled_back", error=errors), event("rolled_back", error=failure)]
    acquire: dict[str, st.SearchStrategy[Any]] = {"error": errors}
    release: dict[str, st.SearchStrategy[Any]] = {
        "error": errors,
        "gone": gones,
        "idempotent": st.sampled_from([None, None, None, True]),
    }
    if kind is VCPU:
        acquire["amount"] = release["amount"] = st.integers(1, 4)
    elif kind.needs:
        release["part"] = st.sampled_from(kind.needs)
    if kind.within:
        acquire["within"] = st.sampled_from([1, 1, 1, True, None])
    if kind is NETWORK:
        release["cascade"] = st.sampled_from([None, None, None, True, False])
    targets = [st.just(ref.OUTSIDE), st.builds(ToScope, picks)]
    if kind is not SERVER:
        targets.append(st.tuples(st.just(SERVER), keys))
    found = [
        *[event("acquired", **acquire)] * 6,
        *[event("released", **release)] * 5,
        event("transferred", to=st.one_of(targets), error=errors),
        event("transferred", to=st.one_of(targets)),
        event("transferred", to_key=keys, error=errors),
        event("transferred", to_key=keys),
        event("used", error=errors, gone=gones),
    ]
    if kind is not VCPU:
        found.append(event("seed"))  # an amount cannot be seeded
    if kind is not VCPU and not kind.needs:
        acquire |= {"error": st.just(OSError("timeout")), "in_doubt": st.just(True)}
        found.append(event("acquired", **acquire))
    return found


opens = st.builds(
    Open,
    context=st.integers(0, 2),
    parent=st.none() | picks,
    reach=st.sampled_from(["context", "context", "process"]),
    remember=st.sampled_from([1024, 1024, None, 2, 1, 0]),
)
closes = st.builds(Close, picks, st.booleans())


EVENTS = {kind: _events(kind) for kind in KINDS}


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    """Some scopes, and a few dozen events of few kinds and keys, so that they meet."""
    kinds = draw(st.sampled_from(FAMILIES))
    events = [event for kind in kinds for event in EVENTS[kind]]
    steps: list[Step] = [draw(opens)]
    for _ in range(draw(st.integers(1, 60))):
        steps.append(draw(draw(st.sampled_from([*events, opens, closes]))))
    return steps


# --- running them -----------------------------------------------------------------------------------------------------

Said = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
Verdict = tuple[list[Said], dict[str, int]]
Outstanding = list[tuple[str, str, str]]


class Model:
    """Drives the reference model."""

    def __init__(self) -> None:
        self.world = ref.World()
        self.scopes: list[ref.RefScope] = []

    def open(self, context: int, parent: int | None, reach: str, remember: int | None) -> None:
        """Open the next scope."""
        above = None if parent is None else self.scopes[parent]
        self.scopes.append(self.world.open(f"s{len(self.scopes)}", parent=above, reach=reach, remember=remember))

    def event(self, context: int, scope: int, event: Event) -> None:
        """Record an event."""
        options = {name: self._value(value) for name, value in event.options}
        if event.verb == "seed":
            options = {"why": "it was there"}
        getattr(self.scopes[scope], event.verb)(event.kind, event.key, **options)

    def _value(self, value: Any) -> Any:
        return self.scopes[value.scope] if isinstance(value, ToScope) else value

    def outstanding(self, scope: int) -> Outstanding:
        """What the scope owes, as (kind, key, state), sorted."""
        of = self.scopes[scope]
        return sorted((g.kind.name, repr(g.key), of.state_of(g)) for g in of.outstanding)

    def close(self, context: int, scope: int, exc: BaseException | None) -> Verdict:
        """Close the scope and return its verdict."""
        verdict = self.scopes[scope].close(exc)
        return list(verdict.violations), verdict.unmatched


class Library:
    """Drives the library; `run` runs a function in a context that is given by its number."""

    def __init__(self, run: Callable[[int, Callable[[], Any]], Any]) -> None:
        self.run = run
        self.scopes: list[Any] = []
        self.kinds: dict[Kind, Any] = {}
        for kind in sorted(KINDS, key=lambda kind: kind.within is not None):
            self.kinds[kind] = self._declare(kind)

    def _declare(self, kind: Kind) -> Any:
        if kind.rollback:
            return lifeguard.Rollback(kind.name, unseen=kind.unseen)  # type: ignore[arg-type]
        return lifeguard.Resource(
            kind.name,
            again=kind.again,  # type: ignore[arg-type]
            unseen=kind.unseen,  # type: ignore[arg-type]
            needs=lifeguard.all_of(*kind.needs) if kind.needs else None,
            within=self.kinds[kind.within] if kind.within else None,
            cascade=kind.cascade,
        )

    def open(self, context: int, parent: int | None, reach: str, remember: int | None) -> None:
        """Open the next scope, while `parent` is current."""

        def opening() -> Any:
            with ExitStack() as stack:
                if parent is not None:
                    stack.enter_context(self.scopes[parent].active())
                new = lifeguard.scope(
                    f"s{len(self.scopes)}",
                    reach=reach,  # type: ignore[arg-type]
                    remember=remember,
                    on_violation="record",
                )
                new.open()
                return new

        self.scopes.append(self.run(context, opening))

    def event(self, context: int, scope: int, event: Event) -> None:
        """Record an event."""
        options = {name: self._value(value) for name, value in event.options}
        if event.verb == "seed":
            options = {"why": "it was there"}
        method = getattr(self.scopes[scope], event.verb)
        self.run(context, lambda: method(self.kinds[event.kind], event.key, **options))

    def _value(self, value: Any) -> Any:
        if isinstance(value, ToScope):
            return self.scopes[value.scope]
        if isinstance(value, ref.Outside):
            return lifeguard.OUTSIDE
        if isinstance(value, tuple) and value and isinstance(value[0], Kind):
            return self.kinds[value[0]], value[1]
        return value

    def outstanding(self, scope: int) -> Outstanding:
        """What the scope owes, as (kind, key, state), sorted."""
        return sorted((one.kind, repr(one.key), one.state) for one in self.scopes[scope].outstanding)

    def close(self, context: int, scope: int, exc: BaseException | None) -> Verdict:
        """Close the scope and return its verdict."""
        closing = self.scopes[scope]
        self.run(context, lambda: closing.close(exc))
        said = [
            (
                found.code,
                found.kind,
                repr(found.key),
                tuple(text[:5] for text in found.also),
                tuple(sorted(text.partition(" (")[0] for text in found.children)),
            )
            for found in closing.verdict.violations
        ]
        return sorted(said), dict(closing.verdict.unmatched)


class Woven(Library):
    """Drives the library through decorated functions, called while the scope is current."""

    def __init__(self, run: Callable[[int, Callable[[], Any]], Any]) -> None:
        super().__init__(run)
        self.functions: dict[object, Callable[..., None]] = {}

    def event(self, context: int, scope: int, event: Event) -> None:
        """Call the function whose contract tells the event."""
        if event.verb == "seed":
            super().event(context, scope, event)
            return
        options = {name: self._value(value) for name, value in event.options}
        error = options.pop("error", None)
        key = event.key

        def calling() -> None:
            with self.scopes[scope].active():
                self._function(event, options)(key, error, *[options.get(name) for name in ("within", "to", "to_key")])

        if error is None:
            self.run(context, calling)
        else:
            with pytest.raises(type(error)) as caught:
                self.run(context, calling)
            assert error is caught.value

    def _function(self, event: Event, options: dict[str, Any]) -> Callable[..., None]:
        static = {name: value for name, value in options.items() if name not in ("within", "to", "to_key")}
        if "within" in options:
            static["within"] = "within"
        if "to_key" in options:
            static["to_key"] = "to_key"
        if "to" in options:
            to = options["to"]
            static["to"] = to if to is lifeguard.OUTSIDE else "to" if not isinstance(to, tuple) else (to[0], "to[1]")
        which = (event.verb, event.kind, tuple(static.items()))
        if which not in self.functions:
            decorator = getattr(lifeguard, DECORATORS[event.verb])

            @decorator(self.kinds[event.kind], key="key", **static)
            def call(key: Any, error: BaseException | None, within: Any, to: Any, to_key: Any) -> None:
                if error is not None:
                    raise error

            self.functions[which] = call
        return self.functions[which]


DECORATORS = {
    "acquired": "acquires",
    "released": "releases",
    "transferred": "transfers",
    "used": "uses",
    "failed": "on_failure",
    "rolled_back": "rolls_back",
}


@dataclass
class Runner:
    """Sends a program through the model and the library at once and compares them at every step."""

    model: Model
    library: Library

    def __post_init__(self) -> None:
        self.contexts: list[int] = []  # of each scope
        self.open: list[int] = []

    def run(self, steps: Sequence[Step]) -> None:
        """Run the program and close what it left open."""
        for step in steps:
            self.step(step)
        while self.open:
            self._close(self.open[-1], None)

    def step(self, step: Step) -> None:
        """Run one step in both and compare what is outstanding; an event without an open scope is left out."""
        if isinstance(step, Open):
            self._open(step)
        elif not self.open:
            return
        elif isinstance(step, Close):
            self._close(self.open[step.scope % len(self.open)], OSError("left") if step.exc else None)
        else:
            self._event(self.open[step.scope % len(self.open)], step)
        for scope in self.open:
            assert self.model.outstanding(scope) == self.library.outstanding(scope)

    def _open(self, step: Open) -> None:
        new = len(self.contexts)
        siblings = [scope for scope in self.open if self.contexts[scope] == step.context]
        parent = siblings[step.parent % len(siblings)] if siblings and step.parent is not None else None
        below = f"  # below s{parent}" if parent is not None else ""
        note(f"s{new} = scope('s{new}', reach={step.reach!r}, remember={step.remember}).open(){below}")
        self.model.open(step.context, parent, step.reach, step.remember)
        self.library.open(step.context, parent, step.reach, step.remember)
        self.contexts.append(step.context)
        self.open.append(new)

    def _event(self, scope: int, event: Event) -> None:
        targets = {
            name: ToScope(value.scope % len(self.contexts))
            for name, value in event.options
            if isinstance(value, ToScope)
        }
        event = Event(scope, event.verb, event.kind, event.key, tuple({**dict(event.options), **targets}.items()))
        shown = "".join(f", {name}={_shown(value)}" for name, value in event.options)
        note(f"s{scope}.{event.verb}({event.kind.name}, {event.key!r}{shown})")
        self.model.event(self.contexts[scope], scope, event)
        self.library.event(self.contexts[scope], scope, event)

    def _close(self, scope: int, exc: BaseException | None) -> None:
        note(f"s{scope}.close({exc!r})")
        self.open.remove(scope)
        expected = self.model.close(self.contexts[scope], scope, exc)
        assert expected == self.library.close(self.contexts[scope], scope, exc)


def _shown(value: Any) -> str:
    if isinstance(value, ToScope):
        return f"s{value.scope}"
    if isinstance(value, ref.Outside):
        return "OUTSIDE"
    if isinstance(value, tuple) and value and isinstance(value[0], Kind):
        return f"({value[0].name}, {value[1]!r})"
    return value.__name__ if isinstance(value, type) else repr(value)


@contextmanager
def _threads() -> Iterator[Callable[[int, Callable[[], Any]], Any]]:
    """One thread for each context. They take turns, so that the order of events is that of the program."""
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]
        yield lambda context, function: threads[context].submit(function).result()


@like_ci
@given(programs())
def test_says_what_the_model_says(steps: list[Step]) -> None:
    """Whatever happens over several scopes of several contexts, each scope's verdict is the model's."""
    contexts = [contextvars.Context() for _ in range(3)]
    Runner(Model(), Library(lambda context, function: contexts[context].run(function))).run(steps)


@like_ci
@given(programs())
def test_says_it_of_calls(steps: list[Step]) -> None:
    """The same, told by contracts on functions that are called while a scope is current."""
    contexts = [contextvars.Context() for _ in range(3)]
    Runner(Model(), Woven(lambda context, function: contexts[context].run(function))).run(steps)


@settings(like_ci, max_examples=EXAMPLES or 60)
@given(programs())
def test_says_it_whatever_the_thread(steps: list[Step]) -> None:
    """The same, with a real thread for each context."""
    with _threads() as run:
        Runner(Model(), Library(run)).run(steps)
