"""A server faster than any client: ready-made replies by the barest of protocols.

It understands just enough HTTP for the benchmarks: the method, the path, the query's ``page`` and
``results_per_page``, and Content-Length. It runs in a process of its own, on uvloop where that is.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from subprocess import PIPE, Popen
from typing import cast

import msgspec

_RUN = asyncio.run
with suppress(ImportError):
    import uvloop

    _RUN = uvloop.run

KEY = "benchmark-key"
TYPES = (
    ("email", {"email": "alerts@example.com"}),
    ("webhook", {"webhook": "https://example.com/hooks/alerts"}),
    ("slack", {"slack": "https://hooks.slack.com/services/T0/B0/example"}),
    ("discord", {"discord": "https://discord.com/api/webhooks/1/example"}),
    ("telegram", {"telegram": "1000:te-0b7f", "telegram_chat_id": "-1001234567890"}),
    ("microsoft_teams", {"microsoft_teams": "https://example.webhook.office.com/example"}),
    (
        "x",
        {
            "x_consumer_key": "a",
            "x_consumer_secret": "b",
            "x_access_token": "c",
            "x_access_token_secret": "d",
        },
    ),
    ("google_chat", {"google_chat": "https://chat.googleapis.com/v1/spaces/example"}),
    ("internal_notification", {}),
)


def handler(number: int) -> dict[str, object]:
    """Return the JSON of one handler; the types take turns."""
    name, settings = TYPES[number % len(TYPES)]
    return {
        "id": number,
        "type": name,
        "name": f"Handler {number}",
        "settings": settings,
        "is_enabled": True,
        "last_datetime": None if number % 3 else "2025-06-01 12:30:45",
        "datetime": "2025-01-31 09:05:00",
    }


def page(number: int, size: int, total: int) -> bytes:
    """Return the JSON of one page."""
    first = (number - 1) * size + 1
    link = "https://bitpeak.ru/api/notification-handlers?page=1"
    return msgspec.json.encode(
        {
            "data": [handler(n) for n in range(first, min(first + size, total + 1))],
            "meta": {
                "page": number,
                "results_per_page": size,
                "total": total,
                "total_pages": max(1, -(-total // size)),
            },
            "links": {"first": link, "last": link, "next": None, "prev": None, "self": link},
        }
    )


def reply(status: str, body: bytes) -> bytes:
    """Return the bytes of a reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Server:
    """What all connections share: the replies, and the wait before each in seconds."""

    def __init__(self, total: int, latency: float) -> None:
        self.total = total
        self.latency = latency
        self.ids = count(total + 1)
        self.one = reply("200 OK", msgspec.json.encode({"data": handler(1)}))
        self.pages: dict[bytes, bytes] = {}

    def answer(self, method: bytes, target: bytes) -> bytes:
        if method == b"POST":
            return reply("200 OK", b'{"data": {"id": %d}}' % next(self.ids))
        query = target.partition(b"?")[2]
        if not query:
            return self.one
        if target not in self.pages:
            asked = dict(each.split(b"=") for each in query.split(b"&"))
            number, size = int(asked[b"page"]), int(asked[b"results_per_page"])
            self.pages[target] = reply("200 OK", page(number, size, self.total))
        return self.pages[target]


class Connected(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = 0
            if (at := head.find(b"\r\ncontent-length:")) >= 0:
                length = int(head[at + 17 :].split(b"\r\n", 1)[0])
            if len(self._received) < end + 4 + length:
                return
            method, target, _ = self._received.split(b" ", 2)
            self._received = self._received[end + 4 + length :]
            answer = self._server.answer(method, target)
            if self._server.latency:
                loop = asyncio.get_running_loop()
                loop.call_later(self._server.latency, self._transport.write, answer)
            else:
                self._transport.write(answer)


async def _serve(total: int, latency: float) -> None:
    loop = asyncio.get_running_loop()
    shared = Server(total, latency)
    server = await loop.create_server(partial(Connected, shared), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def serving(total: int, latency: float = 0.0) -> Iterator[str]:
    """Serve so many handlers from a process of its own; yield the base URL."""
    command = [sys.executable, __file__, str(total), str(latency)]
    # Its input ends with this process, however that ends, and so it ends too.
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api"


if __name__ == "__main__":
    _RUN(_serve(int(sys.argv[1]), float(sys.argv[2])))
