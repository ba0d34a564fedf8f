"""The synchronous client in servers that fork or replace threads before they serve."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from deployments.processes import PATIENCE, free_port, listening

from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

SERVICE = """
import os
from bitpeak_async import SyncBitPeak

bitpeak = SyncBitPeak()
bitpeak.notification_handlers.list()  # so that the thread runs before the workers are forked


def application(environ, start_response):
    total = bitpeak.notification_handlers.list().meta.total
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {total}".encode()]
"""
GUNICORN = ["-m", "gunicorn", "--preload", "--workers=2", "--bind={address}", "service"]
UWSGI = ["-c", "import pyuwsgi, sys; pyuwsgi.run(sys.argv[1:])", "--http-socket={address}"]
UWSGI += ["--wsgi-file=service.py", "--master", "--processes=2", "--die-on-term", "--need-app"]


@contextmanager
def serving(command: list[str], sandbox: Sandbox, folder: Path) -> Iterator[str]:
    """Run a server of ``service.py``; yield its URL."""
    (folder / "service.py").write_text(SERVICE)
    port = free_port()
    address = f"127.0.0.1:{port}"
    words = [sys.executable, *(word.format(address=address) for word in command)]
    env = {"BITPEAK_API_KEY": sandbox.api_key, "BITPEAK_BASE_URL": sandbox.base_url}
    with listening(words, port, folder, env):
        yield f"http://{address}"


def ask(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
        pid, _, told = reply.read().decode().partition(" ")
    return pid, told


@pytest.mark.parametrize(
    "command",
    [
        [*UWSGI, "--enable-threads"],
        [*UWSGI, "--threads=4"],
        [*UWSGI, "--threads=4", "--py-call-osafterfork"],
        [*GUNICORN, "--worker-class=gevent"],
    ],
    ids=["uWSGI", "uWSGI with threads", "uWSGI with hooks", "gevent"],
)
def test_each_preloaded_worker_serves(
    command: list[str], threaded_sandbox: Sandbox, tmp_path: Path
):
    threaded_sandbox.seed_handlers(3)
    pids = set()
    with (
        serving(command, threaded_sandbox, tmp_path) as url,
        ThreadPoolExecutor(8) as pool,
    ):
        while len(pids) < 2:
            for pid, total in pool.map(ask, [url] * 40):
                assert "3" == total
                pids.add(pid)
