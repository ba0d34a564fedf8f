"""Prove that pages read one after another show the whole list, even if the list changes.

Every reply shows a stretch of the list at one instant. Two methods can prove that the stretches are
complete.

Counting: if ids rise or fall along the list, one page shows the newest id and the total at the same
instant. This is page 1 of a list with the newest first, and otherwise the last page. New handlers
get higher ids. So once ``total`` handlers up to the newest id were seen since that instant, none
was missed, even if others were created. Without deletions this takes one pass.

Joining: a deletion moves later handlers forward, and some may move from an unread page to a page
that was already read. If a handler was created as well, the count does not reveal this. Pages
cannot overlap, because all page sizes divide 1,000. So if ids jump, the list is read again, and the
stretches of all passes are joined: where they overlap, where no id fits between them, and where the
order of the reads rules out a missed handler (see ``_nothing_between``). The list is complete when
the stretches cover it from end to end. Two passes nearly always suffice; after that, only the pages
next to the gaps are read.

A list in another order, such as by name, is complete when a second pass finds nothing new. No list
is complete while the server promises more handlers than were seen.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final, TypeAlias

from attrs import evolve, frozen

from bitpeak_async._http.seen_ids import SeenIds, ids_of
from bitpeak_async.errors import ReplyError
from bitpeak_async.records import NotificationHandler, Page

HandlerPage: TypeAlias = Page[NotificationHandler]

_SHORT: Final = 2  # passes in a row that find nothing new, although more handlers are promised
_RESTLESS: Final = 8  # passes in a row that find nothing new, although gaps remain


@frozen
class _Stretch:
    """The part of the list that one reply showed.

    Attributes:
        first: the id of its first handler; negative if ids fall, so that it grows along the list.
        last: the id of its last handler, with the same sign.
        moment: reads with the same moment overlap in time; a later moment began after they ended.
        is_full: whether its last handler is the last of a full page.
        total: handlers in the list at that instant, if known.
        newest: the newest id when the pass began.
    """

    first: float
    last: float
    moment: int
    is_full: bool
    total: int | None
    newest: int | None


class Coverage:
    """Knowledge of a list from the pages read so far.

    Attributes:
        last: the number of the last page that this pass must read.
        passes: passes started.
    """

    def __init__(self) -> None:
        self.passes = 0
        self.last = 1
        self._order: int | None = 0  # 1: ids rise; -1: they fall; None: neither; 0: not yet known
        self._size = 1
        self._moment = self._begun = 0
        self._seen = self._in_pass = SeenIds()
        self._seen_count = 0
        self._unnamed = 0  # handlers without a readable id, in this pass
        self._highest = 0  # id, of the first pass
        self._stretches: defaultdict[int, list[_Stretch]] = defaultdict(list)
        self._fruitless = 0
        self._nearby: set[int] | None = None  # pages next to the gaps; None for all
        self._read: set[int] = set()

    @property
    def is_oldest_first(self) -> bool:
        """Whether ids rise along the list."""
        return self._order == 1

    def begin(self, page: HandlerPage) -> HandlerPage:
        """Start a pass with page 1; return the page with only the new handlers."""
        self.passes += 1
        self._moment += 1
        rows, total = _rows(page), page.meta.total
        # The page itself shows the size: meta may only repeat the requested one.
        is_all = total is not None and total <= rows
        self._size = max(1, page.meta.results_per_page if is_all or not rows else rows)
        self.last = self._pages(page)
        self._is_gappy = self._found_old = False
        self._begun = self._moment
        self._read = {1}
        self._end = 0
        self._note_order(page)
        self._anchor(page.data[:1], total)
        shown = self.see(1, page)
        self._moment += 1
        return shown

    def begin_at_end(self, page: HandlerPage) -> HandlerPage:
        """Count from the last page, if ids rise; return it like ``begin``."""
        number, total = self.last, page.meta.total
        if not _rows(page):
            total = self._promised  # the list became shorter, or was never that long
        elif total is None or total > number * self._size:  # the list grew: count up to this page
            total = (number - 1) * self._size + _rows(page)
        self._anchor(page.data[-1:], total)
        shown = self.see(number, page)
        self.last = max(number, self._pages(page))
        self._read = {number}
        self._end = number
        self._moment += 1
        return shown

    def _anchor(self, newest: tuple[NotificationHandler, ...], promised: int | None) -> None:
        self._newest = newest[0].id if newest and self._order else None
        self._promised = promised
        if self._moment > 1:
            self._in_pass = SeenIds()
        self._counted = self._unnamed = 0

    def see(self, number: int, page: HandlerPage) -> HandlerPage:
        """Record a page; return it with only the new handlers.

        Raises:
            ReplyError: the server sent another page.
        """
        if page.meta.page != number:
            raise ReplyError(
                f"list notification handlers: asked for page {number} and got page "
                f"{page.meta.page}",
                status=200,
                path="$.meta.page",
            )
        self._note_order(page)
        self._note_stretch(number, page)
        rows = _rows(page)
        is_open = page.meta.total is None
        self._is_gappy |= is_open and number < self.last and rows < self._size
        ids = ids_of(page)
        unnamed = rows - len(ids)
        self._unnamed += unnamed
        fresh = self._seen.add_all(ids)
        self._seen_count += len(fresh)
        if self.passes == 1:
            self._highest = max(self._highest, *ids) if ids else self._highest
        else:
            self._found_old |= any(each <= self._highest for each in fresh)
        counted = fresh if self._in_pass is self._seen else self._in_pass.add_all(ids)
        newest = self._newest
        self._counted += unnamed + sum(newest is None or each <= newest for each in counted)
        if len(fresh) == rows:
            return page
        return _only(page, fresh, is_first_pass=self.passes == 1)

    def needs(self, number: int) -> bool:
        """Whether this pass must still read a page."""
        return number not in self._read and (self._nearby is None or number in self._nearby)

    def follow(self, page: HandlerPage) -> None:
        """Extend the pass if the list grew, because new handlers push others to later pages."""
        if not self._end:  # else new handlers are at the end, and the pass might never finish
            self.last = max(self.last, self._pages(page))

    @property
    def is_whole(self) -> bool:
        """Whether all handlers that existed the whole time were seen."""
        promised = self._promised
        if promised is not None and (self._order or self.last == 1) and self._counted >= promised:
            return True
        if promised is not None and self._seen_count + self._unnamed < promised:
            return False
        if self._order and promised is not None:
            return not self._gaps()
        return self.passes > 1 and not self._found_old and not self._is_gappy

    def check_progress(self) -> None:
        """Allow another pass.

        Raises:
            ReplyError: several passes found nothing new.
        """
        self._fruitless = 0 if self._found_old or self.passes == 1 else self._fruitless + 1
        is_partial = self._order == -1 and self.passes % 6 > 1  # after two passes
        self._nearby = (is_partial and self._next_to_gaps()) or None
        shown, promised = self._seen_count + self._unnamed, self._promised
        if promised is not None and shown < promised and self._fruitless >= _SHORT:
            problem = f"{promised} promised, {shown} shown"
        elif self._fruitless >= _RESTLESS or (self._is_gappy and self._fruitless >= _SHORT):
            problem = f"{shown} shown"
        else:
            return
        raise ReplyError(
            f"list notification handlers: {problem}: in {self.passes} passes the pages never "
            f"showed the whole list",
            status=200,
            path="$.meta.total",
        )

    def _pages(self, page: HandlerPage) -> int:
        total = page.meta.total or 0
        return max(1, page.meta.total_pages, -(-total // self._size))

    def _note_order(self, page: HandlerPage) -> None:
        ids = [handler.id for handler in page.data]
        if len(ids) > 1 and self._order is not None:
            rising = sorted(ids)
            order = 1 if ids == rising else -1 if ids == rising[::-1] else None
            self._order = order if self._order in (0, order) else None

    def _note_stretch(self, number: int, page: HandlerPage) -> None:
        if not self._order:
            return
        total, order = page.meta.total, self._order
        is_full = _rows(page) >= self._size
        is_end = number >= self.last if order == 1 else number * self._size >= (total or math.inf)
        keys = [order * handler.id for handler in (*page.data[:1], *page.data[-1:])]
        first, last = keys or (math.inf, math.inf)
        first = -math.inf if number == 1 else first
        last = math.inf if is_end else last
        wrong = [read for read in self._stretches.get(number - 1, ())[-1:] if last < read.last]
        wrong += [read for read in self._stretches.get(number + 1, ())[-1:] if first > read.first]
        if any(read.moment >= self._begun for read in wrong):
            self._order = None  # ids rise or fall only within pages
            return
        stretch = _Stretch(first, last, self._moment, is_full, total, self._newest)
        self._stretches[number].append(stretch)

    def _next_to_gaps(self) -> set[int]:
        gaps = self._gaps()
        befores, afters = {first for first, _ in gaps}, {last for _, last in gaps}
        return {
            each
            for number, reads in self._stretches.items()
            for read in reads
            for each in (number - 1, number, number + 1)
            if (each >= number and read.last in befores)
            or (each <= number and read.first in afters)
        }

    def _gaps(self) -> list[tuple[float, float]]:
        """Return the gaps in which a handler may be missing, as the ids on either side."""
        spans: list[tuple[float, float]] = []
        for number, reads in self._stretches.items():
            after = self._stretches.get(number + 1, ())
            for left in reads:
                spans.append((left.first, left.last))
                spans += [
                    (left.last, right.first)
                    for right in after
                    if self._nothing_between(left, right)
                ]
        gaps: list[tuple[float, float]] = []
        end = -math.inf
        for first, last in [*sorted(spans), (math.inf, math.inf)]:
            if first > end + 1:
                gaps.append((end, first))
            end = max(end, last)
        return gaps

    def _nothing_between(self, left: _Stretch, right: _Stretch) -> bool:
        """Return whether no handler can be missing between page n and page n + 1.

        Rule 1: page n was read later, and handlers only move forward. Then a handler that had left
        page n + 1 was on page n or before. Handlers only move forward if ids rise, or if ids fall
        and nothing is created.

        Rule 2: page n + 1 was read later, and ids fall. A handler's position from the end never
        grows, so at most as many handlers are missing as the total fell by.
        """
        if not left.is_full:
            return False
        if left.moment > right.moment:
            none_created = left.moment <= self._begun and right.newest == self._newest
            return self._order == 1 or none_created
        if right.moment > left.moment and self._order == -1:
            return (right.total or 0) >= (left.total or 0)
        return False


def _rows(page: HandlerPage) -> int:
    return len(page.data) + len(page.unreadable)


def _only(page: HandlerPage, ids: list[int], *, is_first_pass: bool) -> HandlerPage:
    """Return a page with these handlers, each once."""
    left: dict[int | None, bool] = dict.fromkeys(ids, True)
    data = tuple([handler for handler in page.data if left.pop(handler.id, False)])
    unreadable = [
        each for each in page.unreadable if left.pop(each.id, is_first_pass and each.id is None)
    ]
    return evolve(page, data=data, unreadable=tuple(unreadable))
