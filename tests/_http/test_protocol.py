"""A call → request bytes; status, headers and body → a result or one error of the tree."""

import datetime as dt
import html
import json
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from bitpeak_async._http.decode import HandlerId, HandlerReply, IdReply, decoder
from bitpeak_async._http.protocol import Call, Reply, RetrySafety, Wire
from bitpeak_async._http.replies import parse_json
from bitpeak_async.errors import (
    APIError,
    AuthenticationError,
    BitPeakError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    ServerError,
    ValidationError,
)
from bitpeak_async.records import NotificationHandler, Page

KEY = "canary-key/with+slash"
HOOK = "https://hooks.example.com/T/canary-hook?a=1&b=2"
FORM = {"name": "Ops", "type": "slack", "slack": HOOK}
NOW = 1_765_000_000.0

WIRE = Wire(
    base_url="https://bitpeak.ru/api",
    api_key=KEY,
    user_agent="bitpeak_async/1",
    decoder=decoder(dt.UTC),
    now=lambda: NOW,
)


def read_json(shape, decoder, body):
    return decoder.decode(parse_json(body), shape)


def call(method="GET", path="/notification-handlers/7", *, shape=HandlerReply, form=None):
    return Call("do it", method, path, RetrySafety.READ, partial(read_json, shape), form=form)


CREATE = call("POST", "/notification-handlers", shape=IdReply, form=FORM)
DELETE = Call("delete it", "DELETE", "/x", RetrySafety.IDEMPOTENT, lambda decoder, body: "gone")


def answer(status, body=b"", **headers):
    return Reply(status, CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}), body)


def failure(cls, reply, asked=CREATE):
    with pytest.raises(cls) as caught:
        WIRE.read(asked, reply)
    assert cls is type(caught.value)
    return caught.value


def test_a_request_without_a_form():
    request = WIRE.request(call(path="/notification-handlers/?page=2&q=a%2Fb%20c"))
    assert ("GET", None) == (request.method, request.body)
    assert "https://bitpeak.ru/api/notification-handlers/?page=2&q=a%2Fb%20c" == str(request.url)
    assert request.headers is None


def test_the_headers_of_every_request():
    assert {
        "Authorization": f"Bearer {KEY}",
        "Accept": "application/json",
        "User-Agent": "bitpeak_async/1",
    } == WIRE.headers


def test_the_url_is_sent_as_it_is_written():
    """yarl would rewrite ``%2F``; and encoding again costs time."""
    url = WIRE.request(call(path="/notification-handlers/?search=%2F")).url
    assert isinstance(url, URL)
    assert {"search": ["/"]} == parse_qs(url.raw_query_string)


def test_a_request_with_a_form():
    request = WIRE.request(CREATE)
    kind, _, mark = request.headers["Content-Type"].partition("; boundary=")
    assert "multipart/form-data" == kind
    parts = request.body.split(b"--" + mark.encode())
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


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_a_success(status):
    assert IdReply(HandlerId(1)) == WIRE.read(CREATE, answer(status, b'{"data": {"id": 1}}'))


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"data": {"id": 1}}', b"<html>"])
@pytest.mark.parametrize("status", [200, 204])
def test_a_reader_decides_what_a_body_must_be(status, body):
    assert "gone" == WIRE.read(DELETE, answer(status, body))


CLASSES = {
    **dict.fromkeys([300, 301, 302, 303, 304, 307, 308, 399], RedirectError),
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitError,
    **dict.fromkeys([500, 501, 502, 503, 504, 520, 521, 524, 530, 599], ServerError),
    **dict.fromkeys([100, 199, 402, 405, 408, 409, 410, 413, 418, 425, 451, 499], APIError),
}


@pytest.mark.parametrize(("status", "cls"), CLASSES.items())
def test_a_status_is_an_error_class(status, cls):
    body = b'{"errors": [{"title": "No.", "status": 200}, {"title": "Really."}]}'
    error = failure(cls, answer(status, body, CF_Ray="8f2-TAS", Retry_After="7"))
    assert {
        "status": status,
        "title": "No.",
        "errors": ("No.", "Really."),
        "request_id": "8f2-TAS",
        "retry_after": 7.0,
    } == vars(error)
    assert f"do it: {status} No." == str(error)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (502, "Bad Gateway"),
        (520, "without a message"),
        (999, "without a message"),
    ],
)
def test_an_error_without_words_has_the_standard_phrase(status, title):
    error = failure(CLASSES.get(status, ServerError), answer(status, b"<html>"))
    assert (title, (), None, None) == (
        error.title, error.errors, error.request_id, error.retry_after
    )  # fmt: skip
    assert f"do it: {status} {title}" == str(error)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"CF_Ray": "a", "X_Request_Id": "b"}, "a"),
        ({"X_Request_Id": "b"}, "b"),
        ({"x_request_id": "b"}, "b"),
        ({}, None),
    ],
)
def test_the_request_id_is_kept(headers, request_id):
    assert request_id == failure(ServerError, answer(500, **headers)).request_id


def test_a_date_to_wait_for_is_compared_with_the_clock():
    reply = answer(429, Retry_After="Sat, 06 Dec 2025 05:48:10 GMT")
    assert 90.0 == failure(RateLimitError, reply).retry_after


def test_a_404_to_a_repeated_delete_is_a_success():
    """The first attempt, whose reply was lost, deleted it."""
    assert "gone" == WIRE.read(DELETE, answer(404), repeated=True)


@pytest.mark.parametrize(
    ("asked", "status", "repeated"),
    [
        (DELETE, 404, False),
        (DELETE, 410, True),
        (call(), 404, True),
        (CREATE, 404, True),
    ],
)
def test_no_other_error_becomes_a_success(asked, status, repeated):
    with pytest.raises(APIError):
        WIRE.read(asked, answer(status), repeated=repeated)


def test_a_broken_promise_names_status_place_and_beginning():
    error = failure(ReplyError, answer(201, b'{"data": {"id": "canary"}, "n": 1}'))
    assert (201, "$.data.id", '{"data": {"id": "***"}, "n": 1}') == (
        error.status, error.path, error.excerpt
    )  # fmt: skip
    assert (
        "do it: a reply with status 201 is not as promised: expected an integer, got a string at "
        """$.data.id; it starts '{"data": {"id": "***"}, "n": 1}'""" == str(error)
    )
    assert error.__cause__ is None
    assert error.__context__ is None


ECHOES = {
    "text": "{}".format,
    "HTML": lambda value: f"<p>{html.escape(value)}</p>",
    "slashes": lambda value: value.replace("/", "\\/"),
    "at the cut": lambda value: "x" * (200 - len("do it") - len(value) // 2) + value,
    "far behind": lambda value: "x" * 195 + value,
    "a JSON value": lambda value: json.dumps({"message": value}),
    "a JSON value as PHP has it": lambda value: json.dumps({"message": value}).replace("/", "\\/"),
    "a list of errors": lambda value: json.dumps({"errors": [f"bad {value}", {"title": value}]}),
    "a long title": lambda value: json.dumps({"error": "x" * 490 + value}),
}


@pytest.mark.parametrize("value", [KEY, HOOK, f"Bearer {KEY}"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("status", [200, 302, 401, 422, 500])
def test_a_server_that_echoes_a_secret_does_not_get_it_into_an_error(status, echo, value):
    error = failure(
        ReplyError if status == 200 else CLASSES[status], answer(status, echo(value).encode())
    )
    assert "canary" not in f"{error!r} {error} {vars(error)}"


def test_secrets_in_a_reply_are_masked_though_we_did_not_send_them():
    """A page whose third handler is broken still holds the settings of the first."""
    body = b'{"data": {"id": 1, "settings": {"slack": "https://x/canary", "telegram": "canary"}}}'
    error = failure(ReplyError, answer(200, body), call())
    assert "canary" not in f"{error} {error.excerpt}"
    assert '"slack": "***"' in error.excerpt


def test_a_secret_that_is_part_of_another_leaves_no_rest_of_it():
    form = {"x_consumer_key": "xk", "x_consumer_secret": "xk-canary"}
    error = failure(
        ValidationError, answer(422, b'{"error": "xk-canary is bad"}'), call("POST", form=form)
    )
    assert "*** is bad" == error.title


def test_what_is_no_secret_is_kept():
    form = {"name": "Ops", "type": "email", "email": "hey@example", "is_enabled": "1"}
    body = b'{"error": "Ops: email hey@example is bad, 1 problem"}'
    error = failure(ValidationError, answer(422, body), call("POST", form=form))
    assert "Ops: email hey@example is bad, 1 problem" == error.title


def test_fields_of_an_unknown_type_are_secrets():
    form = {"name": "SMS", "type": "twilio", "twilio": "canary"}
    error = failure(
        ValidationError, answer(422, b'{"error": "bad: canary"}'), call("POST", form=form)
    )
    assert "bad: ***" == error.title


def test_an_excerpt_and_a_title_are_short():
    assert 200 == len(failure(ReplyError, answer(200, b"x" * 10_000)).excerpt)
    long = json.dumps({"error": "x" * 10_000}).encode()
    assert 500 == len(failure(ServerError, answer(500, long)).title)


FUZZED_KEYS = ["data", "meta", "links", "errors", "error", "id", "title", "status", "settings"]
bodies = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FUZZED_KEYS), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)


LIST = call(path="/notification-handlers/?page=1", shape=Page[NotificationHandler])
UPDATE = call("POST", shape=IdReply, form=FORM)


@pytest.mark.parametrize(
    "asked",
    [LIST, call(), CREATE, UPDATE, DELETE],
    ids=["list", "get", "create", "update", "delete"],
)
@given(
    status=st.just(200) | st.integers(100, 999),
    body=bodies,
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after-ms", "X-RateLimit-Reset", "CF-Ray"]),
        st.text(max_size=20) | st.floats().map(str),
    ),
    repeated=st.booleans(),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_reply_is_a_result_or_an_error_of_the_tree(asked, status, body, headers, repeated):
    with suppress(BitPeakError):
        WIRE.read(asked, Reply(status, CIMultiDict(headers), body), repeated=repeated)
        assert status == 404 or 200 <= status < 300
