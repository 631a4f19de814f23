"""The command as a whole: its table, its help, its errors, its exit codes, completion, and what it is without click."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_lines import CLOUD, command, environment, python, write

from lifeguard.cli import exits
from lifeguard.cli.app import COMMANDS, cli

CONTEXT = click.Context(cli)


def load(name: str) -> click.Command:
    """A command of the table."""
    found = cli.get_command(CONTEXT, name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    """The help of the group imports no command, and says of each what it is; each has an example of itself."""
    found = load(name)
    assert name == found.name
    assert found.help is not None
    told = inspect.cleandoc(found.help)
    assert "\b\nExample:\n" in told
    assert f"lifeguard {name}" in told.partition("Example:")[2]
    summary, wanted = COMMANDS[name].help.rstrip("."), found.get_short_help_str(500)
    assert summary.split()[0] == wanted.split()[0], (summary, wanted)


def test_the_help_imports_no_command(tmp_path: Path) -> None:
    """`lifeguard --help` is quick, and so is each command: none imports another."""
    program = (
        "import sys; from lifeguard.cli import main; main(sys.argv[1:]); "
        "print(sorted(m for m in sys.modules if m.startswith('lifeguard.cli.')), file=sys.stderr)"
    )
    ran = python("-c", program, "--help", cwd=tmp_path)
    loaded = {"lifeguard.cli.app", "lifeguard.cli.exits", "lifeguard.cli.output"}
    assert str(sorted(loaded)) == ran.stderr.strip()
    assert "lifeguard.cli.explain" not in python("-c", program, "report", "--help", cwd=tmp_path).stderr


def test_import_lifeguard_does_not_import_the_command_line(tmp_path: Path) -> None:
    """A program that uses lifeguard never pays for its commands."""
    program = "import lifeguard, sys; print([m for m in sys.modules if m.startswith(('lifeguard.cli', 'click'))])"
    assert "[]\n" == python("-c", program, cwd=tmp_path).stdout


def test_the_help(tmp_path: Path) -> None:
    """Every command below its heading, the exit codes, and what may be relied on; without arguments, too."""
    ran = command("--help", cwd=tmp_path)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ran.stdout == command(cwd=tmp_path).stdout == command("-h", cwd=tmp_path).stdout
    for heading in ("Watch:", "Look at what was watched:", "Rules:", "Set up:", "Exit codes:"):
        assert heading in ran.stdout.splitlines()
    for code, meaning in exits.MEANINGS.items():
        assert f"  {code}  {meaning[:40]}" in ran.stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", ran.stdout, re.MULTILINE)
    assert "NO_COLOR" in ran.stdout


def test_the_version(tmp_path: Path) -> None:
    """That of the package."""
    from lifeguard import __version__

    assert f"lifeguard {__version__}\n" == command("--version", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("expln",), "there is no command 'expln'; did you mean explain? (see `lifeguard --help`)"),
        (("xyz",), "there is no command 'xyz'; there are " + ", ".join(COMMANDS) + " (see `lifeguard --help`)"),
        (("--bad",), "no such option '--bad' (see `lifeguard --help`)"),
        (("rules", "--bad"), "no such option '--bad' (see `lifeguard rules --help`)"),
        (("rules", "more"), "got unexpected extra argument (more) (see `lifeguard rules --help`)"),
        (("explain",), "missing argument 'RULE' (see `lifeguard explain --help`)"),
        (("completion", "tcsh"), ("invalid value for '{bash|zsh|fish}': 'tcsh' is not one of 'bash', 'zsh', 'fish' "
         "(see `lifeguard completion --help`)")),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen(words: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    """One line on the standard error, exit code 2."""
    ran = command(*words, cwd=tmp_path)
    told = ran.stderr.replace("no such option: --bad", "no such option '--bad'")  # as older versions of click put it
    assert (2, "", f"lifeguard: {complaint}\n") == (ran.returncode, ran.stdout, told)


def test_a_mistake_of_ours_is_one_line_too(tmp_path: Path) -> None:
    """And says how to see more of it."""
    program = (
        "import sys; from lifeguard.cli import main; import lifeguard.cli.explain as e; "
        "e.table = lambda *told, **more: 1/0; sys.exit(main(['rules']))"
    )
    ran = python("-c", program, cwd=tmp_path)
    told = (
        "a mistake of ours, please report it: ZeroDivisionError: division by zero (LIFEGUARD_TRACEBACK=1 shows where)"
    )
    assert (1, "", f"lifeguard: {told}\n") == (ran.returncode, ran.stdout, ran.stderr)
    assert "Traceback" in python("-c", program, cwd=tmp_path, LIFEGUARD_TRACEBACK="1").stderr


def test_without_click(tmp_path: Path) -> None:
    """One line that names the extra."""
    program = "import sys; sys.modules['click'] = None; from lifeguard.cli import main; sys.exit(main(['rules']))"
    ran = python("-c", program, cwd=tmp_path)
    told = "lifeguard: the command line needs click, which is not installed: pip install 'lifeguard-contracts[cli]'\n"
    assert (2, "", told) == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
@pytest.mark.parametrize("words", [("rules",), ("explain", "103"), ("report", "much.jsonl", "--format", "html")])
def test_a_reader_that_goes_away(words: tuple[str, ...], tmp_path: Path) -> None:
    """`lifeguard … | head -1` is quiet, and the exit code is that of a closed pipe."""
    write(tmp_path, "cloud.py", CLOUD)
    write(tmp_path, "much.py", "from cloud import images\nfor n in range(2000): images.create(str(n))")
    if words[0] == "report":
        command("run", "-q", "--journal", "much.jsonl", "much.py", cwd=tmp_path)
    gone, pipe = os.pipe()
    os.close(gone)
    ran = subprocess.run(
        [sys.executable, "-m", "lifeguard", *words],
        cwd=tmp_path,
        env=environment(),
        stdout=pipe,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(pipe)
    assert (exits.READER_GONE, "") == (ran.returncode, ran.stderr)


def test_colour(tmp_path: Path) -> None:
    """None where the output is no terminal or NO_COLOR is set; FORCE_COLOR asks for it."""
    plain = command("rules", cwd=tmp_path).stdout
    assert "\x1b" not in plain
    assert "\x1b[1m" in command("rules", cwd=tmp_path, FORCE_COLOR="1").stdout
    assert plain == command("rules", cwd=tmp_path, FORCE_COLOR="1", NO_COLOR="1").stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("lifeguard ver", {"verify"}),
        ("lifeguard explain lg10", {f"LG10{number}" for number in range(1, 10)}),
        ("lifeguard report --format s", {"sarif"}),
        ("lifeguard run --on-violation ", {"raise", "warn", "log", "record"}),
        ("lifeguard contracts --s", {"--strict"}),
        ("lifeguard completion ", {"bash", "zsh", "fish"}),
        ("lifeguard run app", {"app"}),  # of the kind "file": the shell looks for itself
        ("lifeguard contracts app", {"app"}),
    ],
)
def test_what_is_completed(typed: str, offered: set[str], tmp_path: Path) -> None:
    """Commands, options, rules, formats."""
    program = "import sys; from lifeguard.cli import main; sys.argv[0] = 'lifeguard'; sys.exit(main([]))"
    words = typed.split(" ")
    ran = python(
        "-c", program, cwd=tmp_path, _LIFEGUARD_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1)
    )  # fmt: skip
    assert (0, "") == (ran.returncode, ran.stderr)
    assert offered == {line.partition(",")[2] for line in ran.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, tmp_path: Path) -> None:
    """It names the command, and the shell itself can read it where it is installed."""
    ran = command("completion", shell, cwd=tmp_path)
    assert 0 == ran.returncode
    assert f"_LIFEGUARD_COMPLETE={shell}_complete" in ran.stdout
    found = shutil.which(shell)
    if found is not None:
        script = write(tmp_path, "script", ran.stdout)
        checked = subprocess.run([found, "-n", script], capture_output=True, text=True)
        assert (0, "") == (checked.returncode, checked.stderr)


def test_completion_in_a_real_bash(tmp_path: Path) -> None:
    """The script, sourced, asks the command and fills in the words."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    write(tmp_path, "bin/lifeguard", f'#!/bin/sh\nexec "{sys.executable}" -m lifeguard "$@"\n').chmod(0o755)
    write(tmp_path, "script", command("completion", "bash", cwd=tmp_path).stdout)
    program = (
        "source ./script; COMP_WORDS=(lifeguard explain LG20); COMP_CWORD=2; _lifeguard_completion lifeguard; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [bash, "-c", program], cwd=tmp_path, env=environment(PATH=path), capture_output=True, text=True
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    assert [f"LG20{number}" for number in range(1, 8)] == ran.stdout.split()
