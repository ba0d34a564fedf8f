"""Each knob of the dialect, on the wire."""

import json

import pytest

from bitpeak_async.sandbox import Dialect

TELEGRAM = {"type": "telegram", "telegram": "secret-token", "telegram_chat_id": "-1001"}


@pytest.fixture
def speak(serve):
    """Start a sandbox of a dialect that has one handler."""

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
    ("secrets", "shown"),
    [
        ("clear", {"telegram": "secret-token", "telegram_chat_id": "-1001"}),
        ("masked", {"telegram": "sec****", "telegram_chat_id": "-1001"}),
        ("hidden", {"telegram_chat_id": "-1001"}),
    ],
)
async def test_secrets(speak, secrets, shown):
    caller = await speak(secrets=secrets)

    assert shown == (await caller.get(1))["settings"]
    assert "secret-token" == caller.sandbox.handlers[0]["settings"]["telegram"]


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
