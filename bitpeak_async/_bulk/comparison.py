"""Whether settings that were seen can be the ones desired: servers hide secrets, or mask them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bitpeak_async._http.form import settings_fields
from bitpeak_async.settings import WIRE_FIELDS, Settings

_MASK: Final = re.compile(r"[*•●]{3,}|…|\.{3,}")


def is_masked(secret: str) -> bool:
    """Return whether a secret that was seen is what a server shows instead of it."""
    return _MASK.search(secret) is not None


def differences(desired: Settings, seen: Settings) -> Iterator[str]:
    """Yield ``"type"``, or ``"settings.<wire name>"`` for each field that cannot be the same."""
    if desired.type != seen.type:
        yield "type"
    elif desired != seen:
        values = settings_fields(seen)
        for name, value in settings_fields(desired).items():
            wire = WIRE_FIELDS.get(name)
            may_be_masked = wire is None or wire.secret
            if not _agrees(value, values.get(name), may_be_masked=may_be_masked):
                yield f"settings.{name}"


def _agrees(desired: str, seen: object, *, may_be_masked: bool) -> bool:
    """Compare what is shown: nothing of a field not returned, both ends of a masked one."""
    text = "" if seen is None else str(seen)
    if text in ("", desired):
        return True
    masked = _MASK.search(text) if may_be_masked else None
    if masked is None:
        return False
    return desired.startswith(text[: masked.start()]) and desired.endswith(text[masked.end() :])
