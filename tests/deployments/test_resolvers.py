"""Beside aiodns, which aiohttp uses if it is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from deployments.processes import PATIENCE

from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

CODE = """
import threading
from bitpeak_async import SyncBitPeak
from bitpeak_async.sync import shutdown

with SyncBitPeak() as bitpeak:
    print(bitpeak.notification_handlers.list().meta.total)
shutdown()
print(*[thread.name for thread in threading.enumerate()])
"""


def test_shutdown_leaves_no_thread_of_pycares(threaded_sandbox: Sandbox):
    assert importlib.util.find_spec("aiodns") is not None
    threaded_sandbox.seed_handlers(3)
    by_name = threaded_sandbox.base_url.replace("127.0.0.1", "localhost")
    env = {"BITPEAK_API_KEY": threaded_sandbox.api_key, "BITPEAK_BASE_URL": by_name}
    command = [sys.executable, "-c", CODE]
    told = subprocess.check_output(command, env={**os.environ, **env}, text=True, timeout=PATIENCE)
    assert ["3", "MainThread"] == told.splitlines()
