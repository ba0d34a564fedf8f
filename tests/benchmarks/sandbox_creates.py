"""Measure how many creates a second the sandbox takes, in memory and in a file.

The sandbox runs in a process of its own; this one sends ready-made multipart requests over 16
kept-alive connections by the barest of protocols, so that the server is what is measured.

Usage: python tests/benchmarks/sandbox_creates.py [number of creates]
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from bitpeak_async.sandbox import Sandbox

CONNECTIONS = 16
API_KEY = "benchmark-key"
FIELDS = {
    "name": "Телеграм: дежурные",
    "type": "telegram",
    "telegram": "1000:te-0b7f",
    "telegram_chat_id": "-1001234567890",
}


class Creator(asyncio.Protocol):
    """Send one request again and again over one connection while turns are left."""

    def __init__(self, request: bytes, turns: list[None]) -> None:
        self._request = request
        self._turns = turns
        self._reply = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._reply += data
        head, blank_line, body = self._reply.partition(b"\r\n\r\n")
        if not blank_line or not body.endswith(b"}}"):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(self._reply.decode()))
            return
        self._reply = b""
        self._next()

    def _next(self) -> None:
        if self._turns:
            self._turns.pop()
            self._transport.write(self._request)
        else:
            self._transport.close()
            self.done.set_result(None)


def create_request(host: str) -> bytes:
    """Return the bytes of one create."""
    parts = (
        f'--b0undary\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in FIELDS.items()
    )
    body = ("".join(parts) + "--b0undary--\r\n").encode()
    head = (
        f"POST /api/notification-handlers HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {API_KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=b0undary\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(base_url: str, creates: int) -> float:
    """Send all creates and return the seconds it took."""
    address = urlsplit(base_url)
    request = create_request(address.netloc)
    turns: list[None] = [None] * creates
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    creators = [
        (
            await loop.create_connection(
                lambda: Creator(request, turns), address.hostname, address.port
            )
        )[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(creator.done for creator in creators))
    return time.perf_counter() - started


async def serve(database: str, control: Connection) -> None:
    """Run the sandbox until told to stop; report its URL and, at the end, its handlers."""
    async with Sandbox(API_KEY, database=database) as sandbox:
        control.send(sandbox.base_url)
        await asyncio.to_thread(control.recv)
        control.send(len(sandbox.handlers))


def run_server(database: str, control: Connection) -> None:
    """Be the server's process."""
    asyncio.run(serve(database, control))


def measure(database: str, creates: int) -> float:
    """Return the creates a second, having checked that every one arrived."""
    control, far_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=run_server, args=(database, far_end)
    )
    server.start()
    base_url = control.recv()
    seconds = asyncio.run(send(base_url, creates))
    control.send("stop")
    stored = control.recv()
    server.join()
    if stored != creates:
        raise RuntimeError(f"sent {creates}, stored {stored}")
    return creates / seconds


def main() -> None:
    """Measure both databases and print the figures."""
    creates = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        for title, database in (("memory", ":memory:"), ("file", str(Path(folder, "b.sqlite")))):
            print(f"{title:8}{measure(database, creates):8,.0f} creates/s")


if __name__ == "__main__":
    main()
