"""A worker that is killed at a moment of its own: `python stores_victim.py URL SCOPE SEED`.

It says what it is about to do, does it, and says that it has been done; the one that reads it knows what was acknowledged.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading

from stores_elsewhere import create, delete

from lifeguard.stores import join


def live(url: str, scope: str, seed: str) -> None:
    """Acquire and release some until the end comes."""
    moment = random.Random(seed)
    threading.Timer(moment.uniform(0.0, 0.12), os.kill, (os.getpid(), signal.SIGKILL)).start()
    with join(scope, ledger=url):
        for number in range(10_000):
            name = f"{seed}-{number}"
            os.write(1, f"creating {name}\n".encode())
            create(name)
            os.write(1, f"created {name}\n".encode())
            if moment.random() < 0.7:
                os.write(1, f"deleting {name}\n".encode())
                delete(name)
                os.write(1, f"deleted {name}\n".encode())


if __name__ == "__main__":
    live(*sys.argv[1:])
