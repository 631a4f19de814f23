"""How cost grows: closing a scope, depth of scopes, threads, scopes of other contexts."""

from __future__ import annotations

import gc
import statistics
import threading
from contextlib import ExitStack
from contextvars import Context, copy_context
from functools import partial
from time import perf_counter, thread_time_ns
from typing import Any

from benchmarks.measuring import Options, Row, Sample, in_turns, ratios, spread
from benchmarks.pairs import names, own, sample_of
from benchmarks.services import OURS, do_nothing, image, service
from lifeguard import releases, scope

OPEN = 20


def _closing(ours: Any, acquired: int, *, remember: int | None) -> float:
    """What it costs to close a scope in which `OPEN` of so many ever acquired are open, in µs."""
    watched = scope("s", on_violation="record", remember=remember)
    watched.allow(image, why="the benchmark leaves them")
    watched.open()
    with watched.active():
        for name in names(OPEN):
            ours.create_image(name)
        for name in names(acquired - OPEN):
            ours.create_image(name)
            ours.delete_image(name)
    began = thread_time_ns()
    verdict = watched.close()
    cost = (thread_time_ns() - began) / 1000
    assert verdict.watched["image"].acquired == acquired
    return cost


def _closing_row(options: Options, name: str, what: str, remember: int | None) -> Row:
    ours = service(*OURS)
    sizes = (2_000, 10_000) if options.quick else (2_000, 10_000, 50_000, 250_000)
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(3 if options.quick else 7):
        for size in sizes if turn % 2 else reversed(sizes):
            costs[size].append(statistics.median([_closing(ours, size, remember=remember) for _ in range(3)]))
    change, low, high = spread([last / first for first, last in zip(costs[sizes[0]], costs[sizes[-1]], strict=True)])
    curve = tuple((size, statistics.median(costs[size])) for size in sizes)
    return Row(
        "closing",
        name,
        f"{what}: {OPEN} open of {sizes[-1]:,} ever acquired, against {OPEN} of {sizes[0]:,}",
        change,
        low,
        high,
        aim=1.3,
        curve=curve,
        over="ever acquired (µs to close)",
        note="grows with what is open alone: 1.0; 0.3 is left to noise",
    )


METHODS = 20
"""So many pairs of watched methods has each class of those that are woven and never called."""


def _crowd() -> type:
    """A class with many watched methods."""
    namespace: dict[str, Any] = {}
    for number in range(METHODS):
        made = type(service(*OURS))
        namespace |= {f"{name}_{number}": value for name, value in vars(made).items() if name.endswith("_image")}
    return type("Crowd", (), namespace)


def _closing_woven(options: Options) -> Row:
    """The same while many functions are woven, none of which the scope saw; by turns, with them and without."""
    ours = service(*OURS)
    classes = 12 if options.quick else 50

    def close() -> float:
        """What is kept of the functions of a kind is made anew when one has come or gone: twice before it is measured."""
        return statistics.median([_closing(ours, 2_000, remember=1024) for _ in range(5)][2:])

    found: list[float] = []
    for _ in range(5 if options.quick else 11):
        few = close()
        crowd = [_crowd() for _ in range(classes)]
        found.append(close() / few)
        crowd.clear()
        gc.collect()
    return Row(
        "closing",
        "closing, woven",
        f"closing a scope while {classes * METHODS * 2:,} functions of its kinds carry contracts, against a few",
        *spread(found),
        aim=1.3,
        note=f"methods of {classes} classes, never called",
    )


def _depth(options: Options) -> Row:
    """A pair in so many scopes, one inside the other."""
    ours = service(*OURS)
    depths = (1, 2, 4, 8, 16)

    def nested(depth: int) -> Any:
        return lambda: [scope(f"s{number}") for number in range(depth)]

    samples = {str(depth): sample_of(ours, scopes=nested(depth)) for depth in depths}
    samples["base"] = sample_of(service(do_nothing, do_nothing))
    found = in_turns(samples, max(10, options.rounds // 4))
    curve = tuple((depth, statistics.median(ratios(found, str(depth), "base"))) for depth in depths)
    measured = spread(ratios(found, "16", "1"))
    what = "a pair in 16 nested scopes, against one in a single scope"
    return Row("growth", "depth", what, *measured, curve=curve, over="scopes, one inside the other")


def _in_threads(one: Any, count: int, each: int) -> float:
    """Pairs a second that so many threads do together."""
    work = [names(each) for _ in range(count)]
    ready = threading.Barrier(count + 1)

    def run(keys: list[str]) -> None:
        loop = own(_pairs)
        ready.wait()
        loop(one, keys)

    threads = [threading.Thread(target=run, args=(keys,)) for keys in work]
    for thread in threads:
        thread.start()
    ready.wait()
    began = perf_counter()
    for thread in threads:
        thread.join()
    return count * each / (perf_counter() - began)


def _pairs(one: Any, keys: list[str]) -> None:
    for key in keys:
        one.create_image(key)
        one.delete_image(key)


def _threads(options: Options) -> list[Row]:
    ours, nothing = service(*OURS), service(do_nothing, do_nothing)
    counts = (1, 2, 4, 8)
    total = 16_000 if options.quick else 40_000
    lost = 0

    def sample(count: int) -> float:
        nonlocal lost
        with scope("s", reach="process") as watched:
            speed = _in_threads(ours, count, total // count)
        assert watched.verdict is not None
        seen = watched.verdict.watched["image"]
        lost += 2 * total - seen.acquired - seen.released
        return speed

    rounds = 3 if options.quick else max(9, options.rounds // 10)
    samples: dict[str, Sample] = {str(count): partial(sample, count) for count in counts}
    samples["nothing 1"] = partial(_in_threads, nothing, 1, total)
    samples["nothing 8"] = partial(_in_threads, nothing, 8, total // 8)
    found = in_turns(samples, rounds)
    curve = tuple((count, statistics.median(ratios(found, str(count), "1"))) for count in counts)
    floor = statistics.median(ratios(found, "nothing 8", "nothing 1"))
    return [
        Row(
            "threads",
            "threads",
            'throughput of 8 threads on one `reach="process"` scope, against one thread\'s',
            *spread(ratios(found, "8", "1")),
            aim=0.85,
            at_least=True,
            curve=curve,
            over="threads (throughput against one)",
            note=f"the do-nothing wrapper: {floor:.2f}",
        ),
        Row("threads", "threads, lost", "events lost by them", lost, lost, lost, "events", 0),
    ]


STEP = 20


def _release(ours: Any, keys: list[str]) -> float:
    began = thread_time_ns()
    for key in keys:
        ours.delete_image(key)
    return thread_time_ns() - began


def _releases(ours: Any, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Releases of what a scope of its own holds, of what nobody holds, and of that in a context without a scope."""
    matched: list[float] = []
    unmatched: list[float] = []
    nowhere: list[float] = []
    for _ in range(rounds):
        keys, strange = names(STEP), names(STEP)
        with scope("own"):
            for key in keys:
                ours.create_image(key)
            matched.append(_release(ours, keys))
            unmatched.append(_release(ours, strange))
        nowhere.append(_release(ours, names(STEP)))
    return matched, unmatched, nowhere


def _unmatched(options: Options) -> list[Row]:
    """What a release of something unseen costs while very many scopes of other contexts are open."""
    others = 2_000 if options.quick else 10_000
    rounds = max(10, options.rounds // 10)
    ours = service(*OURS)
    alone, _, _ = _releases(ours, rounds)
    contexts: list[Context] = []
    with ExitStack() as stack:
        for number in range(others):
            context, other = copy_context(), scope(f"other {number}")
            context.run(other.__enter__)
            stack.callback(context.run, other.__exit__, None, None, None)
            contexts.append(context)
            context.run(ours.create_image, f"{number}")
        matched, unmatched, nowhere = _releases(ours, rounds)
        for number, context in enumerate(contexts):
            context.run(ours.delete_image, f"{number}")
    result: list[Row] = []
    for name, what, costs in (
        ("other scopes", "with a scope of its own", unmatched),
        ("other scopes, none of its own", "in a context without a scope", nowhere),
    ):
        measured = spread([one / other for one, other in zip(costs, matched, strict=True)])
        text = f"an unmatched release while {others:,} scopes of other contexts are open, {what}, against a matched one"
        result.append(Row("growth", name, text, *measured, aim=20))
    middle = statistics.median(alone)
    text = f"a matched release while {others:,} scopes of other contexts are open, against one while there are none"
    result.append(Row("growth", "other scopes, matched", text, *spread([one / middle for one in matched])))
    return result


def _unseen_pairs(options: Options) -> Row:
    """Many unmatched releases in a scope that remembers many settled ones: each must not search them all."""

    class Remover:
        @releases(image, key="image_id")
        def delete_image(self, image_id: str) -> None:
            return None

    ours, remover = service(*OURS), Remover()
    found: list[float] = []
    for _ in range(max(10, options.rounds // 10)):
        keys, strange = names(1_000), names(1_000)
        with scope("s"):
            for key in keys:
                ours.create_image(key)
            began = thread_time_ns()
            for key in keys:
                ours.delete_image(key)
            middle = thread_time_ns()
            for key in strange:
                remover.delete_image(key)
            found.append((thread_time_ns() - middle) / (middle - began))
    what = "1,000 unmatched releases in a scope that remembers 1,000, against 1,000 matched ones"
    return Row("growth", "unmatched", what, *spread(found), note="no aim of the issue")


def rows(options: Options) -> list[Row]:
    """The rows of this family."""
    found: list[Row] = []
    if options.wants("closing"):
        found.append(_closing_row(options, "closing", "closing a scope", 1024))
    if options.wants("closing", "closing, remember=None"):
        what = "closing a scope that remembers all (`remember=None`)"
        found.append(_closing_row(options, "closing, remember=None", what, None))
    if options.wants("closing", "closing, woven"):
        found.append(_closing_woven(options))
    if options.wants("growth", "depth"):
        found.append(_depth(options))
    if options.wants("growth", "threads"):
        found += _threads(options)
    if options.wants("growth", "other scopes"):
        found += _unmatched(options)
    if options.wants("growth", "unmatched"):
        found.append(_unseen_pairs(options))
    return found
