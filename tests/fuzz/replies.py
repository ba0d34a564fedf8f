"""Any reply is a result or an error of the tree; atheris looks for one that is neither.

Run by ``nox -s fuzz``. The first two bytes of an input are the status and the call, the rest is
the body. A finding becomes a case of ``tests/_http/test_replies.py``.
"""

import datetime as dt
import sys
from functools import partial
from types import NoneType

import atheris
from multidict import CIMultiDict, CIMultiDictProxy

with atheris.instrument_imports(include=["bitpeak_async"]):
    from bitpeak_async._http.decode import Decoder
    from bitpeak_async._http.protocol import Call, Reply, RetrySafety
    from bitpeak_async._http.replies import ReplyReader
    from bitpeak_async._secret import Secret
    from bitpeak_async.errors import BitPeakError
    from bitpeak_async.records import NotificationHandler, Page

SECRETS = ("canary-key", "https://hooks.example.com/canary")
STATUSES = (200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503, 520, 999)
CALLS = [
    Call("list", "GET", "/notification-handlers/", RetrySafety.READ, Page[NotificationHandler]),
    Call("get", "GET", "/notification-handlers/1", RetrySafety.READ, NotificationHandler),
    Call(
        "create",
        "POST",
        "/notification-handlers",
        RetrySafety.CREATE,
        int,
        form=Secret({"name": "Ops", "type": "slack", "slack": SECRETS[1]}),
    ),
    Call("delete", "DELETE", "/notification-handlers/1", RetrySafety.IDEMPOTENT, NoneType),
]
READER = ReplyReader(Decoder(dt.UTC), Secret(SECRETS[0]))


def one_reply(data: bytes) -> None:
    """Read one reply, twice over: repeated or not."""
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    call = CALLS[head[1] % len(CALLS)]
    word = body[:20].decode("latin-1")
    headers = CIMultiDictProxy(CIMultiDict({"Retry-After": word, "X-RateLimit-Reset": word}))
    reply = Reply(STATUSES[head[0] % len(STATUSES)], headers, body)
    for read in (READER.read, partial(READER.read, repeated=True)):
        shown = ""
        try:
            read(call, reply)
        except BitPeakError as error:
            shown = f"{error} {vars(error)}"
        assert not any(secret in shown for secret in SECRETS)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_reply)
    atheris.Fuzz()
