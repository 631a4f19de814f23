"""Small test suites that are run with the real plugin, in this process or in one of their own."""

from __future__ import annotations

import importlib.metadata
import os
import textwrap
from pathlib import Path

import pytest

import lifeguard

ENTRY_POINT = any(one.name == "lifeguard" for one in importlib.metadata.entry_points(group="pytest11"))
"""Whether the package is installed here, so that pytest loads the plugin by itself."""

CLOUD = """
from lifeguard import Resource, Rollback, acquires, releases, transfers, on_failure, rolls_back, OUTSIDE

image = Resource("image")
port = Resource("port")


class Images:
    @acquires(image, key="name")
    def create(self, name):
        return name

    @releases(image, key="name")
    def delete(self, name):
        pass

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name):
        pass


class Ports:
    @acquires(port, key="name")
    def create(self, name):
        return name

    @releases(port, key="name")
    def delete(self, name):
        pass


images = Images()
ports = Ports()


def leak(name="left"):
    images.create(name)


def balance(name="gone"):
    images.create(name)
    images.delete(name)
"""


class Suite:
    """A folder with tests, and the code that they test."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "LIFEGUARD", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("COLUMNS", "200")
        root = str(Path(lifeguard.__file__).parents[1])
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])))
        self.write("cloud.py", CLOUD)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the suite."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def ini(self, text: str) -> None:
        """Write pytest.ini."""
        self.write("pytest.ini", "[pytest]\n" + textwrap.dedent(text))

    def tests(self, text: str, name: str = "test_it.py") -> None:
        """Write a file of tests; it begins with what nearly all of them import."""
        head = "import pytest\nimport cloud\nfrom cloud import balance, image, images, leak, port, ports\n"
        self.write(name, head + textwrap.dedent(text))

    def arguments(self, *arguments: str, plugins: tuple[str, ...] = ()) -> list[str]:
        """What to give to pytest: the plugin where it is not installed, and others' plugins only where they take part."""
        load = [] if ENTRY_POINT else ["-p", "lifeguard_pytest"]
        unused = [
            one for one in ("randomly", "asyncio", "anyio", "trio", "xdist", "hypothesispytest") if one not in plugins
        ]
        off = [word for one in unused for word in ("-p", f"no:{one}")]
        return [*load, *off, "-p", "no:xdist.looponfail", *arguments]

    def run(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """Run in this process, switched on; `plugins` are those of others that take part."""
        return self.pytester.runpytest_inprocess(*self.arguments("--lifeguard", *arguments, plugins=plugins))

    def run_as_it_is(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """The same without switching it on."""
        return self.pytester.runpytest_inprocess(*self.arguments(*arguments, plugins=plugins))

    def run_apart(self, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        """Run in a process of its own, without switching it on."""
        return self.pytester.runpytest_subprocess(*self.arguments(*arguments, plugins=plugins))


def closing_line(result: pytest.RunResult) -> str:
    """What lifeguard says at the end."""
    (line,) = [line for line in result.outlines if line.startswith("lifeguard: ")]
    return line.removeprefix("lifeguard: ")


def short_summary(result: pytest.RunResult) -> list[str]:
    """The lines of pytest's short summary, without their messages' being cut."""
    start = next((number for number, line in enumerate(result.outlines) if "short test summary info" in line), None)
    return [] if start is None else [line for line in result.outlines[start + 1 :] if not line.startswith("=")]


def counted(result: pytest.RunResult) -> dict[str, int]:
    """How many tests passed, failed, …"""
    return {name: number for name, number in result.parseoutcomes().items() if name != "warnings"}


def complaint(result: pytest.RunResult) -> str:
    """The one line that pytest says of an error in its use; asserts exit code 4."""
    assert pytest.ExitCode.USAGE_ERROR == result.ret, (result.outlines, result.errlines)
    lines = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert 1 == len(lines), result.errlines
    return lines[0].removeprefix("ERROR: ")
