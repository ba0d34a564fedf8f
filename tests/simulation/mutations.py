"""Breaks the ledger and the driver on purpose, and counts the seeds until the simulation notices.

``PYTHONPATH=.:tests python -m simulation.mutations`` prints one line per mutation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from bitpeak_async._bulk import entry as entry_module
from bitpeak_async._bulk.driver import Driver
from bitpeak_async._bulk.entry import Entry, Task
from bitpeak_async._bulk.identity import Comparison, Names
from bitpeak_async._bulk.ledger import Ledger
from simulation.scene import violation_of

MOST: Final = 2000

_next_look, _keep, _created = (
    Ledger.next_look,
    Ledger._keep,
    Ledger.created,
)
_failed = Ledger.failed


def _without_settling(self: Ledger, now: float) -> float | None:
    return None if _next_look(self, now) is None else 0.0


def _keep_the_highest(self: Ledger, entry: Entry, here: list[Any]) -> None:
    _keep(self, entry, here[::-1])


def _trust_the_reply(self: Ledger, entry: Entry, handler_id: int) -> None:
    _created(self, entry, handler_id)
    if entry.todo is None:
        self._settle(entry, None)
        self.entries.pop(id(entry), None)


def _lost_is_failed(self: Ledger, entry: Entry, action: Any, error: Any, now: float) -> None:
    _failed(self, entry, action, error, now)
    if action.task is Task.CREATE:
        entry.lost = 0


def _resend_at_once(self: Ledger, entry: Entry, action: Any, error: Any, now: float) -> None:
    _failed(self, entry, action, error, now)
    if action.task is Task.CREATE and entry.is_in_doubt and entry.lost < 2:
        entry.todo = Task.CREATE


def _remove_strangers(self: Ledger, entry: Entry, here: list[Any]) -> None:
    _keep(self, entry, here)
    if not entry.is_settled:
        entry.copies = tuple(handler.id for handler in here[1:])


def _patience(self: Ledger, entry: Entry, verdict: Any) -> None:
    entry.verdict = verdict
    self._settle(entry, None)


def _names_to_the_letter(self: Names, kept: str) -> Any:
    return self._equal.get(kept)


async def _no_second_look(self: Driver, entry: Entry, handler_id: int) -> None:
    await self.handlers.delete(handler_id)
    self.ledger.removed(entry, handler_id)


def _switch_forgotten(self: Ledger, entry: Entry, handler_id: int) -> None:
    _created(self, entry, handler_id)
    entry.todo = None


def _blind(desired: Any, seen: Any) -> Comparison:
    return Comparison()


MUTATIONS: Final[dict[str, tuple[Any, str, Callable[..., Any]]]] = {
    "skip the settle time": (Ledger, "next_look", _without_settling),
    "the highest id stays": (Ledger, "_keep", _keep_the_highest),
    "trust the reply without the listing": (Ledger, "created", _trust_the_reply),
    "take a lost create for a failed one": (Ledger, "failed", _lost_is_failed),
    "send a lost create again at once": (Ledger, "failed", _resend_at_once),
    "remove what others made": (Ledger, "_keep", _remove_strangers),
    "call it done where the listing disagrees": (Ledger, "_await", _patience),
    "compare names to the letter": (Names, "_group", _names_to_the_letter),
    "remove a copy without looking again": (Driver, "_remove", _no_second_look),
    "adopt without checking settings": (entry_module, "compare", _blind),
    "forget to switch off": (Ledger, "created", _switch_forgotten),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Break one rule."""
    target, attribute, replacement = MUTATIONS[name]
    with patch.object(target, attribute, replacement):
        yield


def first_seed(name: str) -> int | None:
    """Return the first seed that notices a mutation."""
    with mutated(name):
        return next((seed for seed in range(1, MOST + 1) if violation_of(seed)), None)


def main() -> int:
    with ProcessPoolExecutor() as pool:
        found = dict(zip(MUTATIONS, pool.map(first_seed, MUTATIONS), strict=True))
    for name, seed in found.items():
        print(f"{name:42} {f'seed {seed}' if seed else f'not in {MOST} seeds'}")
    return None in found.values()


if __name__ == "__main__":
    sys.exit(main())
