"""What this project can be asked to do: `nox -s lifecycle`."""

import os
from pathlib import Path

import nox

LIFEGUARD = os.environ.get("LIFEGUARD_REQUIREMENT", "lifeguard-contracts[cli,pytest]")
"""What is installed as lifeguard: a released version, unless a path or a wheel is tried out."""


@nox.session
def lifecycle(session: nox.Session) -> None:
    """Everything that the tests acquire is released, handed over or rolled back."""
    session.install(LIFEGUARD, ".")
    # pytest and all its workers write to the end of one file: what was written last time goes.
    Path("lifeguard.jsonl").unlink(missing_ok=True)
    try:
        session.run("pytest", "--lifeguard-journal=lifeguard.jsonl", *session.posargs)
    finally:
        session.run("lifeguard", "report", "lifeguard.jsonl", "-o", "lifeguard.html", "-o", "lifeguard.sarif")
