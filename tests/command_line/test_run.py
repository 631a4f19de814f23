"""`lifeguard run`: what is watched, when it is judged, what is told where, and the exit code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from command_lines import CLOUD, command, python, write

from lifeguard.reporting.formats import FORMATS

LEAKS = """
from cloud import images

def nightly():
    images.create("left")

nightly()
print("done")
"""

REPORT = """\
1 violation in scope 'app.py', which ended normally

LG101 leaked (CWE-772)
  image 'left': still held when the scope ended
  owed      release image 'left' (Images.delete)
  done      nothing
  here      the scope ended normally
  acquired  app.py:4 in nightly (MainThread)
  history   1 acquired by Images.create at app.py:4 in nightly [MainThread]
  fix       Call a function that `@releases` this kind, or one that `@transfers` it, on every path that ends the scope.
  or allow  scope.allow(image, 'left', rule='LG101', why=…)

watched image: 1 acquired
contracts that saw no call: Images.delete
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a service, a program that leaks and one that does not."""
    write(tmp_path, "cloud.py", CLOUD)
    write(tmp_path, "app.py", LEAKS)
    write(tmp_path, "fine.py", "from cloud import images\nimages.create('a'); images.delete('a')\n")
    return tmp_path


def test_a_leak(folder: Path) -> None:
    """The report goes to the standard error, what the program prints stays alone, and the exit code is 3."""
    ran = command("run", "app.py", cwd=folder)
    assert (3, "done\n", REPORT) == (ran.returncode, ran.stdout, ran.stderr)


def test_nothing_found(folder: Path) -> None:
    """One line says what that rests on; `--quiet` not even that."""
    ran = command("run", "fine.py", cwd=folder)
    assert (0, "", "lifeguard: fine.py balanced: 1 acquired, 1 released (image)\n") == (
        ran.returncode,
        ran.stdout,
        ran.stderr,
    )
    ran = command("run", "--quiet", "fine.py", cwd=folder)
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)


def test_nothing_watched(folder: Path) -> None:
    """No one mistakes blindness for cleanliness."""
    write(folder, "blind.py", "print('done')")
    ran = command("run", "blind.py", cwd=folder)
    told = "lifeguard: blind.py was watched, and made no call that has a contract (see --contracts)\n"
    assert (0, told) == (ran.returncode, ran.stderr)
    ran = command("run", "app.py", cwd=folder, LIFEGUARD="off")
    assert (0, "lifeguard: app.py was not watched: LIFEGUARD=off\n") == (ran.returncode, ran.stderr)


def test_scopes_of_the_program_itself(folder: Path) -> None:
    """What they saw is theirs, and the line says so."""
    inside = "with scope('own'):\n    images.create('a'); images.delete('a')\n"
    own = f"from lifeguard import scope\nfrom cloud import images\n{inside}"
    write(folder, "own.py", own)
    ran = command("run", "own.py", cwd=folder)
    assert (0, "lifeguard: own.py balanced: 1 acquire went to scopes of its own\n") == (ran.returncode, ran.stderr)
    write(folder, "both.py", own + "images.create('b'); images.delete('b')\n")
    ran = command("run", "both.py", cwd=folder)
    told = "lifeguard: both.py balanced: 1 acquired, 1 released (image); 1 acquire went to scopes of its own\n"
    assert (0, told) == (ran.returncode, ran.stderr)


def test_the_programs_own_exit_code(folder: Path) -> None:
    """A program that failed by itself keeps its exit code, and the report is still told."""
    write(folder, "fails.py", "import sys\nfrom cloud import images\nimages.create('left')\nsys.exit(5)\n")
    ran = command("run", "fails.py", cwd=folder)
    assert 5 == ran.returncode
    assert "1 violation in scope 'fails.py', which was left by SystemExit: 5" == ran.stderr.splitlines()[0]
    assert "LG102 leaked on error (CWE-460)" in ran.stderr.splitlines()


def test_sys_exit_0_is_no_error(folder: Path) -> None:
    """`sys.exit(0)` ends a program normally."""
    write(folder, "ends.py", "import sys\nfrom cloud import images\nimages.create('left')\nsys.exit(0)\n")
    ran = command("run", "ends.py", cwd=folder)
    assert 3 == ran.returncode
    assert "LG101 leaked (CWE-772)" in ran.stderr.splitlines()


def test_judged_after_the_threads_and_before_atexit(folder: Path) -> None:
    """What a thread releases late is no leak; what only `atexit` would release is one."""
    write(
        folder,
        "late.py",
        """
        import atexit, sys, threading
        from cloud import images

        def work():
            threading.main_thread().join()  # until Python waits for this thread
            images.delete("thread")

        images.create("thread")
        images.create("atexit")
        threading.Thread(target=work).start()
        atexit.register(lambda: (images.delete("atexit"), print("at exit", file=sys.stderr)))
        """,
    )
    ran = command("run", "late.py", cwd=folder)
    assert 3 == ran.returncode
    assert "  image 'atexit': still held when the scope ended" in ran.stderr.splitlines()
    assert 1 == ran.stderr.count("LG101 leaked")
    assert "at exit" == ran.stderr.splitlines()[-1]


def test_threads_tasks_and_pools_are_watched(folder: Path) -> None:
    """The scope is that of the whole process."""
    write(
        folder,
        "busy.py",
        """
        import asyncio, threading
        from concurrent.futures import ThreadPoolExecutor
        from cloud import images

        async def main():
            await asyncio.gather(asyncio.to_thread(images.create, "to_thread"), task())
        async def task():
            images.create("task")
        threading.Thread(target=images.create, args=("thread",)).start()
        ThreadPoolExecutor().submit(images.create, "pool")
        asyncio.run(main())
        """,
    )
    assert 3 == command("run", "--report", "busy.json", "busy.py", cwd=folder).returncode
    (scope,) = json.loads((folder / "busy.json").read_text())["scopes"]
    left = {one["key"] for one in scope["verdict"]["violations"]}
    assert {"'to_thread'", "'task'", "'thread'", "'pool'"} == left


def test_a_forked_child_is_not_judged(folder: Path) -> None:
    """One report, that of the process that was started."""
    if sys.platform == "win32":
        pytest.skip("of POSIX")
    write(
        folder,
        "forks.py",
        """
        import os
        from cloud import images
        images.create("left")
        if os.fork():
            os.wait()
        else:
            images.create("child")
        """,
    )
    ran = command("run", "forks.py", cwd=folder)
    assert 3 == ran.returncode
    assert 1 == ran.stderr.count("violation in scope")
    assert "child" not in ran.stderr
    assert "lifeguard: " not in ran.stderr


def test_what_an_inner_scope_raised_and_the_program_swallowed(folder: Path) -> None:
    """It is told, and fails the run."""
    write(
        folder,
        "inner.py",
        """
        from lifeguard import scope
        from cloud import images
        try:
            with scope("inner"):
                images.create("left")
        except AssertionError:
            print("swallowed")
        """,
    )
    ran = command("run", "--report", "inner.json", "inner.py", cwd=folder)
    assert (3, "swallowed\n") == (ran.returncode, ran.stdout)
    lines = ran.stderr.splitlines()
    assert ["scope 'inner.py' balanced, but:", "", "raised by an inner scope, and swallowed:"] == lines[:3]
    assert "  image 'left': still held when the scope ended" in lines
    scopes = json.loads((folder / "inner.json").read_text())["scopes"]
    assert [("inner.py", 0), ("inner", 1)] == [
        (one["verdict"]["scope"], len(one["verdict"]["violations"])) for one in scopes
    ]


@pytest.mark.parametrize(
    ("policy", "code", "told"),
    [
        ("raise", 3, "1 violation in scope 'app.py', which ended normally"),
        ("warn", 0, "1 violation in scope 'app.py', which ended normally"),
        ("log", 0, "LG101 leaked (CWE-772)"),
        ("record", 0, "lifeguard: app.py 1 violation: 1 acquired (image); 1 contract saw no call"),
    ],
)
def test_on_violation(policy: str, code: int, told: str, folder: Path) -> None:
    """What happens when something was found."""
    ran = command("run", "--on-violation", policy, "app.py", cwd=folder)
    assert (code, told) == (ran.returncode, ran.stderr.splitlines()[0])


def test_the_environment_changes_the_policy(folder: Path) -> None:
    """LIFEGUARD=warn and LIFEGUARD=raise mean what they mean everywhere."""
    assert 0 == command("run", "app.py", cwd=folder, LIFEGUARD="warn").returncode
    assert 3 == command("run", "--on-violation", "warn", "app.py", cwd=folder, LIFEGUARD="raise").returncode
    ran = command("run", "app.py", cwd=folder, LIFEGUARD="wrong")
    assert (2, "lifeguard: the environment variable LIFEGUARD takes off, warn or raise, not 'wrong'") == (
        ran.returncode,
        ran.stderr.splitlines()[0],
    )


TWO_KINDS = """
from lifeguard import Resource, acquires

port = Resource("port")
row = Resource("row")


@acquires(port, key="name")
def bind(name): ...


@acquires(row, key="name")
def insert(name): ...


bind("p")
insert("r")
"""


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), {"port", "row"}),
        (("--only", "port"), {"port"}),
        (("--ignore", "port"), {"row"}),
        (("--only", "port,row", "--ignore", "row"), {"port"}),
    ],
)
def test_kinds_by_name(options: tuple[str, ...], left: set[str], folder: Path) -> None:
    """Also those that the program itself declares; and a journal says the same when it is judged again."""
    write(folder, "two.py", TWO_KINDS)
    ran = command("run", *options, "--journal", "two.jsonl", "two.py", cwd=folder)
    assert (3, left) == (ran.returncode, set(re.findall(r"^  (\w+) '.': still held", ran.stderr, re.MULTILINE)))
    verified = command("verify", "two.jsonl", cwd=folder)
    assert 3 == verified.returncode, verified.stdout
    assert "1 of 1 verdicts are those of the live run" in verified.stdout


def test_a_kind_that_there_is_not(folder: Path) -> None:
    """A slip of the pen must not let a run pass that watched nothing."""
    ran = command("run", "--only", "imag", "fine.py", cwd=folder)
    told = "lifeguard: --only imag: the program declared no kind of that name; did you mean 'image'?"
    assert (2, f"{told}\n") == (ran.returncode, ran.stderr)


STAND_IN = """
from lifeguard import Resource, acquires, contracts_for, releases

folder = Resource("folder")


@contracts_for("tempfile")
class Tempfile:
    @staticmethod
    @acquires(folder, key="result")
    def mkdtemp(): ...


@contracts_for("os")
class Os:
    @staticmethod
    @releases(folder, key="path")
    def rmdir(path): ...
"""

USES_TEMPFILE = "import os, tempfile\nos.rmdir(tempfile.mkdtemp())\nleft = tempfile.mkdtemp()\n"


@pytest.mark.parametrize("name", ["stand_ins", "stand_ins.py", "stand_ins:Tempfile", "./stand_ins.py", "far/away.py"])
def test_contracts_from_outside(name: str, folder: Path) -> None:
    """A module by name or by path, or one stand-in of it: the program itself knows nothing of lifeguard."""
    write(folder, "stand_ins.py", STAND_IN)
    write(folder, "far/away.py", STAND_IN)
    write(folder, "temporary.py", USES_TEMPFILE)
    ran = command("run", "--contracts", name, "temporary.py", cwd=folder, TMPDIR=str(folder))
    assert 3 == ran.returncode, ran.stderr
    assert "temporary.py:3 in <module>" in ran.stderr
    assert ("stand_ins:Tempfile" == name) == ("2 times folder" in ran.stderr or "2 violations" in ran.stderr)


def test_contracts_in_a_file_that_is_called_like_what_they_are_for(folder: Path) -> None:
    """It hides nothing: neither from the stand-ins in it, nor from the program."""
    write(folder, "contracts/tempfile.py", "import helper\n" + STAND_IN)
    write(folder, "contracts/helper.py", "")
    write(folder, "temporary.py", USES_TEMPFILE + "print(tempfile.gettempdir(), len(tempfile.__file__) > 0)\n")
    ran = command("run", "--contracts", "contracts/tempfile.py", "temporary.py", cwd=folder, TMPDIR=str(folder))
    assert (3, f"{folder} True\n") == (ran.returncode, ran.stdout), ran.stderr
    assert "acquired  temporary.py:3 in <module> (MainThread)" in ran.stderr


def test_contracts_in_a_file_that_is_called_like_what_the_program_imports(folder: Path) -> None:
    """The program gets the module of the standard library, though it is imported after the contracts."""
    write(folder, "contracts/colorsys.py", STAND_IN)
    write(folder, "colours.py", "import colorsys\nprint(colorsys.rgb_to_hsv(0, 0, 0))\n")
    ran = command("run", "-q", "--contracts", "contracts/colorsys.py", "colours.py", cwd=folder)
    assert (0, "(0.0, 0.0, 0)\n", "") == (ran.returncode, ran.stdout, ran.stderr)


def test_contracts_in_a_file_of_a_package(folder: Path) -> None:
    """It is imported as the module that it is, so that it may import what stands beside it."""
    write(folder, "parts/shop/__init__.py", "")
    write(folder, "parts/shop/kinds.py", "from lifeguard import Resource\nfolder = Resource('folder')\n")
    write(folder, "parts/shop/temp.py", STAND_IN.replace('folder = Resource("folder")', "from .kinds import folder"))
    write(folder, "temporary.py", USES_TEMPFILE)
    ran = command("run", "--contracts", "parts/shop/temp.py", "temporary.py", cwd=folder, TMPDIR=str(folder))
    assert 3 == ran.returncode, ran.stderr
    assert "1 violation in scope" in ran.stderr


@pytest.mark.parametrize(
    ("name", "code", "complaint"),
    [
        ("nothing", 1, "--contracts: 'nothing' cannot be imported: ModuleNotFoundError: No module named 'nothing'"),
        ("nothing.py", 1, "--contracts: 'nothing.py' cannot be imported: FileNotFoundError: there is no file nothing.py"),
        ("broken.py", 1, "--contracts: 'broken.py' cannot be imported: ZeroDivisionError: division by zero (broken.py:2)"),
        ("stand_ins:Tempfil", 2, ("--contracts: 'stand_ins:Tempfil' cannot be found: stand_ins has no 'Tempfil'; "
         "did you mean 'Tempfile'?")),
        ("json", 2,
         ("--contracts: there is no contract in 'json': it takes a stand-in made with contracts_for(…), a list of them, "
         "or a class, function or module whose functions are decorated with acquires, releases, …")),
    ],
)  # fmt: skip
def test_contracts_that_cannot_be_applied(name: str, code: int, complaint: str, folder: Path) -> None:
    """One line, and nothing was run."""
    write(folder, "stand_ins.py", STAND_IN)
    write(folder, "broken.py", "\n1/0\n")
    write(folder, "broken.py", "x = 1\n1/0\n")
    ran = command("run", "--contracts", name, "app.py", cwd=folder)
    assert (code, "", f"lifeguard: {complaint}\n") == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize("words", [("app.py",), ("-m", "app"), ("./app.py",)])
def test_contracts_for_what_is_run(words: tuple[str, ...], folder: Path) -> None:
    """They would be put on a second copy of it, and see nothing: that is said, and nothing is run."""
    write(
        folder,
        "app.py",
        "class Pool:\n    def take(self): print('ran')\nif __name__ == '__main__':\n    Pool().take()\n",
    )
    program = """
        from lifeguard import Resource, acquires, contracts_for
        one = Resource("connection")
        @contracts_for("app:Pool")
        class PoolContracts:
            @acquires(one, key="self")
            def take(self): ...
    """
    write(folder, "of_app.py", program)
    ran = command("run", "--contracts", "of_app", *words, cwd=folder)
    told = (
        "lifeguard: --contracts of_app: it stands for code of app, which is run, and so is called __main__ and not seen; "
        "run a script that imports it\n"
    )
    assert (2, "", told) == (ran.returncode, ran.stdout, ran.stderr)
    write(folder, "start.py", "import app\napp.Pool().take()\n")
    assert 3 == command("run", "--contracts", "of_app", "start.py", cwd=folder).returncode


def test_a_journal_that_cannot_be_written(folder: Path) -> None:
    """One line, and nothing was run."""
    ran = command("run", "--journal", "no/a.jsonl", "app.py", cwd=folder)
    told = f"lifeguard: the journal {folder.resolve()}/no/a.jsonl cannot be written: FileNotFoundError"
    assert (2, "", 1) == (ran.returncode, ran.stdout, len(ran.stderr.splitlines()))
    assert ran.stderr.startswith(told)


def test_nothing_of_ours_warns(folder: Path) -> None:
    """No file is left open, and nothing deprecated is used: with warnings as errors it is the same."""
    ran = python(
        "-W",
        "error",
        "-X",
        "dev",
        "-m",
        "lifeguard",
        "run",
        "--report",
        "a.html",
        "--journal",
        "a.jsonl",
        "app.py",
        cwd=folder,
    )
    assert (3, REPORT) == (ran.returncode, ran.stderr)


def test_reports_in_every_format(folder: Path) -> None:
    """By suffix, wherever the program went; all of the run, and of this one only."""
    write(folder, "app.py", "import os\n" + LEAKS.lstrip() + "os.chdir('/')\n")
    files = [f"leaks{one.suffix}" for one in FORMATS.values()]
    options = [word for file in files for word in ("--report", file)]
    for _ in range(2):
        ran = command("run", "--journal", "all.jsonl", *options, "app.py", cwd=folder)
        assert 3 == ran.returncode, ran.stderr
        assert "  acquired  app.py:5 in nightly (MainThread)" in ran.stderr.splitlines()
    for file in files:
        assert "left" in (folder / file).read_text(encoding="utf-8")
    told = json.loads((folder / "leaks.json").read_text())
    (scope,) = told["scopes"]
    assert "lifeguard run app.py" == told["title"]
    assert (True, 1) == (scope["recorded"], len(scope["lives"]))
    assert "app.py:1" == f"{Path(scope['place']['file']).name}:{scope['place']['line']}"
    assert "2 scopes judged again" in command("verify", "all.jsonl", cwd=folder).stdout


def test_a_report_needs_no_journal_of_ones_own(folder: Path) -> None:
    """The one that an HTML page is made from is taken away again."""
    ran = command("run", "--report", "leaks.html", "app.py", cwd=folder, TMPDIR=str(folder))
    assert 3 == ran.returncode
    assert "still held when the scope ended" in (folder / "leaks.html").read_text(encoding="utf-8")
    assert {"app.py", "cloud.py", "fine.py", "leaks.html"} == {one.name for one in folder.iterdir()} - {"__pycache__"}


def test_reports_of_a_program_that_failed(folder: Path) -> None:
    """They matter most then."""
    write(folder, "fails.py", LEAKS + "1/0")
    ran = command("run", "--report", "leaks.md", "fails.py", cwd=folder)
    assert 1 == ran.returncode
    assert "LG102" in (folder / "leaks.md").read_text(encoding="utf-8")


def test_the_journal_of_a_program_that_was_killed(folder: Path) -> None:
    """`os._exit` leaves no verdict, and the journal all that is needed for one."""
    write(folder, "killed.py", LEAKS + "import os; os._exit(9)")
    ran = command("run", "--journal", "killed.jsonl", "killed.py", cwd=folder)
    assert (9, "") == (ran.returncode, ran.stderr)
    verified = command("verify", "killed.jsonl", cwd=folder)
    assert 3 == verified.returncode
    assert "LG102 image 'left'" in verified.stdout
    assert "there is no live verdict to compare with" in verified.stdout.splitlines()[-1]


def test_the_program_may_close_the_standard_error(folder: Path) -> None:
    """The report is told all the same."""
    write(folder, "closes.py", LEAKS + "import sys; sys.stderr.close()")
    ran = command("run", "closes.py", cwd=folder)
    assert 3 == ran.returncode
    assert "LG101 leaked (CWE-772)" in ran.stderr


def test_fail_fast(folder: Path) -> None:
    """Raised at the call, as the program's own exception."""
    write(
        folder,
        "twice.py",
        "from cloud import images\nimages.create('a')\nimages.delete('a')\nimages.delete('a')\nprint('on')\n",
    )
    ran = command("run", "--fail-fast", "twice.py", cwd=folder)
    assert (1, "") == (ran.returncode, ran.stdout)
    assert re.search(r'File ".*twice.py", line 4, in <module>', ran.stderr)
    assert "lifeguard.ViolationError: 1 violation in scope 'twice.py'" in ran.stderr


def test_remember(folder: Path) -> None:
    """A double release is found as far back as was asked for."""
    program = "from cloud import images\nfor n in ('a', 'b', 'c'):\n    images.create(n); images.delete(n)\nimages.delete('a')\n"
    write(folder, "twice.py", program)
    assert 3 == command("run", "--remember", "all", "twice.py", cwd=folder).returncode
    assert 0 == command("run", "--remember=2", "twice.py", cwd=folder).returncode


def test_conditions_of_a_library(folder: Path) -> None:
    """A broken condition that was swallowed is told."""
    program = """
        import icontract
        from cloud import images

        @icontract.require(lambda x: x > 0)
        def f(x): ...

        images.create("a"); images.delete("a")
        try:
            f(-1)
        except icontract.ViolationError:
            pass
    """
    write(folder, "conditions.py", program)
    ran = command("run", "--conditions", "icontract", "conditions.py", cwd=folder)
    assert 3 == ran.returncode
    assert "LG301 condition broke (CWE-703)" in ran.stderr


def test_a_violation_error_that_ends_the_program_is_not_told_twice(folder: Path) -> None:
    """Its traceback has the report already."""
    write(
        folder,
        "inner.py",
        "from lifeguard import scope\nfrom cloud import images\nwith scope('inner'):\n    images.create('left')\n",
    )
    ran = command("run", "inner.py", cwd=folder)
    assert 1 == ran.returncode
    assert 1 == ran.stderr.count("LG101 leaked (CWE-772)")
