"""Replies that no sandbox gives, by mocks; and users testing their own code the same way."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aioresponses_shim import aioresponses

from bitpeak_async import (
    APIError,
    AuthenticationError,
    BitPeak,
    BitPeakError,
    EmailSettings,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    Retry,
    ServerError,
    ValidationError,
)

BASE = "https://bitpeak.ru/api/notification-handlers"
REPLIES = Path(__file__).parent / "samples" / "replies"
ONCE = Retry(attempts=1, throttled_attempts=1)

STATUSES: dict[int, type[APIError]] = {
    301: RedirectError,
    302: RedirectError,
    304: RedirectError,
    308: RedirectError,
    400: ValidationError,
    401: AuthenticationError,
    402: APIError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: APIError,
    409: APIError,
    413: APIError,
    422: ValidationError,
    429: RateLimitError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    520: ServerError,
    521: ServerError,
    524: ServerError,
    525: ServerError,
    530: ServerError,
    599: ServerError,
}
BODIES: dict[str, tuple[bytes, str | None]] = {
    "documented": (b'{"errors": [{"title": "T", "status": 1}]}', "T"),
    "status as string": (b'{"errors": [{"title": "T", "status": "1"}]}', "T"),
    "object": (b'{"errors": {"title": "T"}}', "T"),
    "message": (b'{"message": "T"}', "T"),
    "error": (b'{"error": "T"}', "T"),
    "strings": (b'{"errors": ["T"]}', "T"),
    "empty list": (b'{"errors": []}', None),
    "nothing known": (b'{"ok": false}', None),
    "array": (b"[]", None),
    "HTML": (b"<html><h1>nginx</h1></html>", None),
    "empty": (b"", None),
    "BOM": (b'\xef\xbb\xbf{"errors": [{"title": "T"}]}', "T"),
    "PHP": (b'<b>Warning</b>: x in /a on line <b>1</b>\n{"errors": [{"title": "T"}]}', "T"),
}


@pytest.mark.parametrize(("body", "title"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", STATUSES)
async def test_each_error_status_with_each_body(status: int, body: bytes, title: str | None):
    with aioresponses() as mocked:
        mocked.get(f"{BASE}/7", status=status, body=body, headers={"CF-Ray": "8a-TAS"})
        async with BitPeak("key", retry=ONCE) as bitpeak:
            with pytest.raises(
                STATUSES[status], match=f"get notification handler 7: {status} "
            ) as caught:
                await bitpeak.notification_handlers.get(7)
    error = caught.value
    assert (STATUSES[status], status, "8a-TAS") == (type(error), error.status, error.request_id)
    assert title in (None, error.title)
    assert ((title,) if title else ()) == error.errors


@pytest.mark.parametrize("status", [status for status in STATUSES if status >= 500])
async def test_a_create_answered_5xx_is_unknown_unless_it_never_arrived(status: int):
    with aioresponses() as mocked:
        mocked.post(BASE, status=status)
        async with BitPeak("key", retry=ONCE) as bitpeak:
            with pytest.raises(BitPeakError) as caught:
                await bitpeak.notification_handlers.create("a", EmailSettings("a@example.com"))
    never_arrived = status in {521, 523, 525, 526}
    assert (ServerError if never_arrived else OutcomeUnknownError) is type(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"X-RateLimit-Reset": "30"}, 30),
        ({}, None),
    ],
)
async def test_the_wait_a_server_asks_for_stands_in_the_error(headers: Any, seconds: float | None):
    with aioresponses() as mocked:
        mocked.get(f"{BASE}/7", status=429, headers=headers)
        async with BitPeak("key", retry=ONCE) as bitpeak:
            with pytest.raises(RateLimitError) as caught:
                await bitpeak.notification_handlers.get(7)
    assert seconds == caught.value.retry_after


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"<br />\nNotice: {x}\n", b"\n \n"])
async def test_each_success_status_with_each_prefix(status: int, prefix: bytes):
    create = prefix + (REPLIES / "create.json").read_bytes()
    page = prefix + (REPLIES / "list.json").read_bytes()
    with aioresponses() as mocked:
        mocked.post(BASE, status=status, body=create)
        mocked.get(f"{BASE}/?page=1&results_per_page=25", status=status, body=page)
        async with BitPeak("key", retry=ONCE) as bitpeak:
            handlers = bitpeak.notification_handlers
            assert 1 == await handlers.create("Work email", EmailSettings("hey@example.com"))
            [handler] = await handlers.list()
    assert EmailSettings("hey@example.com") == handler.settings


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"[]", b"null", b'{"data": []}'])
async def test_a_delete_accepts_nothing_or_any_json(status: int, body: bytes):
    with aioresponses() as mocked:
        mocked.delete(f"{BASE}/7", status=status, body=body)
        async with BitPeak("key", retry=ONCE) as bitpeak:
            await bitpeak.notification_handlers.delete(7)


async def test_a_delete_answered_by_a_page_is_read_back():
    with aioresponses() as mocked:
        mocked.delete(f"{BASE}/7", body=b"<html>")
        mocked.get(f"{BASE}/7", status=404)
        async with BitPeak("key", retry=ONCE) as bitpeak:
            await bitpeak.notification_handlers.delete(7)


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": "x"}, {"id": 1.5}, [], None, 7])
async def test_an_update_must_be_confirmed(data: Any):
    with aioresponses() as mocked:
        mocked.post(f"{BASE}/7", payload={"data": data})
        async with BitPeak("key", retry=ONCE) as bitpeak:
            with pytest.raises(ReplyError, match=r"\$\.data"):
                await bitpeak.notification_handlers.update(7, name="b")


async def alert_everyone_by(bitpeak: BitPeak, email: str) -> list[int]:
    """A user's own function: add an address unless a handler has it already."""
    handlers = bitpeak.notification_handlers
    known = [handler async for handler in handlers.iterate()]
    if any(handler.settings == EmailSettings(email) for handler in known):
        return [handler.id for handler in known]
    return [await handlers.create(f"Mail to {email}", EmailSettings(email))]


async def test_users_can_test_their_code_against_the_sdk_with_aioresponses():
    listing = json.loads((REPLIES / "list.json").read_text())
    with aioresponses() as mocked:
        mocked.get(f"{BASE}/?page=1&results_per_page=1000", payload=listing, repeat=True)
        mocked.post(BASE, payload={"data": {"id": 2}})
        async with BitPeak("test-key") as bitpeak:
            assert [1] == await alert_everyone_by(bitpeak, "hey@example.com")
            assert [2] == await alert_everyone_by(bitpeak, "new@example.com")
        [call] = mocked.requests[("POST", aiohttp.client.URL(BASE))]
        assert b'name="email"\r\n\r\nnew@example.com\r\n' in call.kwargs["data"]
        assert "Bearer test-key" == call.kwargs["headers"]["Authorization"]
