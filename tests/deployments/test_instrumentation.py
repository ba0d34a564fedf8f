"""Telemetry beside OpenTelemetry's own instrumentation of aiohttp."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bitpeak_async import BitPeak, Retry
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.telemetry import Telemetry

pytestmark = pytest.mark.deployments


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def hook(spans: InMemorySpanExporter, reader: InMemoryMetricReader) -> Iterator[Telemetry]:
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    providers = {"tracer_provider": tracers, "meter_provider": meters}
    AioHttpClientInstrumentor().instrument(**providers)
    yield Telemetry(**providers)
    AioHttpClientInstrumentor().uninstrument()
    tracers.shutdown()
    meters.shutdown()


async def test_an_attempt_is_one_span_and_one_duration_and_the_callers_own_requests_keep_theirs(
    sandbox: Sandbox, hook: Telemetry, spans: InMemorySpanExporter, reader: InMemoryMetricReader
):
    sandbox.inject(Fault(status=500), times=1)
    async with aiohttp.ClientSession() as session:
        given = BitPeak(
            sandbox.api_key,
            base_url=sandbox.base_url,
            session=session,
            hooks=[hook],
            retry=Retry(base_delay=0),
        )
        async with given as bitpeak:
            await bitpeak.notification_handlers.list()
        ours = [span.instrumentation_scope.name for span in spans.get_finished_spans()]
        assert ["bitpeak_async"] * 2 == ours
        async with session.get(sandbox.base_url):
            pass
        assert 3 == len(spans.get_finished_spans())
    data = reader.get_metrics_data()
    durations = {
        scope.scope.name: sum(point.count for point in metric.data.data_points)
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if "duration" in metric.name
    }
    assert 2 == durations["bitpeak_async"]
    assert 3 == sum(durations.values())
