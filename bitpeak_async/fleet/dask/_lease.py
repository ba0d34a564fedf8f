"""Checks before each write that the tasks of this worker still belong to it.

If a scheduler hears nothing from a worker for ``worker-ttl``, it gives the worker's tasks to
another one. A worker that was only paused, for example by a live migration, does not notice this
when it resumes. Without a check, both workers would write.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, Final

from distributed import Scheduler, SchedulerPlugin, Worker

from bitpeak_async._http.failures import ConnectionFailedError

_MAX_LEASE: Final = 5.0  # seconds; short, because a worker loses its tasks if its connection breaks
_MIN_TTL: Final = 5.0  # seconds; schedulers wait for ten heartbeats even if the ttl is shorter
_POLL: Final = 0.2  # seconds between two requests while waiting for the next heartbeat
_PATIENCE: Final = 30.0  # seconds to wait for a lease from the scheduler


class LeasePlugin(SchedulerPlugin):
    """Lets workers ask the scheduler how long they keep their tasks."""

    name = "bitpeak-lease"
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        """Register the handler that workers call."""
        self._scheduler: Any = scheduler
        self._scheduler.handlers["bitpeak_lease"] = self.seconds_left

    def seconds_left(self, address: str) -> float | None:
        """Return how long a worker is certain to keep its tasks, or None if it has lost them."""
        worker = self._scheduler.workers.get(address)
        if worker is None:
            return None
        ttl = max(self._scheduler.worker_ttl or math.inf, _MIN_TTL)
        return float(ttl - (time.time() - worker.last_seen))


class TaskLease:
    """A worker's right to write while it is certain to keep its tasks."""

    def __init__(self, worker: Worker) -> None:
        self._worker: Any = worker
        self._ends = -math.inf
        self._is_lost = False
        self._turn = asyncio.Lock()

    async def check(self) -> None:
        """Renew the lease if it has ended.

        Raises:
            ConnectionFailedError: another worker may have this worker's tasks.
        """
        if time.monotonic() >= self._ends:
            async with self._turn:
                await self._renew()
        if self._is_lost:
            problem = "Dask may have given the task to another worker"
            raise ConnectionFailedError(problem, temporary=False)

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                while time.monotonic() >= self._ends and not self._is_lost:
                    asked = time.monotonic()
                    left = await self._worker.scheduler.bitpeak_lease(
                        address=self._worker.contact_address
                    )
                    if left is None:
                        self._is_lost = True
                    elif left > 0:
                        self._ends = asked + min(left, _MAX_LEASE)
                    else:
                        await asyncio.sleep(_POLL)  # until the next heartbeat
        except OSError:  # also a TimeoutError
            self._is_lost = True
