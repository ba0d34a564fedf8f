"""Parse request bodies and query strings as PHP 8.2 fills `$_POST` and `$_GET`.

aiohttp's `request.post()` takes eight times as long and follows other rules. The tests compare
this module with a real PHP. Fields that PHP turns into arrays (`name[]`) are dropped, because the
API has none.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote_to_bytes

#: PHP's `max_input_vars`; PHP silently drops the rest.
MAX_PARTS = 1000
#: PHP accepts one more pair than `max_input_vars` before it drops the rest.
MAX_PAIRS = MAX_PARTS + 1

_BOUNDARY = re.compile(r'boundary=(?:"([^"]*)"|([^;,]*))', re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_DISPOSITION = re.compile(
    rb"^content-disposition:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)
_PARAMETER = re.compile(rb""";\s*([^=;\s]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^;\s]*))""")
_ESCAPE = re.compile(rb'\\(["\\])')


def parse_form(content_type: str, body: bytes) -> dict[str, str]:
    """Parse a POST body into its fields; the last of several fields with one name wins.

    Args:
        content_type: The request's `Content-Type` header.
        body: The whole body. Invalid UTF-8 becomes U+FFFD.

    Returns:
        The fields by PHP's names for them; empty if the content type is not a form.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return parse_urlencoded(body)
    boundary = _BOUNDARY.search(content_type)
    if kind != "multipart/form-data" or boundary is None:
        return {}
    quoted, bare = boundary.groups()
    delimiter = b"\n--" + (quoted or bare or "").encode()
    return _collect(islice(_parts(delimiter, body), MAX_PARTS))


def parse_urlencoded(text: bytes) -> dict[str, str]:
    """Parse a query string or an urlencoded body into its fields."""
    pairs = (_unquoted(pair) for pair in text.split(b"&") if pair)
    return _collect(islice(pairs, MAX_PAIRS))


def _unquoted(pair: bytes) -> tuple[bytes, bytes]:
    name, _, value = pair.replace(b"+", b" ").partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value)


def _parts(delimiter: bytes, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, value) for each part that is not a file."""
    for segment in (b"\n" + body.removesuffix(b"\n")).split(delimiter)[1:]:
        blank_line = _BLANK_LINE.search(segment)
        if blank_line is None or not segment.startswith((b"\r\n", b"\n")):
            continue
        disposition = _DISPOSITION.search(segment, 0, blank_line.start())
        if disposition is None:
            continue
        parameters = {
            key.lower(): _ESCAPE.sub(rb"\1", quoted) or single or bare
            for key, quoted, single, bare in _PARAMETER.findall(disposition[1])
        }
        if b"filename" in parameters:
            continue
        if b"name" not in parameters:
            return  # PHP stops at garbled headers
        yield parameters[b"name"], segment[blank_line.end() :].removesuffix(b"\r")


def _collect(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for raw_name, value in pairs:
        name, is_array = _variable(raw_name)
        if is_array:
            fields.pop(name, None)
        elif name:
            fields[name] = value.decode(errors="replace")
    return fields


@lru_cache(maxsize=1024)
def _variable(raw_name: bytes) -> tuple[str, bool]:
    """Return the name of the PHP variable (empty: none) and whether it is an array."""
    name = raw_name.decode(errors="replace").partition("\0")[0].lstrip(" ")
    base, _, index = name.partition("[")
    if not base:
        return "", False
    is_array = "]" in index
    return (base if is_array else name).translate(_REWRITTEN), is_array


_REWRITTEN = str.maketrans(" .[", "___")
