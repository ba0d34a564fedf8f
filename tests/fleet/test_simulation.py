"""The simulation behind the sizing table, held to the real limiters in virtual time."""

import asyncio
from importlib import import_module
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import virtual_time

from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease
from bitpeak_async.fleet._fair_limiter import FairLimiter
from bitpeak_async.fleet._network import QuotaLimiter
from bitpeak_async.fleet._run import run_all

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("fleet_simulation")


@pytest.fixture
def costs(simulation: ModuleType) -> Any:
    return simulation.Costs(
        account=0.001,
        create=0.0005,
        unchanged=0.00001,
        process=40_000_000,
        account_bytes=2_000,
        spec_bytes=800,
        open_bytes=80_000,
    )


async def really(accounts: list[int], process: Any, cost: float) -> tuple[float, int]:
    """Play a fleet with the real limiters; return the seconds and the most open at once.

    Only the server and the processor are simulated: one answers after the latency, the other
    is a lock.
    """
    loop = asyncio.get_running_loop()
    shared, processor = FairLimiter(process.in_flight), asyncio.Lock()
    bounds = Bounds(ceiling=process.per_minute / 60)
    under_way = most = 0

    async def request(key: QuotaLimiter) -> None:
        permit = await key.enter()
        try:
            async with processor:
                await asyncio.sleep(cost)
            await asyncio.sleep(process.latency)
            key.lease.accepted(permit)
        finally:
            key.leave(permit)

    async def provision(after_listing: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        key = QuotaLimiter(Lease(loop.time, bounds), process.slots, shared)
        await request(key)
        left = iter(range(after_listing))

        async def work() -> None:
            for _ in left:
                await request(key)

        await asyncio.gather(*(work() for _ in range(process.slots)))
        under_way -= 1

    await run_all([[account] for account in accounts], provision, shared.wait_for_room)
    return loop.time(), most


ONE_LARGE = [5] * 150 + [600] + [5] * 150
SCENES = {
    "an account alone": ([100], {}, 0.0),
    "its limit": ([100], {"per_minute": 600}, 0.0),
    "limits of all": ([20] * 200, {"per_minute": 300}, 0.0001),
    "slots": ([20] * 200, {"in_flight": 20}, 0.0),
    "slots and limits": ([20] * 200, {"in_flight": 20, "per_minute": 1200}, 0.0),
    "the processor": ([20] * 200, {}, 0.001),
    "the processor and limits": ([20] * 200, {"per_minute": 1200}, 0.001),
    "accounts at once": ([3] * 2500, {"per_minute": 60}, 0.0),
    "listings alone": ([0] * 500, {"in_flight": 20}, 0.0),
    "one large account": (ONE_LARGE, {}, 0.0),
    "one large account and limits": (ONE_LARGE, {"per_minute": 1200}, 0.0),
    "accounts of all sizes": ([n % 97 for n in range(300)], {"in_flight": 30}, 0.0002),
}


@pytest.mark.parametrize(("accounts", "options", "cost"), SCENES.values(), ids=SCENES)
def test_it_agrees_with_the_real_limiters(
    accounts: list[int], options: dict[str, Any], cost: float, simulation: ModuleType
):
    """Whatever a fleet waits for; a tenth is what lockstep of so few accounts makes of it."""
    process = simulation.Process(**options)
    seconds, most = virtual_time.run(really(accounts, process, cost))
    simulated, under_way = simulation.play(accounts, process, cost)
    assert pytest.approx(seconds, rel=0.1) == simulated
    assert pytest.approx(most, rel=0.1) == under_way


def test_a_million_accounts_take_as_long_as_their_requests(simulation: ModuleType):
    """A hundred slots and 50 ms are 2,000 requests a second."""
    seconds, _ = simulation.play(repeat(100, 1_000_000), simulation.Process(), 0.0)
    assert pytest.approx(1_000_000 * 101 / 2_000, rel=0.01) == seconds


def test_workers_share_the_accounts(simulation: ModuleType, costs: Any):
    accounts = [simulation.Account(100)] * 8_000
    alone = simulation.simulate_fleet(accounts, simulation.Process(), costs)
    four = simulation.simulate_fleet(accounts, simulation.Process(), costs, workers=4)
    assert pytest.approx(alone.seconds / 4, rel=0.01) == four.seconds
    assert alone.processor / 4 == pytest.approx(four.processor)
    assert 6_000 * (2_000 + 100 * 800) == pytest.approx(alone.peak - four.peak)


def test_more_workers_than_accounts_leave_some_with_nothing_to_do(
    simulation: ModuleType, costs: Any
):
    one = simulation.simulate([simulation.Account(20)], simulation.Process(), costs)
    assert one == simulation.simulate_fleet(
        [simulation.Account(20)], simulation.Process(), costs, workers=3
    )


def test_what_is_in_place_costs_its_listing_alone(simulation: ModuleType, costs: Any):
    """One request for each thousand handlers, and no more than that of the limit."""
    process = simulation.Process(per_minute=60, in_flight=1)
    in_place = simulation.simulate([simulation.Account(0, 2_500)], process, costs)
    assert pytest.approx(0.001 + 2_500 * 0.00001) == in_place.processor
    assert pytest.approx(2.05, rel=0.05) == in_place.seconds


def test_the_memory_is_that_of_all_accounts_and_of_those_under_way(
    simulation: ModuleType, costs: Any
):
    fleet = [simulation.Account(10)] * 5_000
    run = simulation.simulate(fleet, simulation.Process(per_minute=60), costs)
    shared = 40_000_000 + 5_000 * 2_000 + 1_000 * 80_000
    assert (1_000, shared + 10 * 800, shared + 50_000 * 800) == (
        run.open,
        run.peak_shared,
        run.peak,
    )


def test_figures_are_written_between_their_marks(
    simulation: ModuleType,
):
    sizing = import_module("fleet_sizing")
    page = f"before\n\n{sizing.BEGIN}\nold\n\n{sizing.END}\nafter\n"
    once = sizing.written(page, "new")
    assert page.replace("old", "new") == once
    assert once == sizing.written(once, "new")


def test_the_page_has_the_figures_of_each_fleet(simulation: ModuleType):
    sizing = import_module("fleet_sizing")
    page = sizing.PAGE.read_text(encoding="utf-8")
    figures = page.partition(sizing.BEGIN)[2].partition(sizing.END)[0]
    for accounts, all_workers in sizing.FLEETS.items():
        for workers in all_workers:
            assert f"\n| {accounts:,} | {workers} |" in figures
