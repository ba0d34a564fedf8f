"""The documented calls, checked against the same samples as the client."""

import json
import re
from pathlib import Path

import pytest

HANDLERS = [
    json.loads(path.read_bytes())
    for path in sorted((Path(__file__).parents[1] / "samples" / "handlers").glob("*.json"))
]
X_FIELDS = ("x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret")
EMAIL = {"type": "email", "email": "hey@example.com"}


@pytest.mark.parametrize("shown", HANDLERS, ids=lambda shown: shown["type"])
async def test_created_handler_comes_back_as_in_the_sample(serve, sample, shown):
    caller = await serve(extra_types={"twilio": ("twilio",)})
    form = {"name": shown["name"], "type": shown["type"], **shown["settings"]}

    answer = await caller.send("POST", form=form)
    created = await caller.get(answer.json["data"]["id"])

    assert (200, sample("create")) == (answer.status, answer.json)
    assert list(shown) == list(created)
    assert {**shown, "id": 1, "is_enabled": True, "last_datetime": None} == {
        **created,
        "datetime": shown["datetime"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", created["datetime"])


async def test_responses_match_the_samples(caller, sample):
    await caller.create()
    listed, shown = sample("list"), sample("get")

    page = (await caller.send("GET", "/notification-handlers/")).json
    handler = (await caller.send("GET", "/notification-handlers/1")).json
    updated = await caller.update(1, name="Work email")

    listed["data"][0]["datetime"] = page["data"][0]["datetime"]
    shown["data"]["datetime"] = handler["data"]["datetime"]
    listed["links"] = {
        key: link and link.replace("https://bitpeak.ru/api", caller.sandbox.base_url)
        for key, link in listed["links"].items()
    }
    assert listed == page
    assert shown == handler
    assert sample("update") == updated.json


@pytest.mark.parametrize("slash", ["", "/"])
async def test_list_and_create_are_served_with_and_without_trailing_slash(caller, slash):
    path = f"/notification-handlers{slash}"

    assert 200 == (await caller.send("POST", path, form={"name": "a", **EMAIL})).status
    assert 1 == (await caller.send("GET", path)).json["meta"]["total"]


async def test_delete_removes_the_handler_and_its_id_is_not_used_again(caller, sample):
    await caller.create()

    deleted = await caller.send("DELETE", "/notification-handlers/1")
    again = await caller.send("DELETE", "/notification-handlers/1")
    created = await caller.create()

    assert (204, b"") == (deleted.status, deleted.body)
    assert (404, sample("not_found")) == (again.status, again.json)
    assert 2 == created.json["data"]["id"]


@pytest.mark.parametrize(
    ("query", "ids", "meta", "neighbours"),
    [
        ("", (1, 25), (1, 25, 60, 3), (2, None)),
        ("?page=2", (26, 50), (2, 25, 60, 3), (3, 1)),
        ("?page=3", (51, 60), (3, 25, 60, 3), (None, 2)),
        ("?results_per_page=50&page=2", (51, 60), (2, 50, 60, 2), (None, 1)),
        ("?results_per_page=1000", (1, 60), (1, 1000, 60, 1), (None, None)),
        ("?results_per_page=7", (1, 25), (1, 25, 60, 3), (2, None)),
        ("?results_per_page=x&page=-1", (1, 25), (1, 25, 60, 3), (2, None)),
        ("?page=0", (1, 25), (1, 25, 60, 3), (2, None)),
    ],
)
async def test_a_page_has_its_handlers_meta_and_links(caller, query, ids, meta, neighbours):
    caller.sandbox.seed_handlers(60)

    page = (await caller.send("GET", f"/notification-handlers/{query}")).json

    first, last = ids
    assert list(range(first, last + 1)) == [handler["id"] for handler in page["data"]]
    assert meta == tuple(page["meta"].values())
    url = f"{caller.sandbox.base_url}/notification-handlers?page="
    assert [n and f"{url}{n}" for n in (*neighbours, meta[0])] == [
        page["links"][key] for key in ("next", "prev", "self")
    ]
    assert f"{url}{meta[3]}" == page["links"]["last"]


@pytest.mark.parametrize("page", ["4", "9" * 15])
async def test_page_past_the_last_is_empty(caller, page):
    caller.sandbox.seed_handlers(60)

    answer = await caller.send("GET", f"/notification-handlers/?page={page}")

    assert (200, []) == (answer.status, answer.json["data"])


async def test_empty_list_has_no_pages(caller):
    page = (await caller.send("GET")).json

    assert [] == page["data"]
    assert 0 == page["meta"]["total"] == page["meta"]["total_pages"]
    assert page["links"]["first"] == page["links"]["last"]


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({}, "The required fields are missing: name, type."),
        (EMAIL, "The required fields are missing: name."),
        ({"name": "a"}, "The required fields are missing: type."),
        ({"name": "0", **EMAIL}, "The required fields are missing: name."),
        ({"name[]": "a", **EMAIL}, "The required fields are missing: name."),
        ({"name": "a", "type": "email", "email": ""}, "The required fields are missing: email."),
        (
            {"name": "a", "type": "telegram", "telegram": "t"},
            "The required fields are missing: telegram_chat_id.",
        ),
        ({"name": "a", "type": "x"}, f"The required fields are missing: {', '.join(X_FIELDS)}."),
        (
            {"name": "a", "type": "pigeon"},
            (
                "The type is not one of: email, webhook, slack, discord, telegram, "
                "microsoft_teams, x, google_chat, internal_notification."
            ),
        ),
    ],
)
async def test_create_names_what_is_wrong(caller, fields, title):
    answer = await caller.send("POST", form=fields)

    assert 400 == answer.status
    assert {"errors": [{"title": title, "status": 400}]} == answer.json
    assert [] == caller.sandbox.handlers


async def test_create_without_name_is_refused_as_in_the_sample(caller, sample):
    assert sample("missing_field") == (await caller.send("POST", form=EMAIL)).json


async def test_create_ignores_is_enabled_and_fields_of_other_types(caller):
    await caller.create(**EMAIL, is_enabled="0", slack="https://example.com")

    handler = await caller.get(1)

    assert handler["is_enabled"] is True
    assert {"email": "hey@example.com"} == handler["settings"]


async def test_urlencoded_forms_are_read_too(caller):
    answer = await caller.send("POST", data={"name": "Дежурные 🚨", **EMAIL})

    assert 200 == answer.status
    assert "Дежурные 🚨" == (await caller.get(1))["name"]


@pytest.mark.parametrize(
    ("sent", "is_enabled"), [("1", True), ("0", False), ("", False), ("false", True)]
)
async def test_update_reads_is_enabled_as_php_reads_truth(caller, sent, is_enabled):
    await caller.create()

    await caller.update(1, is_enabled=sent)

    assert is_enabled is (await caller.get(1))["is_enabled"]


async def test_update_changes_only_what_is_sent(caller):
    await caller.create(type="telegram", telegram="token", telegram_chat_id="1")
    await caller.update(1, is_enabled="0")
    before = await caller.get(1)

    await caller.update(1, telegram_chat_id="2")

    assert {**before, "settings": {"telegram": "token", "telegram_chat_id": "2"}} == (
        await caller.get(1)
    )


async def test_update_to_another_type_needs_all_its_fields(caller):
    await caller.create()

    refused = await caller.update(1, type="telegram", telegram="token")
    changed = await caller.update(1, type="slack", slack="https://example.com")

    assert (400, 200) == (refused.status, changed.status)
    handler = await caller.get(1)
    assert ("slack", {"slack": "https://example.com"}) == (handler["type"], handler["settings"])


@pytest.mark.parametrize("fields", [{"name": ""}, {"email": ""}, {"type": "pigeon"}])
async def test_update_refuses_what_create_would_refuse(caller, fields):
    await caller.create()
    before = await caller.get(1)

    assert 400 == (await caller.update(1, **fields)).status
    assert before == await caller.get(1)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("handler_id", ["2", "0", "-1", "x", "1/", "1/x", "9" * 30])
async def test_missing_handler_is_404(caller, method, handler_id, sample):
    await caller.create()

    answer = await caller.send(method, f"/notification-handlers/{handler_id}")

    assert (404, sample("not_found")) == (answer.status, answer.json)


@pytest.mark.parametrize("path", ["/users", "/notification-handlersx", "/notification-handlersx/1"])
async def test_unknown_path_is_404(caller, path):
    assert 404 == (await caller.send("GET", path)).status


async def test_nothing_is_served_outside_the_base_url(caller):
    url = caller.sandbox.base_url.removesuffix("/api") + "/notification-handlers"

    async with caller.session.get(url) as reply:
        assert 404 == reply.status
    assert "../notification-handlers" == caller.sandbox.requests[-1].path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/notification-handlers", "GET, POST"),
        ("PUT", "/notification-handlers/1", "GET, POST, DELETE"),
        ("PATCH", "/notification-handlers/1", "GET, POST, DELETE"),
    ],
)
async def test_wrong_method_is_405(caller, method, path, allowed):
    answer = await caller.send(method, path, form={"name": "a"})

    assert (405, allowed) == (answer.status, answer.headers["Allow"])


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "sandbox-key", "bearer sandbox-key"])
async def test_wrong_key_is_401_and_nothing_is_done(caller, authorization, sample):
    answer = await caller.send(
        "POST", form={"name": "a", **EMAIL}, headers={"Authorization": authorization}
    )

    assert (401, sample("unauthorized")) == (answer.status, answer.json)
    assert [] == caller.sandbox.handlers
