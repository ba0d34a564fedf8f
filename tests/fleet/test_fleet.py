"""Many accounts in one process, against one real server that has them all."""

import asyncio
import pickle
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from builders import AT_ONCE, specs

from bitpeak_async import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    NotFoundError,
    Outcome,
    Pace,
    PlanError,
    ProvisionError,
    RequestTimeoutError,
    Result,
    Retry,
    ServerError,
    Timeout,
    WebhookSettings,
)
from bitpeak_async._http import endpoint
from bitpeak_async.fleet import (
    Account,
    AccountReport,
    EnvironmentKey,
    FileKey,
    Fleet,
    FleetReport,
    partial_fleet_report,
)
from bitpeak_async.sandbox import Fault, FixedWindow, Sandbox

KEYS = [f"key-{n}" for n in range(12)]


def accounts(count: int = len(KEYS), handlers: int = 3) -> list[Account]:
    return [Account(f"account-{n}", KEYS[n], specs(handlers)) for n in range(count)]


def fleet_of(sandbox: Sandbox, of: list[Account], **options) -> Fleet:
    return Fleet(of, base_url=sandbox.base_url, **{"retry": AT_ONCE, **options})


@pytest.fixture
async def server():
    async with Sandbox(api_keys=KEYS) as sandbox:
        yield sandbox


def names(sandbox: Sandbox, key: str) -> list[str]:
    return sorted(handler["name"] for handler in sandbox.handlers_of(key))


def writes(sandbox: Sandbox) -> int:
    return sum(n for (method, _), n in sandbox.counts.items() if method != "GET")


# What it does


async def test_all_accounts_are_provisioned_and_a_second_run_writes_nothing(server: Sandbox):
    async with fleet_of(server, accounts()) as fleet:
        first = await fleet.provision()
        assert first.ok
        assert {Result.CREATED: 36} == first.totals
        assert all(["n0", "n1", "n2"] == names(server, key) for key in KEYS)
        before = writes(server)
        second = await fleet.provision()
        assert {Result.UNCHANGED: 36} == second.totals
        assert before == writes(server)


async def test_a_bad_key_fails_its_account_alone(server: Sandbox):
    some = [*accounts(3), Account("stranger", "no-such-key", specs(2))]
    async with fleet_of(server, some) as fleet:
        report = await fleet.provision()
    [failed] = report.failed
    assert "stranger" == failed.account
    assert isinstance(failed.error, AuthenticationError)
    assert not report.ok
    assert 9 == report.totals[Result.CREATED]
    with pytest.raises(ProvisionError, match=r"1 of 4 accounts failed.*'stranger'.*401"):
        report.raise_for_failures()
    assert "no-such-key" not in f"{report} {report!r} {failed!r}"


async def test_the_report_is_a_table_of_counts(server: Sandbox):
    async with fleet_of(server, accounts(2)) as fleet:
        lines = str(await fleet.provision()).splitlines()
    assert ["account", "created", "updated", "unchanged", "failed"] == lines[0].split()
    assert ["account-0", "3", "0", "0", "0"] in [line.split() for line in lines]
    assert ["total", "6", "0", "0", "0"] == lines[-2].split()
    assert "2 of 2 accounts ok: 6 created, 0 updated, 0 unchanged, 0 failed" == lines[-1]


async def test_a_plan_reads_only_and_is_what_apply_does(server: Sandbox):
    some = [*accounts(2), Account("stranger", "no-such-key", specs(1))]
    async with fleet_of(server, some) as fleet:
        plan = await fleet.plan()
        assert ["account-0", "account-1"] == sorted(plan.plans)
        assert "2 of 3 accounts to change, 1 failed" == plan.summary
        assert "account 'account-0':\n+ 'n0'" in str(plan)
        assert 0 == writes(server)
        server.add(name="n0", type="email", settings={"email": "x@example.com"}, api_key=KEYS[0])
        report = await fleet.apply(plan)
    assert isinstance(report.accounts["account-0"].error, PlanError)
    assert isinstance(report.accounts["stranger"].error, AuthenticationError)
    assert 3 == report.accounts["account-1"].counts[Result.CREATED]
    assert ["n0"] == names(server, KEYS[0])


async def test_pruning_is_by_account(server: Sandbox):
    for key in KEYS[:2]:
        server.add(name="old", type="email", settings={"email": "x@example.com"}, api_key=key)
    async with fleet_of(server, accounts(2)) as fleet:
        report = await fleet.provision(prune="old")
    assert 2 == report.totals[Result.DELETED]
    assert ["n0", "n1", "n2"] == names(server, KEYS[0]) == names(server, KEYS[1])


async def test_outcomes_and_accounts_are_reported_as_they_end(server: Sandbox):
    outcomes: list[tuple[str, str]] = []
    ended: list[AccountReport] = []

    def tell(account: str, outcome: Outcome) -> None:
        outcomes.append((account, outcome.change.name))

    async with fleet_of(server, accounts(2)) as fleet:
        report = await fleet.provision(
            on_outcome=tell, on_account=ended.append, keep_outcomes=False
        )
    assert sorted((f"account-{n}", f"n{i}") for n in range(2) for i in range(3)) == sorted(outcomes)
    assert {"account-0", "account-1"} == {account.account for account in ended}
    assert all(() == account.report.outcomes for account in report)
    assert {Result.CREATED: 6} == report.totals


async def test_failed_outcomes_are_kept_even_without_the_others(server: Sandbox):
    server.inject(Fault(status=422), method="POST", times=1)
    async with fleet_of(server, accounts(1), pace=Pace(in_flight=1)) as fleet:
        report = await fleet.provision(keep_outcomes=False)
    [account] = report
    assert ["n0"] == [outcome.change.name for outcome in account.report.outcomes]
    assert {Result.CREATED: 2, Result.FAILED: 1} == account.counts
    assert not account.ok


async def test_a_worker_can_provision_a_part_of_any_account(server: Sandbox):
    whole = Account("acme", KEYS[0], specs(4))
    async with Fleet(base_url=server.base_url, retry=AT_ONCE) as fleet:
        parts = [whole.with_specs(whole.specs[:2]), whole.with_specs(whole.specs[2:])]
        reports = await asyncio.gather(*map(fleet.provision_account, parts))
        assert [2, 2] == [len(report.created) for report in reports]
        assert ["n0", "n1", "n2", "n3"] == names(server, KEYS[0])
        with pytest.raises(AuthenticationError):
            await fleet.provision_account(Account("x", "no-such-key", specs(1)))


async def test_all_accounts_use_the_proxy_of_the_environment_which_is_read_once(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """The sandbox plays the proxy: it is asked for a host that does not exist."""
    proxies = Mock(return_value={"http": server.base_url.removesuffix("/api")})
    monkeypatch.setattr(endpoint, "getproxies", proxies)
    options = {"base_url": "http://bitpeak.invalid/api", "allow_insecure": True}
    async with Fleet(accounts(3), retry=AT_ONCE, **options) as fleet:
        report = await fleet.provision()
    assert [NotFoundError] * 3 == [type(each.error) for each in report.accounts.values()]
    proxies.assert_called_once()


# Keys that accounts share


async def test_accounts_of_one_key_share_its_pace_and_run_one_after_another(server: Sandbox):
    some = [Account("a", KEYS[0], specs(3, "a")), Account("b", KEYS[0], specs(3, "b"))]
    server.inject(Fault.slow(0.01), times=None)
    async with fleet_of(server, some, pace=Pace(in_flight=2)) as fleet:
        report = await fleet.provision()
    assert report.ok
    assert 2 == server.peak_in_flight
    assert 6 == len(names(server, KEYS[0]))


@pytest.mark.parametrize(
    ("other", "prune", "problem"),
    [
        (Account("b", KEYS[0], specs(1)), None, "both describe 'n0'"),
        (Account("b", KEYS[0], specs(1, "b"), pace=Pace(in_flight=1)), None, "different paces"),
        (Account("b", KEYS[0], specs(1, "b")), "*", "pruning one would delete"),
    ],
)
async def test_accounts_of_one_key_must_agree(server: Sandbox, other, prune, problem):
    async with fleet_of(server, [Account("a", KEYS[0], specs(1)), other]) as fleet:
        with pytest.raises(PlanError, match=f"account 'b' and 'a' have the same key.*{problem}"):
            await fleet.provision(prune=prune)
    assert 0 == server.counts.total()


# Bad input, before anything is sent


async def test_all_problems_are_reported_at_once(server: Sandbox, tmp_path, monkeypatch):
    monkeypatch.delenv("ACME_KEY", raising=False)
    (tmp_path / "bad.toml").write_text('[[handlers]]\nname = "x"\ntype = "slack"\n')
    bad = tmp_path / "bad.toml"
    some = [
        Account("one", EnvironmentKey("ACME_KEY"), specs(1)),
        Account("two", FileKey(tmp_path / "missing.key"), specs(1)),
        Account("three", "white space", [HandlerSpec("", EmailSettings("nobody"))]),
        Account("four", KEYS[0], bad),
        Account("five", KEYS[1], [bad], base_url="ftp://example.com"),
        Account("six", KEYS[2], tmp_path / "missing.json"),
        Account("fine", KEYS[3], specs(1)),
    ]
    async with fleet_of(server, some) as fleet:
        with pytest.raises(PlanError) as caught:
            await fleet.provision()
    text = "\n".join(caught.value.problems)
    for problem in (
        "account 'one': the environment variable ACME_KEY is not set",
        f"account 'two': the key cannot be read from {tmp_path / 'missing.key'}: No such file",
        "account 'three': api_key must be ASCII without spaces",
        "account 'three': spec 1 (''): name",
        f"accounts 'four', 'five': {bad}: handlers[0].settings ('x'): lacks 'slack'",
        "account 'five': base_url must be an absolute http(s) URL",
        f"account 'six': {tmp_path / 'missing.json'}: cannot be read",
    ):
        assert problem in text
    assert 0 == server.counts.total()
    assert "white space" not in text.replace("white space around", "")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Account("", "key"), "needs a name"),
        (lambda: Account("a", None), "account 'a': api_key must be"),
        (lambda: Account("a", "key", 7), "account 'a': specs must be"),
        (lambda: Account("a", "key", [7]), "account 'a': specs must hold"),
        (lambda: Account("a", "key", pace=7), "account 'a': pace must be"),
        (lambda: Fleet([Account("a", "k"), Account("a", "l")]), "unique: account 'a'"),
        (lambda: Fleet(["a"]), "accounts must be"),
        (lambda: Fleet(in_flight=0), "in_flight"),
        (lambda: Fleet(base_url="nowhere"), "base_url"),
        (lambda: Fleet(retry=3), "retry must be"),
    ],
)
def test_unusable_arguments_are_refused(make: Callable[[], object], problem: str):
    with pytest.raises(ConfigurationError, match=problem):
        make()


# Failures of one account


async def test_an_outage_of_one_account_is_reported_and_the_others_continue(server: Sandbox):
    server.inject(Fault.gateway_error(), api_key=KEYS[0], times=None)
    async with fleet_of(server, accounts(4)) as fleet:
        report = await fleet.provision()
    assert ["account-0"] == [account.account for account in report.failed]
    assert isinstance(report.accounts["account-0"].error, ServerError)
    assert 9 == report.totals[Result.CREATED]


async def test_accounts_that_hang_stop_no_other(server: Sandbox):
    """They time out once all others are done, though they started first and are the majority."""
    for key in KEYS[:8]:
        server.inject(Fault.stall(), api_key=key, times=None)
    ended: list[str] = []
    async with fleet_of(
        server,
        accounts(),
        in_flight=9,
        timeout=Timeout(total=2.0),
        retry=Retry(attempts=1),
    ) as fleet:
        report = await fleet.provision(on_account=lambda account: ended.append(account.account))
    assert {f"account-{n}" for n in range(8, 12)} == set(ended[:4])
    assert all(isinstance(account.error, RequestTimeoutError) for account in report.failed)
    assert 8 == len(report.failed)


async def test_a_paused_account_holds_no_slot():
    """One slot for all: if the pause kept it, no other key could send meanwhile."""
    async with Sandbox(api_keys=KEYS) as server:
        throttled = Fault(status=429, headers={"Retry-After": "1"})
        server.inject(throttled, api_key=KEYS[0], times=1)
        async with fleet_of(server, accounts(), in_flight=1) as fleet:
            assert (await fleet.provision()).ok
        bearers = [request.authorization for request in server.requests]
        refused, again = [at for at, bearer in enumerate(bearers) if KEYS[0] == bearer[7:]][:2]
        assert again - refused > len(KEYS)
        assert 1 == server.peak_in_flight


async def test_each_key_meets_its_own_limit_only():
    limit = FixedWindow(6, 0.5, announce="retry_after")
    async with Sandbox(api_keys=KEYS, limit=limit) as server:
        async with fleet_of(server, accounts(handlers=4), pace=Pace(in_flight=1)) as fleet:
            report = await fleet.provision()
        assert report.ok
        assert 0 == sum(n for (_, status), n in server.counts.items() if status == 429)


async def test_never_more_requests_in_flight_than_the_fleet_allows(server: Sandbox):
    server.inject(Fault.slow(0.005), times=None)
    async with fleet_of(server, accounts(handlers=20), in_flight=7) as fleet:
        assert (await fleet.provision()).ok
    assert 7 == server.peak_in_flight


async def test_a_timeout_starts_when_the_request_has_its_slot(server: Sandbox):
    """One slot for all: most requests wait for it longer than the timeout."""
    server.inject(Fault.slow(0.05), times=None)
    async with fleet_of(
        server, accounts(handlers=1), in_flight=1, timeout=Timeout(total=0.5)
    ) as fleet:
        assert (await fleet.provision()).ok
    assert {200} == {status for _, status in server.counts}


async def test_a_delete_repeated_by_the_connection_succeeds(server: Sandbox):
    """aiohttp resends a delete if the connection was closed; the second reply is 404."""
    server.add(name="old", type="email", settings={"email": "x@example.com"}, api_key=KEYS[0])
    server.inject(Fault.disconnect_after_commit(), method="DELETE")
    async with fleet_of(server, accounts(1)) as fleet:
        report = await fleet.provision(prune="old")
    assert {Result.CREATED: 3, Result.DELETED: 1} == report.totals


# Cancelling, closing


@pytest.mark.parametrize("end", ["cancel", "timeout", "deadline"])
async def test_a_run_that_ends_early_reports_what_was_done(end: str, server: Sandbox):
    server.inject(Fault.stall(commits=True), method="POST", api_key=KEYS[1], times=None)
    done = asyncio.Event()
    async with fleet_of(server, accounts(2)) as fleet:
        deadline = 0.5 if end == "deadline" else None
        run = asyncio.create_task(
            fleet.provision(on_account=lambda _: done.set(), grace=0.01, deadline=deadline)
        )
        await done.wait()
        while server.in_flight < 3:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        expected = {"cancel": asyncio.CancelledError, "deadline": RequestTimeoutError}
        with pytest.raises(expected.get(end, TimeoutError)) as caught:
            if end == "cancel":
                run.cancel()
            async with asyncio.timeout(0 if end == "timeout" else None):
                await run
        report = partial_fleet_report(caught.value)
        assert report is not None
        assert 3 == report.accounts["account-0"].counts[Result.CREATED]
        assert 3 == report.accounts["account-1"].counts[Result.UNRESOLVED]
        server.clear_faults()
        assert (await fleet.provision()).ok
    assert ["n0", "n1", "n2"] == names(server, KEYS[1])


async def test_a_closed_fleet_says_so(server: Sandbox):
    fleet = fleet_of(server, accounts(1))
    await fleet.close()
    await fleet.close()
    with pytest.raises(ClosedError, match="fleet is closed"):
        await fleet.provision()


def test_a_fleet_serves_one_loop(threaded_sandbox: Sandbox):
    one = Account("a", threaded_sandbox.api_key, specs(1))
    fleet = fleet_of(threaded_sandbox, [one])

    async def use(*, last: bool) -> FleetReport:
        try:
            return await fleet.provision()
        finally:
            if last:
                await fleet._clients._network.close()

    assert asyncio.run(use(last=True)).ok
    with pytest.raises(ClosedError, match="another event loop"):
        asyncio.run(use(last=False))


async def test_two_runs_of_a_fleet_may_overlap(server: Sandbox):
    async with fleet_of(server, accounts(), in_flight=2) as fleet:
        plans = await asyncio.gather(fleet.plan(), fleet.plan())
    assert ["12 of 12 accounts to change"] * 2 == [plan.summary for plan in plans]


# Secrets


def test_a_key_is_never_shown_and_travels_by_reference(monkeypatch, tmp_path):
    monkeypatch.setenv("ACME_KEY", "canary-1")
    file = tmp_path / "acme.key"
    file.write_text("canary-2\n")
    literal = Account("a", "canary-3", [HandlerSpec("x", WebhookSettings("https://h.io/canary-4"))])
    shown = repr(literal)
    for source, key in ((EnvironmentKey("ACME_KEY"), "canary-1"), (FileKey(file), "canary-2")):
        account = Account("a", source, ())
        shown += repr(account)
        assert key == pickle.loads(pickle.dumps(account)).key.resolve()
        assert b"canary" not in pickle.dumps(account)
    assert "canary" not in shown
