"""The pytest side of fault exploration: `@pytest.mark.lifeguard_explore`, shards, replays, last failures first.

One item a scenario and one failure for all its findings, so that `-x`, `--lf`, reruns, pytest-xdist and JUnit see what
they expect. It stands beside the package, so that nothing of lifeguard is imported until a test carries the marker.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import shlex
import unittest
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from lifeguard.faults.results import Result

MARKER: Final = "lifeguard_explore"
SHARD: Final = "lifeguard_shard"
LINE: Final = "lifeguard.explored"
"""The property of a report with the line for the summary."""

_OWN: Final = {"shards", "reused"}
_NOT_OURS: Final = {"first", "shard", "replay", "name", "progress"}
_seen: pytest.StashKey[set[str]] = pytest.StashKey()
_explored: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, each with its twin in the configuration file where it makes sense to write it down."""
    group = parser.getgroup("lifeguard")
    group.addoption(
        "--lifeguard-replay",
        metavar="TOKEN",
        help="run only this faulted run of the explored scenarios that are selected",
    )
    group.addoption("--lifeguard-exhaustive", action="store_true", default=None, help="run equivalent points, too")
    group.addoption("--lifeguard-max-runs", type=int, metavar="N", help="at most so many faulted runs a scenario")
    group.addoption(
        "--lifeguard-explore-strict",
        action="store_true",
        default=None,
        help="an exploration fails where it is not complete, or its scenario is not deterministic",
    )
    parser.addini("lifeguard_exhaustive", "run equivalent points, too", type="bool", default=False)
    parser.addini("lifeguard_max_runs", "at most so many faulted runs a scenario", default="")
    parser.addini("lifeguard_explore_strict", "doubts of an exploration are failures", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(shards=1, reused=(), **options): explore the test: every declared call fails once; "
        "the options are those of lifeguard.faults.explore",
    )


# -- collection -------------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`shards=8` makes eight items, the same in every process."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    _check(marker, metafunc.definition.nodeid)
    shards = marker.kwargs.get("shards", 1)
    if shards > 1:
        metafunc.fixturenames.append(SHARD)
        parts = [(index, shards) for index in range(shards)]
        ids = [f"shard{index + 1}of{shards}" for index in range(shards)]
        metafunc.parametrize(SHARD, parts, ids=ids)


def _check(marker: pytest.Mark, where: str) -> None:
    from lifeguard.faults.exploring import explore

    known = set(inspect.signature(explore).parameters) - {"scenario"} - _NOT_OURS | _OWN
    unknown = sorted(set(marker.kwargs) - known)
    if marker.args or unknown:
        what = ", ".join([*map(repr, marker.args), *(f"{name}=" for name in unknown)])
        pytest.fail(f"{where}: {MARKER} takes {', '.join(sorted(known))}, not {what}", pytrace=False)
    shards = marker.kwargs.get("shards", 1)
    if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
        pytest.fail(f"{where}: {MARKER}(shards=…) takes a whole number from 1, not {shards!r}", pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say where the marker has no effect."""
    for item in items:
        cls = getattr(item, "cls", None)
        if isinstance(cls, type) and issubclass(cls, unittest.TestCase) and item.get_closest_marker(MARKER) is not None:
            from lifeguard.errors import LifeguardWarning

            text = f"{MARKER} has no effect on a method of unittest.TestCase: call lifeguard.faults.explore in it"
            item.warn(LifeguardWarning(text))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Remember which fixtures were made for one test only."""
    made = yield
    if fixturedef.scope == "function" and isinstance(request.node, pytest.Item):
        request.node.stash.setdefault(_seen, set()).add(fixturedef.argname)
    return made


# -- a test -----------------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Explore a test that carries the marker."""
    marker = pyfuncitem.get_closest_marker(MARKER)
    if marker is None:
        return None
    from lifeguard.faults.exploring import explore
    from lifeguard.faults.results import ReplayDiverged

    item, function = pyfuncitem, pyfuncitem.obj
    options = {name: value for name, value in marker.kwargs.items() if name not in _OWN}
    options.update(_from_the_command_line(item.config, options))
    arguments = {name: item.funcargs[name] for name in inspect.signature(function).parameters if name in item.funcargs}
    _warn_of_reused_fixtures(item, arguments, marker.kwargs.get("reused", ()))
    token = item.config.getoption("--lifeguard-replay") or os.environ.get("LIFEGUARD_REPLAY")
    callspec = getattr(item, "callspec", None)
    shard: Any = callspec.params.get(SHARD, (0, 1)) if callspec is not None else (0, 1)
    try:
        result = explore(
            functools.partial(function, **arguments) if arguments else function,
            name=item.name,
            shard=shard,
            first=_failed_last_time(item),
            replay=token,
            progress=not hasattr(item.config, "workerinput"),
            **options,
        )
    except ReplayDiverged as error:
        pytest.fail(str(error), pytrace=False)
    if not result.replayed:
        _remember(item, result)
    _tell(item, result)
    if result.findings or result.organic or (result.strict and result.doubts):
        item.stash[_explored] = True
        hint = f"pytest {shlex.quote(item.nodeid)} --lifeguard-replay={{token}}"
        pytest.fail(result.report(hint=hint), pytrace=False)
    return True


def _from_the_command_line(config: pytest.Config, marked: dict[str, Any]) -> dict[str, Any]:
    """The command line comes before the marker, and the marker before the configuration file."""
    found: dict[str, Any] = {}
    for option, ini, name in (
        ("--lifeguard-exhaustive", "lifeguard_exhaustive", "exhaustive"),
        ("--lifeguard-explore-strict", "lifeguard_explore_strict", "strict"),
    ):
        value = config.getoption(option)
        if value or (name not in marked and config.getini(ini)):
            found[name] = True
    runs = config.getoption("--lifeguard-max-runs")
    written = config.getini("lifeguard_max_runs")
    if runs is not None:
        found["max_runs"] = runs
    elif written and "max_runs" not in marked:
        if not written.isdigit():
            raise pytest.UsageError(f"lifeguard_max_runs takes a whole number, not {written!r}")
        found["max_runs"] = int(written)
    return found


def _warn_of_reused_fixtures(item: pytest.Function, arguments: dict[str, Any], fine: tuple[str, ...]) -> None:
    callspec = getattr(item, "callspec", None)
    given = callspec.params if callspec is not None else {}  # a parameter is made nowhere
    made = item.stash.get(_seen, set()) - set(given)
    reused = sorted(
        name for name, value in arguments.items() if name in made and name not in fine and not inspect.isroutine(value)
    )
    if reused:
        from lifeguard.errors import LifeguardWarning

        item.warn(
            LifeguardWarning(
                f"{item.name} is run many times, but made once for all runs: {', '.join(reused)}. "
                "Let the fixture give a function that makes what each run needs, build it in the test, or say "
                f"{MARKER}(reused=({', '.join(map(repr, reused))},)) where that is meant"
            )
        )


# -- what is kept and told --------------------------------------------------------------------------------------------------


def _key(item: pytest.Item) -> str:
    """One file in pytest's cache for each item, so that the processes of pytest-xdist do not overwrite each other's."""
    return f"lifeguard/explore-{hashlib.sha256(item.nodeid.encode()).hexdigest()[:16]}"


def _failed_last_time(item: pytest.Item) -> list[str]:
    cache = getattr(item.config, "cache", None)
    found = cache.get(_key(item), []) if cache is not None else []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _remember(item: pytest.Item, result: Result) -> None:
    cache = getattr(item.config, "cache", None)
    tokens = [finding.token for finding in result.findings]
    if cache is not None and tokens != _failed_last_time(item):
        cache.set(_key(item), tokens)


def _tell(item: pytest.Item, result: Result) -> None:
    first = result.report().splitlines()[0]
    item.user_properties.append((LINE, first))
    item.user_properties.append(("lifeguard.runs", str(result.runs)))
    item.user_properties.append(("lifeguard.points", str(len(result.points))))
    item.user_properties.append(("lifeguard.findings", str(len(result.findings))))
    item.user_properties += [("lifeguard.token", finding.token) for finding in result.findings]
    verbose = item.config.get_verbosity() if hasattr(item.config, "get_verbosity") else item.config.option.verbose
    if not result.findings:
        item.add_report_section("call", "lifeguard", result.report())
    if verbose > 0 and result.points:
        points = "\n".join(f"{one}  {one.status}" + (f"  {one.place}" if one.place else "") for one in result.points)
        item.add_report_section("call", "lifeguard points", points)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI is set, pytest's short summary prints whole messages: it gets the first line of ours."""
    report = yield
    crash = getattr(report.longrepr, "reprcrash", None)
    if item.stash.get(_explored, False) and crash is not None:
        crash.message = crash.message.splitlines()[0]
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How far each exploration went: a search that found nothing says what it looked at."""
    lines = [
        f"{report.nodeid}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == LINE
    ]
    if lines:
        terminalreporter.section("lifeguard explorations")
        for line in lines:
            terminalreporter.line(line)
