"""The sandbox: life cycle and what tests hold in their hands."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack, closing
from random import Random
from secrets import randbits
from types import TracebackType
from typing import Any, Self, Unpack

from attrs import frozen

from bitpeak_async.sandbox.accounts import Accounts
from bitpeak_async.sandbox.api import COLLECTION, Api
from bitpeak_async.sandbox.content import NewHandler, draft, shown
from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.endpoint import Endpoint
from bitpeak_async.sandbox.faults import Fault, FaultPlan, Injection
from bitpeak_async.sandbox.handler_types import FIELDS
from bitpeak_async.sandbox.limits import Limit
from bitpeak_async.sandbox.network import bind, serving
from bitpeak_async.sandbox.page import Page
from bitpeak_async.sandbox.replies import Replies
from bitpeak_async.sandbox.store import Draft, Store
from bitpeak_async.sandbox.thread import entered_in_thread
from bitpeak_async.sandbox.traffic import RequestRecord, Traffic

_BASE_PATH = "/api"


@frozen
class _Running:
    origin: str
    store: Store
    endpoint: Endpoint
    resources: AsyncExitStack


class Sandbox:
    """An embedded BitPeak server on a loopback port: the documented API over SQLite.

    Use it as an async context manager, or call `start` and `close`. A plain `with` runs it in a
    thread of its own, for tests without an event loop; all but `settled` may be used from there.

    Args:
        api_key: The key that requests must bear.
        api_keys: Further keys, each with handlers and a limit of its own.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.
        database: A path, to keep the handlers, or `":memory:"`.
        dialect: How to behave where the API's documentation is silent.
        limit: Which requests to answer with 429; None for no limit. Further keys get copies.
        extra_types: Handler types beyond the documented ones -> their required fields.
        seed: For the probabilities of faults; by default a new one, kept in `seed`.
        clock: Tells the limit the time, in seconds.
        keep_alive: Seconds after which an idle connection is closed.
        keep_requests: How many of the latest requests `requests` keeps.
    """

    def __init__(
        self,
        api_key: str = "sandbox-key",
        *,
        api_keys: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        database: str = ":memory:",
        dialect: Dialect | None = None,
        limit: Limit | None = None,
        extra_types: Mapping[str, tuple[str, ...]] | None = None,
        seed: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        keep_alive: float = 75.0,
        keep_requests: int = 10_000,
    ) -> None:
        self.api_key = api_key
        self.dialect: Dialect = dialect or Dialect()
        self.seed: int = randbits(32) if seed is None else seed
        self._address = (host, port)
        self._database = database
        self._accounts = Accounts(api_key, api_keys, limit)
        self._types = {**FIELDS, **(extra_types or {})}
        self._clock = clock
        self._keep_alive = keep_alive
        self._traffic = Traffic(keep=keep_requests)
        self._faults = FaultPlan(Random(self.seed))  # noqa: S311 - it picks failures, not keys
        self._running: _Running | None = None
        self._thread = ExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(entered_in_thread(self))
            self._thread = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.close()

    async def start(self) -> None:
        """Open the database and listen.

        Raises:
            RuntimeError: It runs already.
            OSError: The port is taken.
        """
        if self._running is not None:
            raise RuntimeError("The sandbox is running already.")
        async with AsyncExitStack() as stack:
            store = stack.enter_context(closing(Store(self._database)))
            listening = stack.enter_context(bind(*self._address))
            origin = "http://{}:{}".format(*listening.getsockname()[:2])
            base_url = origin + _BASE_PATH
            replies = Replies(self.dialect, base_url + COLLECTION)
            page = Page(
                store,
                replies,
                faults=self._faults,
                traffic=self._traffic,
                host=self._address[0],
            )
            api = Api(
                store,
                replies,
                dialect=self.dialect,
                types=self._types,
                accounts=self._accounts.by_key,
            )
            endpoint = Endpoint(
                api,
                replies,
                base_path=_BASE_PATH,
                faults=self._faults,
                traffic=self._traffic,
                limit=self._accounts.limit_of,
                clock=self._clock,
                page=page,
            )
            await stack.enter_async_context(
                serving(endpoint, listening, keep_alive=self._keep_alive)
            )
            self._running = _Running(origin, store, endpoint, stack.pop_all())

    async def close(self) -> None:
        """Drop all connections, whatever they wait for, and close the database.

        Closing again does nothing; a closed sandbox can be started again.
        """
        running, self._running = self._running, None
        if running is not None:
            await running.resources.aclose()

    @property
    def base_url(self) -> str:
        """Where the API is; paths such as `/notification-handlers` are appended to it."""
        return self._alive.origin + _BASE_PATH

    @property
    def page_url(self) -> str:
        """Where a browser finds a page of handlers, requests and faults."""
        return f"{self._alive.origin}/"

    @property
    def handlers(self) -> list[dict[str, Any]]:
        """All handlers of all keys by id, as stored: settings in clear, datetimes as text."""
        return list(map(shown, self._alive.store.page("ascending")))

    def handlers_of(self, api_key: str) -> list[dict[str, Any]]:
        """Return the handlers of one key, as `handlers` does those of all.

        Raises:
            ValueError: It is no key of this sandbox.
        """
        rows = self._alive.store.page("ascending", account=self._accounts.of(api_key))
        return list(map(shown, rows))

    @property
    def requests(self) -> deque[RequestRecord]:
        """The latest requests, in order of arrival."""
        return self._traffic.requests

    @property
    def counts(self) -> Counter[tuple[str, int | None]]:
        """How many requests ended, by (method, status); no status for a closed connection."""
        return self._traffic.counts

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return self._traffic.in_flight

    @property
    def peak_in_flight(self) -> int:
        """The most requests there ever were at once."""
        return self._traffic.peak_in_flight

    def add(self, **handler: Unpack[NewHandler]) -> int:
        """Put a handler into the database and return its id.

        Raises:
            ValueError: The type is neither documented nor one of `extra_types`, or the key is
                none of this sandbox.
        """
        return self._alive.store.insert(*self._row(handler))

    def add_many(self, handlers: Iterable[NewHandler]) -> None:
        """Put many handlers, each like the arguments of `add`, in one transaction."""
        self._alive.store.insert_many(map(self._row, handlers))

    def seed_handlers(self, count: int) -> None:
        """Put `count` email handlers, `Handler 1` and so on, into the database."""
        self.add_many(
            {"name": f"Handler {n}", "type": "email", "settings": {"email": f"{n}@example.com"}}
            for n in range(1, count + 1)
        )

    def inject(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        api_key: str | None = None,
        when: Callable[[RequestRecord], bool] | None = None,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
    ) -> Injection:
        """Let requests meet a fault; the arguments are explained at `Injection`.

        Returns:
            The injection, which counts how often it fired.
        """
        injection = Injection(
            fault=fault,
            method=method,
            path=path,
            api_key=api_key,
            when=when,
            times=times,
            after=after,
            probability=probability,
        )
        self._faults.add(injection)
        return injection

    def clear_faults(self) -> None:
        """Behave again."""
        self._faults.clear()

    async def settled(self) -> None:
        """Wait until every commit that a fault delayed has happened."""
        await self._alive.endpoint.settled()

    @property
    def _alive(self) -> _Running:
        if self._running is None:
            raise RuntimeError("The sandbox is not running.")
        return self._running

    def _row(self, handler: NewHandler) -> tuple[Draft, str]:
        if handler["type"] not in self._types:
            raise ValueError(f"{handler['type']!r} is no type of this sandbox; see extra_types")
        return draft(handler), self._accounts.of(handler.get("api_key", self.api_key))
