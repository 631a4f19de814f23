"""At home with what else runs tests: threads, event loops, unittest, doctest, subtests, and pytest's own options."""

from __future__ import annotations

import importlib.util

import pytest
from suites import Suite, closing_line, counted, short_summary


def needs(module: str) -> pytest.MarkDecorator:
    """Skip where another plugin is not installed; the project's own environments have them all."""
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


def test_a_thread_that_ends_with_its_test(suite: Suite) -> None:
    """What a thread acquires meanwhile is the test's, with nothing said of earlier ones."""
    suite.tests(
        """
        import threading

        def test_thread():
            worker = threading.Thread(target=leak, name="worker")
            worker.start()
            worker.join()
        """
    )
    result = suite.run()
    assert {"failed": 1} == counted(result)
    assert "E     acquired  cloud.py:37 in leak (worker)" in result.outlines


def test_a_thread_of_an_earlier_test_is_told_with_that_tests_name(suite: Suite) -> None:
    """The test that is running cannot help it: the report says where the thread comes from."""
    suite.tests(
        """
        import threading
        started, go, done = (threading.Event() for _ in range(3))

        def later():
            balance("in its own test")
            started.set()
            go.wait(5)
            leak()
            done.set()

        def test_starts():
            threading.Thread(target=later, name="worker", daemon=True).start()
            started.wait(5)

        def test_between(): pass
        def test_suffers():
            go.set()
            done.wait(5)
        """
    )
    result = suite.run()
    assert {"failed": 1, "passed": 2} == counted(result)
    assert "E     acquired  cloud.py:37 in leak (worker, first seen in test_it.py::test_starts)" in result.outlines


@needs("pytest_asyncio")
def test_a_task_of_an_earlier_test_is_told_with_that_tests_name(suite: Suite) -> None:
    """Tests that share an event loop share its tasks; a task is known by its first watched call."""
    suite.ini(
        "asyncio_mode = auto\nasyncio_default_test_loop_scope = module\nasyncio_default_fixture_loop_scope = module"
    )
    suite.tests(
        """
        import asyncio
        gate = {}

        async def worker():
            balance("first")
            await gate["go"].wait()
            leak("second")
            gate["done"].set()

        async def test_starts():
            gate.update(go=asyncio.Event(), done=asyncio.Event())
            gate["task"] = asyncio.create_task(worker(), name="worker")
            await asyncio.sleep(0)

        async def test_suffers():
            balance("own")
            gate["go"].set()
            await gate["done"].wait()

        async def test_own_task():
            leak("own")
        """
    )
    result = suite.run_apart("--lifeguard", plugins=("asyncio",))
    assert {"failed": 2, "passed": 1} == counted(result)
    assert "E     acquired  cloud.py:37 in leak (task worker, first seen in test_it.py::test_starts)" in result.outlines
    assert 1 == "\n".join(result.outlines).count("(task worker, first seen")
    assert not any("first seen" in line for line in result.outlines if "'own'" in line)


@needs("pytest_asyncio")
@pytest.mark.parametrize("loop", ["function", "module", "session"])
def test_pytest_asyncio(suite: Suite, loop: str) -> None:
    """Async tests, their gathered children and async fixtures of both lengths, whatever loop they share."""
    suite.ini(
        f"asyncio_mode = auto\nasyncio_default_test_loop_scope = {loop}\nasyncio_default_fixture_loop_scope = {loop}"
    )
    long = "module" if loop != "function" else "function"
    suite.tests(
        f"""
        import asyncio
        import pytest_asyncio

        async def make(name):
            await asyncio.sleep(0)
            images.create(name)

        @pytest_asyncio.fixture
        async def tidy():
            await make("tidy")
            yield
            await asyncio.sleep(0)
            images.delete("tidy")

        @pytest_asyncio.fixture(scope="{long}")
        async def long():
            await make("long")
            yield
            images.delete("long")

        async def test_balances(tidy, long):
            await make("a")
            images.delete("a")

        async def test_leaks(tidy, long):
            await asyncio.gather(make("b"), asyncio.create_task(make("c")))
            images.delete("b")
        """
    )
    result = suite.run_apart("--lifeguard", plugins=("asyncio",))
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "FAILED test_it.py::test_leaks - LG101 image 'c'" in short_summary(result)[0]
    assert "(and" not in short_summary(result)[0]


@needs("anyio")
def test_anyio(suite: Suite) -> None:
    """Tests and fixtures of anyio, on asyncio and on trio."""
    suite.tests(
        """
        import anyio
        pytestmark = pytest.mark.anyio

        @pytest.fixture
        async def tidy():
            await anyio.sleep(0)
            images.create("tidy")
            yield
            images.delete("tidy")

        @pytest.fixture(scope="module", params=["asyncio", "trio"])
        def anyio_backend(request): return request.param

        @pytest.fixture(scope="module")
        async def long(anyio_backend):
            images.create("long")
            yield
            images.delete("long")

        async def test_balances(tidy, long): balance()

        async def test_leaks(tidy, long):
            async def child(): images.create("in a child")
            async with anyio.create_task_group() as group:
                group.start_soon(child)
        """
    )
    result = suite.run_apart("--lifeguard", plugins=("anyio",))
    assert {"passed": 2, "failed": 2} == counted(result)
    assert ["[asyncio]", "[trio]"] == sorted(
        line.partition("test_leaks")[2].split()[0] for line in short_summary(result)
    )


@needs("pytest_trio")
def test_pytest_trio(suite: Suite) -> None:
    """Tests and fixtures of pytest-trio, which sets fixtures up inside the test's own run."""
    suite.ini("trio_mode = true")
    suite.tests(
        """
        import trio

        @pytest.fixture
        async def tidy():
            images.create("tidy")
            yield
            await trio.sleep(0)
            images.delete("tidy")

        async def test_balances(tidy): balance()

        async def test_leaks(tidy):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, leak)
        """
    )
    result = suite.run_apart("--lifeguard", plugins=("trio",))
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "test_leaks" in short_summary(result)[0]


def test_unittest(suite: Suite) -> None:
    """Classes of unittest, with set-ups, cleanups and coroutines."""
    suite.tests(
        """
        import unittest

        class TestPlain(unittest.TestCase):
            def setUp(self):
                images.create("own")
                self.addCleanup(images.delete, "own")

            def test_balances(self): balance()
            def test_leaks(self): leak()

            def test_both(self):
                leak()
                self.assertEqual(1, 2)

        class TestAsync(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self): images.create("async")
            async def asyncTearDown(self): images.delete("async")
            async def test_balances(self): balance()
            async def test_leaks(self): leak()
        """
    )
    result = suite.run()
    assert {"passed": 2, "failed": 3, "errors": 1} == counted(result)
    leaks = [line for line in short_summary(result) if "LG10" in line]
    assert ["TestPlain::test_leaks", "TestPlain::test_both", "TestAsync::test_leaks"].sort() == [
        line.split()[1].partition("::")[2] for line in leaks
    ].sort()


def test_a_class_that_watches_itself(suite: Suite) -> None:
    """A class with the mixin for those without pytest is told once, also where the plugin is on."""
    suite.tests(
        """
        import unittest
        from lifeguard.integrations.unittest import Watched

        class TestIt(Watched, unittest.TestCase):
            def test_balances(self): balance()
            def test_leaks(self): leak()
        """
    )
    result = suite.run()
    assert {"passed": 1, "failed": 1} == counted(result)
    assert 1 == len(short_summary(result))


def test_subtests_of_unittest_and_of_pytest(suite: Suite) -> None:
    """A test with subtests is judged as one; a subtest that fails fails it as ever."""
    suite.tests(
        """
        import unittest

        class TestSub(unittest.TestCase):
            def test_balances(self):
                for name in "ab":
                    with self.subTest(name): balance(name)

            def test_leaks(self):
                for name in "ab":
                    with self.subTest(name): leak(name)
        """
    )
    result = suite.run()
    assert 1 == counted(result)["failed"]
    assert "test_leaks - LG101 image 'a'" in short_summary(result)[0]
    assert "(and 1 more)" in short_summary(result)[0]


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="this pytest has no subtests of its own")
def test_the_subtests_of_pytest_itself(suite: Suite) -> None:
    """The fixture of pytest 9: a failing subtest, a leaking test, and one with both."""
    suite.tests(
        """
        def test_balances(subtests):
            with subtests.test("a"): balance()

        def test_leaks(subtests):
            with subtests.test("a"): leak()

        def test_fails(subtests):
            with subtests.test("a"): assert 0

        def test_both(subtests):
            with subtests.test("a"):
                leak()
                assert 0
        """
    )
    result = suite.run()
    outcomes = counted(result)
    assert (5, 1, 1) == (outcomes["failed"], outcomes["errors"], outcomes["passed"])
    assert [["FAILED", "test_it.py::test_leaks"], ["ERROR", "test_it.py::test_both"]] == [
        line.split()[:2] for line in short_summary(result) if "LG10" in line
    ]


def test_parametrised_tests(suite: Suite) -> None:
    """Each set of parameters is a test of its own, blamed for its own."""
    suite.tests(
        "@pytest.mark.parametrize('name', ['a', 'b'])\ndef test_it(name):\n    (leak if name == 'b' else balance)(name)\n"
    )
    result = suite.run()
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "FAILED test_it.py::test_it[b] - LG101 image 'b'" in short_summary(result)[0]


def test_doctests(suite: Suite) -> None:
    """A doctest is a test."""
    suite.write("docs.txt", ">>> import cloud\n>>> cloud.leak()\n")
    suite.write("module.py", 'def f():\n    """\n    >>> import cloud\n    >>> cloud.balance()\n    """\n')
    suite.ini("pythonpath = .")
    result = suite.run("--doctest-modules", "docs.txt", "module.py", "--doctest-glob=*.txt")
    assert {"passed": 1, "failed": 1} == counted(result)
    assert "FAILED docs.txt::docs.txt - LG101 image 'left'" in short_summary(result)[0]


def test_stop_at_the_first(suite: Suite) -> None:
    """`-x` stops at a leak; fixtures that are torn down after the last test are judged all the same."""
    suite.tests("def test_a(): leak()\ndef test_b(): pass\n")
    result = suite.run("-x")
    assert ({"failed": 1}, 1) == (counted(result), result.ret)
    suite.tests(
        """
        @pytest.fixture(scope="session")
        def long(): leak("of the session")
        def test_a(long): assert 0
        def test_b(long): pass
        """
    )
    result = suite.run("-x")
    assert 1 == result.ret
    assert "image 'of the session'" in "\n".join(result.outlines)


def test_the_last_failed(suite: Suite) -> None:
    """`--lf` runs again what leaked."""
    suite.tests("def test_a(): leak()\ndef test_b(): balance()\n")
    suite.run()
    assert {"failed": 1} == counted(suite.run("--lf"))
    assert "1 test watched" in closing_line(suite.run("--lf"))


def test_the_debugger(suite: Suite) -> None:
    """`--pdb` stops at a leak, in the line that acquired; the run goes on after it."""
    suite.write(
        "recorder.py",
        """
        import pathlib, pdb

        class Recorder(pdb.Pdb):
            def interaction(self, frame, about, *more):
                traceback = getattr(about, "__traceback__", about)
                while traceback.tb_next is not None:
                    traceback = traceback.tb_next
                stopped = f"{pathlib.Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
                pathlib.Path("stopped.txt").write_text(stopped)
        """,
    )
    suite.ini("pythonpath = .")
    suite.tests("def test_a():\n    leak()\n\ndef test_b(): balance()\n")
    result = suite.run("--pdb", "--pdbcls=recorder:Recorder")
    assert {"failed": 1, "passed": 1} == counted(result)
    assert "cloud.py:37" == (suite.path / "stopped.txt").read_text()


def test_an_interrupted_run_is_not_judged(suite: Suite) -> None:
    """Ctrl-C ends the run as ever: what was cut short has balanced nothing and is blamed for nothing."""
    suite.tests(
        """
        @pytest.fixture(scope="module")
        def long(): leak("long")

        def test_a(long):
            leak()
            raise KeyboardInterrupt
        """
    )
    result = suite.run_apart("--lifeguard")
    assert pytest.ExitCode.INTERRUPTED == result.ret
    text = "\n".join([*result.outlines, *result.errlines])
    assert ("KeyboardInterrupt" in text, "LG10" in text, "Traceback" in text) == (True, False, False)


def test_setup_only_and_collect_only(suite: Suite) -> None:
    """Runs that run no test say nothing of what they watched."""
    suite.tests("def test_a(): leak()\n")
    assert 0 == suite.run("--collect-only").ret
    assert 0 == suite.run("--setup-only").ret
