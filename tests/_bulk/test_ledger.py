"""The pure ledger against a pure server: whatever happens, in whatever order, nothing is twice."""

import datetime as dt
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bitpeak_async import EmailSettings, HandlerSpec, NotificationHandler, Retry
from bitpeak_async._bulk.entry import Action, Entry, Task
from bitpeak_async._bulk.ledger import Ledger
from bitpeak_async.errors import OutcomeUnknownError, ServerError, TransportError

NOW = dt.datetime(2025, 12, 5, tzinfo=dt.UTC)
RETRY = Retry(attempts=3, base_delay=1, unknown_outcome_delay=30, duplicate_check_delay=0)


class Run(RuleBasedStateMachine):
    """One run of a few specs, and another one of the same specs that may come in between.

    A create whose reply is lost was executed or not; it never arrives after the settle time.
    """

    @initialize(count=st.integers(1, 3), verifies=st.booleans())
    def begin(self, count: int, verifies: bool) -> None:
        self.ledger = Ledger(RETRY, verifies=verifies)
        self.entries = [
            self.ledger.add(
                Entry(
                    HandlerSpec(f"n{n}", EmailSettings(f"{n}@example.com"), n % 2 == 0),
                    todo=Task.CREATE,
                )
            )
            for n in range(count)
        ]
        self.server: dict[int, NotificationHandler] = {}
        self.makers: dict[int, str] = {}
        self.others: set[str] = set()
        self.now = 0.0
        self.last_id = 0
        self.is_over = False
        self.rounds = 0

    def _make(self, spec: HandlerSpec, maker: str) -> int:
        self.last_id += 1
        made = NotificationHandler(self.last_id, spec.name, spec.settings, True, None, NOW)
        self.server[self.last_id] = made
        self.makers[self.last_id] = maker
        return self.last_id

    def _pending(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.next_action()]

    @precondition(lambda self: not self.is_over and self._pending())
    @rule(data=st.data())
    def act(self, data: Any) -> None:
        """Make the next request of some entry, with some end."""
        entry = data.draw(st.sampled_from(self._pending()))
        action = entry.next_action()
        assert action is not None
        entry.is_begun = True
        end = data.draw(st.sampled_from(["done", "done", "lost after", "lost before", "refused"]))
        self.now += 1
        handler_id, spec = action.handler_id, entry.spec
        if action.task is Task.REMOVE:
            self._remove(entry, handler_id, is_done=end in ("done", "lost after"))
        elif end == "refused":
            self.ledger.failed(entry, action, ServerError("no", status=501), self.now)
        elif end == "lost before":
            self.ledger.failed(entry, action, self._lost(action.task), self.now)
        elif action.task is Task.CREATE:
            assert not entry.lost or self.rounds, "sent twice without a look in between"
            made = self._make(spec, "ours")
            if end == "done":
                self.ledger.created(entry, made)
            else:
                self.ledger.failed(entry, action, self._lost(action.task), self.now)
        else:
            seen = self.server[handler_id]
            enabled = seen.is_enabled if spec.is_enabled is None else spec.is_enabled
            self.server[handler_id] = NotificationHandler(
                handler_id, spec.name, spec.settings, enabled, None, NOW
            )
            if end == "done":
                self.ledger.written(entry)
            else:
                self.ledger.failed(entry, action, self._lost(action.task), self.now)
        if not entry.next_action():
            self.ledger.rest(entry)

    def _remove(self, entry: Entry, handler_id: int, *, is_done: bool) -> None:
        if handler_id not in self.server:
            self.ledger.skipped(entry, handler_id)
        elif is_done:
            assert entry.is_as_made(self.server[handler_id])
            assert self.makers[handler_id] == "ours" or entry.lost
            assert min(self._ids(entry.spec.name)) < handler_id
            del self.server[handler_id]
            self.ledger.removed(entry, handler_id)
        else:
            action = Action(Task.REMOVE, handler_id)
            self.ledger.failed(entry, action, TransportError("lost"), self.now)

    def _lost(self, task: Task) -> Any:
        return OutcomeUnknownError("lost") if task is Task.CREATE else TransportError("lost")

    @precondition(lambda self: not self.is_over)
    @rule(number=st.integers(0, 2))
    def other_run_makes(self, number: int) -> None:
        """Another run makes a handler; it removes it itself if ours has the lower id."""
        if number < len(self.entries):
            spec = self.entries[number].spec
            if spec.name not in self.others:
                self.others.add(spec.name)
                self._make(spec, "theirs")

    @precondition(lambda self: not self.is_over)
    @rule()
    def other_run_cleans_up(self) -> None:
        for handler_id, maker in list(self.makers.items()):
            is_there = maker == "theirs" and handler_id in self.server
            if is_there and min(self._ids(self.server[handler_id].name)) < handler_id:
                del self.server[handler_id]

    @precondition(lambda self: not self.is_over and not self._pending())
    @rule(fails=st.booleans())
    def look(self, fails: bool) -> None:
        pause = self.ledger.next_look(self.now)
        self.rounds += 1
        if pause is None:
            self.ledger.give_up()
            self.is_over = True
            return
        self.now += pause
        if fails:
            return
        look = self.ledger.look()
        for handler in self.server.values():
            look.add(handler)
        self.ledger.resolve(look)

    @precondition(lambda self: self.is_over)
    @rule()
    def rest(self) -> None:
        """The run is over."""

    def _ids(self, name: str) -> list[int]:
        return [each.id for each in self.server.values() if each.name == name]

    @invariant()
    def a_run_ends(self) -> None:
        assert getattr(self, "rounds", 0) < 200

    @invariant()
    def what_is_done_is_there_and_what_is_not_says_so(self) -> None:
        if not getattr(self, "is_over", False):
            return
        for entry in self.entries:
            assert entry.is_settled
            ours = [i for i in self._ids(entry.spec.name) if self.makers[i] == "ours"]
            if entry.error is None and self.ledger.is_verified and not self.others:
                assert [entry.target] == ours
            if entry.error is None:
                assert entry.target is not None


Run.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRun = Run.TestCase


def test_a_run_that_removed_a_copy_of_another_still_removes_its_own():
    """Of two copies that look the same, it cannot know which its lost create has made."""
    ledger = Ledger(Retry(unknown_outcome_delay=0, base_delay=0), verifies=True)
    spec = HandlerSpec("n", EmailSettings("a@example.com"))
    entry = ledger.add(Entry(spec, todo=Task.CREATE))
    ledger.failed(entry, Action(Task.CREATE), OutcomeUnknownError("lost"), 0)
    there, removed = [1, 2, 3], []
    while ledger.next_look(0) is not None:
        look = ledger.look()
        for handler_id in there:
            look.add(NotificationHandler(handler_id, "n", spec.settings, True, None, NOW))
        ledger.resolve(look)
        while (action := entry.next_action()) is not None:
            assert Task.REMOVE is action.task
            there.remove(action.handler_id)
            removed.append(action.handler_id)
            ledger.removed(entry, action.handler_id)
    assert ([1], [3, 2]) == (there, removed)
    assert (True, None, 1) == (entry.is_settled, entry.error, entry.target)
