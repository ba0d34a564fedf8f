"""Secrets in what error trackers and debug pages make of a failed call.

Some of them walk mappings, others evaluate the names and attributes of source lines.
No frame is left out, so the functions here hold no secret in a variable either.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import django
import loguru
import pytest
import sentry_sdk
import stackprinter
from django.conf import settings
from django.test import RequestFactory
from django.views.debug import technical_500_response
from rich.console import Console
from rich.traceback import Traceback
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport

from bitpeak_async import BitPeak, Retry, SlackSettings, SyncBitPeak, Timeout
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = [
    pytest.mark.deployments,
    pytest.mark.filterwarnings("ignore:'cgitb' is deprecated:DeprecationWarning"),
]
SITE = "https://a.example/"


def canary(*, at: str = "") -> str:
    return at + "canary" + str(4700 + 11)


def by_sentry(error: Exception) -> str:
    events = []

    class Capturing(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.append(envelope.get_event())

    client = sentry_sdk.Client(
        "https://key@sentry.example/1",
        transport=Capturing,
        default_integrations=False,
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),  # hides by the name alone
        max_value_length=100_000,
    )
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        sentry_sdk.capture_exception(error)
    [event] = events
    return str(event)


def by_loguru(error: Exception) -> str:
    page = io.StringIO()
    sink = loguru.logger.add(page, diagnose=True, backtrace=True, catch=False)
    loguru.logger.opt(exception=error).error("failed")
    loguru.logger.remove(sink)
    return page.getvalue()


def by_rich(error: Exception) -> str:
    whole = {"locals_max_length": 1000, "locals_max_string": 100_000, "max_frames": 1000}
    trace = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, **whole
    )
    page = io.StringIO()
    Console(file=page, width=1000, color_system=None).print(trace)
    return page.getvalue()


def by_stackprinter(error: Exception) -> str:
    return stackprinter.format(error, show_vals="all", truncate_vals=100_000, suppressed_paths=[])


def by_cgitb(error: Exception) -> str:
    if isinstance(error, OSError):  # it fails on any of Python's own, too
        error = Exception(*error.args).with_traceback(error.__traceback__)
    return importlib.import_module("cgitb").text((type(error), error, error.__traceback__))


def by_django(error: Exception) -> str:
    if not settings.configured:
        options = {
            "SECRET_KEY": "-",
            "LOGGING_CONFIG": None,
            "ROOT_URLCONF": "django.conf.urls.i18n",
        }
        settings.configure(**options, ALLOWED_HOSTS=["*"])
        django.setup()
    request = RequestFactory().get("/")
    reply = technical_500_response(request, type(error), error, error.__traceback__)
    return reply.content.decode()


TRACKERS = [by_sentry, by_loguru, by_rich, by_stackprinter, by_django]
if sys.version_info < (3, 13):  # the last that has it
    TRACKERS.append(by_cgitb)

OPTIONS: dict[str, Any] = {"retry": Retry(attempts=1), "timeout": Timeout(total=0.2)}
CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda handlers: handlers.get(1),
    "create": lambda handlers: handlers.create("Ops", SlackSettings(canary(at=SITE))),
    "update": lambda handlers: handlers.update(1, settings=SlackSettings(canary(at=SITE))),
    "update a field": lambda handlers: handlers.update(1, settings={"slack": canary(at=SITE)}),
}
FAULTS: dict[str, Callable[[], Fault]] = {
    "500": lambda: Fault(status=500, body=canary().encode()),
    "lost": lambda: Fault(delivery="reset"),
    "stalled": Fault.stall,
    "unreadable": lambda: Fault(body=canary().encode()),
    "redirect": lambda: Fault.redirect(canary(at=SITE)),
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "bad settings": lambda handlers: handlers.create("Ops", SlackSettings(canary())),
    "no settings": lambda handlers: handlers.create("Ops", {"slack": canary()}),
    "bad field": lambda handlers: handlers.update(1, settings={"slack": canary()}),
    "misspelt field": lambda handlers: handlers.update(1, settings={"slakc": canary()}),
    "misspelt argument": lambda handlers: handlers.update(1, setings={"slack": canary()}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """A server whose key is the canary."""
    with Sandbox(api_key=canary()) as server:
        yield server


def raised(call: Callable[[Any], Any], server: Sandbox, *, is_sync: bool) -> Exception:
    """Return what a call raises."""

    async def run() -> None:
        async with BitPeak(canary(), base_url=server.base_url, **OPTIONS) as bitpeak:
            await call(bitpeak.notification_handlers)

    try:
        if is_sync:
            with SyncBitPeak(canary(), base_url=server.base_url, **OPTIONS) as bitpeak:
                call(bitpeak.notification_handlers)
        else:
            asyncio.run(run())
    except Exception as error:  # noqa: BLE001 - any
        return error
    pytest.fail("nothing was raised")


def leaks(tracker: Callable[[Exception], str], error: Exception) -> list[str]:
    return [line for line in tracker(error).splitlines() if canary() in line]


@pytest.mark.parametrize("is_sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_tracker_shows_a_secret_of_a_failed_call(
    call: Callable[[Any], Any], fault: Callable[[], Fault], is_sync: bool, server: Sandbox
):
    server.clear_faults()
    server.inject(fault())
    error = raised(call, server, is_sync=is_sync)
    assert {each: [] for each in TRACKERS} == {each: leaks(each, error) for each in TRACKERS}


@pytest.mark.parametrize("is_sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_no_tracker_shows_a_secret_of_a_refused_call(
    call: Callable[[Any], Any], is_sync: bool, server: Sandbox
):
    error = raised(call, server, is_sync=is_sync)
    assert {each: [] for each in TRACKERS} == {each: leaks(each, error) for each in TRACKERS}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_each_tracker_shows_the_variables_of_a_frame(tracker: Callable[[Exception], str]):
    with pytest.raises(KeyError) as caught:
        secret = {"slack": canary()}
        print(secret["none"])  # noqa: T201 - some show only the variables of this line
    assert leaks(tracker, caught.value)
