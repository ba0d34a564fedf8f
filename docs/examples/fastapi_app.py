"""A FastAPI service with one client for its whole life.

Run it: ``uvicorn fastapi_app:app``, with BITPEAK_API_KEY in the environment.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from bitpeak_async import BitPeak, BitPeakError, EmailSettings, NotFoundError, to_dict


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, BitPeak]]:
    """Open the client when the service starts and close it when it ends."""
    async with BitPeak() as bitpeak:
        yield {"bitpeak": bitpeak}


def get_bitpeak(request: Request) -> BitPeak:
    """Return the one client; a test overrides this dependency."""
    return request.state.bitpeak


Client = Annotated[BitPeak, Depends(get_bitpeak)]
app = FastAPI(lifespan=lifespan)


class Inbox(BaseModel):
    """A handler's name and the email address for its alerts."""

    name: str
    email: str


@app.post("/handlers", status_code=201)
async def create(inbox: Inbox, bitpeak: Client) -> dict[str, int]:
    """Create a handler."""
    settings = EmailSettings(inbox.email)
    return {"id": await bitpeak.notification_handlers.create(inbox.name, settings)}


@app.get("/handlers")
async def names(bitpeak: Client) -> list[str]:
    """List the names of all handlers."""
    return [handler.name async for handler in bitpeak.notification_handlers.iterate()]


@app.get("/handlers/{handler_id}")
async def show(handler_id: int, bitpeak: Client) -> dict[str, Any]:
    """Show a handler with its secrets masked."""
    return to_dict(await bitpeak.notification_handlers.get(handler_id))


@app.exception_handler(BitPeakError)
async def failed(_: Request, error: BitPeakError) -> JSONResponse:
    """Turn an error of the SDK into a JSON response; its message holds no secret."""
    status = 404 if isinstance(error, NotFoundError) else 502
    return JSONResponse({"error": str(error)}, status_code=status)
