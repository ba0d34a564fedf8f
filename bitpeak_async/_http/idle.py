"""Idle connections: which of them the next request may use.

Servers and proxies drop idle connections without saying so, some after 0.1 s, some after each
reply. A create that meets one just dropped has an unknown outcome, so it takes one that was used
within the last moments, or a new one. Other requests are simply sent again.

aiohttp has no public way to choose: of a connector without its pool ``_conns``, nothing is checked.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Hashable
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

# A server that closes after each reply does so sooner than this many seconds after it.
_EVIDENCE: Final = 0.02
# Longest time that a connection was seen to survive idle: by connector, then by destination.
_SURVIVED: Final[WeakKeyDictionary[Any, dict[Hashable, float]]] = WeakKeyDictionary()

_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)  # Windows has none


class IdleConnections:
    """The idle connections of a connector.

    Args:
        connector: of aiohttp; clients that share one share what it taught.
    """

    def __init__(self, connector: Any) -> None:
        self._connector = connector
        self._survived = _SURVIVED.setdefault(connector, {}) if connector is not None else {}

    @property
    def _pool(self) -> dict[Hashable, deque[tuple[Any, float]]]:
        return getattr(self._connector, "_conns", {})  # it is replaced now and then

    def close_unasked(self) -> None:
        """Close idle connections on which an unsolicited reply arrived.

        aiohttp would return it as the reply to the next request, such as a create that is then
        lost.
        """
        for idle in self._pool.values():
            for protocol, _ in idle:
                if protocol.should_close:
                    protocol.close()  # the connector skips closed connections

    def withhold_old(self) -> None:
        """Let a request that starts now take none that the server may be about to drop.

        It may take those idle for at most half of the time that others have survived.
        """
        now = monotonic()
        withheld = []
        for key, idle in self._pool.items():
            survived = self._survived.get(key, 0.0)
            if idle:  # the oldest tells enough; to ask each would cost more than the request
                protocol, since = idle[0]
                if not protocol.is_connected():
                    survived = 0.0
                elif now - since > max(survived, _EVIDENCE) and _is_quiet(protocol):
                    survived = now - since
            self._survived[key] = survived
            while idle and now - idle[0][1] > survived / 2:
                withheld.append((key, *idle.popleft()))
        if withheld:
            asyncio.get_running_loop().call_soon(self._put_back, withheld)

    def _put_back(self, withheld: list[tuple[Hashable, Any, float]]) -> None:
        for key, protocol, since in reversed(withheld):
            if self._connector.closed:
                protocol.close()
            else:
                self._pool[key].appendleft((protocol, since))

    def distrust(self) -> None:
        """Trust none until others have survived: the server dropped one while it was in use."""
        self._survived.clear()


def _is_quiet(protocol: Any) -> bool:
    """Whether the operating system knows of no end, which the event loop may not have seen yet."""
    with _Selector() as selector:
        selector.register(protocol.transport.get_extra_info("socket"), selectors.EVENT_READ)
        return not selector.select(0)
