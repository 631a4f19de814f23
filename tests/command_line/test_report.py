"""`lifeguard report` and `lifeguard verify`: journals and reports from anywhere, in every format, judged again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_lines import CLOUD, command, write

from lifeguard.reporting.formats import FORMATS


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the journals of a program that leaks and of one that does not."""
    folder = tmp_path_factory.mktemp("journals")
    write(folder, "cloud.py", CLOUD)
    write(folder, "leaks.py", "from cloud import images\nimages.create('left')\n")
    write(folder, "fine.py", "from cloud import images\nimages.create('a'); images.delete('a')\n")
    for name in ("leaks", "fine"):
        command("run", "-q", "--journal", f"{name}.jsonl", f"{name}.py", cwd=folder)
    return folder


def test_text_is_the_default(journals: Path) -> None:
    """What was found, for people; and the exit code is no gate."""
    ran = command("report", "leaks.jsonl", cwd=journals)
    assert (0, "") == (ran.returncode, ran.stderr)
    lines = ran.stdout.splitlines()
    assert "1 violation in scope 'leaks.py', which ended normally" in lines
    assert "  acquired  leaks.py:2 in <module> (MainThread)" in lines


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str, journals: Path, tmp_path: Path) -> None:
    """Printed, or written to a file whose suffix asks for it: the same."""
    printed = command("report", "leaks.jsonl", "--format", name, cwd=journals)
    file = tmp_path / f"report{FORMATS[name].suffix}"
    written = command("report", "leaks.jsonl", "-o", file, cwd=journals)
    assert (0, 0, "") == (printed.returncode, written.returncode, written.stdout)
    assert printed.stdout.rstrip("\n") == file.read_text(encoding="utf-8").rstrip("\n")
    assert "left" in printed.stdout


def test_several_files_at_once(journals: Path, tmp_path: Path) -> None:
    """One reading, a report for each file; a format may be said where no suffix says it."""
    ran = command(
        "report", "leaks.jsonl", "fine.jsonl", "-o", tmp_path / "a.json", "-o", tmp_path / "b.md", cwd=journals
    )
    assert 0 == ran.returncode
    told = json.loads((tmp_path / "a.json").read_text())
    assert {"leaks.py": 1, "fine.py": 0} == {
        one["verdict"]["scope"]: len(one["verdict"]["violations"]) for one in told["scopes"]
    }
    assert "LG101" in (tmp_path / "b.md").read_text()
    assert 0 == command("report", "leaks.jsonl", "--format", "json", "-o", tmp_path / "data", cwd=journals).returncode
    assert 1 == len(json.loads((tmp_path / "data").read_text())["scopes"])


def test_a_report_from_a_report(journals: Path, tmp_path: Path) -> None:
    """What was written as JSON is read as a journal is, and put together with one."""
    assert 0 == command("report", "leaks.jsonl", "-o", tmp_path / "leaks.json", cwd=journals).returncode
    ran = command("report", tmp_path / "leaks.json", "fine.jsonl", "--format", "json", "--title", "both", cwd=journals)
    told = json.loads(ran.stdout)
    assert "both" == told["title"]
    assert ["fine.py", "leaks.py"] == [one["verdict"]["scope"] for one in told["scopes"]]
    again = command("report", tmp_path / "leaks.json", "--format", "json", cwd=journals)
    assert json.loads((tmp_path / "leaks.json").read_text()) == json.loads(again.stdout)


def test_the_standard_input(journals: Path) -> None:
    """`-` reads it, and nobody sees the name of a file that the user never wrote."""
    text = (journals / "leaks.jsonl").read_text()
    ran = command("report", "-", "-o", "-", "--format", "junit", cwd=journals, stdin=text)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ran.stdout.startswith("<?xml")
    torn = command("verify", "-", cwd=journals, stdin=text[:-30])
    assert 3 == torn.returncode
    assert "note: standard input, line 9 is torn: its process was killed while it wrote it" in torn.stdout.splitlines()
    wrong = command("verify", "-", cwd=journals, stdin="hello\n")
    assert (1, "lifeguard: standard input is no journal of lifeguard\n") == (wrong.returncode, wrong.stderr)


def test_a_torn_line_is_told(journals: Path, tmp_path: Path) -> None:
    """By every command, and is not fatal: also where the report goes to a file."""
    torn = write(tmp_path, "torn.jsonl", (journals / "leaks.jsonl").read_text()[:-30])
    assert "torn.jsonl, line 9 is torn" in command("report", torn, cwd=journals).stdout
    ran = command("report", torn, "-o", tmp_path / "a.sarif", cwd=journals)
    assert 0 == ran.returncode
    told = f"lifeguard: note: {torn}, line 9 is torn: its process was killed while it wrote it"
    assert told == ran.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("nothing.jsonl",), 2,
         "invalid value for 'JOURNAL…': File 'nothing.jsonl' does not exist (see `lifeguard report --help`)"),
        ((), 2, "missing argument 'JOURNAL…' (see `lifeguard report --help`)"),
        (("cloud.py",), 1, "cloud.py is no journal of lifeguard"),
        (("old.json",), 1, "old.json: not a report of lifeguard of version 1: its version is 0"),
        (("leaks.jsonl", "-o", "a.doc"), 2,
         ("no format is known by the suffix of 'a.doc'; those of reports are .txt, .json, .sarif, "
         ".sarif.json, .xml, .md, .html, .htm; or say it with --format (see `lifeguard report --help`)")),
        (("leaks.jsonl", "-o", "no/a.txt"), 1, "no/.a.txt.part: No such file or directory"),
        (("leaks.jsonl", "--format", "pdf"), 2,
         ("invalid value for '--format': 'pdf' is not one of 'text', 'json', 'sarif', 'junit', "
         "'markdown', 'html' (see `lifeguard report --help`)")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_written(words: tuple[str, ...], code: int, complaint: str, journals: Path) -> None:
    """One line on the standard error, no traceback, nothing printed."""
    write(journals, "old.json", '{"version": 0, "scopes": []}')
    ran = command("report", *words, cwd=journals)
    assert (code, "") == (ran.returncode, ran.stdout)
    (line,) = ran.stderr.splitlines()
    assert f"lifeguard: {complaint}" == line.replace(str(journals.resolve()) + "/", "").replace(_pid(line), "")


def _pid(line: str) -> str:
    """The number of a process in the name of a file that is being written."""
    return next((f".{word}" for word in line.split(".") if word.isdigit()), "\0")


def test_verify_says_whether_it_is_the_verdict_of_the_run(journals: Path) -> None:
    """0 where all is well, 3 with violations; several processes are put together."""
    ran = command("verify", "fine.jsonl", cwd=journals)
    told = "1 scope judged again: balanced; 1 of 1 verdicts are those of the live run\n"
    assert (0, told, "") == (ran.returncode, ran.stdout, ran.stderr)
    ran = command("verify", "fine.jsonl", "leaks.jsonl", cwd=journals)
    assert (3, VERIFIED, "") == (ran.returncode, ran.stdout, ran.stderr)


VERIFIED = """\
scope 'leaks.py'
  LG101 image 'left': still held when the scope ended, from leaks.py:2 in <module>
2 scopes judged again: 1 violation; 2 of 2 verdicts are those of the live run
"""


def test_a_verdict_that_differs(journals: Path, tmp_path: Path) -> None:
    """Exit code 4: somebody has changed what the program said."""
    changed = (journals / "leaks.jsonl").read_text().replace('"LG101"', '"LG102"')
    write(tmp_path, "changed.jsonl", changed)
    ran = command("verify", "changed.jsonl", cwd=tmp_path)
    assert 4 == ran.returncode
    said = "differs: scope 'leaks.py': it said LG102 image 'left'; judged again: LG101 image 'left'"
    assert said in ran.stdout.splitlines()
    assert "0 of 1 verdicts are those of the live run" in ran.stdout.splitlines()[-1]


def test_verify_as_json(journals: Path) -> None:
    """For programs: the same figures, and the exit code."""
    ran = command("verify", "fine.jsonl", "leaks.jsonl", "--format", "json", cwd=journals)
    told = json.loads(ran.stdout)
    assert 3 == ran.returncode == told["exit"]
    assert (2, False, [], []) == tuple(told[name] for name in ("scopes", "balanced", "differing", "notes"))
    assert ["LG101"] == [one["code"] for one in told["violations"]]


def test_nothing_to_judge(journals: Path) -> None:
    """An empty journal must not pass for a clean one; a report cannot be judged."""
    write(journals, "empty.jsonl", "")
    ran = command("verify", "empty.jsonl", cwd=journals)
    assert (1, "lifeguard: there is no scope in empty.jsonl: nothing was judged\n") == (ran.returncode, ran.stderr)
    write(journals, "one.json", command("report", "leaks.jsonl", "--format", "json", cwd=journals).stdout)
    ran = command("verify", "one.json", cwd=journals)
    told = "lifeguard: one.json is a report, which cannot be judged again: give its journal\n"
    assert (2, told) == (ran.returncode, ran.stderr)
