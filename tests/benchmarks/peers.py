"""HTTP clients that a user could pick instead, each used as its own documentation recommends."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import aiohttp
import msgspec
from attrs import frozen
from generated import NotUsableError
from server import KEY, Served

NAME = "Ops alerts"
URL = "https://hooks.slack.com/services/T0/B0/example"
FORM = {"name": NAME, "type": "slack", "slack": URL}
HEADERS = {"Authorization": f"Bearer {KEY}"}
PAGE = "?page=1&results_per_page=1000"
TIMEOUT = 30.0  # seconds

Call = Callable[[], Awaitable[object]]


@frozen
class Peer:
    """A client: how it gets one handler, creates one, and lists a page of a thousand."""

    get: Call
    create: Call
    page: Call


def installed(name: str) -> ModuleType:
    """Import a module.

    Raises:
        NotUsableError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise NotUsableError(f"{name.partition('.')[0]}: {error}") from error


def multipart() -> tuple[dict[str, str], bytes]:
    """Return the headers and the bytes of the form, joined by hand."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in FORM.items()
    ]
    body = ("".join(parts) + f"--{boundary}--\r\n").encode()
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body


@asynccontextmanager
async def raw_aiohttp(server: Served, *, ready_made: bool = False) -> AsyncIterator[Peer]:
    """aiohttp and msgspec, with FormData or with bytes joined by hand."""
    handlers = f"{server.base_url}/notification-handlers"
    connector = aiohttp.TCPConnector(limit=16, ssl=server.context or True)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def get(url: str) -> object:
            async with session.get(url) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())

        async def create_form() -> object:
            form = aiohttp.FormData(default_to_multipart=True)
            for name, value in FORM.items():
                form.add_field(name, value)
            async with session.post(handlers, data=form) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())

        async def create_bytes() -> object:
            headers, body = multipart()
            async with session.post(handlers, data=body, headers=headers) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())

        yield Peer(
            lambda: get(f"{handlers}/1"),
            create_bytes if ready_made else create_form,
            lambda: get(f"{handlers}/{PAGE}"),
        )


@asynccontextmanager
async def httpx_client(server: Served, *, package: str = "httpx") -> AsyncIterator[Peer]:
    """httpx.AsyncClient, or that of its fork httpx2."""
    httpx = installed(package)
    verify = server.context or True
    async with httpx.AsyncClient(
        headers=HEADERS, base_url=server.base_url, verify=verify
    ) as client:

        async def read(reply: Awaitable[Any]) -> object:
            response = await reply
            return response.raise_for_status().json()

        files = {name: (None, value) for name, value in FORM.items()}
        yield Peer(
            lambda: read(client.get("/notification-handlers/1")),
            lambda: read(client.post("/notification-handlers", files=files)),
            lambda: read(client.get(f"/notification-handlers/{PAGE}")),
        )


@asynccontextmanager
async def niquests_client(server: Served) -> AsyncIterator[Peer]:
    """niquests.AsyncSession."""
    niquests = installed("niquests")
    handlers = f"{server.base_url}/notification-handlers"
    # For each call: a session's would give way to an environment's REQUESTS_CA_BUNDLE.
    verify = str(server.authority) if server.authority else True
    async with niquests.AsyncSession(pool_maxsize=16) as session:
        session.headers.update(HEADERS)

        async def send(method: str, url: str, **body: object) -> object:
            response = await session.request(method, url, verify=verify, **body)
            response.raise_for_status()
            return response.json()

        files = {name: (None, value) for name, value in FORM.items()}
        yield Peer(
            lambda: send("GET", f"{handlers}/1"),
            lambda: send("POST", handlers, files=files),
            lambda: send("GET", f"{handlers}/{PAGE}"),
        )


@asynccontextmanager
async def aiosonic_client(server: Served) -> AsyncIterator[Peer]:
    """aiosonic.HTTPClient."""
    aiosonic = installed("aiosonic")
    pools = {":default": installed("aiosonic.pools").PoolConfig(size=16)}
    new_form = installed("aiosonic.multipart").MultipartForm
    handlers = f"{server.base_url}/notification-handlers"
    async with aiosonic.HTTPClient(aiosonic.TCPConnector(pool_configs=pools)) as client:

        async def read(reply: Awaitable[Any]) -> object:
            response = await reply
            response.raise_for_status()
            return await response.json()

        def create() -> Awaitable[object]:
            form = new_form()
            for name, value in FORM.items():
                form.add_field(name, value)
            return read(client.post(handlers, data=form, headers=HEADERS, ssl=server.context))

        yield Peer(
            lambda: read(client.get(f"{handlers}/1", headers=HEADERS, ssl=server.context)),
            create,
            lambda: read(client.get(f"{handlers}/{PAGE}", headers=HEADERS, ssl=server.context)),
        )


@asynccontextmanager
async def requests_in_threads(server: Served) -> AsyncIterator[Peer]:
    """requests in 16 threads of the loop's making, with a session for each thread."""
    requests = installed("requests")
    handlers = f"{server.base_url}/notification-handlers"
    files = {name: (None, value) for name, value in FORM.items()}
    verify = str(server.authority) if server.authority else True  # as of niquests
    own = threading.local()

    def prepare() -> None:
        own.session = requests.Session()
        own.session.headers.update(HEADERS)

    def send(method: str, url: str, **body: object) -> object:
        response = own.session.request(method, url, timeout=TIMEOUT, verify=verify, **body)
        response.raise_for_status()
        return response.json()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(16, initializer=prepare) as pool:
        yield Peer(
            lambda: loop.run_in_executor(pool, send, "GET", f"{handlers}/1"),
            lambda: loop.run_in_executor(pool, lambda: send("POST", handlers, files=files)),
            lambda: loop.run_in_executor(pool, send, "GET", f"{handlers}/{PAGE}"),
        )


@asynccontextmanager
async def pyreqwest_client(server: Served) -> AsyncIterator[Peer]:
    """pyreqwest: reqwest, in Rust."""
    new_form = installed("pyreqwest.multipart").FormBuilder
    builder = installed("pyreqwest.client").ClientBuilder()
    builder = builder.default_headers(HEADERS).error_for_status(enable=True)
    builder = builder.timeout(timedelta(seconds=TIMEOUT))
    if server.authority:
        builder = builder.add_root_certificate_pem(server.authority.read_bytes())
    handlers = f"{server.base_url}/notification-handlers"
    async with builder.build() as client:

        async def get(url: str) -> object:
            response = await client.get(url).build().send()
            return await response.json()

        async def create() -> object:
            form = new_form()
            for name, value in FORM.items():
                form = form.text(name, value)
            response = await client.post(handlers).multipart(form).build().send()
            return await response.json()

        yield Peer(lambda: get(f"{handlers}/1"), create, lambda: get(f"{handlers}/{PAGE}"))


@asynccontextmanager
async def wreq_client(server: Served) -> AsyncIterator[Peer]:
    """wreq: a fork of reqwest, in Rust."""
    wreq = installed("wreq")
    handlers = f"{server.base_url}/notification-handlers"
    options = {"headers": HEADERS, "raise_for_status": True, "timeout": timedelta(seconds=TIMEOUT)}
    if server.authority:
        options["tls_verify"] = server.authority
    async with wreq.Client(**options) as client:

        async def get(url: str) -> object:
            async with client.get(url) as response:
                return await response.json()

        async def create() -> object:
            form = wreq.Multipart(*(wreq.Part(name, value) for name, value in FORM.items()))
            async with client.post(handlers, multipart=form) as response:
                return await response.json()

        yield Peer(lambda: get(f"{handlers}/1"), create, lambda: get(f"{handlers}/{PAGE}"))


@asynccontextmanager
async def httpr_client(server: Served) -> AsyncIterator[Peer]:
    """httpr: reqwest in threads. Its forms are of files alone, so the bytes are joined by hand."""
    httpr = installed("httpr")
    handlers = f"{server.base_url}/notification-handlers"
    authority = str(server.authority) if server.authority else None
    async with httpr.AsyncClient(
        headers=HEADERS, ca_cert_file=authority, timeout=TIMEOUT, max_concurrency=16
    ) as client:

        async def read(reply: Awaitable[Any]) -> object:
            return (await reply).raise_for_status().json()

        def create() -> Awaitable[object]:
            headers, body = multipart()
            return read(client.post(handlers, content=body, headers=headers))

        yield Peer(
            lambda: read(client.get(f"{handlers}/1")),
            create,
            lambda: read(client.get(f"{handlers}/{PAGE}")),
        )


@asynccontextmanager
async def curl_cffi_client(server: Served) -> AsyncIterator[Peer]:
    """curl_cffi: libcurl."""
    curl_cffi = installed("curl_cffi")
    handlers = f"{server.base_url}/notification-handlers"
    verify = str(server.authority) if server.authority else True
    async with curl_cffi.AsyncSession(headers=HEADERS, max_clients=16, verify=verify) as session:

        async def read(reply: Awaitable[Any]) -> object:
            response = await reply
            response.raise_for_status()
            return response.json()

        async def create() -> object:
            form = curl_cffi.CurlMime()
            for name, value in FORM.items():
                form.addpart(name, data=value.encode())
            try:
                return await read(session.post(handlers, multipart=form))
            finally:
                form.close()

        yield Peer(
            lambda: read(session.get(f"{handlers}/1")),
            create,
            lambda: read(session.get(f"{handlers}/{PAGE}")),
        )
