"""`lifeguard init`: what it writes, what it leaves alone, and that the second time nothing is left to do."""

from __future__ import annotations

import ast
import configparser
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_lines import write

from lifeguard.cli.app import cli
from lifeguard.cli.exits import Failure
from lifeguard.cli.starting import WORKFLOW, plan, workflow

EXAMPLES = Path(__file__).parents[2] / "examples"


def init(folder: Path, *options: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["init", str(folder), *options], standalone_mode=False)


def said(result: Result) -> dict[str, str]:
    """What was done to each file."""
    words = ("written", "extended", "left", "to add", "would write", "would extend")
    lines = [line for line in result.output.splitlines() if line.startswith(words)]
    return {line[13:].partition(":")[0]: line[:13].strip() for line in lines}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a project."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_project_with_nothing(tmp_path: Path) -> None:
    """A section for pytest, a session, a workflow; a dry run says the same and does nothing."""
    write(tmp_path, "pyproject.toml", '[project]\nname = "shop" # our shop\n')
    before = contents(tmp_path)
    dry = init(tmp_path, "--dry-run")
    assert {"pyproject.toml": "would extend", "noxfile.py": "would write", WORKFLOW: "would write"} == said(dry)
    assert before == contents(tmp_path)
    done = init(tmp_path)
    assert {"pyproject.toml": "extended", "noxfile.py": "written", WORKFLOW: "written"} == said(done)
    project = (tmp_path / "pyproject.toml").read_text()
    assert '[project]\nname = "shop" # our shop\n\n[tool.pytest.ini_options]\nlifeguard = true\n' == project
    assert NOXFILE == (tmp_path / "noxfile.py").read_text()
    assert workflow() == (tmp_path / WORKFLOW).read_text()


NOXFILE = '''\
"""What this project can be asked to do."""

import nox


@nox.session
def lifecycle(session: nox.Session) -> None:
    """Everything that the tests acquire is released, handed over or rolled back."""
    from pathlib import Path

    session.install("lifeguard-contracts[cli,pytest]", ".")
    # pytest and all its workers write to the end of one file: what was written last time goes.
    Path("lifeguard.jsonl").unlink(missing_ok=True)
    try:
        session.run("pytest", "--lifeguard", "--lifeguard-journal=lifeguard.jsonl", *session.posargs)
    finally:
        session.run("lifeguard", "report", "lifeguard.jsonl", "-o", "lifeguard.html", "-o", "lifeguard.sarif")
'''

PROJECTS = {
    "nothing but tests": {"tests/test_a.py": ""},
    "pyproject": {"pyproject.toml": '[project]\nname = "a"'},
    "pyproject with a section": {"pyproject.toml": '[tool.pytest.ini_options] # ours\naddopts = "-q"\n\n[tool.other]\n'},
    "pyproject with Windows' lines": {"pyproject.toml": '[project]\r\n[tool.pytest.ini_options]\r\naddopts = ""\r\n'},
    "pyproject of pytest 9": {"pyproject.toml": '[tool.pytest]\naddopts = ["-q"]\n'},
    "pyproject with dots": {"pyproject.toml": '[tool]\npytest.ini_options.addopts = "-q"\n'},
    "pyproject inline": {"pyproject.toml": 'tool = {pytest = {ini_options = {addopts = "-q"}}}\n'},
    "pyproject closed": {"pyproject.toml": "tool = {other = 1}\n"},
    "pyproject broken": {"pyproject.toml": "[tool\n"},
    "pyproject with the section in a text": {
        "pyproject.toml": 'x = """\n[tool.pytest.ini_options]\n"""\n[tool.pytest.ini_options]\n'
    },
    "pytest.ini": {"pytest.ini": "[pytest]\naddopts = -q\n", "pyproject.toml": "[tool.pytest.ini_options]\n"},
    "pytest.ini, empty": {"pytest.ini": ""},
    "tox.ini": {"tox.ini": "[tox]\nenvlist = py\n\n[pytest]\naddopts =\n    -q\n    -x\n# the end\n"},
    "setup.cfg": {"setup.cfg": "[metadata]\nname = %(x)s\n[tool:pytest]\naddopts = -q\n"},
    "setup.cfg without": {"setup.cfg": "[metadata]\nname = a\n", "setup.py": ""},
    "tox.ini broken": {"tox.ini": "[pytest\n"},
    "noxfile": {"noxfile.py": "import nox\n\n@nox.session\ndef tests(session): # ours\n    pass"},
    "noxfile under another name": {"noxfile.py": "import nox as n\n"},
    "noxfile broken": {"noxfile.py": "import nox\ndef ("},
    "noxfile with the session": {"noxfile.py": "import nox\n@nox.session(name='lifecycle')\ndef check(session): ...\n"},
    "workflows": {".github/workflows/ci.yml": "on: push\n", "setup.py": ""},
    "a workflow that has it": {".github/workflows/ci.yml": "run: nox -s lifecycle\n", "setup.py": ""},
    "GitLab": {".gitlab-ci.yml": "", "setup.py": ""},
    "set up": {"pyproject.toml": "[tool.pytest.ini_options]\nlifeguard = false\n"},
}  # fmt: skip


def settings(folder: Path) -> dict[str, object]:
    """What every configuration of a project says, read by the libraries that read it."""
    told: dict[str, object] = {}
    for path in folder.iterdir():
        try:
            if path.suffix == ".toml":
                told[path.name] = tomllib.loads(path.read_bytes().decode())
            elif path.suffix in (".ini", ".cfg"):
                parser = configparser.ConfigParser(interpolation=None)
                parser.read_string(path.read_text())
                told[path.name] = {name: dict(parser[name]) for name in parser.sections()}
            elif path.suffix == ".py":
                told[path.name] = [ast.dump(one) for one in ast.parse(path.read_text()).body]
        except (ValueError, SyntaxError, configparser.Error):
            told[path.name] = path.read_bytes()
    return told


@pytest.mark.parametrize("name", PROJECTS)
def test_what_is_there_stays(name: str, tmp_path: Path) -> None:
    """Every byte of it, in its order; the second time nothing is changed."""
    for path, text in PROJECTS[name].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    before, meant = contents(tmp_path), settings(tmp_path)
    first = init(tmp_path)
    assert 0 == first.return_value, first.output
    after = contents(tmp_path)
    for path, data in before.items():
        left = iter(after[path].splitlines())
        assert all(line in left for line in data.splitlines()), path
        assert (b"\r\n" in data) == (b"\r\n" in after[path]), path
    for path, told in settings(tmp_path).items():
        was = meant.get(path)
        if isinstance(was, list) and isinstance(told, list):
            assert was == told[: len(was)]
        elif isinstance(was, dict):
            assert was == without_ours(told)
    second = init(tmp_path)
    assert after == contents(tmp_path)
    assert {"left", "to add"} >= set(said(second).values())


def without_ours(told: object) -> object:
    """A configuration without what was added."""
    if not isinstance(told, dict):
        return told
    kept = {name: without_ours(value) for name, value in told.items() if name != "lifeguard" or value is False}
    return {name: value for name, value in kept.items() if value != {} or not told[name]}


EXPECTED = {
    "nothing but tests": ("pytest.ini", "written", "written", "written"),
    "pyproject": ("pyproject.toml", "extended", "written", "written"),
    "pyproject with a section": ("pyproject.toml", "extended", "written", "written"),
    "pyproject with Windows' lines": ("pyproject.toml", "extended", "written", "written"),
    "pyproject of pytest 9": ("pyproject.toml", "extended", "written", "written"),
    "pyproject with dots": ("pyproject.toml", "to add", "written", "written"),
    "pyproject inline": ("pyproject.toml", "to add", "written", "written"),
    "pyproject closed": ("pyproject.toml", "to add", "written", "written"),
    "pyproject broken": ("pyproject.toml", "to add", "written", "written"),
    "pyproject with the section in a text": ("pyproject.toml", "to add", "written", "written"),
    "pytest.ini": ("pytest.ini", "extended", "written", "written"),
    "pytest.ini, empty": ("pytest.ini", "extended", "written", "written"),
    "tox.ini": ("tox.ini", "extended", "written", "written"),
    "setup.cfg": ("setup.cfg", "extended", "written", "written"),
    "setup.cfg without": ("pytest.ini", "written", "written", "written"),
    "tox.ini broken": ("tox.ini", "to add", "written", "written"),
    "noxfile": ("pytest.ini", "written", "extended", "written"),
    "noxfile under another name": ("pytest.ini", "written", "to add", "written"),
    "noxfile broken": ("pytest.ini", "written", "to add", "written"),
    "noxfile with the session": ("pytest.ini", "written", "left", "written"),
    "workflows": ("pytest.ini", "written", "written", "written"),
    "a workflow that has it": ("pytest.ini", "written", "written", "left"),
    "GitLab": ("pytest.ini", "written", "written", "left"),
    "set up": ("pyproject.toml", "left", "written", "written"),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_what_is_done(name: str, tmp_path: Path) -> None:
    """What can be extended safely is; the rest is left, or said."""
    for path, text in PROJECTS[name].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    config, *done = EXPECTED[name]
    assert dict(zip((config, "noxfile.py", WORKFLOW), done, strict=True)) == said(init(tmp_path))


def test_what_to_add_is_shown(tmp_path: Path) -> None:
    """Where a file is left alone, its lines are printed, to be put in by hand."""
    write(tmp_path, "pyproject.toml", 'tool = {pytest = {ini_options = {addopts = "-q"}}}\n')
    lines = init(tmp_path).output.splitlines()
    assert "to add       pyproject.toml: its [tool.pytest.ini_options] cannot be extended safely" in lines
    assert ["", "    [tool.pytest.ini_options]", "    lifeguard = true", ""] == lines[1:5]


def test_what_the_session_installs(tmp_path: Path) -> None:
    """The project, and what its tests are said to need."""
    write(tmp_path, "pyproject.toml", '[project]\nname = "a"\n[dependency-groups]\ntests = ["pytest"]\n')
    assert (
        "    session.install(\n"
        '        "lifeguard-contracts[cli,pytest]",\n'
        '        ".",\n'
        '        *nox.project.dependency_groups(nox.project.load_toml(), "tests"),\n'
        "    )\n"
    ) in plan(tmp_path)[1].text
    write(tmp_path, "pyproject.toml", '[project]\nname = "a"\n[project.optional-dependencies]\ntest = ["pytest"]\n')
    assert 'session.install("lifeguard-contracts[cli,pytest]", ".[test]")' in plan(tmp_path)[1].text
    write(tmp_path, "pyproject.toml", "[tool.other]\n")
    assert 'session.install("lifeguard-contracts[cli,pytest]")' in plan(tmp_path)[1].text


def test_no_project(tmp_path: Path) -> None:
    """A folder that is none is left alone."""
    result = init(tmp_path)
    assert isinstance(result.exception, Failure)
    assert f"{tmp_path} does not look like a project: it has none of pyproject.toml, " in str(result.exception)
    assert {} == contents(tmp_path)


def test_a_part_of_a_repository(tmp_path: Path) -> None:
    """GitHub looks for workflows at the root of the repository alone."""
    (tmp_path / ".git").mkdir()
    write(tmp_path, "parts/one/setup.py", "")
    result = init(tmp_path / "parts" / "one")
    assert {"pytest.ini": "written", "noxfile.py": "written", WORKFLOW: "left"} == said(result)
    assert (
        f"workflows stand at the root of the repository, {tmp_path.resolve()}: `lifeguard init` there" in result.output
    )


def test_the_diff(tmp_path: Path) -> None:
    """The lines can be read before they are written."""
    write(tmp_path, "pyproject.toml", '[project]\nname = "a"\n')
    lines = init(tmp_path, "--dry-run", "--diff").output.splitlines()
    assert ["    +[tool.pytest.ini_options]", "    +lifeguard = true"] == lines[5:7]


def test_the_sample_project_is_set_up() -> None:
    """The example in this repository is what the command would make of it, but for the workflow, which stands beside."""
    assert ["leave", "leave"] == [step.done for step in plan(EXAMPLES / "sample_project")][:2]
