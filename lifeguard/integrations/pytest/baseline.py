"""The file of findings that are known, so that a suite that leaks today can gain the gate today.

A finding is known by its rule, its kind, and the function that made the acquire, with that function's file. There are no
line numbers in the file: it must not change when a line is added above. Each entry has a count; one more is a new finding.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from lifeguard.verdict import Violation
from lifeguard_pytest import OPTIONS, UPDATE, of_the_run, placed

VERSION: Final = 1

_OPTION = next(option for option in OPTIONS if option.name == "baseline")


class Known(NamedTuple):
    """What a finding is known by."""

    rule: str
    kind: str
    file: str
    function: str

    def __str__(self) -> str:
        what = f"{self.rule} {self.kind}".strip()
        return f"{what} in {self.function} ({self.file})" if self.file else f"{what} by {self.function}"


def known_by(violation: Violation, root: Path) -> Known:
    """What a finding is known by.

    Args:
        violation: the finding.
        root: the folder that paths are written relative to.
    """
    for place in (violation.acquired, violation.place):
        if place is not None and place.line:
            path = os.path.relpath(place.file, root) if os.path.isabs(place.file) else place.file
            return Known(violation.code, violation.kind, Path(path).as_posix(), place.function)
    function = violation.history[0].function if violation.history else ""
    return Known(violation.code, violation.kind, "", function)


class Baseline:
    """The file, and what was found of it in this process."""

    def __init__(self, path: Path, counts: Counter[Known], *, updating: bool) -> None:
        self.path = path
        self.counts = counts
        self.updating = updating
        self._seen: Counter[Known] = Counter()

    def excuses(self, known: Known) -> bool:
        """Whether a finding is known, and no more of the kind were found than are; counts it."""
        self._seen[known] += 1
        return self.updating or self._seen[known] <= self.counts[known]


def read_baseline(config: pytest.Config) -> Baseline | None:
    """The baseline that the configuration names.

    Returns:
        the baseline; None where none is named.

    Raises:
        pytest.UsageError: the file is not there, or is no baseline.
    """
    updating = bool(config.getoption("lifeguard_update_baseline", False))
    named, where = of_the_run(_OPTION, config)
    if named is None:
        if updating:
            raise pytest.UsageError(
                f"{UPDATE}: which file? Name it with {_OPTION.command}, or {_OPTION.ini} in the ini file"
            )
        return None
    path = placed(named, where, config)
    if updating:
        return Baseline(path, _read(path, where) if path.exists() else Counter(), updating=True)
    if not path.is_file():
        raise pytest.UsageError(f"{where}: there is no file {path}; {UPDATE} writes it")
    return Baseline(path, _read(path, where), updating=False)


def _read(path: Path, where: str) -> Counter[Known]:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data["lifeguard baseline"] != VERSION:
            raise ValueError(f"it is of version {data['lifeguard baseline']!r}, not {VERSION}")
        found: Counter[Known] = Counter()
        for entry in data["findings"]:
            number = entry["count"]
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"a count is a whole number from 1, not {number!r}")
            found[Known(*(str(entry[field]) for field in Known._fields))] += number
    except KeyError as error:
        raise pytest.UsageError(f"{where}: {path} is no baseline of lifeguard: {error} is missing") from None
    except (OSError, ValueError, TypeError) as error:
        raise pytest.UsageError(f"{where}: {path} is no baseline of lifeguard: {error}") from None
    return found


def write_baseline(path: Path, found: Counter[Known]) -> None:
    """Write the file: one finding a line, in order, so that differences read well."""
    entries = [json.dumps({**known._asdict(), "count": found[known]}) for known in sorted(found) if found[known]]
    body = ",\n    ".join(entries)
    inner = f"\n    {body}\n  " if entries else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "lifeguard baseline": {VERSION},\n  "findings": [{inner}]\n}}\n', encoding="utf-8")


def is_partial(config: pytest.Config, *, deselected: bool) -> bool:
    """Whether only a part of the suite was asked for: single files or tests, or a choice among those collected."""
    return deselected or any(
        "::" in one or not Path(config.invocation_params.dir, one).is_dir() for one in _paths(config)
    )


def _paths(config: pytest.Config) -> Iterable[str]:
    return [one for one in config.args if not one.startswith("-")]
