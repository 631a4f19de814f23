"""Run Nova's own cross-cell resize tests under lifeguard's contracts, and say what each of them acquired, released and left.

    python examples/nova/run.py                     all 14 tests
    python examples/nova/run.py --short             two of them
    python examples/nova/run.py -k revert           those whose name contains "revert"
    python examples/nova/run.py --breakages         Nova broken on purpose, in many ways, each of which has to be named
    python examples/nova/run.py --faults            calls that fail in unbroken Nova, and what it then leaves
    python examples/nova/run.py --explore 300       failures injected instead of mocked, then each call of a resize fails once
    python examples/nova/run.py --threads           native threads in place of eventlet

    python examples/nova/run.py --cpu 5             five pairs of runs, without and with contracts: what they cost

It needs Nova and what its functional tests need (see docs/nova.md) and installs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("test_finish_snapshot_based_resize_at_dest_spawn_fails", "test_delete_while_in_verify_resize_status")


def absolute(path: str) -> Path:
    """A path that still holds when the current folder is another."""
    return Path(path).absolute()


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Nova's cross-cell resize tests under lifeguard's contracts")
    parser.add_argument(
        "-k", metavar="TEXT", action="append", default=[], help="only tests (or breakages) whose name contains TEXT"
    )
    parser.add_argument("--short", action="store_true", help="two tests that show the most")
    parser.add_argument("--breakages", action="store_true", help="break Nova in many ways; each has to be named")
    parser.add_argument(
        "--faults", action="store_true", help="make calls fail in unbroken Nova; what is found has to be found again"
    )
    parser.add_argument(
        "--explore",
        metavar="SECONDS",
        type=float,
        help="the tests of failure with injected faults in place of mocks, then each call of a resize fails once",
    )
    parser.add_argument("--threads", action="store_true", help="native threads in place of eventlet")
    parser.add_argument(
        "--cpu", metavar="PAIRS", type=int, help="compare the CPU time with and without contracts, in turn"
    )
    parser.add_argument("--plain", action="store_true", help="without contracts, to compare")
    parser.add_argument("--quiet", action="store_true", help="no table for each test")
    parser.add_argument("--json", metavar="FILE", type=absolute, help="write what each test did to a file")
    parser.add_argument(
        "--log", metavar="FILE", type=absolute, default=Path(os.devnull), help="where Nova's own output goes"
    )
    return parser.parse_args(argv)


def prepare(threads: bool, log: Path, empty: str) -> TextIO:
    """Set the world up as Nova's tests want it, before anything of Nova is imported; give where to write our own words.

    Args:
        threads: whether native threads take the place of eventlet.
        log: where everything goes that Nova prints.
        empty: an empty folder, from which the tests run.
    """
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "True" if threads else "False"
    os.environ.setdefault("OS_TEST_TIMEOUT", "160")
    # The folder of this file is no place to import from; the one that holds `examples` is.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    sys.path.append(str(ROOT))
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = sys.stderr = log.open("a")
    os.chdir(empty)
    import nova.tests.functional  # noqa: F401 - this is what patches the process, or does not

    return ours


def main(argv: list[str]) -> int:
    """Run, print, and give the exit code: 1 where a test failed or something was not allowed, 0 otherwise."""
    options = arguments(argv)
    if options.cpu:
        return compare(options.cpu, [one for one in argv if not one.startswith("--cpu") and one != str(options.cpu)])
    with tempfile.TemporaryDirectory(prefix="nova-tests-", ignore_cleanup_errors=True) as empty:
        out = prepare(options.threads, options.log, empty)
        try:
            bad = run(options, out)
        except BaseException:
            traceback.print_exc(file=out)
            bad = 1
        os.chdir(ROOT)
    out.flush()
    return 1 if bad else 0


def run(options: argparse.Namespace, out: TextIO) -> int:
    """Do what the command line asks for; gives how much was bad."""
    from examples.nova import breakages, suite

    started, cpu = time.monotonic(), time.process_time()
    if options.explore:
        bad = run_explored(options, out)
    elif options.breakages or options.faults:
        ways = breakages.FAULTS if options.faults else breakages.ALL
        bad = breakages.run_all([one for one in ways if chosen(one.name, options)], out)
    else:
        bad = run_tests(suite, [name for name in suite.names() if chosen(name, options)], options, out)
    print(f"{time.monotonic() - started:.1f} s, {time.process_time() - cpu:.1f} s of CPU time", file=out)
    return bad


def run_explored(options: argparse.Namespace, out: TextIO) -> int:
    """Faults instead of mocks, then an exploration; what the latter finds is printed, and is not bad."""
    from examples.nova import explored, suite

    with suite.contracts():
        bad = explored.without_mocks(out, lambda name: chosen(name, options))
        out.flush()
        if chosen("each call", options):
            result = explored.each_call(out, options.explore)
            bad += bool(result.organic)
    return bad


def compare(pairs: int, others: list[str]) -> int:
    """Run pairs of runs, without and with contracts, each in a process of its own, and print what CPU time they took."""
    ratios = []
    for _ in range(pairs):
        plain, watched = (cpu_time([*others, "--quiet", *more]) for more in (["--plain"], []))
        ratios.append(watched / plain)
        print(f"{plain:.1f} s without contracts, {watched:.1f} s with: {watched / plain:.3f}", flush=True)
    print(f"median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")
    return 0


def cpu_time(options: list[str]) -> float:
    """The CPU time of one run in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def chosen(name: str, options: argparse.Namespace) -> bool:
    """Whether the command line asks for this test or breakage."""
    if options.short and not (options.breakages or options.faults) and name not in SHORT:
        return False
    return not options.k or any(text in name for text in options.k)


def run_tests(suite: Any, names: list[str], options: argparse.Namespace, out: TextIO) -> int:
    """Run tests; gives how many failed or found something that is not allowed."""
    if options.plain:
        results = [suite.run_plain(name) for name in names]
    else:
        with suite.contracts():
            results = [suite.run(name) for name in names]
    for result in results:
        print(result.text(table=not options.quiet), file=out, flush=True)
    if options.json:
        options.json.write_text(json.dumps([result.as_dict() for result in results], indent=2))
    bad = [result for result in results if not result.good]
    print(f"{len(results)} tests, {len(bad)} bad", *(f"  {result.name}" for result in bad), sep="\n", file=out)
    return len(bad)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Nova's tests leave threads behind that nothing waits for.
    sys.__stdout__.flush()  # type: ignore[union-attr]
    os._exit(code)
