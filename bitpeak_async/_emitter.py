"""Events → hooks and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from bitpeak_async.events import Event, Hook, PaceStoreLost, PaceStoreRestored, Paused, RateChanged

T = TypeVar("T")

_LOG: Final = logging.getLogger("bitpeak_async")
_LEVELS: Final = {
    PaceStoreLost: logging.WARNING,
    PaceStoreRestored: logging.INFO,
    Paused: logging.INFO,
    RateChanged: logging.INFO,
}
_HARMLESS: Final = frozenset(
    {
        "cf-ray",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "retry-after",
        "retry-after-ms",
        "server",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    }
)


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may be shown, by lower-case name."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in _HARMLESS}


def notify(listener: Callable[[T], object], subject: T) -> None:
    """Call a listener. What it raises is logged only: it must not fail a request half-way."""
    try:
        listener(subject)
    except Exception:  # noqa: BLE001 - whatever it raises, it is not the request's
        name = getattr(listener, "__qualname__", type(listener).__qualname__)
        _LOG.exception("%s failed on %s", name, type(subject).__name__)


class Emitter:
    """Hands each event to the log and to every hook."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)

    @property
    def wanted(self) -> bool:
        """Whether anybody listens to the events of each request; making them costs time."""
        return bool(self._hooks) or _LOG.isEnabledFor(logging.DEBUG)

    def __call__(self, event: Event) -> None:
        """Tell everybody."""
        _LOG.log(_LEVELS.get(type(event), logging.DEBUG), "%s", event)
        for hook in self._hooks:
            notify(hook, event)
