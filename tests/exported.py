"""The real SDK, exporting into memory, and what it exported as short texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lifeguard.integrations.opentelemetry import OpenTelemetry


class Exported:
    """One set of providers, and what came out of them."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])
        self.logs = InMemoryLogRecordExporter()
        self.loggers = LoggerProvider()
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = self.tracers.get_tracer("tests")

    @property
    def providers(self) -> dict[str, Any]:
        """What `OpenTelemetry` and `instrument` are given."""
        return {"meter_provider": self.meters, "logger_provider": self.loggers}

    def observer(self, **how: Any) -> OpenTelemetry:
        """An observer that tells these providers."""
        return OpenTelemetry(**self.providers, **how)

    def points(self) -> Iterator[tuple[str, str, Any]]:
        """Each point that the metrics have now: the metric with its unit, the attributes, the point."""
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scoped in resource.scope_metrics:
                for metric in scoped.metrics:
                    for point in metric.data.data_points:
                        attributes = " ".join(f"{name}={value}" for name, value in sorted(point.attributes.items()))
                        yield f"{metric.name} {metric.unit}", attributes, point

    def metrics(self) -> list[str]:
        """Every point as one line; of a histogram how many there were."""
        return sorted(
            f"{name} [{attributes}] {point.count if isinstance(point, HistogramDataPoint) else point.value}"
            for name, attributes, point in self.points()
        )

    def active(self) -> dict[str, int]:
        """How many obligations are held now, by kind."""
        return {
            attributes.removeprefix("lifeguard.obligation.kind="): point.value
            for name, attributes, point in self.points()
            if name.startswith("lifeguard.obligation.active ")
        }

    def ends(self) -> list[str]:
        """Every end of the histogram of durations, as "outcome kind count"."""
        return sorted(
            f"{point.attributes['lifeguard.obligation.outcome']} {point.attributes['lifeguard.obligation.kind']} {point.count}"
            for name, _, point in self.points()
            if name.startswith("lifeguard.obligation.hold.duration ")
        )

    def records(self) -> list[Any]:
        """The log records, oldest first."""
        return [one.log_record for one in self.logs.get_finished_logs()]

    def events(self) -> list[str]:
        """Every event as "name: text"."""
        return [f"{one.event_name.removeprefix('lifeguard.')}: {one.body}" for one in self.records()]

    def shut_down(self) -> None:
        """Export no more."""
        self.meters.shutdown()
        self.loggers.shutdown()
        self.tracers.shutdown()
