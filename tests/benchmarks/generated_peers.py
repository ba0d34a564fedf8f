"""Clients that are generated from docs/openapi.yaml, each with one session for all calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from importlib import import_module

from generated import OPENAPI_GENERATOR, OPENAPI_PYTHON_CLIENT
from peers import NAME, TIMEOUT, URL, Peer
from server import KEY, Served


@asynccontextmanager
async def openapi_python_client(server: Served) -> AsyncIterator[Peer]:
    """The client that openapi-python-client generates: httpx and attrs.

    Raises:
        NotUsableError: it cannot be generated or imported here.
    """
    OPENAPI_PYTHON_CLIENT.client()
    package, httpx = OPENAPI_PYTHON_CLIENT.package, import_module("httpx")
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
        server.base_url,
        token=KEY,
        timeout=httpx.Timeout(TIMEOUT),
        verify_ssl=server.context or True,
        raise_on_unexpected_status=True,
    ) as client:
        yield Peer(
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
async def openapi_generator(server: Served) -> AsyncIterator[Peer]:
    """The client that OpenAPI Generator generates with its asyncio library: aiohttp and pydantic.

    It sends the form urlencoded, whatever the description says; that is the cheaper for it.

    Raises:
        NotUsableError: it cannot be generated or imported here.
    """
    OPENAPI_GENERATOR.client()
    package = import_module(OPENAPI_GENERATOR.package)
    settings = package.Configuration(
        host=server.base_url,
        access_token=KEY,
        connection_pool_maxsize=16,
        ssl_ca_cert=server.authority and str(server.authority),
    )
    slack, size = package.HandlerType.SLACK, package.ResultsPerPage.NUMBER_1000
    async with package.ApiClient(settings) as client:
        api = package.NotificationHandlersApi(client)
        yield Peer(
            lambda: api.get_notification_handler(1),
            lambda: api.create_notification_handler(name=NAME, type=slack, slack=URL),
            lambda: api.list_notification_handlers(page=1, results_per_page=size),
        )
