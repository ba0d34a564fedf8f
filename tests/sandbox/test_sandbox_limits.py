"""Rate limits, on a clock that only the test moves."""

import pytest

from bitpeak_async.sandbox import FixedWindow, TokenBucket


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def admitted(limit, *times):
    return [limit.admit(time).admitted for time in times]


def test_fixed_window_admits_its_number_and_starts_over():
    limit = FixedWindow(2, 60.0)

    assert [True, True, False, False] == admitted(limit, 5.0, 6.0, 7.0, 64.9)
    assert [True, True, False] == admitted(limit, 65.0, 65.0, 65.0)


def test_token_bucket_admits_a_burst_then_its_rate():
    limit = TokenBucket(10.0, burst=3)

    assert [True, True, True, False] == admitted(limit, 0.0, 0.0, 0.0, 0.0)
    assert [True, False] == admitted(limit, 0.125, 0.125)


def test_token_bucket_saves_no_more_than_a_burst():
    limit = TokenBucket(10.0, burst=2)

    assert [True, True, False] == admitted(limit, 100.0, 100.0, 100.0)
    assert [True, True, False] == admitted(limit, 200.0, 200.0, 200.0)


@pytest.mark.parametrize("limit_type", [FixedWindow, TokenBucket])
@pytest.mark.parametrize(
    ("announce", "on_success", "on_429"),
    [
        ("nothing", set(), set()),
        ("retry_after", set(), {"Retry-After"}),
        ("x_ratelimit", {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}, None),
        ("both", {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}, None),
    ],
)
def test_announced_headers(limit_type, announce, on_success, on_429):
    options = {FixedWindow: {"seconds": 60.0}, TokenBucket: {"burst": 1}}[limit_type]
    limit = limit_type(1, announce=announce, **options)
    extra = {"Retry-After"} if announce == "both" else set()

    assert on_success == set(limit.admit(0.0).headers)
    assert (on_success | extra if on_429 is None else on_429) == set(limit.admit(0.0).headers)


async def test_too_many_requests_on_the_wire(serve, sample):
    clock = Clock()
    caller = await serve(limit=FixedWindow(1, 60.0, announce="both"), clock=clock)

    first = await caller.create("a")
    clock.now += 50.5
    second = await caller.create("b")
    clock.now += 9.5
    third = await caller.create("c")

    assert (200, "0") == (first.status, first.headers["X-RateLimit-Remaining"])
    assert (429, "10", sample("rate_limited")) == (
        second.status,
        second.headers["Retry-After"],
        second.json,
    )
    assert 200 == third.status
    assert ["a", "c"] == [handler["name"] for handler in caller.sandbox.handlers]
