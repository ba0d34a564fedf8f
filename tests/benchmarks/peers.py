"""What a user could pick instead, each written as a competent user would."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx
import niquests
import orjson
from attrs import frozen
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
    """aiohttp and orjson, with FormData or with bytes joined by hand."""
    handlers = f"{base_url}/notification-handlers"
    connector = aiohttp.TCPConnector(limit=16)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def get() -> object:
            async with session.get(f"{handlers}/1") as response:
                response.raise_for_status()
                return orjson.loads(await response.read())

        async def create_form() -> object:
            form = aiohttp.FormData(default_to_multipart=True)
            for name, value in FORM.items():
                form.add_field(name, value)
            async with session.post(handlers, data=form) as response:
                response.raise_for_status()
                return orjson.loads(await response.read())

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
                return orjson.loads(await response.read())

        async def page() -> object:
            async with session.get(f"{handlers}/?page=1&results_per_page=1000") as response:
                response.raise_for_status()
                return orjson.loads(await response.read())

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
