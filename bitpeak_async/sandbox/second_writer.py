"""Change the handlers while the client works, like another program would."""

from collections.abc import Sequence
from random import Random
from typing import Literal

from attrs import Factory, define, field

from bitpeak_async.sandbox.store import Draft, Selection, Store

_SETTINGS = '{"email":"second.writer@example.com"}'


@define(kw_only=True, eq=False)
class SecondWriter:
    """Insert, edit and delete handlers of the first key, at a rate; a seed decides the actions.

    It acts right before a request is executed, and makes all actions that are due since the last
    one. The same requests at the same times of the sandbox's clock meet the same handlers.

    Attributes:
        rate: Actions per second; may be changed at any time, 0 stops it.
        actions: The actions to choose from; repeat one to make it more likely.
        only_own: Edit and delete only what it inserted.
        seed: Decides the actions and the handlers.
        inserted: The ids that it inserted.
        edited: The ids that it renamed.
        deleted: The ids that it deleted.
    """

    rate: float
    actions: Sequence[Literal["insert", "edit", "delete"]] = ("insert", "edit", "delete")
    only_own: bool = False
    seed: int = 0
    inserted: set[int] = field(factory=set, init=False)
    edited: set[int] = field(factory=set, init=False)
    deleted: set[int] = field(factory=set, init=False)
    _random: Random = field(
        default=Factory(lambda self: Random(self.seed), takes_self=True),  # noqa: S311 - no secret
        init=False,
        repr=False,
    )
    _last: float | None = field(default=None, init=False, repr=False)
    _due: float = field(default=0.0, init=False, repr=False)

    def catch_up(self, store: Store, now: float) -> None:
        """Do what is due at `now`, in seconds of the sandbox's clock."""
        self._due += (now - (now if self._last is None else self._last)) * self.rate
        self._last = now
        while self._due >= 1:
            self._due -= 1
            self._act(store)

    def _act(self, store: Store) -> None:
        action = self._random.choice(self.actions)
        if action == "insert":
            draft = Draft("email", f"Second writer {len(self.inserted) + 1}", _SETTINGS)
            self.inserted.add(store.insert(draft))
            return
        handler_id = self._pick(store)
        handler = None if handler_id is None else store.get(handler_id)
        if handler is None:
            return
        if action == "delete":
            store.delete(handler.id)
            self.deleted.add(handler.id)
        else:
            name = f"Edited {self._random.getrandbits(32)}"
            store.update(handler.id, handler.draft._replace(name=name))
            self.edited.add(handler.id)

    def _pick(self, store: Store) -> int | None:
        if self.only_own:
            own = sorted(self.inserted - self.deleted)
            return self._random.choice(own) if own else None
        first_key = Selection(account="")
        count = store.count(first_key)
        if not count:
            return None
        return store.page(first_key, limit=1, offset=self._random.randrange(count))[0].id
