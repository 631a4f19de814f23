"""What lifeguard keeps in memory: for an open obligation, and for what is long settled."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from time import thread_time_ns
from typing import Any

from benchmarks.measuring import Options, Row, spread
from benchmarks.pairs import names, own
from benchmarks.services import OURS, do_nothing, image, leave, service
from lifeguard import acquires, scope


def _about_service() -> Any:
    class ImageService:
        @acquires(image, key="result['id']", about="server")
        def create_image(self, name: str, server: str) -> dict[str, str]:
            return {"id": name}

    return ImageService()


def _bytes_per_open(count: int, *, subject: bool) -> float:
    """What so many open obligations take, their keys and subjects not counted, each."""
    keys, servers = names(count), names(count)
    one = _about_service() if subject else service(OURS[0], leave)
    with scope("s", on_violation="record", on_leak=None) as watched:
        one.create_image("first", "server") if subject else one.create_image("first")
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        if subject:
            for key, server in zip(keys, servers, strict=True):
                one.create_image(key, server)
        else:
            for key in keys:
                one.create_image(key)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        held = len(watched.outstanding)
        assert held == count + 1, f"{held} of {count + 1} are outstanding"
        watched.allow(image, why="the benchmark leaves them")
    return taken / count


def _open_row(name: str, what: str, aim: float, options: Options, *, subject: bool) -> Row:
    # A table doubles when it is full: sizes over a whole doubling say what one entry costs on average.
    sizes = [round(8_000 * 2 ** (step / 5)) for step in range(5)]
    if options.quick:
        sizes = sizes[::2]
    each = [_bytes_per_open(size, subject=subject) for size in sizes]
    note = "mean over sizes within one doubling of the tables; lowest and highest beside it"
    return Row("memory", name, what, statistics.fmean(each), min(each), max(each), "B", aim, note=note)


def _pairs(one: Any, keys: list[str]) -> int:
    began = thread_time_ns()
    for key in keys:
        one.create_image(key)
        one.delete_image(key)
    return thread_time_ns() - began


def _million(options: Options) -> Row:
    """The last tenth of very many pairs against the first; both against do-nothing pairs run in turns with them."""
    total, step = (100_000 if options.quick else 1_000_000), 500
    ours, nothing = service(*OURS), service(do_nothing, do_nothing)
    run, run_nothing = own(_pairs), own(_pairs)
    costs: list[float] = []
    with scope("s"):
        run(ours, names(2_000))
        for _ in range(0, total, step):
            keys = names(step)
            costs.append(run(ours, keys) / run_nothing(nothing, keys))
    tenth = len(costs) // 10
    tenths = [statistics.median(costs[start : start + tenth]) for start in range(0, tenth * 10, tenth)]
    change = tenths[-1] / tenths[0]
    what = f"{total:,} pairs in one scope: the last tenth against the first"
    curve = tuple((total * (number + 1) / 10, cost) for number, cost in enumerate(tenths))
    return Row(
        "memory",
        "million, speed",
        what,
        change,
        min(tenths) / tenths[0],
        max(tenths) / tenths[0],
        aim=1.1,
        curve=curve,
        over="pairs done in the scope",
        note="1.0 is as fast; 0.1 is left to noise",
    )


def _million_memory(options: Options) -> Row:
    """How much more is held after very many pairs than after a tenth of them."""
    total = 100_000 if options.quick else 1_000_000
    ours = service(*OURS)
    sizes: list[float] = []
    with scope("s"):
        for key in names(2_000):
            ours.create_image(key)
            ours.delete_image(key)
        gc.collect()
        tracemalloc.start()
        for _ in range(10):
            for _ in range(total // 10_000):
                for key in names(1_000):
                    ours.create_image(key)
                    ours.delete_image(key)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    grown = (sizes[-1] - sizes[0]) / (total * 0.9)
    return Row(
        "memory",
        "million, memory",
        f"{total:,} pairs in one scope: what it grows by, a pair",
        grown,
        min(sizes) / total,
        max(sizes) / total,
        "B",
        aim=0.1,
        curve=tuple((total * (number + 1) / 10, size) for number, size in enumerate(sizes)),
        over="pairs done in the scope",
        note="constant memory is 0; beside it what is held at most, a pair",
    )


def _obligations(options: Options) -> Row:
    """A pair while so many other obligations are open."""
    ours, nothing = service(*OURS), service(do_nothing, do_nothing)
    sizes = (1, 100, 1_000, 10_000) if options.quick else (1, 100, 1_000, 10_000, 100_000)
    curve: list[tuple[float, float]] = []
    costs: list[float] = []
    for size in sizes:
        run, run_nothing = own(_pairs), own(_pairs)
        with scope("s", on_violation="record") as watched:
            watched.allow(image, why="the benchmark leaves them")
            for key in names(size):
                ours.create_image(key)
            run(ours, names(1_100))
            costs = []
            for _ in range(max(20, options.rounds // 4)):
                keys = names(300)
                costs.append(run(ours, keys) / run_nothing(nothing, keys))
        curve.append((size, statistics.median(costs)))
    middle, low, high = spread(costs)
    first = curve[0][1]
    what = f"a pair while {sizes[-1]:,} obligations are open, against one while 1 is"
    return Row(
        "memory",
        "open obligations",
        what,
        middle / first,
        low / first,
        high / first,
        aim=1.2,
        curve=tuple(curve),
        over="obligations open in the scope",
        note="no aim of the issue: it says how cost grows",
    )


def rows(options: Options) -> list[Row]:
    """The rows of this family."""
    found: list[Row] = []
    if options.wants("memory", "bytes"):
        what = "memory of one open obligation beyond its key"
        found.append(_open_row("bytes", what, 200, options, subject=False))
    if options.wants("memory", "bytes, subject"):
        plain = found[-1] if found else _open_row("bytes", "", 200, options, subject=False)
        what = "more with a subject"
        whole = _open_row("bytes, subject", what, 150, options, subject=True)
        found.append(
            Row(
                "memory",
                whole.name,
                what,
                whole.measured - plain.measured,
                whole.low - plain.low,
                whole.high - plain.high,
                "B",
                150,
            )
        )
    if options.wants("memory", "million, speed"):
        found.append(_million(options))
    if options.wants("memory", "million, memory"):
        found.append(_million_memory(options))
    if options.wants("memory", "open obligations"):
        found.append(_obligations(options))
    return found
