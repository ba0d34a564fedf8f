"""plan, apply and check with --accounts."""

import asyncio
import json
from pathlib import Path

import pytest
from builders import DIALECT
from command_line import Run, Terminal

from bitpeak_async.cli._exit import Exit
from bitpeak_async.sandbox import Fault, Sandbox

CANARY = "canary-4711"
KEYS = {"ACME_KEY": f"{CANARY}-acme", "GLOBEX_KEY": f"{CANARY}-globex"}
SPECS = "- {name: Mail, type: email, settings: {email: a@example.com}}\n"


@pytest.fixture
def threaded_sandbox():
    with Sandbox(api_keys=KEYS.values(), dialect=DIALECT) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "acme.yaml").write_text(SPECS)
    (folder / "globex.yaml").write_text(SPECS)
    return folder


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    path.write_text(
        "- {name: acme, api_key: '${ACME_KEY}'}\n- {name: globex, api_key: '${GLOBEX_KEY}'}\n"
    )
    return path


def test_apply_provisions_all_accounts_and_a_second_run_writes_nothing(
    run: Run, folder, accounts, threaded_sandbox
):
    result = run("apply", folder, "--accounts", accounts)
    assert Exit.DONE == result.exit_code, result.output
    assert "2 of 2 accounts ok: 2 created, 0 updated, 0 unchanged, 0 failed" in result.output
    assert ["Mail"] == [each["name"] for each in threaded_sandbox.handlers_of(KEYS["ACME_KEY"])]
    again = run("apply", folder, "--accounts", accounts)
    assert "0 created, 0 updated, 2 unchanged" in again.output
    assert CANARY not in result.output + again.output


def test_each_key_shares_its_pace_through_a_redis_or_nothing_is_sent(
    run: Run, folder, accounts, threaded_sandbox, redis_server
):
    arguments = ("apply", folder, "--accounts", accounts, "--redis", redis_server.url)
    assert Exit.DONE == run(*arguments).exit_code
    assert 2 == len(redis_server.ask("--scan", "--pattern", "bitpeak:*").split())
    redis_server.kill()
    before = len(threaded_sandbox.requests)
    refused = run(*arguments)
    assert Exit.ERROR == refused.exit_code
    assert "cannot be reached" in refused.stderr
    assert before == len(threaded_sandbox.requests)


def test_plan_shows_each_account_and_writes_nothing(run: Run, folder, accounts, threaded_sandbox):
    result = run("plan", folder, "--accounts", accounts, "--exit-code")
    assert Exit.HAS_CHANGES == result.exit_code
    assert "account 'acme':\n+ 'Mail'" in result.output
    assert "2 of 2 accounts to change" in result.output
    assert [] == threaded_sandbox.handlers
    assert Exit.DONE == run("plan", folder, "--accounts", accounts).exit_code


def test_json_is_by_account(run: Run, folder, accounts):
    planned = json.loads(run("plan", folder, "--accounts", accounts, "--json").stdout)
    assert {"acme", "globex"} == set(planned["accounts"])
    done = json.loads(run("apply", folder, "--accounts", accounts, "--json").stdout)
    assert done["ok"]
    [outcome] = done["accounts"]["acme"]["report"]["outcomes"]
    assert ("Mail", "created") == (outcome["name"], outcome["result"])


@pytest.mark.parametrize(
    ("bad", "code"),
    [(["ACME_KEY"], Exit.CHANGES_FAILED), (["ACME_KEY", "GLOBEX_KEY"], Exit.KEY_REFUSED)],
    ids=["one", "all"],
)
def test_a_bad_key_is_reported_with_its_account(run: Run, folder, accounts, bad, code):
    keys = {name: f"{CANARY}-bad-{name}" for name in bad}
    result = run("apply", folder, "--accounts", accounts, **keys)
    assert code == result.exit_code
    assert f"{2 - len(bad)} of 2 accounts ok" in result.output
    assert "acme     AuthenticationError: list notification handlers, page 1: 401" in result.output
    assert CANARY not in result.output
    result = run("plan", folder, "--accounts", accounts, **keys)
    assert (Exit.KEY_REFUSED if len(bad) == 2 else Exit.ERROR) == result.exit_code
    assert "! account 'acme': list notification handlers, page 1: 401" in result.output


def test_a_failed_handler_is_reported(run: Run, folder, accounts, threaded_sandbox):
    threaded_sandbox.inject(Fault(status=422), method="POST", api_key=KEYS["GLOBEX_KEY"])
    result = run("apply", folder, "--accounts", accounts)
    assert Exit.CHANGES_FAILED == result.exit_code
    assert "! account 'globex': 'Mail': create notification handler 'Mail'" in result.output


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_nothing_is_sent_if_a_key_is_missing(run: Run, folder, accounts, threaded_sandbox, command):
    result = run(command, folder, "--accounts", accounts, GLOBEX_KEY=None)
    assert Exit.ERROR == result.exit_code
    problem = "account 'globex': the environment variable GLOBEX_KEY is not set"
    assert f"{accounts}:2: {problem}" in result.output
    assert 0 == threaded_sandbox.counts.total()


def test_check_needs_no_keys(run: Run, folder, accounts):
    result = run("check", folder, "--accounts", accounts, ACME_KEY=None)
    assert (0, "2 handlers, no problem found\n") == (result.exit_code, result.output)
    (folder / "acme.yaml").write_text("- {name: Mail, type: emial}\n")
    result = run("check", folder, "--accounts", accounts, "--json")
    assert Exit.ERROR == result.exit_code
    [problem] = json.loads(result.stdout)["problems"]
    assert problem.startswith(f"account 'acme': {folder / 'acme.yaml'}:1: [0].type: 'emial'")


def test_a_sandbox_needs_no_keys(run: Run, folder, accounts, threaded_sandbox):
    result = run("apply", folder, "--accounts", accounts, "--sandbox", ACME_KEY=None)
    assert Exit.DONE == result.exit_code, result.output
    assert "2 of 2 accounts ok: 2 created" in result.output
    assert 0 == threaded_sandbox.counts.total()


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_deadline_bounds_the_whole_run(run: Run, folder, accounts, threaded_sandbox, command):
    threaded_sandbox.inject(Fault.slow(0.3), times=None)
    result = run(command, folder, "--accounts", accounts, "--deadline", 0.2)
    assert Exit.ERROR == result.exit_code
    assert "not done within the deadline of 0.2 s" in result.output
    assert 0 == len(threaded_sandbox.handlers)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["apply", "{folder}/acme.yaml"], "--accounts needs one folder"),
        (["plan", "{folder}", "{folder}"], "--accounts needs one folder"),
        (["apply", "{folder}", "--plan", "plan.json"], "--plan does not work with --accounts"),
    ],
)
def test_options_that_exclude_accounts_are_refused(run: Run, folder, accounts, arguments, problem):
    given = [argument.format(folder=folder) for argument in arguments]
    result = run(*given, "--accounts", accounts)
    assert Exit.USAGE == result.exit_code
    assert problem in result.output


def test_apply_asks_on_a_terminal(folder, accounts, server, threaded_sandbox):
    terminal = Terminal("apply", folder, "--accounts", accounts, **server)
    terminal.until("Apply to ")
    terminal.type("n\n")
    assert Exit.ERROR == terminal.end()
    assert "2 of 2 accounts to change" in terminal.screen
    assert [] == threaded_sandbox.handlers
    terminal = Terminal("apply", folder, "--accounts", accounts, **server)
    terminal.until("Apply to ")
    terminal.type("y\n")
    assert Exit.DONE == terminal.end()
    assert 2 == len(threaded_sandbox.handlers)


async def test_ctrl_c_prints_what_was_done(folder, accounts, server, threaded_sandbox):
    threaded_sandbox.inject(Fault.stall(), method="POST", api_key=KEYS["GLOBEX_KEY"], times=None)
    terminal = Terminal("apply", folder, "--accounts", accounts, "--yes", **server)
    await terminal.sees(lambda: threaded_sandbox.in_flight == 1)
    terminal.until("1/2")
    terminal.type("\x03")
    await asyncio.sleep(0)
    terminal.type("\x03")
    assert Exit.INTERRUPTED == await asyncio.to_thread(terminal.end)
    assert "1 created" in terminal.screen
    assert "1 unresolved" in terminal.screen
