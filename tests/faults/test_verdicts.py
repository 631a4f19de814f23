"""A planted mistake for each verdict, found at its level, and a near miss that is left alone."""

from __future__ import annotations

import contextlib

import pytest
from faults.watched_cloud import Busy, Cloud, Gone, image, volume

from lifeguard import LifeguardWarning, Scope, scope
from lifeguard.faults import Result, explore, was_injected


def found(result: Result) -> set[tuple[str, str, object]]:
    """What was found, without how."""
    return {(one.verdict, one.kind, one.key) for one in result.findings}


def words(result: Result) -> set[str]:
    """The verdicts alone."""
    return {one.verdict for one in result.findings}


def tidy() -> None:
    """Everything that was taken is given back, whatever fails."""
    cloud = Cloud()
    with contextlib.ExitStack() as stack:
        for name in ("root", "data", "swap"):
            cloud.attach(name)
            stack.callback(cloud.detach, name)
        image_id = cloud.create_image()
        stack.callback(cloud.delete_image, image_id)
        cloud.show_image(image_id)


@pytest.mark.parametrize("depth", [1, 2])
def test_nothing_is_found_in_what_is_correct(depth: int) -> None:
    """A scenario whose clean-up goes on after a failing step is fine under every fault."""
    result = explore(tidy, depth=depth, exhaustive=True)
    assert () == result.findings
    assert result.complete
    result.raise_if_found()


def test_leak() -> None:
    """What was taken before the failing call is forgotten by its clean-up."""

    def careless() -> None:
        cloud = Cloud()
        cloud.attach("root")
        image_id = cloud.create_image()
        cloud.delete_image(image_id)
        cloud.detach("root")

    result = explore(careless, depth=1)
    assert {("leak", "volume", "root")} == found(result)
    (finding,) = result.findings
    assert ("LG102", "volume", "root") == (finding.code, finding.kind, finding.key)
    assert finding.token.startswith("lg1:Cloud.create_image@1:before:Busy~")
    assert finding.violation is not None
    assert finding.schedules[0] == finding.token


def test_a_clean_up_that_stops_at_its_first_failing_release_is_found_only_at_level_two() -> None:
    """No single fault shows a loop in the rollback that one failing release ends."""

    def brittle() -> None:
        cloud = Cloud()
        names: list[str] = []
        try:
            for name in ("root", "data"):
                cloud.attach(name)
                names.append(name)
            cloud.show_image("none")
        except Exception:
            for name in names:
                cloud.detach(name)
            raise
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.callback(cloud.detach, name)

    assert () == explore(brittle, depth=1, exhaustive=True).findings
    result = explore(brittle)
    assert {("leak", "volume", "data")} == found(result)
    assert "+" in result.findings[0].token


def test_double_release() -> None:
    """The handler releases what the block has released already."""

    def twice() -> None:
        cloud = Cloud()
        cloud.attach("root")
        try:
            cloud.detach("root")
            cloud.attach("data")
            cloud.detach("data")
        except Exception:
            cloud.detach("root")
            raise

    result = explore(twice, depth=1)
    assert ("double release", "volume", "root") in found(result)
    assert {"double release"} == words(result)


def test_use_after_release() -> None:
    """The handler looks at what is gone."""

    def late() -> None:
        cloud = Cloud()
        image_id = cloud.create_image()
        cloud.delete_image(image_id)
        try:
            cloud.attach("root")
        except Exception:
            cloud.show_image(image_id)
            raise
        cloud.detach("root")

    assert {("use after release", "image", "image-1")} == found(explore(late, depth=1))


def test_missing_rollback() -> None:
    """A start that failed is handled, but nobody cleans up."""

    def swallowing() -> None:
        with contextlib.suppress(Exception):
            Cloud().start("vm")

    assert {("missing rollback", "spawn", "vm")} == found(explore(swallowing, depth=1))


def test_failed_rollback() -> None:
    """A rollback that fails because of something inside it is told; where it was made to fail itself, it is residue."""

    def failing() -> None:
        cloud = Cloud()
        try:
            cloud.start("vm")
        except Exception:
            cloud.clean_up("vm")
            raise

    result = explore(failing)
    assert () == result.findings
    assert result.residue.count


def test_a_rollback_that_must_be_retried_is_not_excused() -> None:
    """`retried=True` on its contract says that one failure is no excuse; trying again is."""
    from lifeguard import Rollback, on_failure, rolls_back

    boot = Rollback("boot")

    @on_failure(boot, key="name")
    def start(name: str) -> None: ...

    @rolls_back(boot, key="name", retried=True)
    def clean_up(name: str) -> None: ...

    def once() -> None:
        try:
            start("vm")
        except Exception:
            clean_up("vm")
            raise

    def again() -> None:
        try:
            start("vm")
        except Exception:
            try:
                clean_up("vm")
            except Exception:
                clean_up("vm")
            raise

    assert {("failed rollback", "boot", "vm")} == found(explore(once))
    assert () == explore(again).findings


def test_masked() -> None:
    """The scenario fails with another exception, in whose chain the fault does not stand."""

    def masking() -> None:
        failed = False
        try:
            Cloud().show_image("none")
        except Exception:
            failed = True
        if failed:
            raise KeyError("settings")

    result = explore(masking, depth=1)
    assert {("masked", "", None)} == found(result)
    assert {"LG207"} == {one.code for one in result.findings}


def test_what_is_raised_from_the_fault_is_not_masked() -> None:
    """Another exception with the fault in its chain, or in a group, is fine."""

    def translating() -> None:
        try:
            Cloud().show_image("none")
        except Exception as error:
            raise ExceptionGroup("all", [KeyError("settings"), error]) from None

    assert () == explore(translating).findings


def test_a_second_failure_that_hides_the_first_is_masked() -> None:
    """The first failure leaves the scenario when it comes alone; when the rollback fails, too, it is gone."""

    def losing() -> None:
        cloud = Cloud()
        cloud.attach("root")
        caught: Exception | None = None
        try:
            cloud.show_image("none")
        except Exception as error:
            caught = error
        if caught is not None:
            cloud.detach("root")
            raise caught
        cloud.detach("root")

    assert () == explore(losing, depth=1).findings
    assert {"masked"} == words(explore(losing))


def test_check_failed() -> None:
    """The failure was absorbed, and the outcome is wrong all the same: a check of the scenario says so."""

    def optimistic() -> None:
        shown: list[str] = []
        with contextlib.suppress(Exception):
            Cloud().show_image("none")
            shown.append("none")
        assert ["none"] == shown

    assert {"check failed"} == words(explore(optimistic, depth=1))


def test_absorbed() -> None:
    """A retry that succeeds is legal, and counted."""

    def retrying() -> None:
        cloud = Cloud()
        for _ in range(5):
            try:
                image_id = cloud.create_image()
            except Busy:
                continue
            break
        else:
            return
        cloud.delete_image(image_id)

    result = explore(retrying, depth=1, kinds=["before"])
    assert () == result.findings
    assert 1 == result.absorbed.count
    assert result.absorbed.examples[0].startswith("lg1:Cloud.create_image@1:before:Busy~")


def test_residue() -> None:
    """What is left because its own release was made to fail is excused, and counted."""

    def plain() -> None:
        cloud = Cloud()
        cloud.attach("root")
        cloud.detach("root")

    result = explore(plain, depth=1)
    assert () == result.findings
    assert (3, ("volume 'root'",)) == (result.residue.count, result.residue.examples)


def test_lost_reply_is_excused_and_listed() -> None:
    """Nobody knows the number of an image whose answer was lost; its contract could say who has to."""

    def plain() -> None:
        cloud = Cloud()
        image_id = cloud.create_image()
        cloud.delete_image(image_id)

    result = explore(plain, depth=1)
    assert () == result.findings
    assert (1, ("image 'image-1'",)) == (result.lost.count, result.lost.examples)


def test_lost_reply_that_the_callee_has_to_undo() -> None:
    """With `lost_reply="callee"` nothing may be left."""
    from lifeguard import acquires, releases

    @acquires(image, key="result", lost_reply="callee")
    def create() -> str:
        return "it"

    @releases(image, key="image_id")
    def delete(image_id: str) -> None: ...

    assert {("lost reply", "image", "it")} == found(explore(lambda: delete(create()), depth=1))


def test_a_retry_after_a_lost_reply_makes_two() -> None:
    """A retry whose first try had taken effect leaves the first one: excused, unless the contract says otherwise."""
    from lifeguard import acquires, releases

    numbers = iter(range(1000))

    @acquires(image, key="result", lost_reply="caller")
    def create() -> int:
        return next(numbers)

    @releases(image, key="image_id")
    def delete(image_id: int) -> None: ...

    def retrying() -> None:
        try:
            image_id = create()
        except Exception:
            image_id = create()
        delete(image_id)

    result = explore(retrying, depth=1)
    assert {"lost reply"} == words(result)


def test_not_reached_and_not_deterministic() -> None:
    """A scenario that tosses a coin is told where it first differed; strict makes it a failure; a leak is told all the same."""
    import itertools

    coin = itertools.count()

    def tossing() -> None:
        cloud = Cloud()
        cloud.attach("root")
        if next(coin) % 2:
            cloud.show_image("none")
        cloud.create_image()
        cloud.delete_image("image-1")
        cloud.detach("root")

    with pytest.warns(
        LifeguardWarning, match="not deterministic: call 2 was Cloud.create_image at .* and Cloud.show_image"
    ):
        result = explore(tossing, depth=1)
    assert ("leak", "volume", "root") in found(result)
    assert "call 2 was Cloud.create_image" in result.diverged
    strict = explore(tossing, depth=1, strict=True)
    with pytest.raises(AssertionError, match="not deterministic"):
        strict.raise_if_found()


def test_timed_out() -> None:
    """A run that takes too long is stopped and said to have timed out; it is no finding."""
    import asyncio

    async def hanging() -> None:
        cloud = Cloud()
        try:
            cloud.show_image("none")
        except Exception:
            await asyncio.sleep(60)

    with pytest.warns(LifeguardWarning, match="timed out and said nothing"):
        result = explore(hanging, depth=1, kinds=["before"], timeout=0.05)
    assert () == result.findings
    assert 1 == result.timed_out.count


def test_organic_failure() -> None:
    """A scenario that fails by itself is told so, and nothing else is claimed."""

    def broken() -> None:
        Cloud().attach("root")
        raise KeyError("settings")

    result = explore(broken)
    assert result.organic.startswith("it raised KeyError: 'settings' at ")
    assert ((), (), 1, False) == (result.findings, result.points, result.runs, result.complete)
    with pytest.raises(AssertionError, match="fails without any fault"):
        result.raise_if_found()


def test_a_scenario_that_leaks_by_itself() -> None:
    """Its baseline breaks a rule, which is told, and nothing else."""
    result = explore(lambda: Cloud().attach("root"))
    assert "it broke a rule:\n  LG101 volume 'root': still held" in result.organic


def test_what_belongs_to_a_lost_thing_is_excused_with_it() -> None:
    """What a call took inside itself goes with its answer."""
    from lifeguard import acquires, releases

    cloud = Cloud()

    @acquires(volume, key="result")
    def build() -> str:
        cloud.attach("inner")
        return "outer"

    @releases(volume, key="name")
    def scrap(name: str) -> None:
        cloud.detach("inner")

    assert () == explore(lambda: scrap(build()), depth=1, kinds=["after"]).findings


def test_a_composite_release_that_a_fault_ends_is_residue() -> None:
    """A release fails because a call inside it was made to fail: what it did not come to is told, it itself is not."""
    from lifeguard import Resource, acquires, releases

    stack = Resource("stack")
    cloud = Cloud()

    @acquires(stack, key="name")
    def build(name: str) -> None:
        for part in ("a", "b"):
            cloud.attach(part)

    @releases(stack, key="name")
    def scrap(name: str) -> None:
        for part in ("a", "b"):
            cloud.detach(part)

    def scenario() -> None:
        build("it")
        scrap("it")

    (finding,) = explore(scenario, depth=1, kinds=["before"]).findings  # both volumes come from one line
    assert ("leak", "volume") == (finding.verdict, finding.kind)
    assert ["Cloud.attach@2", "Cloud.detach@1"] == [
        token.removeprefix("lg1:").partition(":")[0] for token in finding.schedules
    ]


def test_an_inner_scope_of_the_scenario_speaks_too() -> None:
    """What an inner scope raises is found, also where the scenario swallows it."""

    def nested() -> None:
        cloud = Cloud()
        with contextlib.suppress(AssertionError, Exception), scope("inner"):
            cloud.attach("root")
            cloud.show_image("none")
            cloud.detach("root")

    assert ("leak", "volume", "root") in found(explore(nested, depth=1))


def test_gone_pays() -> None:
    """A release that says that the thing is gone has paid, and a program that does not expect it is found out."""

    def strict() -> None:
        cloud = Cloud()
        cloud.attach("root")
        image_id = cloud.create_image()
        cloud.delete_image(image_id)
        cloud.detach("root")

    result = explore(strict, depth=1, kinds=["raises"])
    assert {"lg1:Cloud.create_image@1:before:Busy", "lg1:Cloud.delete_image@1:before:Gone"} == {
        token.partition("~")[0] for one in result.findings for token in one.schedules
    }


def test_was_injected_tells_the_faults_of_the_plan() -> None:
    """A program or its checks can ask whether an exception was injected."""
    seen: list[bool] = []

    def asking() -> None:
        try:
            Cloud().create_image()
        except Busy as error:
            seen.append(was_injected(error))
            raise
        else:
            Cloud().delete_image("image-1")

    explore(asking, depth=1, kinds=["before"])
    assert [True] == seen
    assert not was_injected(Gone())
    assert not was_injected(None)


def test_prepare_is_given_the_scope_of_each_run() -> None:
    """What may stay is allowed there."""

    def allow(watched: Scope) -> None:
        watched.allow(volume, "root", why="kept on purpose", at_most=1)

    def careless() -> None:
        cloud = Cloud()
        cloud.attach("root")
        cloud.show_image("none")
        cloud.detach("root")

    assert ("leak", "volume", "root") in found(explore(careless, depth=1))
    assert () == explore(careless, depth=1, prepare=allow).findings


def test_a_run_that_breaks_off_by_itself() -> None:
    """A scenario that works twice and then no more, before its first call, must not look as if nothing could be found."""
    runs: list[int] = []

    def worn_out() -> None:
        runs.append(1)
        if len(runs) > 2:
            raise ConnectionRefusedError("the port is taken")
        tidy()

    result = explore(worn_out, depth=1)
    assert {"organic failure"} == words(result)
    (finding,) = result.findings
    assert "before anything was made to fail: ConnectionRefusedError: the port is taken" in finding.message
    with pytest.raises(AssertionError, match="the port is taken"):
        result.raise_if_found()
