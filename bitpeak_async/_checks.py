"""Check single arguments; a ConfigurationError describes a valid value."""

from __future__ import annotations

import inspect
import math
import re
from operator import index
from typing import Any, Final

from bitpeak_async.errors import ConfigurationError

_APP_INFO: Final = re.compile(r"[!-~]+(?: [!-~]+)*")


def as_int(value: Any) -> int | None:
    """Return a whole number of any type, such as numpy's, as an int; else None."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    try:
        return index(value)
    except TypeError:  # an array, or numpy's booleans
        return None


def as_bool(value: object) -> bool | None:
    """Return True or False of any type, such as numpy's, as a bool; else None."""
    kind = type(value)
    is_numpy = kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")
    return bool(value) if is_numpy or isinstance(value, bool) else None


def check_number(
    argument: str, value: Any, low: float, *, above: bool = False, integer: bool = False
) -> None:
    """Raise ConfigurationError unless a value is a finite number ≥ (or >) ``low``."""
    fits = (as_int(value) is not None or (isinstance(value, float) and not integer)) and _is_finite(
        value
    )
    if not fits or value < low or (above and value == low):
        noun = "a whole number" if integer else "a number"
        bound = f"above {low:g}" if above else f"of at least {low:g}"
        raise ConfigurationError(f"{argument} must be {noun} {bound}, not {shown(value)}")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer too large for a float
        return False


def shown(value: object) -> str:
    """Return an argument in a form for messages."""
    # Python refuses to print integers with thousands of digits.
    is_large = isinstance(value, int) and value.bit_length() > 1024
    return "one that large" if is_large else repr(value)


def check_app_info(value: object) -> None:
    """Raise ConfigurationError unless a value is None or may begin a user agent."""
    if value is not None and not (isinstance(value, str) and _APP_INFO.fullmatch(value)):
        raise ConfigurationError('app_info must be a name such as "acme-bot/2.1", in ASCII')


def check_flag(argument: str, value: object) -> None:
    """Raise ConfigurationError unless a value is True or False; the text "no" would be true."""
    if as_bool(value) is None:
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
