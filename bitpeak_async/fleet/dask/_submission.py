"""Jobs → tasks of Dask, a window of them at a time, and what they report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from attrs import define, field
from distributed import CancelledError as FutureCancelledError
from distributed import Client, KilledWorker

from bitpeak_async._bulk.workers import work_through
from bitpeak_async.errors import OutcomeUnknownError
from bitpeak_async.fleet.dask._tally import Tally
from bitpeak_async.fleet.dask._worker import Job, carry_out
from bitpeak_async.fleet.report import FleetCancelledError


@define(eq=False)
class Submission:
    """The tasks of one run.

    Attributes:
        client: of the cluster.
        run: the name of the run's ``WorkerFleet`` on each worker.
        tally: told what became of each job.
    """

    client: Client
    run: str
    tally: Tally
    _is_stopping: bool = field(init=False, default=False)

    async def all_of(self, jobs: Iterable[Job], window: int) -> None:
        """Have all jobs done, at most ``window`` of them known to Dask: memory stays flat.

        Raises:
            FutureCancelledError: the scheduler was lost.
            FleetCancelledError: the task was cancelled; what was begun has told how far it came.
        """
        work = asyncio.create_task(work_through(self._do, self._wanted(jobs), window))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._is_stopping = True
            # As it goes, each worker's fleet cancels its jobs, which then return.
            await self.client.unregister_worker_plugin(self.run)
            await work
            raise FleetCancelledError(self.tally.report()) from None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _wanted(self, jobs: Iterable[Job]) -> Iterator[Job]:
        for job in jobs:
            if self._is_stopping:
                return
            yield job

    async def _do(self, job: Job) -> None:
        if self.client.status != "running":  # it would be sent to the next scheduler there
            raise FutureCancelledError(job.key)
        try:
            reports = await self.client.submit(carry_out, job, key=job.key)
        except KilledWorker:
            problem = "every worker that tried it died; what was written is unknown: run again"
            self.tally.failed(job, OutcomeUnknownError(problem))
            return
        if reports is not None:
            self.tally.done(job, reports)
        elif not self._is_stopping:  # its workers know nothing of this run
            raise FutureCancelledError(job.key)
