"""A bare HTTP client for a running sandbox."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import frozen

from bitpeak_async.sandbox import Sandbox

COLLECTION = "/notification-handlers"
SAMPLES = Path(__file__).parents[1] / "samples"


@frozen
class Answer:
    """A response as it arrived."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@frozen
class Caller:
    """Calls a sandbox over a real socket, with no code of the SDK in between."""

    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def send(
        self,
        method: str,
        path: str = COLLECTION,
        *,
        form: Mapping[str, str] | None = None,
        key: str | None = None,
        **options: Any,
    ) -> Answer:
        """Send one request; `form` goes as multipart/form-data."""
        headers = {"Authorization": f"Bearer {key or self.sandbox.api_key}"}
        headers.update(options.pop("headers", {}))
        if form is not None:
            options["data"] = aiohttp.FormData(form, default_to_multipart=True)
        async with self.session.request(
            method, self.sandbox.base_url + path, headers=headers, allow_redirects=False, **options
        ) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def create(self, name: str = "Work email", **fields: str) -> Answer:
        """Create a handler, by default of type email."""
        fields = fields or {"type": "email", "email": "hey@example.com"}
        return await self.send("POST", form={"name": name, **fields})

    async def get(self, handler_id: int) -> Any:
        """Return one handler as the API shows it."""
        return (await self.send("GET", f"{COLLECTION}/{handler_id}")).json["data"]

    async def update(self, handler_id: int, **fields: str) -> Answer:
        """Update one handler."""
        return await self.send("POST", f"{COLLECTION}/{handler_id}", form=fields)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait for a condition to come true."""

    async def wait(condition: Callable[[], object]) -> None:
        while not condition():  # noqa: ASYNC110 - there is no event for what a server has received
            await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """Read a sample response, which both client and sandbox must match."""
    return lambda name: json.loads((SAMPLES / "replies" / f"{name}.json").read_bytes())


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Caller]]]:
    """Start a sandbox with the given options and return a caller for it."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Caller:
            sandbox = await stack.enter_async_context(Sandbox(**options))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Caller(sandbox, session)

        yield start


@pytest.fixture
async def caller(serve: Callable[..., Awaitable[Caller]]) -> Caller:
    """Call a sandbox with the default dialect."""
    return await serve()
