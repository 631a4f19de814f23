"""Runs the benchmarks: `python -m benchmarks --rows pair --quick`."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
from pathlib import Path
from typing import Any

import lifeguard
from benchmarks import exploring, growth, memory, pairs, starting
from benchmarks.measuring import Options, Row
from benchmarks.report import FORMAT, VERSION, table
from benchmarks.services import prove_all, which

FAMILIES = (pairs, memory, growth, exploring, starting)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write the JSON file.

    Returns:
        1 if a row with an aim is over it and `--strict` was given, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of every row that is measured in rounds (200; quick: 40)")
    parser.add_argument(
        "--rows", nargs="*", default=[], metavar="NAME", help="only rows or families whose name has this"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    parser.add_argument("--strict", action="store_true", help="fail where an aim is not met")
    given = parser.parse_args(arguments)
    options = Options(given.rounds or (40 if given.quick else 200), given.quick, tuple(given.rows))
    print(f"lifeguard {lifeguard.__version__} ({which()}) of {Path(lifeguard.__file__).parent}")
    print(f"at work: {', '.join(prove_all())}", flush=True)
    gc.collect()
    gc.freeze()
    found: list[Row] = []
    for family in FAMILIES:
        found += family.rows(options)
    result = _result(options, found)
    print(table([result]))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if not found:
        print("no row has such a name", file=sys.stderr)
        return 2
    return int(given.strict and any(row.passed is False for row in found))


def _result(options: Options, rows: list[Row]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "lifeguard": lifeguard.__version__,
        "speedups": which(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": f"{platform.system()} {platform.machine()}",
        "rounds": options.rounds,
        "quick": options.quick,
        "rows": [row.as_dict() for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
