"""Any reply is a result or an error of the tree; atheris looks for one that is neither.

Run by ``nox -s fuzz``. The first two bytes of an input are the status and the call, the rest is
the body. A finding becomes a case of ``tests/_http/test_protocol.py``.
"""

import datetime as dt
import sys
from functools import partial

import atheris
from multidict import CIMultiDict, CIMultiDictProxy

with atheris.instrument_imports(include=["bitpeak_async"]):
    from bitpeak_async import notification_handlers as resource
    from bitpeak_async._http.decode import Decoder
    from bitpeak_async._http.protocol import Call, Reply, RetrySafety, Wire
    from bitpeak_async.errors import BitPeakError

SECRETS = ("canary-key", "https://hooks.example.com/canary")
STATUSES = (200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503, 520, 999)
CALLS = [
    Call("list", "GET", "/notification-handlers/", RetrySafety.READ, resource._PAGE),
    Call("get", "GET", "/notification-handlers/1", RetrySafety.READ, resource._HANDLER),
    Call(
        "create",
        "POST",
        "/notification-handlers",
        RetrySafety.CREATE,
        resource._ID,
        form={"name": "Ops", "type": "slack", "slack": SECRETS[1]},
    ),
    Call("delete", "DELETE", "/notification-handlers/1", RetrySafety.IDEMPOTENT, resource._ignore),
]
WIRE = Wire(
    base_url="https://bitpeak.ru/api",
    api_key=SECRETS[0],
    user_agent="fuzz",
    decoder=Decoder(dt.UTC),
)


def one_reply(data: bytes) -> None:
    """Read one reply, twice over: repeated or not."""
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    call = CALLS[head[1] % len(CALLS)]
    word = body[:20].decode("latin-1")
    headers = CIMultiDictProxy(CIMultiDict({"Retry-After": word, "X-RateLimit-Reset": word}))
    reply = Reply(STATUSES[head[0] % len(STATUSES)], headers, body)
    for read in (WIRE.read, partial(WIRE.read, repeated=True)):
        shown = ""
        try:
            read(call, reply)
        except BitPeakError as error:
            shown = f"{error} {vars(error)}"
        assert not any(secret in shown for secret in SECRETS)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_reply)
    atheris.Fuzz()
