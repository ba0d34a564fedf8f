"""How fast all tasks go: the lease by a clock the test moves, the limiter in virtual time."""

import asyncio
import math
from itertools import pairwise

import pytest
import virtual_time

from bitpeak_async import RateLimitError
from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease, SharedState, state_of
from bitpeak_async._rate.limiter import Limiter

SLOTS = 16


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Drive:
    """A lease and its clock, with the moves that tests are made of."""

    def __init__(self, *, max_pause=60.0, requests_per_minute=math.inf, **bounds):
        self.clock = Clock()
        ceiling = requests_per_minute / 60
        self.lease = Lease(self.clock, Bounds(ceiling=ceiling, max_pause=max_pause, **bounds))

    def permit(self):
        """Wait as long as the lease requires; return the next permit."""
        while (delay := self.lease.wait()) > 0:
            self.clock.now += delay
        return self.lease.admit()

    def accepted(self, count, seconds=0.0):
        """Let that many requests through, evenly over some time at least."""
        start = self.clock.now
        for number in range(1, count + 1):
            permit = self.permit()
            self.clock.now = max(self.clock.now, start + seconds * number / count)
            self.answer(permit)

    def answer(self, permit):
        ended = self.lease.accepted(permit)
        self.lease.released(permit)
        return ended

    def refuse(self, permit=None, retry_after=None):
        permit = permit or self.permit()
        self.clock.now += 1e-9  # a refusal comes after its request
        begins = self.lease.refused(permit, retry_after)
        self.lease.released(permit)
        return begins

    def refuse_for(self, pause):
        """Meet a limit for that long; the probe after it is let through."""
        self.refuse(retry_after=pause)
        self.answer(self.permit())


def test_there_is_no_limit_until_one_is_met():
    drive = Drive()
    for _ in range(1000):
        assert drive.lease.wait() <= 0
        drive.lease.admit()
    assert math.inf == drive.lease.rate


def test_a_fixed_pace_spaces_requests():
    drive = Drive(requests_per_minute=120)
    times = []
    for _ in range(5):
        drive.permit()
        times.append(drive.clock.now - 1000)
    assert [0, 0.5, 1, 1.5, 2] == pytest.approx(times, abs=0.021)


def test_late_timers_do_not_lower_a_fixed_pace():
    drive = Drive(requests_per_minute=6000)
    start = drive.clock.now
    for _ in range(1000):
        drive.clock.now += max(0.0, drive.lease.wait()) + 0.005
        drive.lease.admit()
    assert 10.0 == pytest.approx(drive.clock.now - start, rel=0.01)


def test_idle_time_is_not_made_up_for():
    """A burst after a quiet minute would be just what the pace is to prevent."""
    drive = Drive(requests_per_minute=60)
    drive.permit()
    drive.clock.now += 100
    drive.permit()
    assert 0.97 < drive.lease.wait() <= 1.0


def test_a_429_holds_everyone():
    drive = Drive()
    drive.refuse()
    assert 0.25 == pytest.approx(drive.lease.wait())


@pytest.mark.parametrize(
    ("asked", "waited"), [(0.0, 0.0), (7.0, 7.0), (60.0, 60.0), (3600.0, 60.0)]
)
def test_a_pause_is_as_long_as_asked_up_to_the_maximum(asked, waited):
    drive = Drive(max_pause=60.0)
    drive.refuse(retry_after=asked)
    assert waited == pytest.approx(drive.lease.wait(), abs=1e-6)


def test_pauses_double_while_probes_are_refused():
    drive = Drive(max_pause=10.0)
    drive.accepted(20)
    waits = []
    for _ in range(8):
        assert drive.refuse()
        waits.append(drive.lease.wait())
    assert [0.25, 0.5, 1, 2, 4, 8, 10, 10] == pytest.approx(waits)


def test_a_probe_refused_after_the_wait_asked_for_waits_longer():
    """Else ``Retry-After: 0``, or a clock that is wrong, would make probes a flood."""
    drive = Drive()
    waits = []
    for _ in range(5):
        drive.refuse(retry_after=0.0)
        waits.append(drive.lease.wait())
    assert [0, 0.5, 1, 2, 4] == pytest.approx(waits, abs=1e-6)


def test_late_429s_of_a_pause_do_not_lengthen_it():
    """Sixteen requests under way meet one limit: that is one pause, not sixteen."""
    drive = Drive()
    permits = [drive.permit() for _ in range(16)]
    assert [True] + [False] * 15 == [drive.refuse(permit) for permit in permits]
    assert 0.25 == pytest.approx(drive.lease.wait(), abs=1e-6)
    drive.refuse()
    assert 0.5 == pytest.approx(drive.lease.wait(), abs=1e-6)


def test_a_late_429_that_says_how_long_is_heeded():
    drive = Drive()
    permits = [drive.permit() for _ in range(4)]
    waits = []
    for permit, asked in zip(permits, [1.0, 5.0, 2.0, 3600.0], strict=True):
        drive.refuse(permit, retry_after=asked)
        waits.append(drive.lease.wait())
    assert [1, 5, 5, 60] == pytest.approx(waits, abs=1e-6)


def test_a_429_to_a_request_from_before_the_last_pause_begins_no_new_one():
    drive = Drive()
    slow = drive.permit()
    drive.refuse_for(1.0)
    assert not drive.refuse(slow)
    assert drive.lease.wait() <= 1.0


def test_after_a_pause_one_request_goes_first():
    drive = Drive()
    drive.refuse(retry_after=5.0)
    probe = drive.permit()
    drive.clock.now += 3  # a slow answer
    assert drive.lease.wait() > 0
    assert drive.answer(probe)
    drive.clock.now += 1
    assert drive.lease.wait() <= 0


def test_a_probe_without_an_answer_makes_room_for_the_next():
    """Its connection broke, or its task was cancelled."""
    drive = Drive()
    drive.refuse()
    drive.lease.released(drive.permit())
    assert drive.lease.wait() <= 0
    second = drive.lease.admit()
    assert drive.lease.wait() > 0
    assert drive.answer(second)


@pytest.mark.parametrize("pause", [5.0, 60.0])
def test_after_a_long_pause_tasks_come_back_spread_out(pause):
    drive = Drive()
    drive.refuse_for(pause)
    times = []
    for _ in range(SLOTS):
        drive.permit()
        times.append(drive.clock.now)
    assert 0.5 <= times[-1] - times[0] <= 1.0
    assert max(b - a for a, b in pairwise(times)) < 0.1


def test_after_a_short_pause_they_come_back_sooner():
    drive = Drive()
    drive.refuse_for(0.25)
    start = drive.clock.now
    for _ in range(SLOTS):
        drive.permit()
    assert 0.1 <= drive.clock.now - start <= 0.15


def test_the_first_after_a_pause_keeps_to_the_rate():
    """A drained bucket has nothing for it yet."""
    drive = Drive()
    drive.accepted(20, seconds=1.0)
    drive.refuse(retry_after=7.0)
    drive.refuse(retry_after=2.0)
    probe = drive.permit()
    drive.answer(probe)
    drive.permit()
    assert 1 / drive.lease.rate == pytest.approx(drive.clock.now - probe.at)
    assert 1.9 == pytest.approx(drive.lease.rate, rel=0.05)


def test_a_limit_is_measured_over_a_whole_cycle():
    """60 a minute, the first 60 within 6 s: 54 s of block belong to it."""
    drive = Drive()
    drive.accepted(60, seconds=6.0)
    drive.refuse(retry_after=50.0)
    drive.refuse_for(4.0)
    assert 0.98 * 60 / 60 == pytest.approx(drive.lease.rate, rel=0.001)


def test_the_end_of_a_block_lies_halfway_between_its_last_refusal_and_the_first_success():
    drive = Drive()
    drive.accepted(60, seconds=6.0)
    for _ in range(4):
        drive.refuse()  # at 6, 6.25, 6.75 and 7.75 s
    drive.answer(drive.permit())  # at 9.75 s
    assert 0.98 * 60 / 8.75 == pytest.approx(drive.lease.rate)


def test_a_stray_429_only_cuts_the_rate():
    """Its pause is long against what went before, so it would measure itself."""
    drive = Drive()
    drive.accepted(100, seconds=0.1)
    drive.refuse()
    drive.answer(drive.permit())
    assert 0.85 * 1000 == pytest.approx(drive.lease.rate)


@pytest.mark.parametrize("before", [0, 1, SLOTS])
def test_a_stray_429_after_next_to_nothing_measures_nothing(before):
    drive = Drive()
    drive.accepted(before, seconds=0.01)
    drive.refuse()
    drive.answer(drive.permit())
    assert math.inf == drive.lease.rate


def test_a_limit_that_says_when_it_ends_is_no_stray_429():
    """Even if it lets through few requests: two are refused, and none beside them is not."""
    drive = Drive()
    drive.accepted(8, seconds=0.1)
    permits = [drive.permit() for _ in range(2)]
    for permit in permits:
        drive.refuse(permit, retry_after=0.7)
    drive.answer(drive.permit())
    assert 0.98 * 10 == pytest.approx(drive.lease.rate)


@pytest.mark.parametrize("seconds", [0.1, 300.0])
def test_an_overload_is_not_taken_for_a_limit(seconds):
    """A 503 says when to come back, but nothing of how many."""
    drive = Drive(requests_per_minute=6000)
    drive.accepted(1000, seconds)
    permit = drive.permit()
    drive.clock.now += 1
    drive.lease.refused(permit, 30.0, is_limit=False)
    drive.lease.released(permit)
    drive.answer(drive.permit())
    assert 0.7 * 100 == drive.lease.rate


def test_a_second_block_with_nothing_between_cuts_the_rate():
    drive = Drive(requests_per_minute=600)
    drive.accepted(1)
    drive.refuse()
    drive.answer(drive.permit())
    assert 0.85 * 10 == pytest.approx(drive.lease.rate)


def test_idleness_is_not_taken_for_a_limit():
    """A service that was quiet for an hour met one 429 in a burst."""
    drive = Drive()
    drive.accepted(100, seconds=100.0)
    drive.clock.now += 3600
    drive.accepted(100, seconds=0.1)
    drive.refuse()
    drive.answer(drive.permit())
    assert 850 == pytest.approx(drive.lease.rate, rel=0.02)


def test_waiting_for_a_slow_answer_is_not_idleness():
    drive = Drive()
    drive.accepted(30, seconds=3.0)
    slow = drive.permit()
    drive.clock.now += 27
    drive.accepted(29)
    drive.answer(slow)
    drive.refuse(retry_after=29.0)
    drive.refuse_for(1.0)
    assert 0.98 == pytest.approx(drive.lease.rate, rel=0.001)


def measured(**options):
    """A drive that has measured a limit of 10 a second."""
    drive = Drive(**options)
    drive.accepted(100, seconds=6.0)
    drive.refuse()
    for _ in range(3):
        drive.refuse()  # at 6, 6.25, 6.75 and 7.75 s
    drive.clock.now += 2.0
    drive.answer(drive.permit())
    assert 0.98 * 100 / 8.75 == pytest.approx(drive.lease.rate, rel=0.05)
    return drive


def test_a_rate_climbs_slowly_at_first_and_then_ever_faster():
    """It has doubled after the time of 700 requests, and after a minute at the earliest."""
    drive = measured()
    start, base = drive.clock.now, drive.lease.rate
    doubling = 700 / base
    rates = []
    for part in (0.25, 0.5, 1.0, 1.5):
        while drive.clock.now < start + part * doubling:
            drive.accepted(1)
        rates.append(drive.lease.rate / base)
    assert [1 + 1 / 16, 1.25, 2.0, 3.25] == pytest.approx(rates, rel=0.02)


def test_idle_time_teaches_nothing():
    """An hour without requests does not make the limit higher."""
    drive = measured()
    before = drive.lease.rate
    drive.clock.now += 3600
    drive.accepted(2)
    assert before == pytest.approx(drive.lease.rate, rel=0.01)


def test_one_of_many_refused_is_no_limit():
    """As a proxy in front of the server may refuse any."""
    drive = Drive()
    drive.accepted(100, seconds=0.1)
    permits = [drive.permit() for _ in range(16)]
    drive.refuse(permits.pop())
    for permit in permits:
        drive.answer(permit)
    drive.answer(drive.permit())
    assert math.inf == drive.lease.rate


def test_all_of_many_refused_are_a_limit():
    drive = Drive()
    drive.accepted(100, seconds=1.0)
    permits = [drive.permit() for _ in range(16)]
    for permit in permits:
        drive.refuse(permit)
    drive.answer(drive.permit())
    assert 0.98 * 100 / 1.125 == pytest.approx(drive.lease.rate)


def test_a_window_once_found_closed_for_long_is_not_probed_so_often_again():
    drive = measured()
    drive.accepted(20)
    drive.refuse()
    assert 1.75 / 2 == pytest.approx(drive.lease.wait())


def test_a_server_that_refuses_for_too_long_is_given_up():
    """Then each call fails at once while there is a pause, and one may probe after it."""
    drive = Drive(max_pause=10.0, give_up_after=60.0)
    drive.accepted(5)
    with pytest.raises(RateLimitError, match="refused every request for 6") as caught:
        while True:
            drive.refuse()
    assert 10 == pytest.approx(caught.value.retry_after)
    with pytest.raises(RateLimitError):
        drive.lease.wait()
    drive.clock.now += 10
    assert drive.lease.wait() <= 0
    assert drive.answer(drive.lease.admit())


def test_a_rate_climbs_to_the_fixed_pace_and_no_further():
    drive = measured(requests_per_minute=1200)
    drive.accepted(3000)
    assert 20.0 == drive.lease.rate


def test_a_pause_never_raises_the_rate_above_the_fixed_pace():
    drive = Drive(requests_per_minute=600)
    drive.accepted(100)
    drive.refuse(retry_after=0.0)
    drive.answer(drive.permit())
    assert drive.lease.rate <= 10.0


def test_the_rate_never_falls_below_one_request_in_the_longest_pause():
    drive = Drive(max_pause=20.0)
    drive.accepted(20, seconds=2000.0)
    drive.refuse()
    drive.refuse_for(20.0)
    for _ in range(5):
        drive.accepted(1, seconds=100.0)
        drive.refuse()
        drive.refuse_for(20.0)
    assert 1 / 20 == drive.lease.rate


def test_a_pause_is_no_shorter_than_the_time_between_two_requests():
    drive = Drive(requests_per_minute=12)
    drive.refuse()
    assert 5.0 == pytest.approx(drive.lease.wait(), abs=1e-6)


def test_a_clock_that_stands_still_does_no_harm():
    """Some tick every 16 ms only."""
    drive = Drive()
    permits = [drive.permit() for _ in range(40)]
    late = drive.permit()
    for permit in permits:
        drive.answer(permit)
    assert drive.lease.refused(late, 0.0)
    drive.lease.released(late)
    drive.answer(drive.permit())
    assert 0 < drive.lease.rate < math.inf


# The gate, and both together, in virtual time.


def gate(slots=SLOTS, requests_per_minute=math.inf, **bounds):
    bounds = Bounds(ceiling=requests_per_minute / 60, **bounds)
    return Limiter(Lease(asyncio.get_running_loop().time, bounds), slots)


async def hold(gate, seconds):
    permit = await gate.enter()
    try:
        await asyncio.sleep(seconds)
    finally:
        gate.leave(permit)


def test_no_more_than_the_slots_are_under_way():
    async def main():
        gate_ = gate(slots=3)
        under_way = []

        async def work():
            permit = await gate_.enter()
            under_way.append(1)
            most.append(len(under_way))
            await asyncio.sleep(1)
            under_way.pop()
            gate_.leave(permit)

        most = []
        await asyncio.gather(*(work() for _ in range(10)))
        return max(most), asyncio.get_running_loop().time()

    assert (3, 4.0) == virtual_time.run(main())


def test_a_pause_holds_every_task_until_the_probe_is_answered():
    async def main():
        loop, gate_ = asyncio.get_running_loop(), gate()
        starts = []

        async def work():
            permit = await gate_.enter()
            starts.append(loop.time())
            await asyncio.sleep(2)
            gate_.lease.accepted(permit)
            gate_.leave(permit)

        permit = await gate_.enter()
        await asyncio.sleep(0.1)
        gate_.lease.refused(permit, 10.0)
        gate_.leave(permit)
        await asyncio.gather(*(work() for _ in range(SLOTS)))
        return starts

    probe, second, *_, last = virtual_time.run(main())
    assert 10.1 == pytest.approx(probe)
    assert second >= 12.1
    assert 0.5 <= last - second <= 1.0


@pytest.mark.parametrize(
    "cancel_at",
    [0.0, 0.05, 0.5, 1.5],
    ids=["before it runs", "waiting for a slot", "waiting for its turn", "waiting for the pace"],
)
@pytest.mark.parametrize("victims", [1, 3, 6])
def test_a_cancelled_wait_leaks_no_slot_and_no_turn(cancel_at, victims):
    async def main():
        gate_ = gate(slots=2, requests_per_minute=30)
        tasks = [asyncio.create_task(hold(gate_, 0.2)) for _ in range(6)]
        await asyncio.sleep(cancel_at)
        for task in tasks[-victims:]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = sum(isinstance(result, asyncio.CancelledError) for result in done)
        async with asyncio.timeout(30):
            await asyncio.gather(*(hold(gate_, 0.2) for _ in range(6)))
        return cancelled

    assert virtual_time.run(main()) in {victims, victims - 1}


def test_a_wait_that_is_closed_leaks_no_slot():
    """As an asynchronous generator's may be, by its collection."""

    async def main():
        gate_ = gate(slots=1)
        permit = await gate_.enter()
        waiting = gate_.enter()
        waiting.send(None)
        waiting.close()
        gate_.leave(permit)
        return gate_.try_enter()

    assert virtual_time.run(main()) is not None


def test_waiting_requests_are_admitted_in_order():
    async def main():
        gate_ = gate(slots=1)
        permit = await gate_.enter()
        first = asyncio.create_task(gate_.enter())
        await asyncio.sleep(0)
        gate_.leave(permit)
        overtakes = gate_.try_enter()
        return overtakes, await first

    overtakes, first = virtual_time.run(main())
    assert overtakes is None
    assert first is not None


def test_a_cancelled_probe_makes_room_for_the_next():
    async def main():
        gate_ = gate()
        permit = await gate_.enter()
        await asyncio.sleep(0.1)
        gate_.lease.refused(permit, None)
        gate_.leave(permit)
        probe = asyncio.create_task(hold(gate_, 1000))
        await asyncio.sleep(1)
        probe.cancel()
        async with asyncio.timeout(1):
            await hold(gate_, 0)

    virtual_time.run(main())


def test_giving_up_fails_every_waiting_task_by_an_error_of_its_own():
    async def main():
        gate_ = gate(give_up_after=5.0)

        async def work():
            permit = await gate_.enter()
            gate_.lease.refused(permit, 3.0)
            gate_.leave(permit)
            await work()

        tasks = [work() for _ in range(40)]
        return await asyncio.gather(*tasks, return_exceptions=True), gate_

    errors, gate_ = virtual_time.run(main())
    assert {RateLimitError} == {type(error) for error in errors}
    assert len(errors) == len({id(error) for error in errors})
    assert SLOTS == gate_._free


def test_clients_of_one_key_share_a_pause():
    async def main():
        state = SharedState()
        clock = asyncio.get_running_loop().time
        first, second = (Limiter(Lease(clock, Bounds(), state), SLOTS) for _ in range(2))
        second.leave(second.try_enter())
        permit = first.try_enter()
        await asyncio.sleep(0.01)
        first.lease.refused(permit, 10.0)
        first.leave(permit)
        assert second.try_enter() is None
        await hold(second, 0)
        return clock()

    assert 10.01 == pytest.approx(virtual_time.run(main()))


def test_a_state_is_found_by_its_place_and_kept_as_long_as_it_is_used():
    async def main():
        state = state_of("a")
        assert state is state_of("a")
        assert state is not state_of("b")
        return state

    async def another_loop(state):
        return state is state_of("a")

    state = virtual_time.run(main())
    assert not virtual_time.run(another_loop(state))
