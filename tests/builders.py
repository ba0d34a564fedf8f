"""What several test modules build."""

from collections.abc import Callable
from typing import TypeAlias

from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Retry

AT_ONCE = Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0)
Connect: TypeAlias = Callable[..., BitPeak]  # of the fixture ``connect``


def specs(count: int, prefix: str = "n") -> list[HandlerSpec]:
    """Return specs with distinct names and addresses."""
    return [HandlerSpec(f"{prefix}{i}", EmailSettings(f"{i}@example.com")) for i in range(count)]
