"""The replies of caches, by the headers that they add."""

import pytest
from multidict import CIMultiDict

from bitpeak_async._http.caches import cache_evidence
from bitpeak_async._http.protocol import Reply


def evidence(name: str, value: str) -> str | None:
    return cache_evidence(Reply(200, CIMultiDict({name: value}), b""))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Age", "12"),
        ("Age", " 1 "),
        ("X-Cache", "HIT from squid.example.com"),
        ("X-Cache", "Hit from cloudfront"),
        ("X-Cache", "TCP_MEM_HIT"),
        ("X-Cache", "MISS, HIT"),
        ("X-Cache-Status", "HIT"),
        ("X-Cache-Status", "STALE"),
        ("X-Cache-Status", "UPDATING"),
        ("CF-Cache-Status", "HIT"),
        ("X-Varnish", "32771 3"),
    ],
)
def test_a_stored_reply_shows(name: str, value: str):
    assert f"{name}: {value.strip()}" == evidence(name.lower(), value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Age", "0"),
        ("Age", "soon"),
        ("Age", "-1"),
        ("X-Cache", "MISS"),
        ("X-Cache", "RefreshHit from cloudfront"),
        ("X-Cache", "TCP_REFRESH_HIT"),
        ("X-Cache", "hit-for-pass"),
        ("X-Cache-Status", "BYPASS"),
        ("X-Cache-Status", "REVALIDATED"),
        ("X-Cache-Status", "EXPIRED"),
        ("CF-Cache-Status", "DYNAMIC"),
        ("X-Varnish", "32771"),
    ],
)
def test_a_fresh_or_revalidated_reply_is_none(name: str, value: str):
    assert evidence(name, value) is None
