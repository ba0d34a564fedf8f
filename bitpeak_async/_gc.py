"""Pause the garbage collector for work that creates many objects and no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the collector for a block that awaits nothing.

    Thousands of new objects would trigger it several times, and each time it would traverse all
    living objects. In a process with a large heap this takes most of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
