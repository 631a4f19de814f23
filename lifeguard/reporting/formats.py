"""The table of formats: by name or by the suffix of a file, each loaded when it is asked for; reports written and read."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lifeguard.reporting.model import Report


@dataclass(frozen=True, slots=True)
class Format:
    """One way to show a report.

    Attributes:
        name: its name, as it is asked for.
        suffixes: how the names of its files end; the first one is what is written where there is a choice.
        description: what it is for, in one line.
        module: the module that has its `render`.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    module: str

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return self.suffixes[0]

    def render(self, report: Report, **options: object) -> str:
        """A report in this format.

        Args:
            report: what to show.
            options: what the `render` of the format's module takes besides ("width" of text, "limit" of Markdown).

        Returns:
            the text, to be written as UTF-8.
        """
        module = importlib.import_module(self.module)
        text: str = module.render(report, **options)
        return text


_TABLE: Final = (
    Format("text", (".txt",), "for people, in a terminal or a log", "lifeguard.reporting.text_format"),
    Format(
        "json",
        (".json",),
        "for programs: everything; other formats can be made from it",
        "lifeguard.reporting.json_format",
    ),
    Format("sarif", (".sarif", ".sarif.json"), "for code scanning (SARIF 2.1.0)", "lifeguard.reporting.sarif"),
    Format("junit", (".xml",), "for the test reports of CI servers (JUnit XML)", "lifeguard.reporting.junit"),
    Format("markdown", (".md",), "for job summaries and comments (GitHub's Markdown)", "lifeguard.reporting.markdown"),
    Format("html", (".html", ".htm"), "one page with a timeline, to look at", "lifeguard.reporting.html"),
)

FORMATS: Final[Mapping[str, Format]] = MappingProxyType({one.name: one for one in _TABLE})
"""Every format by its name."""


def named(name: str) -> Format:
    """The format of a name.

    Raises:
        ValueError: there is none of that name; the text lists those that there are.
    """
    found = FORMATS.get(name)
    if found is None:
        raise ValueError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return found


def by_suffix(path: str | os.PathLike[str]) -> Format:
    """The format that a file's name asks for by its suffix, in capitals or small letters.

    Raises:
        ValueError: it asks for none; the text lists the suffixes that there are.
    """
    name = os.path.basename(os.fspath(path)).lower()
    suffixes = {suffix: one for one in _TABLE for suffix in one.suffixes}
    for suffix in sorted(suffixes, key=len, reverse=True):
        if name.endswith(suffix):
            return suffixes[suffix]
    raise ValueError(
        f"no format is known by the suffix of {os.fspath(path)!r}; those of reports are {', '.join(suffixes)}"
    )


def render(report: Report, format: str, **options: object) -> str:
    """A report in one of the formats.

    Args:
        report: what to show.
        format: the name of the format, one of `FORMATS`.
        options: what the `render` of that format's module takes besides.

    Returns:
        the text, to be written as UTF-8.

    Raises:
        ValueError: there is no such format.
    """
    return named(format).render(report, **options)


def read_report(path: str | os.PathLike[str]) -> Report:
    """A report that was written as JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not a report of a version that this lifeguard knows; the text names the file.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except ValueError as error:  # not JSON, or not UTF-8
        raise ValueError(f"{os.fspath(path)}: not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{os.fspath(path)}: not a report of lifeguard: nested too deeply") from None
    try:
        return Report.from_dict(data)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def write_report(report: Report, path: str | os.PathLike[str], format: str | None = None, **options: object) -> None:
    """Write a report to a file.

    It is written whole beside its place and then moved there, so that nobody sees half of it and a run that is killed
    leaves the older one; what is no ordinary file (`/dev/stdout`) is written to as it is.

    Args:
        report: what to write.
        path: the file.
        format: the name of the format; by default, the suffix of the file says which.
        options: what the `render` of that format's module takes besides.

    Raises:
        ValueError: there is no such format, or none of that suffix.
        OSError: the file cannot be written.
    """
    chosen = by_suffix(path) if format is None else named(format)
    text = chosen.render(report, **options)
    data = text.encode("utf-8", "backslashreplace")
    if os.path.exists(path) and not os.path.isfile(path):
        Path(path).write_bytes(data)
    else:
        _replace(Path(os.path.realpath(path)), data)


def _replace(path: Path, data: bytes) -> None:
    """Put a whole file in the place of another one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
