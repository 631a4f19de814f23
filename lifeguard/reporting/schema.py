"""The JSON Schema of a report, made from its records: their types, and what their docstrings say of each field."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from lifeguard import verdict as verdicts
from lifeguard.places import Place
from lifeguard.reporting import model
from lifeguard.reporting.model import VERSION, Event, Life, Report, ScopeReport
from lifeguard.verdict import SCHEMA_VERSION, Counts, Entry, Subject, Verdict, Violation

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_RECORDS: Final = (Report, ScopeReport, Verdict, Violation, Subject, Entry, Life, Event, Place, Counts)

_COUNTED: Final = {
    "acquired": "calls that acquired one and returned",
    "released": "calls that released one and returned",
    "transferred": "calls that handed one over and returned",
    "used": "calls that used one and returned",
    "failed": "calls that failed, and by that owe a rollback",
    "rolled_back": "rollbacks that returned",
    "unmatched": "releases, transfers and uses of keys that were never seen, or are forgotten",
    "forgotten": "settled ones that were forgotten, so that a later event on them is unmatched",
    "left_out": "acquires of keys that are not in the sample of the scope",
}

_NARROWER: Final[Mapping[tuple[Any, str], dict[str, Any]]] = {
    (Violation, "code"): {"type": "string", "pattern": "^LG[0-9]{3}$"},
    (Violation, "cwe"): {"type": ["string", "null"], "pattern": "^CWE-[0-9]+$"},
    (Violation, "severity"): {"enum": ["error", "warning"]},
    (ScopeReport, "reach"): {"enum": ["context", "process", ""]},
}
"""What a type of Python does not say."""

_BALANCED: Final = {"type": "boolean", "description": "whether no rule was broken"}
_WHY: Final = {"type": "string", "description": "the reason that was given for the allowance"}


def schema() -> dict[str, Any]:
    """The schema of what `Report.as_dict` gives, as JSON-ready data.

    It allows fields that it does not name: within one version, fields are only added.
    """
    definitions = {cls.__name__: _record(cls) for cls in _RECORDS if cls is not Report}
    definitions["Violation"]["properties"].pop("key_text")
    definitions["Violation"]["properties"]["key"] = {
        "type": "string",
        "description": 'the key as reports print it; "" where there is none',
    }
    definitions["Subject"]["properties"] = {
        "kind": {"type": ["string", "null"], "description": "name of the kind; null where none was named"},
        "key": {"type": "string", "description": "the key as reports print it"},
    }
    verdict = definitions["Verdict"]["properties"]
    verdict["schema"] = {"const": SCHEMA_VERSION, "description": "version of this record by itself"}
    verdict["balanced"] = _BALANCED
    verdict["allowed"]["items"] = {"$ref": "#/$defs/Allowed"}
    definitions["Allowed"] = {
        "description": "A violation that an allowance covers, with the reason that was given.",
        **_of(**{"why": _WHY, **definitions["Violation"]["properties"]}),
    }
    for cls in definitions.values():
        cls["required"] = list(cls["properties"])
    whole = _record(Report)
    whole["properties"] |= {
        "version": {"const": VERSION, "description": whole["properties"]["version"]["description"]},
        "balanced": {**_BALANCED, "description": "whether no scope broke a rule"},
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:lifeguard:report:{VERSION}",
        "title": f"A report of lifeguard, version {VERSION}",
        **whole,
        "required": list(whole["properties"]),
        "$defs": definitions,
    }


def _of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _record(cls: Any) -> dict[str, Any]:
    """A record: an object with a property for each of its fields."""
    hints = get_type_hints(cls, {**vars(verdicts), **vars(model)})  # a public record says it is of `lifeguard` itself
    told = {**_attributes(cls), **(_COUNTED if cls is Counts else {})}
    types_of = {one.name: _NARROWER.get((cls, one.name)) or _type(hints[one.name]) for one in fields(cls)}
    properties = {name: {**found, "description": told.get(name, "")} for name, found in types_of.items()}
    return {"description": (cls.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " "), **_of(**properties)}


def _attributes(cls: Any) -> dict[str, str]:
    """What the docstring of a record says of each of its fields."""
    _, _, section = (cls.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^        (\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\bNone\b", "null", " ".join(text.split())).removesuffix(".") for name, text in entries}


_PLAIN: Final[Mapping[Any, str]] = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def _type(hint: Any) -> dict[str, Any]:
    """A type, as a schema."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint in _RECORDS:
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        options = [_type(one) for one in arguments]
        if all(list(one) == ["type"] for one in options):
            return {"type": [one["type"] for one in options]}
        return {"anyOf": options}
    if origin in (tuple, Sequence):
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    return {}
