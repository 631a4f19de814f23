"""Every scope tells OpenTelemetry while `instrument()` is on, also where `opentelemetry-instrument` switched it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from exported import Exported

from lifeguard import DeclarationError, Resource, acquires, scope
from lifeguard.context import opening
from lifeguard.integrations.opentelemetry import LifeguardInstrumentor, OpenTelemetry, instrument, uninstrument

image = Resource("image")


@acquires(image, key="name")
def create(name: str) -> None:
    """Make an image."""


@pytest.fixture(autouse=True)
def _switched_off() -> Iterator[None]:
    yield
    uninstrument()


def test_every_scope_that_is_opened_while_it_is_on(exported: Exported) -> None:
    """Scopes opened before and afterwards are left alone, and doing it twice is doing it once."""
    before = list(opening)
    with scope("before", on_violation="record"):
        instrument(**exported.providers)
        instrument(**exported.providers)
        create("before")
        with scope("while", on_violation="record"):
            create("while")
            assert {"image": 1} == exported.active()
    uninstrument()
    uninstrument()
    with scope("after", on_violation="record"):
        create("after")
    assert {"image": 0} == exported.active()
    assert ["left image 1"] == exported.ends()
    assert before == opening


def test_switched_off_inside_of_a_scope(exported: Exported) -> None:
    """What an open scope holds leaves the count, nothing more is told of it, and the scope goes on as any other."""
    instrument(**exported.providers)
    with scope("watched", on_violation="record") as watched:
        create("a")
        create("b")
        uninstrument()
        assert {"image": 0} == exported.active()
        watched.released(image, "a")
    assert ["LG101"] == [one.code for one in watched.violations]
    assert [] == exported.ends()
    assert ["obligation.opened", "obligation.opened"] == [one.partition(":")[0] for one in exported.events()]
    assert () == watched.book.ears


def test_scope_with_an_observer_of_its_own_tells_that_alone(exported: Exported) -> None:
    """What a scope says about itself goes before what is said about all."""
    other = Exported()
    instrument(**exported.providers)
    with scope(on_violation="record", observers=[other.observer(events=False)]):
        create("a")
        assert {"image": 1} == other.active()
    assert [] == exported.metrics()
    other.shut_down()


def test_instrumentor_takes_what_opentelemetry_instrument_gives(exported: Exported) -> None:
    """The class behind the entry point knows the providers, and minds nothing that it does not know."""
    (found,) = entry_points(group="opentelemetry_instrumentor", name="lifeguard")
    assert LifeguardInstrumentor is found.load()
    instrumentor = found.load()()
    assert () == instrumentor.instrumentation_dependencies()
    instrumentor.instrument(skip_dep_check=True, tracer_provider=exported.tracers, **exported.providers)
    with scope(on_violation="record"):
        create("a")
    instrumentor.uninstrument(skip_dep_check=True)
    with scope(on_violation="record"):
        create("b")
    assert ["left image 1"] == exported.ends()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_child_begins_at_nothing(exported: Exported) -> None:
    """What the parent holds is no obligation of the child's, and counts there no more as soon as the child has a scope."""
    with scope(on_violation="record", observers=[exported.observer()]) as watched:
        create("of the parent")
        there, here = os.pipe()
        child = os.fork()
        if not child:
            with scope(on_violation="record", observers=[exported.observer()]):
                create("of the child")
                os.write(here, json.dumps(exported.active()).encode())
            os._exit(0)
        os.close(here)
        told = b"".join(iter(lambda: os.read(there, 4096), b""))
        os.waitpid(child, 0)
        os.close(there)
        assert {"image": 1} == json.loads(told)
        assert {"image": 1} == exported.active()
        watched.released(image, "of the parent")
    assert {"image": 0} == exported.active()


@pytest.mark.parametrize("name", ["events", "keys"])
def test_settings_of_the_wrong_sort(name: str) -> None:
    """A setting that is no bool is refused where it is written."""
    with pytest.raises(DeclarationError, match=rf"OpenTelemetry\({name}=…\) takes True or False, not 'yes'"):
        OpenTelemetry(**{name: "yes"})  # type: ignore[arg-type]


PROGRAM = """
from lifeguard import Resource, acquires, scope

image = Resource("image")

@acquires(image, key="name")
def create(name): ...

with scope("job", on_violation="record"):
    create("a")
"""


def test_under_opentelemetry_instrument(tmp_path: Path) -> None:
    """The real agent finds the entry point, and a program that knows nothing of it tells its scopes."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument"))]
    for what in ("metrics", "logs"):
        command += [f"--{what}_exporter", "console"]
    command += ["--traces_exporter", "none", sys.executable, str(program)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert 0 == ran.returncode, ran.stderr
    assert '"event_name": "lifeguard.violation"' in ran.stdout
    assert '"name": "lifeguard.obligation.active"' in ran.stdout


def test_without_the_package(tmp_path: Path) -> None:
    """Who has not installed OpenTelemetry is told which extra brings it."""
    program = "import sys; sys.modules['opentelemetry'] = None; import lifeguard.integrations.opentelemetry"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (
        "lifeguard.integrations.opentelemetry needs opentelemetry-api, which is not installed: "
        "pip install 'lifeguard-contracts[otel]'"
    ) in ran.stderr


def test_shared_scope_tells_its_violations_where_it_is_judged(exported: Exported, tmp_path: Path) -> None:
    """What a scope holds that many processes share is told where it will be judged, and its verdict too; a join tells nothing."""
    from lifeguard.integrations import opentelemetry
    from lifeguard.stores import join, shared

    instrument(**exported.providers)
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with scope("request", ledger=ledger, on_violation="record") as watched:
        for name in ("a", "b"):
            with join(shared(watched), ledger=ledger):
                create(name)
            assert {"image": {"a": 1, "b": 2}[name]} == exported.active()
    assert {"image": 0} == exported.active()
    assert ["violation: LG101 leaked: image 'a': still held when the scope ended"] == exported.events()[:1]
    told = [one.partition(" [")[0] for one in exported.metrics()]
    assert ["lifeguard.obligation.active {obligation}", "lifeguard.violations {violation}"] == told
    assert opentelemetry._everywhere is not None
    assert {} == opentelemetry._everywhere.telling._telling._watches
