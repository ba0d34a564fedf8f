"""A second writer next to the client, on a clock that only the test moves."""

import pytest

from bitpeak_async.sandbox import SecondWriter


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def with_writer(serve, clock):
    """Start a sandbox with three handlers and a second writer."""

    async def start(**options):
        writer = SecondWriter(**options)
        caller = await serve(second_writer=writer, clock=clock, api_keys=["other"])
        caller.sandbox.seed_handlers(3)
        caller.sandbox.add(name="x", type="email", settings={"email": "x@x.x"}, api_key="other")
        return caller, writer

    return start


async def test_it_acts_before_each_request_at_its_rate(with_writer, clock):
    caller, writer = await with_writer(rate=4.0, actions=["insert"])

    seen = []
    for seconds in (10.0, 0.125, 0.125, 0.5, 0.0):
        seen.append((await caller.send("GET")).json["meta"]["total"])
        clock.now += seconds
    writer.rate = 0.0
    seen.append((await caller.send("GET")).json["meta"]["total"])

    assert [3, 43, 43, 44, 46, 46] == seen
    assert 43 == len(writer.inserted)


async def test_it_records_what_it_did_to_the_first_key_s_handlers(with_writer, clock):
    caller, writer = await with_writer(rate=1.0, seed=7)
    before = {handler["id"]: handler["name"] for handler in caller.sandbox.handlers}
    await caller.send("GET")

    clock.now += 300
    await caller.send("GET")

    after = {handler["id"]: handler["name"] for handler in caller.sandbox.handlers}
    assert before.keys() | writer.inserted == after.keys() | writer.deleted
    assert not after.keys() & writer.deleted
    changed = {key for key in after if key in before and after[key] != before[key]}
    assert changed <= writer.edited
    assert {True} == {bool(done) for done in (writer.inserted, writer.edited, writer.deleted)}
    assert ["x"] == [handler["name"] for handler in caller.sandbox.handlers_of("other")]


async def test_with_only_own_it_changes_nothing_else(with_writer, clock):
    caller, writer = await with_writer(rate=1.0, only_own=True, seed=7)
    before = caller.sandbox.handlers
    await caller.send("GET")

    clock.now += 300
    await caller.send("GET")

    assert before == [one for one in caller.sandbox.handlers if one["id"] not in writer.inserted]
    assert writer.deleted < writer.inserted
    assert writer.edited


async def test_it_has_nothing_to_delete_in_an_empty_account(with_writer, clock):
    caller, writer = await with_writer(rate=1.0, actions=["delete"])
    await caller.send("GET")

    clock.now += 5
    await caller.send("GET")

    assert ({1, 2, 3}, ["x"]) == (
        writer.deleted,
        [handler["name"] for handler in caller.sandbox.handlers],
    )


async def test_the_same_seed_repeats_a_run(with_writer, clock):
    async def run(seed):
        caller, _ = await with_writer(rate=1.0, seed=seed)
        await caller.send("GET")
        clock.now += 50
        await caller.send("GET")
        return [(one["id"], one["name"]) for one in caller.sandbox.handlers]

    assert await run(1) == await run(1) != await run(2)
