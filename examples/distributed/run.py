"""Four processes resize a server over HTTP, and one scope, kept in a database, says whether the books balance.

    python examples/distributed/run.py                           the whole show
    python examples/distributed/run.py --alone                   one resize to which nothing happens
    python examples/distributed/run.py --fault compute2:finish_resize
    python examples/distributed/run.py --kill compute2:after-claim
    python examples/distributed/run.py --careless --fault compute2:finish_resize
    python examples/distributed/run.py --ledger postgresql+psycopg://user@localhost/ledger

Points: compute1:after-snapshot, compute2:after-claim, compute2:finish_resize. A fault is an exception there, with which the
services have to deal; a kill is the end of the process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from distributed.reaping import reap_everything
from distributed.resources import Cloud
from distributed.wire import call
from lifeguard.stores import child_environment

POINTS = ("compute1:after-snapshot", "compute2:after-claim", "compute2:finish_resize")

SHOW: list[tuple[str, list[str]]] = [
    ("a resize over four processes", []),
    ("the destination has no room: three processes roll back", ["--fault", "compute2:finish_resize"]),
    ("the same, and the conductor forgets the image", ["--fault", "compute2:finish_resize", "--careless"]),
    ("the destination is killed when it has claimed its place", ["--kill", "compute2:after-claim"]),
]


@contextmanager
def node(name: str, folder: Path, environ: dict[str, str], *more: str) -> Iterator[str]:
    """One service in a process of its own; gives its address. It ends when its standard input is closed."""
    command = [sys.executable, str(Path(__file__).with_name("node.py")), name, str(folder), *more]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=sys.stdout, text=True, env=environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def resize(ledger: str, told: argparse.Namespace) -> None:
    """Start the services, resize a server, and show what its scope has to say."""
    befalls = {point.partition(":")[0]: [f"--{how}", point.partition(":")[2]] for how, point in _befalls(told)}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        cloud = Cloud(Path(name))
        for what in ("allocation", "guest", "disk"):
            cloud.make(what, "web-1", "compute1")
        cloud.make("binding", "port-7", "compute1")
        environ = child_environment(ledger=ledger, credentials=True)
        hosts = {
            host: stack.enter_context(node(host, cloud.folder, environ, *befalls.get(host, [])))
            for host in ("compute1", "compute2")
        }
        careless = ["--careless"] if told.careless else []
        known = [part for host, url in hosts.items() for part in ("--host", f"{host}={url}")]
        conductor = stack.enter_context(node("conductor", cloud.folder, environ, *known, *careless))
        api = stack.enter_context(node("api", cloud.folder, environ, "--conductor", conductor))
        report = call(api, "resize", server="web-1", port="port-7", source="compute1", dest="compute2")
        print(f"\n{report}\n")
        print("there is now:", *cloud.everything(), sep="\n  ")
        reap_everything(ledger, cloud)


def _befalls(told: argparse.Namespace) -> list[tuple[str, str]]:
    return [(how, point) for how, point in (("fault", told.fault), ("kill", told.kill)) if point]


def read(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", help="the ledger's URL; by default a SQLite database that is thrown away")
    parser.add_argument("--fault", choices=POINTS)
    parser.add_argument("--kill", choices=POINTS)
    parser.add_argument("--alone", action="store_true", help="one resize to which nothing happens, and no more")
    parser.add_argument("--careless", action="store_true", help="the conductor forgets the image on its way back")
    return parser.parse_args(arguments)


def main() -> None:
    """One way through, or the whole show."""
    told = read()
    alone = told.alone or told.fault or told.kill or told.careless
    with tempfile.TemporaryDirectory() as folder:
        ledger = told.ledger or f"sqlite:///{folder}/ledger.db"
        for number, (title, arguments) in enumerate([("one resize", sys.argv[1:])] if alone else SHOW, 1):
            print(f"{'' if number == 1 else chr(10)}=== {number}. {title}\n", flush=True)
            resize(ledger, told if alone else read(arguments))


if __name__ == "__main__":
    main()
