"""Creates behind fronts that drop idle connections early, or after each reply."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from deployments.processes import free_port, listening

from bitpeak_async import BitPeak, EmailSettings, OutcomeUnknownError
from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

CLIENTS, CREATES = 10, 50  # of each
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_timeout {idle_ms}ms;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  timeout http-keep-alive {idle_ms}ms
listen front
  bind 127.0.0.1:{port}
  server origin 127.0.0.1:{origin}
"""
APACHE = """
ServerRoot /usr/lib/apache2
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
KeepAliveTimeout {idle_ms}ms
ProxyPass / http://127.0.0.1:{origin}/
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
MaxClients 200
LogLevel Error
LogFile "{folder}/tinyproxy.log"
ReversePath "/api/" "http://127.0.0.1:{origin}/api/"
"""
FRONTS = {
    "nginx": (NGINX, ["nginx", "-c", "{config}"]),
    "haproxy": (HAPROXY, ["haproxy", "-q", "-f", "{config}"]),
    "apache": (APACHE, ["apache2", "-D", "FOREGROUND", "-f", "{config}"]),
    "tinyproxy": (TINYPROXY, ["tinyproxy", "-d", "-c", "{config}"]),
}


@contextmanager
def front(name: str, sandbox: Sandbox, folder: Path, idle: float) -> Iterator[int]:
    """Run a front before a sandbox; yield its port."""
    template, command = FRONTS[name]
    port, config = free_port(), folder / "config"
    config.write_text(
        template.format(
            port=port,
            origin=urlsplit(sandbox.base_url).port,
            folder=folder,
            idle_ms=int(1000 * idle),
        )
    )
    with listening([word.format(config=config) for word in command], port, folder):
        yield port


async def create_now_and_then(bitpeak: BitPeak, idle: float) -> int:
    """Create with pauses about as long as the front keeps a connection; return those unknown."""
    unknown = 0
    for number in range(CREATES):
        try:
            name = f"{id(bitpeak)} {number}"
            await bitpeak.notification_handlers.create(name, EmailSettings("a@example.com"))
        except OutcomeUnknownError:
            unknown += 1
        if idle:
            await asyncio.sleep(random.uniform(0.5, 1.1) * idle)
    return unknown


async def wait(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Hold a request up right before it is sent, as a middleware that fetches a token does."""
    await asyncio.sleep(0.001)
    return await handler(request)


SESSIONS: dict[str, Callable[[], aiohttp.ClientSession | None]] = {
    "own session": lambda: None,
    "given session": aiohttp.ClientSession,
    "given session, middleware": lambda: aiohttp.ClientSession(middlewares=[wait]),
}


@pytest.mark.parametrize("new_session", SESSIONS.values(), ids=SESSIONS)
@pytest.mark.parametrize(
    ("name", "idle"),
    [("nginx", 0.1), ("haproxy", 0.1), ("apache", 0.1), ("tinyproxy", 0)],
)
async def test_creates_meet_no_connection_that_the_front_has_dropped(
    name: str,
    idle: float,
    new_session: Callable[[], aiohttp.ClientSession | None],
    threaded_sandbox: Sandbox,
    tmp_path: Path,
):
    with front(name, threaded_sandbox, tmp_path, idle) as port:
        key, base_url = threaded_sandbox.api_key, f"http://127.0.0.1:{port}/api"
        async with asyncio.TaskGroup() as tasks:

            async def run() -> int:
                session = new_session()
                async with (
                    session or nullcontext(),
                    BitPeak(key, base_url=base_url, session=session) as bitpeak,
                ):
                    return await create_now_and_then(bitpeak, idle)

            running = [tasks.create_task(run()) for _ in range(CLIENTS)]
        assert 0 == sum(each.result() for each in running)
