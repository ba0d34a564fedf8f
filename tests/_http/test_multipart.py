"""multipart/form-data: exact bytes, and what a real PHP makes of them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpeak_async._http.multipart import encode_multipart, random_boundary

CRLF = b"\r\n"


def test_the_bytes_are_those_of_rfc_7578():
    content_type, body = encode_multipart({"name": "Ish — почта 🚨", "email": ""}, lambda: "mark")
    assert "multipart/form-data; boundary=mark" == content_type
    assert (
        CRLF.join(
            [
                b"--mark",
                b'Content-Disposition: form-data; name="name"',
                b"",
                "Ish — почта 🚨".encode(),
                b"--mark",
                b'Content-Disposition: form-data; name="email"',
                b"",
                b"",
                b"--mark--",
                b"",
            ]
        )
        == body
    )


def test_a_form_without_fields_has_only_the_closing_boundary():
    assert ("multipart/form-data; boundary=mark", b"--mark--\r\n") == encode_multipart(
        {}, lambda: "mark"
    )


def test_a_boundary_is_fresh_and_long():
    marks = {encode_multipart({"name": "a"})[0].partition("boundary=")[2] for _ in range(100)}
    assert 100 == len(marks)
    assert all(re.fullmatch("[0-9a-f]{32}", mark) for mark in marks)
    assert random_boundary() not in marks


@pytest.mark.parametrize(
    "value",
    ["collides", "--collides", "\r\n--collides--\r\n", "x" * 70_000 + "collides", "collides again"],
)
def test_a_boundary_contained_in_a_value_is_replaced(value):
    marks = iter(["collides", "collides", "free"])
    content_type, body = encode_multipart({"a": "1", "b": value}, lambda: next(marks))
    assert "multipart/form-data; boundary=free" == content_type
    assert 3 == body.count(b"--free")


@pytest.mark.parametrize("name", ["имя", "na\u00efve"])
def test_a_name_that_is_not_ascii_is_an_error(name):
    with pytest.raises(UnicodeEncodeError):
        encode_multipart({name: "value"})


VALUES = {
    "Uzbek": "Ish pochtasi: oʻzbekcha «gʻisht» — ўзбекча",  # noqa: RUF001 - correct Uzbek
    "Russian": "Почта дежурных: ёж, щи",
    "emoji": "🚨👩‍👩‍👧‍👦🇺🇿",
    "quotes": '\'"`«»\\\\"',
    "line ends": "\r\na\nb\rc\r\n\r\n",
    "only a line end": "\r\n",
    "white space around": " \t a \t ",
    "empty": "",
    "like a boundary": "\r\n--0123456789abcdef0123456789abcdef--\r\n",
    "dashes": "--\r\n--",
    "like a part": '\r\nContent-Disposition: form-data; name="name"\r\n\r\nevil\r\n',
    "percent and ampersand": "a=1&b=%00+%2B;",
    "64 KB": "ш" * 32_768,
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\ufeff",
}
FORM = {"name": "first", "type": "webhook", "webhook": "last"}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", FORM)
def test_php_reads_what_was_sent(php, name, value):
    """At the start, in the middle and at the end of a form."""
    form = {**FORM, name: value}
    assert {name: text.encode() for name, text in form.items()} == php(*encode_multipart(form))


texts = st.text(max_size=200) | st.text("\r\n-=;:\"' mark\0", max_size=30)


@given(form=st.fixed_dictionaries(dict.fromkeys(FORM, texts)))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_php_reads_whatever_was_sent(php, form):
    assert {name: text.encode() for name, text in form.items()} == php(*encode_multipart(form))


@given(form=st.fixed_dictionaries(dict.fromkeys(FORM, texts)))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_php_reads_values_built_around_a_known_boundary(php, form):
    """Even a predicted boundary is replaced if a value contains it."""
    marks = iter(["mark", "-", "a", *(random_boundary() for _ in range(5))])
    assert {name: text.encode() for name, text in form.items()} == php(
        *encode_multipart(form, lambda: next(marks))
    )
