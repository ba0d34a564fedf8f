"""aioresponses on aiohttp ≥ 3.14, in one place.

aioresponses 0.7.9 does not pass ``stream_writer``, which ``ClientResponse`` requires since 3.14:
https://github.com/pnuckowski/aioresponses/issues
"""

from typing import Any
from unittest.mock import Mock

import aiohttp
from aioresponses import aioresponses as _aioresponses


class _Response(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class aioresponses(_aioresponses):  # noqa: N801 - it stands in for the one of this name
    """Use like the original: ``with aioresponses() as mocked: mocked.get(url, payload=…)``."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("response_class", _Response)
        super().add(*args, **kwargs)
