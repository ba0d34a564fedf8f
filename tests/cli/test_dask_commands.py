"""apply with --dask."""

import json
from pathlib import Path

import pytest
from builders import DIALECT
from command_line import CANARY, Run, Terminal, piped

from bitpeak_async.cli._exit import Exit
from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.dask

SPECS = "- {name: Mail, type: email, settings: {email: a@example.com}}\n"


@pytest.fixture
def threaded_sandbox():
    with Sandbox(api_keys=[CANARY], dialect=DIALECT) as sandbox:
        yield sandbox


@pytest.fixture
def arguments(tmp_path: Path) -> list[object]:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "acme.yaml").write_text(SPECS)
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("- {name: acme, api_key: '${ACME_KEY}'}\n")
    return ["apply", folder, "--accounts", accounts]


def test_apply_starts_its_own_processes(arguments, server, threaded_sandbox):
    result = piped(*arguments, "--dask", "--workers", 1, "--json", **server, ACME_KEY=CANARY)
    assert Exit.DONE == result.returncode, result.stderr
    done = json.loads(result.stdout)
    [outcome] = done["accounts"]["acme"]["report"]["outcomes"]
    assert ("Mail", "created") == (outcome["name"], outcome["result"])
    assert "Dask's dashboard at http://127.0.0.1:" in result.stderr
    assert CANARY not in result.stdout + result.stderr
    assert ["Mail"] == [each["name"] for each in threaded_sandbox.handlers_of(CANARY)]


def test_keys_that_the_workers_lack_are_reported(arguments, server, threaded_sandbox):
    result = piped(*arguments, "--dask", "--workers", 1, **server)
    assert Exit.ERROR == result.returncode
    assert "account 'acme': the environment variable ACME_KEY is not set" in result.stderr
    assert 0 == threaded_sandbox.counts.total()


def test_an_unreachable_scheduler_is_reported(run: Run, arguments):
    result = run(*arguments, "--dask", "--scheduler", "nonsense://x", ACME_KEY=CANARY)
    assert Exit.ERROR == result.exit_code
    assert "no Dask scheduler answers at nonsense://x" in result.output


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--workers", 2], "need --dask"),
        (["--send-keys"], "need --dask"),
        (
            ["--dask", "--workers", 2, "--scheduler", "tcp://x"],
            "pass scheduler or workers, not both",
        ),
    ],
)
def test_options_that_exclude_each_other_are_refused(run: Run, arguments, more, problem):
    result = run(*arguments, *more)
    assert (Exit.ERROR if "--scheduler" in more else Exit.USAGE) == result.exit_code
    assert problem in result.output


def test_dask_needs_accounts(run: Run, arguments):
    result = run(*arguments[:2], "--dask")
    assert Exit.USAGE == result.exit_code
    assert "--dask needs --accounts" in result.output


def test_a_terminal_requires_yes(arguments, server, threaded_sandbox):
    terminal = Terminal(*map(str, arguments), "--dask", **server)
    assert Exit.USAGE == terminal.end()
    assert "then add --yes" in terminal.screen
    assert 0 == threaded_sandbox.counts.total()
