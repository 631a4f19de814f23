"""What `lifeguard init` writes into a project: worked out first, so that it can be shown without being done.

Nothing that is there is overwritten. A file is extended only where it can be shown that everything else in it still means
what it meant; else the lines are given to the user.
"""

from __future__ import annotations

import ast
import configparser
import copy
import importlib.resources
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

WORKFLOW: Final = ".github/workflows/lifeguard.yml"
SESSION: Final = "lifecycle"
REQUIREMENT: Final = "lifeguard-contracts[cli,pytest]"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is to be set up.

    Attributes:
        done: "write" a new file, "extend" one that is there, "leave" it as it is, or leave it to the user to "add" lines.
        path: the file, relative to the project.
        why: what the lines are for, or why nothing is done.
        text: the whole file as it is to be; of "add", the lines.
    """

    done: Literal["write", "extend", "leave", "add"]
    path: str
    why: str
    text: str = ""


class NoProject(Exception):
    """The folder does not look like that of a project."""


_SIGNS: Final = (
    *("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", "noxfile.py", ".git", ".hg", "tests", "test"),
)


def plan(folder: Path) -> list[Step]:
    """What there is to do.

    Args:
        folder: the project's.

    Raises:
        NoProject: nothing in it is a sign of a project.
        OSError: a file cannot be read.
    """
    if not any((folder / sign).exists() for sign in _SIGNS):
        raise NoProject(f"{folder.resolve()} does not look like a project: it has none of {', '.join(_SIGNS)}")
    return [_pytest(folder), _nox(folder), _workflow(folder)]


def carry_out(folder: Path, step: Step) -> None:
    """Write what a step says.

    Raises:
        OSError: it cannot be written.
    """
    if step.done in ("write", "extend"):
        path = folder / step.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(step.text.encode("utf-8"))


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


# -- pytest -------------------------------------------------------------------------------------------------------------

_WHY_PYTEST: Final = "every test runs in a scope"
_LINE: Final = "lifeguard = true"


@dataclass(frozen=True, slots=True)
class _Home:
    """A file in which pytest looks for its configuration, and the sections that it takes there."""

    name: str
    sections: tuple[str, ...]
    toml: bool
    alone: bool = False  # the file is pytest's own: it counts even where it is empty


_HOMES: Final = (
    _Home("pytest.toml", ("pytest",), True, alone=True),
    _Home(".pytest.toml", ("pytest",), True, alone=True),
    _Home("pytest.ini", ("pytest",), False, alone=True),
    _Home(".pytest.ini", ("pytest",), False, alone=True),
    _Home("pyproject.toml", ("tool.pytest", "tool.pytest.ini_options"), True),
    _Home("tox.ini", ("pytest",), False),
    _Home("setup.cfg", ("tool:pytest",), False),
)
"""In the order in which pytest looks."""


def _pytest(folder: Path) -> Step:
    for home in _HOMES:
        path = folder / home.name
        if not path.is_file():
            continue
        try:
            text = _read(path)
            read = _toml_section if home.toml else _ini_section
            section, settings = read(text, home.sections)
        except (ValueError, configparser.Error) as error:
            return Step("add", home.name, f"it cannot be read: {str(error).splitlines()[0]}", _ini_lines(home))
        if settings is None and not home.alone:
            continue
        if settings is not None and "lifeguard" in settings:
            return Step("leave", home.name, f"its [{section}] sets lifeguard already")
        extended = _with_line(text, section, toml=home.toml) if settings is not None else _with_section(text, section)
        if extended is None or not _only_adds(text, extended, section, toml=home.toml):
            return Step("add", home.name, f"its [{section}] cannot be extended safely", _ini_lines(home))
        return Step("extend", home.name, f"[{section}] {_LINE}: {_WHY_PYTEST}", extended)
    return _new_pytest(folder)


def _new_pytest(folder: Path) -> Step:
    path = folder / "pyproject.toml"
    if not path.is_file():
        return Step("write", "pytest.ini", _WHY_PYTEST, f"[pytest]\n{_LINE}\n")
    text, section = _read(path), "tool.pytest.ini_options"
    extended = _with_section(text, section)
    if not _only_adds(text, extended, section, toml=True):
        return Step("add", path.name, "it cannot be extended safely", f"[{section}]\n{_LINE}\n")
    return Step("extend", path.name, f"[{section}] {_LINE}: {_WHY_PYTEST}", extended)


def _ini_lines(home: _Home) -> str:
    return f"[{home.sections[-1]}]\n{_LINE}\n"


def _toml_section(text: str, sections: tuple[str, ...]) -> tuple[str, Mapping[str, Any] | None]:
    """The section that pytest takes, and what it sets; None where there is none."""
    data = tomllib.loads(text)
    for section in reversed(sections):
        found = _inside(data, section)
        if isinstance(found, dict):
            return section, found
    return sections[0], None


def _inside(data: Mapping[str, Any], section: str) -> Any:
    found: Any = data
    for name in section.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def _ini_section(text: str, sections: tuple[str, ...]) -> tuple[str, Mapping[str, Any] | None]:
    parser = _ini(text)
    (section,) = sections
    return section, dict(parser[section]) if parser.has_section(section) else None


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _with_section(text: str, section: str) -> str:
    """The section behind everything else."""
    end = _newline(text)
    before = text if not text or text.endswith("\n") else text + end
    return f"{before}{end if text.strip() else ''}[{section}]{end}{_LINE}{end}"


def _with_line(text: str, section: str, *, toml: bool) -> str | None:
    """The line behind the header of the section; None where that does not stand by itself."""
    names = r"\s*\.\s*".join(map(re.escape, section.split(".") if toml else [section]))
    header = re.search(rf"^[ \t]*\[\s*{names}\s*\][ \t]*(#.*)?\r?$", text, re.MULTILINE)
    if header is None:
        return None
    end = _newline(text)
    at = text.find("\n", header.start())
    head, tail = (text[: at + 1], text[at + 1 :]) if at >= 0 else (text + end, "")
    return f"{head}{_LINE}{end}{tail}"


def _only_adds(before: str, after: str, section: str, *, toml: bool) -> bool:
    """Whether a file means what it meant, and the one line more."""
    try:
        if toml:
            wanted = copy.deepcopy(tomllib.loads(before))
            place = wanted
            for name in section.split("."):
                place = place.setdefault(name, {})
            place["lifeguard"] = True
            return tomllib.loads(after) == wanted
        ini, more = _ini(before), _ini(after)
    except (ValueError, configparser.Error, AttributeError, TypeError):
        return False
    expected = {name: dict(ini[name]) for name in ini.sections()}
    expected.setdefault(section, {})["lifeguard"] = "true"
    return expected == {name: dict(more[name]) for name in more.sections()}


# -- nox ----------------------------------------------------------------------------------------------------------------


def _nox(folder: Path) -> Step:
    path = folder / "noxfile.py"
    function = _session(folder)
    why = f"`nox -s {SESSION}` runs the tests under lifeguard and writes the reports"
    if not path.is_file():
        return Step(
            "write", path.name, why, f'"""What this project can be asked to do."""\n\nimport nox\n\n\n{function}'
        )
    text = _read(path)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return Step("add", path.name, f"it cannot be read: {error}", function)
    if any(isinstance(one, ast.Constant) and one.value == SESSION for one in ast.walk(tree)) or any(
        isinstance(one, ast.FunctionDef) and one.name == SESSION for one in tree.body
    ):
        return Step("leave", path.name, f"it has a session {SESSION} already")
    imported = any(
        alias.name == "nox" and alias.asname is None
        for one in tree.body
        if isinstance(one, ast.Import)
        for alias in one.names
    )
    if not imported:
        return Step("add", path.name, "it does not `import nox` by that name", function)
    end = _newline(text)
    before = text if text.endswith("\n") else text + end
    return Step("extend", path.name, why, before + f"\n\n{function}".replace("\n", end))


def _session(folder: Path) -> str:
    what = _installed(folder)
    install = f"session.install({', '.join(what)})"
    if len(install) > _WIDTH:
        install = "session.install(\n        " + ",\n        ".join(what) + ",\n    )"
    return f'''@nox.session
def {SESSION}(session: nox.Session) -> None:
    """Everything that the tests acquire is released, handed over or rolled back."""
    from pathlib import Path

    {install}
    # pytest and all its workers write to the end of one file: what was written last time goes.
    Path("lifeguard.jsonl").unlink(missing_ok=True)
    try:
        session.run("pytest", "--lifeguard", "--lifeguard-journal=lifeguard.jsonl", *session.posargs)
    finally:
        session.run("lifeguard", "report", "lifeguard.jsonl", "-o", "lifeguard.html", "-o", "lifeguard.sarif")
'''


_WIDTH: Final = 84


def _installed(folder: Path) -> list[str]:
    """What the session installs: lifeguard, the project where it can be, and what its tests are said to need."""
    found = [f'"{REQUIREMENT}"']
    path = folder / "pyproject.toml"
    try:
        data = tomllib.loads(_read(path)) if path.is_file() else {}
    except ValueError:
        data = {}
    extras = _inside(data, "project.optional-dependencies") or {}
    extra = next((name for name in ("test", "tests", "testing") if name in extras), "")
    if "project" in data or "build-system" in data or (folder / "setup.py").is_file():
        found.append(f'".[{extra}]"' if extra else '"."')
    groups = data.get("dependency-groups") or {}
    group = next((name for name in ("test", "tests", "testing", "dev") if name in groups), "")
    if group and not extra:
        found.append(f'*nox.project.dependency_groups(nox.project.load_toml(), "{group}")')
    return found


# -- CI -----------------------------------------------------------------------------------------------------------------

_OTHERS: Final = {
    ".gitlab-ci.yml": "GitLab",
    "azure-pipelines.yml": "Azure Pipelines",
    "Jenkinsfile": "Jenkins",
    ".circleci": "CircleCI",
    ".travis.yml": "Travis CI",
    "bitbucket-pipelines.yml": "Bitbucket",
}


def workflow() -> str:
    """The workflow for GitHub Actions."""
    files: Callable[..., Any] = importlib.resources.files
    text: str = files("lifeguard.cli").joinpath("templates", "lifeguard.yml").read_text(encoding="utf-8")
    return text


def _repository(folder: Path) -> Path | None:
    """The root of the repository that a folder is only a part of; None where it is the root itself, or in none."""
    here = folder.resolve()
    if (here / ".git").exists():
        return None
    return next((parent for parent in here.parents if (parent / ".git").exists()), None)


def _workflow(folder: Path) -> Step:
    if (folder / WORKFLOW).exists():
        return Step("leave", WORKFLOW, "it is there already")
    root = _repository(folder)
    if root is not None:
        return Step("leave", WORKFLOW, f"workflows stand at the root of the repository, {root}: `lifeguard init` there")
    for path in sorted((folder / ".github" / "workflows").glob("*.y*ml")):
        text = path.read_bytes()
        if b"lifeguard" in text or f"nox -s {SESSION}".encode() in text:
            return Step("leave", WORKFLOW, f"{path.relative_to(folder)} speaks of lifeguard already")
    other = next((called for sign, called in _OTHERS.items() if (folder / sign).exists()), "")
    if other and not (folder / ".github").is_dir():
        return Step("leave", WORKFLOW, f"the CI of this project is {other}: let it run `nox -s {SESSION}`")
    return Step("write", WORKFLOW, "the session on each Python, one report of all, code scanning", workflow())
