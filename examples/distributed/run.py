"""Four processes resize a server over HTTP, and one scope, kept in a database, says whether the books balance.

    python examples/distributed/run.py                           the whole show
    python examples/distributed/run.py --alone                   one resize to which nothing happens
    python examples/distributed/run.py --fault compute2:finish_resize
    python examples/distributed/run.py --kill compute2:after-claim
    python examples/distributed/run.py --careless --fault compute2:finish_resize
    python examples/distributed/run.py --ledger postgresql+psycopg://user@localhost/ledger

Points: compute1:after-snapshot, compute2:after-claim, compute2:finish_resize, api:before-verdict. A fault is an exception
there, with which the services have to deal; a kill is the end of the process.
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

from distributed.resources import Cloud, releasers
from distributed.wire import CallFailed, call
from lifeguard.stores import child_environment, orphans, reap

POINTS = ("compute1:after-snapshot", "compute2:after-claim", "compute2:finish_resize", "api:before-verdict")

SHOW: list[tuple[str, list[str]]] = [
    ("a resize over four processes", []),
    ("the destination has no room: three processes roll back", ["--fault", "compute2:finish_resize"]),
    ("the same, and the conductor forgets the image", ["--fault", "compute2:finish_resize", "--careless"]),
    ("the destination is killed when it has claimed its place", ["--kill", "compute2:after-claim"]),
    (
        "the conductor forgets the image, and the API is killed before it could say so",
        ["--fault", "compute2:finish_resize", "--careless", "--kill", "api:before-verdict"],
    ),
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
    """Start the services, resize a server, and show what its scope has to say, and what is there afterwards."""
    befalls: dict[str, list[str]] = {}
    for how, point in (("fault", told.fault), ("kill", told.kill)):
        if point:
            befalls.setdefault(point.partition(":")[0], []).extend([f"--{how}", point.partition(":")[2]])
    with tempfile.TemporaryDirectory() as name:
        cloud = Cloud(Path(name))
        for what in ("allocation", "guest", "disk"):
            cloud.make(what, "web-1", "compute1")
        cloud.make("binding", "port-7", "compute1")
        with ExitStack() as stack:
            environ = child_environment(ledger=ledger, credentials=True)

            def start(name: str, *more: str) -> str:
                return stack.enter_context(node(name, cloud.folder, environ, *more, *befalls.get(name, [])))

            hosts = [part for host in ("compute1", "compute2") for part in ("--host", f"{host}={start(host)}")]
            conductor = start("conductor", *hosts, *(["--careless"] if told.careless else []))
            api = start("api", "--conductor", conductor)
            try:
                report = call(api, "resize", server="web-1", port="port-7", source="compute1", dest="compute2")
            except CallFailed as error:
                report = f"the API says nothing: {error}"
            print(f"\n{report}\n", flush=True)
        look_after_the_dead(ledger, cloud)
        print("there is now:", *cloud.everything(), sep="\n  ")


def look_after_the_dead(ledger: str, cloud: Cloud) -> None:
    """As an operator would, when everything has stopped: what dead processes owe, and its release."""
    if found := orphans(ledger):
        print(found)
        print(reap(ledger, contracts=releasers(cloud), dry_run=False), end="\n\n", flush=True)


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
