"""What happens to obligations and what is found, as events on the spans of the program."""

from __future__ import annotations

import pytest
from exported import Exported
from opentelemetry import context

from lifeguard import OUTSIDE, Resource, Scope, ViolationError, acquires, on_failure, releases, scope, transfers
from lifeguard.kinds import Rollback

image = Resource("image")
server = Resource("server")
claim = Resource("claim", again="count")
spawn = Rollback("spawn")

LEAKED = "lifeguard.obligation.kind=image lifeguard.rule.id=LG101 lifeguard.violation.severity=error"


class Images:
    """An image service."""

    @acquires(image, key="name")
    def create(self, name: str) -> None:
        """Make an image."""

    @releases(image, key="name")
    def delete(self, name: str, error: Exception | None = None) -> None:
        """Unmake it."""
        if error is not None:
            raise error

    @transfers(image, key="name", to=OUTSIDE)
    def publish(self, name: str) -> None:
        """Give it away."""


def recording(exported: Exported, name: str = "watched", **how: bool) -> Scope:
    """A scope that only records, and tells OpenTelemetry."""
    return scope(name, on_violation="record", observers=[exported.observer(**how)])


def test_life_of_an_obligation(exported: Exported) -> None:
    """Each step of an obligation is an event of its own name, and its text says which, what and by whom."""
    images = Images()
    with recording(exported) as watched:
        watched.acquired(server, "s")
        for name in ("a", "b", "c"):
            images.create(name)
        watched.transferred(image, "a", to=(server, "s"))
        watched.transferred(image, "b", to_key="bb")
        images.publish("c")
        try:
            images.delete("bb", RuntimeError("no"))
        except RuntimeError:
            images.delete("bb")
        watched.released(server, "s")
    assert [
        "obligation.opened: server 's' acquired by hand",
        "obligation.opened: image 'a' acquired by Images.create",
        "obligation.opened: image 'b' acquired by Images.create",
        "obligation.opened: image 'c' acquired by Images.create",
        "obligation.transferred: image 'a' transferred by hand (to server 's')",
        "obligation.transferred: image 'bb' transferred by hand (from 'b' to 'bb')",
        "obligation.settled: image 'c' transferred by Images.publish (to the outside)",
        "obligation.attempt_failed: image 'bb' release raised by Images.delete (RuntimeError: no)",
        "obligation.settled: image 'bb' released by Images.delete",
        "obligation.settled: server 's' released by hand",
        "obligation.settled: image 'a' settled with its owner by hand",
    ] == exported.events()


def test_attributes_of_an_event(exported: Exported) -> None:
    """An event has the attributes of the semantic conventions, those of its own name, its level and its time."""
    with recording(exported):
        Images().create("a")
        try:
            Images().delete("a", KeyError("x"))
        except KeyError:
            Images().publish("a")
    opened, failed, settled = exported.records()
    assert {
        "lifeguard.obligation.kind": "image",
        "lifeguard.obligation.key": "'a'",
        "lifeguard.scope.name": "watched",
        "lifeguard.contract.function": "Images.create",
        "code.function.name": "test_attributes_of_an_event",
        "code.file.path": __file__,
        "code.line.number": test_attributes_of_an_event.__code__.co_firstlineno + 3,
    } == dict(opened.attributes)
    assert ("DEBUG", "WARN", "DEBUG") == tuple(one.severity_text for one in (opened, failed, settled))
    assert "KeyError" == failed.attributes["error.type"]
    assert "handed_outside" == settled.attributes["lifeguard.obligation.outcome"]
    assert opened.timestamp <= failed.timestamp <= settled.timestamp <= settled.observed_timestamp


def test_attributes_of_a_violation(exported: Exported) -> None:
    """A violation is an event with its rule, its place, and the class of the exception that left the scope."""
    with pytest.raises(RuntimeError), recording(exported, "job"):
        Images().create("a")
        raise RuntimeError("lost")
    found = exported.records()[-1]
    assert ("lifeguard.violation", "ERROR") == (found.event_name, found.severity_text)
    assert "LG102 leaked on error: image 'a': still held when the scope was left by RuntimeError: lost" == found.body
    assert {
        "lifeguard.rule.id": "LG102",
        "lifeguard.rule.name": "leaked on error",
        "lifeguard.violation.severity": "error",
        "lifeguard.obligation.kind": "image",
        "lifeguard.obligation.key": "'a'",
        "lifeguard.scope.name": "job",
        "error.type": "RuntimeError",
        "code.function.name": "test_attributes_of_a_violation",
        "code.file.path": __file__,
        "code.line.number": test_attributes_of_a_violation.__code__.co_firstlineno + 3,
    } == dict(found.attributes)


def test_each_event_stands_on_the_span_in_which_it_happened(exported: Exported) -> None:
    """An event belongs to the span that was current then: a double release to that of its call, a leak to that of the end."""
    tracer = exported.tracer
    with tracer.start_as_current_span("whole"):
        with recording(exported):
            with tracer.start_as_current_span("make"):
                Images().create("leaked")
                Images().create("twice")
            with tracer.start_as_current_span("delete"):
                Images().delete("twice")
            with tracer.start_as_current_span("delete again"):
                Images().delete("twice")
    names = {one.context.span_id: one.name for one in exported.spans.get_finished_spans()}
    traces = {one.context.trace_id for one in exported.spans.get_finished_spans()}
    assert [
        ("make", "lifeguard.obligation.opened"),
        ("make", "lifeguard.obligation.opened"),
        ("delete", "lifeguard.obligation.settled"),
        ("delete again", "lifeguard.violation"),
        ("whole", "lifeguard.violation"),
    ] == [(names[one.span_id], one.event_name) for one in exported.records()]
    assert traces == {one.trace_id for one in exported.records()}
    assert [] == [event for one in exported.spans.get_finished_spans() for event in one.events]


def test_exception_of_a_scope_that_raises_is_not_touched(exported: Exported) -> None:
    """The verdict is told before the scope raises, and the ViolationError comes out as without an observer."""
    with pytest.raises(ViolationError) as raised, scope("strict", observers=[exported.observer()]):
        Images().create("a")
    assert ["LG101"] == [one.code for one in raised.value.violations]
    assert "violation: LG101 leaked: image 'a': still held when the scope ended" == exported.events()[-1]


def test_doubt_steps_and_counted_acquires(exported: Exported) -> None:
    """An obligation is opened once, by whatever opened it; a second acquire of a kind that counts is no event."""

    @on_failure(spawn, key="name")
    def start(name: str) -> None:
        raise OSError("no host")

    with recording(exported) as watched:
        watched.acquired(image, "a", in_doubt=True, error=TimeoutError("slow"))
        watched.acquired(claim, "c")
        watched.acquired(claim, "c")
        with pytest.raises(OSError, match="no host"):
            start("vm")
    name = "test_doubt_steps_and_counted_acquires.<locals>.start"
    assert [
        "obligation.opened: image 'a' acquire raised, in doubt by hand (TimeoutError: slow)",
        "obligation.opened: claim 'c' acquired by hand",
        f"obligation.opened: spawn 'vm' failed by {name} (OSError: no host)",
        "violation: LG205 in doubt: image 'a': in doubt: its acquire failed, and nobody checked whether it took effect",
        "violation: LG101 leaked: claim 'c': still held when the scope ended",
        "violation: LG201 failure without rollback: spawn 'vm': failed, and was never rolled back",
    ] == exported.events()


def test_without_keys_no_key_is_told(exported: Exported) -> None:
    """Where keys are confidential, neither the text nor an attribute of any event has one."""
    with recording(exported, keys=False) as watched:
        watched.acquired(server, "secret server")
        watched.acquired(image, "secret")
        watched.transferred(image, "secret", to=(server, "secret server"))
        watched.transferred(image, "secret", to=(server, "secret unheld"))
        watched.released(image, "secret")
        watched.released(image, "secret")
    told = [str((one.body, dict(one.attributes))) for one in exported.records()]
    assert 6 == len(told)
    assert [] == [one for one in told if "secret" in one]
    assert ["violation: LG107 handed to an owner that cannot pay: image"] == [
        one for one in exported.events() if "LG107" in one
    ]


def test_without_events_there_are_only_metrics(exported: Exported) -> None:
    """`events=False` keeps the metrics and sends no log record."""
    with recording(exported, events=False):
        Images().create("a")
    assert [] == exported.events()
    assert {"image": 0} == exported.active()


def test_metrics_have_no_attribute_of_which_there_are_many(exported: Exported) -> None:
    """However many keys and scopes there are, a metric has one point for each kind, outcome and rule."""
    for number in range(50):
        with recording(exported, f"scope {number}"):
            images = Images()
            images.create(f"left {number}")
            images.create(f"deleted {number}")
            images.delete(f"deleted {number}")
    assert [
        "lifeguard.obligation.active {obligation} [lifeguard.obligation.kind=image]",
        "lifeguard.obligation.hold.duration s [lifeguard.obligation.kind=image lifeguard.obligation.outcome=left]",
        "lifeguard.obligation.hold.duration s [lifeguard.obligation.kind=image lifeguard.obligation.outcome=released]",
        f"lifeguard.violations {{violation}} [{LEAKED}]",
    ] == [one.rpartition(" ")[0] for one in exported.metrics()]


def test_what_an_exporter_does_is_not_told(exported: Exported) -> None:
    """What happens while an exporter exports is no event of the program, else telling would never end."""
    with recording(exported):
        Images().create("before")
        token = context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
        Images().create("inside")
        Images().delete("inside")
        Images().delete("before")
        context.detach(token)
    assert {"image": 0} == exported.active()
    assert ["released image 1"] == exported.ends()
