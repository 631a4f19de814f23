"""One service, as a process of its own: `node.py NAME FOLDER …`; `run.py` starts it.

Which ledger its scopes are in, it has from its environment (`LIFEGUARD_LEDGER`), as a deployed service would. It says its
address in one line on its standard output, tells what it does on its standard error, and ends when its standard input ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from distributed.api import Api
from distributed.compute import Compute
from distributed.conductor import Conductor
from distributed.resources import Cloud
from distributed.wire import Handler, server_of


class Fault(Exception):
    """What was asked for on the command line."""


def handlers_of(told: argparse.Namespace) -> dict[str, Handler]:
    """What the service with this name can be called for."""
    cloud = Cloud(told.folder)

    def say(text: str) -> None:
        print(f"  {told.name:10} {text}", file=sys.stderr, flush=True)

    def point(name: str) -> None:
        if name == told.kill:
            say(f"is killed: {name}")
            os.kill(os.getpid(), signal.SIGKILL)
        if name == told.fault:
            say(f"fails: {name}")
            raise Fault(f"{name} on {told.name}")

    if told.name == "api":
        return {"resize": Api(told.conductor, cloud, os.environ["LIFEGUARD_LEDGER"], say, point).resize}
    if told.name == "conductor":
        hosts = dict(one.split("=", 1) for one in told.host)
        return {"resize": Conductor(cloud, hosts, say, careless=told.careless).resize}
    compute = Compute(told.name, cloud, point)
    names = ("prep_resize", "resize", "finish_resize", "undo_resize", "confirm_resize", "keep")
    return {name: getattr(compute, name) for name in names}


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--conductor")
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("--careless", action="store_true")
    parser.add_argument("--fault")
    parser.add_argument("--kill")
    told = parser.parse_args()
    with server_of(handlers_of(told)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
