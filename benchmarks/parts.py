"""What each part of a plain event costs in pure Python, by leaving it out: `LIFEGUARD_SPEEDUPS=off python -m benchmarks.parts`.

The wrappers are made anew from their own source without the part. Such a wrapper records less than it should, and is for
nothing but this.
"""

from __future__ import annotations

import linecache
import statistics
import sys
from typing import Any

from benchmarks.measuring import in_turns
from benchmarks.pairs import FILLING, names, own
from benchmarks.pairs import _loop as loop
from benchmarks.services import OURS, do_nothing, service, which
from lifeguard import context, fast, scope

Edits = tuple[tuple[str, str], ...]

PARTS: dict[str, Edits] = {
    "whose frame calls, and where it stands": (
        ("lg_frame = lg_getframe(1)\n", "pass\n"),
        ("lg_code = lg_frame.f_code\n", "lg_code = lg_woven.caller\n"),
        ("lg_frame.f_lasti", "0"),
    ),
    "which thread runs": (("lg_mine.who", "lg_always"),),
    "whether a task may run, or a coroutine call is around": (
        ("lg_who_runs(lg_flow) if lg_here.apart or lg_flow.apart else ", ""),
    ),
    "which object acquires": (("lg_on = lg_lane.receivers[lg_id(self)]", "lg_on = None"),),
    "whether the class of what releases was seen": (
        (" and (lg_type(self) is lg_lane.cls or lg_type(self) in lg_lane.classes)", ""),
    ),
    "the counters": (("lg_lane.acquired += 1", "pass"), ("lg_table.released += 1", "pass")),
    "the record of the release, and the memory of it": (
        ("lg_entry = (lg_key, lg_held, lg_name, lg_code, lg_frame.f_lasti, lg_next, lg_runs)", "pass"),
        ("lg_table.log.append(lg_entry)", "pass"),
    ),
    "which scope is current": (("lg_flows()", "lg_flow_now"),),
}


def without(edits: Edits) -> Any:
    """The service of the benchmarks, its wrappers made without some of their source."""
    one = service(*OURS)
    left = {old for old, _ in edits}
    for name in ("create_image", "delete_image"):
        wrapper = type(one).__dict__[name]
        source = "".join(linecache.getlines(wrapper.__code__.co_filename))
        for old, new in edits:
            if old in source:
                left.discard(old)
            source = source.replace(old, new)
        namespace = {
            **wrapper.__globals__,
            "lg_always": fast.MINE.who,
            "lg_flow_now": context.FLOW.get(),
            "lg_keep": wrapper,
        }
        exec(compile(source, wrapper.__code__.co_filename, "exec"), namespace)
        made = namespace["make"](wrapper.__wrapped__)
        made.__defaults__ = wrapper.__defaults__
        setattr(type(one), name, made)
    if left:
        sys.exit(f"no wrapper has {left}")
    return one


def main() -> None:
    """Measure, and print a table."""
    if which() != "pure":
        sys.exit("the compiled helper is in use: LIFEGUARD_SPEEDUPS=off")
    with scope("parts"):
        known = service(*OURS)
        loop(known, names(1))  # this thread is known from here on
        contenders = {"nothing": service(do_nothing, do_nothing), "all": known}
        contenders |= {part: without(edits) for part, edits in PARTS.items()}
        samples = {}
        for name, one in contenders.items():
            run = own(loop)
            run(one, names(FILLING))
            samples[name] = lambda run=run, one=one: run(one, names(300)) / 300
        found = in_turns(samples, 200)
    unit = statistics.median(found["nothing"])
    print(
        f"{sys.version.split()[0]}: the do-nothing wrapper {unit:.0f} ns, a pair {statistics.median(found['all']) / unit:.2f}"
    )
    for part in PARTS:
        less = statistics.median(one - other for one, other in zip(found["all"], found[part], strict=True))
        print(f"{less / unit:6.2f}  {part}")


if __name__ == "__main__":
    main()
