"""Telemetry: a span for each attempt and metrics, in the conventions' words, without secrets."""

import asyncio
import importlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from attrs import frozen
from builders import Connect
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from yarl import URL

from bitpeak_async import (
    BitPeak,
    BitPeakError,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    NotSentError,
    RedirectError,
    RequestTimeoutError,
    Retry,
    SlackSettings,
    SyncBitPeak,
    Timeout,
)
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.telemetry import Telemetry

ConnectSync = Callable[..., SyncBitPeak]

CANARY = "canary-4711"
ONCE = Retry(attempts=1)
RESENDS = "http.request.resend_count"
STATUS = "http.response.status_code"
TEMPLATE = "url.template"


def under(parent: Span, spans: list[ReadableSpan]) -> list[ReadableSpan]:
    context = parent.get_span_context()
    return [s for s in spans if s.parent and s.parent.span_id == context.span_id]


@frozen
class Watch:
    """A hook and what it reported to OpenTelemetry."""

    hook: Telemetry
    tracer: Tracer
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those of the SDK, as they ended."""
        return [s for s in self.exporter.get_finished_spans() if s.kind is SpanKind.CLIENT]

    def attributes(self, name: str) -> list[Any]:
        return [dict(span.attributes or {}).get(name) for span in self.spans]

    @property
    def metrics(self) -> dict[str, Any]:
        """By name."""
        data = self.reader.get_metrics_data()
        resources = data.resource_metrics if data else ()
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> list[Any]:
        return list(self.metrics[name].data.data_points)

    @property
    def active(self) -> int:
        return sum(point.value for point in self.points("http.client.active_requests"))


@pytest.fixture
def watch() -> Iterator[Watch]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    hook = Telemetry(tracer_provider=tracers, meter_provider=meters)
    yield Watch(hook, tracers.get_tracer("caller"), exporter, reader)
    assert {} == hook._in_flight
    tracers.shutdown()
    meters.shutdown()


# Spans


async def test_an_attempt_is_a_client_span(sandbox: Sandbox, connect: Connect, watch: Watch):
    sandbox.seed_handlers(7)
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        await bitpeak.notification_handlers.get(7)
    [span] = watch.spans
    base = URL(sandbox.base_url)
    assert "GET /notification-handlers/{id}" == span.name
    assert StatusCode.UNSET is span.status.status_code
    assert {
        "http.request.method": "GET",
        "server.address": base.host,
        "server.port": base.port,
        "url.full": f"{sandbox.base_url}/notification-handlers/7",
        TEMPLATE: "/notification-handlers/{id}",
        STATUS: 200,
    } == dict(span.attributes or {})


async def test_span_names_do_not_grow_with_ids_and_pages(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        handlers = bitpeak.notification_handlers
        for i in range(3):
            handler_id = await handlers.create(f"n{i}", EmailSettings("a@example.com"))
            await handlers.update(handler_id, name="b")
            await handlers.list(page=i + 1)
            await handlers.delete(handler_id)
    assert {
        "POST /notification-handlers",
        "POST /notification-handlers/{id}",
        "GET /notification-handlers/",
        "DELETE /notification-handlers/{id}",
    } == {span.name for span in watch.spans}


async def test_retries_are_spans_that_count_resends(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=503))
    sandbox.inject(Fault.disconnect_before_commit())
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        await bitpeak.notification_handlers.update(1, name="b")
    assert [None, 1, 2] == watch.attributes(RESENDS)
    assert [503, None, 200] == watch.attributes(STATUS)
    assert ["503", "TransportError", None] == watch.attributes("error.type")
    error, unset = StatusCode.ERROR, StatusCode.UNSET
    assert [error, error, unset] == [span.status.status_code for span in watch.spans]


FAILURES = {
    "status": (Fault(status=404), 404, "404"),
    "server": (Fault(status=500), 500, "500"),
    "timeout": (Fault.stall(), None, "RequestTimeoutError"),
    "too large": (Fault(body=b" " * 3_000), 200, "ReplyError"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_the_span_names_the_failure(
    failure: str, sandbox: Sandbox, connect: Connect, watch: Watch
):
    """Only by its class: messages name handlers."""
    fault, status, kind = FAILURES[failure]
    sandbox.inject(fault, times=None)
    options = {"retry": ONCE, "timeout": Timeout(total=0.3), "max_reply_bytes": 2_000}
    async with connect(sandbox, hooks=[watch.hook], **options) as bitpeak:
        with pytest.raises(BitPeakError):
            await bitpeak.notification_handlers.get(1)
    assert [status] == watch.attributes(STATUS)
    assert [kind] == watch.attributes("error.type")
    [span] = watch.spans
    assert StatusCode.ERROR is span.status.status_code
    assert (None, ()) == (span.status.description, tuple(span.events))


async def test_a_refused_connection_is_a_span_too(watch: Watch):
    async with Sandbox() as sandbox:
        base_url = sandbox.base_url
    async with BitPeak("key", base_url=base_url, retry=ONCE, hooks=[watch.hook]) as bitpeak:
        with pytest.raises(NotSentError):
            await bitpeak.notification_handlers.list()
    assert ["NotSentError"] == watch.attributes("error.type")


async def test_a_redirect_is_not_an_error_of_its_span(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    """The conventions leave the status unset below 400."""
    sandbox.inject(Fault.redirect("https://elsewhere.example"), times=None)
    async with connect(sandbox, hooks=[watch.hook], retry=ONCE) as bitpeak:
        with pytest.raises(RedirectError):
            await bitpeak.notification_handlers.list()
    assert [301] == watch.attributes(STATUS)
    assert [StatusCode.UNSET] == [span.status.status_code for span in watch.spans]


# Parents


async def test_concurrent_spans_stay_below_their_own_callers(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    """Each operation runs twice at once, and some are retried."""
    sandbox.seed_handlers(25)
    sandbox.inject(Fault(status=502), times=30)
    retry = Retry(attempts=30, base_delay=0, budget=100)
    parents: list[tuple[int, Span]] = []
    async with connect(sandbox, hooks=[watch.hook], retry=retry) as bitpeak:

        async def call(handler_id: int) -> None:
            with watch.tracer.start_as_current_span("caller") as parent:
                parents.append((handler_id, parent))
                await bitpeak.notification_handlers.get(handler_id)

        await asyncio.gather(*(call(number % 25 + 1) for number in range(50)))
    assert 80 == len(watch.spans) == len(sandbox.requests)
    for handler_id, parent in parents:
        own = [dict(span.attributes or {}) for span in under(parent, watch.spans)]
        assert [None, *range(1, len(own))] == [attributes.get(RESENDS) for attributes in own]
        assert [502] * (len(own) - 1) + [200] == [attributes[STATUS] for attributes in own]
        urls = {f"{sandbox.base_url}/notification-handlers/{handler_id}"}
        assert urls == {attributes["url.full"] for attributes in own}


async def test_bulk_work_stays_below_its_caller(sandbox: Sandbox, connect: Connect, watch: Watch):
    specs = [HandlerSpec(f"n{i}", EmailSettings("a@example.com")) for i in range(20)]
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        with watch.tracer.start_as_current_span("caller") as parent:
            await bitpeak.provision(specs)
    assert 21 <= len(watch.spans)
    assert watch.spans == under(parent, watch.spans)


def test_spans_of_blocking_calls_stay_below_the_span_of_their_thread(
    threaded_sandbox: Sandbox, connect_sync: ConnectSync, watch: Watch
):
    threaded_sandbox.seed_handlers(30)
    together = threading.Barrier(8)
    with connect_sync(threaded_sandbox, hooks=[watch.hook]) as bitpeak:
        handlers = bitpeak.notification_handlers

        def work(number: int) -> tuple[int, Span]:
            with watch.tracer.start_as_current_span("caller") as parent:
                together.wait()
                handlers.get(number + 1)
                assert 30 == len(list(handlers.iterate(results_per_page=10)))
            return number + 1, parent

        with ThreadPoolExecutor(8) as threads:
            parents = list(threads.map(work, range(8)))
    counts = set()
    for handler_id, parent in parents:
        urls = [str(dict(s.attributes or {})["url.full"]) for s in under(parent, watch.spans)]
        counts.add(len(urls))
        assert urls[0].endswith(f"/notification-handlers/{handler_id}")
        assert {f"page={n}&" for n in (1, 2, 3)} == {url.partition("?")[2][:7] for url in urls[1:]}
    assert {len(watch.spans) // 8} == counts


# Cancelling


async def test_a_cancelled_attempt_ends_its_span(sandbox: Sandbox, connect: Connect, watch: Watch):
    sandbox.inject(Fault.stall(), times=None)
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        call = asyncio.create_task(bitpeak.notification_handlers.list())
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        assert 1 == watch.active
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert ["CancelledError"] == watch.attributes("error.type")
    assert [StatusCode.ERROR] == [span.status.status_code for span in watch.spans]
    assert 0 == watch.active


async def test_a_deadline_ends_the_span_of_the_running_attempt(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    sandbox.inject(Fault.stall(), times=None)
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        with pytest.raises(RequestTimeoutError):
            await bitpeak.with_options(deadline=0.05).notification_handlers.list()
    assert ["CancelledError"] == watch.attributes("error.type")


# Metrics


async def test_durations_are_measured_in_seconds_by_outcome(
    sandbox: Sandbox, connect: Connect, watch: Watch
):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=503, delay=0.02))
    async with connect(sandbox, hooks=[watch.hook]) as bitpeak:
        await bitpeak.notification_handlers.get(1)
    durations = watch.metrics["http.client.request.duration"]  # reading takes its exemplars
    assert "s" == durations.unit
    failed, done = durations.data.data_points
    base = URL(sandbox.base_url)
    common = {
        "http.request.method": "GET",
        "server.address": base.host,
        "server.port": base.port,
        TEMPLATE: "/notification-handlers/{id}",
    }
    assert {**common, STATUS: 503, "error.type": "503"} == dict(failed.attributes)
    assert {**common, STATUS: 200} == dict(done.attributes)
    assert 0.02 <= failed.sum < 5
    advised = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    assert advised == list(failed.explicit_bounds)
    span = watch.spans[0].get_span_context()
    assert span is not None
    assert [span.span_id] == [exemplar.span_id for exemplar in failed.exemplars]


async def test_retries_and_pauses_are_counted(sandbox: Sandbox, connect: Connect, watch: Watch):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=502), times=2)
    sandbox.inject(Fault(status=429, headers={"Retry-After": "0.05"}))
    sandbox.inject(Fault.disconnect_before_commit())
    async with connect(
        sandbox, hooks=[watch.hook], retry=Retry(attempts=9, base_delay=0)
    ) as bitpeak:
        await bitpeak.notification_handlers.update(1, name="b")
    retries = watch.points("bitpeak.client.retries")
    assert {"502": 2, "429": 1, "TransportError": 1} == {
        point.attributes["error.type"]: point.value for point in retries
    }
    [pauses] = watch.points("bitpeak.client.pause.duration")
    assert 1 == pauses.count
    assert 0 < pauses.sum <= 0.05
    assert 0 == watch.active


# Secrets


@pytest.fixture
async def guarded_sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with a key that is easy to find."""
    async with Sandbox(api_key=f"key-{CANARY}") as sandbox:
        yield sandbox


async def test_no_secret_reaches_a_span_or_a_metric(
    guarded_sandbox: Sandbox, connect: Connect, watch: Watch
):
    secret = SlackSettings(f"https://hooks.example/{CANARY}")
    for fault in (
        Fault(status=422, body=b'{"errors": "' + CANARY.encode() + b'"}'),
        Fault(status=502, headers={"X-Request-Id": CANARY}),
        Fault.disconnect_after_commit(),
        Fault(body=CANARY.encode()),
    ):
        guarded_sandbox.inject(fault, method="POST")
    async with connect(guarded_sandbox, hooks=[watch.hook]) as bitpeak:
        handlers = bitpeak.notification_handlers
        _ = [o async for o in handlers.create_many(HandlerSpec(CANARY, secret) for _ in range(4))]
        await handlers.update(1, name=CANARY, settings={"slack": secret.webhook_url})
        await handlers.list(extra_query={"filter": CANARY})
    data = watch.reader.get_metrics_data()
    assert data is not None
    told = data.to_json() + "".join(span.to_json() for span in watch.spans)
    assert "/?page=1&results_per_page=25&filter=REDACTED" in told
    assert 0 == told.count(CANARY)


# Configuration


@pytest.mark.parametrize("argument", ["tracer_provider", "meter_provider"])
def test_a_provider_must_be_of_opentelemetry(argument: str):
    with pytest.raises(ConfigurationError, match=f"{argument} must be a opentelemetry"):
        Telemetry(**{argument: object()})


def test_the_global_providers_are_the_default():
    Telemetry()


def test_without_opentelemetry_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "bitpeak_async.telemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(ConfigurationError, match=r"install bitpeak_async\[otel\]"):
        importlib.import_module("bitpeak_async.telemetry")
