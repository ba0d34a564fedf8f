"""A rate shared through a real Redis; ``tests/chaos`` has several processes share it."""

import asyncio
import logging
import os
import re
import signal
import sys
import textwrap

import pytest

from bitpeak_async import (
    BitPeak,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    NotSentError,
    Pace,
    PaceStoreLost,
    Retry,
    SyncBitPeak,
)
from bitpeak_async.redis import RedisPaceStore
from bitpeak_async.sandbox import Sandbox

CANARY = "canary-4711"
EMAIL = EmailSettings("a@example.com")


async def test_an_unreachable_redis_is_an_error_before_any_request(redis_server):
    redis_server.kill()
    store = RedisPaceStore(redis_server.url)
    specs = [HandlerSpec(f"n{i}", EMAIL) for i in range(5)]
    async with (
        Sandbox() as sandbox,
        BitPeak(sandbox.api_key, base_url=sandbox.base_url, pace_store=store) as bitpeak,
    ):
        with pytest.raises(NotSentError, match=r"redis://127\.0\.0\.1:\d+/0.* cannot be reached"):
            await bitpeak.notification_handlers.create("a", EMAIL)
        with pytest.raises(NotSentError, match="no request was sent"):
            await bitpeak.provision(specs)
        assert not sandbox.requests
        redis_server.start()
        assert (await bitpeak.provision(specs)).ok


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cluster-enabled": "yes"}, "a node of a Redis Cluster"),
        ({"rename-command": "EVALSHA nothing"}, "runs no scripts, like a Sentinel"),
    ],
)
async def test_a_redis_that_cannot_keep_the_record_is_refused(redis_server, options, told):
    redis_server.kill()
    redis_server.start(**options)
    store = RedisPaceStore(redis_server.url)
    async with (
        Sandbox() as sandbox,
        BitPeak(sandbox.api_key, base_url=sandbox.base_url, pace_store=store) as bitpeak,
    ):
        with pytest.raises(NotSentError, match=f"{told}.* needs one primary at one address"):
            await bitpeak.notification_handlers.list()
        assert not sandbox.requests


async def test_a_redis_password_that_is_missing_is_an_error(redis_server):
    redis_server.ask("config", "set", "requirepass", CANARY)
    with_password = redis_server.url.replace("//", f"//:{CANARY}@")
    async with Sandbox() as sandbox:
        url = sandbox.base_url
        async with BitPeak(
            sandbox.api_key, base_url=url, pace_store=RedisPaceStore(redis_server.url)
        ) as bitpeak:
            with pytest.raises(NotSentError, match="AuthenticationError"):
                await bitpeak.notification_handlers.list()
        async with BitPeak(
            sandbox.api_key, base_url=url, pace_store=RedisPaceStore(with_password)
        ) as bitpeak:
            await bitpeak.notification_handlers.list()


async def test_no_key_and_no_password_is_shown(
    redis_server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """In no repr, log line, event or error, and in nothing that Redis receives."""
    caplog.set_level(logging.DEBUG)
    key, events = f"key-{CANARY}", []
    redis_server.ask("config", "set", "requirepass", CANARY)
    store = RedisPaceStore(redis_server.url.replace("//", f"//user-{CANARY}:{CANARY}@"))
    redis_server.ask(
        "-a", CANARY, "acl", "setuser", f"user-{CANARY}", "on", f">{CANARY}", "~*", "+@all"
    )
    async with Sandbox(api_key=key) as sandbox:
        async with BitPeak(
            key, base_url=sandbox.base_url, pace_store=store, hooks=[events.append]
        ) as bitpeak:
            await bitpeak.notification_handlers.list()
            kept = redis_server.ask("-a", CANARY, "--scan", "--pattern", "*")
            redis_server.kill()
            while not any(isinstance(event, PaceStoreLost) for event in events):
                await bitpeak.notification_handlers.list()
        async with BitPeak(key, base_url=sandbox.base_url, pace_store=store) as bitpeak:
            with pytest.raises(NotSentError) as caught:
                await bitpeak.notification_handlers.list()
    assert re.search(r"^bitpeak:[0-9a-f]{64}$", kept, re.MULTILINE)
    logged = [record.getMessage() for record in caplog.records if record.name == "bitpeak_async"]
    assert any("PaceStoreLost" in line for line in logged)
    shown = [repr(store), str(store), kept, str(events), *logged, repr(caught.value)]
    assert CANARY not in "".join(shown)


def test_a_closed_client_leaves_nothing_open(redis_server):
    async def scene():
        async with Sandbox() as sandbox:
            store = RedisPaceStore(redis_server.url)
            async with BitPeak(
                sandbox.api_key, base_url=sandbox.base_url, pace_store=store
            ) as bitpeak:
                await asyncio.gather(*(bitpeak.notification_handlers.list() for _ in range(20)))
            return [task for task in asyncio.all_tasks() if "StoredState" in repr(task)]

    assert [] == asyncio.run(scene())
    assert 1 == len(redis_server.ask("client", "list").splitlines())  # who asks


def test_a_client_goes_on_in_another_event_loop(redis_server, threaded_sandbox):
    store = RedisPaceStore(redis_server.url)
    bitpeak = BitPeak(
        threaded_sandbox.api_key, base_url=threaded_sandbox.base_url, pace_store=store
    )
    for _ in range(2):
        asyncio.run(one_call_and_close_the_session(bitpeak))
    asyncio.run(bitpeak.close())


async def one_call_and_close_the_session(bitpeak):
    await bitpeak.notification_handlers.list()
    await bitpeak._transport.lifecycle._connections.close()


def test_the_synchronous_client_and_a_forked_child_share_the_pace(redis_server, threaded_sandbox):
    code = """
        import os, sys
        from bitpeak_async import SyncBitPeak
        from bitpeak_async.redis import RedisPaceStore

        with SyncBitPeak(pace_store=RedisPaceStore(sys.argv[1])) as bitpeak:
            bitpeak.notification_handlers.list()
            child = os.fork()
            bitpeak.notification_handlers.list()
            if child:
                assert 0 == os.waitpid(child, 0)[1]
    """
    environ = {
        "BITPEAK_API_KEY": threaded_sandbox.api_key,
        "BITPEAK_BASE_URL": threaded_sandbox.base_url,
    }
    # From 3.12 on, Python warns of any fork in a process with threads.
    quiet = ("-W", "ignore:This process:DeprecationWarning")
    arguments = ("-P", *quiet, "-c", textwrap.dedent(code), redis_server.url)

    async def scene():
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**os.environ, **environ}, stderr=-1
        )
        async with asyncio.timeout(20):
            _, complaints = await process.communicate()
        return process.returncode, complaints

    assert (0, b"") == asyncio.run(scene())
    assert 3 == len(threaded_sandbox.requests)


async def test_a_redis_that_does_not_answer_blocks_no_request(redis_server, sandbox):
    """It accepts connections and never answers."""
    store = RedisPaceStore(redis_server.url)
    async with BitPeak(
        sandbox.api_key,
        base_url=sandbox.base_url,
        pace_store=store,
        pace=Pace(requests_per_minute=60_000),
    ) as bitpeak:
        await bitpeak.notification_handlers.list()
        redis_server._process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(0.9):
            for _ in range(20):
                await bitpeak.notification_handlers.list()
        redis_server._process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "http://localhost", "redis://localhost:port", 42, None, f"x://{CANARY}"],
)
def test_an_invalid_url_is_refused(url):
    with pytest.raises(ConfigurationError, match="redis://localhost:6379/0") as caught:
        RedisPaceStore(url)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("client", [BitPeak, SyncBitPeak])
@pytest.mark.parametrize("store", ["redis://localhost", RedisPaceStore, 42])
def test_an_object_that_is_no_store_is_refused(client, store):
    with pytest.raises(ConfigurationError, match="pace_store must be a store"):
        client("key", pace_store=store, retry=Retry())


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "bitpeak_async.redis")
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"install bitpeak_async\[redis\]"):
        import bitpeak_async.redis  # noqa: F401, PLC0415
