"""What `report` and `verify` are given: journals, reports that were written as JSON, and the standard input."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from lifeguard.cli.exits import USAGE, Failure
from lifeguard.reporting.formats import read_report
from lifeguard.reporting.model import Report
from lifeguard.reporting.replay import JournalError, Read, read

STANDARD_INPUT: Final = "-"
_CALLED: Final = "standard input"


def read_all(paths: Sequence[str], *, title: str = "") -> Report:
    """Journals and JSON reports as one report.

    Args:
        paths: the files; `-` for the standard input.
        title: what the report is a report of.

    Raises:
        Failure: one of them is neither.
        OSError: one of them cannot be read.
    """
    with _as_files(paths) as files:
        journals = [file for file in files if not _is_report(file)]
        reports = [_report(file) for file in files if _is_report(file)]
        if journals:
            reports.insert(0, _read(journals, title).report)
        if len(reports) == 1:
            (only,) = reports
            return replace(only, title=title or only.title)
        return Report.merged(reports, title=title)


def read_journals(paths: Sequence[str]) -> Read:
    """Journals, judged again.

    Raises:
        Failure: one of them is no journal.
        OSError: one of them cannot be read.
    """
    with _as_files(paths) as files:
        for file, path in zip(files, paths, strict=True):
            if _is_report(file):
                called = _CALLED if path == STANDARD_INPUT else path
                raise Failure(f"{called} is a report, which cannot be judged again: give its journal", USAGE)
        return _read(files, "")


def _read(files: list[str], title: str) -> Read:
    try:
        found = read(files, title=title)
    except JournalError as error:
        raise Failure(_in_words(str(error))) from error
    notes = tuple(map(_in_words, found.report.notes))
    return replace(found, report=replace(found.report, notes=notes))


def _report(file: str) -> Report:
    try:
        return read_report(file)
    except ValueError as error:
        raise Failure(_in_words(str(error))) from error


def _is_report(file: str) -> bool:
    """Whether it is a report and no journal: one JSON value, and not a line for each step."""
    with open(file, "rb") as lines:
        head = lines.readline().strip()
        try:
            first = json.loads(head)
        except (ValueError, RecursionError):
            return head == b"{"  # one that was written for people, or torn
    return isinstance(first, dict) and "step" not in first and "scopes" in first


@contextmanager
def _as_files(paths: Sequence[str]) -> Iterator[list[str]]:
    """The files; what comes on the standard input is one for as long."""
    if STANDARD_INPUT not in paths:
        yield list(paths)
        return
    with tempfile.TemporaryDirectory(prefix="lifeguard-") as folder:
        file = os.path.join(folder, _INPUT)
        Path(file).write_bytes(sys.stdin.buffer.read())
        yield [file if path == STANDARD_INPUT else path for path in paths]


_INPUT: Final = "lifeguard-standard-input"


def _in_words(text: str) -> str:
    """A text without the path of the file that stands for the standard input."""
    words = [_CALLED + word.partition(_INPUT)[2] if _INPUT in word else word for word in text.split(" ")]
    return " ".join(words)
