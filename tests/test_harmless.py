"""What the user's own callbacks and rules do wrong becomes a finding, and never an exception inside the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lifeguard import (
    Event,
    Holding,
    LedgerView,
    Resource,
    Rollback,
    UsageError,
    Verdict,
    ViolationError,
    acquires,
    atomic,
    invariant,
    on_failure,
    releases,
    rolls_back,
    scope,
    settles,
)
from lifeguard.ledger.records import Call
from lifeguard.scopes import Scope

spawn = Rollback("spawn")


@pytest.fixture
def port() -> Resource:
    """A kind of its own for each test: invariants stay with their kinds."""
    return Resource("port", fields=("port_id", "host"))


@pytest.fixture
def lamp() -> Resource:
    """Another one, without fields."""
    return Resource("lamp")


def told(watched: Scope) -> list[str]:
    """Codes and messages of a closed scope."""
    assert watched.verdict is not None
    return [f"{one.code} {one.message}" for one in watched.verdict.violations]


def codes(watched: Scope) -> list[str]:
    """Its codes."""
    return [text[:5] for text in told(watched)]


# --- invariants: the view -----------------------------------------------------------------------------------------------


def test_the_view(port: Resource) -> None:
    """What is held, oldest first, by field or all; seeded things are there, released ones are not; it changes nothing."""
    seen: list[tuple[Holding, ...]] = []

    @invariant(port, description="looked at")
    def look(view: LedgerView) -> None:
        seen.extend([view.held(port), view.held(port, host="h1"), view.held(port, host="h2", port_id=3)])
        seen.append(())
        assert (3, 2, 0) == (view.count(port), view.count(port, host="h1"), view.count(port, host="h3"))

    server = Resource("server")
    with scope(on_violation="record") as s:
        s.seed(port, (0, "h1"), why="w")
        s.acquired(port, (1, "h1"), about=(server, "s"))
        s.acquired(port, (2, "h1"))
        s.acquired(port, (3, "h2"))
        s.released(port, (2, "h1"))
        s.acquired(server, "s")
        s.transferred(port, (3, "h2"), to=(server, "s"))
    assert ["LG101", "LG101"] == codes(s)
    everything, first, second, _ = seen
    assert [(0, "h1"), (1, "h1"), (3, "h2")] == [one.key for one in everything]
    assert [0, 1] == [one["port_id"] for one in first]
    assert [{"port_id": 3, "host": "h2"}] == [one.fields for one in second]
    assert ("server", "s") == second[0].owner
    assert ["server 's'"] == [str(one) for one in first[1].subjects]
    assert (port, None) == (first[0].kind, first[0].owner)
    assert "port (1, 'h1')" == str(first[1])


def test_the_view_sees_the_scopes_around(port: Resource, lamp: Resource) -> None:
    """An inner scope that closes judges the rule over all that its context holds; other contexts' things are not in it."""
    counts = []

    @invariant(lamp, description="counted")
    def count(view: LedgerView) -> None:
        counts.append(view.count(lamp))

    other = scope("other", on_violation="record").open()
    other.acquired(lamp, "theirs")
    with scope("outer", on_violation="record") as outer:
        outer.acquired(lamp, "o")
        with scope("inner", on_violation="record") as inner:
            inner.acquired(lamp, "i")
    other.close()
    assert [2, 1, 1] == counts


def test_when_it_is_asked(lamp: Resource) -> None:
    """When a scope that saw its kinds closes; a scope that did not see them does not ask."""
    asked = []

    @invariant(lamp, description="asked")
    def ask(view: LedgerView) -> None:
        asked.append(view.count(lamp))

    with scope() as s:
        s.acquired(lamp, 1)
        s.released(lamp, 1)
        assert [] == asked
    assert [0] == asked
    with scope():
        pass
    assert [0] == asked


def test_always(lamp: Resource) -> None:
    """After each call that touches its kinds, failing ones included; not after others."""
    asked = []
    other = Resource("other")

    @invariant(lamp, description="asked", always=True)
    def ask(view: LedgerView) -> None:
        asked.append(view.count(lamp))

    with scope(on_violation="record") as s:
        s.acquired(lamp, 1)
        s.acquired(other, 1)
        s.used(lamp, 1)
        s.released(lamp, 1, error=OSError())
        s.released(lamp, 1)
        assert [1, 1, 1, 0] == asked


def test_always_on_watched_calls(lamp: Resource) -> None:
    """Decorated functions as well, and the finding is there at once."""

    class Lamps:
        @acquires(lamp, key="number")
        def light(self, number: int) -> None:
            """Turn one on."""

        @releases(lamp, key="number")
        def out(self, number: int) -> None:
            """Turn it off."""

    @invariant(lamp, description="one lamp at a time", always=True)
    def one_lamp(view: LedgerView) -> bool:
        return view.count(lamp) < 2

    lamps = Lamps()
    with scope(on_violation="record") as s:
        lamps.light(1)
        assert () == s.violations
        lamps.light(2)
        assert ["LG302"] == [one.code for one in s.violations]
        lamps.out(1)
        lamps.out(2)
    assert ["LG302 lamp: invariant broken: one lamp at a time"] == told(s)


def test_at_the_end_of_atomic_and_settles(lamp: Resource) -> None:
    """Of those that name its kinds, however they end; not of those that name others."""
    asked = []
    other = Resource("other")

    @invariant(lamp, description="asked")
    def ask(view: LedgerView) -> None:
        asked.append(view.count(lamp))

    @settles(lamp)
    def settling() -> None:
        """Name it."""

    @atomic(lamp)
    def failing() -> None:
        """Name it, and fail."""
        raise OSError

    @settles(other)
    def elsewhere() -> None:
        """Name another."""

    with scope(on_violation="record") as s:
        settling()
        assert 1 == len(asked)
        with pytest.raises(OSError):
            failing()
        assert 2 == len(asked)
        elsewhere()
        assert 2 == len(asked)
    assert [] == codes(s)


@pytest.mark.parametrize("always", [False, True])
def test_fail_fast_raises_for_a_broken_invariant(lamp: Resource, always: bool) -> None:
    """At the call, where it is asked there; else at the end."""

    @invariant(lamp, description="dark", always=always)
    def dark(view: LedgerView) -> bool:
        return view.count(lamp) == 0

    reached = []
    with pytest.raises(ViolationError, match="invariant broken: dark"):
        with scope(fail_fast=True) as s:
            s.acquired(lamp, 1)
            reached.append(1)
    assert ([] if always else [1]) == reached


# --- invariants: what they return ---------------------------------------------------------------------------------------

ANSWERS: list[tuple[str, Callable[[LedgerView, Resource], Any], list[tuple[object, str]]]] = [
    ("none", lambda view, kind: None, []),
    ("true", lambda view, kind: True, []),
    ("nothing", lambda view, kind: [], []),
    ("false", lambda view, kind: False, [(None, "rule")]),
    ("a breach", lambda view, kind: view.breach(kind, 7, "odd"), [(7, "rule (odd)")]),
    ("a holding", lambda view, kind: view.held(kind)[0], [(1, "rule")]),
    ("a holding with a text", lambda view, kind: (view.held(kind)[0], "dim"), [(1, "rule (dim)")]),
    ("pairs", lambda view, kind: [(kind, 8), (kind, 9)], [(8, "rule"), (9, "rule")]),
    ("holdings", lambda view, kind: view.held(kind), [(1, "rule"), (2, "rule")]),
    ("a generator", lambda view, kind: ((one, "x") for one in view.held(kind)), [(1, "rule (x)"), (2, "rule (x)")]),
]


@pytest.mark.parametrize(("answer", "broken"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_what_an_invariant_may_return(
    lamp: Resource, answer: Callable[[LedgerView, Resource], Any], broken: list[tuple[object, str]]
) -> None:
    """None and True say that it holds; False that it does not; or it says of which it does not."""

    @invariant(lamp, description="rule")
    def rule(view: LedgerView) -> Any:
        return answer(view, lamp)

    with scope(on_violation="record") as s:
        s.acquired(lamp, 1)
        s.acquired(lamp, 2)
        s.allow(lamp, rule="LG101", why="about the rule only")
    found = [
        (one.key, one.message.partition("invariant broken: ")[2].partition(";")[0])
        for one in s.violations
        if one.code == "LG302"
    ]
    assert broken == found


def test_an_assertion_is_an_answer(lamp: Resource) -> None:
    """`assert` is a natural way to write a rule."""

    @invariant(lamp, description="dark", always=True)
    def dark(view: LedgerView) -> None:
        if view.count(lamp):
            raise AssertionError("a lamp burns")

    with scope(on_violation="record") as s:
        s.acquired(lamp, 1)
        s.released(lamp, 1)
    assert ["LG302 lamp: invariant broken: dark (a lamp burns)"] == told(s)


def raising(error: BaseException) -> Callable[[Any], Any]:
    """A rule that raises."""

    def rule(view: Any) -> Any:
        raise error

    return rule


class Unprintable:
    """What cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


def yields_then_raises(view: LedgerView) -> Iterator[object]:
    """A generator that fails half-way."""
    yield from ()
    raise LookupError("half-way")


BROKEN: list[Callable[[Any], Any]] = [
    raising(ValueError("oops")),
    raising(RecursionError()),
    raising(OSError(Unprintable())),
    lambda view: view.held("lamp"),
    lambda view: view.held(spawn, host="h"),
    lambda view: 7,
    lambda view: "text",
    lambda view: [7],
    lambda view: view.breach("lamp", 7),
    lambda view: view.breach(spawn, 7, Unprintable()),
    lambda view: [(view, "x")],
    lambda view: Unprintable(),
    lambda: True,
    yields_then_raises,
]


@pytest.mark.parametrize("rule", BROKEN)
@pytest.mark.parametrize("always", [False, True])
def test_an_invariant_that_fails(lamp: Resource, rule: Callable[[Any], Any], always: bool) -> None:
    """LG401, once, naming the invariant; the program and the other rules go on."""
    invariant(lamp, description="broken", always=always)(rule)

    @invariant(lamp, description="dark", always=always)
    def dark(view: LedgerView) -> bool:
        return view.count(lamp) == 0

    with scope(on_violation="record") as s:
        s.acquired(lamp, 1)
        if not always:
            assert () == s.violations
    assert ["LG101", "LG302", "LG401"] == sorted(codes(s))
    assert any("could not be evaluated" in text for text in told(s))


def test_an_interrupt_inside_an_invariant_is_not_eaten(lamp: Resource) -> None:
    """KeyboardInterrupt is the user's."""
    invariant(lamp, description="broken", always=True)(raising(KeyboardInterrupt()))
    s = scope(on_violation="record").open()
    with pytest.raises(KeyboardInterrupt):
        s.acquired(lamp, 1)
    lamp._invariants.clear()
    s.close()
    assert ["LG101"] == codes(s)


def test_an_invariant_may_use_watched_things(lamp: Resource) -> None:
    """A rule that calls a decorated function does not dead-lock, nor count for ever."""
    other = Resource("other")

    @acquires(other, key="key")
    def touch(key: int) -> None:
        """A watched call."""

    @invariant(lamp, description="touching", always=True)
    def rule(view: LedgerView) -> None:
        touch(view.count(lamp))

    with scope(on_violation="record") as s:
        s.acquired(lamp, 1)
    assert {"LG101"} == set(codes(s)) - {"LG106"}


def test_a_rule_speaks_in_the_scope_that_watches_its_kind(lamp: Resource) -> None:
    """A scope that ignores the kind is not told that the rule broke."""

    @invariant(lamp, description="dark", always=True)
    def dark(view: LedgerView) -> bool:
        return view.count(lamp) == 0

    with scope("outer", on_violation="record") as outer:
        with scope("inner", on_violation="record", ignore=[lamp]) as inner:
            inner.acquired(lamp, 1)
    assert [] == codes(inner)
    assert ["LG101", "LG302"] == sorted(codes(outer))


# --- observers ----------------------------------------------------------------------------------------------------------


class Watcher:
    """An observer that notes what it is told, and raises what it is given."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.events: list[str] = []

    def began(self, call: Call) -> None:
        """A call begins."""
        self.events.append(f"began {call.function}")

    def event(self, event: Event) -> None:
        """A call has ended."""
        self.events.append(
            f"{event.outcome.name.lower()} {event.call.function} {len(event.acts)} {len(event.findings)}"
        )
        if self.error is not None:
            raise self.error

    def closed(self, verdict: Verdict) -> None:
        """The scope was judged."""
        self.events.append(f"closed {verdict.scope}")
        if self.error is not None:
            raise self.error


def test_an_observer_is_told_everything(lamp: Resource) -> None:
    """Begin and end of each call, with what it brought about; and the verdict."""

    @acquires(lamp, key="number")
    def light(number: int) -> None:
        """Turn one on."""

    watcher = Watcher()
    s = scope("s", on_violation="record")
    s.book.observers = (watcher,)
    name = light.__qualname__
    with s:
        light(1)
        light(1)
    assert [
        f"began {name}",
        f"returned {name} 1 0",
        f"began {name}",
        f"returned {name} 1 1",
        "closed s",
    ] == watcher.events


def test_a_broken_observer(lamp: Resource) -> None:
    """The program goes on, the other observers are told, and it is reported once for what it raised."""

    @acquires(lamp, key="number")
    def light(number: int) -> int:
        """Turn one on."""
        return number

    broken, sound = Watcher(ValueError("oops")), Watcher()
    s = scope("s", on_violation="record")
    s.book.observers = (broken, sound)
    with pytest.warns(UserWarning, match="an observer failed: ValueError: oops"), s:  # noqa: PT031
        assert 1 == light(1)
        assert 2 == light(2)
    assert ["LG101", "LG101", "LG401"] == sorted(codes(s))
    assert "the observer Watcher failed: ValueError: oops" in s.violations[0].message + s.violations[1].message
    assert "closed s" == sound.events[-1]
    assert len(broken.events) == len(sound.events)


def test_what_an_observer_raises_on_purpose(lamp: Resource) -> None:
    """A ViolationError goes to the caller, after all observers were told."""
    error = ViolationError("stop", Verdict("s"))
    raiser, after = Watcher(error), Watcher()
    s = scope("s", on_violation="record").open()
    s.book.observers = (raiser, after)
    with pytest.raises(ViolationError) as caught:
        s.acquired(lamp, 1)
    assert error is caught.value
    assert ["returned by hand 1 0"] == after.events
    s.book.observers = ()
    s.close()


# --- the program's own results and exceptions ---------------------------------------------------------------------------


def test_results_and_exceptions_are_untouched(lamp: Resource) -> None:
    """Whatever is wrong with keys, conditions and reprs: the same result object, the same exception object, no notes."""
    result, error = Unprintable(), OSError(Unprintable())

    class Service:
        @acquires(lamp, key="result.missing")
        def make(self) -> Unprintable:
            return result

        @releases(lamp, key="thing.missing")
        def drop(self, thing: object) -> None:
            raise error

        @on_failure(spawn, key="thing")
        def start(self, thing: object) -> None:
            raise error

        @rolls_back(spawn, key="thing.gone")
        def clean(self, thing: object) -> object:
            return thing

        @acquires(lamp, key=lambda thing: 1 // 0)
        def take(self, thing: object) -> object:
            return thing

    service = Service()
    with scope(on_violation="record") as s:
        assert result is service.make()
        assert result is service.take(result)
        for call in (service.drop, service.start):
            with pytest.raises(OSError) as caught:
                call(result)
            assert error is caught.value
            assert (None, None) == (error.__cause__, getattr(error, "__notes__", None))
        assert result is service.clean(result)
    assert {"LG401", "LG201"} == set(codes(s))
    assert s.report()
    assert s.verdict is not None
    assert s.verdict.as_dict()


def test_usage_errors_of_a_callback_stay_inside(lamp: Resource) -> None:
    """An on_leak that uses the closed scope wrongly is told as what it is."""

    def clean(one: object) -> None:
        with pytest.raises(UsageError):
            s.released(lamp, 1)

    with scope(on_violation="record", on_leak=clean) as s:
        s.acquired(lamp, 1)
    assert ["LG101"] == codes(s)


def test_a_program_that_runs_out_of_stack_is_not_blamed(lamp: Resource) -> None:
    """Its own RecursionError is handled and nothing is left: that some calls could not be watched is a warning."""

    @acquires(lamp, key="number")
    def deep(number: int) -> None:
        deep(number + 1)

    with scope("deep", on_violation="record") as watched, pytest.raises(RecursionError):
        deep(0)
    assert () == watched.violations


def test_an_allowance_is_no_noise_when_nothing_can_be_found(lamp: Resource) -> None:
    """After an error, and with LIFEGUARD=off, what was allowed may not have come about: no LG403."""
    with pytest.raises(OSError), scope("left by an error", on_violation="record") as watched:
        watched.allow(lamp, why="it goes on burning")
        raise OSError
    assert watched.verdict is not None
    assert () == watched.verdict.warnings
