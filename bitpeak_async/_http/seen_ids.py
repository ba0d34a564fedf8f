"""A set of ids for lists of any length."""

from __future__ import annotations

from collections.abc import Iterable

from bitpeak_async.records import NotificationHandler, Page


class SeenIds:
    """A set of ids that takes about one bit per id if they are dense."""

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}

    def add(self, number: int) -> bool:
        """Add an id; return whether it is new."""
        return bool(self.add_all((number,)))

    def add_all(self, numbers: Iterable[int]) -> list[int]:
        """Add ids; return the new ones, each once."""
        blocks, new = self._blocks, []
        for number in numbers:
            block, bit = number >> 10, 1 << (number & 1023)
            bits = blocks.get(block, 0)
            if not bits & bit:
                blocks[block] = bits | bit
                new.append(number)
        return new

    def __contains__(self, number: int) -> bool:
        return bool(self._blocks.get(number >> 10, 0) & 1 << (number & 1023))


def ids_of(page: Page[NotificationHandler]) -> list[int]:
    """Return the ids in a page, also of handlers that cannot be read."""
    ids = [handler.id for handler in page.data]
    ids += [each.id for each in page.unreadable if each.id is not None]
    return ids
