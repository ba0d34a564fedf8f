"""A call → request bytes."""

import pytest
from multidict import CIMultiDict

from bitpeak_async._http.protocol import Call, Reply, RetrySafety, Wire
from bitpeak_async._secret import Secret
from bitpeak_async.records import NotificationHandler

KEY = "canary-key/with+slash"
HOOK = "https://hooks.example.com/T/canary-hook?a=1&b=2"
FORM = {"name": "Ops", "type": "slack", "slack": HOOK}
WIRE = Wire(base_url="https://bitpeak.ru/api", api_key=Secret(KEY), user_agent="bitpeak_async/1")


def call(method="GET", path="/notification-handlers/7", form=None):
    return Call(
        "do it", method, path, RetrySafety.READ, NotificationHandler, form=form and Secret(form)
    )


CREATE = call("POST", "/notification-handlers", form=FORM)


def answer(status, body=b"", **headers):
    return Reply(status, CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}), body)


def test_a_request_without_a_form():
    request = WIRE.request(call(path="/notification-handlers/?page=2&q=a%2Fb%20c"))
    assert ("GET", None) == (request.method, request.body)
    assert "https://bitpeak.ru/api/notification-handlers/?page=2&q=a%2Fb%20c" == str(request.url)
    assert request.headers is None


def test_the_headers_of_every_request():
    assert {
        "Authorization": f"Bearer {KEY}",
        "Accept": "application/json",
        "Cache-Control": "no-cache",
        "User-Agent": "bitpeak_async/1",
    } == WIRE.headers.reveal()


def test_the_url_is_sent_as_it_is_written():
    """yarl would rewrite ``%2F``."""
    url = WIRE.request(call(path="/notification-handlers/?search=%2F")).url
    assert "https://bitpeak.ru/api/notification-handlers/?search=%2F" == url


def test_a_request_with_a_form():
    request = WIRE.request(CREATE)
    kind, _, mark = request.headers["Content-Type"].partition("; boundary=")
    assert "multipart/form-data" == kind
    parts = request.body.reveal().split(b"--" + mark.encode())
    assert 5 == len(parts)
    assert (
        f'\r\nContent-Disposition: form-data; name="slack"\r\n\r\n{HOOK}\r\n' == parts[3].decode()
    )


def test_each_request_has_a_fresh_boundary():
    assert WIRE.request(CREATE).body != WIRE.request(CREATE).body


@pytest.mark.parametrize(
    "thing",
    [WIRE, WIRE.request(CREATE), CREATE, answer(200, HOOK.encode(), x=HOOK)],
    ids=lambda thing: type(thing).__name__,
)
def test_no_repr_shows_a_secret(thing):
    assert "canary" not in repr(thing)
