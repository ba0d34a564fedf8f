"""A Dask cluster, given or embedded, whose processes all have the same versions."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from distributed import Client, LocalCluster

from bitpeak_async.errors import ConfigurationError

# A worker does as many jobs at once as it has threads, though coroutines leave those idle.
_JOBS: Final = 64
_MUST_MATCH: Final = ("bitpeak_async", "dask", "distributed")
_NAMED: Final = 3  # processes that one error names


@asynccontextmanager
async def connected(
    scheduler: str | None, workers: int | None, patience: float
) -> AsyncGenerator[Client, None]:
    """Yield a client of the scheduler, or of a cluster of processes that ends with the client.

    Raises:
        ConfigurationError: the scheduler cannot be reached, has no workers, or some process of
            the cluster has other versions than this one.
    """
    async with AsyncExitStack() as stack:
        address = scheduler
        if address is None:
            # Any: what their methods return depends on ``asynchronous``.
            cluster: Any = LocalCluster(
                n_workers=workers,
                threads_per_worker=_JOBS,
                processes=True,
                asynchronous=True,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.WARNING,
            )
            await stack.enter_async_context(cluster)
            address = str(cluster.scheduler_address)
        client = await _reached(address, patience)
        stack.push_async_callback(client.close)
        await _check(client, address, patience)
        yield client


async def _reached(scheduler: str, patience: float) -> Any:
    """Return a client of the scheduler."""
    client: Any = Client(scheduler, asynchronous=True, timeout=patience, set_as_default=False)
    try:
        return await client
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        reason = str(error).strip() or type(error).__name__
    await client.close()
    raise ConfigurationError(f"no Dask scheduler answers at {scheduler}: {reason}")


async def _check(client: Any, scheduler: str, patience: float) -> None:
    """Raise ConfigurationError unless there are workers, and the same versions everywhere."""
    try:
        await client.wait_for_workers(1, timeout=patience)
    except TimeoutError:
        raise ConfigurationError(
            f"the Dask scheduler at {scheduler} has no workers after {patience:g} seconds"
        ) from None
    found = await client.get_versions(packages=["bitpeak_async"])
    own = _versions(found["client"])
    there = {"the scheduler": found["scheduler"]}
    there |= {f"worker {address}": versions for address, versions in found["workers"].items()}
    problems = [
        f"{who} has {name} {version}, not {own[name]}"
        for who, versions in there.items()
        for name, version in _versions(versions).items()
        if version != own[name]
    ]
    if problems:
        more = f"; and {len(problems) - _NAMED:,} more" if len(problems) > _NAMED else ""
        raise ConfigurationError(
            f"the versions of the Dask cluster do not match those here: "
            f"{'; '.join(problems[:_NAMED])}{more}; install the same everywhere"
        )


def _versions(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the version of all that has to be the same."""
    packages = found["packages"]
    python = ".".join(packages["python"].split(".")[:2])
    return {"python": python} | {name: packages[name] or "missing" for name in _MUST_MATCH}
