"""A model of the server for simulations: no sockets, virtual time, every fault drawn.

It shares no code with the SDK nor with the sandbox. Its replies carry the documented JSON.
"""

from __future__ import annotations

import asyncio
import html
import json
import random
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, evolve, field, frozen

from bitpeak_async._http.failures import (
    ConnectionFailedError,
    ExchangeError,
    ExchangeTimeoutError,
)
from bitpeak_async._http.protocol import Reply, Request
from bitpeak_async.options import Timeout

SECRETS = ("slack", "telegram")


@frozen
class Dialect:
    """How a server keeps and shows what it is sent."""

    trims: bool = False
    squeezes: bool = False
    escapes: int = 0
    composes: bool = False
    width: int | None = None
    lowers_emails: bool = False
    secrets: str = "clear"
    lag: float = 0.0
    newest_first: bool = False
    page_size: int = 1000
    omitted_switches_off: bool = False

    def clean(self, text: str) -> str:
        """Return what is kept of a text."""
        if self.trims:
            text = text.strip(" \t\n\r\0\x0b")
        if self.squeezes:
            text = " ".join(text.split())
        if self.composes:
            text = unicodedata.normalize("NFC", text)
        for _ in range(self.escapes):
            text = html.escape(text).replace("&#x27;", "&#039;")
        return text

    def name(self, text: str) -> str:
        return self.clean(text)[: self.width]

    def value(self, field_name: str, text: str) -> str:
        text = self.clean(text)
        return text.lower() if field_name == "email" and self.lowers_emails else text

    def shown(self, field_name: str, value: str) -> str | None:
        if field_name not in SECRETS or self.secrets == "clear":
            return value
        return None if self.secrets == "hidden" else value[:2] + "*****"


@frozen
class Weather:
    """How often things go wrong, each from 0 to 1; and how slow they are, in seconds."""

    latency: float = 0.05
    refused: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    late: float = 0.0
    stalled: float = 0.0
    truncated: float = 0.0
    failed: float = 0.0
    throttled: float = 0.0


CALM = Weather()


@frozen
class Kept:
    """A handler as the server holds it."""

    id: int
    name: str
    type: str
    settings: dict[str, str]
    is_enabled: bool
    maker: str


State = dict[int, Kept]


@define(eq=False)
class ModelServer:
    """One account's handlers, and the whole of its history.

    Attributes:
        history: (time, state) after each write.
        deletions: (time, who, handler) of each.
        unanswered: (who, name as sent) of creates whose reply was lost.
        looked_at: (who, id) of handlers that were read by their id.
        writes: requests that changed something, or tried to.
        written: who → when they last sent such a request.
        pending: commits that are still to come.
    """

    dialect: Dialect
    rng: random.Random
    weather: Weather = CALM
    history: list[tuple[float, State]] = field(factory=lambda: [(-1e9, {})])
    deletions: list[tuple[float, str, Kept]] = field(factory=list)
    unanswered: set[tuple[str, str]] = field(factory=set)
    looked_at: set[tuple[str, int]] = field(factory=set)
    trace: list[str] = field(factory=list)
    writes: int = 0
    written: dict[str, float] = field(factory=dict)
    pending: int = 0
    paused_until: float = 0.0
    _next: int = 1

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def state(self) -> State:
        return self.history[-1][1]

    def state_at(self, moment: float) -> State:
        return self.history[bisect_right(self.history, moment, key=lambda entry: entry[0]) - 1][1]

    def tell(self, who: str, what: str) -> None:
        self.trace.append(f"{self.now:9.3f}  {who:8} {what}")

    def _put(self, state: State) -> None:
        self.history.append((self.now, state))

    # What actors do; people use these directly

    def create(self, who: str, form: dict[str, str]) -> int:
        handler_id, self._next = self._next, self._next + self.rng.choice((1, 1, 1, 3))
        name = self.dialect.name(form["name"])
        kept = Kept(handler_id, name, form["type"], self._settings(form), True, who)
        self._put({**self.state, handler_id: kept})
        self.tell(who, f"CREATED {handler_id} {name[:40]!r}")
        return handler_id

    def update(self, who: str, handler_id: int, form: dict[str, str]) -> bool:
        kept = self.state.get(handler_id)
        if kept is None:
            return False
        if "name" in form:
            kept = evolve(kept, name=self.dialect.name(form["name"]))
        if "type" in form:
            kept = evolve(kept, type=form["type"], settings=self._settings(form))
        if "is_enabled" in form:
            kept = evolve(kept, is_enabled=form["is_enabled"] == "1")
        elif self.dialect.omitted_switches_off:
            kept = evolve(kept, is_enabled=False)
        self._put({**self.state, handler_id: kept})
        self.tell(who, f"UPDATED {handler_id} {kept.name[:40]!r} enabled={kept.is_enabled}")
        return True

    def delete(self, who: str, handler_id: int) -> bool:
        kept = self.state.get(handler_id)
        if kept is None:
            return False
        self.deletions.append((self.now, who, kept))
        self._put({key: each for key, each in self.state.items() if key != handler_id})
        self.tell(who, f"DELETED {handler_id} {kept.name[:40]!r} of {kept.maker}")
        return True

    def _settings(self, form: dict[str, str]) -> dict[str, str]:
        return {
            key: self.dialect.value(key, value)
            for key, value in form.items()
            if key not in ("name", "type", "is_enabled")
        }

    # The API

    def carry_out(self, who: str, request: Request) -> Callable[[], Reply]:
        """Return what executes a request and gives its reply."""
        url = urlsplit(str(request.url))
        last = url.path.rstrip("/").rpartition("/")[2]
        handler_id = int(last) if last.isdigit() else None
        if request.method == "GET" and handler_id is None:
            query = parse_qs(url.query)
            page, size = (int(query[key][0]) for key in ("page", "results_per_page"))
            return lambda: self._list(page, min(size, self.dialect.page_size))
        if request.method == "GET":
            return lambda: self._get(who, handler_id or 0)
        if request.method == "DELETE":
            return lambda: _ok({}) if self.delete(who, handler_id or 0) else _error(404)
        form = _form(request)
        if handler_id is None:
            return lambda: _ok({"data": {"id": self.create(who, form)}})
        return lambda: (
            _ok({"data": {"id": handler_id}}) if self.update(who, handler_id, form) else _error(404)
        )

    def _seen(self) -> State:
        """The state as one of the replicas has it."""
        lag = self.dialect.lag and self.rng.uniform(0, self.dialect.lag)
        return self.state_at(self.now - lag)

    def _list(self, page: int, size: int) -> Reply:
        handlers = sorted(self._seen().values(), key=lambda each: each.id)
        if self.dialect.newest_first:
            handlers.reverse()
        total = max(1, -(-len(handlers) // size))
        shown = handlers[(page - 1) * size : page * size]
        meta = {
            "page": page,
            "results_per_page": size,
            "total": len(handlers),
            "total_pages": total,
        }
        links = {"first": "", "last": "", "next": None, "prev": None, "self": ""}
        return _ok({"data": [self._json(each) for each in shown], "meta": meta, "links": links})

    def _get(self, who: str, handler_id: int) -> Reply:
        self.looked_at.add((who, handler_id))
        kept = self._seen().get(handler_id)
        return _error(404) if kept is None else _ok({"data": self._json(kept)})

    def _json(self, kept: Kept) -> dict[str, Any]:
        shown = {key: self.dialect.shown(key, value) for key, value in kept.settings.items()}
        return {
            "id": kept.id,
            "type": kept.type,
            "name": kept.name,
            "settings": shown,
            "is_enabled": kept.is_enabled,
            "last_datetime": None,
            "datetime": "2025-12-05 14:25:37",
        }


def _form(request: Request) -> dict[str, str]:
    boundary, _, rest = (request.body.reveal() if request.body else b"").partition(b"\r\n")
    fields = {}
    for part in (b"\r\n" + rest).split(b"\r\n" + boundary):
        head, _, value = part.partition(b"\r\n\r\n")
        if b'name="' in head:
            name = head.partition(b'name="')[2].partition(b'"')[0]
            fields[name.decode()] = value.decode()
    return fields


def _ok(document: object) -> Reply:
    return Reply(200, {}, json.dumps(document).encode())


def _error(status: int, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, b'{"errors": [{"title": "no"}]}')


@define(eq=False)
class ModelExchange:
    """The network between one client and the model: drawn latencies and faults."""

    server: ModelServer
    who: str

    async def exchange(self, request: Request, timeout: Timeout) -> Reply:
        server, rng, weather = self.server, self.server.rng, self.server.weather
        began = server.now
        execute = server.carry_out(self.who, request)
        is_write = request.method != "GET"
        if is_write:
            server.writes += 1
            server.written[self.who] = server.now
        fate = self._fate()
        if fate == "refused":
            raise ConnectionFailedError("refused")
        if fate == "throttled" or server.now < server.paused_until:
            return self._throttled()
        try:
            await asyncio.sleep(rng.expovariate(1 / weather.latency))
        except asyncio.CancelledError:
            if is_write and rng.random() < 0.5:  # it is on its way, and nobody waits for it
                self._later(execute, began + timeout.total)
            raise
        if server.now - began > timeout.total:
            if is_write:
                self._later(execute, began + timeout.total)
            raise ExchangeTimeoutError("slow")
        if fate:
            if is_write:
                server.tell(self.who, f"{request.method} {fate}")
                server.unanswered.add((self.who, _form(request).get("name", "")))
            return await self._fail(fate, execute, began, timeout, is_write=is_write)
        return execute()

    def _fate(self) -> str:
        weather, drawn = self.server.weather, self.server.rng.random()
        for fate in (
            "refused",
            "lost_before",
            "lost_after",
            "late",
            "stalled",
            "truncated",
            "failed",
            "throttled",
        ):
            drawn -= getattr(weather, fate)
            if drawn < 0:
                return fate
        return ""

    def _throttled(self) -> Reply:
        server = self.server
        if server.now < server.paused_until:
            return _error(429, {"Retry-After": "1"})
        if server.rng.random() < 0.5:
            server.paused_until = server.now + server.rng.choice((0.5, 2.0))
            return _error(429, {"Retry-After": "2"})
        return _error(429)

    async def _fail(
        self,
        fate: str,
        execute: Callable[[], Reply],
        began: float,
        timeout: Timeout,
        *,
        is_write: bool,
    ) -> Reply:
        rng = self.server.rng
        if fate == "lost_before":
            raise ExchangeError("disconnected")
        if fate == "lost_after":
            execute()
            raise ExchangeError("disconnected")
        if fate == "late":
            self._later(execute, began + timeout.total)
            if rng.random() < 0.5:
                raise ExchangeError("disconnected")
            return _error(524)
        if fate == "stalled":
            if rng.random() < 0.7:
                self._later(execute, began + timeout.total)
            await asyncio.sleep(max(0.0, began + timeout.total - self.server.now))
            raise ExchangeTimeoutError("stalled")
        if fate == "truncated":
            body = execute().body.reveal()
            if not is_write:
                raise ExchangeError("cut off")
            return Reply(200, {}, body[: len(body) // 2])
        if rng.random() < 0.5:
            execute()
        return _error(rng.choice((500, 502, 503, 504)))

    def _later(self, execute: Callable[[], Reply], latest: float) -> None:
        """Execute it at some time before the request's timeout would have ended it."""
        server = self.server
        server.pending += 1

        def commit() -> None:
            server.pending -= 1
            execute()

        moment = server.rng.uniform(server.now, max(server.now, latest - 0.001))
        asyncio.get_running_loop().call_at(moment, commit)
