"""A program under `lifeguard run` finds what Python gives it, and ends as Python lets it end.

Each program runs twice, once with Python alone; what it prints and its exit code must be the same.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from command_lines import CLOUD, command, environment, python, write

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")

PROGRAMS = {
    "what it finds": """
        import sys, __main__
        print(__name__, __file__, __package__, __spec__, __doc__, __cached__, type(__loader__).__name__, __builtins__)
        print(sys.argv, sys.path, __main__ is sys.modules["__main__"], __main__.__file__, sorted(vars(__main__)))
    """,
    "annotations at its top": "a: int = 1\nprint(__annotations__)",
    "no future of ours": "def f(a: int): ...\nprint(f.__annotations__)",
    "its own encoding": "# coding: latin-1\nprint(ascii('\xe4'))",
    "returns": "print('done')",
    "exit 0": "import sys; sys.exit(0)",
    "exit None": "import sys; sys.exit()",
    "exit 5": "import sys; sys.exit(5)",
    "exit 256, which is 0": "import sys; sys.exit(256)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit True": "import sys; sys.exit(True)",
    "exit with a text": "import sys; sys.exit('so long')",
    "exit with a list": "import sys; sys.exit(['so', 'long'])",
    "exit from a function": "raise SystemExit(7)",
    "raises": "def f():\n    raise ValueError('no')\nf()",
    "raises from": "try:\n    1/0\nexcept ZeroDivisionError as error:\n    raise ValueError('no') from error",
    "raises while handling": "try:\n    1/0\nexcept ZeroDivisionError:\n    raise ValueError('no')",
    "raises a group": "raise ExceptionGroup('some', [ValueError(1), TypeError(2)])",
    "raises with notes": "error = ValueError('no'); error.add_note('look here'); raise error",
    "does not compile": "x = (",
    "imports what does not compile": "import broken",
    "imports nothing": "import there_is_no_such_module",
    "has its own excepthook": "import sys; sys.excepthook = lambda *told: print(told[0].__name__, told[2].tb_lineno)\n1/0",
    "has an excepthook that exits": "import sys; sys.excepthook = lambda *told: sys.exit(9)\n1/0",
    "reads last_value at exit": "import atexit, sys; atexit.register(lambda: print(repr(sys.last_value)))\n1/0",
    "works at exit": "import atexit; atexit.register(print, 'at exit')",
    "fails at exit": "import atexit; atexit.register(lambda: 1/0)",
    "a thread outlives it": """
        import threading
        go = threading.Event()
        def work(): go.wait(); print("thread", threading.main_thread().is_alive())
        threading.Thread(target=work).start()
        import atexit
        atexit.register(print, "at exit")
        print("main"); go.set()
    """,
    "a thread starts a thread": """
        import threading
        def last(): print("last")
        def first(): threading.Thread(target=last).start()
        threading.Thread(target=first).start()
    """,
    "exits in a thread": """
        import sys, threading
        one = threading.Thread(target=sys.exit, args=(3,)); one.start(); one.join()
        print("goes on")
    """,
    "raises in a thread": """
        import threading
        threading.excepthook = lambda told: print("thread", told.exc_type.__name__)
        one = threading.Thread(target=lambda: 1/0); one.start(); one.join()
    """,
    "a daemon does not hold it": """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print("main")
    """,
    "a pool that nobody shut down": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        print(pool.submit(lambda: "pooled").result())
    """,
    "asyncio": """
        import asyncio
        async def main():
            await asyncio.sleep(0)
            print(asyncio.current_task().get_name())
        asyncio.run(main())
    """,
    "asyncio, cancelled": """
        import asyncio
        async def main(): raise asyncio.CancelledError
        asyncio.run(main())
    """,
    "changes its folder": "import os; os.chdir('/'); print(os.getcwd())",
    "pickles its own": """
        import pickle
        class Thing: ...
        print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, Thing.__module__)
    """,
    "inspects itself": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f), inspect.stack()[-1].function != '')",
    "closes its outputs": "import sys; sys.stdout.close(); sys.stderr.close()",
    "reads its input": "import sys; print(sys.stdin.read())",
    "recurses": "def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    print('deep')",
    "os._exit": "import os; os._exit(6)",
    "spawns": """
        import multiprocessing
        def work(n): return n + 1
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 2]))
    """,
    "spawns after it has changed its folder": """
        import multiprocessing, os
        def work(n): return n + 1
        if __name__ == "__main__":
            os.chdir("/")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 2]))
    """,
}

FOR_POSIX = {
    "forks": """
        import os
        pid = os.fork()
        if pid:
            print("parent", os.waitpid(pid, 0)[1], flush=True)
        else:
            print("child", flush=True)
    """,
    "forks, and the child exits": """
        import os, sys
        pid = os.fork()
        if not pid:
            sys.exit(4)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    """,
    "forks with multiprocessing": """
        import multiprocessing
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        one = context.Process(target=queue.put, args=("child",)); one.start()
        print(queue.get()); one.join(); print(one.exitcode)
    """,
    "is interrupted": """
        import os, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have its background jobs ignore it
        os.kill(os.getpid(), signal.SIGINT)
        while True: pass
    """,
    "interrupts itself": "raise KeyboardInterrupt",
    "is interrupted, and has an excepthook": "import sys; sys.excepthook = lambda *told: print('mine')\nraise KeyboardInterrupt",
    "is terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "handles its own signal": """
        import os, signal, sys
        signal.signal(signal.SIGTERM, lambda *told: sys.exit(8))
        os.kill(os.getpid(), signal.SIGTERM)
        while True: pass
    """,
}


def same(folder: Path, *words: object, stdin: str | None = "typed\n") -> tuple[int, str, str]:
    """What Python alone makes of it, as exit code, output and errors; asserts that `lifeguard run` makes the same."""
    alone = python(*words, cwd=folder, stdin=stdin)
    watched = command("run", "-q", *words, cwd=folder, stdin=stdin)
    plain = alone.returncode, alone.stdout, without_ids(without_runpy(alone.stderr))
    assert plain == (watched.returncode, watched.stdout, without_ids(watched.stderr))
    return plain


def without_runpy(errors: str) -> str:
    """A traceback without the frames of `python -m`, which say nothing of the program."""
    return re.sub(r'  File "<frozen runpy>", line \d+, in \w+\n', "", errors)


def without_ids(text: str) -> str:
    """A text without the addresses of objects."""
    return re.sub(r"0x[0-9a-f]+", "0x…", text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script(name: str, tmp_path: Path) -> None:
    """As `python app.py a -b --journal c`: output, errors, exit code."""
    write(tmp_path, "broken.py", "x = (\n")
    path = write(tmp_path, "app.py", PROGRAMS[name])
    if "latin-1" in PROGRAMS[name]:
        path.write_bytes(PROGRAMS[name].encode("latin-1"))
    same(tmp_path, "app.py", "a", "-b", "--journal", "c")


@POSIX
@pytest.mark.parametrize("name", FOR_POSIX)
def test_a_script_on_posix(name: str, tmp_path: Path) -> None:
    """Forks and signals: the process dies of a signal as Python would."""
    write(tmp_path, "app.py", FOR_POSIX[name])
    same(tmp_path, "app.py")


def test_a_script_in_another_folder(tmp_path: Path) -> None:
    """What lies beside it is found, what lies here is not; through a symbolic link the folder is that of the file."""
    write(tmp_path, "far/app.py", "import beside, sys; print(sys.path[0], __file__)")
    write(tmp_path, "far/beside.py", "")
    (tmp_path / "link.py").symlink_to(tmp_path / "far" / "app.py")
    assert 0 == same(tmp_path, "far/app.py")[0]
    assert 0 == same(tmp_path, "link.py")[0]


MODULE = """
import sys
print(__name__, __package__, __file__, sys.argv, sys.path[0], __spec__.name, __spec__.parent)
if sys.argv[1:] == ["-x"]:
    raise ValueError
"""


@pytest.mark.parametrize(
    "words", [("-m", "one"), ("-m", "one", "-x"), ("-mone",), ("-m", "shop"), ("-m", "shop.tool", "-m")]
)
def test_a_module(words: tuple[str, ...], tmp_path: Path) -> None:
    """As `python -m`: a module, a package with `__main__`, one inside a package; what follows is for it."""
    write(tmp_path, "one.py", MODULE)
    write(tmp_path, "shop/__init__.py", "")
    write(tmp_path, "shop/tool.py", MODULE)
    write(tmp_path, "shop/__main__.py", MODULE)
    same(tmp_path, *words)


SPAWNS = """
import multiprocessing
from multiprocessing import Manager

def work(n): return n + 1, __name__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool, Manager() as manager:
        print(pool.map(work, manager.list([1, 2])))
"""


@pytest.mark.parametrize("words", [("-m", "spawning"), ("-m", "shop.deep")])
def test_a_module_that_spawns(words: tuple[str, ...], tmp_path: Path) -> None:
    """A new process finds the program by its name."""
    for path in ("spawning.py", "shop/__init__.py", "shop/deep.py"):
        write(tmp_path, path, "" if path.endswith("__init__.py") else SPAWNS)
    assert 0 == same(tmp_path, *words)[0]


def test_multiprocessing_that_was_imported_before(tmp_path: Path) -> None:
    """Contracts from outside may have done that; it still finds the program and not our command."""
    write(tmp_path, "of_queue.py", "import multiprocessing\n" + STAND_IN)
    write(tmp_path, "app.py", "import sys; print(sys.modules['__mp_main__'] is sys.modules['__main__'], __name__)")
    ran = command("run", "-q", "--contracts", "of_queue", "app.py", cwd=tmp_path)
    assert (0, "True __main__\n", "") == (ran.returncode, ran.stdout, ran.stderr)


STAND_IN = """
from lifeguard import Resource, acquires, contracts_for
folder = Resource("folder")
@contracts_for("tempfile")
class Tempfile:
    @staticmethod
    @acquires(folder, key="result")
    def mkdtemp(): ...
"""


@pytest.mark.parametrize("words", [("-m", "nothing"), ("-m", "shop.nothing"), ("-m", "nothing.at_all"), ("-m", "bare")])
def test_a_module_that_is_not_there(words: tuple[str, ...], tmp_path: Path) -> None:
    """One line that says so, and exit code 1, as Python has it."""
    write(tmp_path, "shop/__init__.py", "")
    write(tmp_path, "bare/__init__.py", "")
    ran = command("run", *words, cwd=tmp_path)
    assert (python(*words, cwd=tmp_path).returncode, "") == (ran.returncode, ran.stdout)
    (line,) = ran.stderr.splitlines()
    name = "bare.__main__" if words[1] == "bare" else words[1]
    assert line.startswith(f"{sys.executable}: No module named ")
    assert name in line


def test_a_module_whose_package_fails(tmp_path: Path) -> None:
    """The failure is the program's, and is shown as such."""
    write(tmp_path, "shop/__init__.py", "1/0")
    write(tmp_path, "shop/tool.py", "")
    ran = command("run", "-m", "shop.tool", cwd=tmp_path)
    assert 1 == ran.returncode
    assert "ZeroDivisionError" in ran.stderr
    assert "lifeguard" not in ran.stderr


def test_a_folder_and_an_archive(tmp_path: Path) -> None:
    """What has a `__main__.py` is run as Python runs it."""
    write(tmp_path, "bundle/__main__.py", "import beside, sys; print(__name__, __package__, sys.argv, sys.path[0])")
    write(tmp_path, "bundle/beside.py", "")
    with zipfile.ZipFile(tmp_path / "bundle.pyz", "w") as archive:
        for path in (tmp_path / "bundle").glob("*.py"):
            archive.write(path, path.name)
    assert 0 == same(tmp_path, "bundle")[0]
    assert 0 == same(tmp_path, "bundle.pyz")[0]
    write(tmp_path, "empty/nothing.txt", "")
    assert 1 == command("run", "empty", cwd=tmp_path).returncode


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nothing.py",), "lifeguard: there is no file 'nothing.py' to run; a module is run with -m"),
        ((), "lifeguard: a SCRIPT is missing, or -m MODULE (see `lifeguard run --help`)"),
        (("-",), "lifeguard: a program cannot be read from the standard input: give its file (see `lifeguard run --help`)"),
        (("--report", "a.doc", "app.py"),
         ("lifeguard: invalid value for '--report': no format is known by the suffix of 'a.doc'; "
         "those of reports are .txt, .json, .sarif, .sarif.json, .xml, .md, .html, .htm (see `lifeguard run --help`)")),
        (("--report", "no/a.txt", "app.py"),
         ("lifeguard: invalid value for '--report': 'no/a.txt' is a folder, or in one that does "
         "not exist (see `lifeguard run --help`)")),
        (("--remember", "-1", "app.py"), ("lifeguard: invalid value for '--remember': '-1' is neither 'all' nor a whole number "
         "from 0 (see `lifeguard run --help`)")),
    ],
)  # fmt: skip
def test_what_cannot_be_run(words: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    """One line, exit code 2, and nothing was run."""
    write(tmp_path, "app.py", "print('ran')")
    ran = command("run", *words, cwd=tmp_path)
    assert (2, "", complaint + "\n") == (ran.returncode, ran.stdout, ran.stderr)


def test_safe_path(tmp_path: Path) -> None:
    """Where Python is told not to look beside the script, it does not."""
    write(tmp_path, "app.py", "import beside")
    write(tmp_path, "beside.py", "")
    ran = command("run", "-q", "app.py", cwd=tmp_path, PYTHONSAFEPATH="1")
    assert 1 == ran.returncode
    assert "ModuleNotFoundError: No module named 'beside'" == ran.stderr.splitlines()[-1]


def test_frames_of_watched_calls_are_hidden(tmp_path: Path) -> None:
    """A traceback through a watched call is that of the program without contracts."""
    write(tmp_path, "cloud.py", CLOUD)
    write(tmp_path, "app.py", "from cloud import images\nimages.delete('stuck')\n")
    ran = command("run", "-q", "app.py", cwd=tmp_path)
    files = re.findall(r'File "(.*)", line', ran.stderr)
    assert [str(tmp_path / "app.py"), str(tmp_path / "cloud.py")] == files
    assert "<lifeguard" in command("run", "-q", "app.py", cwd=tmp_path, LIFEGUARD_TRACEBACK="1").stderr
    chained = "try:\n    images.delete('stuck')\nexcept OSError as error:\n    raise ValueError from error\n"
    write(tmp_path, "app.py", "from cloud import images\n" + chained)
    ran = command("run", "-q", "app.py", cwd=tmp_path)
    assert "OSError: stuck" in ran.stderr.splitlines()
    assert "<lifeguard" not in ran.stderr


def test_an_excepthook_that_fails(tmp_path: Path) -> None:
    """Both exceptions are told, as Python tells them."""
    write(tmp_path, "app.py", "import sys\ndef hook(*told): raise TypeError('hook')\nsys.excepthook = hook\n1/0\n")
    code, output, errors = same(tmp_path, "app.py")
    assert (1, "") == (code, output)
    for told in (
        "Error in sys.excepthook:",
        "TypeError: hook",
        "Original exception was:",
        "ZeroDivisionError: division by zero",
    ):
        assert told in errors.splitlines()


@POSIX
def test_interrupted_while_threads_run(tmp_path: Path) -> None:
    """The first Ctrl-C ends the waiting: what there is, is judged."""
    write(tmp_path, "cloud.py", CLOUD)
    write(
        tmp_path,
        "app.py",
        """
        import signal, threading
        from cloud import images
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have its background jobs ignore it
        images.create("left")
        def work():
            threading.main_thread().join()  # until Python waits for this thread
            print("started", flush=True)
            threading.Event().wait(60)
        threading.Thread(target=work).start()
        """,
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "lifeguard", "run", "app.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert "started\n" == run.stdout.readline()
    errors = ""
    while run.poll() is None and "LG101" not in errors:
        run.send_signal(signal.SIGINT)
        try:
            errors += run.communicate(timeout=1)[1]
        except subprocess.TimeoutExpired:
            continue
    run.wait(timeout=30)
    assert "lifeguard: interrupted while threads still ran: judged as it stands" in errors
    assert "LG101 leaked (CWE-772)" in errors
    assert 3 == run.returncode
