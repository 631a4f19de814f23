"""What fault exploration costs: runs of a scenario of twenty calls, against a loop that calls it as often."""

from __future__ import annotations

from time import perf_counter, thread_time_ns
from typing import Any

from benchmarks.measuring import Options, Row, in_turns, ratios, spread
from benchmarks.pairs import own
from benchmarks.services import OURS, service
from lifeguard.faults import explore

PAIRS = 10


def _scenario(ours: Any) -> None:
    """Twenty calls."""
    for number in range(PAIRS):
        name = str(number)
        ours.create_image(name)
        ours.delete_image(name)


def _loop(ours: Any, times: int) -> None:
    for _ in range(times):
        _scenario(ours)


def _explored(ours: Any) -> tuple[int, float]:
    """How many runs a search took that leaves nothing out, and what one cost, in nanoseconds of the thread's time."""
    began = thread_time_ns()
    result = explore(lambda: _scenario(ours), depth=1, kinds=["before"], exhaustive=True, progress=False, name="twenty")
    cost = thread_time_ns() - began
    assert result.complete
    assert len(result.points) == 2 * PAIRS
    return result.runs, cost / result.runs


def rows(options: Options) -> list[Row]:
    """The rows of this family that were asked for."""
    if not options.wants("exploring", "exploration"):
        return []
    ours = service(*OURS)
    runs, _ = _explored(ours)
    loop = own(_loop)

    def looped() -> float:
        began = thread_time_ns()
        loop(ours, 20 * runs)
        return (thread_time_ns() - began) / (20 * runs)

    rounds = max(10, options.rounds // 4)
    found = in_turns({"explored": lambda: _explored(ours)[1], "looped": looped}, rounds)
    began = perf_counter()
    done = sum(_explored(ours)[0] for _ in range(rounds))
    a_second = done / (perf_counter() - began)
    return [
        Row(
            "exploring",
            "exploration",
            "a run of an exploration of 20 calls, against the same calls with no scope open",
            *spread(ratios(found, "explored", "looped")),
            aim=5,
            note=f"{a_second:,.0f} runs a second, of which {runs} to a search; reporting and baselines included",
        )
    ]
