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
    fits = isinstance(value, kind) and not isinstance(value, bool) and _is_finite(value)
    if not fits or value < low or (above and value == low):
        noun = "a whole number" if integer else "a number"
        bound = f"above {low:g}" if above else f"of at least {low:g}"
        raise ConfigurationError(f"{argument} must be {noun} {bound}, not {_shown(value)}")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that no float can hold
        return False


def _shown(value: object) -> str:
    # Python refuses to write whole numbers of thousands of digits.
    is_large = isinstance(value, int) and value.bit_length() > 1024
    return "one that large" if is_large else repr(value)


def check_flag(argument: str, value: object) -> None:
    """Raise ConfigurationError unless a value is True or False: "no" would count as true."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{argument} must be True or False, not {value!r}")


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
