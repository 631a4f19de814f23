"""What lifeguard tells OpenTelemetry: a request makes two volumes, deletes one, and loses the other.

The SDK exports into memory here, so that the program can print what a collector would get.
"""

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from lifeguard import Resource, acquires, releases, scope
from lifeguard.integrations.opentelemetry import instrument, uninstrument

volume = Resource("volume")


class Volumes:
    """A service that hands out volumes."""

    @acquires(volume, key="name")
    def create(self, name: str) -> None:
        """Make one."""

    @releases(volume, key="name")
    def delete(self, name: str) -> None:
        """Delete it; one that is in use raises."""
        if name == "in-use":
            raise RuntimeError("volume is attached")


def handle(volumes: Volumes) -> None:
    """One request."""
    for name in ("scratch", "in-use"):
        volumes.create(name)
    show_active("in the middle of the request")
    for name in ("scratch", "in-use"):
        try:
            volumes.delete(name)
        except RuntimeError:
            pass  # the mistake: nobody tries again


reader, logs = InMemoryMetricReader(), InMemoryLogRecordExporter()
meters, loggers = MeterProvider(metric_readers=[reader]), LoggerProvider()
loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
tracer = TracerProvider().get_tracer("service")


def show_active(when: str) -> None:
    """Print the metric of what is held."""
    for point in points("lifeguard.obligation.active"):
        print(f"{when}: {point.value} {point.attributes['lifeguard.obligation.kind']} held")


def points(name: str) -> list:
    """The points of one metric."""
    scoped = reader.get_metrics_data().resource_metrics[0].scope_metrics[0]
    return [point for metric in scoped.metrics if metric.name == name for point in metric.data.data_points]


instrument(meter_provider=meters, logger_provider=loggers)
with tracer.start_as_current_span("POST /volumes"), scope("request", on_violation="record"):
    handle(Volumes())
uninstrument()

show_active("after the request")
for point in points("lifeguard.obligation.hold.duration"):
    print(f"held until {point.attributes['lifeguard.obligation.outcome']}: {point.count}")
for point in points("lifeguard.violations"):
    print(f"violations of {point.attributes['lifeguard.rule.id']}: {point.value}")
for one in logs.get_finished_logs():
    record = one.log_record
    line = record.attributes["code.line.number"]
    print(f"{record.severity_text:5} {record.event_name}, line {line}\n      {record.body}")
