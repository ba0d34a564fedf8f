"""Thousands of accounts in one process: all in place, little memory, failures named.

Scaled down unless ``BITPEAK_CHAOS`` is set; ``nox -s chaos`` runs it at full size.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.chaos

ACCOUNTS, HANDLERS = (2_000, 20) if "BITPEAK_CHAOS" in os.environ else (100, 20)
MEGABYTE = 1024 * 1024

# Both in processes of their own, so that only the client's memory is measured.
SERVER = """
import sys
from bitpeak_async.sandbox import Sandbox
with Sandbox(api_keys=[f"key-{n}" for n in range(int(sys.argv[1]))], keep_requests=1) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
    print(server.counts["POST", 200])
"""
CLIENT = """
import asyncio, json, pathlib, re, sys, time
from bitpeak_async import AuthenticationError, EmailSettings, HandlerSpec
from bitpeak_async.fleet import Account, Fleet

def peak():  # of this process alone; getrusage would begin at that of its parent
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024

base_url, count, handlers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
specs = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(handlers)]
accounts = [
    Account(f"account-{n}", f"bad-{n}" if n % 100 == 50 else f"key-{n}", specs)
    for n in range(count)
]

async def main():
    async with Fleet(accounts, base_url=base_url) as fleet:
        before = peak()
        runs = []
        for _ in range(2):
            began = time.monotonic()
            report = await fleet.provision()
            runs.append({
                "totals": report.totals,
                "seconds": time.monotonic() - began,
                "refused": [
                    account.account for account in report.failed
                    if isinstance(account.error, AuthenticationError)
                ],
                "failed": len(report.failed),
            })
        print(json.dumps({"runs": runs, "grown": peak() - before}))

asyncio.run(main())
"""


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    """A server that holds all accounts; at the end it tells how many writes it made."""
    command = [sys.executable, "-P", "-c", SERVER, str(ACCOUNTS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as server:
        yield server


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's own peak")
def test_thousands_of_accounts_fit_into_one_process(server: subprocess.Popen[str]):
    base_url = server.stdout.readline().strip()
    client = [sys.executable, "-P", "-c", CLIENT, base_url, str(ACCOUNTS), str(HANDLERS)]
    done = subprocess.run(client, check=True, capture_output=True, text=True, timeout=600)
    measured = json.loads(done.stdout)
    written = int(server.communicate()[0])
    first, second = measured["runs"]
    bad = [f"account-{n}" for n in range(50, ACCOUNTS, 100)]
    good = (ACCOUNTS - len(bad)) * HANDLERS
    print(  # noqa: T201
        f"{ACCOUNTS} accounts: {first['seconds']:.1f} s, again {second['seconds']:.1f} s, "
        f"{measured['grown'] / MEGABYTE:.0f} MB more"
    )
    assert {"created": good} == first["totals"]
    assert {"unchanged": good} == second["totals"]
    assert good == written, "nothing lost, nothing twice, nothing written by the second run"
    for run in (first, second):
        assert bad == sorted(run["refused"], key=bad.index)
        assert len(bad) == run["failed"]
    assert measured["grown"] < 100 * MEGABYTE
