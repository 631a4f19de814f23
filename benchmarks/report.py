"""The table and the plot, made from what was measured.

`python -m benchmarks.report build/benchmarks-3.11.json build/benchmarks-3.13.json --docs docs` puts the table into
docs/performance.md and draws docs/performance.svg.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORMAT = "lifeguard-benchmarks"
VERSION = 1


def _number(value: float, unit: str) -> str:
    if unit in ("events", "modules"):
        return f"{value:.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 or unit == "B" else 2
    return f"{value:,.{digits}f}"


def _aim(row: dict[str, Any]) -> str:
    if row["aim"] is None:
        return ""
    return f"{'≥' if row['at_least'] else '≤'} {_number(row['aim'], row['unit'])}"


def _verdict(row: dict[str, Any]) -> str:
    return "" if row["passed"] is None else "PASS" if row["passed"] else "under" if row["at_least"] else "over"


def _cell(row: dict[str, Any]) -> list[str]:
    unit = "" if row["unit"] == "×" else f" {row['unit']}"
    spread = f"{_number(row['low'], row['unit'])} to {_number(row['high'], row['unit'])}"
    return [_aim(row), f"{_number(row['measured'], row['unit'])}{unit}", spread, _verdict(row)]


def table(results: Sequence[dict[str, Any]]) -> str:
    """The rows of one or more runs side by side, as a table in Markdown that is readable as text."""
    heads = ["row", "what"]
    for result in results:
        heads += [f"aim, {result['python']} {result['speedups']}", "measured", "quartiles", ""]
    names = {(row["name"], row["what"]): None for result in results for row in result["rows"]}
    lines: list[list[str]] = []
    for name, what in names:
        line = [name, what]
        for result in results:
            found = [row for row in result["rows"] if (row["name"], row["what"]) == (name, what)]
            line += _cell(found[0]) if found else 4 * [""]
        lines.append(line)
    widths = [max(len(line[column]) for line in (heads, *lines)) for column in range(len(heads))]
    rows = [heads, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


# -- for the documentation -----------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"

PANELS = (
    ("open obligations", "obligations open in the scope", "a pair, against do-nothing", True),
    ("million, speed", "pairs done in the scope (history)", "a pair, against do-nothing", False),
    ("depth", "scopes, one inside the other", "a pair, against do-nothing", True),
    ("threads", "threads on one process scope", "throughput, against one thread", True),
    ("closing", "ever acquired, 20 of them open", "µs to close", True),
    ("million, memory", "pairs done in the scope (history)", "kB held", False),
)


def page(results: Sequence[dict[str, Any]]) -> str:
    """The table as the documentation has it: a column for each run."""
    heads = ["what", *(f"{_version(one)} {one['speedups']}" for one in results)]
    lines = [heads, ["---", *("---:" for _ in results)]]
    names = {row["name"]: row["what"] for result in results for row in result["rows"] if row["name"] not in _HIDDEN}
    for name, what in names.items():
        line = [what]
        for result in results:
            found = [row for row in result["rows"] if row["name"] == name]
            line.append(_page_cell(found[0]) if found else "")
        lines.append(line)
    taken = "; ".join(f"Python {one['python']}, {one['machine']}, {one['rounds']} rounds" for one in results)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\nTaken on: {taken}.\n"


_HIDDEN = frozenset({"do-nothing", "do-nothing, fresh frame", "do-nothing async", "import, json"})


def _version(result: dict[str, Any]) -> str:
    return ".".join(result["python"].split(".")[:2])


def _page_cell(row: dict[str, Any]) -> str:
    aim, measured, quartiles, verdict = _cell(row)
    told = {"PASS": "✓", "over": "✗", "under": "✗"}.get(verdict, "")
    wanted = f", aim {aim} {told}" if aim else ""
    return f"**{measured}** ({quartiles.replace(' to ', '–')}{wanted})"


def plot(results: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw how cost grows."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lifeguard", "font.size": 9})
    figure, axes = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for axis, (name, across, up, logarithmic) in zip(axes.flat, PANELS, strict=True):
        highest = 0.0
        for result in results:
            row = next((row for row in result["rows"] if row["name"] == name), None)
            if row is None:
                continue
            scale = 1000 if up.startswith("kB") else 1
            values = [value / scale for _, value in row["curve"]]
            highest = max(highest, *values)
            label = f"{_version(result)} {result['speedups']}"
            axis.plot([place for place, _ in row["curve"]], values, marker="o", markersize=3, label=label)
            if name in ("depth", "threads"):
                axis.set_xscale("log", base=2)
                axis.set_xticks([place for place, _ in row["curve"]], [f"{place:g}" for place, _ in row["curve"]])
        if logarithmic and name not in ("depth", "threads"):
            axis.set_xscale("log")
        axis.set_ylim(0, highest * 1.25 or 1)
        axis.set_xlabel(across)
        axis.set_ylabel(up)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(loc="lower left")
    figure.savefig(file, format="svg", metadata={"Date": None})
    # Lines of an SVG end in spaces, which editors take away.
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def read(file: Path) -> dict[str, Any]:
    """One run's JSON file.

    Raises:
        ValueError: it is something else, or of another version.
    """
    result: dict[str, Any] = json.loads(file.read_text())
    if (result.get("format"), result.get("version")) != (FORMAT, VERSION):
        raise ValueError(f"{file} is not version {VERSION} of {FORMAT}")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Print the table; with `--docs`, bring the page and its plot up to date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--docs", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    results = [read(file) for file in given.files]
    print(table(results))
    if given.docs is not None:
        where = given.docs / "performance.md"
        before, _, rest = where.read_text().partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            print(f"{where} has no place for the table", file=sys.stderr)
            return 1
        where.write_text(before + BEGIN + "\n" + page(results) + "\n" + END + after)
        plot(results, given.docs / "performance.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
