"""The aiohttp session as requests of this SDK need it; several transports may share one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp

from bitpeak_async._rate.controller import RateController
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import Link

# Common servers drop an idle connection after 5 s at the earliest. A create that meets one just
# dropped has an unknown outcome, so ours are dropped before.
_KEEPALIVE: Final = 4.0


def open_session(limit: int, headers: Mapping[str, str] | None = None) -> aiohttp.ClientSession:
    """Return a session of the running loop that keeps no cookies.

    Args:
        limit: connections at once. Never fewer than requests: the timeout of one that waits for
            a connection would be running already.
        headers: of every request; None where each brings its own.
    """
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=_KEEPALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Connections:
    """One session for several transports; whoever made it closes it.

    Args:
        limit: requests at once, of all transports together; ``gate`` has to see to it.

    Attributes:
        link: to the pace store of all transports, or None.
    """

    link: Link | None = None

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """Return the session, made on first use, in the loop that uses it."""
        if self._session is None:
            self._session = open_session(self.limit)
        return self._session

    def gate(self, pacer: RateController, slots: int) -> Limiter:
        """Return what a transport's requests have to pass before they take a connection."""
        return Limiter(pacer, slots)

    async def close(self) -> None:
        """Close the session. Closing twice is fine."""
        if self._session is not None:
            await self._session.close()
