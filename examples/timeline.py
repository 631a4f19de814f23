"""Four moves of a server between two cells, three of them with a mistake, as one HTML page, or as any other report.

    python examples/timeline.py                  writes timeline.html here
    python examples/timeline.py -o FILE          writes it elsewhere: .html, .json, .md, .sarif, .txt or .xml

The moves are those of `multi_cell_migration.py`. Each one runs in a scope that keeps a journal; the report is made from the
journals, as it could be made anywhere and later.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from multi_cell.conductor import Cloud
from multi_cell_migration import resize_and_confirm, spawn_fails

from lifeguard import scope
from lifeguard.reporting import formats, replay
from lifeguard.reporting.model import Report

MOVES = (
    ("resize and confirm", resize_and_confirm, None),
    ("the snapshot outlives the move", resize_and_confirm, "snapshot-outlives-the-move"),
    ("the attachments are not handed over", resize_and_confirm, "attachments-not-handed-over"),
    ("the spawn fails, its clean-up fails too", spawn_fails, "failed-clean-up-swallowed"),
)
"""Name of the scope, what happens in it, and the mistake."""


def made(folder: Path) -> Report:
    """The report.

    Args:
        folder: where the journals are kept.
    """
    journals = []
    for number, (name, path, hole) in enumerate(MOVES):
        journals.append(folder / f"journal-{number}.jsonl")
        cloud = Cloud(hole)
        with scope(name, reach="process", remember=None, on_violation="record", journal=journals[-1]):
            path(cloud)
        cloud.close()
    return replay.read(journals, title="Four moves of a server").report


def main(arguments: list[str] | None = None) -> int:
    """Write the report and say where."""
    parser = argparse.ArgumentParser(
        description="Four moves of a server between two cells, as one HTML page or other report."
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("timeline.html"), metavar="FILE")
    output: Path = parser.parse_args(arguments).output
    with tempfile.TemporaryDirectory() as folder:
        formats.write_report(made(Path(folder)), output)
    print(f"written: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
