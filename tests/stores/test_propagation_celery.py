"""Celery's own workers run tasks inside the scope in which they were sent."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, group, signals
from celery.contrib.testing.worker import start_worker
from stores_elsewhere import create, delete, held

import lifeguard
from lifeguard import Scope, scope
from lifeguard.integrations.celery import propagate, stop
from lifeguard.stores import current_shared, propagation, shared

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library itself, at import and when it starts


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger of this test alone, which the environment names."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("LIFEGUARD_LEDGER", url)
    monkeypatch.setattr(propagation, "_said", set())
    return url


@pytest.fixture
def watched(ledger: str) -> Iterator[Scope]:
    """A shared scope that is current, and balances in the end."""
    with scope("request", ledger=ledger) as watched:
        yield watched


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    """An application with a broker in memory, and a worker of its own in a thread."""
    app = Celery("tests", broker="memory://", backend="cache+memory://")
    app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=False)
    app.conf.broker_transport_options = {"polling_interval": 0.01}
    propagate()
    app.task(create, name="create")
    app.task(delete, name="delete")
    app.task(which, name="which")
    app.task(fail, name="fail")
    app.task(again, name="again", bind=True, max_retries=1)
    app.task(then, name="then", bind=True)
    root, level, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield app
    stop()
    root.setLevel(level)  # a worker sets up the logging of its process
    root.handlers[:] = handlers


def which(*results: object) -> str | None:
    """The scope that the task runs in."""
    found = current_shared()
    return found.ident if found is not None else None


def fail(name: str) -> None:
    """Acquire, and fail."""
    create(name)
    raise ZeroDivisionError(name)


def again(task: Any, name: str) -> str | None:
    """Acquire in the second attempt."""
    if not task.request.retries:
        raise task.retry(countdown=0)
    create(name)
    return which()


def then(task: Any, name: str) -> None:
    """Send another task."""
    task.app.send_task("create", (name,)).get(timeout=10, disable_sync_subtasks=False)


def run(app: Celery, name: str, *args: Any) -> Any:
    """Send a task, and wait for its result."""
    return app.send_task(name, args).get(timeout=10)


def test_task_runs_in_the_scope_in_which_it_was_sent(app: Celery, watched: Scope) -> None:
    """What a task acquires is held by the sender's scope, and another task may release it."""
    assert shared(watched).ident == run(app, "which")
    run(app, "create", "a")
    assert ["a"] == held(watched)
    run(app, "delete", "a")
    assert [] == held(watched)


def test_each_task_has_its_own(app: Celery, ledger: str) -> None:
    """The worker keeps no scope from one task to the next: neither where the next has another one, nor where it has none."""
    with scope("one", ledger=ledger) as one:
        assert shared(one).ident == run(app, "which")
    assert None is run(app, "which")
    with scope("two", ledger=ledger) as two:
        assert shared(two).ident == run(app, "which")


def test_task_that_fails_leaves_what_it_holds_owed(app: Celery, watched: Scope) -> None:
    """A failure comes back as Celery has it, and the scope is left."""
    with pytest.raises(ZeroDivisionError, match="a"):
        run(app, "fail", "a")
    assert ["a"] == held(watched)
    run(app, "delete", "a")


def test_retries_groups_and_chains_take_it_along(app: Celery, watched: Scope) -> None:
    """Whatever a task sends is sent in its scope, a retry of itself, too."""
    ident = shared(watched).ident
    assert ident == run(app, "again", "retried")
    asked = app.tasks["which"]
    assert [ident, ident] == group(asked.s(), asked.s()).apply_async().get(timeout=10)
    assert ident == chain(asked.si(), asked.si()).apply_async().get(timeout=10)
    run(app, "delete", "retried")


def test_headers_of_others_are_kept(app: Celery, watched: Scope) -> None:
    """The baggage that a program sends itself stays in the message."""
    sent: list[Any] = []

    def look(headers: Any, **rest: Any) -> None:
        sent.append(headers["baggage"])

    signals.before_task_publish.connect(look)
    app.send_task("which", headers={"baggage": "user=7"}).get(timeout=10)
    signals.before_task_publish.disconnect(look)
    assert [f"user=7,lifeguard.scope={shared(watched).ident}"] == sent


def test_task_of_a_scope_that_is_closed_runs(app: Celery, ledger: str, caplog: pytest.LogCaptureFixture) -> None:
    """A message that waited too long is worked off without the scope, and that is said once."""
    caplog.set_level(logging.WARNING, "lifeguard")
    with scope("over", ledger=ledger) as over:
        headers = {"baggage": f"lifeguard.scope={shared(over).ident}"}
    for _ in range(2):
        assert None is app.send_task("which", headers=headers).get(timeout=10)
    (said,) = [one.getMessage() for one in caplog.records if one.name == "lifeguard"]
    assert said.startswith("a scope is not joined: UsageError: ")


def test_hostile_headers(app: Celery, ledger: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a message carries may be anything; the task runs."""
    caplog.set_level(logging.WARNING, "lifeguard")
    for baggage in ("lifeguard.scope='; --", "x" * 9000, 7, ["a", {"b": 1}], None, {"lifeguard.scope": 1}):
        assert None is app.send_task("which", headers={"baggage": baggage}).get(timeout=10)
    assert {"lifeguard"} == {one.name for one in caplog.records if one.levelno >= logging.WARNING}


WORKER = """
import os
from celery import Celery
from lifeguard import Resource, acquires
from lifeguard.integrations.celery import propagate
folder = os.environ["FOLDER"]
app = Celery("app", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{folder}/queue", "data_folder_out": f"{folder}/queue", "control_folder": f"{folder}/control"
}
propagate()
image = Resource("image")
@app.task(name="make")
@acquires(image, key="name")
def make(name): return os.getpid()
"""


def test_worker_in_a_process_of_its_own(tmp_path: Path, watched: Scope) -> None:
    """A worker that `celery worker` starts, with a broker between, is a process like any other."""
    for name in ("results", "queue", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "worker_app.py").write_text(WORKER)
    path = os.pathsep.join([str(tmp_path), str(Path(lifeguard.__file__).parents[1])])
    environ = {**os.environ, "FOLDER": str(tmp_path), "PYTHONPATH": path}
    client = "import worker_app, lifeguard.stores\nwith lifeguard.stores.join_parent():"
    client += " print(worker_app.app.send_task('make', ('a',)).get(timeout=40))"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "worker_app",
        "worker",
        "-P",
        "solo",
        "--without-mingle",
        "-l",
        "WARNING",
    ]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=-1, stdout=-1) as worker:
        try:
            asks = {**environ, "LIFEGUARD_SCOPE": shared(watched).ident}
            ran = subprocess.run([sys.executable, "-c", client], env=asks, capture_output=True, text=True, timeout=60)
        finally:
            worker.terminate()
            worker.communicate(timeout=30)
    assert f"{worker.pid}\n" == ran.stdout, ran.stderr
    (one,) = watched.outstanding
    assert ("a", "image") == (one.key, one.kind)
    delete("a")
