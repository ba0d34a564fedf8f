"""Choose which idle connections the next request may use.

Servers and proxies drop idle connections without notice, some after 0.1 s, some after each reply. A
create on a connection that was just dropped has an unknown outcome. So creates use a connection
that was used very recently, or a new one. Other requests are simply sent again.

aiohttp has no public way to choose. If a connector has no pool ``_conns``, nothing is checked.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections import deque
from collections.abc import Hashable, Iterable
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

# Seconds. A server that closes after each reply does so within this time.
_EVIDENCE: Final = 0.02
# Ask the operating system again only once a connection survived this many times as long, because
# asking costs a system call.
_GROWTH: Final = 1.5
# Connector → destination → the longest idle time that a connection survived, in seconds.
_SURVIVED: Final[WeakKeyDictionary[Any, dict[Hashable, float]]] = WeakKeyDictionary()

_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)  # Windows has none


class IdleConnections:
    """The idle connections of a connector.

    Args:
        connector: aiohttp's connector; clients that share it also share what was learnt.
    """

    def __init__(self, connector: Any) -> None:
        self._connector = connector
        self._survived = _SURVIVED.setdefault(connector, {}) if connector is not None else {}

    @property
    def _pool(self) -> dict[Hashable, deque[tuple[Any, float]]]:
        return getattr(self._connector, "_conns", {})  # not cached, because aiohttp replaces it

    def _has_room(self, key: Hashable) -> bool:
        """Return whether a request can get a connection at once."""
        available = getattr(self._connector, "_available_connections", None)
        return available is None or available(key) > 0

    def close_unasked(self) -> None:
        """Close idle connections on which an unsolicited reply arrived.

        aiohttp would return it as the reply to the next request, such as a create that is then
        lost.
        """
        for idle in self._pool.values():
            for protocol, _ in idle:
                if protocol.should_close:
                    protocol.close()  # the connector skips closed connections

    def choose(self, key: Hashable) -> None:
        """Keep the next request to a destination away from a connection that may be dropped.

        It gets the connection used last, if that has been idle for at most half of the longest time
        that any survived, and otherwise a new one.
        """
        idle = self._pool.get(key)
        while idle and not idle[0][0].is_connected():
            idle.popleft()
            self._survived.pop(key, None)
        if not idle:
            return
        now = monotonic()
        survived = self._survived.get(key, 0.0)
        # Only two, because checking all would cost more than the request.
        (oldest, since), (newest, used) = idle[0], idle[-1]
        if not newest.is_connected():
            survived = 0.0
        elif now - since > max(_GROWTH * survived, _EVIDENCE) and _is_quiet(oldest):
            survived = now - since
        self._survived[key] = survived
        if now - used <= survived / 2:
            idle.rotate(1)  # aiohttp takes the first
            return
        withheld = [*idle]
        idle.clear()
        if self._has_room(key):
            asyncio.get_running_loop().call_soon(self._put_back, key, withheld)
        else:  # they would be back when the request has waited for a slot
            _close(withheld)

    def _put_back(self, key: Hashable, withheld: list[tuple[Any, float]]) -> None:
        """Return connections to the pool, no more than the connector can use at once.

        The oldest come first, because they show what survives.
        """
        room = 0
        alive = [each for each in withheld if each[0].is_connected()]
        if not self._connector.closed:
            idle = self._pool[key]
            room = max(0, (self._connector.limit or sys.maxsize) - len(idle))
            idle.extendleft(reversed(alive[:room]))
        _close(alive[room:])

    def distrust(self) -> None:
        """Forget what was learnt, because the server dropped a connection in use."""
        self._survived.clear()


def _close(connections: Iterable[tuple[Any, float]]) -> None:
    for protocol, _ in connections:
        protocol.close()


def _is_quiet(protocol: Any) -> bool:
    """Return whether the socket has nothing to read; the event loop may lag behind it."""
    with _Selector() as selector:
        selector.register(protocol.transport.get_extra_info("socket"), selectors.EVENT_READ)
        return not selector.select(0)
