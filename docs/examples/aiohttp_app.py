"""An aiohttp service with one client for its whole life.

Run it: ``python aiohttp_app.py``, with BITPEAK_API_KEY in the environment.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from bitpeak_async import BitPeak, BitPeakError, EmailSettings, NotFoundError, to_dict

BITPEAK = web.AppKey("BITPEAK", BitPeak)
routes = web.RouteTableDef()


async def bitpeak_context(app: web.Application) -> AsyncIterator[None]:
    """Open the client when the service starts and close it when it ends."""
    async with BitPeak() as app[BITPEAK]:
        yield


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error of the SDK into a JSON response; its message holds no secret."""
    try:
        return await handler(request)
    except BitPeakError as error:
        status = 404 if isinstance(error, NotFoundError) else 502
        return web.json_response({"error": str(error)}, status=status)


@routes.post("/handlers")
async def create(request: web.Request) -> web.Response:
    """Create a handler."""
    inbox = await request.json()
    handlers = request.app[BITPEAK].notification_handlers
    handler_id = await handlers.create(inbox["name"], EmailSettings(inbox["email"]))
    return web.json_response({"id": handler_id}, status=201)


@routes.get("/handlers")
async def names(request: web.Request) -> web.Response:
    """List the names of all handlers."""
    handlers = request.app[BITPEAK].notification_handlers
    return web.json_response([handler.name async for handler in handlers.iterate()])


@routes.get(r"/handlers/{handler_id:\d+}")
async def show(request: web.Request) -> web.Response:
    """Show a handler with its secrets masked."""
    handlers = request.app[BITPEAK].notification_handlers
    handler = await handlers.get(int(request.match_info["handler_id"]))
    return web.json_response(to_dict(handler))


def make_app() -> web.Application:
    """Return the service."""
    app = web.Application(middlewares=[failures])
    app.cleanup_ctx.append(bitpeak_context)
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
