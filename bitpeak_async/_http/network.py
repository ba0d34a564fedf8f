"""The networks of clients: one session per client, a shared session, or the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bitpeak_async._http.lean import LeanExchange
from bitpeak_async._http.lifecycle import NewLimiter
from bitpeak_async._http.protocol import Connections, Fence, SessionOptions
from bitpeak_async._http.session import SessionExchange, abandon_session, open_session
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._secret import Secret
from bitpeak_async.errors import ClosedError

if TYPE_CHECKING:
    import aiohttp


class SessionNetwork:
    """The network of one client: the caller's session, or its own.

    Args:
        session: used and never closed; None lets the client open its own.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._session = session

    def connections(
        self, headers: Secret[Mapping[str, str]], options: SessionOptions
    ) -> Connections:
        """Return the connections of one client."""
        if (session := self._session) is None:
            return SessionConnections(headers, options)
        return SessionConnections(headers, options, lambda: session, runs_middlewares=True)

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return the function that creates the limiter of one client."""
        return limiters.make


class SharedSession:
    """The network of several clients on one session. Its creator must close it.

    Args:
        limit: requests in flight at once, of all clients together; the ``new_limiter`` of a
            subclass must enforce it.
        fence: awaited right before each write, or None.
    """

    def __init__(self, limit: int, fence: Fence | None = None) -> None:
        self.limit = limit
        self._fence = fence
        self._session: aiohttp.ClientSession | None = None

    def connections(
        self, headers: Secret[Mapping[str, str]], options: SessionOptions
    ) -> Connections:
        """Return the connections of one client."""
        return SessionConnections(headers, options, self._open, fence=self._fence)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self.limit)
        return self._session

    async def close(self) -> None:
        """Close the session. Closing twice is fine."""
        if self._session is not None:
            await self._session.close()


class SessionConnections:
    """The connections of one client over a session; see ``Connections``.

    Args:
        headers: the headers of every request.
        options: the options of every request.
        lender: returns a session that others close; None lets the client open its own.
        runs_middlewares: whether the session's own middlewares must run.
        fence: awaited right before each write, or None.
    """

    def __init__(
        self,
        headers: Secret[Mapping[str, str]],
        options: SessionOptions,
        lender: Callable[[], aiohttp.ClientSession] | None = None,
        *,
        runs_middlewares: bool = False,
        fence: Fence | None = None,
    ) -> None:
        self.can_rebind = lender is None
        self._headers = headers
        self._options = options
        self._lender = lender
        self._runs_middlewares = runs_middlewares
        self._fence = fence
        self._session: aiohttp.ClientSession | None = None
        self._exchange: SessionExchange | None = None

    @property
    def limit(self) -> int | None:
        """Requests in flight at once: never more than a borrowed session has connections."""
        if self._lender is None or (connector := self._lender().connector) is None:
            return None
        limits = filter(None, [connector.limit, connector.limit_per_host])
        return min(limits, default=None)

    def open(self, slots: int) -> SessionExchange:
        """Return an exchange for the running loop."""
        if self._lender is None:
            self._session, headers = open_session(slots, self._headers), None
        else:
            self._session, headers = self._lender(), self._headers
        if self._options.proxy.reveal() is None and not self._runs_middlewares:
            self._exchange = LeanExchange(self._session, self._options, self._headers)
        else:
            self._exchange = SessionExchange(
                self._session, self._options, headers, runs_middlewares=self._runs_middlewares
            )
        self._exchange.fence = self._fence
        return self._exchange

    def check(self) -> None:
        """Raise ClosedError if a borrowed session was closed."""
        if self._lender is not None and self._session is not None and self._session.closed:
            raise ClosedError("the session given to the client is closed")

    async def close(self) -> None:
        """Close the session if it is the client's own. Closing twice is fine."""
        if self._exchange is not None:
            self._exchange.close()
        if self._lender is None and self._session is not None:
            await self._session.close()

    def abandon(self) -> None:
        """Forget the client's own session, whose loop will not run again."""
        if self._lender is None and self._session is not None:
            abandon_session(self._session)
