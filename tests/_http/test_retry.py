"""When a call is sent again: the whole matrix of errors and calls, and what an outage costs."""

import itertools

import pytest

from bitpeak_async._http.protocol import RetrySafety
from bitpeak_async._http.retry import (
    Attempts,
    Budget,
    is_temporary,
    may_repeat,
    throttles,
    was_not_executed,
)
from bitpeak_async.errors import (
    APIError,
    AuthenticationError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    ValidationError,
)
from bitpeak_async.options import Retry

READ, IDEMPOTENT, CREATE = RetrySafety
DISCONNECT = TransportError("cut off")
THROTTLED = RateLimitError("later", status=429)


def server(status, retry_after=None):
    return ServerError("oops", status=status, retry_after=retry_after)


# error → was surely not executed, is temporary, asks everyone to slow down
FACTS = [
    (NotSentError("refused"), True, True, False),
    (NotSentError("certificate", temporary=False), True, False, False),
    (RequestTimeoutError("late"), False, True, False),
    (DISCONNECT, False, True, False),
    (ReplyError("not JSON", status=200), False, False, False),
    (RedirectError("moved", status=301), True, False, False),
    (ValidationError("bad", status=400), True, False, False),
    (AuthenticationError("key", status=401), True, False, False),
    (PermissionDeniedError("plan", status=403), True, False, False),
    (NotFoundError("none", status=404), True, False, False),
    (APIError("slow", status=408), False, True, False),
    (APIError("conflict", status=409), True, False, False),
    (ValidationError("bad", status=422), True, False, False),
    (APIError("early", status=425), False, True, False),
    (THROTTLED, True, True, True),
    (RateLimitError("later", status=429, retry_after=9.0), True, True, True),
    (server(500), False, True, False),
    (server(501), False, False, False),
    (server(502), False, True, False),
    (server(503), False, True, False),
    (server(503, retry_after=0.0), False, True, True),
    (server(504), False, True, False),
    (server(505), False, False, False),
    (server(511), False, False, False),
    (server(520), False, True, False),
    (server(521), True, True, False),
    (server(522), False, True, False),
    (server(523), True, True, False),
    (server(524), False, True, False),
    (server(525), True, True, False),
    (server(526), True, True, False),
    (server(502, retry_after=9.0), False, True, False),
]


def label(value):
    if isinstance(value, Exception):
        return f"{type(value).__name__}-{getattr(value, 'status', '')}"
    return None


@pytest.mark.parametrize(("error", "not_executed", "temporary", "slow_down"), FACTS, ids=label)
def test_what_an_error_says(error, not_executed, temporary, slow_down):
    assert (not_executed, temporary, slow_down) == (
        was_not_executed(error),
        is_temporary(error),
        throttles(error),
    )


@pytest.mark.parametrize("repeat", RetrySafety)
@pytest.mark.parametrize(("error", "not_executed", "temporary", "_slow_down"), FACTS, ids=label)
def test_a_create_is_repeated_only_if_it_was_certainly_not_executed(
    error, not_executed, temporary, _slow_down, repeat
):
    expected = temporary and (not_executed or repeat is not CREATE)
    assert expected == may_repeat(error, repeat)
    delay = Attempts().next_delay(error, repeat, Retry(), Budget(9), lambda: 0.5)
    assert expected == (delay is not None)


@pytest.mark.parametrize(("error", "not_executed", "_temporary", "_slow_down"), FACTS, ids=label)
def test_a_maybe_executed_attempt_is_remembered(error, not_executed, _temporary, _slow_down):
    """A later 404 to the same delete is then a success."""
    attempts = Attempts(in_flight=True)
    attempts.next_delay(error, IDEMPOTENT, Retry(), Budget(9), lambda: 0.5)
    attempts.next_delay(THROTTLED, IDEMPOTENT, Retry(), Budget(9), lambda: 0.5)
    assert (not not_executed, False) == (attempts.maybe_executed, attempts.in_flight)


def delays(retry, random, budget=None):
    """The waits of a call that meets nothing but disconnects."""
    attempts, budget = Attempts(), budget or Budget(10_000)
    following = (
        attempts.next_delay(DISCONNECT, READ, retry, budget, lambda: random)
        for _ in itertools.count()
    )
    return list(itertools.takewhile(lambda delay: delay is not None, following))


def test_the_longest_waits_double_up_to_the_maximum():
    retry = Retry(attempts=9, base_delay=0.5, max_delay=10)
    assert [0.5, 1, 2, 4, 8, 10, 10, 10] == delays(retry, random=1.0)


def test_a_wait_is_any_part_of_that():
    """Full jitter: calls that failed together do not come back together."""
    retry = Retry(attempts=9, base_delay=0.5, max_delay=10)
    assert [0.0] * 8 == delays(retry, random=0.0)
    assert [0.125, 0.25, 0.5, 1, 2, 2.5, 2.5, 2.5] == delays(retry, random=0.25)


def test_waits_stay_finite_however_often_a_call_is_tried():
    waits = delays(Retry(attempts=3000, max_delay=60.0), random=1.0, budget=Budget(3000))
    assert 2999 == len(waits)
    assert 60.0 == waits[-1]


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_call_is_tried_as_often_as_said(attempts):
    assert attempts - 1 == len(delays(Retry(attempts=attempts), random=0.5))


def test_an_outage_costs_at_most_the_budget():
    """However many calls fail, and however many tries each may have."""
    budget = Budget(50)
    assert 50 == sum(len(delays(Retry(attempts=5), 0.5, budget)) for _ in range(1000))


def test_ten_successes_pay_for_one_retry():
    budget = Budget(50)
    while budget.take():
        pass
    for _ in range(10):
        assert not budget.take()
        budget.give_back()
    assert budget.take()
    assert not budget.take()


def test_the_budget_does_not_grow_beyond_its_capacity():
    budget = Budget(2)
    for _ in range(100):
        budget.give_back()
    assert [True, True, False] == [budget.take() for _ in range(3)]


def test_a_budget_of_nothing_allows_no_retry():
    assert [] == delays(Retry(attempts=5), 0.5, Budget(0))


def test_what_may_not_be_repeated_takes_nothing_from_the_budget():
    budget = Budget(1)
    attempts = Attempts()
    assert attempts.next_delay(DISCONNECT, CREATE, Retry(), budget, lambda: 0.5) is None
    assert budget.take()


@pytest.mark.parametrize("error", [THROTTLED, server(503, retry_after=30.0)], ids=label)
def test_throttled_tries_wait_in_the_shared_pause_and_cost_nothing(error):
    budget, attempts = Budget(0), Attempts()
    retry = Retry(attempts=1, throttled_attempts=4)
    waits = [attempts.next_delay(error, READ, retry, budget, lambda: 0.5) for _ in range(4)]
    assert [0.0, 0.0, 0.0, None] == waits


def test_throttled_and_failed_tries_are_counted_apart():
    attempts, retry = Attempts(), Retry(attempts=3, throttled_attempts=3, base_delay=1)
    errors = [THROTTLED, DISCONNECT, THROTTLED, DISCONNECT, DISCONNECT]
    waits = [attempts.next_delay(e, READ, retry, Budget(9), lambda: 1.0) for e in errors]
    assert [0.0, 1.0, 0.0, 2.0, None] == waits
    assert (3, 2, 5) == (attempts.failed, attempts.throttled, attempts.total)
