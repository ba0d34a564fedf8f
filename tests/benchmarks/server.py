"""A server faster than any client: ready-made replies by the barest of protocols.

It understands just enough HTTP for the benchmarks: the method, the path, the query's ``page`` and
``results_per_page``, and Content-Length. It runs in a process of its own, on uvloop and aiofastnet
where they are installed.
"""

import asyncio
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import cast

import msgspec
from attrs import define

new_event_loop = asyncio.new_event_loop
with suppress(ImportError):
    import uvloop

    new_event_loop = uvloop.new_event_loop
with suppress(ImportError):
    import aiofastnet

    new_event_loop = aiofastnet.loop_factory(new_event_loop)

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
    handlers = [handler(n) for n in range(first, min(first + size, total + 1))]
    return as_page(handlers, number, size, total)


def as_page(handlers: list[dict[str, object]], number: int, size: int, total: int) -> bytes:
    """Return the JSON of a page with these handlers."""
    link = "https://bitpeak.ru/api/notification-handlers?page=1"
    return msgspec.json.encode(
        {
            "data": handlers,
            "meta": {
                "page": number,
                "results_per_page": size,
                "total": total,
                "total_pages": max(1, -(-total // size)),
            },
            "links": {"first": link, "last": link, "next": None, "prev": None, "self": link},
        }
    )


def created(number: int, body: bytes) -> dict[str, object]:
    """Return the JSON of a handler that was created by a form of plain values."""
    form = dict(re.findall(r'name="(\w+)"\r\n\r\n(.*)\r\n', body.decode()))
    known = {name: form.pop(name, "") for name in ("name", "type", "is_enabled")}
    return handler(number) | known | {"settings": form, "is_enabled": True}


def reply(status: str, body: bytes) -> bytes:
    """Return the bytes of a reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Server:
    """What all connections share: the replies, and the wait before each in seconds.

    Creates are forgotten, unless it keeps them: then every key has handlers of its own.
    """

    def __init__(self, total: int, latency: float, *, keeps: bool = False) -> None:
        self.total = total
        self.latency = latency
        self.keeps = keeps
        self.ids = count(total + 1)
        self.one = reply("200 OK", msgspec.json.encode({"data": handler(1)}))
        self.pages: dict[bytes, bytes] = {}
        self.kept: dict[bytes, list[dict[str, object]]] = {}

    def answer(self, method: bytes, target: bytes, key: bytes, body: bytes) -> bytes:
        if method == b"POST":
            number = next(self.ids)
            if self.keeps:
                self.kept.setdefault(key, []).append(created(number, body))
            return reply("200 OK", b'{"data": {"id": %d}}' % number)
        query = target.partition(b"?")[2]
        if not query:
            return self.one
        if kept := self.kept.get(key):
            return reply("200 OK", as_page(kept, 1, 1000, len(kept)))
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
            key = head.partition(b"\r\nauthorization:")[2].partition(b"\r\n")[0]
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            answer = self._server.answer(method, target, key, body)
            if self._server.latency:
                loop = asyncio.get_running_loop()
                loop.call_later(self._server.latency, self._transport.write, answer)
            else:
                self._transport.write(answer)


async def _serve(total: int, latency: float, keeps: str, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    shared = Server(total, latency, keeps=bool(keeps))
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await loop.create_server(
        partial(Connected, shared), "127.0.0.1", 0, backlog=1024, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@define(slots=False)  # it caches its context
class Served:
    """Where a server is.

    Attributes:
        base_url: of the API.
        authority: PEM file with the only certificate authority to trust; None without TLS.
    """

    base_url: str
    authority: Path | None = None

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """A context that trusts the authority; None without TLS."""
        return self.authority and ssl.create_default_context(cafile=self.authority)


@contextmanager
def serving(
    total: int, latency: float = 0.0, *, keeps: bool = False, tls: bool = False
) -> Iterator[Served]:
    """Serve so many handlers from a process of its own."""
    with TemporaryDirectory() as folder:
        authority, certificate = _certify(Path(folder)) if tls else (None, "")
        options = (total, latency, "keeps" if keeps else "", certificate)
        command = [sys.executable, __file__, *map(str, options)]
        # Its input ends with this process, however that ends, and so it ends too.
        with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
            scheme, port = "https" if tls else "http", int(process.stdout.readline())
            yield Served(f"{scheme}://127.0.0.1:{port}/api", authority)


def _certify(folder: Path) -> tuple[Path, Path]:
    """Write a new authority, and a certificate of it with its key; return both files."""
    import trustme  # noqa: PLC0415 - not for servers without TLS

    authority, files = trustme.CA(), (folder / "authority.pem", folder / "certificate.pem")
    authority.cert_pem.write_to_path(str(files[0]))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(files[1]))
    return files


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]))
