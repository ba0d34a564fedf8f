"""A fleet on many processes and machines with Dask; needs the extra ``dask``."""

from __future__ import annotations

from bitpeak_async.errors import ConfigurationError

try:
    import distributed  # noqa: F401 - to see whether it is installed
except ModuleNotFoundError as _error:
    raise ConfigurationError(
        "a fleet on Dask needs distributed: install bitpeak_async[dask]"
    ) from _error

from bitpeak_async.fleet.dask.fleet import DaskFleet

__all__ = ["DaskFleet"]
