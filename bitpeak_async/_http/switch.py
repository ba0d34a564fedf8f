"""Read ``is_enabled``, which PHP may write as any number or string."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from bitpeak_async._structure import kind


class Switch(Enum):
    """Whether a handler delivers alerts."""

    OFF = 0
    ON = 1
    PENDING = 2  # awaits a confirmation: neither on nor off


_WORDS: Final = {
    "": Switch.OFF,
    "false": Switch.OFF,
    "off": Switch.OFF,
    "no": Switch.OFF,
    "true": Switch.ON,
    "on": Switch.ON,
    "yes": Switch.ON,
}
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)


def switch_of(value: object) -> Switch:
    """Return the meaning of ``is_enabled``. 2 means pending; other numbers are read as in PHP.

    Raises:
        ValueError: it is not a number or a known word.
    """
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _WORDS:
            return _WORDS[word]
        if _NUMBER.fullmatch(word):
            value = float(word)
    if isinstance(value, int | float):
        return Switch.PENDING if value == 2 else Switch(int(value != 0))
    raise ValueError(f"expected a boolean, got {kind(value)}")
