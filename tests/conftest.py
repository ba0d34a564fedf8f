"""A real server for every test that talks to one."""

import base64
import http.client
import json
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from builders import AT_ONCE, DIALECT, Connect
from installed import needs

from bitpeak_async import BitPeak, SyncBitPeak
from bitpeak_async.sandbox import Sandbox

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "bitpeak", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("bitpeak")

# A shell starts jobs in the background with Ctrl-C ignored, and every process would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out."""
    for name in ("API_KEY", "BASE_URL", "REDIS_URL"):
        monkeypatch.delenv(f"BITPEAK_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A BitPeak that speaks as documented, or as ``BITPEAK_DIALECT`` says."""
    async with Sandbox(dialect=DIALECT) as sandbox:
        yield sandbox


@pytest.fixture
def connect() -> Connect:
    """Make a client of a sandbox that retries without waiting."""

    def connect(sandbox: Sandbox, **options: Any) -> BitPeak:
        options = {
            "retry": AT_ONCE,
            **options,
        }
        return BitPeak(sandbox.api_key, base_url=sandbox.base_url, **options)

    return connect


@pytest.fixture
async def bitpeak(sandbox: Sandbox, connect: Connect) -> AsyncIterator[BitPeak]:
    """A client of ``sandbox``."""
    async with connect(sandbox) as bitpeak:
        yield bitpeak


ECHO = """<?php
$bytes = fn($value) => is_string($value) ? base64_encode($value) : null;
echo json_encode(array_map($bytes, $_POST), JSON_FORCE_OBJECT);
"""


@pytest.fixture(scope="session")
def php(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, bytes]]]:
    """Ask a PHP what it reads: (content type, body) → ``$_POST`` as bytes, without its arrays."""
    needs("php")
    script = tmp_path_factory.mktemp("php") / "echo.php"
    script.write_text(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        ["php", "-q", "-S", f"127.0.0.1:{port}", str(script)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as server:
        assert server.stderr is not None
        server.stderr.readline()  # "Development Server … started"

        def post(content_type: str, body: bytes) -> dict[str, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/", body, {"Content-Type": content_type})
            reply = json.loads(connection.getresponse().read())
            connection.close()
            return {
                name: base64.b64decode(value) for name, value in reply.items() if value is not None
            }

        yield post
        server.terminate()


class RedisServer:
    """A Redis on a port of its own, which may be killed and started again, empty."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        options = {"bind": "127.0.0.1", "port": self.port, "save": "", "dir": self._folder, **more}
        command = [
            word
            for name, value in options.items()
            for word in (f"--{name}", *str(value).split(" "))
        ]
        self._process = process = subprocess.Popen(
            ["redis-server", *command], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for line in process.stdout:
            if b"Ready to accept connections" in line:
                return
        pytest.fail("redis-server did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def ask(self, *command: str) -> str:
        """Run a command of ``redis-cli``."""
        cli = ["redis-cli", "-p", str(self.port), *command]
        return subprocess.run(cli, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis."""
    needs("redis-server")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def threaded_sandbox() -> Iterator[Sandbox]:
    """A BitPeak in a thread, for tests that block their own."""
    with Sandbox(dialect=DIALECT) as sandbox:
        yield sandbox


@pytest.fixture
def connect_sync() -> Callable[..., SyncBitPeak]:
    """Make a synchronous client of a sandbox that retries without waiting."""

    def connect_sync(sandbox: Sandbox, **options: Any) -> SyncBitPeak:
        options = {
            "retry": AT_ONCE,
            **options,
        }
        return SyncBitPeak(sandbox.api_key, base_url=sandbox.base_url, **options)

    return connect_sync


@pytest.fixture
def sync_bitpeak(
    threaded_sandbox: Sandbox, connect_sync: Callable[..., SyncBitPeak]
) -> Iterator[SyncBitPeak]:
    """A synchronous client of ``threaded_sandbox``."""
    with connect_sync(threaded_sandbox) as bitpeak:
        yield bitpeak
