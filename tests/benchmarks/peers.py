"""What a user could pick instead, each written as a competent user would."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module

import aiohttp
import httpx
import msgspec
import niquests
import requests
from attrs import frozen
from generated import OPENAPI_GENERATOR, OPENAPI_PYTHON_CLIENT
from server import KEY

NAME = "Ops alerts"
URL = "https://hooks.slack.com/services/T0/B0/example"
FORM = {"name": NAME, "type": "slack", "slack": URL}
HEADERS = {"Authorization": f"Bearer {KEY}"}

Call = Callable[[], Awaitable[object]]


@frozen
class Peer:
    """A client: how it gets one handler, creates one, and lists a page of a thousand."""

    name: str
    get: Call
    create: Call
    page: Call


@asynccontextmanager
async def raw_aiohttp(base_url: str, *, ready_made: bool) -> AsyncIterator[Peer]:
    """aiohttp and msgspec, with FormData or with bytes joined by hand."""
    handlers = f"{base_url}/notification-handlers"
    connector = aiohttp.TCPConnector(limit=16)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def get() -> object:
            async with session.get(f"{handlers}/1") as response:
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
            boundary = secrets.token_hex(16)
            parts = [
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in FORM.items()
            ]
            body = ("".join(parts) + f"--{boundary}--\r\n").encode()
            kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            async with session.post(handlers, data=body, headers=kind) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())

        async def page() -> object:
            async with session.get(f"{handlers}/?page=1&results_per_page=1000") as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())

        create = create_bytes if ready_made else create_form
        yield Peer("raw aiohttp", get, create, page)


@asynccontextmanager
async def httpx_client(base_url: str) -> AsyncIterator[Peer]:
    """httpx.AsyncClient."""
    async with httpx.AsyncClient(headers=HEADERS, base_url=base_url) as client:

        async def read(reply: Awaitable[httpx.Response]) -> object:
            response = await reply
            return response.raise_for_status().json()

        files = {name: (None, value) for name, value in FORM.items()}
        yield Peer(
            "httpx",
            lambda: read(client.get("/notification-handlers/1")),
            lambda: read(client.post("/notification-handlers", files=files)),
            lambda: read(client.get("/notification-handlers/?page=1&results_per_page=1000")),
        )


@asynccontextmanager
async def niquests_client(base_url: str) -> AsyncIterator[Peer]:
    """niquests.AsyncSession."""
    async with niquests.AsyncSession() as session:
        session.headers.update(HEADERS)
        handlers = f"{base_url}/notification-handlers"

        async def read(reply: Awaitable[niquests.Response]) -> object:
            response = await reply
            response.raise_for_status()
            return response.json()

        files = {name: (None, value) for name, value in FORM.items()}
        yield Peer(
            "niquests",
            lambda: read(session.get(f"{handlers}/1")),
            lambda: read(session.post(handlers, files=files)),
            lambda: read(session.get(f"{handlers}/?page=1&results_per_page=1000")),
        )


@asynccontextmanager
async def requests_in_threads(base_url: str) -> AsyncIterator[Peer]:
    """requests in 16 threads of the loop's making, with a session for each thread."""
    handlers = f"{base_url}/notification-handlers"
    files = {name: (None, value) for name, value in FORM.items()}
    own = threading.local()

    def prepare() -> None:
        own.session = requests.Session()
        own.session.headers.update(HEADERS)

    def send(method: str, url: str, **body: object) -> object:
        response = own.session.request(method, url, timeout=30, **body)
        response.raise_for_status()
        return response.json()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(16, initializer=prepare) as pool:
        yield Peer(
            "requests in 16 threads",
            lambda: loop.run_in_executor(pool, send, "GET", f"{handlers}/1"),
            lambda: loop.run_in_executor(pool, lambda: send("POST", handlers, files=files)),
            lambda: loop.run_in_executor(
                pool, send, "GET", f"{handlers}/?page=1&results_per_page=1000"
            ),
        )


@asynccontextmanager
async def openapi_python_client(base_url: str) -> AsyncIterator[Peer]:
    """The client that openapi-python-client generates: httpx and attrs.

    Raises:
        NotUsableError: it cannot be generated or imported here.
    """
    OPENAPI_PYTHON_CLIENT.client()
    package = OPENAPI_PYTHON_CLIENT.package
    root, models = import_module(package), import_module(f"{package}.models")
    get, create, listing = (
        import_module(f"{package}.api.notification_handlers.{name}").asyncio
        for name in (
            "get_notification_handler",
            "create_notification_handler",
            "list_notification_handlers",
        )
    )

    async def read(reply: Awaitable[object], wanted: type) -> object:
        # It returns documented errors, and raises none.
        if not isinstance(result := await reply, wanted):
            raise TypeError(f"not {wanted.__name__}: {result}")
        return result

    async with root.AuthenticatedClient(
        base_url, token=KEY, timeout=httpx.Timeout(30), raise_on_unexpected_status=True
    ) as client:
        yield Peer(
            "openapi-python-client",
            lambda: read(get(1, client=client), models.NotificationHandlerReply),
            lambda: read(
                create(
                    client=client,
                    body=models.NewNotificationHandler(
                        name=NAME, type_=models.HandlerType.SLACK, slack=URL
                    ),
                ),
                models.WrittenReply,
            ),
            lambda: read(
                listing(client=client, page=1, results_per_page=models.ResultsPerPage.VALUE_1000),
                models.NotificationHandlerPage,
            ),
        )


@asynccontextmanager
async def openapi_generator(base_url: str) -> AsyncIterator[Peer]:
    """The client that OpenAPI Generator generates with its asyncio library: aiohttp and pydantic.

    It sends the form urlencoded, whatever the description says; that is the cheaper for it.

    Raises:
        NotUsableError: it cannot be generated or imported here.
    """
    OPENAPI_GENERATOR.client()
    package = import_module(OPENAPI_GENERATOR.package)
    settings = package.Configuration(host=base_url, access_token=KEY, connection_pool_maxsize=16)
    slack, size = package.HandlerType.SLACK, package.ResultsPerPage.NUMBER_1000
    async with package.ApiClient(settings) as client:
        api = package.NotificationHandlersApi(client)
        yield Peer(
            "OpenAPI Generator",
            lambda: api.get_notification_handler(1),
            lambda: api.create_notification_handler(name=NAME, type=slack, slack=URL),
            lambda: api.list_notification_handlers(page=1, results_per_page=size),
        )
