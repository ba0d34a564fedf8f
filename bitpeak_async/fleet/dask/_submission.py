"""Submits tasks to Dask, a limited number at a time, and collects their reports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress

from attrs import define, field
from distributed import CancelledError as FutureCancelledError
from distributed import Client, KilledWorker

from bitpeak_async._bulk.workers import work_through
from bitpeak_async.errors import OutcomeUnknownError
from bitpeak_async.fleet._tally import Tally
from bitpeak_async.fleet.dask._tasks import AccountTask
from bitpeak_async.fleet.dask._worker import run_task


async def end_run(client: Client, run: str) -> None:
    """Remove the plugin of a run from the workers, if the scheduler can be reached."""
    if client.status == "running":  # a closed client has no scheduler
        # The scheduler is lost, the client has since closed, or the plugin is gone.
        with suppress(AttributeError, OSError, RuntimeError, ValueError):
            await client.unregister_worker_plugin(run)


@define(eq=False)
class Submission:
    """The tasks of one run.

    Attributes:
        client: a client of the cluster.
        run: the name of the run's ``FleetPlugin`` on each worker.
        tally: collects the reports.
    """

    client: Client
    run: str
    tally: Tally
    _is_stopping: bool = field(init=False, default=False)

    async def run_all(self, tasks: Iterable[AccountTask], window: int) -> None:
        """Run all tasks, at most ``window`` of them at a time, so that memory stays flat.

        Raises:
            FutureCancelledError: the scheduler was lost.
            asyncio.CancelledError: this was cancelled; ``tally`` has all accounts that had started.
        """
        work = asyncio.create_task(work_through(self._submit, self._until_stopped(tasks), window))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._is_stopping = True
            # Each worker's plugin then cancels its tasks, and they return partial reports.
            await end_run(self.client, self.run)
            # The client may be closed by now, but a cancelled run ends as cancelled.
            await asyncio.gather(work, return_exceptions=True)
            raise
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _until_stopped(self, tasks: Iterable[AccountTask]) -> Iterator[AccountTask]:
        for task in tasks:
            if self._is_stopping:
                return
            yield task

    async def _submit(self, task: AccountTask) -> None:
        if self.client.status != "running":  # a new scheduler at this address would get the task
            raise FutureCancelledError(task.key)
        try:
            reports = await self.client.submit(run_task, task, key=task.key)
        except KilledWorker:
            problem = "every worker that tried it died, and may have written; run again"
            for account in task.accounts:
                error = OutcomeUnknownError(problem)
                self.tally.add_error(account.name, error, parts=task.shards)
            return
        if reports is not None:
            for report in reports:
                self.tally.add(report, parts=task.shards)
        elif not self._is_stopping:  # the worker no longer has the run's plugin
            raise FutureCancelledError(task.key)
