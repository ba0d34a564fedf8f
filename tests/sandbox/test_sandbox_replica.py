"""A replica that lags, on a clock that only the test moves."""

import pytest

from bitpeak_async.sandbox import Dialect


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lagging(serve, clock):
    """Start a sandbox whose replica is five seconds behind."""

    async def start(**options):
        return await serve(
            dialect=Dialect(replica_lag=5.0, **options.pop("dialect", {})), clock=clock, **options
        )

    return start


async def listed(caller):
    page = (await caller.send("GET")).json
    assert len(page["data"]) == page["meta"]["total"]
    return [(handler["id"], handler["name"]) for handler in page["data"]]


async def test_lists_show_each_write_when_the_lag_is_over(lagging, clock):
    caller = await lagging()
    await caller.create("a")
    clock.now += 2
    await caller.update(1, name="b")
    clock.now += 2.9
    assert [] == await listed(caller)

    clock.now += 0.1
    assert [(1, "a")] == await listed(caller)
    await caller.send("DELETE", "/notification-handlers/1")
    clock.now += 2
    assert [(1, "b")] == await listed(caller)
    clock.now += 3
    assert [] == await listed(caller)


async def test_a_replica_has_the_same_rows(lagging, clock):
    caller = await lagging()
    caller.sandbox.seed_handlers(3)
    await caller.send("DELETE", "/notification-handlers/3")
    await caller.create("d")
    clock.now += 5

    shown = (await caller.send("GET")).json["data"]

    assert shown == [await caller.get(handler_id) for handler_id in (1, 2, 4)]


@pytest.mark.parametrize(("serves", "status"), [("lists", 200), ("reads", 404)])
async def test_single_handlers_come_from_the_replica_where_it_serves_reads(
    lagging, clock, serves, status
):
    caller = await lagging(dialect={"replica_serves": serves})
    await caller.create("a")

    assert status == (await caller.send("GET", "/notification-handlers/1")).status
    assert 200 == (await caller.update(1, name="b")).status
    clock.now += 5
    assert "b" == (await caller.get(1))["name"]


async def test_a_test_can_sync_the_replica(lagging, serve):
    caller = await lagging()
    caller.sandbox.seed_handlers(2)
    caller.sandbox.sync_replica()

    assert [(1, "Handler 1"), (2, "Handler 2")] == await listed(caller)
    assert 2 == len(caller.sandbox.handlers)
    (await serve()).sandbox.sync_replica()  # without a replica it does nothing


async def test_a_replica_starts_with_what_the_database_has(lagging, serve, tmp_path):
    database = str(tmp_path / "bitpeak.sqlite")
    first = await serve(database=database)
    await first.create("a")
    await first.sandbox.close()

    assert [(1, "a")] == await listed(await lagging(database=database))
