"""What it costs to begin: the import, and decorating."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import lifeguard
from benchmarks.measuring import Options, Row, elapsed, spread
from benchmarks.services import OURS
from lifeguard import Resource, acquires, releases

HOME = str(Path(lifeguard.__file__).parent.parent)

_PROGRAM = """
import sys, time
sys.path.insert(0, {home!r})
began, wall = time.process_time(), time.perf_counter()
import {modules}
print(time.process_time() - began, time.perf_counter() - wall)
"""

_LIGHT = """
import sys
sys.path.insert(0, {home!r})
before = set(sys.modules)
import lifeguard
print(*sorted(set(sys.modules) - before))
"""

FORBIDDEN = ("asyncio", "importlib.metadata")
USUAL = "dataclasses, inspect, functools, contextvars"
"""What almost every program has imported anyway; a measure of how fast a machine is."""


def _python(program: str, environment: dict[str, str]) -> str:
    run = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    return run.stdout


def _imports(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def seconds(modules: str) -> float:
            cpu, _ = _python(_PROGRAM.format(home=HOME, modules=modules), environment).split()
            return float(cpu)

        cases = ("lifeguard", USUAL, f"{USUAL}, lifeguard", "json")
        times: dict[str, list[float]] = {case: [] for case in cases}
        for case in cases:
            seconds(case)
        for _ in range(5 if options.quick else 21):
            for case in cases:
                times[case].append(seconds(case) * 1000)
        new = _python(_LIGHT.format(home=HOME), environment).split()
    ours, usual = times["lifeguard"], times[USUAL]
    foreign = {name.partition(".")[0] for name in new} - set(sys.stdlib_module_names) - {"lifeguard"}
    forbidden = sorted({name for name in new if name.startswith(FORBIDDEN)} | foreign)
    own = sum(name.partition(".")[0] == "lifeguard" for name in new)
    after = [whole - part for whole, part in zip(times[f"{USUAL}, lifeguard"], usual, strict=True)]
    json_ratio = [one / other for one, other in zip(ours, times["json"], strict=True)]
    note = f"{own} modules of its own, {len(new) - own} of the standard library; CPU time of a new process, `python -S`"
    return [
        Row("starting", "import", "`import lifeguard`", *spread(ours), unit="ms", aim=20, note=note),
        Row(
            "starting",
            "import, ratio",
            f"the same against `import {USUAL}`",
            *spread([one / other for one, other in zip(ours, usual, strict=True)]),
        ),
        Row("starting", "import, json", "the same against `import json`", *spread(json_ratio)),
        Row("starting", "import, added", f"what it adds where {USUAL} are imported", *spread(after), unit="ms"),
        Row(
            "starting",
            "import, forbidden",
            "modules that it must not import: third-party, asyncio, importlib.metadata",
            *spread([len(forbidden)]),
            unit="modules",
            aim=0,
            note=", ".join(forbidden),
        ),
    ]


def _decorate(count: int) -> list[Any]:
    made: list[Any] = []
    kind = Resource("image")
    for number in range(count // 2):

        @acquires(kind, key="result['id']")
        def create_image(self: object, name: str, size: int = 1, number: int = number) -> dict[str, str]:
            return {"id": name}

        @releases(kind, key="image_id")
        def delete_image(self: object, image_id: str) -> None:
            return None

        made += (create_image, delete_image)
    return made


def _decorating(options: Options) -> Row:
    kept: list[Any] = []
    times = [elapsed(lambda: kept.append(_decorate(1_000)), process_time) for _ in range(1 if options.quick else 5)]
    assert len(OURS) == 2
    return Row("starting", "decorating", "decorating 1,000 methods", *spread(times), unit="s", aim=1.0)


def rows(options: Options) -> list[Row]:
    """The rows of this family."""
    found: list[Row] = []
    if options.wants("starting", "import"):
        found += _imports(options)
    if options.wants("starting", "decorating"):
        found.append(_decorating(options))
    return found
