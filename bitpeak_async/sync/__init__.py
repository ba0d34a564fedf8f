"""Every coroutine without an event loop, on one background thread per process.

caller ─▶ client ─▶ runner ─▶ portal ─▶ coroutine on the loop thread ─▶ mailbox or stream ─▶ caller
"""

from bitpeak_async.sync.client import SyncBitPeak, SyncNotificationHandlers
from bitpeak_async.sync.portal import shutdown
from bitpeak_async.sync.stream import Stream

__all__ = ["Stream", "SyncBitPeak", "SyncNotificationHandlers", "shutdown"]
