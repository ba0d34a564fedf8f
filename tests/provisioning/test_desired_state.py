"""Whatever is desired and whatever exists: applying leads there, and then nothing is left to do."""

import asyncio
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

from builders import AT_ONCE, DIALECT
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bitpeak_async import (
    BitPeak,
    Delete,
    DiscordSettings,
    EmailSettings,
    GoogleChatSettings,
    HandlerSpec,
    InternalNotificationSettings,
    MicrosoftTeamsSettings,
    Result,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    WebhookSettings,
    XSettings,
)
from bitpeak_async._bulk.identity import text_key
from bitpeak_async.sandbox import Sandbox
from bitpeak_async.settings import settings_fields


def kept(**fields: str) -> dict[str, str]:
    """Return the fields as the server stores them."""
    return DIALECT.cleaning.clean(fields)


def is_kept(text: str) -> bool:
    """Whether the server keeps a text, perhaps cleaned; PHP takes "0" for an empty field."""
    left = kept(text=text)["text"].strip()
    return left not in ("", "0") and text_key(left) == text_key(text)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
).filter(is_kept)
NAME = TEXT | st.sampled_from(["ops", "Ops", "ops 1", "ops 2", "ops 3", "team", "*", "[a]"])
URL = st.sampled_from([f"https://example.com/{n}" for n in range(3)])
SETTINGS = st.one_of(
    st.builds(EmailSettings, st.sampled_from(["a@example.com", "b@example.com"])),
    *(st.builds(cls, URL) for cls in (WebhookSettings, SlackSettings, DiscordSettings)),
    *(st.builds(cls, URL) for cls in (MicrosoftTeamsSettings, GoogleChatSettings)),
    st.builds(TelegramSettings, TEXT, TEXT),
    st.builds(XSettings, TEXT, TEXT, TEXT, TEXT),
    st.just(InternalNotificationSettings()),
    st.builds(UnknownSettings, st.just("twilio"), st.fixed_dictionaries({"twilio": TEXT})),
)
SPECS = st.lists(
    st.builds(HandlerSpec, NAME, SETTINGS, st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda spec: kept(name=spec.name)["name"],
)
EXISTING = st.lists(st.builds(HandlerSpec, NAME, SETTINGS, st.booleans()), max_size=8)
PRUNE = st.none() | st.sampled_from(["*", "ops*", "o?s", "nobody"])


def stored(handler: dict[str, Any]) -> tuple[Any, ...]:
    return (
        handler["name"],
        handler["type"],
        tuple(handler["settings"].items()),
        handler["is_enabled"],
    )


def kept_name(spec: HandlerSpec) -> str:
    return kept(name=spec.name)["name"]


def described(spec: HandlerSpec) -> tuple[Any, ...]:
    fields = tuple(kept(**settings_fields(spec.settings)).items())
    return (kept_name(spec), str(spec.settings.type), fields, spec.is_enabled)


async def scene(
    specs: list[HandlerSpec], existing: list[HandlerSpec], prune: str | None, *, through_json: bool
) -> None:
    names = {kept_name(spec) for spec in specs}
    async with (
        Sandbox(extra_types={"twilio": ("twilio",)}, dialect=DIALECT) as sandbox,
        BitPeak(sandbox.api_key, base_url=sandbox.base_url, retry=AT_ONCE) as bitpeak,
    ):
        sandbox.add_many(
            {
                "name": kept_name(spec),
                "type": str(spec.settings.type),
                "settings": kept(**settings_fields(spec.settings)),
                "is_enabled": spec.is_enabled,
            }
            for spec in existing
        )
        before = Counter(map(stored, sandbox.handlers))
        plan = await bitpeak.plan(specs, prune=prune)
        if through_json:
            plan = type(plan).from_json(plan.to_json(), specs)
        report = await bitpeak.apply(plan, force=True)
        after = Counter(map(stored, sandbox.handlers))

        assert len(plan.changes) == len(report.outcomes)
        assert not report.unresolved
        existing_names = Counter(map(kept_name, existing))
        twice = {name for name in names if existing_names[name] > 1}
        failed = [each.change for each in report.failed if not isinstance(each.change, Delete)]
        assert twice == {kept(name=change.name)["name"] for change in failed}
        desired = Counter(described(spec) for spec in specs if kept_name(spec) not in twice)
        left = Counter({key: n for key, n in before.items() if key[0] not in names - twice})
        if prune is not None and not twice:
            left = Counter({k: n for k, n in left.items() if not fnmatchcase(k[0], prune)})
        assert desired + left == after

        again = await bitpeak.plan(specs, prune=prune)
        assert again.is_empty == (not twice)
        if not twice:
            sent = len(sandbox.requests)
            repeated = await bitpeak.apply(again)
            assert {Result.UNCHANGED} == {each.result for each in repeated.outcomes}
            assert {"GET"} == {each.method for each in list(sandbox.requests)[sent:]}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPECS, EXISTING, PRUNE, st.booleans())
def test_applying_a_plan_leads_to_the_desired_state(
    specs: list[HandlerSpec],
    existing: list[HandlerSpec],
    prune: str | None,
    through_json: bool,
):
    """With pruning, exactly the pattern's leftovers go; a name that exists twice stops that."""
    names = {kept_name(spec) for spec in (*specs, *existing)}
    assume(len(names) == len({*map(text_key, names)}))  # else they may be one to a server
    asyncio.run(scene(specs, existing, prune, through_json=through_json))
