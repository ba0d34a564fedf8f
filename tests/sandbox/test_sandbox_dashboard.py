"""The dashboard over HTTP: who may see it, what it shows, which faults it injects."""

import asyncio
import json
import re
from importlib.resources import files

import aiohttp
import pytest

from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.sandbox.dashboard_data import NAMES, SHOWN, describe

CANARY = "canary-key"


@pytest.fixture
async def caller(serve):
    """Call a sandbox with a key that must not be seen."""
    return await serve(api_key=CANARY)


@pytest.fixture
def ask(caller):
    """Send a request to the dashboard: (status, headers, body)."""

    async def ask(method, path, *, body=None, **headers):
        url = caller.sandbox.dashboard_url.removesuffix("/") + path
        headers = {"Origin": caller.sandbox.dashboard_url[:-1], **headers}
        headers = {name: value for name, value in headers.items() if value is not None}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        async with caller.session.request(method, url, data=data, headers=headers) as reply:
            return reply.status, reply.headers, await reply.read()

    return ask


@pytest.fixture
def state(ask):
    """Read what the dashboard shows."""

    async def state():
        status, _, body = await ask("GET", "/sandbox/state")
        assert 200 == status
        assert CANARY.encode() not in body
        return json.loads(body)

    return state


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/sandbox/dashboard.css", "text/css"),
        ("/sandbox/dashboard.js", "text/javascript"),
        ("/favicon.ico", "image/svg+xml"),
        ("/sandbox/state", "application/json"),
    ],
)
async def test_every_reply_forbids_what_is_inline_or_from_elsewhere(ask, path, kind):
    status, headers, body = await ask("GET", path, Origin=None)

    assert 200 == status
    assert body
    assert kind == headers["Content-Type"].partition(";")[0]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "same-origin" == headers["Cross-Origin-Resource-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


def test_the_files_hold_nothing_inline_and_name_no_other_host():
    assets = {
        file.name: file.read_text()
        for file in files("bitpeak_async.sandbox").joinpath("assets").iterdir()
    }

    assert {"icon.svg", "dashboard.css", "dashboard.html", "dashboard.js"} == set(assets)
    assert not re.search(r"<script(?! src)|<style|\son\w+=|\sstyle=", assets["dashboard.html"])
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval", assets["dashboard.js"]
    )
    assert not any(
        "//"
        in text.replace("http://www.w3.org/2000/svg", "").replace("\n//", "").replace("; //", "")
        for text in assets.values()
    )


def test_each_fault_has_its_button():
    html = files("bitpeak_async.sandbox").joinpath("assets", "dashboard.html").read_text()

    assert list(NAMES) == re.findall(r'data-fault="(\w+)"', html)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "a@localhost",
        "[::1",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/sandbox/state", "/sandbox/dashboard.js"])
async def test_a_name_that_was_rebound_to_this_machine_is_refused(ask, host, path):
    status, headers, body = await ask("GET", path, Host=host)

    assert 403 == status
    assert b"Open the dashboard under localhost or the address of the sandbox." == body
    assert "Content-Security-Policy" in headers


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "127.0.0.1", "127.9.9.9:80", "[::1]:8080"]
)
async def test_any_loopback_name_is_served(ask, host):
    assert 200 == (await ask("GET", "/sandbox/state", Host=host))[0]
    wanted = {"fault": "500"}
    assert (
        204
        == (await ask("POST", "/sandbox/faults", body=wanted, Host=host, Origin=f"http://{host}"))[
            0
        ]
    )


async def test_the_bound_host_is_served(serve):
    caller = await serve(host="0.0.0.0")
    async with caller.session.get(caller.sandbox.dashboard_url) as reply:
        assert 200 == reply.status


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1",
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_other_sites_change_nothing(caller, ask, state, origin, method):
    caller.sandbox.inject(Fault.stall(), method="PATCH")

    wanted = {"fault": "500"}
    assert 403 == (await ask(method, "/sandbox/faults", body=wanted, Origin=origin))[0]
    assert ["stall"] == [fault["fault"] for fault in (await state())["faults"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("DELETE", "/sandbox/state", 405),
        ("GET", "/sandbox/faults", 405),
        ("GET", "/sandbox/", 404),
        ("GET", "/sandbox/../server.py", 404),
        ("HEAD", "/", 200),
    ],
)
async def test_other_requests_to_the_dashboard(ask, method, path, status):
    assert status == (await ask(method, path))[0]


async def test_the_dashboard_is_not_api_traffic(serve):
    class Nothing:
        def admit(self, now):
            raise AssertionError

    async with Sandbox(limit=Nothing()) as sandbox, aiohttp.ClientSession() as session:
        injection = sandbox.inject(Fault.stall(), times=None)
        for path in ("", "sandbox/state", "favicon.ico", "sandbox/none"):
            async with session.get(sandbox.dashboard_url + path):
                pass

        assert [] == list(sandbox.requests)
        assert {} == sandbox.counts
        assert (0, 0) == (injection.matched, sandbox.peak_in_flight)


async def test_handlers_are_shown_newest_first_with_their_secrets_marked(caller, state):
    await caller.create()
    await caller.create("Bot", type="telegram", telegram="123:abc", telegram_chat_id="-100")
    caller.sandbox.add(
        name="#ops",
        type="slack",
        settings={"slack": "https://example.com/T0"},
        is_enabled=False,
        last_datetime="2025-12-06 08:00:00",
    )

    shown = await state()

    assert 3 == shown["handlers_total"]
    assert {
        "id": 3,
        "type": "slack",
        "name": "#ops",
        "is_enabled": False,
        "last_datetime": "2025-12-06 08:00:00",
        "settings": [{"name": "slack", "value": "https://example.com/T0", "secret": True}],
    } == shown["handlers"][0]
    telegram, email = shown["handlers"][1:]
    assert [("telegram", True), ("telegram_chat_id", False)] == [
        (field["name"], field["secret"]) for field in telegram["settings"]
    ]
    assert [{"name": "email", "value": "hey@example.com", "secret": False}] == email["settings"]


async def test_requests_are_shown_newest_first_with_their_secrets_marked(caller, state, until):
    await caller.create("Bot", type="discord", discord="https://example.com/1")
    await caller.send("GET", "/notification-handlers/?page=2&token=x")
    caller.sandbox.inject(Fault.stall(), method="DELETE")
    deletion = asyncio.create_task(caller.send("DELETE", "/notification-handlers/1"))
    await until(lambda: caller.sandbox.in_flight)

    shown = await state()
    deletion.cancel()

    assert (3, 1) == (shown["requests_total"], shown["in_flight"])
    deleted, listed, created = shown["requests"]
    assert [3, 2, 1] == [request["id"] for request in shown["requests"]]
    assert ("DELETE", "/notification-handlers/1") == (deleted["method"], deleted["path"])
    assert (None, None) == (deleted["status"], deleted["duration"])
    assert [("page", "2", False), ("token", "x", True)] == [
        tuple(f.values()) for f in listed["fields"]
    ]
    assert {"name": False, "type": False, "discord": True} == {
        field["name"]: field["secret"] for field in created["fields"]
    }
    assert 200 == created["status"]
    assert 0 < created["duration"] < 10
    assert created["time"] <= listed["time"] <= deleted["time"]


async def test_a_log_of_any_length_is_shown_in_part(caller, state):
    caller.sandbox.seed_handlers(SHOWN + 50)
    for _ in range(SHOWN + 1):
        await caller.send("GET", "/notification-handlers/1")
    await caller.create("n" * 5000)

    shown = await state()

    assert (SHOWN, SHOWN + 51) == (len(shown["handlers"]), shown["handlers_total"])
    assert (SHOWN, SHOWN + 2) == (len(shown["requests"]), shown["requests_total"])
    assert f"{'n' * 1000}…" == shown["handlers"][0]["name"]
    assert SHOWN + 2 == shown["requests"][0]["id"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("401", (401, False)),
        ("404", (404, False)),
        ("422", (422, False)),
        ("429", (429, False)),
        ("500", (500, False)),
        ("502", (502, False)),
        ("503", (503, False)),
        ("disconnect_before_commit", (None, False)),
        ("disconnect_after_commit", (None, True)),
        ("truncated_body", (None, True)),
    ],
)
async def test_a_fault_of_the_dashboard_hits_the_next_request(caller, ask, state, name, outcome):
    status, commits = outcome
    wanted = {"fault": name, "method": "POST", "times": 1, "retry_after": 7}
    assert 204 == (await ask("POST", "/sandbox/faults", body=wanted))[0]
    await caller.send("GET")

    if status is None:
        with pytest.raises(aiohttp.ClientError):
            await caller.create()
    else:
        answer = await caller.create()
        assert status == answer.status
        assert ("7" if status == 429 else None) == answer.headers.get("Retry-After")
        if status < 500:
            assert [status] == [error["status"] for error in answer.json["errors"]]

    assert commits == bool(caller.sandbox.handlers)
    assert [] == (await state())["faults"]
    assert 200 == (await caller.create()).status


async def test_a_slow_fault_delays_and_a_stall_never_answers(caller, ask, until):
    await ask("POST", "/sandbox/faults", body={"fault": "stall"})
    await ask("POST", "/sandbox/faults", body={"fault": "slow"})
    with pytest.raises(TimeoutError):
        await caller.send("GET", timeout=aiohttp.ClientTimeout(total=0.05))
    assert 200 == (await caller.send("GET")).status
    assert 2 <= caller.sandbox.requests[-1].duration < 20


async def test_faults_are_counted_down_and_cleared(caller, ask, state):
    for wanted in (
        {"fault": "404", "method": "GET", "times": 3},
        {"fault": "stall", "times": None},
    ):
        assert 204 == (await ask("POST", "/sandbox/faults", body=wanted))[0]
    caller.sandbox.inject(Fault.slow(1), path="/notification-handlers/*")
    await caller.send("GET")

    assert [
        {"fault": "404", "method": "GET", "path": None, "left": 2},
        {"fault": "stall", "method": None, "path": None, "left": None},
        {"fault": "1 s late", "method": None, "path": "/notification-handlers/*", "left": 1},
    ] == (await state())["faults"]

    assert 204 == (await ask("DELETE", "/sandbox/faults"))[0]
    assert [] == (await state())["faults"]
    assert 200 == (await caller.send("GET")).status


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"{", ""),
        (b"\xff", ""),
        ([], "The body must be a JSON object."),
        ({}, "fault must be one of: 401, "),
        ({"fault": ["500"]}, "fault must be one of: 401, "),
        ({"fault": "500", "method": "TRACE"}, "method must be GET, POST, DELETE or null."),
        ({"fault": "500", "times": 0}, "times must be a number from 1 to 1000, or null."),
        ({"fault": "500", "times": True}, "times must be a number from 1 to 1000, or null."),
        ({"fault": "429", "retry_after": 1.5}, "retry_after must be a number from 0 to 3600."),
        (
            {"fault": "429", "retry_after": "1\r\nX: y"},
            "retry_after must be a number from 0 to 3600.",
        ),
    ],
)
async def test_a_wrong_request_for_a_fault_is_refused(ask, state, body, title):
    status, _, said = await ask("POST", "/sandbox/faults", body=body)

    assert 400 == status
    assert said.decode().startswith(title)
    assert [] == (await state())["faults"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.slow(2), "2 s late"),
        (Fault.gateway_error(503, retry_after="9"), "503 Retry-After 9"),
        (Fault.gateway_error(502, commits=True), "502 after commit"),
        (Fault.disconnect_before_commit(), "disconnect before commit"),
        (Fault.disconnect_after_commit(), "disconnect after commit"),
        (Fault.truncated_body(), "truncated body"),
        (Fault.slow_body(1), "dripping body"),
        (Fault.stall(), "stall"),
        (Fault(delivery="reset"), "reset before commit"),
        (Fault(headers={"X": "y"}), "changed response"),
        (Fault.empty_page(), "changed JSON"),
        (Fault.lost_type(), "wrong type stored"),
        (Fault.unsolicited_response(), "unsolicited response"),
        (Fault.odd_status("999", commits=True), "999 after commit"),
    ],
)
def test_a_fault_is_named_in_a_few_words(fault, words):
    assert words == describe(fault)
