"""Replies as servers really send them."""

import datetime as dt
import email.utils
import html
import json
import random
import time
from contextlib import suppress
from types import NoneType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from bitpeak_async._http.decode import decoder
from bitpeak_async._http.protocol import Call, Reply, RetrySafety
from bitpeak_async._http.replies import ReplyReader, error_titles, excerpt, retry_after
from bitpeak_async._http.retry import was_not_executed
from bitpeak_async._secret import Secret
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
    TransportError,
    ValidationError,
)
from bitpeak_async.records import NotificationHandler, Page

BOM = b"\xef\xbb\xbf"
PHP_WARNING = b"<br />\n<b>Warning</b>:  Undefined array key &quot;x&quot; in <b>/a.php</b><br />\n"
NOW = 1_765_000_000.0
KEY = "canary-key/with+slash"
HOOK = "https://hooks.example.com/T/canary-hook?a=1&b=2"
FORM = {"name": "Ops", "type": "slack", "slack": HOOK}
READER = ReplyReader(decoder(dt.UTC), Secret(KEY), now=lambda: NOW)


def call(method="GET", path="/notification-handlers/7", *, returns=NotificationHandler, form=None):
    return Call("do it", method, path, RetrySafety.READ, returns, form=form and Secret(form))


CREATE = call("POST", "/notification-handlers", returns=int, form=FORM)
DELETE = Call("delete it", "DELETE", "/x", RetrySafety.IDEMPOTENT, NoneType)


def answer(status, body=b"", **headers):
    return Reply(status, CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}), body)


def failure(cls, reply, asked=CREATE):
    with pytest.raises(cls) as caught:
        READER.read(asked, reply)
    assert cls is type(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("body", "titles"),
    [
        (b'{"errors": [{"title": "No key.", "status": 401}]}', ["No key."]),
        (b'{"errors": [{"title": "a", "status": "401"}, {"title": "b"}]}', ["a", "b"]),
        (b'{"errors": {"title": "No key."}}', ["No key."]),
        (b'{"errors": "No key."}', ["No key."]),
        (b'{"errors": ["a", "b", 3, null, "", []]}', ["a", "b"]),
        (b'{"errors": [{"message": "a"}, {"error": "b"}, {"detail": "c"}]}', ["a", "b", "c"]),
        (b'{"errors": [{"title": "", "message": "a"}]}', ["a"]),
        (b'{"errors": [{"title": 7, "detail": "a"}]}', ["a"]),
        (b'{"errors": [], "message": "a"}', ["a"]),
        (b'{"errors": null, "error": "a"}', ["a"]),
        (b'{"error": "a"}', ["a"]),
        (b'{"message": "a"}', ["a"]),
        (b'{"errors": []}', []),
        (b'{"errors": {}}', []),
        (b'{"error": {"title": "a"}}', []),
        (b"{}", []),
        (b"[]", []),
        (b"null", []),
        (b"<html>502</html>", []),
        (b"", []),
        (b"\xff", []),
        (PHP_WARNING + b'{"errors": [{"title": "a"}]}', ["a"]),
        (BOM + b'{"errors": [{"title": "a"}]}', ["a"]),
    ],
)
def test_error_titles_are_read_from_any_envelope(body, titles):
    assert titles == error_titles(body)


def plain(text):
    return text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"slack": "https://x", "id": 1}', '{"slack": "***", "id": 1}'),
        (b'{"slack" :  "a\\"b\\\\", "x":"c"}', '{"slack" :  "***", "x":"***"}'),
        (b'{"settings": {"telegram": "1:token"}}', '{"settings": {"telegram": "***"}}'),
        (b'{"slack": "cut of', '{"slack": "***"'),
        (b'{"settings": ["1:token"]}', '{"settings": ["***"]}'),
        (b'{"token": 987654321012345}', '{"token": "***"}'),
        (b'{"slack": "cut off\\', '{"slack": "***"'),
        (PHP_WARNING[:40] + b'{"x": "y"}', PHP_WARNING[:40].decode() + '{"x": "***"}'),
        (b"<html>Just a moment...</html>", "<html>Just a moment...</html>"),
        (BOM + b"text", "text"),
        (b"a\xffb", "a\ufffdb"),
        (b"", ""),
    ],
)
def test_an_excerpt_shows_the_shape_without_the_values(body, expected):
    assert expected == excerpt(body, plain)


def test_an_excerpt_is_short():
    assert 200 == len(excerpt(b"x" * 100_000, plain))


@pytest.mark.parametrize("length", range(190, 205))
def test_an_excerpt_is_redacted_before_it_is_cut(length):
    shown = excerpt(b"x" * length + b"canary-4711", lambda text: text.replace("canary-4711", "***"))
    assert "can" not in shown


def test_an_excerpt_of_hostile_text_is_quick():
    excerpt(b'"' + b'\\"' * 1_000_000, plain)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": email.utils.formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"Retry-After": email.utils.formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"Retry-After": "Saturday, 06-Dec-25 05:48:10 GMT"}, 90.0),
        ({"Retry-After": "Sat, 06 Dec 2025 05:48:10 -0000"}, 90.0),
        ({"Retry-After": "Sat, 06 Dec 2025 10:48:10 +0500"}, 90.0),
        ({"Retry-After": "Sat, 99 Dec 2025 10:48:10 GMT"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "1"}, 1.0),
        ({"X-RateLimit-Reset": str(NOW + 30)}, 30.0),
        ({"X-RateLimit-Reset": str(NOW - 30)}, 0.0),
        ({"X-RateLimit-Reset": "30"}, 30.0),
        ({"X-RateLimit-Reset": "-1"}, 0.0),
        ({"Retry-After": "2", "X-RateLimit-Reset": "30"}, 2.0),
        ({"Retry-After": "later", "X-RateLimit-Reset": "30"}, 30.0),
        *(
            ({name: garbage}, None)
            for name in ("retry-after-ms", "Retry-After", "X-RateLimit-Reset")
            for garbage in ("", "later", "nan", "inf", "-inf", "1e999", "7s", "0x7", "\0", "12:00")
        ),
    ],
)
def test_the_wait_asked_for_is_read_in_every_form(headers, expected):
    assert expected == retry_after(CIMultiDict(headers), NOW)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="only Unix can change its timezone")
def test_a_date_without_a_timezone_is_utc_wherever_we_are(monkeypatch):
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Tashkent")
        time.tzset()
        date = "Sat, 06 Dec 2025 05:48:10 -0000"
        seconds = retry_after({"Retry-After": date}, NOW)
    time.tzset()
    assert 90.0 == seconds


@given(headers=st.dictionaries(
    st.sampled_from(["retry-after-ms", "Retry-After", "X-RateLimit-Reset"]),
    st.text(max_size=30) | st.floats().map(str) | st.datetimes().map(email.utils.format_datetime),
))  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_header_is_a_finite_wait_or_none(headers):
    seconds = retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


def test_garbled_dates_are_none():
    """The standard library's parser of dates has been caught with other errors than ValueError."""
    choose = random.Random(4711)
    pieces = ["Sat", ",", "06", "Dec", "2025", "-", "99", "10:48:10", ":", "GMT", "+", "(", ".", ""]
    for _ in range(3_000):
        text = choose.choice(["", " "]).join(choose.choices(pieces, k=choose.randint(0, 8)))
        seconds = retry_after({"Retry-After": text}, NOW)
        assert seconds is None or seconds >= 0


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_a_success(status):
    assert 1 == READER.read(CREATE, answer(status, b'{"data": {"id": 1}}'))


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b'{"data": {"id": 1}}', b"\xef\xbb\xbf", b"[]"]
)
@pytest.mark.parametrize("status", [200, 204])
def test_the_reply_to_a_delete_may_be_nothing_or_any_json(status, body):
    assert None is READER.read(DELETE, answer(status, body))


@pytest.mark.parametrize("body", [b"<html>", b"OK", b"<br />Warning: ..."])
def test_a_page_in_reply_to_a_delete_is_no_success(body):
    with pytest.raises(ReplyError, match="not JSON"):
        READER.read(DELETE, answer(200, body))


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, 999])
@pytest.mark.parametrize("asked", [CREATE, DELETE], ids=["create", "delete"])
def test_a_status_that_is_none_of_https_final_ones_proves_nothing(status, asked):
    error = failure(TransportError, answer(status, b'{"errors": [{"title": "No."}]}'), asked)
    assert f"the invalid status {status:03}" in str(error)
    assert not was_not_executed(error)


@pytest.mark.parametrize(
    ("asked", "body", "key_works", "cls"),
    [
        ("create", b'{"errors": [{"title": "Limit."}]}', True, PermissionDeniedError),
        ("create", b'{"errors": [{"title": "Limit."}]}', False, AuthenticationError),
        ("create", b"<html>", True, AuthenticationError),
        ("update", b'{"errors": [{"title": "No."}]}', True, AuthenticationError),
    ],
)
def test_a_401_with_a_reason_to_a_create_is_no_bad_key_if_the_key_works(
    asked, body, key_works, cls
):
    safety = RetrySafety.CREATE if asked == "create" else RetrySafety.IDEMPOTENT
    with pytest.raises(APIError) as caught:
        READER.read(Call(asked, "POST", "/x", safety, int), answer(401, body), key_works=key_works)
    assert (cls, 401) == (type(caught.value), caught.value.status)


CLASSES = {
    **dict.fromkeys([300, 301, 302, 303, 304, 307, 308, 399], RedirectError),
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitError,
    **dict.fromkeys([500, 501, 502, 503, 504, 520, 521, 524, 530, 599], ServerError),
    **dict.fromkeys([402, 405, 408, 409, 410, 413, 418, 425, 451, 499], APIError),
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
    assert f"do it: {status} No.; Really. (request 8f2-TAS)" == str(error)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (502, "Bad Gateway"),
        (520, "without a message"),
    ],
)
def test_an_error_without_words_has_the_standard_phrase(status, title):
    error = failure(CLASSES.get(status, ServerError), answer(status, b"<html>"))
    assert (title, (), None, None) == (
        error.title, error.errors, error.request_id, error.retry_after
    )  # fmt: skip
    assert f"do it: {status} {title}" == str(error)


def test_a_redirect_tells_its_origin_and_path():
    target = "https://user:password@www.example.com/login?token=secret#part"
    error = failure(RedirectError, answer(302, b"", Location=target))
    assert str(error) == (
        "do it: 302 Found; it redirects to https://www.example.com/login, which is refused"
    )
    assert "Found" == error.title


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
    assert None is READER.read(DELETE, answer(404), repeated=True)


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
        READER.read(asked, answer(status), repeated=repeated)


def test_a_broken_promise_names_status_place_and_beginning():
    error = failure(ReplyError, answer(201, b'{"data": {"id": "canary"}, "n": 1}'))
    assert (201, "$.data.id", '{"data": {"id": "***"}, "n": 1}') == (
        error.status, error.path, error.excerpt
    )  # fmt: skip
    assert (
        "do it: the reply with status 201 has an unexpected shape: expected an integer, got a "
        """string at $.data.id; it starts '{"data": {"id": "***"}, "n": 1}'""" == str(error)
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


LIST = call(path="/notification-handlers/?page=1", returns=Page[NotificationHandler])
UPDATE = call("POST", returns=int, form=FORM)


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
        READER.read(asked, Reply(status, CIMultiDict(headers), body), repeated=repeated)
        assert status == 404 or 200 <= status < 300
