"""Checks before each write that the tasks of this worker still belong to it.

A scheduler that hears nothing from a worker for ``worker-ttl`` gives its tasks to another one. A
worker that was only paused, as by a live migration or a long swap, does not notice that when it
resumes, and without a check its next writes would be made twice.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, Final

from distributed import Scheduler, SchedulerPlugin, Worker

from bitpeak_async._http.failures import ConnectionFailedError

_MAX_LEASE: Final = 5.0  # seconds; a scheduler drops a worker at once when their connection breaks
_MIN_TTL: Final = 5.0  # seconds; schedulers wait for ten heartbeats, even if the ttl is shorter
_POLL: Final = 0.2  # seconds between two questions while the next heartbeat is awaited
_PATIENCE: Final = 30.0  # seconds to wait for the scheduler to answer, or to learn of this worker


class LeasePlugin(SchedulerPlugin):
    """Lets workers ask the scheduler how long they keep their tasks."""

    name = "bitpeak-lease"
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        """Answer the workers' question."""
        self._scheduler: Any = scheduler
        self._scheduler.handlers["bitpeak_lease"] = self.seconds_left

    def seconds_left(self, address: str) -> float | None:
        """Return for how long a worker certainly keeps its tasks; None if it has lost them."""
        worker = self._scheduler.workers.get(address)
        if worker is None:
            return None
        ttl = max(self._scheduler.worker_ttl or math.inf, _MIN_TTL)
        return float(ttl - (time.time() - worker.last_seen))


class TaskLease:
    """The right of a worker to write, for as long as the scheduler certainly counts on it."""

    def __init__(self, worker: Worker) -> None:
        self._worker: Any = worker
        self._ends = -math.inf
        self._is_lost = False
        self._turn = asyncio.Lock()

    async def check(self) -> None:
        """Renew the lease if it has ended.

        Raises:
            ConnectionFailedError: another worker may have the tasks of this one.
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
                        await asyncio.sleep(_POLL)  # its next heartbeat is on the way
        except OSError:  # also a TimeoutError
            self._is_lost = True
