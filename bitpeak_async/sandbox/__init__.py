"""An embedded BitPeak server to test against, over real sockets, with faults on demand."""

from bitpeak_async.sandbox.content import NewHandler
from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.faults import Fault, Injection
from bitpeak_async.sandbox.limits import FixedWindow, Limit, TokenBucket
from bitpeak_async.sandbox.server import Sandbox
from bitpeak_async.sandbox.traffic import RequestRecord

__all__ = [
    "Dialect",
    "Fault",
    "FixedWindow",
    "Injection",
    "Limit",
    "NewHandler",
    "RequestRecord",
    "Sandbox",
    "TokenBucket",
]
