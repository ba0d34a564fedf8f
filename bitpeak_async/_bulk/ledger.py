"""Decide the next actions so that each spec ends as one handler, and decide each outcome.

Pure: the driver passes in the results of requests and listings. One repeated step covers all cases:
``next_look`` → ``resolve`` → ``Entry.next_action``. It resolves lost creates, sends them again,
finds late copies, verifies, and yields to an overlapping run. Over 300 lines, because these
decisions share their state.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Container, Iterable

from attrs import define, field

from bitpeak_async._bulk import verdicts
from bitpeak_async._bulk.entry import Action, Entry, Task
from bitpeak_async._bulk.identity import Match, Names, text_key
from bitpeak_async._http.pagination import SeenIds
from bitpeak_async._http.retry import is_temporary
from bitpeak_async.errors import BitPeakError, OutcomeUnknownError, ReplyError
from bitpeak_async.options import Retry
from bitpeak_async.records import NotificationHandler


def may_pass(error: BitPeakError) -> bool:
    """Whether the same request may succeed later; a 2xx reply may have been truncated."""
    return is_temporary(error) or isinstance(error, ReplyError)


class Look:
    """The relevant handlers of one listing.

    Attributes:
        names: the handlers of each name.
        undead: ids that were deleted and are still listed.
    """

    def __init__(self, names: Names, deleted: Container[int]) -> None:
        self.names = names
        self.undead: set[int] = set()
        self._deleted = deleted

    def add(self, handler: NotificationHandler) -> None:
        self.names.add(handler)
        if handler.id in self._deleted:
            self.undead.add(handler.id)


@define(eq=False)
class Ledger:
    """The entries of one run.

    Attributes:
        retry: the delays between listings, and their number.
        is_keyed: whether a name identifies one handler. Otherwise specs may share names, and
            handlers of other programs are left alone.
        verifies: whether a listing checks every entry, or only doubtful ones.
        removes_late: whether to remove late copies of creates that seemed lost, or report them; not
            used if ``is_keyed``.
        existing: ids that existed before the run.
        entries: the entries that a listing must check.
        undead: ids that were deleted and were still listed when last seen.
        is_verified: whether a listing was read after the last request that changed something.
    """

    retry: Retry
    is_keyed: bool = True
    verifies: bool = True
    removes_late: bool = False
    existing: SeenIds = field(factory=SeenIds)
    entries: dict[int, Entry] = field(init=False, factory=dict)
    undead: set[int] = field(init=False, factory=set)
    is_verified: bool = field(init=False, default=False)
    _own: SeenIds = field(init=False, factory=SeenIds)
    _gone: set[int] = field(init=False, factory=set)
    _looks: int = field(init=False, default=0)
    _fruitless: int = field(init=False, default=0)
    _fewest: int = field(init=False, default=sys.maxsize)
    _has_progress: bool = field(init=False, default=False)

    def add(self, entry: Entry) -> Entry:
        self.entries[id(entry)] = entry
        return entry

    # Results of requests

    def is_new(self, handler_id: int) -> bool:
        """Return whether a create may have made this handler; a reply may name an older one."""
        return handler_id not in self.existing and handler_id not in self._own

    def created(self, entry: Entry, handler_id: int) -> None:
        self._own.add(handler_id)
        entry.is_checked = False
        entry.made += (handler_id,)
        entry.target = handler_id
        self._sent(entry)
        if entry.spec.is_enabled is False:  # a create cannot disable
            entry.todo = Task.WRITE

    def written(self, entry: Entry) -> None:
        self._sent(entry)

    def _sent(self, entry: Entry) -> None:
        self._has_progress = True
        self.is_verified = False
        entry.sent_to = entry.target
        entry.todo = entry.failure = None

    def removed(self, entry: Entry, handler_id: int) -> None:
        self._has_progress = True
        self.is_verified = False
        self._gone.add(handler_id)
        self.skipped(entry, handler_id)

    def skipped(self, entry: Entry, handler_id: int) -> None:
        """Note that a copy does not exist, or is not visible yet."""
        entry.copies = tuple(copy for copy in entry.copies if copy != handler_id)

    def failed(self, entry: Entry, action: Action, error: BitPeakError, now: float) -> None:
        if action.task is Task.REMOVE:
            again = self.verifies and is_temporary(error)
            (self.skipped if again else self.left)(entry, action.handler_id)
            return
        self.is_verified = False
        entry.failure = error
        entry.todo = None
        if action.task is Task.WRITE:
            entry.sent_to = entry.target
        elif isinstance(error, OutcomeUnknownError):
            entry.lost += 1
            entry.lost_at = now

    def left(self, entry: Entry, handler_id: int) -> None:
        """Note that a copy is not removed: it was changed, or its deletion failed."""
        self.skipped(entry, handler_id)
        entry.left += (handler_id,)

    def rest(self, entry: Entry) -> None:
        """Settle an entry that needs no more requests, unless a listing must check it."""
        if entry.is_settled or entry.lost or self.verifies:
            return
        error = verdicts.duplicate(entry, entry.left) if entry.left else entry.failure
        self._settle(entry, error)

    def _settle(self, entry: Entry, error: BitPeakError | None) -> None:
        entry.settle(error)
        if not self.verifies:
            self.entries.pop(id(entry), None)

    @property
    def open(self) -> list[Entry]:
        """The entries that are not settled."""
        return [entry for entry in self.entries.values() if not entry.is_settled]

    # Listings

    def next_look(self, now: float) -> float | None:
        """Return the seconds to wait before the next listing, or None to stop.

        It stops if no listing is needed, or after ``retry.attempts`` in a row without progress.
        """
        retry, left = self.retry, self.open
        if self._looks:
            has_progress = self._has_progress or len(left) < self._fewest
            self._fruitless = 0 if has_progress else self._fruitless + 1
        self._looks += 1
        self._has_progress = False
        self._fewest = min(self._fewest, len(left))
        is_needed = left or self.undead or (self.verifies and not self.is_verified)
        if not is_needed or self._fruitless >= retry.attempts:
            return None
        doubts = [entry.lost_at for entry in left if entry.is_in_doubt]
        if doubts:
            settle = retry.unknown_outcome_delay
            delay = min(settle * 2.0**self._fruitless, max(settle, retry.max_delay))
            return max(0.0, max(doubts) + delay - now)
        if any(entry.lost and not entry.is_checked for entry in left):
            return retry.duplicate_check_delay
        if self._fruitless == 0:
            return 0.0
        return min(retry.base_delay * 2.0 ** (self._fruitless - 1), retry.max_delay)

    def expect_gone(self, handler_ids: Iterable[int]) -> None:
        """Note handlers that were deleted; the next listings check that they are gone."""
        self.undead = set(handler_ids)
        self._looks = self._fruitless = 0
        self.is_verified = False

    def look(self) -> Look:
        """Return an empty look that collects the handlers of a listing."""
        return Look(Names(entry.spec.name for entry in self.entries.values()), self.undead)

    def resolve(self, look: Look) -> list[Entry]:
        """Compare the entries with a listing; return those that changed.

        Settled entries are compared too, because the report shows the last listing.
        """
        self.is_verified = True
        self._has_progress |= look.undead < self.undead
        self.undead, seen = look.undead, look.names
        entries = [*self.entries.values()]
        before = [(entry.is_settled, entry.target, entry.error) for entry in entries]
        if self.is_keyed:
            for entry in entries:
                entry.is_settled, entry.verdict = False, None
                self._resolve(entry, seen.of(entry.spec.name))
        else:
            groups = defaultdict[str, list[Entry]](list)
            for entry in entries:
                groups[text_key(entry.spec.name)].append(entry)
            have_doubts = any(entry.is_in_doubt for entry in entries)
            for group in groups.values():
                self._share(group, seen, have_doubts=have_doubts)
        return [
            entry
            for entry, known in zip(entries, before, strict=True)
            if entry.next_action() or known != (entry.is_settled, entry.target, entry.error)
        ]

    def give_up(self, cause: BitPeakError | None = None) -> list[Entry]:
        """Settle all entries with what is known, because no listing will follow."""
        left = self.open
        for entry in left:
            verdict = entry.verdict or entry.failure
            if entry.lost and not (entry.is_in_doubt or entry.is_checked):
                verdict = verdicts.unchecked(entry, cause or verdict)
            self._settle(entry, verdict)
        return left

    def interrupt(self) -> list[Entry]:
        """Settle the entries that were begun, because the run was cancelled."""
        begun = [entry for entry in self.open if entry.is_begun]
        for entry in begun:
            is_done = entry.next_action() is None and entry.target is not None
            self._settle(
                entry, entry.failure if is_done or entry.failure else verdicts.cut_off(entry)
            )
        return begun

    # If a name is a key

    @property
    def _is_last(self) -> bool:
        return self._fruitless >= self.retry.attempts - 1

    def _resolve(self, entry: Entry, match: Match) -> None:
        """Compare one entry with the handlers of its name; the lowest id represents it."""
        here = sorted((h for h in match.handlers if h.id not in self._gone), key=lambda h: h.id)
        entry.todo, entry.copies = None, ()
        if match.is_shared:
            self._settle(entry, verdicts.shared(entry, here))
        elif not here or (entry.target or here[0].id) < here[0].id:
            self._miss(entry, here)
        else:
            self._keep(entry, here)

    def _miss(self, entry: Entry, here: list[NotificationHandler]) -> None:
        """Handle a target that is not listed: never created, not yet visible, or deleted."""
        if entry.is_in_doubt:
            entry.todo = Task.CREATE
        elif entry.target is None:
            error = entry.failure or entry.conflict
            self._settle(entry, verdicts.unchecked(entry, error) if entry.lost else error)
        elif entry.failure is not None and not here:
            if may_pass(entry.failure):
                self._await(entry, entry.failure)
            else:
                self._settle(entry, entry.failure)
        elif self._is_last and here:
            self._keep(entry, here)
        else:
            self._await(entry, verdicts.missing(entry))

    def _await(self, entry: Entry, verdict: BitPeakError) -> None:
        """Wait for another listing, because replicas lag and other runs clean up.

        After the last listing, settle with ``verdict``.
        """
        entry.verdict = verdict
        if self._is_last:
            self._settle(entry, verdict)

    def _keep(self, entry: Entry, here: list[NotificationHandler]) -> None:
        keep, *others = here
        if entry.conflict and others:  # perhaps overlapping runs have not cleaned up yet
            self._await(entry, entry.conflict)
            return
        own = sum(h.id in entry.made for h in here)
        is_explained = len(here) <= entry.lost + own
        if keep.id != entry.target:
            entry.target = keep.id
            entry.failure = None
            may_be_own = is_explained and entry.may_have_made(keep)
            entry.is_adopted = not (keep.id in entry.made or may_be_own)
        entry.is_checked = True
        entry.kept_name = keep.name
        strangers = [h for h in others if h.id not in entry.made]
        entry.copies = self._removable(entry, (i for i in entry.made if i != keep.id))
        # Results of lost creates may be among the strangers. Other runs remove their own first. A
        # stranger removed here may still be another run's, so ``entry.lost`` stays as it is.
        if is_explained or 2 * self._fruitless >= self.retry.attempts - 1:
            twins = [h.id for h in strangers if entry.is_as_made(h)]
            entry.copies += self._removable(entry, twins[max(0, len(twins) - entry.lost) :])
        self._check(entry, keep, others)

    def _removable(self, entry: Entry, ids: Iterable[int]) -> tuple[int, ...]:
        return tuple(i for i in ids if i not in self._gone and i not in entry.left)

    def _check(
        self, entry: Entry, keep: NotificationHandler, others: list[NotificationHandler]
    ) -> None:
        """Compare the target with the spec; settle the entry if no action is left."""
        found = entry.compare(keep)
        is_sent = entry.sent_to == keep.id
        if not is_sent and (found.differing or found.hidden):
            entry.todo = Task.WRITE
        elif found.differing:
            if entry.failure is None:
                self._await(entry, verdicts.kept_otherwise(entry, found.differing))
            elif may_pass(entry.failure):
                self._await(entry, entry.failure)
                if not entry.is_settled:
                    entry.todo = Task.WRITE
            else:
                self._settle(entry, entry.failure)
        elif others:
            verdict = verdicts.duplicate(entry, [h.id for h in others])
            if entry.copies:
                entry.verdict = verdict
            else:
                self._await(entry, verdict)
        elif entry.copies and not self._is_last:
            pass  # created, but not listed yet
        else:
            # If a secret is hidden, the listing cannot show whether a failed write arrived.
            self._settle(entry, entry.failure if found.hidden else None)

    # If names may repeat

    def _share(self, entries: list[Entry], seen: Names, *, have_doubts: bool) -> None:
        """Match new handlers of one name to creates whose reply was lost."""
        names = dict.fromkeys(entry.spec.name for entry in entries)
        handlers = {h.id: h for name in names for h in seen.of(name).handlers}
        new = [h for h in handlers.values() if not (h.id in self.existing or h.id in self._own)]
        own = [h for h in new if any(entry.may_have_made(h) for entry in entries)]
        if have_doubts:
            is_clear = len(own) == len(new) and len(own) <= sum(entry.lost for entry in entries)
            for entry in entries:
                if entry.is_in_doubt and not is_clear:
                    self._settle(entry, verdicts.strangers(entry, new))
                elif entry.is_in_doubt and not self._take(entry, own):
                    entry.todo = Task.CREATE
            return
        for entry in entries:
            if entry.target is None and not self._take(entry, own):
                self._settle(entry, verdicts.unchecked(entry, entry.failure))
                continue
            late = sorted((h for h in own if entry.may_have_made(h)), key=lambda h: h.id)
            copies = tuple(h.id for h in late[: entry.lost])
            own = [h for h in own if h.id not in copies]
            entry.lost = 0
            if self.removes_late:
                entry.copies = copies
            else:
                entry.left = copies
            if entry.next_action() is None:
                self.rest(entry)

    def _take(self, entry: Entry, own: list[NotificationHandler]) -> bool:
        """Give the entry the oldest handler that it may have created, if there is one."""
        fitting = [h for h in own if entry.may_have_made(h)]
        if not fitting:
            return False
        taken = min(fitting, key=lambda h: (h.name != entry.spec.name, h.id))
        own.remove(taken)
        self._own.add(taken.id)
        entry.lost -= 1
        entry.target = entry.sent_to = taken.id
        entry.failure = None
        if entry.spec.is_enabled is False:
            entry.todo = Task.WRITE
        else:
            self.rest(entry)
        return True
