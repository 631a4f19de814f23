"""The published schema of the JSON report: it is made from the records, and what is written keeps to it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from programs import run_program
from sample_reports import crowded, everything, hostile, many

from lifeguard.reporting import json_format
from lifeguard.reporting.model import VERSION, Report
from lifeguard.reporting.schema import schema
from lifeguard.verdict import Verdict

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / f"report-{VERSION}.json"

EVERYTHING_ELSE = """
watched = scope("build", on_violation="record", remember=None)
with watched:
    images.create("img-1")
    watched.allow(image, "img-1", why="kept")
    watched.allow(image, "none", why="stale")
    images.create(("img", 2))
"""


def strict(node: Any) -> Any:
    """A schema that refuses whatever it does not name: what we write ourselves has to be named."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    told = {name: strict(one) for name, one in node.items()}
    if node.get("type") == "object" and "properties" in node:
        told["additionalProperties"] = False
    return told


def problems(data: object, *, strictly: bool = True) -> list[str]:
    """What a validator says of some data."""
    found = jsonschema.Draft202012Validator(strict(schema()) if strictly else schema()).iter_errors(data)
    return [f"{error.json_path}: {error.message}" for error in found]


def real() -> Report:
    """What a scope really says: an allowance, a warning, a key that is a tuple, no bound to its memory."""
    verdict = run_program(EVERYTHING_ELSE).verdict
    assert verdict is not None
    assert verdict.warnings
    assert verdict.allowed
    return Report.of([verdict])


SAMPLES = {"everything": everything, "crowded": crowded, "hostile": hostile, "many": lambda: many(50), "real": real}


def test_published_as_it_is_made() -> None:
    """A field that is added or described anew is published with it."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema(), "run `python tests/test_docs.py`"


def test_is_a_schema() -> None:
    """It keeps to the dialect that it names."""
    assert "https://json-schema.org/draft/2020-12/schema" == schema()["$schema"]
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_written_keeps_to_it(sample: str) -> None:
    """Every field that is written is named, and of the type that is said."""
    assert [] == problems(json.loads(json_format.render(SAMPLES[sample]())))


def test_every_field_is_described() -> None:
    """Whoever writes a reader finds in the schema what each field means."""

    def undescribed(node: Any, path: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        own = [
            f"{path}.{name}" for name, one in node.get("properties", {}).items() if len(one.get("description", "")) < 5
        ]
        parts = {**node.get("properties", {}), **node.get("$defs", {})}
        return own + [text for name, one in parts.items() for text in undescribed(one, f"{path}.{name}")]

    assert [] == undescribed(schema(), "")
    assert 90 < json.dumps(schema()).count('"description"')


def spoilt(change: str) -> Any:
    """A report in which one thing is wrong."""
    data = copy.deepcopy(everything().as_dict())
    assert isinstance(data["scopes"], list)
    scope = data["scopes"][0]
    found = scope["verdict"]["violations"][0]
    exec(change, {"data": data, "scope": scope, "found": found, "life": scope["lives"][0]})
    return data


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("data['version'] = 2", "$.version"),
        ("del data['title']", "$"),
        ("scope['closed'] = 'late'", "$.scopes[0].closed"),
        ("scope['reach'] = 'world'", "$.scopes[0].reach"),
        ("found['code'] = 'E501'", "$.scopes[0].verdict.violations[0].code"),
        ("found['cwe'] = 772", "$.scopes[0].verdict.violations[0].cwe"),
        ("found['history'][0]['place']['line'] = 1.5", "$.scopes[0].verdict.violations[0].history[0].place"),
        ("del scope['verdict']['allowed'][0]['why']", "$.scopes[0].verdict.allowed[0]"),
        ("life['standing'] = 'dead'", "$.scopes[0].lives[0].standing"),
        ("life['events'][0]['mark'] = 'eat'", "$.scopes[0].lives[0].events[0].mark"),
        ("scope['verdict']['watched']['image']['acquired'] = '3'", "$.scopes[0].verdict.watched.image.acquired"),
    ],
)
def test_what_is_wrong_is_refused(change: str, path: str) -> None:
    """A schema that took anything would be worth nothing."""
    assert [path] == [text.partition(": ")[0] for text in problems(spoilt(change), strictly=False)]


def test_a_later_lifeguard_may_say_more() -> None:
    """Within one version fields are added: a reader that checks against an older schema goes on working."""
    told = spoilt("data['new'] = 1; scope['new'] = 2; found['new'] = 3")
    assert [] == problems(told, strictly=False)
    assert Report.from_dict(told).scopes


def test_json_is_plain_ascii_in_lines_or_in_one() -> None:
    """It is safe in whatever it is put into; the short form is one line."""
    report = Report.of([Verdict("ü\u2028")])
    assert json_format.render(report).isascii()
    assert 1 == json_format.render(report, indent=None).count("\n")
    assert json.loads(json_format.render(report)) == json.loads(json_format.render(report, indent=None))
