"""Checks of single arguments: a usable value, or a ConfigurationError that says what would be."""

from __future__ import annotations

import inspect
import math
from typing import Any

from bitpeak_async.errors import ConfigurationError


def check_number(
    argument: str, value: Any, low: float, *, above: bool = False, integer: bool = False
) -> None:
    """Raise ConfigurationError unless a value is a finite number ≥ (or >) ``low``."""
    kind = int if integer else (int, float)
    fits = isinstance(value, kind) and not isinstance(value, bool) and abs(value) < math.inf
    if not fits or value < low or (above and value == low):
        noun = "a whole number" if integer else "a number"
        bound = f"above {low:g}" if above else f"of at least {low:g}"
        raise ConfigurationError(f"{argument} must be {noun} {bound}, not {value!r}")


def check_type(argument: str, value: object, cls: type[Any]) -> None:
    """Raise ConfigurationError unless a value is an instance of a class."""
    if not isinstance(value, cls):
        raise ConfigurationError(
            f"{argument} must be a {cls.__module__.partition('.')[0]} {cls.__name__}, "
            f"not {type(value).__name__}"
        )


def check_listener(argument: str, listener: object, takes: str = "one argument") -> None:
    """Raise ConfigurationError unless a listener is None or a plain function."""
    if listener is None or (callable(listener) and not inspect.iscoroutinefunction(listener)):
        return
    kind = "a coroutine function" if callable(listener) else type(listener).__name__
    raise ConfigurationError(f"{argument} must be a plain function of {takes}, not {kind}")
