"""The sandbox's life cycle, database and record of requests."""

import asyncio
import gc
import socket
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from bitpeak_async.sandbox import Fault, Sandbox, network

EMAIL = {"type": "email", "settings": {"email": "hey@example.com"}}
REQUEST = b"GET /api/notification-handlers HTTP/1.1\r\nHost: x\r\n"


def address(sandbox):
    url = urlsplit(sandbox.base_url)
    return url.hostname, url.port


async def test_a_file_database_survives_a_restart(serve, tmp_path):
    database = str(tmp_path / "bitpeak.sqlite")
    caller = await serve(database=database)
    await caller.create()
    await caller.create("second")
    await caller.send("DELETE", "/notification-handlers/2")
    before = caller.sandbox.handlers
    await caller.sandbox.close()

    reopened = await serve(database=database)

    assert before == reopened.sandbox.handlers
    assert 1 == (await reopened.send("GET")).json["meta"]["total"]
    assert 3 == (await reopened.create()).json["data"]["id"]


async def test_handlers_show_what_is_stored(caller):
    handler_id = caller.sandbox.add(
        name="a", is_enabled=False, last_datetime="2025-12-06 08:00:00", **EMAIL
    )

    (stored,) = caller.sandbox.handlers

    assert stored == await caller.get(handler_id)
    assert {
        "id": 1,
        "type": "email",
        "name": "a",
        "settings": {"email": "hey@example.com"},
        "is_enabled": False,
        "last_datetime": "2025-12-06 08:00:00",
        "datetime": stored["datetime"],
    } == stored


async def test_add_many_adds_all_or_nothing(caller):
    caller.sandbox.add_many({"name": name, **EMAIL} for name in "ab")
    with pytest.raises(ValueError, match="unknown type 'pigeon'"):
        caller.sandbox.add_many(
            [{"name": "c", **EMAIL}, {"name": "d", "type": "pigeon", "settings": {}}]
        )

    assert ["a", "b"] == [handler["name"] for handler in caller.sandbox.handlers]
    assert 2 == (await caller.send("GET")).json["meta"]["total"]


async def test_many_handlers_are_all_listed(caller):
    caller.sandbox.seed_handlers(10_500)

    ids = []
    for page in range(1, 12):
        answer = await caller.send(
            "GET", f"/notification-handlers/?results_per_page=1000&page={page}"
        )
        ids += [handler["id"] for handler in answer.json["data"]]

    assert list(range(1, 10_501)) == ids


async def test_requests_are_logged_as_php_reads_them(caller):
    await caller.send("GET", "/notification-handlers/?page=2&a.b=c")
    await caller.update(7, name="Дежурные")

    listing, update = caller.sandbox.requests

    assert ("GET", "/notification-handlers/") == (listing.method, listing.path)
    assert {"page": "2", "a_b": "c"} == listing.query
    assert ("POST", "/notification-handlers/7") == (update.method, update.path)
    assert {"name": "Дежурные"} == update.fields
    assert listing.started + listing.duration <= update.started
    assert "Bearer sandbox-key" == update.authorization
    assert "sandbox-key" not in repr(update)
    assert {("GET", 200): 1, ("POST", 404): 1} == caller.sandbox.counts


async def test_the_log_is_bounded_and_the_counts_are_not(serve):
    caller = await serve(keep_requests=2)

    for name in "abc":
        await caller.create(name)

    assert ["b", "c"] == [request.fields["name"] for request in caller.sandbox.requests]
    assert {("POST", 200): 3} == caller.sandbox.counts


async def test_the_peak_counts_abandoned_requests_that_still_run(caller, until):
    caller.sandbox.inject(Fault.stall(), times=3)
    creates = [asyncio.create_task(caller.create()) for _ in range(3)]
    await until(lambda: caller.sandbox.in_flight == 3)
    for create in creates:
        create.cancel()
    await asyncio.wait(creates)

    await caller.create()

    assert 4 == caller.sandbox.peak_in_flight


async def test_a_sandbox_that_is_not_running_has_no_url():
    sandbox = Sandbox()

    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    await sandbox.close()


async def test_starting_twice_is_refused(caller):
    with pytest.raises(RuntimeError, match="already running"):
        await caller.sandbox.start()


async def test_it_can_be_closed_twice_and_started_again():
    sandbox = Sandbox()
    await sandbox.start()
    await sandbox.close()
    await sandbox.close()

    await sandbox.start()

    assert [] == sandbox.handlers
    await sandbox.close()


async def test_a_taken_port_leaves_nothing_open(caller):
    _, port = address(caller.sandbox)

    with pytest.raises(OSError, match="in use"):
        await Sandbox(port=port).start()


async def test_closing_refuses_new_connections():
    async with Sandbox() as sandbox:
        host, port = address(sandbox)

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


@pytest.fixture
def patient(monkeypatch):
    """Make a close that waits for a connection exceed the time limit of its test."""
    monkeypatch.setattr(network, "_SHUTDOWN_TIMEOUT", 60.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/notif",
        REQUEST + b"Content-Length: 9\r\n\r\nunfinish",
        REQUEST + b"X-Stall: 1\r\n\r\n",
    ],
    ids=["idle", "half a head", "half a body", "stalled"],
)
async def test_closing_waits_for_no_connection_and_leaves_nothing_behind(sent, until):
    before = asyncio.all_tasks()
    sandbox = Sandbox()
    await sandbox.start()
    sandbox.inject(Fault.stall(), times=None)
    reader, writer = await asyncio.open_connection(*address(sandbox))
    writer.write(sent)
    await until(lambda: sandbox.in_flight or not sent.endswith(b"\r\n\r\n"))

    async with asyncio.timeout(5):
        await sandbox.close()
        with suppress(ConnectionResetError):  # where the sandbox had not read all that was sent
            assert b"" == await reader.read()
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()

    gc.collect()
    assert before == asyncio.all_tasks()


@pytest.mark.usefixtures("patient")
async def test_closing_drops_a_peer_that_does_not_read(until):
    sandbox = Sandbox()
    await sandbox.start()
    sandbox.inject(Fault(body=b"x" * 20_000_000))
    with closing(socket.create_connection(address(sandbox))) as peer:
        peer.sendall(REQUEST + b"\r\n")
        await until(lambda: sandbox.requests)

        async with asyncio.timeout(5):
            await sandbox.close()

        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("ticks", range(6))
async def test_closing_drops_a_peer_that_connects_meanwhile(ticks):
    async with Sandbox() as sandbox:
        peer = socket.create_connection(address(sandbox), timeout=5)
        for _ in range(ticks):
            await asyncio.sleep(0)
    with closing(peer), suppress(ConnectionResetError):
        assert b"" == await asyncio.to_thread(peer.recv, 1)


async def test_idle_connections_are_closed_after_keep_alive(serve):
    caller = await serve(keep_alive=0.05)
    reader, writer = await asyncio.open_connection(*address(caller.sandbox))

    async with asyncio.timeout(5):
        assert b"" == await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_another_thread_may_look_inside(caller):
    await caller.create()
    seen = []

    thread = threading.Thread(target=lambda: seen.extend(caller.sandbox.handlers))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert caller.sandbox.handlers == seen


async def test_the_seed_is_random_unless_given():
    assert 7 == Sandbox(seed=7).seed
    assert Sandbox().seed != Sandbox().seed
