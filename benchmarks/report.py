"""The table and the plot, made from what was measured: `python -m benchmarks.report 3.11.json 3.13.json`."""

from __future__ import annotations

from collections.abc import Sequence
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
