"""Which handlers that appeared meanwhile are one's own: those that lost creates explain."""

from __future__ import annotations

from attrs import define, field

from bitpeak_async._bulk.comparison import differences
from bitpeak_async.records import NotificationHandler
from bitpeak_async.settings import Settings


@define(eq=False)
class Candidates:
    """Handlers of one name that appeared since the run began, beyond those it knows to be its own.

    Attributes:
        wanted: the doubtful settings of this name.
        unknown: creates of this name that may yet turn out to have happened.
        own: handlers that agree with what was wanted: these creates explain them.
        foreign: handlers that do not.
    """

    wanted: list[Settings] = field(factory=list)
    unknown: int = 0
    own: list[NotificationHandler] = field(factory=list)
    foreign: list[NotificationHandler] = field(factory=list)

    def add(self, handler: NotificationHandler) -> None:
        explained = any(_agree(settings, handler) for settings in self.wanted)
        (self.own if explained else self.foreign).append(handler)

    def take(self, settings: Settings) -> NotificationHandler | None:
        """Take out the oldest handler that agrees with these settings."""
        agreeing = [handler for handler in self.own if _agree(settings, handler)]
        if not agreeing:
            return None
        oldest = min(agreeing, key=lambda handler: handler.id)
        self.own.remove(oldest)
        return oldest


def _agree(settings: Settings, handler: NotificationHandler) -> bool:
    return not any(differences(settings, handler.settings))
