"""JSON → records: exactly what the samples say, leniently, and failures by their place."""

import datetime as dt
import gc
import json
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import get_origin
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpeak_async._http.decode import Decoder, decoder
from bitpeak_async._http.json_body import ShapeError, parse_json
from bitpeak_async._http.lenient import converter_of
from bitpeak_async.records import (
    NotificationHandler,
    Page,
    PageLinks,
    PageMeta,
    UnreadableHandler,
)
from bitpeak_async.settings import (
    CLASSES,
    FIELDS,
    DiscordSettings,
    EmailSettings,
    GoogleChatSettings,
    InternalNotificationSettings,
    MicrosoftTeamsSettings,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    WebhookSettings,
    XSettings,
)

SAMPLES = Path(__file__).parents[1] / "samples"
HANDLERS = Page[NotificationHandler]
UTC = decoder(dt.UTC)
CANARY = "canary-4711"


def sample(path):
    return json.loads((SAMPLES / f"{path}.json").read_bytes())


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def handler(**changes):
    """The JSON of the documented handler, changed."""
    return {**sample("replies/get")["data"], **changes}


def page(*handlers, **changes):
    """The JSON of the documented page, changed."""
    return {**sample("replies/list"), "data": list(handlers), **changes}


def decode(raw, returns, decoder=UTC):
    return decoder.decode(json.dumps(raw).encode(), returns)


def decode_handler(**changes):
    return decode({"data": handler(**changes)}, NotificationHandler)


EXPECTED = [
    ("email", "Ish pochtasi", EmailSettings("navbatchi@example.com")),
    ("webhook", "Deploy webhook", WebhookSettings("https://ops.example.com/hooks/bitpeak?token=wh-4f1c")),
    ("slack", "Slack #ops", SlackSettings("https://hooks.slack.com/services/T000/B000/sl-9a2e")),
    ("discord", "Discord alerts", DiscordSettings("https://discord.com/api/webhooks/1000/di-71bd")),
    ("telegram", "Телеграм: дежурные", TelegramSettings("1000:te-0b7f", "-1001234567890")),
    ("microsoft_teams", "Teams: platform", MicrosoftTeamsSettings("https://example.webhook.office.com/webhookb2/mt-55c0")),
    ("x", "X status account 🚨", XSettings("xk-1", "xs-2", "xt-3", "xa-4")),
    ("google_chat", "Google Chat: incidents", GoogleChatSettings("https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=gc-e3d1")),
    ("internal_notification", "Dashboard bell", InternalNotificationSettings()),
    ("twilio", "SMS", UnknownSettings("twilio", {"twilio": "+998000000000"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kind", "name", "expected"),
    [(number, *row) for number, row in enumerate(EXPECTED, 1)],
    ids=[row[0] for row in EXPECTED],
)
def test_a_sample_decodes_to_its_record(number, kind, name, expected):
    decoded = decode({"data": sample(f"handlers/{kind}")}, NotificationHandler)
    assert decoded == NotificationHandler(
        id=number,
        name=name,
        settings=expected,
        is_enabled=kind != "microsoft_teams",
        last_datetime=utc(2025, 12, 6, 8) if kind == "slack" else None,
        datetime=utc(2025, 12, 5, 14, 25, 36 + number),
    )
    assert kind == decoded.type


def test_every_sample_is_expected():
    assert {path.stem for path in (SAMPLES / "handlers").iterdir()} == {row[0] for row in EXPECTED}


def test_the_documented_page_decodes():
    here = "https://bitpeak.ru/api/notification-handlers?page=1"
    work = NotificationHandler(
        1, "Work email", EmailSettings("hey@example.com"), True, None, utc(2025, 12, 5, 14, 25, 37)
    )
    assert decode(sample("replies/list"), HANDLERS) == Page(
        (work,), PageMeta(1, 25, 1, 1), PageLinks(here, here, None, None, here)
    )


@pytest.mark.parametrize("reply", ["create", "update"])
def test_a_write_is_answered_with_an_id(reply):
    assert 1 == decode(sample(f"replies/{reply}"), int)


@pytest.mark.parametrize(
    ("changes", "attribute", "expected"),
    [
        ({"id": "7"}, "id", 7),
        ({"id": "-7"}, "id", -7),
        ({"is_enabled": 1}, "is_enabled", True),
        ({"is_enabled": "1"}, "is_enabled", True),
        ({"is_enabled": 0}, "is_enabled", False),
        ({"is_enabled": "0"}, "is_enabled", False),
        ({"is_enabled": ""}, "is_enabled", False),
        ({"name": None}, "name", ""),
        ({"name": 7}, "name", "7"),
        ({"settings": []}, "settings", EmailSettings("")),
        ({"settings": {}}, "settings", EmailSettings("")),
        ({"settings": None}, "settings", EmailSettings("")),
        ({"settings": {"email": None}}, "settings", EmailSettings("")),
        ({"settings": {"email": "a@b", "new": [1]}}, "settings", EmailSettings("a@b")),
        ({"new": {"a": 1}}, "id", 1),
        (
            {"type": "telegram", "settings": {"telegram": "t", "telegram_chat_id": -100}},
            "settings",
            TelegramSettings("t", "-100"),
        ),
        (
            {"type": "telegram", "settings": {"telegram_chat_id": "5"}},
            "settings",
            TelegramSettings("", "5"),
        ),
        ({"type": "x", "settings": []}, "settings", XSettings("", "", "", "")),
        (
            {"type": "internal_notification", "settings": []},
            "settings",
            InternalNotificationSettings(),
        ),
        ({"type": "whatsapp", "settings": []}, "settings", UnknownSettings("whatsapp")),
        ({"type": "whatsapp", "settings": None}, "settings", UnknownSettings("whatsapp")),
        (
            {"type": "whatsapp", "settings": {"to": ["+998"]}},
            "settings",
            UnknownSettings("whatsapp", {"to": ["+998"]}),
        ),
        ({"last_datetime": ""}, "last_datetime", None),
        ({"last_datetime": "0000-00-00 00:00:00"}, "last_datetime", None),
        ({"last_datetime": "2025-12-06 08:00:00"}, "last_datetime", utc(2025, 12, 6, 8)),
    ],
)
def test_what_the_platform_varies_is_tolerated(changes, attribute, expected):
    decoded = getattr(decode_handler(**changes), attribute)
    assert expected == decoded
    assert type(expected) is type(decoded)


def test_settings_missing_altogether_are_empty():
    without = handler()
    del without["settings"]
    assert EmailSettings("") == decode({"data": without}, NotificationHandler).settings


@pytest.mark.parametrize(
    ("changes", "attribute", "expected"),
    [
        ({"meta": {"page": "1", "results_per_page": "250", "total": "0", "total_pages": "0"}},
         "meta", PageMeta(1, 250, 0, 0)),
        ({"links": []}, "links", PageLinks()),
        ({"links": None}, "links", PageLinks()),
        ({"links": {"self": "?&page=1", "new": 1}}, "links", PageLinks(self_="?&page=1")),
        ({"new": 1}, "data", ()),
    ],
)  # fmt: skip
def test_what_builds_vary_around_a_page_is_tolerated(changes, attribute, expected):
    assert expected == getattr(decode(page(**changes), HANDLERS), attribute)


def test_links_may_be_missing():
    body = page(handler())
    del body["links"]
    assert PageLinks() == decode(body, HANDLERS).links


def test_one_new_type_does_not_break_a_listing():
    body = page(*(sample(f"handlers/{row[0]}") for row in EXPECTED))
    assert [row[2] for row in EXPECTED] == [h.settings for h in decode(body, HANDLERS)]


@pytest.mark.parametrize(
    "zone", [dt.UTC, ZoneInfo("Asia/Tashkent"), dt.timezone(dt.timedelta(hours=-3))]
)
def test_datetimes_are_of_the_given_timezone(zone):
    body = {"data": handler(last_datetime="2025-12-06 08:00:00")}
    decoded = decode(body, NotificationHandler, decoder(zone))
    assert dt.datetime(2025, 12, 5, 14, 25, 37, tzinfo=zone) == decoded.datetime
    assert dt.datetime(2025, 12, 6, 8, tzinfo=zone) == decoded.last_datetime
    assert decoded.datetime.tzinfo is zone is decoded.last_datetime.tzinfo


@pytest.mark.parametrize(
    "text",
    ["2025-12-05T14:25:37Z", "2025-12-05 19:25:37+05:00", "2025-12-05T14:25:37.000000+00:00"],
)
def test_an_offset_on_the_wire_wins(text):
    body = {"data": handler(datetime=text)}
    decoded = decode(body, NotificationHandler, decoder(ZoneInfo("America/Bogota")))
    assert utc(2025, 12, 5, 14, 25, 37) == decoded.datetime


def test_a_decoder_is_compiled_once_for_a_timezone():
    assert UTC is decoder(dt.UTC)


DATE = "expected a date and time such as '2025-12-05 14:25:37', got "
BAD_HANDLERS = [
    ({"id": CANARY}, "$.data.id", "expected an integer, got a string"),
    ({"id": None}, "$.data.id", "expected an integer, got null"),
    ({"id": True}, "$.data.id", "expected an integer, got a boolean"),
    ({"id": 1.5}, "$.data.id", "expected an integer, got a number"),
    ({"id": "1" * 20}, "$.data.id", "expected an integer, got a string"),
    ({"id": "٣"}, "$.data.id", "expected an integer, got a string"),
    ({"is_enabled": CANARY}, "$.data.is_enabled", "expected a boolean, got a string"),
    ({"is_enabled": None}, "$.data.is_enabled", "expected a boolean, got null"),
    ({"name": [CANARY]}, "$.data.name", "expected a string, got an array"),
    ({"name": True}, "$.data.name", "expected a string, got a boolean"),
    ({"type": 7}, "$.data", "expected a 'type' that is a string, got a number"),
    ({"settings": CANARY}, "$.data.settings", "expected an object, got a string"),
    ({"settings": [CANARY]}, "$.data.settings", "expected an object, got an array"),
    ({"settings": {"email": [CANARY]}}, "$.data.settings.email", "expected a string, got an array"),
    (
        {"type": "slack", "settings": {"slack": {CANARY: 1}}},
        "$.data.settings.slack",
        "expected a string, got an object",
    ),
    (
        {"type": "telegram", "settings": {"telegram": "t", "telegram_chat_id": []}},
        "$.data.settings.telegram_chat_id",
        "expected a string, got an array",
    ),
    ({"datetime": CANARY}, "$.data.datetime", f"{DATE}a string"),
    ({"datetime": None}, "$.data.datetime", f"{DATE}null"),
    ({"datetime": 1764944737}, "$.data.datetime", f"{DATE}a number"),
    ({"last_datetime": CANARY}, "$.data.last_datetime", f"{DATE}a string"),
]


@pytest.mark.parametrize(("changes", "path", "problem"), BAD_HANDLERS)
def test_a_bad_handler_is_named_by_its_place_and_without_its_value(changes, path, problem):
    with pytest.raises(ShapeError) as caught:
        decode_handler(**changes)
    assert (path, problem) == (caught.value.path, caught.value.problem)
    assert f"{path}: {problem}" == str(caught.value)


META = sample("replies/list")["meta"]
BAD_BODIES = [
    (NotificationHandler, [CANARY], "$", "expected an object, got an array"),
    (NotificationHandler, None, "$", "expected an object, got null"),
    (NotificationHandler, CANARY, "$", "expected an object, got a string"),
    (NotificationHandler, {}, "$.data", "missing"),
    (NotificationHandler, {"data": []}, "$.data", "expected an object, got an array"),
    (NotificationHandler, {"data": CANARY}, "$.data", "expected an object, got a string"),
    (int, {"errors": []}, "$.data", "missing"),
    (int, {"data": []}, "$.data", "expected an object, got an array"),
    (int, {"data": {}}, "$.data.id", "missing"),
    (int, {"data": {"id": CANARY}}, "$.data.id", "expected an integer, got a string"),
    (HANDLERS, {"data": []}, "$.meta", "missing"),
    (HANDLERS, {"meta": META}, "$.data", "missing"),
    (HANDLERS, page(meta=[]), "$.meta", "expected an object, got an array"),
    (HANDLERS, page(meta=META | {"total": CANARY}), "$.meta.total",
     "expected an integer, got a string"),
    (HANDLERS, page(meta={"page": 1}), "$.meta.results_per_page", "missing"),
    (HANDLERS, page(links=CANARY), "$.links", "expected an object, got a string"),
    (HANDLERS, page(links={"self": [CANARY]}), "$.links.self", "expected a string, got an array"),
    (HANDLERS, page(links={"next": {}}), "$.links.next", "expected a string, got an object"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "body", "path", "problem"), BAD_BODIES)
def test_a_bad_body_is_named_by_its_place_and_without_its_value(shape, body, path, problem):
    with pytest.raises(ShapeError) as caught:
        decode(body, shape)
    assert (path, problem) == (caught.value.path, caught.value.problem)


@pytest.mark.parametrize("data", [{}, "", None, 0, False, {"0": {}}])
def test_only_an_array_is_a_page_without_handlers(data):
    """Provisioning would take anything else for an account without handlers."""
    with pytest.raises(ShapeError, match=r"^\$\.data: expected an array, got "):
        decode(page() | {"data": data}, HANDLERS)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (CANARY, UnreadableHandler(None, None, "$.data[1]", "expected an object, got a string")),
        (
            handler(id=CANARY, name="Ops"),
            UnreadableHandler(None, "Ops", "$.data[1].id", "expected an integer, got a string"),
        ),
        (
            handler(id="7", name=[CANARY]),
            UnreadableHandler(7, None, "$.data[1].name", "expected a string, got an array"),
        ),
        (
            handler(id=7, name="Ops", settings={"email": [CANARY]}),
            UnreadableHandler(
                7, "Ops", "$.data[1].settings.email", "expected a string, got an array"
            ),
        ),
    ],
)
def test_a_handler_that_cannot_be_read_leaves_the_others_readable(bad, expected):
    decoded = decode(page(handler(id=1), bad, handler(id=3, is_enabled="1")), HANDLERS)
    assert [1, 3] == [each.id for each in decoded]
    assert (expected,) == decoded.unreadable
    assert CANARY not in repr(decoded)


@pytest.mark.parametrize(
    ("written", "is_enabled", "is_pending"),
    [
        (2, False, True),
        ("2", False, True),
        (2.0, False, True),
        (1.0, True, False),
        (3, True, False),
        (-1, True, False),
        ("true", True, False),
        ("Off", False, False),
        (" 1 ", True, False),
        ("0.0", False, False),
    ],
)
def test_is_enabled_may_be_any_number_or_text(written, is_enabled, is_pending):
    decoded = decode_handler(is_enabled=written)
    assert (is_enabled, is_pending) == (decoded.is_enabled, decoded.is_pending)


@pytest.mark.parametrize("nothing", [{"type": None}, {"type": ""}, {}], ids=str)
@pytest.mark.parametrize("fields", [{"email": "a@example.com"}, {}, {"email": 7}], ids=str)
def test_a_handler_without_a_type_is_readable(nothing, fields):
    raw = {**handler(settings=fields), **nothing}
    if not nothing:
        del raw["type"]
    expected = UnknownSettings("", fields)
    assert expected == decode({"data": raw}, NotificationHandler).settings
    assert [expected] == [each.settings for each in decode(page(raw), HANDLERS)]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"total_results": 60, "total_pages": 3}, (60, 3)),
        ({"total": 61, "total_results": 60, "total_pages": 3}, (61, 3)),
        ({"total": "60"}, (60, 3)),
        ({"total": None, "total_results": "60"}, (60, 3)),
        ({"total_pages": 3}, (None, 3)),
        ({"page": 3, "total_pages": 3}, (51, 3)),
    ],
)
def test_totals_are_read_as_they_are_written_or_counted(meta, expected):
    decoded = decode(page(handler(), meta={"page": 1, "results_per_page": 25, **meta}), HANDLERS)
    assert expected == (decoded.meta.total, decoded.meta.total_pages)


def test_a_list_that_tells_neither_its_pages_nor_its_total_is_a_shape_error():
    with pytest.raises(ShapeError, match=r"^\$\.meta\.total_pages: missing"):
        decode(page(meta={"page": 1, "results_per_page": 25}), HANDLERS)


def test_a_shape_error_chains_nothing_that_holds_a_value():
    with pytest.raises(ShapeError) as caught:
        decode_handler(id=CANARY)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
near_handlers = st.fixed_dictionaries(
    {},
    optional={
        name: st.just(value) | json_values
        for name, value in handler(type="telegram", settings={"telegram": "t"}).items()
    },
)
near_bodies = st.fixed_dictionaries(
    {},
    optional={
        "data": near_handlers | st.lists(near_handlers, max_size=3) | json_values,
        "meta": st.just(META) | json_values,
        "links": st.dictionaries(st.sampled_from(["self", "next"]), json_values) | json_values,
    },
)


@pytest.mark.parametrize("shape", [NotificationHandler, int, HANDLERS])
@given(body=json_values | near_bodies)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_json_is_a_record_or_a_shape_error(shape, body):
    with suppress(ShapeError):
        assert isinstance(decode(body, shape), get_origin(shape) or shape)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("is_right", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool, is_right: bool):
    raw = json.loads((SAMPLES / "replies" / "list.json").read_bytes())
    if not is_right:
        raw["data"] = None
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with nullcontext() if is_right else pytest.raises(ShapeError):
            decode(raw, HANDLERS)
        assert enabled == gc.isenabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()


BOM = b"\xef\xbb\xbf"
PHP_WARNING = b"<br />\n<b>Warning</b>:  Undefined array key &quot;x&quot; in <b>/a.php</b><br />\n"


@pytest.mark.parametrize("space", [b"", b"\n", b" \r\n\t"])
@pytest.mark.parametrize(
    "before",
    [b"", BOM, PHP_WARNING, BOM + PHP_WARNING, b"\nNotice: {$x} in a.php\n", b'{"data": oops}\n'],
)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data": {"id": 1}}', {"data": {"id": 1}}),
        (b'{ "errors" : [] }', {"errors": []}),
        (b'{"error":"x"}', {"error": "x"}),
        (b'{"message":"{\\"data\\":"}', {"message": '{"data":'}),
    ],
)
def test_json_is_found_behind_what_php_prints(before, space, body, expected):
    assert expected == parse_json(before + space + body + space)


@pytest.mark.parametrize("body", [b"[1]", b"7", b"null", b'"text"', b'{"new": 1}'])
def test_any_json_value_is_parsed(body):
    parse_json(body)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "an empty body"),
        (b" \r\n", "an empty body"),
        (b"<html>502</html>", "not JSON"),
        (b'{"data": ', "not JSON"),
        (b'{"data": {"id": 1}} and more', "not JSON"),
        (b'{"data": NaN}', "not JSON"),
        (b'{"data": "\xff\xfe"}', "not JSON"),
        (b'{"data": "\\ud800"}', "not JSON"),
        (b"\xff\xfe{\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_json_is_a_shape_error(body, problem):
    with pytest.raises(ShapeError, match=rf"^\$: {problem}"):
        parse_json(body)


def test_a_body_of_nothing_but_beginnings_is_given_up_soon():
    """Trying each of a million would keep the event loop for hours."""
    with pytest.raises(ShapeError):
        parse_json(b'{"data":' * 1_000_000)


MOMENTS = st.sampled_from(
    [
        "2025-12-05 14:25:37",
        "2025-12-05T14:25:37+05:00",
        "2025-12-05",
        "",
        "soon",
        None,
        5,
        "2025-12-05 14:25:37.5",
        "2025-12-05 14:25:37Z",
        "0000-00-00 00:00:00",
        " 2025-12-05",
    ]
)
WIRES = sorted({wire.name for fields in FIELDS.values() for wire in fields.values()})
VALUES = st.none() | st.text(max_size=3) | st.integers() | st.booleans() | st.lists(st.integers())
HANDLERS_OF_ANY_SHAPE = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-5, 5) | st.sampled_from(["7", True, None, 1.5]),
        "type": st.sampled_from([*CLASSES, "twilio", "", None, 3, []]),
        "name": st.text(max_size=3) | VALUES,
        "settings": st.dictionaries(st.sampled_from(WIRES), VALUES) | VALUES,
        "is_enabled": st.booleans() | st.sampled_from([0, 1, 2, "1", "2", "no", "", None]),
        "last_datetime": MOMENTS,
        "datetime": MOMENTS,
        "more": VALUES,
    },
)


@given(HANDLERS_OF_ANY_SHAPE | VALUES)
def test_the_documented_shape_decodes_as_leniently_written_ones_do(raw):
    """msgspec decodes what is documented, cattrs the rest: both give the same records."""
    lenient = converter_of(dt.UTC, detailed=True)
    try:
        expected = lenient.structure(raw, NotificationHandler)
    except Exception:  # noqa: BLE001 - whatever it is, it must be a ShapeError here
        with pytest.raises(ShapeError):
            decode({"data": raw}, NotificationHandler)
        assert 1 == len(decode(page(raw), HANDLERS).unreadable)
    else:
        assert expected == decode({"data": raw}, NotificationHandler)
        assert (expected,) == decode(page(raw), HANDLERS).data


def test_one_handler_of_another_shape_leaves_the_others_as_they_are():
    handlers = [handler(id=number) for number in range(1, 6)]
    handlers[2]["id"] = "3"
    assert [1, 2, 3, 4, 5] == [each.id for each in decode(page(*handlers), HANDLERS)]


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_the_documented_shape_needs_no_cattrs(kind):
    fresh = Decoder(dt.UTC)
    decode({"data": sample(f"handlers/{kind}")}, NotificationHandler, fresh)
    assert "_converter" not in vars(fresh)
