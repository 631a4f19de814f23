"""SARIF 2.1.0, for code scanning: one run with all scopes of a report, within what GitHub takes.

Every rule is declared every time, and a report without findings has an empty list of results: only so are alerts closed
when their cause is mended. Findings that say the same of one line are one result with a count. The history of a resource is
a code flow; the standard has words for it (`acquire`, `release`, `scope`, …).

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final
from urllib.parse import quote

from lifeguard import text as words
from lifeguard.places import Place
from lifeguard.reporting.findings import Found, event_of, findings, life_of, one_line, plural, visible, where
from lifeguard.reporting.model import EXCUSED, Event, Mark, Report
from lifeguard.rules import RULES, Rule
from lifeguard.verdict import Violation

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

RESULTS: Final = 25_000
"""GitHub refuses a run with more results."""

RESULTS_SHOWN: Final = 5_000
"""GitHub shows so many results of a run, the worst ones."""

STEPS: Final = 1_000
"""GitHub shows so many steps of a code flow; from 10,000 on it refuses the file."""

COMPRESSED: Final = 10_000_000
"""So many bytes may a file have, compressed with gzip."""

FINGERPRINT: Final = "lifeguard/v1"
"""The name of our own fingerprint. `primaryLocationLineHash`, which GitHub looks at, is made by its upload from the source."""

NOWHERE: Final = "no-file-is-known-for-this-finding"
"""What stands for the file of a finding that has none: GitHub refuses a whole file if one result has no location."""

ROOT: Final = "%SRCROOT%"

MORE: Final = "the JSON report has all"
"""What is said of what is left out."""

Node = dict[str, Any]


def render(report: Report, *, root: str | os.PathLike[str] | None = None) -> str:
    """A report as SARIF.

    Args:
        report: what to tell. Several are made one with `Report.merged`: a second upload of the same category would replace
            the first.
        root: the folder of the repository, which paths are written relative to. By default the nearest one, from the
            current folder up, that has a `.git`; where there is none, the current folder.

    Returns:
        the JSON, with a newline at its end. What did not go into it is told in the notifications of its invocation.
    """
    made = _Run(report, Path(os.path.realpath(root if root is not None else repository_root())))
    shown = min(len(made.alike), RESULTS)
    while True:
        text = json.dumps(made.log(shown), indent=1) + "\n"
        if len(text) <= COMPRESSED or shown <= 1 or len(gzip.compress(text.encode(), 6)) <= COMPRESSED:
            return text
        shown = shown * 3 // 4


def repository_root() -> str:
    """The nearest folder, from the current one up, that has a `.git`; where there is none, the current one."""
    here = Path.cwd()
    return str(next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here))


class _Run:
    """One run: all findings of a report, those that say the same of one line together."""

    def __init__(self, report: Report, root: Path) -> None:
        self._report = report
        self._root = root
        self._paths: dict[str, str] = {}
        self._codes = {code: index for index, code in enumerate(RULES)}
        together: dict[object, list[Found]] = {}
        for scope in report.scopes:
            for found in findings(scope):
                one = found.violation
                ident = (self.fingerprint(one), found.status, found.why, where(one), one.severity)
                together.setdefault(ident, []).append(found)
        worst = {"violation": 0, "warning": 1, "allowed": 2}
        self.alike = sorted(together.values(), key=lambda group: worst[group[0].status])

    def log(self, shown: int) -> Node:
        """The whole file, with so many results."""
        weaknesses = sorted({rule.cwe: rule.cwe_name for rule in RULES.values() if rule.cwe is not None}.items())
        driver: Node = {
            "name": "lifeguard",
            "rules": [_rule(rule) for rule in RULES.values()],
            "supportedTaxonomies": [{"name": "CWE", "index": 0}],
        }
        if self._report.lifeguard:
            driver["version"] = visible(self._report.lifeguard)
        run: Node = {
            "tool": {"driver": driver},
            "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(self._notes(shown))}],
            "originalUriBaseIds": {
                ROOT: {
                    "uri": self._root.as_uri().rstrip("/") + "/",
                    "description": {"text": "The root of the repository."},
                }
            },
            "taxonomies": [
                {
                    "name": "CWE",
                    "organization": "MITRE",
                    "shortDescription": {"text": "The Common Weakness Enumeration."},
                    "informationUri": "https://cwe.mitre.org/",
                    "isComprehensive": False,
                    "taxa": [_weakness(number, name) for number, name in weaknesses],
                }
            ],
            "results": [self._result(group) for group in self.alike[:shown]],
        }
        if self._report.title:
            run["properties"] = {"title": visible(self._report.title)}
        return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}

    def _notes(self, shown: int) -> Iterator[Node]:
        """What the reader has to know of the file itself."""
        for note in self._report.notes:
            yield {"level": "note", "message": {"text": visible(note)}}
        left = len(self.alike) - shown
        if left:
            text = f"{plural(left, 'result')} left out, of which GitHub would refuse the file: {MORE}."
            yield {"level": "warning", "message": {"text": text}}
        elif shown > RESULTS_SHOWN:
            text = f"Of {shown:,} results GitHub shows {RESULTS_SHOWN:,}: {MORE}."
            yield {"level": "warning", "message": {"text": text}}

    # -- a result ---------------------------------------------------------------------------------------------------------------

    def fingerprint(self, violation: Violation) -> str:
        """What a finding is known by from run to run: nothing in it changes when lines move or keys are given out anew."""
        parts = [violation.code, violation.kind]
        for place in (violation.acquired, violation.place):
            parts += [_portable(self._path(place.file)), place.function] if place is not None else ["", ""]
        parts.append(violation.history[0].function if violation.history else "")
        if not violation.kind:
            parts.append(re.sub(r"0x[0-9a-f]+|\d+", "#", violation.message))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]

    def _result(self, group: list[Found]) -> Node:
        first = group[0]
        violation = first.violation
        place = where(violation)
        aside = violation.acquired if violation.acquired not in (None, place) else None
        related = [("acquired here", aside), ("the scope was opened here", first.scope.place)]
        locations = [(text, one) for text, one in related if one is not None and one.line]
        result: Node = {
            "ruleId": violation.code,
            "ruleIndex": self._codes.get(violation.code, -1),
            "level": "warning" if violation.severity == "warning" else "error",
            "message": {"text": _message(group, linked=bool(locations) and locations[0][1] is aside)},
            "locations": [self._location(place) if place is not None else self._fallback(first)],
            "partialFingerprints": {FINGERPRINT: self.fingerprint(violation)},
            "occurrenceCount": len(group),
            "suppressions": [],
            "properties": {"scope": visible(first.scope.name), "kind": visible(violation.kind)},
        }
        if first.scope.test:
            result["properties"]["test"] = visible(first.scope.test)
        if violation.code not in self._codes:
            del result["ruleIndex"]
        if locations:
            result["relatedLocations"] = [
                {"id": number, "message": {"text": text}, **self._location(one)}
                for number, (text, one) in enumerate(locations, 1)
            ]
        flow = self._flow(first)
        if flow is not None:
            result["codeFlows"] = [flow]
        if first.status == "allowed":
            kind = "external" if first.why.startswith(EXCUSED) else "inSource"
            result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": visible(first.why)}]
        return result

    def _flow(self, found: Found) -> Node | None:
        """The history of the resource, and the end of the scope, as far as they have lines."""
        violation, scope = found.violation, found.scope
        life = life_of(scope, violation)
        events = life.events if life is not None else tuple(map(event_of, violation.history))
        broke = {one.seq for one in events if one.codes} or {violation.seq}
        steps = [self._step(one.place, one, broke=one.seq in broke) for one in events if one.place and one.place.line]
        if scope.place is not None and scope.place.line and steps:
            ended = {"location": {"message": {"text": one_line(violation.ended)}, **self._location(scope.place)}}
            steps.append({**ended, "kinds": ["exit", "scope"], "importance": "essential"})
        if not steps:
            return None
        left = sum(not (one.place and one.place.line) for one in events) + violation.cut * (life is None)
        flow: Node = {"locations": _cut(steps)}
        for number, step in enumerate(flow["locations"], 1):
            step["executionOrder"] = number
        left += len(steps) - len(flow["locations"])
        what = "in the order of the events" + (f"; {plural(left, 'event')} left out" if left else "")
        name = _unlinked(one_line(f"{violation.kind} {violation.key_text}"))
        return {"message": {"text": f"What happened to {name}, {what}."}, "threadFlows": [flow]}

    def _step(self, place: Place, event: Event, *, broke: bool) -> Node:
        essential = broke or event.mark in ("acquire", "fail", "release", "transfer")
        return {
            "location": {"message": {"text": _unlinked(one_line(_said(event)))}, **self._location(place)},
            "kinds": [*_KINDS[event.mark], *(["danger"] if broke else ["caution"] if event.raised else [])],
            "importance": "essential" if essential else "important",
        }

    # -- places -----------------------------------------------------------------------------------------------------------------

    def _path(self, file: str) -> str:
        """A file relative to the root, with slashes; absolute where it lies elsewhere."""
        known = self._paths.get(file)
        if known is None:
            known = self._paths[file] = self._resolved(file)
        return known

    def _resolved(self, file: str) -> str:
        if not os.path.isabs(file) and PureWindowsPath(file).is_absolute():  # of another machine
            return PureWindowsPath(file).as_posix()
        try:
            real = Path(os.path.realpath(file))
        except (ValueError, OSError):  # it is no path at all
            real = Path(os.path.abspath(file))
        inside = real.is_relative_to(self._root)
        return (real.relative_to(self._root) if inside else real).as_posix()

    def _artifact(self, file: str) -> Node:
        path = self._path(file)
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute():
            return {"uri": f"file:///{_quoted(path.lstrip('/'), safe='/:')}"}
        return {"uri": _quoted(path), "uriBaseId": ROOT}

    def _location(self, place: Place) -> Node:
        return {
            "physicalLocation": {
                "artifactLocation": self._artifact(place.file),
                "region": {"startLine": max(place.line, 1)},
            },
            "logicalLocations": [{"fullyQualifiedName": visible(place.function), "kind": "function"}],
        }

    def _fallback(self, found: Found) -> Node:
        """Where a finding that has no line is shown: where its scope was opened, else in the file of its test."""
        if found.scope.place is not None and found.scope.place.line:
            return self._location(found.scope.place)
        file = found.scope.test.partition("::")[0]
        artifact = {"uri": _quoted(file), "uriBaseId": ROOT} if file else {"uri": NOWHERE}
        return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}}}


_KINDS: Final[dict[Mark, list[str]]] = {
    "acquire": ["acquire", "resource"],
    "release": ["release", "resource"],
    "transfer": ["transfer", "resource"],
    "use": ["use", "resource"],
    "fail": ["fail", "danger"],
    "rollback": ["rollback", "release"],
    "seed": ["acquire", "resource", "implicit"],
    "settle": ["release", "resource", "implicit"],
}


def _said(event: Event) -> str:
    """One event of a life, in one line."""
    notes = "; ".join(
        one for one in (event.note or event.error, f"injected {event.fault}" if event.fault else "") if one
    )
    by = event.function if event.function == "by hand" else f"by {event.function}"
    return f"{event.seq} {event.verb} {by} [{event.actor}]" + (f": {notes}" if notes else "")


def _cut(steps: list[Node]) -> list[Node]:
    """The first and the last steps, where there are more than are shown."""
    half = STEPS // 2
    return steps if len(steps) <= STEPS else [*steps[:half], *steps[-half:]]


_NAMED: Final = 3
"""So many scopes are named in a message."""


def _message(group: list[Found], *, linked: bool) -> str:
    """What is said of findings that are alike. The first sentence says what happened: it is all that lists show."""
    together = words.grouped(found.violation for found in group)
    same = together[0] if len(together) == 1 else together[0][:1]
    names = list(dict.fromkeys(repr(found.scope.name) for found in group))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    times = f" ({len(group)} times)" if len(group) > len(same) else ""
    lines = [f"{one_line(words.message(same))}.", f"scope: {', '.join(names[:_NAMED])}{more}{times}"]
    for label, text in words.fields(same, all_of_it=MORE):
        if label != "history":
            lines.append(f"{label}: " + "; ".join(text.split("\n")))
    told = "\n".join(_unlinked(visible(line)) for line in lines)
    return told.replace("\nacquired: ", "\n[acquired](1): ", 1) if linked else told


def _unlinked(text: str) -> str:
    """A text in which nothing is a link: `[text](target)` is one, to those who show messages."""
    return text.replace("](", "] (")


def _quoted(path: str, *, safe: str = "/") -> str:
    """A path as an address has it; what stands for bytes that are no text becomes these bytes again."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "backslashreplace")
    return quote(data, safe=safe)


def _portable(path: str) -> str:
    """A path without the folder that its environment stands in."""
    return path.rpartition("/site-packages/")[2]


# -- rules ----------------------------------------------------------------------------------------------------------------------


def _rule(rule: Rule) -> Node:
    weakness = f"{rule.cwe_id}, {rule.cwe_name}" if rule.cwe_id else "none"
    link = f"[{weakness}](https://cwe.mitre.org/data/definitions/{rule.cwe}.html)" if rule.cwe_id else "none"
    parts = (("Said when", rule.said), ("Means", rule.meaning), ("Fix", rule.fix))
    told: Node = {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in re.split(r"\W+", rule.name)),
        "shortDescription": {"text": rule.name.capitalize()},
        "fullDescription": {"text": f"{_plain(rule.said)} {_plain(rule.meaning)}"},
        "help": {
            "text": "\n\n".join([*(f"{name}: {_plain(text)}" for name, text in parts), f"CWE: {weakness}."]),
            "markdown": "\n\n".join([*(f"**{name}.** {text}" for name, text in parts), f"**CWE.** {link}."]),
        },
        "defaultConfiguration": {"level": rule.severity},
        "properties": {
            "tags": ["reliability", *([f"external/cwe/cwe-{rule.cwe:03}"] if rule.cwe is not None else [])],
            "precision": "very-high",
            "problem.severity": rule.severity,
        },
    }
    if rule.cwe is not None:
        target = {"id": str(rule.cwe), "toolComponent": {"name": "CWE", "index": 0}}
        told["relationships"] = [{"target": target, "kinds": ["superset"]}]
    return told


def _plain(text: str) -> str:
    return text.replace("`", "")


def _weakness(number: int, name: str) -> Node:
    return {
        "id": str(number),
        "name": name,
        "shortDescription": {"text": f"{name}."},
        "helpUri": f"https://cwe.mitre.org/data/definitions/{number}.html",
    }
