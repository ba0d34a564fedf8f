"""A Dask cluster of real processes, each of which can be killed; its logs are kept."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

SCHEDULER = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
WORKER = [sys.executable, "-P", "-m", "distributed.cli.dask_worker", "--no-nanny"]


class DaskCluster:
    """A scheduler and workers.

    Args:
        folder: for their logs.
        environ: of the workers, beside the usual.
    """

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start_scheduler("0", "0")
        self.address = self._log_of("scheduler", r"Scheduler at:\s+(tcp://\S+)")
        self.dashboard = self._log_of("scheduler", r"dashboard at:\s+(http://\S+)/status")

    def start_scheduler(self, port: str, dashboard: str) -> None:
        address = f"127.0.0.1:{dashboard}"
        self._start("scheduler", [*SCHEDULER, "--port", port, "--dashboard-address", address])

    def restart_scheduler(self) -> None:
        """End it without a word, and start another at its address."""
        self.kill("scheduler")
        self.start_scheduler(self.address.rpartition(":")[2], self.dashboard.rpartition(":")[2])

    def add_worker(self, name: str, nthreads: int = 8, **environ: str) -> None:
        command = [*WORKER, self.address, "--name", name, "--nthreads", str(nthreads)]
        command += ["--dashboard-address", "127.0.0.1:0", "--death-timeout", "10"]
        command += ["--local-directory", str(self.folder)]
        self._start(name, command, environ)
        self._log_of(name, "Registered to")

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def pause(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def close(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def page(self, path: str) -> str:
        """Return a page of the scheduler's dashboard."""
        try:
            with urlopen(f"{self.dashboard}/{path}") as reply:
                return reply.read().decode()
        except HTTPError as error:
            pytest.fail(f"{path}: {error}")

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, command: list[str], environ: dict[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _log_of(self, name: str, pattern: str) -> str:
        deadline = time.monotonic() + 30
        log = self.folder / f"{name}.log"
        while (found := re.search(pattern, log.read_text())) is None:
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                pytest.fail(f"{name} did not start: {log.read_text()}")
            time.sleep(0.02)
        return found[found.re.groups]


def cluster_of(folder: Path, environ: dict[str, str], workers: int = 3) -> Iterator[DaskCluster]:
    cluster = DaskCluster(folder, environ)
    try:
        for number in range(workers):
            cluster.add_worker(f"worker-{number}")
        yield cluster
    finally:
        cluster.close()


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for what happens in another process or thread."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nothing here could tell
            await asyncio.sleep(0.01)
