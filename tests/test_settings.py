"""The table of types is total, and no repr shows a secret."""

import copy
import pickle
from pathlib import Path
from typing import get_args

import attrs
import pytest

from bitpeak_async import settings as module
from bitpeak_async.errors import InvalidRequestError
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import (
    CLASSES,
    FIELDS,
    WIRE_FIELDS,
    EmailSettings,
    HandlerType,
    KnownSettings,
    Settings,
    SettingsFields,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    mask,
    wire_fields,
)

SAMPLES = Path(__file__).parent / "samples" / "handlers"

# The vendor's page, row by row.
DOCUMENTED = {
    "email": ["email"],
    "webhook": ["webhook"],
    "slack": ["slack"],
    "discord": ["discord"],
    "telegram": ["telegram", "telegram_chat_id"],
    "microsoft_teams": ["microsoft_teams"],
    "x": ["x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret"],
    "google_chat": ["google_chat"],
    "internal_notification": [],
}
NOT_SECRET = {"email", "telegram_chat_id"}


def filled(cls):
    """Settings in which every value is different."""
    return cls(*(f"canary-{index}-{name}" for index, name in enumerate(FIELDS[cls])))


def test_every_documented_type_has_its_class_and_wire_names():
    assert DOCUMENTED == {
        name: [wire.name for wire in FIELDS[cls].values()] for name, cls in CLASSES.items()
    }


def test_every_handler_type_has_a_class():
    assert set(HandlerType) == set(CLASSES)
    assert all(name == cls.type for name, cls in CLASSES.items())


@pytest.mark.parametrize("handler_type", HandlerType)
def test_every_handler_type_has_a_sample(handler_type):
    assert (SAMPLES / f"{handler_type}.json").is_file()


def test_every_class_is_public_and_in_the_union():
    classes = {name for name in module.__all__ if name.endswith("Settings")}
    assert {cls.__name__ for cls in get_args(Settings)} == classes - {"Settings", "KnownSettings"}
    assert {*get_args(KnownSettings), UnknownSettings} == set(get_args(Settings))


def test_the_update_mapping_has_every_wire_name():
    assert {*WIRE_FIELDS, "type"} == set(SettingsFields.__annotations__)
    assert sum(map(len, DOCUMENTED.values())) == len(WIRE_FIELDS)


def test_all_fields_except_addresses_are_secret():
    assert set(WIRE_FIELDS) - NOT_SECRET == {n for n, wire in WIRE_FIELDS.items() if wire.secret}


@pytest.mark.parametrize("cls", FIELDS)
def test_wire_fields_are_the_attributes_in_their_order(cls):
    assert [field.name for field in attrs.fields(cls)] == list(wire_fields(cls))


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format])
@pytest.mark.parametrize("cls", FIELDS)
def test_a_secret_is_masked_in_every_repr(cls, show):
    settings = filled(cls)
    shown = show(settings) + show(HandlerSpec("name", settings)) + show([settings])
    secret = [getattr(settings, name) for name, wire in FIELDS[cls].items() if wire.secret]
    assert [] == [value for value in secret if value in shown]


def test_fields_that_are_not_secret_are_shown():
    assert "EmailSettings(email='hey@example.com')" == repr(EmailSettings("hey@example.com"))
    assert "TelegramSettings(api_token=***, chat_id='-100')" == repr(
        TelegramSettings("1:token", "-100")
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://hooks.example.com/T/canary", "https://hooks.example.com/***"),
        ("http://canary:canary@example.com:8080/?q=canary#canary", "http://example.com/***"),
        ("HTTPS://EXAMPLE.com/canary", "https://example.com/***"),
        ("https://[2001:db8::1]/canary", "https://2001:db8::1/***"),
        ("https://[canary/", "***"),
        ("https:///canary", "***"),
        ("ftp://example.com/canary", "***"),
        ("canary", "***"),
        (" https://example.com/canary", "https://example.com/***"),
        (b"canary", "***"),
        (["canary"], "***"),
        ({"canary": "canary"}, "***"),
        (4711, "***"),
        ("", "''"),
        (None, "''"),
    ],
)
def test_mask_shows_at_most_scheme_and_host(value, expected):
    assert expected == mask(value)


def test_unknown_settings_show_names_not_values():
    settings = UnknownSettings("twilio", {"number": "canary", "hook": "https://a.example/canary"})
    assert (
        "UnknownSettings(type='twilio', fields={'number': ***, 'hook': https://a.example/***})"
        == repr(settings)
    )


def test_unknown_settings_keep_their_own_copy():
    fields = {"twilio": "+998"}
    settings = UnknownSettings("twilio", fields)
    fields["twilio"] = "changed"
    assert {"twilio": "+998"} == settings.fields


@pytest.mark.parametrize("cls", FIELDS)
def test_settings_are_values(cls):
    """Equal, hashable, frozen, and equal after pickle and copy."""
    settings = filled(cls)
    assert {settings} == {filled(cls), pickle.loads(pickle.dumps(settings)), copy.copy(settings)}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.type = "other"


def test_unknown_settings_are_values():
    settings = UnknownSettings("twilio", {"twilio": "+998"})
    assert settings == UnknownSettings("twilio", {"twilio": "+998"})
    assert hash(settings) == hash(UnknownSettings("twilio", {"twilio": "+998"}))
    assert settings != UnknownSettings("twilio", {"twilio": "+7"})
    assert settings != UnknownSettings("whatsapp", {"twilio": "+998"})


def test_settings_of_different_types_differ():
    url = "https://example.com/hook"
    assert SlackSettings(url) != CLASSES["discord"](url)


@pytest.mark.parametrize("fields", [None, "telegram", 7, [("a", "b")]], ids=repr)
def test_fields_must_be_a_mapping(fields):
    with pytest.raises(InvalidRequestError, match="fields must be a mapping") as caught:
        UnknownSettings("twilio", fields)
    assert "settings.fields" == caught.value.argument
