"""The effect of each fault on the client and on the database."""

import asyncio
import gzip
import json

import aiohttp
import pytest
from yarl import URL

from bitpeak_async.sandbox import Dialect, Fault

ONE = "/notification-handlers/1"


def names(caller):
    return [handler["name"] for handler in caller.sandbox.handlers]


@pytest.fixture
def abandon(until):
    """Send a create and hang up once it has arrived."""

    async def call(caller):
        create = asyncio.create_task(caller.create())
        await until(lambda: caller.sandbox.in_flight)
        create.cancel()
        with pytest.raises(asyncio.CancelledError):
            await create

    return call


@pytest.mark.parametrize(
    ("fault", "error", "committed"),
    [
        (Fault.disconnect_before_commit(), aiohttp.ServerDisconnectedError, []),
        (Fault.disconnect_after_commit(), aiohttp.ServerDisconnectedError, ["Work email"]),
        (Fault(delivery="reset"), aiohttp.ClientOSError, []),
        (Fault(delivery="reset", commits=True), aiohttp.ClientOSError, ["Work email"]),
        (Fault.truncated_body(), aiohttp.ClientPayloadError, ["Work email"]),
    ],
    ids=["before", "after", "reset before", "reset after", "truncated"],
)
async def test_broken_connections(caller, fault, error, committed):
    caller.sandbox.inject(fault, method="POST")

    with pytest.raises(error):
        await caller.create()

    assert committed == names(caller)
    status = 200 if fault.answers else None
    assert {("POST", status): 1} == caller.sandbox.counts
    assert status == caller.sandbox.requests[-1].status


async def test_the_sandbox_goes_on_after_a_broken_connection(caller):
    caller.sandbox.inject(Fault.disconnect_after_commit())
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.create("first")

    assert 200 == (await caller.create("second")).status
    assert ["first", "second"] == names(caller)


@pytest.mark.parametrize("commits", [False, True])
async def test_gateway_error_before_or_after_the_commit(caller, commits):
    caller.sandbox.inject(Fault.gateway_error(503, commits=commits, retry_after="7"))

    answer = await caller.create()

    assert (503, "7") == (answer.status, answer.headers["Retry-After"])
    assert "text/html" == answer.headers["Content-Type"]
    assert b"<title>503 Gateway error</title>" in answer.body
    assert ["Work email"] * commits == names(caller)


async def test_rate_limited_is_the_api_s_own_429(caller, sample):
    caller.sandbox.inject(Fault.rate_limited(retry_after=2))

    answer = await caller.create()

    assert (429, "2", sample("rate_limited")) == (
        answer.status,
        answer.headers["Retry-After"],
        answer.json,
    )
    assert [] == names(caller)


@pytest.mark.parametrize("commits", [False, True])
async def test_an_html_page_answers_a_delete_that_ran_or_not(caller, commits):
    await caller.create()
    caller.sandbox.inject(Fault.html_page(commits=commits))

    answer = await caller.send("DELETE", ONE)

    assert (200, "text/html") == (answer.status, answer.headers["Content-Type"])
    assert b"<html>" in answer.body
    assert ["Work email"] * (not commits) == names(caller)


async def exchange(caller, count=1):
    """Send creates over one connection, and return all that comes back."""
    url = URL(caller.sandbox.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = b"name=a&type=email&email=a%40example.com"
    for _ in range(count):
        writer.write(
            b"POST /api/notification-handlers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + caller.sandbox.api_key.encode()
            + b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )
        yield await reader.readuntil(b"\r\n\r\n"), reader
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("status", ["000", "099", "101", "999"])
@pytest.mark.parametrize("commits", [False, True])
async def test_odd_statuses_are_sent_as_they_are_on_a_connection_that_stays(
    caller, status, commits
):
    caller.sandbox.inject(Fault.odd_status(status, commits=commits))

    heads = [head async for head, _ in exchange(caller, 2)]

    assert heads[0].startswith(b"HTTP/1.1 %s Odd\r\n" % status.encode())
    assert heads[1].startswith(b"HTTP/1.1 200 OK\r\n")
    assert 1 + commits == len(names(caller))
    assert {("POST", int(status)): 1, ("POST", 200): 1} == caller.sandbox.counts


async def test_an_unsolicited_response_comes_on_the_idle_connection(caller):
    caller.sandbox.inject(Fault.unsolicited_response('{"data":{"id":77}}', interval=0.001))

    async for head, reader in exchange(caller):
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'{"data":{"id":1}}' == await reader.readexactly(17)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'{"data":{"id":77}}' == await reader.readexactly(18)

    assert {("POST", 200): 1} == caller.sandbox.counts


@pytest.mark.parametrize("value", [None, ""])
async def test_a_lost_type_is_stored_though_the_update_succeeds(caller, value):
    await caller.create()
    caller.sandbox.inject(Fault.lost_type(value), method="POST")

    updated = await caller.update(1, name="Renamed", type="email", email="new@example.com")

    handler = await caller.get(1)
    assert (200, value, "Renamed") == (updated.status, handler["type"], handler["name"])
    assert 200 == (await caller.update(1, name="Again")).status
    await caller.update(1, type="email", email="new@example.com")
    assert "email" == (await caller.get(1))["type"]


@pytest.mark.parametrize(
    ("shown", "seen"),
    [({"id": None}, {"id": None, "name": "b"}), ("broken", "broken"), (None, None)],
)
async def test_an_unreadable_handler(caller, shown, seen):
    for name in "abc":
        await caller.create(name)
    caller.sandbox.inject(Fault.unreadable_handler(2, shown), times=None)

    listed = (await caller.send("GET")).json
    single = await caller.get(2)

    assert ["a", "c"] == [listed["data"][index]["name"] for index in (0, 2)]
    for record in (listed["data"][1], single):
        assert seen == (
            {key: record[key] for key in ("id", "name")} if isinstance(record, dict) else record
        )
    assert {"data": {"id": 2}} == (await caller.update(2, name="d")).json
    assert 404 == (await caller.send("GET", "/notification-handlers/9")).status
    assert b"" == (await caller.send("DELETE", "/notification-handlers/2")).body


@pytest.mark.parametrize(
    ("dialect", "total"),
    [
        ({}, {"total": 400}),
        (
            {"total": "total_results", "ids": "string", "php_warning": True},
            {"total_results": "400"},
        ),
        ({"total": "absent"}, {}),
    ],
)
async def test_a_listing_that_promises_more_than_it_shows(serve, dialect, total):
    caller = await serve(dialect=Dialect(**dialect))
    caller.sandbox.seed_handlers(50)
    caller.sandbox.inject(Fault.overstated_total(350), times=None)

    body = (await caller.send("GET", "/notification-handlers/?results_per_page=50")).body
    page = json.loads(body[body.index(b"{") :])

    assert 50 == len(page["data"])
    assert total == {
        key: n for key, n in page["meta"].items() if key.startswith("total_r") or key == "total"
    }
    assert 200 == (await caller.create()).status


async def test_an_empty_page_in_the_middle(caller):
    caller.sandbox.seed_handlers(30)
    caller.sandbox.inject(Fault.empty_page(), when=lambda request: request.query["page"] == "2")

    pages = [
        (await caller.send("GET", f"/notification-handlers/?results_per_page=10&page={n}")).json
        for n in (1, 2, 3)
    ]

    assert [10, 0, 10] == [len(page["data"]) for page in pages]
    assert [30, 30, 30] == [page["meta"]["total"] for page in pages]


async def test_late_commit_happens_after_all(caller):
    caller.sandbox.inject(Fault.late_commit(0.01))

    answer = await caller.create()
    await caller.sandbox.settled()

    assert 524 == answer.status
    assert ["Work email"] == names(caller)


async def test_closing_drops_the_commits_to_come(serve, tmp_path):
    database = str(tmp_path / "bitpeak.sqlite")
    caller = await serve(database=database)
    caller.sandbox.inject(Fault.late_commit(3600.0))
    answer = await caller.create()

    assert (524, []) == (answer.status, names(caller))
    await caller.sandbox.close()

    assert [] == (await serve(database=database)).sandbox.handlers


async def test_slow_waits_before_the_commit(caller):
    caller.sandbox.inject(Fault.slow(0.02))

    assert 200 == (await caller.create()).status
    assert caller.sandbox.requests[-1].duration >= 0.02


async def test_a_request_is_executed_though_its_client_has_gone(caller, abandon, until):
    caller.sandbox.inject(Fault.slow(0.05))

    await abandon(caller)
    await until(lambda: not caller.sandbox.in_flight)

    assert ["Work email"] == names(caller)


async def test_a_connection_that_the_client_closed_first_cannot_be_closed_again(
    caller, abandon, until
):
    caller.sandbox.inject(Fault(delay=0.05, delivery="disconnect"))

    await abandon(caller)
    await until(lambda: not caller.sandbox.in_flight)

    assert {("POST", None): 1} == caller.sandbox.counts


async def test_slow_body_drips(caller):
    caller.sandbox.inject(Fault.slow_body(0.0005))

    answer = await caller.create()

    assert {"data": {"id": 1}} == answer.json
    assert caller.sandbox.requests[-1].duration >= 0.0005 * len(answer.body)


async def test_slow_body_ends_when_the_client_tires(caller, abandon, until):
    caller.sandbox.inject(Fault(delivery="dripping", interval=0.01, body=b"x" * 10_000))

    await abandon(caller)
    await until(lambda: not caller.sandbox.in_flight)

    assert caller.sandbox.requests[-1].duration < 50


async def test_redirect(caller):
    caller.sandbox.inject(Fault.redirect("https://elsewhere.example/x", status=302))

    answer = await caller.create()

    assert (302, "https://elsewhere.example/x") == (answer.status, answer.headers["Location"])
    assert [] == names(caller)


async def test_any_bytes_can_be_the_body(caller):
    bomb = gzip.compress(b" " * 100_000)
    caller.sandbox.inject(Fault(body=bomb, headers={"Content-Encoding": "gzip"}))

    assert b" " * 100_000 == (await caller.send("GET")).body


async def test_headers_are_added_to_the_api_s_own_reply(caller):
    caller.sandbox.inject(Fault(headers={"Set-Cookie": "PHPSESSID=1"}))

    answer = await caller.create()

    assert (200, "PHPSESSID=1") == (answer.status, answer.headers["Set-Cookie"])
    assert 1 == answer.json["data"]["id"]


@pytest.mark.parametrize("commits", [False, True])
async def test_stall_answers_nothing(caller, commits, abandon):
    caller.sandbox.inject(Fault.stall(commits=commits))

    await abandon(caller)

    assert ["Work email"] * commits == names(caller)
    assert (1, None) == (caller.sandbox.in_flight, caller.sandbox.requests[-1].status)


@pytest.mark.parametrize("name", ["delay", "commit_delay", "interval"])
def test_negative_seconds_are_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' must be >= 0"):
        Fault(**{name: -1.0})


async def test_injections_choose_their_requests(caller):
    teapot = Fault(status=418)
    sandbox = caller.sandbox
    deletes = sandbox.inject(teapot, method="DELETE", times=None)
    one = sandbox.inject(teapot, path="/notification-handlers/*", after=1)
    renames = sandbox.inject(teapot, when=lambda request: request.fields.get("name") == "b")

    statuses = [
        (await caller.create("a")).status,
        (await caller.send("DELETE", ONE)).status,
        (await caller.send("DELETE", ONE)).status,
        (await caller.send("GET", ONE)).status,
        (await caller.send("GET", ONE)).status,
        (await caller.send("GET", ONE)).status,
        (await caller.update(1, name="b")).status,
        (await caller.update(1, name="b")).status,
    ]

    assert [200, 418, 418, 200, 418, 200, 418, 200] == statuses
    assert (2, 1, 1) == (deletes.fired, one.fired, renames.fired)


async def test_clear_faults(caller):
    caller.sandbox.inject(Fault(status=418), times=None)
    caller.sandbox.clear_faults()

    assert 200 == (await caller.send("GET")).status


async def test_probability_follows_the_seed(serve):
    async def statuses():
        caller = await serve(seed=42, dialect=Dialect())
        caller.sandbox.inject(Fault(status=418), times=None, probability=0.5)
        return [(await caller.send("GET")).status for _ in range(20)]

    first = await statuses()

    assert {200, 418} == set(first)
    assert first == await statuses()
