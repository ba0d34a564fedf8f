"""Shared keyword arguments: described once, shown everywhere, refused by name."""

import inspect
import re
import traceback
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from bitpeak_async import (
    BitPeak,
    HandlerSpec,
    NotificationHandlers,
    SyncBitPeak,
    SyncNotificationHandlers,
)
from bitpeak_async.fleet import Account, Fleet, FleetPlan
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.keywords import (
    ApplyOptions,
    ClientConfig,
    ClientOptions,
    ListFilters,
    PlanOptions,
    PortableOptions,
    ProvisionConfig,
    ProvisionOptions,
)
from bitpeak_async.provisioning import Plan

TAKERS = {
    BitPeak: ClientOptions,
    SyncBitPeak: ClientOptions,
    Fleet: ClientOptions,
    DaskFleet: PortableOptions,
    BitPeak.plan: PlanOptions,
    SyncBitPeak.plan: PlanOptions,
    Fleet.plan: PlanOptions,
    BitPeak.apply: ApplyOptions,
    SyncBitPeak.apply: ApplyOptions,
    Fleet.apply: ApplyOptions,
    BitPeak.provision: ProvisionOptions,
    SyncBitPeak.provision: ProvisionOptions,
    Fleet.provision: ProvisionOptions,
    Fleet.provision_account: ProvisionOptions,
    DaskFleet.provision: ProvisionOptions,
    NotificationHandlers.list: ListFilters,
    NotificationHandlers.pages: ListFilters,
    NotificationHandlers.iterate: ListFilters,
    SyncNotificationHandlers.iterate: ListFilters,
}
takers = pytest.mark.parametrize(
    ("taker", "group"), [pytest.param(*each, id=each[0].__qualname__) for each in TAKERS.items()]
)


@takers
def test_help_describes_every_keyword_once(taker: Callable[..., Any], group: type):
    described = re.findall(r"^ +(\w+): \S", inspect.getdoc(taker) or "", re.MULTILINE)
    for name in inspect.signature(taker).parameters:
        assert 1 == described.count(name) or name == "self"
    assert group.__annotations__.keys() <= set(described)
    assert not re.search(r"\*\*(options|filters)", taker.__doc__ or "")


@takers
def test_the_signature_shows_every_keyword_with_its_default(taker: Callable[..., Any], group: type):
    config = ClientConfig if "timeout" in group.__annotations__ else ProvisionConfig
    defaults = {name: field.default for name, field in attrs.fields_dict(config).items()}
    defaults |= dict.fromkeys(ListFilters.__annotations__)
    shown = inspect.signature(taker).parameters
    for name in group.__annotations__:
        assert inspect.Parameter.KEYWORD_ONLY is shown[name].kind
        assert defaults[name] == shown[name].default
    assert not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in shown.values())


def test_every_keyword_has_a_default_and_a_type():
    """And no default belongs to a keyword that nobody can pass."""
    client, provision = ClientOptions.__annotations__, ProvisionOptions.__annotations__
    assert {field.name for field in attrs.fields(ClientConfig)} == client.keys()
    assert {field.name for field in attrs.fields(ProvisionConfig)} == provision.keys()


SPECS = list[HandlerSpec]()


@pytest.mark.parametrize(
    ("taker", "call"),
    [
        ("BitPeak", lambda wrong: BitPeak("key", **wrong)),
        ("SyncBitPeak", lambda wrong: SyncBitPeak("key", **wrong)),
        ("Fleet", lambda wrong: Fleet([], **wrong)),
        ("DaskFleet", lambda wrong: DaskFleet([], **wrong)),
        (
            "NotificationHandlers.list",
            lambda wrong: BitPeak("key").notification_handlers.list(**wrong),
        ),
        ("BitPeak.plan", lambda wrong: BitPeak("key").plan(SPECS, **wrong)),
        ("BitPeak.apply", lambda wrong: BitPeak("key").apply(Plan(()), **wrong)),
        ("BitPeak.provision", lambda wrong: BitPeak("key").provision(SPECS, **wrong)),
        ("SyncBitPeak.plan", lambda wrong: SyncBitPeak("key").plan(SPECS, **wrong)),
        ("SyncBitPeak.apply", lambda wrong: SyncBitPeak("key").apply(Plan(()), **wrong)),
        ("SyncBitPeak.provision", lambda wrong: SyncBitPeak("key").provision(SPECS, **wrong)),
        ("Fleet.plan", lambda wrong: Fleet().plan(**wrong)),
        ("Fleet.apply", lambda wrong: Fleet().apply(FleetPlan({}), **wrong)),
        ("Fleet.provision", lambda wrong: Fleet().provision(**wrong)),
        (
            "Fleet.provision_account",
            lambda wrong: Fleet().provision_account(Account("a", "key"), **wrong),
        ),
        ("DaskFleet.provision", lambda wrong: DaskFleet([]).provision(**wrong)),
    ],
)
async def test_a_wrong_name_is_refused_with_what_it_was_passed_to(
    taker: str, call: Callable[[dict[str, Any]], Any]
):
    """Its value may be a secret, such as the key under another name, so no frame shows it."""
    with pytest.raises(TypeError) as caught:
        await call({"apikey": "canary4711"})
    assert f"{taker}() got an unexpected keyword argument 'apikey'" == str(caught.value)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in trace.stack if "/bitpeak_async/" in frame.filename]
    assert ours
    assert "canary4711" not in str([frame.locals for frame in ours])


def test_a_session_is_for_the_asynchronous_client_alone():
    with pytest.raises(TypeError, match=r"SyncBitPeak\(\) .* 'session'"):
        SyncBitPeak("key", session=object())


def test_a_fleet_on_dask_takes_only_what_can_travel():
    for option in ("ssl", "hooks"):
        with pytest.raises(TypeError, match=rf"DaskFleet\(\) .* '{option}'"):
            DaskFleet([], **{option: None})
