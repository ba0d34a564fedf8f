"""The sandbox: life cycle, and the API that tests use."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack, closing
from functools import partial
from random import Random
from secrets import randbits
from typing import Any, Self, Unpack

from attrs import frozen

from bitpeak_async.sandbox.accounts import Accounts
from bitpeak_async.sandbox.api import COLLECTION, Api
from bitpeak_async.sandbox.content import NewHandler, to_dict, to_draft
from bitpeak_async.sandbox.dashboard import Dashboard
from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.endpoint import Endpoint
from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.handler_types import FIELDS
from bitpeak_async.sandbox.injection import Conditions, FaultPlan, Injection
from bitpeak_async.sandbox.limits import Limit
from bitpeak_async.sandbox.network import bind, serving
from bitpeak_async.sandbox.rendering import Renderer
from bitpeak_async.sandbox.replica import Replica
from bitpeak_async.sandbox.second_writer import SecondWriter
from bitpeak_async.sandbox.store import UNCONFIRMED, Draft, Selection, Store
from bitpeak_async.sandbox.thread import entered_in_thread
from bitpeak_async.sandbox.traffic import RequestRecord, Traffic

_BASE_PATH = "/api"


@frozen
class _Running:
    origin: str
    store: Store
    replica: Replica | None
    endpoint: Endpoint
    resources: AsyncExitStack


class Sandbox:
    """An embedded BitPeak server on a loopback port: the documented API over SQLite.

    Use it as an async context manager, or call `start` and `close`. A plain `with` runs it in its
    own thread, for tests without an event loop; everything except `settled` works from there.

    Args:
        api_key: The first API key.
        api_keys: Additional keys, each with its own handlers and rate limit.
        host: The address to listen on.
        port: The port to listen on; 0 picks a free one.
        database: A path, to keep the handlers, or `":memory:"`.
        dialect: How to behave where the documentation is silent.
        limit: Decides which requests get a 429; additional keys get copies. None: no limit.
        extra_types: Handler types beyond the documented ones → their required fields.
        seed: Seeds the probabilities of faults; by default a random one.
        second_writer: Changes handlers while the client works; None for no such writer.
        clock: The clock of rate limits, replica and second writer, in seconds.
        keep_alive: Seconds until idle connections are closed.
        keep_requests: How many of the latest requests to keep.

    Attributes:
        api_key: The first API key.
        dialect: The dialect in use.
        seed: The seed in use; pass it again to repeat a run.
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
        second_writer: SecondWriter | None = None,
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
        self._second_writer = second_writer
        self._given_clock = clock
        self._skipped = 0.0
        self._keep_alive = keep_alive
        self._traffic = Traffic(keep=keep_requests)
        self._faults = FaultPlan(Random(self.seed))  # noqa: S311 - it picks failures, not keys
        self._running: _Running | None = None
        self._thread = ExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(entered_in_thread(self))
            self._thread = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close()

    def _clock(self) -> float:
        return self._given_clock() + self._skipped

    def skip(self, seconds: float) -> None:
        """Advance the clock of rate limits, replica and second writer by `seconds`."""
        self._skipped += seconds

    async def start(self) -> None:
        """Open the database and listen.

        Raises:
            RuntimeError: The sandbox is already running.
            OSError: The port is in use.
        """
        if self._running is not None:
            raise RuntimeError("The sandbox is already running.")
        async with AsyncExitStack() as stack:
            store = stack.enter_context(closing(Store(self._database)))
            replica = None
            if self.dialect.replica_lag:
                replica = Replica(store, lag=self.dialect.replica_lag, clock=self._clock)
                stack.callback(replica.close)
            listening = stack.enter_context(bind(*self._address))
            origin = "http://{}:{}".format(*listening.getsockname()[:2])
            base_url = origin + _BASE_PATH
            renderer = Renderer(self.dialect, base_url + COLLECTION)
            dashboard = Dashboard(
                store, faults=self._faults, traffic=self._traffic, host=self._address[0]
            )
            api = Api(
                store,
                replica,
                renderer,
                dialect=self.dialect,
                types=self._types,
                accounts=self._accounts.by_key,
            )
            endpoint = Endpoint(
                api,
                renderer,
                base_path=_BASE_PATH,
                faults=self._faults,
                traffic=self._traffic,
                limit=self._accounts.limit_of,
                clock=self._clock,
                before_request=partial(self._catch_up, store),
                dashboard=dashboard,
            )
            await stack.enter_async_context(
                serving(endpoint, listening, keep_alive=self._keep_alive)
            )
            self._running = _Running(origin, store, replica, endpoint, stack.pop_all())

    async def close(self) -> None:
        """Abort all connections and close the database.

        Closing twice does nothing; a closed sandbox can be started again.
        """
        running, self._running = self._running, None
        if running is not None:
            await running.resources.aclose()

    @property
    def base_url(self) -> str:
        """The base URL of the API, without a trailing slash."""
        return self._alive.origin + _BASE_PATH

    @property
    def dashboard_url(self) -> str:
        """The URL of the dashboard, which shows handlers and requests and injects faults."""
        return f"{self._alive.origin}/"

    @property
    def handlers(self) -> list[dict[str, Any]]:
        """All handlers of all keys by id, as stored: settings in clear, datetimes as text."""
        return list(map(to_dict, self._alive.store.page()))

    def handlers_of(self, api_key: str) -> list[dict[str, Any]]:
        """Return the handlers of one key, in the form of `handlers`.

        Raises:
            ValueError: The sandbox does not know the key.
        """
        rows = self._alive.store.page(Selection(self._accounts.of(api_key)))
        return list(map(to_dict, rows))

    @property
    def requests(self) -> deque[RequestRecord]:
        """The latest requests, in order of arrival."""
        return self._traffic.requests

    @property
    def counts(self) -> Counter[tuple[str, int | None]]:
        """Finished requests by (method, status); the status of a closed connection is None."""
        return self._traffic.counts

    @property
    def in_flight(self) -> int:
        """The number of requests being answered now."""
        return self._traffic.in_flight

    @property
    def peak_in_flight(self) -> int:
        """The maximum of `in_flight` so far."""
        return self._traffic.peak_in_flight

    def add(self, **handler: Unpack[NewHandler]) -> int:
        """Insert a handler into the database and return its id.

        Raises:
            ValueError: The type is neither documented nor one of `extra_types`, or the sandbox
                does not know the key.
        """
        return self._alive.store.insert(*self._row(handler))

    def add_many(self, handlers: Iterable[NewHandler]) -> None:
        """Insert many handlers in one transaction; each is a dict of the arguments of `add`."""
        self._alive.store.insert_many(map(self._row, handlers))

    def seed_handlers(self, count: int) -> None:
        """Insert `count` email handlers, named `Handler 1` and so on."""
        self.add_many(
            {"name": f"Handler {n}", "type": "email", "settings": {"email": f"{n}@example.com"}}
            for n in range(1, count + 1)
        )

    def confirm(self, handler_id: int) -> None:
        """Confirm the address of an email handler that shows `is_enabled` as 2."""
        store = self._alive.store
        handler = store.get(handler_id)
        if handler is not None and handler.is_enabled == UNCONFIRMED:
            store.update(handler_id, handler.draft._replace(is_enabled=True))

    def sync_replica(self) -> None:
        """Let the replica of `Dialect.replica_lag` catch up immediately."""
        if self._alive.replica is not None:
            self._alive.replica.catch_up()

    def inject(self, fault: Fault, **conditions: Unpack[Conditions]) -> Injection:
        """Make the next request fail, or those that meet the conditions.

        Args:
            fault: The fault.
            **conditions: `method`, `path`, `api_key`, `when`, `times`, `after`, `probability`;
                see `Injection`.

        Returns:
            The injection, which counts how often it fired.
        """
        injection = Injection(fault=fault, **conditions)
        self._faults.injections.append(injection)
        return injection

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.injections.clear()

    async def settled(self) -> None:
        """Wait until every commit delayed by a fault has been executed."""
        await self._alive.endpoint.settled()

    def _catch_up(self, store: Store) -> None:
        if self._second_writer is not None:
            self._second_writer.catch_up(store, self._clock())

    @property
    def _alive(self) -> _Running:
        if self._running is None:
            raise RuntimeError("The sandbox is not running.")
        return self._running

    def _row(self, handler: NewHandler) -> tuple[Draft, str]:
        if handler["type"] not in self._types:
            raise ValueError(f"unknown type {handler['type']!r}; pass it in extra_types")
        return to_draft(handler), self._accounts.of(handler.get("api_key", self.api_key))
