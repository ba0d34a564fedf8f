"""Forms are parsed as PHP does it: stated cases, and compared with a real PHP."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpeak_async.sandbox.form import parse_form, parse_urlencoded

MULTIPART = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"
END = b"--b--\r\n"


def part(name, value=b"1", *, parameters=b""):
    disposition = b'form-data; name="%s"%s' % (name, parameters)
    return b"--b\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (disposition, value)


def headless(headers, value=b"1"):
    return b"--b\r\n%s\r\n\r\n%s\r\n" % (headers, value)


MULTIPART_CASES = {
    "one field": (part(b"a") + END, {"a": "1"}),
    "last duplicate wins": (part(b"a", b"1") + part(b"a", b"2") + END, {"a": "2"}),
    "dots and spaces in names": (part(b"a.b c") + END, {"a_b_c": "1"}),
    "leading spaces of names": (part(b"  a") + END, {"a": "1"}),
    "an array is no field": (part(b"a") + part(b"a[]") + END, {}),
    "a field after an array": (part(b"a[x]") + part(b"a") + END, {"a": "1"}),
    "an unclosed bracket": (part(b"a[x.y") + END, {"a_x_y": "1"}),
    "a name that is only an index": (part(b"[a]") + END, {}),
    "an empty name": (part(b"") + END, {}),
    "a NUL in a name": (part(b"a\0b") + END, {"a": "1"}),
    "UTF-8": (part(b"a", "ўзбек 🚨".encode()) + END, {"a": "ўзбек 🚨"}),
    "no UTF-8": (part(b"a", b"\xff") + END, {"a": "\ufffd"}),
    "line ends in a value": (part(b"a", b"1\r\n2\r\n") + END, {"a": "1\r\n2\r\n"}),
    "the delimiter in a value": (part(b"a", b"1--b\r\n2") + END, {"a": "1--b\r\n2"}),
    "a longer delimiter in a value": (part(b"a", b"1\r\n--bb\r\n2") + END, {"a": "1"}),
    "an empty value": (part(b"a", b"") + END, {"a": ""}),
    "no final newline": (part(b"a") + b"--b--", {"a": "1"}),
    "no closing delimiter": (part(b"a") + part(b"c"), {"a": "1", "c": "1"}),
    "text before": (b"hello\r\n" + part(b"a") + END, {"a": "1"}),
    "text after": (part(b"a") + END + b"bye", {"a": "1"}),
    "bare line feeds": (part(b"a").replace(b"\r", b"") + b"--b--\n", {"a": "1"}),
    "a file": (part(b"a", parameters=b'; filename="x"') + part(b"c") + END, {"c": "1"}),
    "an extended name ends it all": (
        part(b"c") + headless(b"Content-Disposition: form-data; name*=utf-8''a") + part(b"d") + END,
        {"c": "1"},
    ),
    "a bare name": (headless(b"Content-Disposition: form-data; name=a") + END, {"a": "1"}),
    "single quotes": (headless(b"Content-Disposition: form-data; name='a'") + END, {"a": "1"}),
    "an escaped quote": (part(rb"a\"b") + END, {'a"b': "1"}),
    "percents in a name": (part(b"a%22b") + END, {"a%22b": "1"}),
    "no disposition": (headless(b"Content-Type: text/plain") + part(b"c") + END, {"c": "1"}),
    "other headers, other case": (
        headless(b'content-type: text/plain\r\ncontent-disposition: form-data;NAME="a"') + END,
        {"a": "1"},
    ),
    "a folded header": (
        headless(b'Content-Disposition: form-data;\r\n name="a"') + END,
        {"a": "1"},
    ),
    "no body": (b"", {}),
}
URLENCODED_CASES = {
    b"a=1&b=2": {"a": "1", "b": "2"},
    b"a=1&a=2": {"a": "2"},
    b"a.b=1": {"a_b": "1"},
    b"a+b=%2B+x": {"a_b": "+ x"},
    b"a&b=&=1&&c=1=2": {"a": "", "b": "", "c": "1=2"},
    b"a%5B%5D=1&b[=1&]=1&.=1": {"b_": "1", "]": "1", "_": "1"},
    b"a=%D0%98\xd0\x98": {"a": "ИИ"},
    b"a=%zz%4;b=2": {"a": "%zz%4;b=2"},
    b"%00a=1&+b%00c=2": {"b": "2"},
    b"": {},
}


@pytest.mark.parametrize(("body", "fields"), MULTIPART_CASES.values(), ids=MULTIPART_CASES)
def test_multipart(body, fields):
    assert fields == parse_form(MULTIPART, body)


@pytest.mark.parametrize(("text", "fields"), URLENCODED_CASES.items())
def test_urlencoded(text, fields):
    assert fields == parse_urlencoded(text) == parse_form(URLENCODED, text)


@pytest.mark.parametrize(
    ("content_type", "fields"),
    [
        ('multipart/form-data; boundary="b"', {"a": "1"}),
        ("Multipart/Form-Data; charset=utf-8; Boundary=b; x=y", {"a": "1"}),
        ("multipart/form-data; boundary=b, x", {"a": "1"}),
        ("multipart/form-data; boundary=c", {}),
        ("multipart/form-data", {}),
        ("multipart/mixed; boundary=b", {}),
        ("application/json", {}),
        ("", {}),
    ],
)
def test_content_types(content_type, fields):
    assert fields == parse_form(content_type, part(b"a") + END)


def test_parts_past_a_thousand_are_dropped():
    body = b"".join(part(b"k%d" % n) for n in range(1005)) + END

    assert [f"k{n}" for n in range(1000)] == list(parse_form(MULTIPART, body))


def test_repeated_parts_count_towards_the_thousand():
    body = b"".join(part(b"k", b"%d" % n) for n in range(1005)) + END

    assert {"k": "999"} == parse_form(MULTIPART, body)


def test_pairs_past_a_thousand_and_one_are_dropped():
    assert 1001 == len(parse_urlencoded(b"&".join(b"k%d=v" % n for n in range(1005))))


@pytest.fixture(scope="module")
def php(php):
    """Return what a real PHP reads: (content type, body) → `$_POST` as text."""

    def post(content_type, body):
        fields = php(content_type, body)
        return {name: value.decode("utf-8", "replace") for name, value in fields.items()}

    return post


@pytest.mark.parametrize(
    "body", [case[0] for case in MULTIPART_CASES.values()], ids=MULTIPART_CASES
)
def test_multipart_cases_are_true_of_php(php, body):
    assert php(MULTIPART, body) == parse_form(MULTIPART, body)


@pytest.mark.parametrize("text", URLENCODED_CASES)
def test_urlencoded_cases_are_true_of_php(php, text):
    assert php(URLENCODED, text) == parse_form(URLENCODED, text)


names = st.text("ab.[] \0ў", max_size=5).map(str.encode)
values = st.text("a\r\n-b;=\"'&%+\0ў🚨", max_size=12).map(str.encode)


@given(fields=st.lists(st.tuples(names, values), max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_multipart_agrees_with_php(php, fields):
    body = b"".join(part(name, value) for name, value in fields) + END

    assert php(MULTIPART, body) == parse_form(MULTIPART, body)


@given(fields=st.lists(st.tuples(names, values), max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_urlencoded_agrees_with_php(php, fields):
    text = b"&".join(name + b"=" + value for name, value in fields)

    assert php(URLENCODED, text) == parse_form(URLENCODED, text)


def test_too_many_fields_agree_with_php(php):
    body = b"".join(part(b"k%d" % n) for n in range(1005)) + END
    text = b"&".join(b"k%d=v" % n for n in range(1005))

    assert php(MULTIPART, body) == parse_form(MULTIPART, body)
    assert php(URLENCODED, text) == parse_form(URLENCODED, text)
