"""Connects to a Dask cluster, or starts a local one, and checks that all versions match."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from distributed import Client, LocalCluster

from bitpeak_async.errors import ConfigurationError

# A worker runs one task per thread, even though coroutines leave the threads idle.
_THREADS: Final = 64
_MUST_MATCH: Final = ("bitpeak_async", "dask", "distributed")
_MAX_NAMED: Final = 3  # processes to name in one error


@asynccontextmanager
async def connected(
    scheduler: str | None, workers: int | None, timeout: float
) -> AsyncGenerator[Client, None]:
    """Yield a client of the scheduler, or of a local cluster that ends with the client.

    Args:
        scheduler: its address, or None to start a local cluster.
        workers: the number of processes to start, or None to let Dask choose.
        timeout: seconds to wait for the scheduler, and then for its first worker.

    Raises:
        ConfigurationError: the scheduler cannot be reached or has no workers, or versions in the
            cluster differ from those here.
    """
    async with AsyncExitStack() as stack:
        address = scheduler
        if address is None:
            # Any, because the return types of its methods depend on ``asynchronous``.
            cluster: Any = LocalCluster(
                n_workers=workers,
                threads_per_worker=_THREADS,
                processes=True,
                asynchronous=True,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.WARNING,
            )
            await stack.enter_async_context(cluster)
            address = str(cluster.scheduler_address)
        client = await _connect(address, timeout)
        stack.push_async_callback(client.close)
        await _check_versions(client, address, timeout)
        yield client


async def _connect(scheduler: str, timeout: float) -> Any:
    """Return a client of the scheduler."""
    client: Any = Client(scheduler, asynchronous=True, timeout=timeout, set_as_default=False)
    try:
        return await client
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        reason = str(error).strip() or type(error).__name__
    await client.close()
    raise ConfigurationError(f"no Dask scheduler answers at {scheduler}: {reason}")


async def _check_versions(client: Any, scheduler: str, timeout: float) -> None:
    """Raise ConfigurationError unless there are workers and all versions match."""
    try:
        await client.wait_for_workers(1, timeout=timeout)
    except TimeoutError:
        raise ConfigurationError(
            f"the Dask scheduler at {scheduler} has no workers after {timeout:g} seconds"
        ) from None
    found = await client.get_versions(packages=["bitpeak_async"])
    own = _versions(found["client"])
    processes = {"the scheduler": found["scheduler"]}
    processes |= {f"worker {address}": versions for address, versions in found["workers"].items()}
    problems = [
        f"{who} has {name} {version}, not {own[name]}"
        for who, versions in processes.items()
        for name, version in _versions(versions).items()
        if version != own[name]
    ]
    if problems:
        more = f"; and {len(problems) - _MAX_NAMED:,} more" if len(problems) > _MAX_NAMED else ""
        raise ConfigurationError(
            f"the versions of the Dask cluster do not match those of this process: "
            f"{'; '.join(problems[:_MAX_NAMED])}{more}; install the same everywhere"
        )


def _versions(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that must match."""
    packages = found["packages"]
    python = ".".join(packages["python"].split(".")[:2])
    return {"python": python} | {name: packages[name] or "missing" for name in _MUST_MATCH}
