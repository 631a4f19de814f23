"""How Nova is broken: a call is left out, made to fail, made twice, or made otherwise. And the names of what is broken."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from examples.nova.keys import cell_of
from lifeguard import Resource, Rollback
from nova import exception

SPAWN_FAILS = "test_finish_snapshot_based_resize_at_dest_spawn_fails"
DESTROY_FAILS = "test_prep_snapshot_based_resize_at_source_destroy_fails"
CONFIRM = "test_resize_confirm_image_backed"
CONFIRM_VOLUME = "test_resize_confirm_from_stopped"
REVERT = "test_resize_revert_from_stopped"
REVERT_VOLUME = "test_resize_revert_volume_backed"
REVERT_DETACHED = "test_resize_revert_detach_volume_while_resized"
DELETE = "test_delete_while_in_verify_resize_status"
NO_HOST = "test_anti_affinity_group"

TASKS = "nova.conductor.tasks.cross_cell_migrate:"
MIGRATE = "nova.conductor.tasks.migrate:MigrationTask"
COMPUTE = "nova.compute.manager:ComputeManager"
DRIVER = "nova.virt.fake:FakeDriver"
TRACKER = "nova.compute.resource_tracker:ResourceTracker"
NETWORK = "nova.network.neutron:API"
PLACEMENT = "nova.scheduler.client.report:SchedulerReportClient"
INSTANCE = "nova.objects.instance:Instance"
GLANCE = "nova.tests.fixtures.glance:GlanceFixture"
CINDER = "nova.tests.fixtures.cinder:CinderFixture"
NEUTRON = "nova.tests.fixtures.neutron:NeutronFixture"

MIGRATION = "nova.objects.migration:Migration"

UNAVAILABLE = exception.HypervisorUnavailable(host="host2")
BROKEN = exception.NovaException("broken on purpose")

Patch = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Breakage:
    """One way in which Nova is broken.

    Attributes:
        name: what is broken.
        test: the test of Nova's that shows it.
        patches: how, put over Nova and its contracts: a call is left out, made to fail, made otherwise.
        kind: the kind that has to be named.
        where: parts of the key, beside the server.
        why: for a reader, where the name does not say it all.
        below: how, put in before the contracts: what a contracted function itself does.
    """

    name: str
    test: str
    patches: tuple[Patch, ...]
    kind: Resource | Rollback
    where: dict[str, str] = field(default_factory=dict)
    why: str = ""
    below: tuple[Patch, ...] = ()


def resolve(target: str) -> tuple[Any, str]:
    """`module:Class.method` or `module:function` as the object that has it and the attribute's name."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    return owner, name


@contextlib.contextmanager
def put(target: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Put another function in the place of one, for the time of a with-block."""
    owner, name = resolve(target)
    raw = inspect.getattr_static(owner, name)
    own = name in vars(owner)
    wrapper: Any = type(raw) if isinstance(raw, classmethod | staticmethod) else (lambda function: function)
    new = make(raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw)
    setattr(owner, name, wrapper(new))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, raw)
        else:
            delattr(owner, name)


def change(target: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Patch:
    """Another function in the place of one."""
    return lambda: put(target, make)


@contextlib.contextmanager
def only_within(
    within: str | None, target: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Another function in the place of one, for calls that `within` makes (in its own thread)."""
    if within is None:
        with put(target, make):
            yield
        return
    running = contextvars.ContextVar("running", default=False)

    def mark(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def caller(*args: Any, **kwargs: Any) -> Any:
            token = running.set(True)
            try:
                return original(*args, **kwargs)
            finally:
                running.reset(token)

        return caller

    def choose(original: Callable[..., Any]) -> Callable[..., Any]:
        other = make(original)

        @functools.wraps(original)
        def callee(*args: Any, **kwargs: Any) -> Any:
            return other(*args, **kwargs) if running.get() else original(*args, **kwargs)

        return callee

    with put(target, choose), put(within, mark):
        yield


def skip(
    target: str, *, within: str | None = None, result: Any = None, when: Callable[..., bool] = lambda *a, **k: True
) -> Patch:
    """Leave a call out; everywhere, or where `within` makes it, or where its arguments are such."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def left_out(*args: Any, **kwargs: Any) -> Any:
            return result if when(*args, **kwargs) else original(*args, **kwargs)

        return left_out

    return lambda: only_within(within, target, make)


def fail(target: str, error: Exception, *, within: str | None = None, done: bool = False) -> Patch:
    """Make a call fail; with `done` only after it has done its work."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def failing(*args: Any, **kwargs: Any) -> Any:
            if done:
                original(*args, **kwargs)
            raise error

        return failing

    return lambda: only_within(within, target, make)


def twice(target: str, *, within: str | None = None) -> Patch:
    """Make a call two times."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def doubled(*args: Any, **kwargs: Any) -> Any:
            original(*args, **kwargs)
            return original(*args, **kwargs)

        return doubled

    return lambda: only_within(within, target, make)


def given(target: str, *, within: str | None = None, **others: Any) -> Patch:
    """Pass other values for some keyword arguments."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def changed(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **{**kwargs, **others})

        return changed

    return lambda: only_within(within, target, make)


def first_before(target: str, earlier: Callable[..., None]) -> Patch:
    """Do something before a call."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def changed(*args: Any, **kwargs: Any) -> Any:
            earlier(*args, **kwargs)
            return original(*args, **kwargs)

        return changed

    return change(target, make)


def status_is(status: str, *cells: str) -> Callable[..., bool]:
    """Whether a migration is saved with this status (in one of these cells)."""

    def check(self: Any) -> bool:
        return self.status == status and (not cells or cell_of(self._context) in cells)

    return check
