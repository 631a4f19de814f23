"""A sample never finds what the whole would not: the programs of the ledger's property tests, watched whole and in part."""

from __future__ import annotations

import contextvars
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from model.reference import Kind
from test_ledger_property import NETWORK, SERVER, Close, Event, Library, Open, Step, ToScope, Woven, like_ci, programs

import lifeguard
from lifeguard.keys import LOTS, identify, lot

Said = Counter[tuple[str, str, str, str]]
"""Scope, kind, key and code of everything that was found; what stands under `also` of a finding counts like one."""


class _Thing:
    """An object that is a key by itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


POOL: list[Any] = [
    *(f"k{number}" for number in range(8)),
    *range(8),
    ("a", 1),
    ("b", 2),
    None,
    b"x",
    *map(_Thing, "pqrs"),
]
names = st.lists(st.sampled_from(POOL), min_size=3, max_size=3, unique_by=id)


def _named_anew(steps: Sequence[Step], keys: list[Any]) -> list[Step]:
    """The same program with other keys: the three of the generated programs draw the same lot."""

    def new(key: Any) -> Any:
        return keys[(1, True, "1").index(key) if type(key) is not bool else 1]

    def option(name: str, value: Any) -> Any:
        if name in ("within", "to_key"):
            return new(value)
        return (value[0], new(value[1])) if isinstance(value, tuple) and name == "to" else value

    found: list[Step] = []
    for step in steps:
        if isinstance(step, Event):
            options = tuple((name, option(name, value)) for name, value in step.options)
            step = replace(step, key=new(step.key), options=options)
        elif isinstance(step, Open):  # a window of some settled ones reaches farther back where fewer are watched
            step = replace(step, remember=0 if step.remember == 0 else None)
        found.append(step)
    return found


def _ties(steps: Sequence[Step]) -> bool:
    """Whether something in a program ties one key to another one."""
    options = [(name, value) for step in steps if isinstance(step, Event) for name, value in step.options]
    return any(name in ("within", "to_key") or (name == "to" and isinstance(value, tuple)) for name, value in options)


class Sampling(Library):
    """A library whose scopes watch a sample."""

    samples: Sequence[float]

    def open(self, context: int, parent: int | None, reach: str, remember: int | None) -> None:
        """Open the next scope, while `parent` is current."""
        number = len(self.scopes)
        new = lifeguard.scope(
            f"s{number}",
            reach=reach,  # type: ignore[arg-type]
            remember=remember,
            on_violation="record",
            sample=self.samples[number % len(self.samples)],
        )

        def opening() -> None:
            with ExitStack() as stack:
                above = self.scopes[parent] if parent is not None else None
                if above is not None:
                    stack.enter_context(above.active())
                new.open()

        self.run(context, opening)
        self.scopes.append(new)


class SamplingWoven(Sampling, Woven):
    """The same, told by contracts."""


def _run(steps: Sequence[Step], library: Library) -> Said:
    """Run a program; say what all its scopes found."""
    contexts: list[int] = []
    opened: list[int] = []

    def close(scope: int, exc: BaseException | None) -> None:
        opened.remove(scope)
        library.close(contexts[scope], scope, exc)

    for step in steps:
        if isinstance(step, Open):
            siblings = [scope for scope in opened if contexts[scope] == step.context]
            parent = siblings[step.parent % len(siblings)] if siblings and step.parent is not None else None
            library.open(step.context, parent, step.reach, step.remember)
            opened.append(len(contexts))
            contexts.append(step.context)
        elif opened and isinstance(step, Close):
            close(opened[step.scope % len(opened)], OSError("left") if step.exc else None)
        elif opened and isinstance(step, Event):
            scope = opened[step.scope % len(opened)]
            options = tuple(
                (name, ToScope(value.scope % len(contexts)) if isinstance(value, ToScope) else value)
                for name, value in step.options
            )
            library.event(contexts[scope], scope, replace(step, scope=scope, options=options))
    while opened:
        close(opened[-1], None)
    found: Said = Counter()
    for scope in library.scopes:
        for one in scope.verdict.violations if scope is not None else ():
            for code in (one.code, *(text[:5] for text in one.also)):
                found[scope.name, one.kind, one.key_text, code] += 1
    return found


def _fresh(drive: type[Sampling], samples: Sequence[float], *, tied: bool = False) -> Sampling:
    contexts = [contextvars.Context() for _ in range(3)]
    library = drive(lambda context, function: contexts[context].run(function))
    library.samples = samples
    if tied:
        _tie(library.kinds)
    return library


def _tie(kinds: dict[Kind, Any]) -> None:
    """Declare beforehand what ties the kinds of the programs, as modules do that are imported at the start."""
    for kind in kinds.values():
        if isinstance(kind, lifeguard.Resource):
            lifeguard.transfers(kind, key="key", to=(kinds[SERVER], "to"))(lambda key, to: None)
            lifeguard.acquires(kind, key="key", within=(kinds[NETWORK], "key"))(lambda key: None)


@like_ci
@given(
    programs(), names, st.sampled_from([0.5, 0.1, 0.3, 0]), st.booleans(), st.sampled_from([Sampling, SamplingWoven])
)
def test_finds_a_part_of_what_the_whole_finds(
    steps: list[Step], keys: list[Any], sample: float, tied: bool, drive: type[Sampling]
) -> None:
    """Nothing else, whatever is handed over, renamed or part of another; and all of what is in the sample and by itself."""
    steps = _named_anew(steps, keys)
    whole = _run(steps, _fresh(drive, [1.0], tied=tied))
    library = _fresh(drive, [sample], tied=tied)
    part = _run(steps, library)
    note(f"whole {whole}\npart {part}")
    assert Counter() == part - whole
    if not sample:
        assert Counter() == part
    elif not _ties(steps) and not tied:
        inside = {str(lifeguard_text(key)) for key in keys if lot(identify(key)) < sample * LOTS}
        assert part == Counter({said: count for said, count in whole.items() if said[2] in inside})


def lifeguard_text(key: Any) -> str:
    """A key as reports print it."""
    from lifeguard.keys import show

    return show(identify(key))


@settings(like_ci, max_examples=60)
@given(programs(), names, st.sampled_from([Sampling, SamplingWoven]))
def test_a_whole_sample_is_none(steps: list[Step], keys: list[Any], drive: type[Sampling]) -> None:
    """`sample=1.0` and `sample=1` are the same as nothing said, counts included."""
    steps = _named_anew(steps, keys)
    verdicts = []
    for samples in ([1.0], [1]):
        library = _fresh(drive, samples)
        _run(steps, library)
        verdicts.append([(one.verdict.watched, one.verdict.sample) for one in library.scopes])
    assert verdicts[0] == verdicts[1]
    assert all(1.0 == sample and not any(one.left_out for one in seen.values()) for seen, sample in verdicts[0])


class Fewer(SamplingWoven):
    """A library in which some scopes are never opened; what would happen in one of them happens in the one around."""

    def open(self, context: int, parent: int | None, reach: str, remember: int | None) -> None:
        """Open the next scope, or not."""
        number = len(self.scopes)
        self.parents = [*getattr(self, "parents", ()), parent]
        if self.samples[number % len(self.samples)]:
            super().open(context, self._there(parent), reach, remember)
        else:
            self.scopes.append(None)

    def _there(self, scope: int | None) -> int | None:
        while scope is not None and (self.scopes[scope] is None or self.scopes[scope].verdict is not None):
            scope = self.parents[scope]
        return scope

    def event(self, context: int, scope: int, event: Event) -> None:
        """Call the function whose contract tells the event."""
        there = self._there(scope)
        if there is not None:
            super().event(context, there, event)
            return
        if event.verb == "seed":
            return
        self.scopes.append(_Nowhere())
        try:
            super().event(context, -1, event)
        finally:
            self.scopes.pop()

    def close(self, context: int, scope: int, exc: BaseException | None) -> Any:
        """Close the scope, if it was opened."""
        return super().close(context, scope, exc) if self.scopes[scope] is not None else ([], {})


def _to_a_scope(event: Event) -> bool:
    return any(isinstance(value, ToScope) for _, value in event.options)


class _Nowhere:
    """Stands for a scope where there is none."""

    name = ""
    verdict = lifeguard.Verdict("")

    def active(self) -> ExitStack:
        """Nothing is current."""
        return ExitStack()


@like_ci
@given(programs(), st.lists(st.booleans(), min_size=1, max_size=4))
def test_scopes_that_leave_a_key_out_are_not_there_for_it(steps: list[Step], takes: list[bool]) -> None:
    """Where scopes watch different samples, what happens to a key means what it would if only those were open that take
    it; but they say of nothing that it was never acquired.
    """
    steps = [step for step in _named_anew(steps, ["one", "one", "one"]) if not _ties([step])]
    steps = [step for step in steps if not isinstance(step, Event) or not (step.verb == "seed" or _to_a_scope(step))]
    edge = lot("one") / LOTS
    some = _run(steps, _fresh(SamplingWoven, [min(1.0, edge + 0.01) if each else edge - 0.01 for each in takes]))
    fewer = _run(steps, _fresh(Fewer, [1.0 if each else 0.0 for each in takes]))
    unseen = {said: count for said, count in fewer.items() if said[3] in ("LG105", "LG203")}
    note(f"some {some}\nfewer {fewer}")
    assert Counter() == some - fewer
    assert Counter() == fewer - some - Counter(unseen)
