"""JSON: everything that a report has. Every other format can be made from it, anywhere and later.

`docs/schema/report-1.json` describes it. Readers leave out what they do not know: a later lifeguard may say more.
"""

from __future__ import annotations

import json

from lifeguard.reporting.model import Report


def render(report: Report, *, indent: int | None = 1) -> str:
    """A report as JSON, in ASCII: what a program names cannot be anything but text, whatever reads it.

    Args:
        report: what to tell.
        indent: so many spaces for each level; None for one line.

    Returns:
        the JSON, with a newline at its end.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(report.as_dict(), indent=indent, separators=separators) + "\n"
