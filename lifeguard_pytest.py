"""pytest's way into lifeguard: the options, and what loads the rest once a run or a test asks for it.

This module stands beside the package and not in it, so that a run that does not use lifeguard does not import it. What
the plugin does is in `lifeguard.integrations.pytest`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lifeguard import Scope
    from lifeguard.integrations.pytest.plugin import Plugin
    from lifeguard.integrations.pytest.summary import Summary

MARKER = "lifeguard"

SCOPE_OF: pytest.StashKey[Scope] = pytest.StashKey()
"""Where an item keeps the scope that it runs in."""


# -- the options ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option, in all its forms: `lifeguard_NAME` in the ini file, `--lifeguard-NAME`, and NAME= in the marker.

    Attributes:
        name: its name.
        takes: what it takes, as an error says it.
        read: from what was written, or given to the marker, to the value; raises ValueError or TypeError.
        default: the value where nothing says another one.
        help: what it is for.
        flag: on the command line `--lifeguard-NAME` and `--no-lifeguard-NAME`, without a value.
        many: a list, which may be given in several lines or times.
        of_scope: whether it is a parameter of `lifeguard.scope`, and goes there as it is.
        of_run: whether it is one of the whole run, which no marker can say.
    """

    name: str
    takes: str
    read: Callable[[Any], object]
    default: object
    help: str
    flag: bool = False
    many: bool = False
    of_scope: bool = True
    of_run: bool = False

    @property
    def ini(self) -> str:
        """Its name in the ini file, and as an attribute of `config.option`."""
        return f"lifeguard_{self.name}" if self.name else "lifeguard"

    @property
    def command(self) -> str:
        """Its name on the command line."""
        return "--" + self.ini.replace("_", "-")

    def value(self, written: object, where: str) -> object:
        """What was written, as a value.

        Raises:
            pytest.UsageError: it makes no sense; the text says where it stands and what was expected.
        """
        try:
            return self.read(written)
        except (ValueError, TypeError) as error:
            why = f": {error}" if str(error) else ""
            raise pytest.UsageError(f"{where}: {written!r}{why}; it takes {self.takes}") from None


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    text = str(value).strip().lower()
    if text not in found:
        raise ValueError
    return found[text]


def _one_of(*choices: str, function: bool = False) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value in choices or (function and callable(value)):
            return value
        raise ValueError

    return read


def _number(least: int, nothing: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value is None or value == nothing:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int) or int(value) < least:
            raise TypeError
        return int(value)

    def told(value: object) -> object:
        try:
            return read(value)
        except ValueError:
            raise TypeError from None

    return told


def _part(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not 0 <= float(value) <= 1:
        raise TypeError
    return float(value)


def _grace(value: object) -> object:
    return value if type(value).__name__ == "Grace" else _number(1, "off")(value)


def _list(value: object) -> tuple[object, ...]:
    parts: Iterable[object] = [value] if isinstance(value, str) else value  # type: ignore[assignment]
    found: list[object] = []
    for part in parts:
        found += [one.strip() for one in part.replace("\n", ",").split(",")] if isinstance(part, str) else [part]
    return tuple(one for one in found if one != "")


def _some_of(*choices: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        found = _list(value)
        for one in found:
            if one not in choices:
                raise ValueError(f"there is no {one!r}")
        return found

    return read


def _list_or_none(value: object) -> tuple[object, ...] | None:
    return None if value is None else _list(value)


def _paths(value: object) -> tuple[object, ...]:
    parts: Iterable[object] = [value] if isinstance(value, str) else value  # type: ignore[assignment]
    found = tuple(one for part in parts for one in str(part).splitlines() if one.strip())
    return tuple(one.strip() for one in found if one.strip() != "off")


def _path(value: object) -> object:
    if value is None or value is False or value == "off":
        return None
    if not str(value).strip() or value is True:
        raise ValueError
    return str(value)


ON = Option(
    name="",
    takes="true or false; the marker takes nothing, or 'off'",
    read=_flag,
    default=False,
    help="run every test in a scope, and fail those that leave something behind",
    flag=True,
    of_scope=False,
)

OPTIONS = [
    Option(
        name="reach",
        takes="process or context",
        read=_one_of("process", "context"),
        default="process",
        help="what a test's scope takes in: whatever happens in the process meanwhile, or what its own context does",
    ),
    Option(
        name="on_violation",
        takes="raise, warn, log or record (the marker: a function, too)",
        read=_one_of("raise", "warn", "log", "record", function=True),
        default="raise",
        help="what happens when something was found: the test fails, or it is warned, logged or only counted",
    ),
    Option(
        name="fail_fast",
        takes="true or false",
        read=_flag,
        default=False,
        flag=True,
        help="raise at the call that broke a rule, too, not only at the end of the test",
    ),
    Option(
        name="remember",
        takes="all, or a whole number from 0",
        read=_number(0, "all"),
        default=None,
        help="how many settled things of a kind a test's scope remembers, to know a double release",
    ),
    Option(
        name="grace",
        takes="off, or a number of attempts from 1 (the marker: a Grace, too)",
        read=_grace,
        default=None,
        help="how often to look again before judging work that ends in the background",
    ),
    Option(
        name="only",
        takes="names of kinds, with commas between them (the marker: kinds, too)",
        read=_list_or_none,
        default=None,
        many=True,
        help="the kinds to watch; all, if none is named",
    ),
    Option(
        name="ignore",
        takes="names of kinds, with commas between them (the marker: kinds, too)",
        read=_list,
        default=(),
        many=True,
        help="kinds not to watch",
    ),
    Option(
        name="sample",
        takes="a number from 0 to 1",
        read=_part,
        default=1.0,
        help="which part of all keys to watch; a key is watched from its acquire to its end, or not at all",
    ),
    Option(
        name="conditions",
        takes="icontract, deal, typeguard, with commas between several",
        read=_some_of("icontract", "deal", "typeguard"),
        default=(),
        many=True,
        help="the libraries whose broken conditions fail a test, swallowed ones too",
    ),
    Option(
        name="check_types",
        takes="true or false",
        read=_flag,
        default=False,
        flag=True,
        help="check the keys of kinds that have a key_type, with typeguard",
    ),
    Option(
        name="journal",
        takes="the path of a file, or off",
        read=_path,
        default=None,
        help="a file that everything is written to as it happens, as JSON lines; all tests and workers write to its end",
    ),
    Option(
        name="contracts",
        takes="module:name, with commas between several",
        read=_list,
        default=(),
        many=True,
        of_scope=False,
        help="contracts to apply: stand-ins made with contracts_for, or lists of them, or modules that hold them",
    ),
    Option(
        name="baseline",
        takes="the path of a file, or off (the marker: off)",
        read=_path,
        default=None,
        of_scope=False,
        help="a file of findings that are known, and do not fail their tests",
    ),
    Option(
        name="report",
        takes="the path of a file, or off",
        read=_paths,
        default=(),
        many=True,
        of_scope=False,
        of_run=True,
        help="a file for a report of all tests, in the format that its suffix says: .html, .json, .md, .sarif, .txt, .xml",
    ),
    Option(
        name="job_summary",
        takes="true or false",
        read=_flag,
        default=True,
        flag=True,
        of_scope=False,
        of_run=True,
        help="add what was found to the summary of a CI job, where GITHUB_STEP_SUMMARY names its file",
    ),
]
"""Every option but the switch itself. A parameter of `lifeguard.scope` is made an option of pytest by one entry here."""

_REPORT = next(option for option in OPTIONS if option.name == "report")

UPDATE = "--lifeguard-update-baseline"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every option, in the ini file and on the command line."""
    group = parser.getgroup("lifeguard", "lifeguard: what a test acquires it must release, hand over or roll back")
    for option in (ON, *OPTIONS):
        kind = "bool" if option.flag else "linelist" if option.many else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)  # type: ignore[arg-type]
        if option.flag:
            group.addoption(option.command, dest=option.ini, action="store_const", const=True, help=option.help)
            no = "--no" + option.command[1:]
            group.addoption(no, dest=option.ini, action="store_const", const=False, help=f"undo {option.command}")
        else:
            action = "append" if option.many else "store"
            text = f"{option.help}; takes {option.takes.partition(' (the marker')[0]}"
            name = option.name.upper().replace("_", "-")
            group.addoption(option.command, dest=option.ini, action=action, metavar=name, help=text)
    group.addoption(
        UPDATE,
        dest="lifeguard_update_baseline",
        action="store_true",
        help="write the file of --lifeguard-baseline anew",
    )


def of_the_run(option: Option, config: pytest.Config) -> tuple[object, str]:
    """The value of an option for the whole run, and where it was said: the command line, else the ini file, else "".

    Raises:
        pytest.UsageError: it makes no sense.
    """
    given = config.getoption(option.ini, None)
    if given is not None:
        return option.value(given, option.command), option.command
    try:
        given = config.getini(option.ini)
    except (
        ValueError,
        TypeError,
        pytest.UsageError,
    ) as error:  # as pytest reads truth, or a TOML value of another type
        where = f"{option.ini} in {config.inipath}"
        raise pytest.UsageError(f"{where}: {error}; it takes {option.takes}") from None
    if given is None:
        return option.default, ""
    where = f"{option.ini} in {config.inipath}"
    return option.value(given, where), where


def placed(path: object, where: str, config: pytest.Config) -> Path:
    """A path that an option names: relative to the folder of the ini file that says it, else to where pytest was called."""
    by_ini = config.inipath is not None and not where.startswith("--")
    return Path(config.inipath.parent if by_ini and config.inipath else config.invocation_params.dir, str(path))


def marker_says_on(mark: pytest.Mark, where: str) -> bool:
    """Whether a marker switches on or off.

    Raises:
        pytest.UsageError: it says neither, or something that there is no option for.
    """
    known = {option.name for option in OPTIONS if not option.of_run} | {"off"}
    unknown = sorted(set(mark.kwargs) - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise pytest.UsageError(f"{where}: there is no option {unknown[0]!r}; there are {names}")
    if len(mark.args) > 1:
        raise pytest.UsageError(f"{where}: {mark.args!r}; it takes 'off', or options by name")
    if "off" in mark.kwargs:
        return not ON.value(mark.kwargs["off"], f"{where}, off=")
    return bool(ON.value(mark.args[0], where)) if mark.args else True


# -- the run --------------------------------------------------------------------------------------------------------------------


class Run:
    """One run of pytest: loads what the plugin is made of when it is needed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        on, where = of_the_run(ON, config)
        self.on = bool(on)
        self.never = where == ON.command and not on  # `--no-lifeguard` is stronger than any marker
        for option in OPTIONS:
            of_the_run(option, config)
        self.plugin: Plugin | None = None
        self._summary: Summary | None = None

    def load(self) -> Plugin:
        """The plugin proper."""
        if self.plugin is None:
            from lifeguard.integrations.pytest.plugin import Plugin

            self.plugin = Plugin(self.config, self.summary(), on=self.on)
            self.config.pluginmanager.register(self.plugin, "lifeguard-plugin")
        return self.plugin

    def summary(self) -> Summary:
        """What is told at the end."""
        if self._summary is None:
            from lifeguard.integrations.pytest.summary import Summary

            self._summary = Summary(self.config)
            self.config.pluginmanager.register(self._summary, "lifeguard-summary")
        return self._summary

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Load the plugin where a test asks for it; check what the markers say."""
        if not self.never and (self.plugin is not None or _anyone_asks(session.items)):
            try:
                self.load().check_items(session.items)
            except pytest.UsageError as error:
                if not hasattr(self.config, "workeroutput"):
                    raise
                self.config.pluginmanager.register(_Refusal(str(error)), "lifeguard-refusal")
        if "lifeguard" in sys.modules:
            self.config.pluginmanager.register(_OneLine(), "lifeguard-one-line")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say that no report was written, where one was asked for and nothing was watched."""
        named, where = of_the_run(_REPORT, self.config)
        if named and where == _REPORT.command and self._summary is None and not self.config.option.collectonly:
            terminalreporter.write_line(
                "lifeguard report: none was written, since no test was watched: see --lifeguard"
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What another process watched is summed up here, where nothing was collected.

        Raises:
            pytest.UsageError: a worker of pytest-xdist refused to run; it could not say so itself.
        """
        data = getattr(report, "lifeguard", None)
        if data is not None:
            if "refused" in data and not hasattr(self.config, "workeroutput"):
                raise pytest.UsageError(data["refused"])
            self.summary().add(report)


class _OneLine:
    """For programs that use lifeguard, whether or not the run is switched on."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The line of the short summary is one line, under CI, too."""
        report = yield
        if call.excinfo is not None:
            from lifeguard.errors import ViolationError

            if isinstance(call.excinfo.value, ViolationError):
                from lifeguard.integrations.pytest.pointing import shorten

                shorten(report, call.excinfo.value.verdict)
        return report


class _Refusal:
    """A worker of pytest-xdist that refused to run: it runs no test, and tells the controller why in place of the first."""

    def __init__(self, why: str) -> None:
        self._why = why

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        """Report, and run nothing."""
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", self._why, "setup")
        vars(report)["lifeguard"] = {"refused": self._why}
        item.ihook.pytest_runtest_logreport(report=report)
        return True


def _anyone_asks(items: Iterable[pytest.Item]) -> bool:
    """Whether a test carries the marker, or wants the fixture."""
    asking: dict[pytest.Collector | pytest.Item | None, bool] = {None: False}

    def asks(node: Any) -> bool:
        if node not in asking:
            asking[node] = any(mark.name == MARKER for mark in node.own_markers) or asks(node.parent)
        return asking[node]

    return any("lifeguard_scope" in getattr(item, "fixturenames", ()) or asks(item) for item in items)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options, and load the plugin proper if the run is switched on."""
    config.addinivalue_line(
        "markers",
        "lifeguard(off, *, reach, on_violation, fail_fast, remember, grace, only, ignore, sample, conditions, "
        "check_types, journal, contracts, baseline): "
        "run the test in a scope; 'off': do not",
    )
    run = Run(config)
    config.pluginmanager.register(run, "lifeguard-run")
    if run.on:
        run.load()


@pytest.fixture
def lifeguard_scope(request: pytest.FixtureRequest) -> Iterator[Scope]:
    """The scope that the test runs in: `lifeguard_scope.allow(…)`, `.outstanding`, `.seed(…)`, …

    A test that asks for it is watched, whatever the ini file says. Where it was switched off on purpose (by its marker,
    or by `--no-lifeguard`), this is a scope that watches nothing and finds nothing.
    """
    scope = request.node.stash.get(SCOPE_OF, None)
    if scope is not None:
        yield scope
        return
    import lifeguard

    idle = lifeguard.scope(f"{request.node.nodeid} (switched off)", only=(), on_violation="record").open()
    yield idle
    idle.close()
