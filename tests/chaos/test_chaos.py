"""Nothing lost, nothing twice, on a back end that fails.

Scaled down unless ``BITPEAK_CHAOS`` is set; ``nox -s chaos`` runs it at full size. Seeds are
printed on failure; ``BITPEAK_CHAOS_SEED`` repeats one.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from random import Random

import aiohttp
import pytest
from builders import specs
from chaos_proxy import Breaker, proxy
from virtual_time import run as run_in_virtual_time

from bitpeak_async import (
    BitPeak,
    Event,
    OutcomeUnknownError,
    Pace,
    Paused,
    ReplyError,
    RequestSent,
    RequestTimeoutError,
    Retry,
    ServerError,
    Timeout,
)
from bitpeak_async._http import session
from bitpeak_async._http.protocol import Reply
from bitpeak_async._http.transport import Transport
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.sandbox.limits import TokenBucket

pytestmark = pytest.mark.chaos

FULL = "BITPEAK_CHAOS" in os.environ
SEED = int(os.environ.get("BITPEAK_CHAOS_SEED") or Random().randrange(2**32))


@pytest.fixture(autouse=True, params=["lean", "session"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send requests by the connector alone, and by ``ClientSession.request``."""
    if request.param == "session":
        monkeypatch.setattr(session, "_REQUEST", None)


@pytest.fixture(autouse=True)
def _told_seed() -> None:
    print(f"BITPEAK_CHAOS_SEED={SEED}")  # noqa: T201 - pytest shows it on failure


def size(full: int, small: int) -> int:
    return full if FULL else small


def connect(sandbox: Sandbox, *, port: int | None = None, **options) -> BitPeak:
    base_url = f"http://127.0.0.1:{port}/api" if port else sandbox.base_url
    options = {
        "retry": Retry(
            base_delay=0.01, unknown_outcome_delay=0.1, duplicate_check_delay=0.1, budget=10**6
        ),
        "timeout": Timeout(total=1.0),
        **options,
    }
    return BitPeak(sandbox.api_key, base_url=base_url, **options)


def assert_each_once(sandbox: Sandbox, count: int) -> None:
    names = Counter(each["name"] for each in sandbox.handlers)
    assert {f"n{i}": 1 for i in range(count)} == names


BEFORE = (Fault.disconnect_before_commit(), 0.05)
AFTER = (Fault.disconnect_after_commit(), 0.05)
RESETS = (Fault(delivery="reset", commits=True), 0.05)
GATEWAY = (Fault.gateway_error(502), 0.01)
STALLED = (Fault.stall(commits=True), 0.01)


@pytest.mark.parametrize(
    "faults",
    [[AFTER], [RESETS], [BEFORE], [BEFORE, AFTER, GATEWAY, STALLED]],
    ids=["after the commit", "reset after the commit", "before the commit", "all together"],
)
async def test_no_create_is_lost_and_none_is_doubled(faults):
    count = size(10_000, 400)
    async with Sandbox(seed=SEED) as sandbox, connect(sandbox) as bitpeak:
        for fault, probability in faults:
            sandbox.inject(fault, times=None, probability=probability, method="POST")
        report = await bitpeak.provision(specs(count))
        assert report.ok, report.summary
        assert_each_once(sandbox, count)
        sandbox.clear_faults()
        assert count == len((await bitpeak.provision(specs(count))).unchanged)


async def test_connections_broken_at_any_byte_lose_and_double_nothing():
    count = size(2_000, 200)
    breaker = Breaker(SEED, probability=0.2, fates=("reset", "truncate", "stall"))
    async with Sandbox() as sandbox:
        port = int(sandbox.base_url.split(":")[2].split("/")[0])
        connector = aiohttp.TCPConnector(force_close=True, limit=16)
        async with (
            proxy(port, breaker) as proxy_port,
            aiohttp.ClientSession(connector=connector) as session,
            connect(
                sandbox, port=proxy_port, session=session, timeout=Timeout(total=0.3)
            ) as client,
        ):
            report = await client.provision(specs(count))
            assert report.ok, report.summary
        assert_each_once(sandbox, count)
    assert breaker.broken > count / 20


@pytest.mark.parametrize("settle", [4.0, 0.5], ids=["longer", "shorter"])
async def test_late_commits_are_waited_for_or_their_copies_removed(settle: float):
    count, late = (5_000, 3.0) if FULL else (200, 0.6)
    settle = settle if FULL else settle / 4
    retry = Retry(base_delay=0, unknown_outcome_delay=settle, duplicate_check_delay=late * 1.5)
    async with Sandbox(seed=SEED) as sandbox, connect(sandbox, retry=retry) as bitpeak:
        # Near the end, so that the other creates do not take longer than a late commit.
        lost, begin = count // 50, count * 9 // 10
        sandbox.inject(Fault.late_commit(late), method="POST", times=lost, after=begin)
        report = await bitpeak.provision(specs(count))
        await sandbox.settled()
        names = Counter(each["name"] for each in sandbox.handlers)
        doubled = {name for name, times in names.items() if times > 1}
        assert count == len(names)
        assert set() == doubled
        assert report.ok
        # Where the wait was too short, creates were sent again, and their copies removed.
        removed = [record for record in sandbox.requests if record.method == "DELETE"]
        assert (settle > late) == (not removed)


PROVISION = """
import asyncio, sys
from bitpeak_async import BitPeak, EmailSettings, HandlerSpec
specs = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(int(sys.argv[1]))]
async def main():
    async with BitPeak() as bitpeak:
        (await bitpeak.provision(specs)).raise_for_failures()
asyncio.run(main())
"""


async def test_a_killed_run_is_resumed_by_running_again():
    count, kills = size(1_000, 200), size(100, 3)
    random = Random(SEED)
    async with Sandbox() as sandbox, connect(sandbox) as bitpeak:
        env = {
            **os.environ,
            "BITPEAK_API_KEY": sandbox.api_key,
            "BITPEAK_BASE_URL": sandbox.base_url,
        }
        killed = 0
        for _ in range(kills):
            goal = len(sandbox.handlers) + random.randrange(1, max(2, 2 * count // kills))
            process = subprocess.Popen(  # noqa: ASYNC220 - it starts in milliseconds
                [sys.executable, "-P", "-c", PROVISION, str(count)], env=env
            )
            while process.poll() is None and len(sandbox.handlers) < min(goal, count):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            killed += await asyncio.to_thread(process.wait) == -signal.SIGKILL
        # What the kernel still held of the killed runs' requests reaches the server first.
        while sandbox.in_flight:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.01)
        assert (await bitpeak.provision(specs(count))).ok
        assert_each_once(sandbox, count)
        writes = sum(n for (method, _), n in sandbox.counts.items() if method == "POST")
        assert count == len((await bitpeak.provision(specs(count))).unchanged)
        assert writes == sum(n for (method, _), n in sandbox.counts.items() if method == "POST")
        print(f"{killed} of {kills} runs killed before their end")  # noqa: T201
        assert killed >= kills / 2


async def test_a_pause_holds_everyone_and_the_return_is_spread():
    pause = 2.0 if FULL else 1.0
    told: list[tuple[float, Event]] = []
    async with (
        Sandbox() as sandbox,
        connect(
            sandbox,
            pace=Pace(in_flight=50),
            hooks=[lambda event: told.append((time.monotonic(), event))],
        ) as bitpeak,
    ):
        fault = Fault(status=429, headers={"Retry-After": f"{pause:g}"})
        sandbox.inject(fault, after=100)
        await asyncio.gather(*(bitpeak.notification_handlers.list() for _ in range(500)))
    [began] = [at for at, event in told if isinstance(event, Paused)]
    sent = [at - began for at, event in told if isinstance(event, RequestSent) and at > began]
    assert 350 <= len(sent)
    assert min(sent) >= pause - 0.01
    assert max(sent) - min(sent) >= (0.5 if FULL else 0.4)


async def test_a_hidden_limit_is_found():
    count = size(5_000, 800)
    async with (
        Sandbox(limit=TokenBucket(400, burst=100)) as sandbox,
        connect(sandbox, retry=Retry(throttled_attempts=50)) as bitpeak,
    ):
        began = time.monotonic()
        outcomes = [o async for o in bitpeak.notification_handlers.create_many(specs(count))]
        rate = count / (time.monotonic() - began)
        refused = sandbox.counts["POST", 429] / sum(sandbox.counts.values())
        print(f"{rate:.0f} of 400 requests/s, {refused:.1%} refused")  # noqa: T201
        assert all(outcome.ok for outcome in outcomes)
        assert_each_once(sandbox, count)
    if FULL:
        assert rate >= 0.85 * 400
        assert refused <= 0.02
    else:
        assert refused <= 0.1


def test_an_outage_does_not_multiply_the_traffic(monkeypatch: pytest.MonkeyPatch):
    """30 simulated seconds of 503s in a run of 1,000 calls paced over 100 s."""
    sent = Counter[bool]()

    async def exchange(*_: object) -> Reply:
        now = asyncio.get_running_loop().time() - began
        down = 20 <= now < 50
        sent[down] += 1
        await asyncio.sleep(0.05)
        if down:
            raise ServerError("503", status=503)
        meta = b'{"page": 1, "results_per_page": 25, "total": 0, "total_pages": 0}'
        return Reply(200, {}, b'{"data": [], "meta": ' + meta + b"}")

    monkeypatch.setattr(Transport, "_exchange", exchange)
    began = 0.0

    async def scene() -> list[BaseException | None]:
        nonlocal began
        began = asyncio.get_running_loop().time()
        results: list[BaseException | None] = []
        async with BitPeak("key", pace=Pace(requests_per_minute=600)) as bitpeak:

            async def one() -> None:
                try:
                    await bitpeak.notification_handlers.list()
                except ServerError as error:
                    results.append(error)
                else:
                    results.append(None)

            await asyncio.gather(*(one() for _ in range(1000)))
        return results

    results = run_in_virtual_time(scene())
    failed = sum(error is not None for error in results)
    assert 1000 == len(results)
    assert failed, "the outage was felt"
    assert results[-1] is None, "the run went on by itself"
    assert sent.total() <= 1.1 * 1000


async def test_a_deadline_holds_against_stalls():
    runs, deadline = (1_000, 1.0) if FULL else (50, 0.2)
    async with Sandbox() as sandbox:
        sandbox.inject(Fault.stall(), times=None)
        pace = Pace(in_flight=250)
        async with connect(sandbox, timeout=Timeout(total=30), pace=pace) as bitpeak:
            before = asyncio.all_tasks()
            hasty = bitpeak.with_options(deadline=deadline).notification_handlers
            took: list[float] = []

            async def one() -> None:
                began = time.monotonic()
                with pytest.raises((RequestTimeoutError, OutcomeUnknownError)):
                    await (
                        hasty.list() if len(took) % 2 else hasty.create("a", specs(1)[0].settings)
                    )
                took.append(time.monotonic() - began)

            for _ in range(runs // 50):
                await asyncio.gather(*(one() for _ in range(50)))
            sandbox_tasks = {task for task in asyncio.all_tasks() if task not in before}
            leaked = [
                t for t in sandbox_tasks if "aiohttp" not in repr(t) and "sandbox" not in repr(t)
            ]
    assert [] == leaked
    assert statistics.quantiles(took, n=20)[-1] <= deadline + (0.05 if FULL else 0.5)


async def test_cancelling_at_any_moment_leaks_nothing():
    count = size(10_000, 500)
    random = Random(SEED)
    async with Sandbox() as sandbox, connect(sandbox, timeout=Timeout(total=30)) as bitpeak:
        sandbox.inject(Fault.slow(0.002), times=None, probability=0.5)

        async def one() -> None:
            call = asyncio.ensure_future(bitpeak.notification_handlers.list())
            await asyncio.sleep(random.random() * 0.01)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        for _ in range(count // 50):
            await asyncio.gather(*(one() for _ in range(50)))
        assert 0 == len(await bitpeak.notification_handlers.list())
        binding = bitpeak._transport.lifecycle.open()
        connector = binding.exchange._session.connector
        assert 16 == binding.limiter._free
        assert not binding.limiter._waiting
        assert isinstance(connector, aiohttp.TCPConnector)
        assert 0 == len(connector._acquired)


async def first_page(sandbox: Sandbox) -> bytes:
    """Return the first page as the server sends it."""
    url = f"{sandbox.base_url}/notification-handlers?page=1&results_per_page=1000"
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with aiohttp.request("GET", url, headers=key) as reply:
        return await reply.read()


@pytest.mark.parametrize("bad", ["500", "HTML", "repeated page"])
async def test_a_bad_page_in_the_middle_of_a_plan_writes_nothing(bad):
    async with Sandbox() as sandbox, connect(sandbox, retry=Retry(base_delay=0)) as bitpeak:
        sandbox.seed_handlers(5_000)
        fault = {
            "500": Fault(status=500),
            "HTML": Fault(body=b"<html>maintenance</html>"),
            "repeated page": Fault(body=await first_page(sandbox)),
        }[bad]
        sandbox.inject(fault, when=lambda r: r.query.get("page") == "3", times=None)
        with pytest.raises((ServerError, ReplyError)):
            await bitpeak.provision(specs(10))
        assert {"GET"} == {request.method for request in sandbox.requests}


async def test_every_id_comes_once_through_a_server_that_loses_replies():
    count = size(100_000, 5_000)
    async with Sandbox(seed=SEED) as sandbox, connect(sandbox) as bitpeak:
        sandbox.seed_handlers(count)
        sandbox.inject(Fault.disconnect_before_commit(), times=None, probability=0.01)
        handlers = bitpeak.notification_handlers.iterate(results_per_page=100)
        assert list(range(1, count + 1)) == [handler.id async for handler in handlers]
