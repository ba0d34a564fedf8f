"""Events → OpenTelemetry spans and metrics, by its semantic conventions for HTTP clients."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

from bitpeak_async._checks import check_type
from bitpeak_async._version import __version__
from bitpeak_async.errors import APIError, BitPeakError, ConfigurationError, ReplyError
from bitpeak_async.events import (
    Event,
    Paused,
    ReplyReceived,
    RequestAbandoned,
    RequestFailed,
    RequestSent,
    Retrying,
)

try:
    from opentelemetry.context import (
        _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
        Context,
        attach,
        get_current,
        set_value,
    )
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import (
        Span,
        SpanKind,
        StatusCode,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ModuleNotFoundError as _error:
    raise ConfigurationError(
        "telemetry needs opentelemetry-api: install bitpeak_async[otel]"
    ) from _error

__all__ = ["Telemetry"]

_SCOPE: Final = "bitpeak_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.27.0"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration
_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
_ID: Final = re.compile(r"/\d+(?=/|$)")
_SHOWN_QUERY: Final = frozenset({"page", "results_per_page"})

Attributes = dict[str, str | int]


class Telemetry:
    """A hook that reports every attempt to OpenTelemetry: ``BitPeak(hooks=[Telemetry()])``.

    Each attempt is a client span below the caller's current span, and counts in the metrics. No
    attribute holds a key, a body, a handler's name, or a query value other than a page's number
    and size. One instance may serve any number of clients, asynchronous and synchronous.

    Args:
        tracer_provider: provides the tracer; by default the global one.
        meter_provider: provides the meter; by default the global one.

    Raises:
        ConfigurationError: a provider is not one of OpenTelemetry's.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if tracer_provider is not None:
            check_type("tracer_provider", tracer_provider, TracerProvider)
        if meter_provider is not None:
            check_type("meter_provider", meter_provider, MeterProvider)
        self._tracer = get_tracer(_SCOPE, __version__, tracer_provider, _SCHEMA)
        meter = get_meter(_SCOPE, __version__, meter_provider, _SCHEMA)
        self._durations = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._active = meter.create_up_down_counter(
            "http.client.active_requests", "{request}", "Requests in flight."
        )
        self._retries = meter.create_counter(
            "bitpeak.client.retries", "{retry}", "Failed attempts that were retried."
        )
        self._pauses = meter.create_histogram(
            "bitpeak.client.pause.duration",
            "s",
            "Pauses of all requests of a key, requested by the server.",
            explicit_bucket_boundaries_advisory=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
        )
        self._in_flight: dict[int, tuple[Span, Attributes, Context, Context]] = {}

    def __call__(self, event: Event, /) -> None:
        """Record an event."""
        match event:
            case RequestSent():
                self._begin(event)
            case ReplyReceived():
                self._end(event, event.status)
            case RequestFailed(error=ReplyError(status=status) as error) if status:
                self._end(event, status, _error_type(error))
            case RequestFailed():
                self._end(event, None, _error_type(event.error))
            case RequestAbandoned():
                self._end(event, None, event.reason)
            case Retrying():
                self._retries.add(1, {"error.type": _error_type(event.error)})
            case Paused():
                self._pauses.record(event.seconds)
            case _:
                pass

    def _begin(self, event: RequestSent) -> None:
        attributes = _attributes(event)
        of_span = {**attributes, "url.full": _url(event)}
        if event.attempt > 1:
            of_span["http.request.resend_count"] = event.attempt - 1
        name = f"{event.method} {attributes['url.template']}"
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=of_span)
        # This span is the attempt's own: instrumentation of aiohttp must not add another.
        before = get_current()
        within = set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, before)  # noqa: FBT003 - not a switch
        attach(within)
        self._in_flight[event.attempt_id] = span, attributes, before, within
        self._active.add(1, attributes)

    def _end(
        self,
        event: ReplyReceived | RequestFailed | RequestAbandoned,
        status: int | None,
        error_type: str | None = None,
    ) -> None:
        span, attributes, before, within = self._in_flight.pop(event.attempt_id)
        if get_current() is within:  # an abandoned attempt may end in the context of another task
            attach(before)
        self._active.add(-1, attributes)
        outcome: Attributes = {}
        if status is not None:
            outcome["http.response.status_code"] = status
            if status >= 400:
                error_type = str(status)
        if error_type is not None:
            outcome["error.type"] = error_type
            span.set_status(StatusCode.ERROR)
        span.set_attributes(outcome)
        span.end()
        self._durations.record(
            event.seconds, {**attributes, **outcome}, context=set_span_in_context(span)
        )


def _attributes(event: RequestSent) -> Attributes:
    """Return the attributes that the span and the metrics share; each has few values."""
    base = URL(event.base_url, encoded=True)
    return {
        "http.request.method": event.method,
        "server.address": base.host or "",
        "server.port": base.port or 0,
        "url.template": _ID.sub("/{id}", event.path.partition("?")[0]),
    }


def _url(event: RequestSent) -> str:
    """Return the URL with the values of a caller's own query parameters redacted."""
    url = URL(event.base_url + event.path, encoded=True)
    query = [
        (name, value if name in _SHOWN_QUERY else "REDACTED") for name, value in url.query.items()
    ]
    return str(url.with_query(query))


def _error_type(error: BitPeakError) -> str:
    return str(error.status) if isinstance(error, APIError) else type(error).__name__
