"""Each option of the dialect, on the wire."""

import json

import pytest

from bitpeak_async.sandbox import Dialect

TELEGRAM = {"type": "telegram", "telegram": "secret-token", "telegram_chat_id": "-1001"}


@pytest.fixture
def speak(serve):
    """Start a sandbox with a dialect and one handler."""

    async def start(**dialect):
        caller = await serve(dialect=Dialect(**dialect))
        caller.sandbox.add(
            name="Duty",
            type="telegram",
            settings={"telegram": "secret-token", "telegram_chat_id": "-1001"},
        )
        return caller

    return start


def test_unknown_value_is_refused_by_name():
    with pytest.raises(ValueError, match=r"ids must be one of .*, not 'roman'"):
        Dialect(ids="roman")


@pytest.mark.parametrize(("ids", "one"), [("integer", 1), ("string", "1")])
async def test_ids_and_counts(speak, ids, one):
    caller = await speak(ids=ids)

    page = (await caller.send("GET")).json

    assert one == page["data"][0]["id"] == page["meta"]["total"] == page["meta"]["page"]
    assert one == (await caller.get(1))["id"]
    assert one == (await caller.update(1, name="a")).json["data"]["id"]


@pytest.mark.parametrize(
    ("booleans", "on", "off"), [("boolean", True, False), ("integer", 1, 0), ("string", "1", "0")]
)
async def test_booleans(speak, booleans, on, off):
    caller = await speak(booleans=booleans)

    enabled = (await caller.get(1))["is_enabled"]
    await caller.update(1, is_enabled="0")
    disabled = (await caller.get(1))["is_enabled"]

    # JSON text tells true from 1, which are equal in Python.
    assert json.dumps([on, off]) == json.dumps([enabled, disabled])


@pytest.mark.parametrize(
    ("empty_settings", "shown"), [("object", {}), ("list", []), ("null", None)]
)
async def test_empty_settings(speak, empty_settings, shown):
    caller = await speak(empty_settings=empty_settings)
    await caller.create(type="internal_notification")

    assert shown == (await caller.get(2))["settings"]


@pytest.mark.parametrize(
    ("delete_reply", "status", "body"),
    [
        ("no_content", 204, b""),
        ("empty", 200, b""),
        ("blank", 200, b" \n"),
        ("json", 200, b'{"data":{"id":1}}'),
    ],
)
async def test_delete_reply(speak, delete_reply, status, body):
    caller = await speak(delete_reply=delete_reply)

    answer = await caller.send("DELETE", "/notification-handlers/1")

    assert (status, body) == (answer.status, answer.body)
    assert [] == caller.sandbox.handlers


async def test_write_status(speak):
    caller = await speak(write_status=201)

    assert 201 == (await caller.create()).status
    assert 201 == (await caller.update(1, name="a")).status
    assert 200 == (await caller.send("GET")).status


async def test_extra_keys_everywhere(speak):
    caller = await speak(extra_keys=True)

    page = (await caller.send("GET")).json
    created = (await caller.create()).json
    error = (await caller.send("GET", "/notification-handlers/9")).json

    for part in (page, page["data"][0], page["meta"], page["links"]):
        assert "undocumented" in part
    assert "undocumented" in created["data"]
    assert "undocumented" in error["errors"][0]


async def test_page_cap_shows_in_meta(speak):
    caller = await speak(max_results_per_page=250)
    caller.sandbox.seed_handlers(299)

    page = (await caller.send("GET", "/notification-handlers/?results_per_page=1000&page=2")).json

    assert 50 == len(page["data"])
    assert (250, 2) == (page["meta"]["results_per_page"], page["meta"]["total_pages"])


@pytest.mark.parametrize(
    ("total", "shown"),
    [("total", {"total": 1}), ("total_results", {"total_results": 1}), ("absent", {})],
)
async def test_total(speak, total, shown):
    caller = await speak(total=total)

    meta = (await caller.send("GET")).json["meta"]

    assert {"page": 1, "results_per_page": 25, **shown, "total_pages": 1} == meta


async def test_page_cap_that_meta_does_not_show(speak):
    caller = await speak(max_results_per_page=250, size_in_meta="asked")
    caller.sandbox.seed_handlers(299)

    first, second = [
        (
            await caller.send("GET", f"/notification-handlers/?results_per_page=1000&page={page}")
        ).json
        for page in (1, 2)
    ]

    assert (250, 50) == (len(first["data"]), len(second["data"]))
    assert (1000, 300, 1) == tuple(list(first["meta"].values())[1:])


async def test_max_handlers_refuses_further_creates_of_a_good_key(speak):
    caller = await speak(max_handlers=2)

    assert 200 == (await caller.create()).status
    refused = await caller.create()

    title = "Your plan's limit of notification handlers is reached."
    assert (401, title) == (refused.status, refused.json["errors"][0]["title"])
    assert 2 == len(caller.sandbox.handlers)
    await caller.send("DELETE", "/notification-handlers/1")
    assert 200 == (await caller.create()).status


@pytest.mark.parametrize(("booleans", "shown"), [("boolean", 2), ("integer", 2), ("string", "2")])
async def test_unconfirmed_emails(speak, booleans, shown):
    caller = await speak(unconfirmed_emails=True, booleans=booleans)
    await caller.create()

    await caller.update(2, name="Renamed", is_enabled="1")

    assert shown == (await caller.get(2))["is_enabled"]
    assert (True, 2) == tuple(handler["is_enabled"] for handler in caller.sandbox.handlers)


async def test_a_confirmed_email_stays_so_until_its_address_changes(speak):
    caller = await speak(unconfirmed_emails=True)
    await caller.create()
    caller.sandbox.confirm(2)
    caller.sandbox.confirm(3)

    await caller.update(2, name="Renamed")
    renamed = (await caller.get(2))["is_enabled"]
    await caller.update(2, email="new@example.com")

    assert (True, 2) == (renamed, (await caller.get(2))["is_enabled"])


@pytest.mark.parametrize("sent", ["0", "1", ""])
async def test_a_check_box_is_switched_on_by_any_value(speak, sent):
    caller = await speak(sent_is_enabled="check_box", omitted_is_enabled="disable")
    await caller.update(1, name="Renamed")
    assert (await caller.get(1))["is_enabled"] is False

    await caller.update(1, is_enabled=sent)

    assert (await caller.get(1))["is_enabled"] is True


@pytest.mark.parametrize(
    ("secrets", "shown"),
    [
        ("clear", {"telegram": "secret-token", "telegram_chat_id": "-1001"}),
        ("masked", {"telegram": "sec****", "telegram_chat_id": "-1001"}),
        ("starred", {"telegram": "***", "telegram_chat_id": "-1001"}),
        ("shortened", {"telegram": "...", "telegram_chat_id": "-1001"}),
        ("hidden", {"telegram_chat_id": "-1001"}),
    ],
)
async def test_secrets(speak, secrets, shown):
    caller = await speak(secrets=secrets)

    assert shown == (await caller.get(1))["settings"]
    assert "secret-token" == caller.sandbox.handlers[0]["settings"]["telegram"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/..."),
        ("https://example.com/x", "https://example.com/..."),
        ("https://example.com", "https://example.com"),
    ],
)
async def test_shortened_urls(speak, url, shown):
    caller = await speak(secrets="shortened")
    await caller.create(type="slack", slack=url)

    assert {"slack": shown} == (await caller.get(2))["settings"]


async def test_settings_that_are_all_hidden_look_empty(speak):
    caller = await speak(secrets="hidden", empty_settings="list")
    await caller.create(type="slack", slack="https://example.com")

    assert [] == (await caller.get(2))["settings"]


@pytest.mark.parametrize(
    ("settings_update", "kept"),
    [
        ("merge", {"telegram": "secret-token", "telegram_chat_id": "2"}),
        ("replace", {"telegram_chat_id": "2"}),
    ],
)
async def test_settings_update(speak, settings_update, kept):
    caller = await speak(settings_update=settings_update)

    await caller.update(1, telegram_chat_id="2")
    await caller.update(1, name="Renamed")

    assert kept == (await caller.get(1))["settings"]


@pytest.mark.parametrize(("omitted_is_enabled", "shown"), [("keep", True), ("disable", False)])
async def test_omitted_is_enabled(speak, omitted_is_enabled, shown):
    caller = await speak(omitted_is_enabled=omitted_is_enabled)

    await caller.update(1, name="Renamed")

    assert shown is (await caller.get(1))["is_enabled"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("ascending", ["Duty", "b", "a", "c"]),
        ("descending", ["c", "a", "b", "Duty"]),
        ("name", ["Duty", "a", "b", "c"]),
    ],
)
async def test_order(speak, order, names):
    caller = await speak(order=order)
    for name in "bac":
        await caller.create(name)

    assert names == [handler["name"] for handler in (await caller.send("GET")).json["data"]]


async def test_page_out_of_range_not_found(speak):
    caller = await speak(page_out_of_range="not_found")

    assert 200 == (await caller.send("GET", "/notification-handlers/?page=1")).status
    assert 404 == (await caller.send("GET", "/notification-handlers/?page=2")).status
    await caller.send("DELETE", "/notification-handlers/1")
    assert 200 == (await caller.send("GET", "/notification-handlers/?page=1")).status


async def test_bad_results_per_page_refused(speak):
    caller = await speak(bad_results_per_page="error")

    assert 200 == (await caller.send("GET", "/notification-handlers/")).status
    assert 400 == (await caller.send("GET", "/notification-handlers/?results_per_page=7")).status


async def test_links_with_size(speak):
    caller = await speak(links_with_size=True)

    page = (await caller.send("GET", "/notification-handlers/?results_per_page=50")).json

    assert page["links"]["self"].endswith("?page=1&results_per_page=50")


async def test_noise_before_the_json(speak):
    caller = await speak(byte_order_mark=True, php_warning=True)

    body = (await caller.send("GET", "/notification-handlers/1")).body

    assert body.startswith(b"\xef\xbb\xbf<br />\n<b>Warning</b>: ")
    assert 1 == json.loads(body[body.index(b"{") :])["data"]["id"]


@pytest.mark.parametrize(
    ("dialect", "envelope"),
    [
        ({}, {"errors": [{"title": "T", "status": 404}]}),
        ({"error_status": "string"}, {"errors": [{"title": "T", "status": "404"}]}),
        ({"error_shape": "object"}, {"errors": {"title": "T", "status": 404}}),
        ({"error_shape": "message"}, {"message": "T"}),
        ({"error_shape": "error"}, {"error": "T"}),
        ({"error_shape": "empty"}, {"errors": []}),
    ],
)
async def test_error_envelopes(speak, dialect, envelope):
    caller = await speak(**dialect)

    answer = await caller.send("GET", "/notification-handlers/9")

    title = b"The notification handler was not found."
    assert (404, envelope) == (answer.status, json.loads(answer.body.replace(title, b"T")))


@pytest.mark.parametrize(
    ("trailing_slash", "moved", "served"),
    [
        ("with", "/notification-handlers", "/notification-handlers/"),
        ("without", "/notification-handlers/", "/notification-handlers"),
    ],
)
async def test_trailing_slash_redirect(speak, trailing_slash, moved, served):
    caller = await speak(trailing_slash=trailing_slash)

    answer = await caller.send("POST", moved, form={"name": "a", **TELEGRAM})
    listed = await caller.send("GET", f"{moved}?page=1")

    assert (301, caller.sandbox.base_url + served) == (answer.status, answer.headers["Location"])
    assert f"{caller.sandbox.base_url}{served}?page=1" == listed.headers["Location"]
    assert 1 == len(caller.sandbox.handlers)
    assert 200 == (await caller.send("GET", served)).status
    assert 200 == (await caller.send("GET", "/notification-handlers/1")).status


async def test_the_platform_s_dialect_does_all_of_it_at_once(serve):
    caller = await serve(dialect=Dialect.platform())
    caller.sandbox.seed_handlers(260)
    await caller.create(" <b>R&D</b> ", type="email", email="Ops@Example.com")
    await caller.create("Bell", type="internal_notification")

    page = (await caller.send("GET", "/notification-handlers/?results_per_page=1000")).json
    deleted = await caller.send("DELETE", "/notification-handlers/1")
    error = (await caller.send("GET", "/notification-handlers/1")).json["errors"][0]

    assert 250 == len(page["data"])
    assert ("262", "2") == (page["meta"]["total_results"], page["meta"]["total_pages"])
    bell, research = page["data"][:2]
    assert ("262", "Bell", []) == (bell["id"], bell["name"], bell["settings"])
    assert ("R&amp;D", {"email": "ops@example.com"}) == (research["name"], research["settings"])
    assert json.dumps(1) == json.dumps(bell["is_enabled"])
    assert (200, b"") == (deleted.status, deleted.body)
    assert "404" == error["status"]
