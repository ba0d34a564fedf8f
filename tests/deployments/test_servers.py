"""The synchronous client in servers that fork or replace threads before they serve."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

PATIENCE = 20  # seconds
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
def serving(command: list[str], code: str, sandbox: Sandbox, folder: Path) -> Iterator[str]:
    """Run a server of ``service.py``; yield its URL."""
    (folder / "service.py").write_text(code)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *(word.format(address=address) for word in command)],
            cwd=folder,
            env={
                **os.environ,
                "BITPEAK_API_KEY": sandbox.api_key,
                "BITPEAK_BASE_URL": sandbox.base_url,
            },
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))).close()
                break
            except ConnectionRefusedError:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.01)
        yield f"http://{address}"
        server.terminate()
        server.wait(PATIENCE)
    finally:
        server.kill()
        server.wait()


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
        serving(command, SERVICE, threaded_sandbox, tmp_path) as url,
        ThreadPoolExecutor(8) as pool,
    ):
        while len(pids) < 2:
            for pid, total in pool.map(ask, [url] * 40):
                assert "3" == total
                pids.add(pid)
