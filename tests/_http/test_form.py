"""Specs → form fields: documented names out, and nothing unsendable gets past."""

import pytest

from bitpeak_async._http import form
from bitpeak_async._secret import Secret
from bitpeak_async.errors import InvalidRequestError
from bitpeak_async.settings import (
    FIELDS,
    DiscordSettings,
    EmailSettings,
    GoogleChatSettings,
    HandlerType,
    InternalNotificationSettings,
    MicrosoftTeamsSettings,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    WebhookSettings,
    XSettings,
    settings_fields,
)

URL = "https://example.com/hook?token=1"
EMAIL = EmailSettings("hey@example.com")
CANARY = "canary-4711"

DOCUMENTED = [
    (EMAIL, {"type": "email", "email": "hey@example.com"}),
    (WebhookSettings(URL), {"type": "webhook", "webhook": URL}),
    (SlackSettings(URL), {"type": "slack", "slack": URL}),
    (DiscordSettings(URL), {"type": "discord", "discord": URL}),
    (
        TelegramSettings("1:t", "-100"),
        {"type": "telegram", "telegram": "1:t", "telegram_chat_id": "-100"},
    ),
    (MicrosoftTeamsSettings(URL), {"type": "microsoft_teams", "microsoft_teams": URL}),
    (
        XSettings("k", "s", "t", "a"),
        {
            "type": "x",
            "x_consumer_key": "k",
            "x_consumer_secret": "s",
            "x_access_token": "t",
            "x_access_token_secret": "a",
        },
    ),
    (GoogleChatSettings(URL), {"type": "google_chat", "google_chat": URL}),
    (InternalNotificationSettings(), {"type": "internal_notification"}),
    (UnknownSettings("twilio", {"twilio": "+998"}), {"type": "twilio", "twilio": "+998"}),
    (UnknownSettings("new"), {"type": "new"}),
]


def kind(value):
    return value.type if hasattr(value, "type") else None


def create_form(name, settings):
    return form.create_form(name, Secret(settings))


def update_form(name, settings, is_enabled):
    return form.update_form(name, Secret(settings), is_enabled)


def refusal(function, *arguments):
    with pytest.raises(InvalidRequestError) as caught:
        function(*arguments)
    assert CANARY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("settings", "fields"), DOCUMENTED, ids=kind)
def test_a_create_sends_name_type_and_the_types_own_fields(settings, fields):
    assert {"name": "Ops", **fields} == create_form("Ops", settings)


@pytest.mark.parametrize(("settings", "fields"), DOCUMENTED, ids=kind)
def test_an_update_sends_settings_with_their_type(settings, fields):
    assert fields == update_form(None, settings, None)


def test_every_type_is_tested():
    assert set(HandlerType) <= {settings.type for settings, _ in DOCUMENTED}


@pytest.mark.parametrize(("settings", "fields"), DOCUMENTED, ids=kind)
def test_settings_fields_are_those_of_a_reply(settings, fields):
    assert {"type": settings.type, **settings_fields(settings)} == fields


def test_all_form_fields_are_plain_strings():
    sent = {**create_form("Ops", EMAIL), **update_form(None, None, True)}
    assert {str} == {type(value) for value in sent.values()}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Ops", None, None), {"name": "Ops"}),
        ((None, None, True), {"is_enabled": "1"}),
        ((None, None, False), {"is_enabled": "0"}),
        ((None, {"slack": URL}, None), {"slack": URL}),
        (("Ops", EMAIL, False),
         {"name": "Ops", "type": "email", "email": "hey@example.com", "is_enabled": "0"}),
        ((None, {"telegram_chat_id": "5", "telegram": "t"}, None),
         {"telegram_chat_id": "5", "telegram": "t"}),
    ],
)  # fmt: skip
def test_an_update_sends_only_what_is_given(arguments, expected):
    assert expected == update_form(*arguments)


@pytest.mark.parametrize(
    "name", ["Ғафур's «почта» 🚨", " padded ", "two\r\nlines", 'a "quoted" name', "x" * 65536]
)
def test_a_name_may_hold_any_text(name):
    assert name == create_form(name, EMAIL)["name"] == update_form(name, None, None)["name"]


BAD_TEXTS = [
    (None, "must be a string, not NoneType"),
    (4711, "must be a string, not int"),
    (CANARY.encode(), "must be a string, not bytes"),
    ([CANARY], "must be a string, not list"),
    ("", "must not be empty"),
    (" \t\r\n", "must not be empty"),
    (f"{CANARY}\0", "must not contain NUL"),
    (f"{CANARY}\ud83d", "must be valid Unicode (it contains half of a surrogate pair)"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "problem"), BAD_TEXTS)
def test_a_bad_name_is_refused(value, problem):
    error = refusal(create_form, value, EMAIL)
    assert ("name", f"name {problem}") == (error.argument, str(error))


@pytest.mark.parametrize(("value", "problem"), BAD_TEXTS[1:])
def test_a_bad_new_name_is_refused(value, problem):
    assert f"name {problem}" == str(refusal(update_form, value, None, None))


def good(cls, **changes):
    """Valid settings of a class, changed."""
    values = {"URL": URL, "EMAIL": "hey@example.com", "TEXT": "text"}
    return cls(**{n: values[wire.format.name] for n, wire in FIELDS[cls].items()} | changes)


ALL_FIELDS = [(cls, name, wire) for cls, wires in FIELDS.items() for name, wire in wires.items()]


@pytest.mark.parametrize(("value", "problem"), BAD_TEXTS)
@pytest.mark.parametrize(("cls", "name", "wire"), ALL_FIELDS)
def test_a_bad_settings_field_is_refused(cls, name, wire, value, problem):
    """In a mapping as well as in its class."""
    error = refusal(create_form, "Ops", good(cls, **{name: value}))
    assert f"settings.{name}" == error.argument
    assert f"settings.{name} {problem}" == str(error)
    error = refusal(update_form, None, {wire.name: value}, None)
    assert f"settings[{wire.name!r}]" == error.argument
    assert f"settings[{wire.name!r}] {problem}" == str(error)


BAD_FORMATS = {
    "URL": [CANARY, f"example.com/{CANARY}", f"ftp://example.com/{CANARY}", f"https:///{CANARY}",
            f"https://example.com/{CANARY} {CANARY}", f"https://example.com/\n{CANARY}",
            f"https://example.com:0x50/{CANARY}", f"https://example.com:99999/{CANARY}",
            f"https://[{CANARY}/", f"javascript:{CANARY}"],
    "EMAIL": [CANARY, f"{CANARY}@", f"@{CANARY}", f"{CANARY} @example.com", f"a@{CANARY}\n"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "name", "wire", "value"),
    [(*row, value) for row in ALL_FIELDS for value in BAD_FORMATS.get(row[2].format.name, ())],
)
def test_a_field_of_the_wrong_format_is_refused(cls, name, wire, value):
    expected = f"settings.{name} must be {wire.format.value}"
    assert expected == str(refusal(create_form, "Ops", good(cls, **{name: value})))


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080/x", "https://[::1]/x", "https://пример.рф/x", "HTTPS://EXAMPLE.COM",
     "https://user:pass@example.com/x?y=%20#z"],
)  # fmt: skip
def test_any_absolute_http_url_is_sent_unchanged(url):
    assert url == create_form("Ops", WebhookSettings(url))["webhook"]


@pytest.mark.parametrize("value", [None, CANARY, {"email": CANARY}, EmailSettings, 4711])
def test_a_create_needs_a_settings_object(value):
    error = refusal(create_form, "Ops", value)
    assert "settings" == error.argument
    assert "must be one of EmailSettings, WebhookSettings" in str(error)
    assert str(error).endswith(f"not {type(value).__name__}")


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        (UnknownSettings(""), "settings.type"),
        (UnknownSettings("new type"), "settings.type"),
        (UnknownSettings("тип"), "settings.type"),
        (UnknownSettings(None), "settings.type"),
        (UnknownSettings("new\n"), "settings.type"),
        (UnknownSettings("new", {"a.b": CANARY}), "settings.fields"),
        (UnknownSettings("new", {"a[]": CANARY}), "settings.fields"),
        (UnknownSettings("new", {'a"; x="': CANARY}), "settings.fields"),
        (UnknownSettings("new", {"a\r\n": CANARY}), "settings.fields"),
        (UnknownSettings("new", {"ключ": CANARY}), "settings.fields"),
        (UnknownSettings("new", {1: CANARY}), "settings.fields"),
        (UnknownSettings("new", {"name": CANARY}), "settings.fields"),
        (UnknownSettings("new", {"type": CANARY}), "settings.fields"),
        (UnknownSettings("new", {"is_enabled": CANARY}), "settings.fields"),
        *((UnknownSettings("new", {"a": value}), "settings.fields['a']") for value, _ in BAD_TEXTS),
    ],
)
def test_bad_unknown_settings_are_refused(settings, argument):
    """PHP would rewrite such names or confuse the field with another."""
    assert argument == refusal(create_form, "Ops", settings).argument


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({}, "must name at least one field"),
        ({"slak": CANARY}, "unknown field 'slak'; did you mean 'slack'?"),
        ({"qqq": CANARY}, "unknown field 'qqq'; known: email, webhook, slack, "),
        ({"name": CANARY}, "unknown field 'name'"),
        ({1: CANARY}, "unknown field 1"),
        ({"webhook_url": CANARY}, "did you mean 'slack' or 'discord' or 'microsoft_teams'"),
        ({"chat_id": CANARY}, "did you mean 'telegram_chat_id'?"),
        ({"type": "slack", "webhook_url": CANARY}, "did you mean 'slack'?"),
        ({"type": "email", "slack": CANARY}, "unknown field 'slack'; known: email"),
        ({"type": "email"}, "must name at least one field"),
        ({"type": "slak", "slack": CANARY}, "an undocumented type 'slak'"),
        ({"type": [], "slack": CANARY}, "an undocumented type []"),
        (
            {"slack": "https://example.com", "email": "a@example.com"},
            "fields of several types (slack, email)",
        ),
    ],
)
def test_a_bad_mapping_is_refused(mapping, words):
    error = refusal(update_form, None, mapping, None)
    assert "settings" == error.argument
    assert words in str(error)


@pytest.mark.parametrize("value", [1, 0, "1", "yes", [CANARY]])
def test_is_enabled_is_a_boolean(value):
    error = refusal(update_form, None, None, value)
    assert "is_enabled" == error.argument
    assert f"is_enabled must be True or False, not {type(value).__name__}" == str(error)


def test_an_update_must_change_something():
    assert "give at least one of name, settings, is_enabled to update" == str(
        refusal(update_form, None, None, None)
    )
