"""`explore`: what is tried, what is left out, and what is said about it."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from typing import Any

import deal
import pytest
from faults.watched_cloud import Busy, Cloud, image

from lifeguard import DeclarationError, LifeguardWarning, UsageError, acquires, atomic, releases, uses
from lifeguard.faults import ExplorationFailed, Result, armed, explore


def points(result: Result) -> list[str]:
    """The points of a result, each with what was done with it."""
    return [f"{one} {one.status}" for one in result.points]


def careful(count: int = 1) -> None:
    """Volumes, and nothing left."""
    cloud = Cloud()
    with contextlib.ExitStack() as stack:
        for number in range(count):
            cloud.attach(f"v{number}")
            stack.callback(cloud.detach, f"v{number}")


def test_each_call_fails_in_each_way() -> None:
    """Before and after, for good, and with every exception that it is declared to raise."""

    def one_image() -> None:
        cloud = Cloud()
        image_id = cloud.create_image()
        with contextlib.suppress(Busy):
            cloud.show_image(image_id)
        cloud.delete_image(image_id)

    result = explore(one_image, depth=1)
    assert [
        "Cloud.show_image@1:before:InjectedFault run",
        "Cloud.show_image@1:stuck:InjectedFault run",
        "Cloud.delete_image@1:before:InjectedFault run",
        "Cloud.delete_image@1:after:InjectedFault run",
        "Cloud.delete_image@1:stuck:InjectedFault run",
        "Cloud.delete_image@1:before:Gone run",
        "Cloud.create_image@1:before:Busy run",
        "Cloud.create_image@1:after:Busy run",
        "Cloud.create_image@1:stuck:Busy run",
    ] == points(result), "those with something held come first"
    assert 2 + 9 + 1 == result.runs, "two baselines, nine faults, and the one finding once more, to tell how it went"


def test_kinds_are_chosen() -> None:
    """Only what is asked for is tried; an interrupt is tried on request."""
    assert ["Cloud.attach@1:before:InjectedFault run", "Cloud.detach@1:before:InjectedFault run"] == sorted(
        points(explore(careful, depth=1, kinds=["before"]))
    )
    result = explore(careful, depth=1, kinds=["interrupt"])
    assert [
        "Cloud.attach@1:after:KeyboardInterrupt run",
        "Cloud.attach@1:before:KeyboardInterrupt run",
        "Cloud.detach@1:after:KeyboardInterrupt run",
        "Cloud.detach@1:before:KeyboardInterrupt run",
    ] == sorted(points(result))
    assert () == result.findings


def test_an_interrupt_of_the_user_ends_the_exploration() -> None:
    """Only those that were injected are part of a run."""
    runs: list[int] = []

    def interrupted() -> None:
        runs.append(1)
        if len(runs) == 4:
            raise KeyboardInterrupt
        careful()

    with pytest.raises(KeyboardInterrupt):
        explore(interrupted)
    assert 4 == len(runs)


def test_equivalent_points_are_left_out() -> None:
    """Of many alike the first and the last are run, and the report names the rest."""
    pruned = explore(lambda: careful(12), depth=1)
    whole = explore(lambda: careful(12), depth=1, exhaustive=True)
    assert 72 == len(pruned.points) == len(whole.points)
    assert {"run", "equivalent"} == {one.status for one in pruned.points}
    assert {"run"} == {one.status for one in whole.points}
    ran = [one for one in pruned.points if one.status == "run"]
    assert {"Cloud.attach@1", "Cloud.attach@12"} <= {f"{one.call}@{one.nth}" for one in ran}
    assert len(ran) < 40
    assert pruned.report().startswith(f"nothing found in {pruned.runs} runs of <lambda>: {len(ran)} of 72 points run, ")


def test_only_leaves_of_releases_are_made_to_fail_before_they_run() -> None:
    """A release that consists of others fails in its parts; a call that only spans others is no point at all."""
    cloud = Cloud()

    @acquires(image, key="name")
    def build(name: str) -> None: ...

    @releases(image, key="name")
    def scrap(name: str) -> None:
        cloud.detach(name)

    @atomic
    def whole() -> None:
        build("it")
        try:
            cloud.attach("it")
        except Exception:
            scrap("it")
            raise
        scrap("it")

    with contextlib.suppress(LifeguardWarning):
        names = {f"{one.call}:{one.phase}" for one in explore(whole, depth=1).points}
    assert {"scrap:after", "Cloud.detach:before", "Cloud.detach:stuck", "Cloud.detach:after"} == {
        name for name in names if name.startswith(("scrap", "Cloud.detach"))
    }
    assert not any(name.startswith("whole") for name in names)


def test_a_search_that_hits_its_bound_says_so() -> None:
    """INCOMPLETE, as a warning; a failure under strict."""
    with pytest.warns(LifeguardWarning, match="INCOMPLETE: 7 of "):
        result = explore(lambda: careful(12), depth=1, exhaustive=True, max_runs=7)
    assert not result.complete
    assert 65 == sum(one.status == "left out" for one in result.points)
    assert "INCOMPLETE: 7 of 72 runs (max_runs=)" in result.report()
    result.raise_if_found()
    with pytest.raises(ExplorationFailed, match="INCOMPLETE"):
        explore(lambda: careful(12), depth=1, max_runs=7, strict=True).raise_if_found()


def test_a_scenario_that_watches_nothing_is_told() -> None:
    """A search of nothing must not look like one that found nothing."""
    with pytest.warns(LifeguardWarning, match="no call with a contract was made"):
        result = explore(lambda: None)
    assert ((), ()) == (result.points, result.findings)


def test_only_what_is_armed_is_made_to_fail() -> None:
    """What sets the scene and what checks the outcome is left alone."""

    def staged() -> None:
        cloud = Cloud()
        cloud.attach("root")
        with contextlib.suppress(Exception), armed():
            cloud.show_image("none")
        cloud.detach("root")

    result = explore(staged)
    assert {"Cloud.show_image"} == {one.call for one in result.points}
    assert () == result.findings
    staged()


def test_all_pairs_on_request() -> None:
    """With pairs="all" every call after the first fault is tried as the second."""

    def resilient() -> None:
        cloud = Cloud()
        with contextlib.suppress(Exception):
            cloud.show_image("none")
        with contextlib.suppress(Exception):
            cloud.show_image("other")

    assert [] == [one for one in explore(resilient).points if one.reaction]
    with_all = [str(one) for one in explore(resilient, pairs="all").points if one.reaction]
    assert "Cloud.show_image@2:before:InjectedFault" in with_all


def test_findings_of_one_origin_are_one() -> None:
    """The simplest schedule is shown, with the number of the others."""

    def careless() -> None:
        cloud = Cloud()
        cloud.attach("root")
        cloud.show_image("a")
        cloud.show_image("b")
        cloud.detach("root")

    (finding,) = explore(careless, depth=1).findings
    assert 1 + 3 == len(finding.schedules)
    assert finding.token.startswith("lg1:Cloud.show_image@1:before:InjectedFault~")
    assert ("injected by lifeguard" in finding.ended, 1, 2) == (True, len(finding.faults), len(finding.timeline))


def test_shrinking_drops_what_is_not_needed() -> None:
    """What the later call shows, the first one shows, too, though it was tried later or not at all."""

    def careless() -> None:
        cloud = Cloud()
        cloud.show_image("before anything is held")
        cloud.attach("root")
        for name in "abcdef":
            cloud.show_image(name)
        cloud.detach("root")

    (finding,) = explore(careless, depth=1, kinds=["stuck"]).findings
    assert finding.token.startswith("lg1:Cloud.show_image@2:before:InjectedFault~")


def test_last_failures_run_first() -> None:
    """What failed last time is run before anything else; what does not fit any more is passed over."""
    order: list[str] = []

    def careless() -> None:
        cloud = Cloud()
        cloud.attach("root")
        try:
            cloud.show_image("a")
        except Exception:
            order.append("show")
            raise
        try:
            cloud.detach("root")
        except Exception:
            order.append("detach")
            raise

    token = explore(careless, depth=1).findings[0].token
    order.clear()
    explore(careless, depth=1, first=[token.replace("@1", "@9"), token.replace("show_image", "detach")])
    assert "detach" == order[0]


def test_shards_share_the_points() -> None:
    """Each takes every n-th sort of point; together they have all of them."""

    def careless() -> None:
        cloud = Cloud()
        cloud.attach("root")
        cloud.create_image()
        cloud.delete_image("image-1")
        cloud.detach("root")

    whole = explore(careless, depth=1)
    parts = [explore(careless, depth=1, shard=(index, 3)) for index in range(3)]
    assert sorted(points(whole)) == sorted(point for part in parts for point in points(part))
    assert {one.message for one in whole.findings} == {one.message for part in parts for one in part.findings}


def test_every_run_begins_with_the_same_random_numbers() -> None:
    """So that most scenarios are deterministic; the program's own numbers go on as if nothing had been."""
    drawn: list[float] = []

    def drawing() -> None:
        drawn.append(random.random())
        careful()

    random.seed(7)
    expected = [random.random(), random.random()]
    random.seed(7)
    assert expected[0] == random.random()
    explore(drawing)
    assert expected[1] == random.random()
    assert 1 == len(set(drawn))


def test_unguarded_calls_are_listed() -> None:
    """A thread that does not know the scope of the scenario is not explored, and that is said."""

    def another() -> None:
        cloud = Cloud()
        with contextlib.suppress(Exception):
            cloud.attach("of the thread")
            cloud.detach("of the thread")

    def threaded() -> None:
        careful()
        thread = threading.Thread(target=another, name="worker")
        thread.start()
        thread.join()

    with pytest.warns(LifeguardWarning, match=r"unguarded calls, made in threads .*Cloud.attach at .*\(worker\)"):
        result = explore(threaded, depth=1, kinds=["before"])
    assert 2 == len(result.points)
    assert 4 <= result.unguarded.count
    reached = explore(threaded, depth=1, kinds=["before"], reach="process")
    assert 4 == len(reached.points)
    assert 0 == reached.unguarded.count


def test_types_that_need_a_maker() -> None:
    """`make=` says how to make them."""

    class Needy(Exception):
        def __init__(self, host: str, *, code: int) -> None:
            super().__init__(host)
            self.code = code

    caught: list[int] = []

    @uses(image, key="name", raises=Needy)
    def show(name: str) -> None: ...

    def scenario() -> None:
        try:
            show("it")
        except Needy as error:
            caught.append(error.code)

    explore(scenario, make={Needy: lambda: Needy("host2", code=7)}, kinds=["before"])
    assert [7] == caught


def test_what_deal_declares_is_tried() -> None:
    """`deal.raises` says what a call raises as `raises=` does."""

    @uses(image, key="name")
    @deal.raises(OSError, Busy)
    def show(name: str) -> None: ...

    result = explore(lambda: show("it"), depth=1, kinds=["before", "raises"])
    assert {"show@1:before:OSError", "show@1:before:Busy"} == set(map(str, result.points))


def test_exploring_inside_an_exploration_is_refused() -> None:
    """Two plans would count each other's calls."""
    seen: list[str] = []

    def nested() -> None:
        careful()
        try:
            explore(careful)
        except UsageError as error:
            seen.append(str(error))

    explore(nested, depth=1, kinds=["before"])
    assert "inside of a scenario that is being explored" in seen[0]


def test_inside_a_coroutine_it_is_refused() -> None:
    """It runs event loops of its own."""
    import asyncio

    async def main() -> None:
        explore(careful)

    with pytest.raises(UsageError, match="it is not called from a coroutine"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("scenario", "text"),
    [
        (7, "a function that builds its own world, not 7"),
        (lambda cloud: None, "calls its scenario without arguments; <lambda> needs cloud"),
        (Cloud, "a function that builds its own world, not <class"),
        ((lambda: (yield)), "takes no generator function"),
    ],
)
def test_what_is_no_scenario(scenario: Any, text: str) -> None:
    """Said before anything runs."""
    with pytest.raises(UsageError, match=text):
        explore(scenario)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"depth": 3}, r"explore\(depth=…\) takes 1 or 2, not 3"),
        ({"pairs": "some"}, "takes 'reaction' or 'all', not 'some'"),
        ({"kinds": ["never"]}, r"takes some of 'before', 'after', .*, not \['never'\]"),
        ({"kinds": ()}, r"takes some of .*, not \(\)"),
        ({"max_runs": 0}, "takes a whole number from 1, not 0"),
        ({"shard": (8, 8)}, r"such as \(0, 8\), not \(8, 8\)"),
        ({"timeout": 0}, "takes seconds or None, not 0"),
        ({"backend": "curio"}, "takes 'asyncio' or 'trio', not 'curio'"),
    ],
)
def test_what_is_written_wrongly(arguments: dict[str, Any], text: str) -> None:
    """The error names the value, and what was expected."""
    with pytest.raises(DeclarationError, match=text):
        explore(careful, **arguments)


def test_switched_off() -> None:
    """Where lifeguard is off the planted leak is not found, and that is an error, not a clean result."""
    program = "from lifeguard.faults import explore; explore(lambda: None)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "LIFEGUARD": "off"}
    )
    assert 1 == run.returncode
    assert "did not find the leak that it plants for itself" in run.stderr
