"""Celery: a task runs inside the scope in which it was sent.

`propagate()` once in the program that sends tasks and once in the one that runs them, mostly where the app is made. The
identity travels in the message's header `baggage`; retries, chains and chords take it along, since they are sent by a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lifeguard.extensions import missing
from lifeguard.stores.baggage import HEADER
from lifeguard.stores.children import ledger_of
from lifeguard.stores.propagation import Joining, extract, inject

try:
    from celery import signals
except ImportError as error:
    raise missing("celery", "celery", "lifeguard.integrations.celery") from error

if TYPE_CHECKING:
    from lifeguard.stores.joining import Late
    from lifeguard.stores.naming import Ledger

__all__ = ["propagate", "stop"]

_UID: Final = "lifeguard"
_settings: dict[str, Any] = {"ledger": None, "late": "refuse"}


def propagate(*, ledger: str | Ledger | None = None, late: Late = "refuse") -> None:
    """Let tasks carry the scope in which they are sent, and run inside the one that they carry. Doing it again changes
    the settings.

    Args:
        ledger: the ledger; by default the one that the environment variable `LIFEGUARD_LEDGER` names when a task runs.
        late: what becomes of a task that runs after its scope was closed; see `lifeguard.stores.join`.
    """
    _settings.update(ledger=ledger, late=late)
    signals.before_task_publish.connect(_publish, weak=False, dispatch_uid=_UID)
    signals.task_prerun.connect(_begin, weak=False, dispatch_uid=_UID)
    signals.task_postrun.connect(_end, weak=False, dispatch_uid=_UID)


def stop() -> None:
    """Let them do so no more."""
    for signal in (signals.before_task_publish, signals.task_prerun, signals.task_postrun):
        signal.disconnect(dispatch_uid=_UID)


def _publish(headers: dict[str, Any] | None = None, **rest: Any) -> None:
    if headers is not None:
        inject(headers)


def _begin(task: Any = None, **rest: Any) -> None:
    request = task.request
    which = extract({HEADER: vars(request).get(HEADER) or (request.headers or {}).get(HEADER) or ""})
    if which is None:
        return
    ledger = _settings["ledger"] if _settings["ledger"] is not None else ledger_of()
    joining = Joining(which, ledger, late=_settings["late"])
    joining.__enter__()
    request._lifeguard = joining


def _end(task: Any = None, retval: object = None, **rest: Any) -> None:
    joining = vars(task.request).pop("_lifeguard", None)
    if joining is not None:
        error = retval if isinstance(retval, BaseException) else None
        joining.__exit__(type(error) if error is not None else None, error, None)
