"""The names by which Nova's kinds are known outside."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from lifeguard import Resource

ROOT = Path(__file__).parents[2]


def test_kinds_have_the_names_and_the_fields_that_others_know() -> None:
    """Reports and checks speak of the same thing: name and order of the fields."""
    spec = importlib.util.spec_from_file_location("nova_kinds", ROOT / "examples" / "nova" / "kinds.py")
    assert spec is not None
    assert spec.loader is not None
    kinds = importlib.util.module_from_spec(spec)
    sys.modules["nova_kinds"] = kinds
    spec.loader.exec_module(kinds)
    found = {one.name: one.fields for one in vars(kinds).values() if isinstance(one, Resource)}
    assert {
        "image": ("image",),
        "volume attachment": ("attachment",),
        "volume connection": ("attachment",),
        "volume detaching": ("volume",),
        "port binding": ("port", "host"),
        "active binding": ("port",),
        "port ownership": ("port",),
        "allocation": ("consumer",),
        "instance record": ("cell", "server"),
        "instance mapping": ("server",),
        "build request": ("server",),
        "migration record": ("cell", "migration"),
        "migration context": ("cell", "server"),
        "task state": ("cell", "server"),
        "pending resize": ("server",),
        "claim": ("host", "server"),
        "guest": ("host", "server"),
        "guest disks": ("host", "server"),
        "hypervisor units": ("host",),
        "block device mapping": ("cell", "mapping"),
        "virtual interface": ("cell", "interface"),
        "action event": ("cell", "server", "request", "event"),
        "recorded task": ("task",),
    } == found
    assert ("conductor task", "lifo") == (kinds.conductor_task.name, kinds.conductor_task.order)
