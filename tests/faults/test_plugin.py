"""The pytest side, in tests of their own: one item a scenario, one failure for all findings, a token to run it again."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import lifeguard

pytest_plugins = ["pytester"]

KINDS = """
    import contextlib, pytest
    from lifeguard import Resource, acquires, releases, uses

    image = Resource("image")

    @acquires(image, key="name")
    def make(name): ...

    @uses(image, key="name")
    def show(name): ...

    @releases(image, key="name")
    def drop(name): ...
"""

BAD = """
    from kinds import *

    @pytest.mark.lifeguard_explore
    def test_bad():
        make("a")
        show("a")
        drop("a")
"""
TOKEN = "lg1:show@1:before:InjectedFault~d05a"


@pytest.fixture
def files(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.Pytester]:
    """A folder with the kinds, and without what the surroundings say."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("LIFEGUARD_REPLAY", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(lifeguard.__file__).parent.parent))
    pytester.makepyfile(kinds=KINDS)
    return pytester


def run(files: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest with the plugin, whether it is installed or not."""
    plugin = [] if "lifeguard-faults" in entry_points(group="pytest11").names else ["-p", "lifeguard_faults_pytest"]
    return files.runpytest_subprocess(
        *plugin, "-p", "no:randomly", "-p", "no:asyncio", "--strict-markers", "-W", "error", *arguments
    )


def test_one_failure_with_all_that_is_needed(files: pytest.Pytester) -> None:
    """The report, the line that runs it again, and how far the search went."""
    files.makepyfile(test_it=BAD)
    result = run(files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 finding in 11 runs of test_bad: 8 of 8 points run",
            "leak: LG102 leaked on error (CWE-460)",
            f"  replay    pytest test_it.py::test_bad --lifeguard-replay={TOKEN}",
            "*lifeguard explorations*",
            "test_it.py::test_bad: 1 finding in 11 runs of test_bad: 8 of 8 points run",
            "FAILED test_it.py::test_bad - Failed: 1 finding in 11 runs*",
        ]
    )
    result.stdout.no_fnmatch_line("*hidden*")


def test_the_short_summary_stays_short_on_ci(files: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """There pytest prints whole messages."""
    monkeypatch.setenv("CI", "1")
    files.makepyfile(test_it=BAD)
    lines = run(files).stdout.lines
    start = next(number for number, line in enumerate(lines) if line.startswith("FAILED"))
    assert "FAILED test_it.py::test_bad - Failed: 1 finding in 11 runs of test_bad: 8 of 8 points run" == lines[start]
    assert lines[start + 1].startswith("====")


@pytest.mark.parametrize("by", ["option", "environment"])
def test_replay(files: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """One run, by its token."""
    files.makepyfile(test_it=BAD)
    if by == "environment":
        monkeypatch.setenv("LIFEGUARD_REPLAY", TOKEN)
    result = run(files, *([f"--lifeguard-replay={TOKEN}"] if by == "option" else []))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"1 finding in the replay of test_bad: {TOKEN}"])


def test_a_replay_that_cannot_follow_fails(files: pytest.Pytester) -> None:
    """It says where it left the way."""
    files.makepyfile(test_it=BAD)
    result = run(files, f"--lifeguard-replay={TOKEN.replace('@1', '@2')}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*show was called 1 time, so there was no call 2 to fail", "  the run: make, show, drop;*"]
    )


def test_shards(files: pytest.Pytester) -> None:
    """Items that are the same in every process; a parametrized test has them for each parameter."""
    files.makepyfile(
        test_it="""
        from kinds import *

        @pytest.mark.parametrize("name", "xy")
        @pytest.mark.lifeguard_explore(shards=3)
        def test_good(name):
            make(name)
            drop(name)
        """
    )
    result = run(files, "-n", "2", "-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_good[[]shard1of3-x[]]: nothing found in * runs*: 2 of 2 points run"])


def test_fixtures_that_are_not_made_anew(files: pytest.Pytester) -> None:
    """A warning names them; functions and what is said to be meant are left alone."""
    files.makepyfile(
        test_it="""
        from kinds import *

        @pytest.fixture
        def world(): return []

        @pytest.fixture
        def make_world(): return lambda: []

        @pytest.mark.lifeguard_explore
        def test_reused(world):
            make("a"); drop("a")

        @pytest.mark.lifeguard_explore(reused=("world",))
        def test_meant(world, make_world):
            make("a"); drop("a")
        """
    )
    result = run(files, "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*test_reused is run many times, but made once for all runs: world. *"])


def test_last_failures_are_kept(files: pytest.Pytester) -> None:
    """In pytest's cache, and gone when they are mended."""
    files.makepyfile(test_it=BAD)
    run(files)
    (kept,) = files.path.glob(".pytest_cache/v/lifeguard/explore-*")
    assert f'[\n  "{TOKEN}"\n]' == kept.read_text().strip()
    files.makepyfile(test_it=BAD.replace('show("a")', "pass"))
    run(files).assert_outcomes(passed=1)
    assert "[]" == kept.read_text().strip()


def test_options_and_their_order(files: pytest.Pytester) -> None:
    """The command line comes before the marker, the marker before the configuration file."""
    files.makepyfile(test_it=BAD.replace('show("a")', "pass"))
    files.makeini("[pytest]\nlifeguard_max_runs = 2\nlifeguard_explore_strict = true\n")
    result = run(files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["INCOMPLETE: 2 of 6 runs* (max_runs=)"])
    run(files, "--lifeguard-max-runs=50").assert_outcomes(passed=1)


def test_a_coroutine_a_skip_and_a_plain_test(files: pytest.Pytester) -> None:
    """A coroutine function is explored; a scenario may skip itself; tests without the marker are left alone."""
    files.makepyfile(
        test_it="""
        from kinds import *

        @pytest.mark.lifeguard_explore
        async def test_async():
            make("a"); drop("a")

        @pytest.mark.lifeguard_explore
        def test_skips():
            pytest.skip("not here")

        def test_plain():
            pass
        """
    )
    run(files).assert_outcomes(passed=2, skipped=1)


def test_what_is_written_wrongly(files: pytest.Pytester) -> None:
    """Said at collection."""
    files.makepyfile(
        test_it="""
        from kinds import *

        @pytest.mark.lifeguard_explore(shard=2)
        def test_it(): ...
        """
    )
    result = run(files)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it: lifeguard_explore takes backend, *, not shard="])


def test_junit_has_the_figures(files: pytest.Pytester) -> None:
    """As properties of the test case, with the token in the message."""
    files.makepyfile(test_it=BAD)
    run(files, "--junitxml=out.xml")
    text = (files.path / "out.xml").read_text()
    assert '<property name="lifeguard.findings" value="1"' in text
    assert f'<property name="lifeguard.token" value="{TOKEN}"' in text
    assert TOKEN in text.partition("<failure")[2]


def test_the_plugin_is_light(files: pytest.Pytester) -> None:
    """Where no test carries the marker, nothing of the search is imported."""
    files.makepyfile(
        test_it="""
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.startswith("lifeguard.faults")]
        """
    )
    run(files).assert_outcomes(passed=1)
