"""OpenTelemetry: what scopes hold and find, as metrics and as events on the spans of the program.

`scope(observers=[OpenTelemetry()])` for one scope; `instrument()` for every scope that is opened while it is on, also by
`opentelemetry-instrument`. Metrics say how much, by kind and by rule; events say which, where and in which span.

Names follow the semantic conventions: events are log records with an event name (they took the place of span events),
places are `code.*`, failures `error.type`. Whatever there is many of (keys, scopes, places) stands in events only.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from lifeguard import context
from lifeguard.context import Event
from lifeguard.contracts import expect_flag
from lifeguard.extensions import missing
from lifeguard.keys import Key, show_fields
from lifeguard.ledger.book import Book
from lifeguard.ledger.records import Call, Generation, Note
from lifeguard.ledger.states import OPEN_STATES, State
from lifeguard.places import Place, resolve
from lifeguard.scopes import Scope
from lifeguard.verdict import Verdict, Violation

try:
    from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger_provider
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_current
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider
except ImportError as error:
    raise missing("opentelemetry-api", "otel", "lifeguard.integrations.opentelemetry") from error

__all__ = ["LifeguardInstrumentor", "OpenTelemetry", "instrument", "uninstrument"]

KIND: Final = "lifeguard.obligation.kind"
KEY: Final = "lifeguard.obligation.key"
OWNER: Final = "lifeguard.obligation.owner"
OUTCOME: Final = "lifeguard.obligation.outcome"
SCOPE: Final = "lifeguard.scope.name"
FUNCTION: Final = "lifeguard.contract.function"
RULE: Final = "lifeguard.rule.id"
RULE_NAME: Final = "lifeguard.rule.name"
SEVERITY: Final = "lifeguard.violation.severity"
ERROR_TYPE: Final = "error.type"

OPENED: Final = "lifeguard.obligation.opened"
TRANSFERRED: Final = "lifeguard.obligation.transferred"
ATTEMPT_FAILED: Final = "lifeguard.obligation.attempt_failed"
SETTLED: Final = "lifeguard.obligation.settled"
VIOLATION: Final = "lifeguard.violation"

SECONDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
"""The boundaries of the histogram's buckets, where no view says otherwise: from a lock to a job."""

_OUTCOMES: Final = {
    State.RELEASED: "released",
    State.OUTSIDE: "handed_outside",
    State.GONE: "settled_with_owner",
    State.UNSEEN: "dropped",
}
_FAILED: Final = frozenset({"release raised", "transfer raised", "rollback raised"})

_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
_logger = logging.getLogger("lifeguard")


@dataclass(eq=False)
class _Change:
    """What was heard of a generation in the middle of a step of the ledger."""

    generation: Generation
    state: State
    book: Book
    owner: Generation | None
    key: Key
    note: Note | None
    now: float
    time: int
    context: Context


@dataclass(eq=False)
class _Held:
    """An obligation that is counted."""

    watch: _Watch
    since: float
    owner: Generation | None
    key: Key


@dataclass(eq=False)
class _Watch:
    """The observer of one scope, put there by `OpenTelemetry`. Looks on, so that nothing goes past it."""

    telling: _Telling
    scope: Scope
    events: bool
    keys: bool
    book: Book  # that is listened to; a scope with a shared ledger gets another one, of which nothing is heard
    held: dict[Generation, None] = field(default_factory=dict)
    found: dict[int, tuple[Context, int]] = field(default_factory=dict)

    def began(self, call: Call) -> None:
        """Nothing is told of a begin."""

    def event(self, event: Event) -> None:
        """A watched call has ended."""
        for finding in event.findings:
            if finding.book is self.scope.book:
                self.found[finding.seq] = get_current(), time.time_ns()
        self.telling.tell()

    def closed(self, verdict: Verdict) -> None:
        """The scope has been judged."""
        self.telling.end(self, verdict)


@dataclass(eq=False)
class _End:
    """A scope was judged or, where there is no verdict, is looked at no more."""

    watch: _Watch
    verdict: Verdict | None
    now: float
    time: int
    context: Context


class OpenTelemetry:
    """An observer that tells OpenTelemetry what its scopes hold and find. One may serve many scopes.

    Args:
        meter_provider: where the metrics go; by default the global provider.
        logger_provider: where the events go; by default the global provider.
        events: whether events are told, and not metrics alone.
        keys: whether events say which keys; False where keys are confidential. Metrics never do.

    Raises:
        DeclarationError: a value of the wrong sort.
    """

    def __init__(
        self,
        *,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        events: bool = True,
        keys: bool = True,
    ) -> None:
        self._events = expect_flag(events, "OpenTelemetry(events=…)")
        self._keys = expect_flag(keys, "OpenTelemetry(keys=…)")
        self._telling = _telling(
            meter_provider if meter_provider is not None else get_meter_provider(),
            logger_provider if logger_provider is not None else get_logger_provider(),
        )
        self._watches: weakref.WeakSet[_Watch] = weakref.WeakSet()

    def opening(self, scope: Scope) -> None:
        """A scope that it observes is about to open."""
        watch = _Watch(self._telling, scope, self._events, self._keys, scope.book)
        self._watches.add(watch)
        self._telling.begin(watch)

    def began(self, call: Call) -> None:
        """Nothing to do here: each scope has an observer of its own."""

    def event(self, event: Event) -> None:
        """Nothing to do here: each scope has an observer of its own."""

    def closed(self, verdict: Verdict) -> None:
        """Nothing to do here: each scope has an observer of its own."""

    def stop(self) -> None:
        """Look at no scope any more: what they still hold leaves the count, and nothing is said of it."""
        for watch in list(self._watches):
            book = watch.scope.book
            book.observers = tuple([one for one in book.observers if one is not watch])
            self._telling.end(watch, None)


class _Telling:
    """What is told to one pair of providers, by however many observers."""

    def __init__(self, meters: MeterProvider, loggers: LoggerProvider) -> None:
        from lifeguard import __version__

        meter = meters.get_meter("lifeguard", __version__, _SCHEMA)
        meter.create_observable_up_down_counter(
            "lifeguard.obligation.active",
            [self._observe],
            "{obligation}",
            "Obligations that open scopes hold now.",
        )
        self._durations = meter.create_histogram(
            "lifeguard.obligation.hold.duration",
            "s",
            "How long obligations were held before they were settled, handed on or left.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._violations = meter.create_counter(
            "lifeguard.violations", "{violation}", "What closed scopes found, by rule."
        )
        self._logger = loggers.get_logger("lifeguard", __version__, _SCHEMA)
        self._changes: deque[_Change | _End] = deque()
        self._busy = threading.Lock()
        self._watches: dict[Book, _Watch] = {}
        self._held: dict[Generation, _Held] = {}
        self._counts: Counter[str] = Counter()  # of these, by kind; one that is known stays, as 0

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        """How much is held now. What a scope with a shared ledger holds is asked of that, where it will be judged."""
        self.tell()
        counts = self._counts.copy()
        for watch in list(self._watches.values()):
            if watch.scope.book is not watch.book:
                held = Counter(one.kind for one in watch.scope.outstanding)
                self._counts.update(dict.fromkeys(held, 0))
                counts.update(held)
        return [Observation(count, {KIND: kind}) for kind, count in counts.items()]

    def begin(self, watch: _Watch) -> None:
        """Listen to a scope that is about to open."""
        self._watches[watch.book] = watch
        watch.book.ears += (self._hear,)
        watch.book.observers += (watch,)

    def after_fork(self) -> None:
        """In a forked child what the parent held is held by nobody."""
        self._busy = threading.Lock()
        self._changes.clear()
        self._watches.clear()
        self._held.clear()
        self._counts = Counter(dict.fromkeys(self._counts, 0))

    # -- what is heard under the ledger's lock, and told after it ---------------------------------------------------------------

    def _hear(self, generation: Generation) -> None:
        now = get_current()
        if now.get(_SUPPRESS_INSTRUMENTATION_KEY) and generation not in self._held:
            return
        notes = generation.last or generation.first
        self._changes.append(
            _Change(
                generation,
                generation.state,
                generation.book,
                generation.owner,
                generation.key,
                notes[-1] if notes else None,
                time.monotonic(),
                time.time_ns(),
                now,
            )
        )

    def end(self, watch: _Watch, verdict: Verdict | None) -> None:
        """Take what a scope still holds out of the count, and tell what it found."""
        self._changes.append(_End(watch, verdict, time.monotonic(), time.time_ns(), get_current()))
        self.tell()

    def tell(self) -> None:
        """Tell what was heard, in its order; whoever finds another thread at it leaves it to that one."""
        while self._changes and self._busy.acquire(blocking=False):
            try:
                while self._changes:
                    one = self._changes.popleft()
                    if isinstance(one, _Change):
                        self._tell(one)
                    else:
                        self._tell_end(one)
            finally:
                self._busy.release()

    def _tell(self, change: _Change) -> None:
        generation = change.generation
        held = self._held.get(generation)
        is_open = change.state in OPEN_STATES
        if held is None:
            watch = self._watches.get(change.book)
            if is_open and watch is not None and not generation.seeded:
                self._opened(change, watch)
        elif not is_open:
            self._settled(change, held, _outcome(change))
        elif change.book is not held.watch.book and change.book not in self._watches:
            self._settled(change, held, "handed_on")
        elif (change.book, change.owner, change.key) != (held.watch.book, held.owner, held.key):
            self._transferred(change, held)
        elif change.note is not None and change.note.verb in _FAILED:
            self._event(ATTEMPT_FAILED, SeverityNumber.WARN, change, {ERROR_TYPE: _error_type(change.note.text)})

    def _opened(self, change: _Change, watch: _Watch) -> None:
        generation = change.generation
        self._held[generation] = _Held(watch, change.now, change.owner, change.key)
        watch.held[generation] = None
        self._counts[generation.kind.name] += 1
        first = generation.first[0] if generation.first else None
        if first is not None and change.note is not None and first.seq == change.note.seq:
            change.note = first  # as it stands when the step is over: "in doubt"
        self._event(OPENED, SeverityNumber.DEBUG, change, {})

    def _transferred(self, change: _Change, held: _Held) -> None:
        watch = self._watches[change.book]
        held.watch.held.pop(change.generation, None)
        watch.held[change.generation] = None
        held.watch, held.owner, held.key = watch, change.owner, change.key
        owner = change.owner
        name = f"scope {watch.scope.name!r}"
        if owner is not None:
            key = f" {show_fields(owner.key, owner.kind.fields)}" if watch.keys else ""
            name = f"{owner.kind.name}{key}"
        self._event(TRANSFERRED, SeverityNumber.DEBUG, change, {OWNER: name})

    def _settled(self, change: _Change, held: _Held, outcome: str) -> None:
        self._close(change.generation, held, outcome, change.now, change.context)
        self._event(SETTLED, SeverityNumber.DEBUG, change, {OUTCOME: outcome}, watch=held.watch)

    def _close(self, generation: Generation, held: _Held, outcome: str, now: float, where: Context) -> None:
        del self._held[generation]
        held.watch.held.pop(generation, None)
        kind = generation.kind.name
        self._counts[kind] -= 1
        self._durations.record(max(0.0, now - held.since), {KIND: kind, OUTCOME: outcome}, where)

    def _tell_end(self, end: _End) -> None:
        watch, verdict = end.watch, end.verdict
        book = watch.book
        self._watches.pop(book, None)
        book.ears = tuple([ear for ear in book.ears if ear != self._hear])
        for generation in list(watch.held):
            if verdict is not None:
                self._close(generation, self._held[generation], "left", end.now, end.context)
            else:
                del self._held[generation]
                self._counts[generation.kind.name] -= 1
        watch.held.clear()
        if verdict is not None:
            for violation in (*verdict.violations, *verdict.warnings):
                where, when = watch.found.get(violation.seq, (end.context, end.time))
                self._violation(watch, violation, verdict, where, when)

    def _violation(self, watch: _Watch, violation: Violation, verdict: Verdict, where: Context, when: int) -> None:
        rule = {RULE: violation.code, KIND: violation.kind, SEVERITY: violation.severity}
        rule = {name: value for name, value in rule.items() if value}
        self._violations.add(1, rule, where)
        attributes: dict[str, Any] = {
            **rule,
            RULE_NAME: violation.name,
            SCOPE: violation.scope,
            **_code(violation.place),
        }
        text = violation.kind
        if watch.keys:
            text = violation.message
            if violation.key_text:
                attributes[KEY] = violation.key_text
        if verdict.error:
            attributes[ERROR_TYPE] = _error_type(verdict.ended)
        if watch.events:
            severity = SeverityNumber.ERROR if violation.severity == "error" else SeverityNumber.WARN
            self._emit(VIOLATION, severity, f"{violation.code} {violation.name}: {text}", attributes, where, when)

    def _event(
        self,
        name: str,
        severity: SeverityNumber,
        change: _Change,
        more: dict[str, str],
        *,
        watch: _Watch | None = None,
    ) -> None:
        watch = watch or self._held[change.generation].watch
        if not watch.events:
            return
        kind, note = change.generation.kind, change.note
        attributes: dict[str, Any] = {KIND: kind.name, SCOPE: watch.scope.name, **more}
        text = kind.name
        if watch.keys:
            attributes[KEY] = show_fields(change.key, kind.fields)
            text += f" {attributes[KEY]}"
        if note is not None:
            attributes[FUNCTION] = note.function
            attributes |= _code(resolve(note.site) if note.site is not None else None)
            text += f" {note.verb} {note.function if note.function == 'by hand' else f'by {note.function}'}"
            if note.text and watch.keys:
                text += f" ({note.text})"
        self._emit(name, severity, text, attributes, change.context, change.time)

    def _emit(
        self, name: str, severity: SeverityNumber, text: str, attributes: dict[str, Any], where: Context, when: int
    ) -> None:
        logger = self._logger
        enabled: Callable[..., bool] = getattr(logger, "enabled", lambda **how: True)
        if enabled(context=where, severity_number=severity, event_name=name):
            logger.emit(
                timestamp=when,
                context=where,
                severity_number=severity,
                severity_text=severity.name,
                body=text,
                attributes=attributes,
                event_name=name,
            )


_made: weakref.WeakKeyDictionary[MeterProvider, list[tuple[LoggerProvider, _Telling]]] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def _telling(meters: MeterProvider, loggers: LoggerProvider) -> _Telling:
    """That of two providers, made once, so that what goes from one scope to another is known in both."""
    with _making:
        made = _made.setdefault(meters, [])
        for known, telling in made:
            if known is loggers:
                return telling
        made.append((loggers, _Telling(meters, loggers)))
        return made[-1][1]


def _after_fork() -> None:
    global _making, _switching
    _making, _switching = threading.Lock(), threading.Lock()
    for made in _made.values():
        for _, telling in made:
            telling.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _outcome(change: _Change) -> str:
    if change.note is not None and change.note.verb == "overwritten":
        return "overwritten"
    return _OUTCOMES[change.state]


def _error_type(text: str) -> str:
    """The class of an exception, of the line that tells it: "KeyError" of "KeyError: 'id'"."""
    return text.partition(":")[0]


def _code(place: Place | None) -> dict[str, Any]:
    if place is None or not place.line:
        return {}
    return {"code.function.name": place.function, "code.file.path": place.file, "code.line.number": place.line}


# -- for every scope ------------------------------------------------------------------------------------------------------------

_switching = threading.Lock()
_everywhere: _Everywhere | None = None


class _Everywhere:
    """Puts an observer into every scope that opens, unless it was given one."""

    def __init__(self, telling: OpenTelemetry) -> None:
        self.telling = telling

    def cover(self, scope: Scope) -> None:
        """A scope is about to open."""
        if scope.judges and not any(isinstance(one, OpenTelemetry) for one in scope.book.observers):
            self.telling.opening(scope)


def instrument(
    *,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    events: bool = True,
    keys: bool = True,
) -> None:
    """Tell OpenTelemetry of every scope that is opened from now on. Doing it twice is doing it once.

    A scope that has an `OpenTelemetry` among its own observers tells that one alone. The parameters are those of
    `OpenTelemetry`.

    Raises:
        DeclarationError: a value of the wrong sort.
    """
    global _everywhere
    with _switching:
        if _everywhere is not None:
            _logger.debug("OpenTelemetry is told of every scope already")
            return
        telling = OpenTelemetry(
            meter_provider=meter_provider, logger_provider=logger_provider, events=events, keys=keys
        )
        _everywhere = _Everywhere(telling)
        context.opening.append(_everywhere.cover)


def uninstrument() -> None:
    """Tell OpenTelemetry no more. What open scopes hold leaves the count."""
    global _everywhere
    with _switching:
        one, _everywhere = _everywhere, None
        if one is not None:
            context.opening.remove(one.cover)
            one.telling.stop()


class LifeguardInstrumentor:
    """The same, as `opentelemetry-instrument` looks for it (entry point `opentelemetry_instrumentor`)."""

    def instrument(self, **how: Any) -> None:
        """See `instrument`; what it does not know, such as `skip_dep_check`, is left alone."""
        names = ("meter_provider", "logger_provider", "events", "keys")
        instrument(**{name: how[name] for name in names if name in how})

    def uninstrument(self, **how: Any) -> None:
        """See `uninstrument`."""
        uninstrument()

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """Nothing beside lifeguard itself."""
        return ()
