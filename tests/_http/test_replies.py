"""Replies as servers really send them."""

import email.utils
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from bitpeak_async._http.decode import ShapeError
from bitpeak_async._http.replies import error_titles, excerpt, parse_json, retry_after

BOM = b"\xef\xbb\xbf"
PHP_WARNING = b"<br />\n<b>Warning</b>:  Undefined array key &quot;x&quot; in <b>/a.php</b><br />\n"
NOW = 1_765_000_000.0


@pytest.mark.parametrize("space", [b"", b"\n", b" \r\n\t"])
@pytest.mark.parametrize(
    "before",
    [b"", BOM, PHP_WARNING, BOM + PHP_WARNING, b"\nNotice: {$x} in a.php\n", b'{"data": oops}\n'],
)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data": {"id": 1}}', {"data": {"id": 1}}),
        (b'{ "errors" : [] }', {"errors": []}),
        (b'{"error":"x"}', {"error": "x"}),
        (b'{"message":"{\\"data\\":"}', {"message": '{"data":'}),
    ],
)
def test_json_is_found_behind_what_php_prints(before, space, body, expected):
    assert expected == parse_json(before + space + body + space)


@pytest.mark.parametrize("body", [b"[1]", b"7", b"null", b'"text"', b'{"new": 1}'])
def test_any_json_value_is_parsed(body):
    parse_json(body)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "an empty body"),
        (b" \r\n", "an empty body"),
        (b"<html>502</html>", "not JSON"),
        (b'{"data": ', "not JSON"),
        (b'{"data": {"id": 1}} and more', "not JSON"),
        (b'{"data": NaN}', "not JSON"),
        (b'{"data": "\xff\xfe"}', "not JSON"),
        (b'{"data": "\\ud800"}', "not JSON"),
        (b"\xff\xfe{\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_json_is_a_shape_error(body, problem):
    with pytest.raises(ShapeError, match=rf"^\$: {problem}"):
        parse_json(body)


def test_a_body_of_nothing_but_beginnings_is_given_up_soon():
    """Trying each of a million would keep the event loop for hours."""
    with pytest.raises(ShapeError):
        parse_json(b'{"data":' * 1_000_000)


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
