"""Records ↔ mappings: the API's own words, taken literally."""

import datetime as dt
import importlib
import math
from typing import Any

import pytest

from bitpeak_async import (
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    InvalidRequestError,
    NotificationHandler,
    Page,
    PageLinks,
    PageMeta,
    PlanError,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    settings_from_dict,
    spec_from_dict,
    specs_from_rows,
    to_dict,
)

HOOK = "https://hooks.slack.com/services/canary"
CREATED = dt.datetime(2025, 12, 5, 14, 25, 37, tzinfo=dt.UTC)
HANDLER = NotificationHandler(7, "Ops", SlackSettings(HOOK), True, None, CREATED)
SPECS = [
    HandlerSpec("Ops", SlackSettings(HOOK), is_enabled=None, renamed_from="Alerts"),
    HandlerSpec("Bot", TelegramSettings("1:a", "-100"), is_enabled=False),
    HandlerSpec("Bell", InternalNotificationSettings()),
    HandlerSpec("Call", UnknownSettings("twilio", {"twilio": "+998"})),
]


def test_a_handler_becomes_json_data_in_the_words_of_the_api():
    masked = {
        "id": 7,
        "type": "slack",
        "name": "Ops",
        "settings": {"slack": "https://hooks.slack.com/***"},
        "is_enabled": True,
        "last_datetime": None,
        "datetime": "2025-12-05T14:25:37+00:00",
    }
    assert masked == to_dict(HANDLER)
    assert {**masked, "settings": {"slack": HOOK}} == to_dict(HANDLER, secrets=True)
    page = Page((HANDLER,), PageMeta(1, 25, 1, 1), PageLinks(self_="https://a.example"))
    shown = to_dict(page)
    assert ([masked], 1) == (shown["data"], shown["meta"]["total"])
    assert "https://a.example" == shown["links"]["self"]
    with pytest.raises(InvalidRequestError, match="not dict"):
        to_dict({})  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_spec_survives_the_way_through_a_mapping(spec: HandlerSpec):
    mapping = to_dict(spec, secrets=True)
    assert spec == spec_from_dict(mapping)
    assert spec.settings == settings_from_dict(mapping["type"], mapping["settings"])
    assert "canary" not in str(to_dict(spec))


def test_the_mapping_of_a_handler_describes_one_like_it():
    assert HandlerSpec("Ops", SlackSettings(HOOK)) == spec_from_dict(to_dict(HANDLER, secrets=True))


def test_no_text_reads_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK", "canary")
    text = "https://example.com/${HOOK}/$$"
    assert SlackSettings(text) == settings_from_dict("slack", {"slack": text})
    mapping = {"name": "${HOOK}", "type": "slack", "settings": {"slack": text}}
    assert HandlerSpec("${HOOK}", SlackSettings(text)) == spec_from_dict(mapping)
    row = {"name": "${HOOK}", "type": "slack", "slack": text}
    assert [HandlerSpec("${HOOK}", SlackSettings(text))] == specs_from_rows([row])


@pytest.mark.parametrize(
    ("handler_type", "fields", "problem"),
    [
        ("slack", {}, "lacks 'slack', which slack needs"),
        ("slack", {"webhook_url": HOOK}, "unknown field 'webhook_url'; did you mean 'slack'?"),
        ("slack", {"slack": "x"}, "settings.webhook_url must be an absolute"),
        ("slack", [HOOK], "settings must be a mapping of field names, not list"),
        ("slak", {"slack": HOOK}, "type 'slak' is not a documented type; did you mean 'slack'?"),
        (None, {}, "type must be a string such as 'email', not NoneType"),
        ("twilio", {"twilio": [1]}, "must be a string, not list"),
    ],
)
def test_settings_that_cannot_be_sent_are_refused(handler_type: Any, fields: Any, problem: str):
    with pytest.raises(InvalidRequestError) as caught:
        settings_from_dict(handler_type, fields)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"type": "email"}, "lacks 'name'"),
        ({"name": "a", "type": "internal_notification", "enabled": 1}, "mean 'is_enabled'?"),
        ({"name": "a", "type": "internal_notification", "is_enabled": 1}, "not int"),
        ({"name": 5, "type": "internal_notification"}, "name must be a string, not int"),
        (["name"], "must have the keys of a handler; it is a list"),
    ],
)
def test_a_mapping_that_describes_no_handler_is_refused(mapping: Any, problem: str):
    with pytest.raises(InvalidRequestError) as caught:
        spec_from_dict(mapping)
    assert problem in str(caught.value)


def test_rows_of_a_table_become_specs():
    """As pandas gives them: gaps are NaN, and make whole numbers floats and booleans objects."""
    np = importlib.import_module("numpy")  # bokeh brings it
    gap: dict[str, Any] = dict.fromkeys(["email", "telegram", "telegram_chat_id"], math.nan)
    rows = [
        {**gap, "name": "Mail", "type": "email", "email": "a@example.com", "is_enabled": np.False_},
        {**gap, "name": "Bot", "type": "telegram", "telegram": "1:a", "telegram_chat_id": -100.0},
        {**gap, "name": np.int64(7), "type": "internal_notification", "is_enabled": "keep"},
        {**gap, "name": "On", "type": "internal_notification", "is_enabled": 1.0, "id": 3},
    ]
    assert specs_from_rows(rows) == [
        HandlerSpec("Mail", EmailSettings("a@example.com"), is_enabled=False),
        HandlerSpec("Bot", TelegramSettings("1:a", "-100")),
        HandlerSpec("7", InternalNotificationSettings(), is_enabled=None),
        HandlerSpec("On", InternalNotificationSettings()),
    ]


def test_all_bad_rows_are_named_at_once():
    rows: Any = [
        {"name": "a", "type": "email", "email": ""},
        {"name": "b", "type": "internal_notification"},
        "name",
        {"name": "c", "type": "internal_notification", "is_enabled": "maybe"},
    ]
    with pytest.raises(PlanError) as caught:
        specs_from_rows(rows)
    assert caught.value.problems == (
        "rows[0]: settings lacks 'email', which email needs",
        'rows[2] must be a mapping, not str: to_dict("records")?',
        "rows[3]: is_enabled must be True, False or None, not str",
    )
    with pytest.raises(InvalidRequestError, match="must be an iterable of mappings, not int"):
        specs_from_rows(5)  # type: ignore[arg-type]
