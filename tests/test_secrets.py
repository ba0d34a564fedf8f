"""Every secret is a canary; nothing that the SDK prints or logs contains it."""

import asyncio
import copy
import io
import json
import logging
import pickle
import traceback
from collections import UserDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from rich.console import Console
from rich.traceback import Traceback

from bitpeak_async import (
    APIError,
    AuthenticationError,
    BitPeak,
    BitPeakError,
    ConfigurationError,
    Event,
    HandlerSpec,
    InvalidRequestError,
    NotificationHandler,
    OutcomeUnknownError,
    Plan,
    PlanError,
    ProvisionError,
    ReplyError,
    RequestTimeoutError,
    Retry,
    ServerError,
    SyncBitPeak,
    Timeout,
    TransportError,
    UnknownSettings,
    ValidationError,
    partial_report,
    settings_from_dict,
    spec_from_dict,
    specs_from_rows,
)
from bitpeak_async.fleet import Account, EnvironmentKey, Fleet, read_accounts
from bitpeak_async.provisioning.files import read_specs
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.settings import CLASSES, FIELDS, Format

CANARY = "canary4711"
HOOK = f"https://hooks.example.com/{CANARY}"
TESTS = str(Path(__file__).parent)


def secret_settings() -> Iterator[Any]:
    """Each settings class with the canary in every secret field."""
    values = {Format.TEXT: CANARY, Format.URL: HOOK}
    for cls in CLASSES.values():
        wires = FIELDS[cls].values()
        yield cls(*(values[w.format] if w.secret else "ops@example.com" for w in wires))
    yield UnknownSettings("twilio", {"twilio": CANARY})


SETTINGS = list(secret_settings())
SLACK: dict[str, Any] = {"slack": HOOK}
OPS = next(each for each in SETTINGS if each.type == "slack")


def frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """File and locals of each frame of an error and of its chained errors."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in shown.stack:
        yield frame.filename, f"{frame.name}: {frame.locals}"
    for chained in filter(None, (error.__cause__, error.__context__)):
        yield from frames(chained)


def by_rich(error: BaseException, hidden: str) -> str:
    """The traceback of rich before its layout; no locals of frames below ``hidden``."""
    whole = {"locals_max_length": 10_000, "locals_max_string": 100_000}
    trace = Traceback.extract(type(error), error, error.__traceback__, show_locals=True, **whole)
    for stack in trace.stacks:
        for frame in stack.frames:
            if frame.filename.startswith(hidden):
                frame.locals = None
    return repr(trace)


def walked(value: object, depth: int = 4) -> str:
    """A variable as error trackers serialise it: they walk mappings and sequences."""
    if depth and isinstance(value, Mapping):
        return str([(str(key), walked(each, depth - 1)) for key, each in value.items()])
    if depth and isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes):
        return str([walked(each, depth - 1) for each in value])
    return repr(value)


def by_trackers(error: BaseException, hidden: str) -> Iterator[str]:
    """The variables of each frame, except those below ``hidden``."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(hidden):
            yield f"{frame.f_code.co_qualname}: {walked(frame.f_locals)}"
    for chained in filter(None, (error.__cause__, error.__context__)):
        yield from by_trackers(chained, hidden)


def everything_shown(error: BaseException) -> str:
    """Everything that log handlers and error trackers print of an error.

    Only the locals of frames in this folder are left out: they are the caller's own variables,
    which hold the key.
    """
    pieces = [str(error), repr(error), f"{error!s:>5}", repr(error.args), repr(vars(error))]
    pieces += [
        repr(pickle.dumps(error)),
        repr(pickle.loads(pickle.dumps(error))),
        repr(vars(copy.copy(error))),
    ]
    pieces += [shown for file, shown in frames(error) if not file.startswith(TESTS)]
    pieces += by_trackers(error, TESTS)
    pieces.append(by_rich(error, TESTS))
    return "\n".join(pieces)


def check(error: BaseException) -> None:
    shown = everything_shown(error)
    found = [line for line in shown.splitlines() if CANARY in line]
    assert [] == found


KEY_TOO = f", {CANARY}".encode()
ECHO = json.dumps({"errors": [{"title": f"bad {HOOK}{KEY_TOO.decode()}"}]}).encode()
BROKEN = json.dumps({"data": {"id": HOOK, "settings": {"slack": HOOK}}}).encode()
FAULTS = {
    "401": (Fault(status=401, body=ECHO), AuthenticationError),
    "422 echoing the form": (Fault(status=422, body=ECHO), ValidationError),
    "500": (Fault(status=500, body=ECHO), ServerError),
    "a redirect": (Fault.redirect(HOOK), APIError),
    "disconnect": (Fault(delivery="reset"), TransportError),
    "truncated": (Fault.truncated_body(), TransportError),
    "timeout": (Fault.stall(), RequestTimeoutError),
    "broken compression": (
        Fault(body=HOOK.encode(), headers={"Content-Encoding": "gzip"}),
        TransportError,
    ),
    "unreadable 2xx": (Fault(body=BROKEN), ReplyError),
    "HTML": (Fault(body=f"<p>{HOOK}".encode()), ReplyError),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "list": lambda handlers: handlers.list(),
    "get": lambda handlers: handlers.get(1),
    "create": lambda handlers: handlers.create("Ops", OPS),
    "update": lambda handlers: handlers.update(1, settings=OPS),
    "update of single fields": lambda handlers: handlers.update(1, settings=dict(SLACK)),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A server whose key is the canary."""
    with Sandbox(api_key=CANARY) as sandbox:
        yield sandbox


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


OPTIONS: dict[str, Any] = {"retry": Retry(attempts=1), "timeout": Timeout(total=0.5)}


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: str(each.type))
def test_no_text_of_settings_or_records_shows_a_secret(settings: Any):
    spec = HandlerSpec("Ops", settings)
    record = NotificationHandler(1, "Ops", settings, True, None, None)  # type: ignore[arg-type]
    for each in (settings, spec, record, [spec], {"a": record}):
        page = io.StringIO()
        Console(file=page, width=1000, color_system=None).print(each)
        assert CANARY not in f"{each} {each!r} {each!s:>3}" + page.getvalue()


def test_every_secret_field_holds_a_canary():
    for settings in SETTINGS[:-1]:
        for python, wire in FIELDS[type(settings)].items():
            assert wire.secret is (CANARY in getattr(settings, python))
    assert {"email", "telegram_chat_id"} == {
        wire.name for wires in FIELDS.values() for wire in wires.values() if not wire.secret
    }


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("fault", "cls"), FAULTS.values(), ids=FAULTS)
async def test_a_failed_call_shows_no_secret(
    fault: Fault,
    cls: type[BitPeakError],
    call: Callable[[Any], Awaitable[object]],
    sandbox: Sandbox,
    log: pytest.LogCaptureFixture,
):
    events: list[Event] = []
    sandbox.inject(fault, times=None)
    async with BitPeak(
        CANARY, base_url=sandbox.base_url, hooks=[events.append], **OPTIONS
    ) as bitpeak:
        with pytest.raises((cls, OutcomeUnknownError)) as caught:
            await call(bitpeak.notification_handlers)
    check(caught.value)
    for event in events:
        if isinstance(error := getattr(event, "error", None), BitPeakError):
            check(error)
    assert events
    assert CANARY not in f"{events} {[attrs.asdict(event, recurse=False) for event in events]}"
    assert CANARY not in log.text + str([vars(record) for record in log.records])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        *(("422 echoing the form", call) for call in CALLS if call not in ("list", "get")),
        *(("unreadable 2xx", call) for call in CALLS if "update" not in call),
        ("HTML", "create"),
    ],
)
async def test_a_handlers_own_secret_is_not_shown(
    name: str, call: str, log: pytest.LogCaptureFixture
):
    """The key does not contain the canary here, or masking the key would hide it."""
    fault, _ = FAULTS[name]
    events: list[Event] = []
    async with Sandbox(api_key="unlike") as sandbox:
        sandbox.inject(
            attrs.evolve(fault, body=(fault.body or b"").replace(KEY_TOO, b"")), times=None
        )
        async with BitPeak(
            "unlike", base_url=sandbox.base_url, hooks=[events.append], **OPTIONS
        ) as bitpeak:
            with pytest.raises(BitPeakError) as caught:
                await CALLS[call](bitpeak.notification_handlers)
    check(caught.value)
    assert CANARY not in f"{events} {log.text} {[vars(record) for record in log.records]}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("name", ["401", "422 echoing the form", "timeout", "unreadable 2xx"])
def test_a_failed_blocking_call_shows_no_secret(
    name: str, call: Callable[[Any], object], sandbox: Sandbox, log: pytest.LogCaptureFixture
):
    fault, cls = FAULTS[name]
    sandbox.inject(fault, times=None)
    with SyncBitPeak(CANARY, base_url=sandbox.base_url, **OPTIONS) as bitpeak:
        with pytest.raises((cls, OutcomeUnknownError)) as caught:
            call(bitpeak.notification_handlers)
        assert CANARY not in repr(bitpeak) + repr(vars(bitpeak))
    check(caught.value)
    assert CANARY not in log.text


async def test_a_cancelled_call_shows_no_secret(sandbox: Sandbox):
    """Its traceback would end in aiohttp, whose variables hold the header."""
    sandbox.inject(Fault.stall(), times=None)
    async with BitPeak(CANARY, base_url=sandbox.base_url) as bitpeak:
        call = asyncio.create_task(bitpeak.notification_handlers.create("Ops", OPS))
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    check(caught.value)


async def test_a_call_cancelled_before_it_starts_shows_no_secret():
    bitpeak = BitPeak(CANARY)
    for call in ("create", "update of single fields"):
        task = asyncio.create_task(CALLS[call](bitpeak.notification_handlers))
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        check(caught.value)


async def test_a_call_past_its_deadline_shows_no_secret(sandbox: Sandbox):
    sandbox.inject(Fault.stall(), times=None)
    async with BitPeak(CANARY, base_url=sandbox.base_url) as bitpeak:
        hasty = bitpeak.with_options(deadline=0.05)
        with pytest.raises(OutcomeUnknownError) as caught:
            await hasty.notification_handlers.create("Ops", OPS)
    check(caught.value)


async def test_an_unreachable_server_shows_no_secret():
    async with BitPeak(CANARY, base_url="http://127.0.0.1:1", **OPTIONS) as bitpeak:
        with pytest.raises(TransportError) as caught:
            await bitpeak.notification_handlers.create("Ops", OPS)
    check(caught.value)


async def test_an_unreachable_proxy_shows_no_password(monkeypatch: pytest.MonkeyPatch):
    proxy = f"http://user:{CANARY}@127.0.0.1:1"
    monkeypatch.setenv("https_proxy", proxy)
    for options in ({"proxy": proxy}, {}):
        async with BitPeak("unlike", **OPTIONS, **options) as bitpeak:
            with pytest.raises(TransportError) as caught:
                await bitpeak.notification_handlers.create("Ops", OPS)
        check(caught.value)


def test_a_refused_proxy_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", f"user:{CANARY}@proxy.example.com")
    with pytest.raises(ConfigurationError) as caught:
        BitPeak("unlike")
    check(caught.value)


async def test_a_given_session_and_an_unreachable_server_show_no_secret():
    async with (
        aiohttp.ClientSession() as session,
        BitPeak(CANARY, base_url="http://127.0.0.1:1", session=session, **OPTIONS) as bitpeak,
    ):
        for call in CALLS.values():
            with pytest.raises(TransportError) as caught:
                await call(bitpeak.notification_handlers)
            check(caught.value)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "settings that are a string": lambda handlers: handlers.create("Ops", HOOK),
    "settings that are a mapping": lambda handlers: handlers.create("Ops", {"slack": HOOK}),
    "a bad field beside": lambda handlers: handlers.update(1, settings={**SLACK, "email": CANARY}),
    "an unknown field beside": lambda handlers: handlers.update(1, settings={**SLACK, "twlio": ""}),
    "a bad switch beside": lambda handlers: handlers.update(1, settings=SLACK, is_enabled="yes"),
    "a bad id": lambda handlers: handlers.update(0, settings=SLACK),
    "a secret of the wrong form": lambda handlers: handlers.create("Ops", type(OPS)(CANARY)),
    "a bad name": lambda handlers: handlers.create("", OPS),
}
MISTAKEN: dict[str, Callable[[Any], Any]] = {
    "a misspelt argument": lambda handlers: handlers.update(1, setings=SLACK),
    "one by place that goes by name": lambda handlers: handlers.update(1, "Ops", SLACK),
    "one too many": lambda handlers: handlers.create("Ops", OPS, HOOK),
}


@pytest.mark.parametrize("call", MISTAKEN.values(), ids=MISTAKEN)
async def test_an_unexpected_argument_is_not_shown(call: Callable[[Any], Any]):
    with pytest.raises(TypeError) as caught:
        await call(BitPeak(CANARY).notification_handlers)
    check(caught.value)
    with SyncBitPeak(CANARY) as blocking, pytest.raises(TypeError) as caught:
        call(blocking.notification_handlers)
    check(caught.value)


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
async def test_a_refused_argument_is_not_shown(call: Callable[[Any], Any]):
    bitpeak = BitPeak(CANARY)
    with pytest.raises(InvalidRequestError) as caught:
        await call(bitpeak.notification_handlers)
    check(caught.value)
    with (
        SyncBitPeak(CANARY) as blocking,
        pytest.raises(InvalidRequestError) as caught_too,
    ):
        call(blocking.notification_handlers)
    check(caught_too.value)
    assert str(caught.value) == str(caught_too.value)


@pytest.mark.parametrize("cls", [BitPeak, SyncBitPeak])
@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": f"{CANARY} with a space"},
        {"api_key": CANARY.encode()},
        {"api_key": CANARY, "base_url": "ftp://bitpeak.ru"},
        {"api_key": CANARY, "timeout": "10"},
        {"api_key": CANARY, "headers": {"X-Team": f"{CANARY}\n"}},
        {"api_key": CANARY, "headers": {"Host": CANARY}},
        {"api_key": CANARY, "timezone": "UTC"},
        {"api_key": CANARY, "proxy": f"user:{CANARY}@proxy.example.com"},
        {"api_key": CANARY, "proxy": f"http://user:{CANARY}@proxy.example.com", "retry": 1},
        {"apikey": CANARY},
    ],
    ids=str,
)
def test_a_refused_configuration_shows_no_key(cls: type[Any], arguments: dict[str, Any]):
    with pytest.raises((ConfigurationError, TypeError)) as caught:
        cls(**arguments)
    check(caught.value)


def test_a_refused_key_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BITPEAK_API_KEY", f"{CANARY} ")
    with pytest.raises(ConfigurationError) as caught:
        BitPeak()
    check(caught.value)


BAD_SPECS: dict[str, list[Any]] = {
    "one name twice": [HandlerSpec("Ops", each) for each in SETTINGS],
    "settings that are a string": [HandlerSpec("Ops", HOOK)],  # type: ignore[arg-type]
    "settings that are a mapping": [HandlerSpec("Ops", SLACK)],  # type: ignore[arg-type]
    "a secret of the wrong form": [HandlerSpec("Ops", type(OPS)(CANARY))],
}


@pytest.mark.parametrize("specs", BAD_SPECS.values(), ids=BAD_SPECS)
async def test_a_refused_plan_shows_no_secret(specs: list[Any], sandbox: Sandbox):
    async with BitPeak(CANARY, base_url=sandbox.base_url, **OPTIONS) as bitpeak:
        for begin in (bitpeak.plan, bitpeak.provision):
            with pytest.raises(PlanError) as caught:
                await begin(specs)
            check(caught.value)
    with SyncBitPeak(CANARY, base_url=sandbox.base_url, **OPTIONS) as blocking:
        with pytest.raises(PlanError) as caught:
            blocking.plan(specs)
        check(caught.value)


async def test_a_plan_and_its_report_show_no_secret(
    sandbox: Sandbox, log: pytest.LogCaptureFixture
):
    specs = [HandlerSpec(f"Ops {n}", each) for n, each in enumerate(SETTINGS[:-1])]
    sandbox.inject(Fault(status=422, body=ECHO), method="POST", times=4)
    async with BitPeak(CANARY, base_url=sandbox.base_url, **OPTIONS) as bitpeak:
        plan = await bitpeak.plan(specs)
        assert CANARY not in f"{plan} {plan!r} {plan.to_json()}"
        report = await bitpeak.apply(plan)
        assert 4 == len(report.failed)
        assert CANARY not in f"{report} {report!r}"
        with pytest.raises(BitPeakError) as caught:
            report.raise_for_failures()
        check(caught.value)
        with pytest.raises(PlanError) as stale:
            Plan.from_json(plan.to_json(), specs[:-1])
        check(stale.value)
    assert CANARY not in log.text


async def test_a_run_past_its_deadline_shows_no_secret_of_its_report(sandbox: Sandbox):
    specs = [HandlerSpec(f"Ops {n}", each) for n, each in enumerate(SETTINGS[:-1])]
    async with BitPeak(CANARY, base_url=sandbox.base_url, **OPTIONS) as bitpeak:
        sandbox.inject(Fault.stall(), method="POST", after=2, times=None)
        with pytest.raises(RequestTimeoutError) as caught:
            await bitpeak.with_options(deadline=0.15).provision(specs)
    assert partial_report(caught.value) is not None
    check(caught.value)


@pytest.mark.parametrize("suffix", ["yaml", "toml", "json", "csv"])
def test_a_refused_spec_file_shows_no_value_of_the_environment(suffix: str, tmp_path: Path):
    file = tmp_path / f"handlers.{suffix}"
    file.write_text('[{"name": "Ops", "type": "slack", "settings": {"slack": "${HOOK}x y"}}]')
    with pytest.raises(PlanError) as caught:
        read_specs(file, environ={"HOOK": HOOK})
    check(caught.value)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: settings_from_dict("slack", {"slack": HOOK, "email": CANARY}),
        lambda: settings_from_dict("slack", {"slack": f"{HOOK} "}),
        lambda: settings_from_dict("new", {"new": HOOK, "other": [CANARY]}),
        lambda: spec_from_dict({"name": "", "type": "slack", "settings": {"slack": HOOK}}),
        lambda: spec_from_dict({"name": "a", "type": "slack", "settings": [HOOK], "x": CANARY}),
        lambda: specs_from_rows([{"name": "a", "type": "slack", "slack": f"{HOOK} "}]),
        lambda: specs_from_rows([{"name": "a", "slack": HOOK}, [CANARY]]),
    ],
)
def test_refused_mappings_show_no_value(refused: Callable[[], object]):
    with pytest.raises((InvalidRequestError, PlanError)) as caught:
        refused()
    check(caught.value)


def test_the_check_sees_what_a_frame_of_the_sdk_shows(tmp_path: Path):
    """Otherwise 0 hits would prove nothing."""
    elsewhere = tmp_path / "leak.py"
    elsewhere.write_text("def leak(secret):\n    raise BitPeakError")
    space: dict[str, Any] = {"BitPeakError": BitPeakError}
    exec(compile(elsewhere.read_text(), elsewhere, "exec"), space)
    with pytest.raises(BitPeakError) as caught:
        space["leak"](CANARY)
    assert CANARY in "".join(
        shown for file, shown in frames(caught.value) if file in str(elsewhere)
    )
    assert CANARY in by_rich(caught.value, TESTS)
    assert CANARY in "".join(by_trackers(caught.value, TESTS))


def test_the_check_sees_what_a_mapping_holds_whose_repr_hides_it(tmp_path: Path):
    class Quiet(UserDict[str, str]):
        def __repr__(self) -> str:
            return "Quiet()"

    assert CANARY in walked({"settings": Quiet(SLACK)})


async def test_no_error_of_a_fleet_shows_a_key(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ACME_KEY", f"{CANARY} with spaces")
    file = tmp_path / "accounts.yaml"
    file.write_text(f"- {{name: a, api_key: '{CANARY}${{X}}', specs: x.yaml, pace: 1}}")
    with pytest.raises(ConfigurationError) as caught:
        Account("a", CANARY, 7)  # type: ignore[arg-type]
    check(caught.value)
    with pytest.raises(PlanError) as refused:
        read_accounts(file)
    check(refused.value)
    accounts = [Account("a", f"{CANARY} x"), Account("b", EnvironmentKey("ACME_KEY"))]
    async with Fleet(accounts, base_url=sandbox.base_url) as fleet:
        with pytest.raises(PlanError) as refused:
            await fleet.provision()
    check(refused.value)
    async with Fleet([Account("a", f"{CANARY}-bad")], base_url=sandbox.base_url) as fleet:
        report = await fleet.provision()
        assert CANARY not in f"{fleet} {fleet.accounts} {report} {report!r} {[*report]}"
    with pytest.raises(ProvisionError) as failed:
        report.raise_for_failures()
    check(failed.value)
    check(failed.value.errors[0])
    async with Fleet([Account("a", CANARY)], base_url="http://127.0.0.1:1", **OPTIONS) as fleet:
        report = await fleet.provision()
    with pytest.raises(ProvisionError) as failed:
        report.raise_for_failures()
    check(failed.value.errors[0])
