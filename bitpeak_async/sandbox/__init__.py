"""An embedded BitPeak server for tests: real sockets, many dialects, faults on demand.

`endpoint` takes a request: `limits` may refuse it, `faults` may break it, `api` executes it on the
`store` and renders the result (`rendering`, in a `dialect`), `delivery` sends it.
"""

from bitpeak_async.sandbox.cleaning import Cleaning
from bitpeak_async.sandbox.content import NewHandler
from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.injection import Conditions, Injection
from bitpeak_async.sandbox.limits import FixedWindow, Limit, TokenBucket
from bitpeak_async.sandbox.second_writer import SecondWriter
from bitpeak_async.sandbox.server import Sandbox
from bitpeak_async.sandbox.traffic import RequestRecord

__all__ = [
    "Cleaning",
    "Conditions",
    "Dialect",
    "Fault",
    "FixedWindow",
    "Injection",
    "Limit",
    "NewHandler",
    "RequestRecord",
    "Sandbox",
    "SecondWriter",
    "TokenBucket",
]
