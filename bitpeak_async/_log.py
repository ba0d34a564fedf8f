"""The log on stderr, one readable line per event; ``BITPEAK_LOG`` switches it on."""

from __future__ import annotations

import copy
import logging
import os
import re
from typing import Any, Final

from attrs import AttrsInstance, fields, has

from bitpeak_async.errors import ConfigurationError

_LOG: Final = logging.getLogger("bitpeak_async")
_NEW_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_NOT_SHOWN: Final = frozenset({"operation", "base_url", "attempt_id", "headers"})


def log_to_stderr(level: str | None = None) -> None:
    """Log to stderr, or to the handlers that the application has already configured.

    Args:
        level: ``"debug"`` or ``"info"``; by default the variable ``BITPEAK_LOG``. Without either,
            nothing changes.

    Raises:
        ConfigurationError: another level.
    """
    level = os.environ.get("BITPEAK_LOG") if level is None else level
    if not level:
        return
    if level.lower() not in {"debug", "info"}:
        raise ConfigurationError(f"BITPEAK_LOG must be debug or info, not {level!r}")
    if not _LOG.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(EventFormatter("%(asctime)s %(levelname)-7s %(message)s"))
        _LOG.addHandler(handler)
    _LOG.setLevel(level.upper())


class EventFormatter(logging.Formatter):
    """Writes an event as ``operation: what happened name=value …``, and escapes line breaks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, and its traceback if it has one."""
        shown = copy.copy(record)
        event: Any = record.args[0] if isinstance(record.args, tuple) and record.args else None
        text = _line(event) if has(type(event)) else record.getMessage()
        shown.msg = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
        shown.args = ()
        return super().format(shown)


def _line(event: AttrsInstance) -> str:
    what = _NEW_WORD.sub(" ", type(event).__name__).lower()
    names = [each.name for each in fields(type(event)) if each.name not in _NOT_SHOWN]
    values = "".join(f" {name}={_value(getattr(event, name))}" for name in names)
    operation = getattr(event, "operation", None)
    return f"{operation}: {what}{values}" if operation else f"{what}{values}"


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
