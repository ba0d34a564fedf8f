"""What several test modules build."""

import os
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Retry
from bitpeak_async.sandbox import Dialect

T = TypeVar("T")

AT_ONCE = Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0)
Connect: TypeAlias = Callable[..., BitPeak]  # of the fixture ``connect``
#: What sandboxes speak unless a test is about one dialect; ``nox -s platform`` switches it.
DIALECT: Final = {"documented": Dialect(), "platform": Dialect.platform()}[
    os.environ.get("BITPEAK_DIALECT", "documented")
]


def as_listed(*by_id: T) -> list[T]:
    """Return what is given by ascending id in the order of ``DIALECT``'s lists."""
    return list(by_id if DIALECT.order == "ascending" else reversed(by_id))


def specs(count: int, prefix: str = "n") -> list[HandlerSpec]:
    """Return specs with distinct names and addresses."""
    return [HandlerSpec(f"{prefix}{i}", EmailSettings(f"{i}@example.com")) for i in range(count)]
