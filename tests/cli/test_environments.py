"""One file of handlers for several environments: profiles, variables and accounts."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from builders import DIALECT
from command_line import CANARY, Run
from typer.testing import Result

from bitpeak_async.sandbox import Sandbox

SPECS = """
- name: On call (${STAGE})
  type: email
  settings: {email: "${ADDRESS:-nobody@example.com}"}
- name: Chat
  type: slack
  settings: {slack: "https://hooks.example.com/${HOOK}"}
- name: Bot
  type: telegram
  settings: {telegram: "${file:FOLDER/token}", telegram_chat_id: -1}
"""
CONFIG = """
[variables]
ADDRESS = "dev@example.com"
STAGE = "dev"

[profiles.{name}]
base_url = "{url}"
api_key_file = "{name}.key"
variables = {{STAGE = "{name}", HOOK = "${{{upper}_HOOK}}"}}
"""
BARE = {"BITPEAK_BASE_URL": None, "BITPEAK_API_KEY": None, "STAGE": None, "ADDRESS": None}
HOOKS = {f"{name}_HOOK": f"{name}-{CANARY}" for name in ("STAGING", "PRODUCTION")}


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sandbox]]:
    """A server for each profile of a ``bitpeak.toml`` that stands beside ``handlers.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("token").write_text(f"1:{CANARY}\n")
    Path("handlers.yaml").write_text(SPECS.replace("FOLDER", str(tmp_path)))
    with ExitStack() as stack:
        servers = {}
        for name in ("staging", "production"):
            server = stack.enter_context(Sandbox(api_keys=[f"{name}-key"], dialect=DIALECT))
            servers[name] = server
            Path(f"{name}.key").write_text(server.api_key)
        config = [
            CONFIG.format(name=name, url=server.base_url, upper=name.upper())
            for name, server in servers.items()
        ]
        Path("bitpeak.toml").write_text(config[0] + config[1].partition("\n\n")[2])
        yield servers


def settings_of(server: Sandbox) -> dict[str, str]:
    return {each["name"]: "".join(each["settings"].values()) for each in server.handlers}


def test_one_file_provisions_a_sandbox_staging_and_production(
    run: Run, servers: dict[str, Sandbox]
):
    said: list[Result] = []

    def succeeds(*arguments: object, **environment: str | None) -> Result:
        said.append(run(*arguments, **{**BARE, **environment}))
        assert 0 == said[-1].exit_code, said[-1].output
        return said[-1]

    succeeds("check", "handlers.yaml")
    succeeds("apply", "handlers.yaml", "--sandbox", "--var", "HOOK=dev")
    for name, server in servers.items():
        profile = ("--profile", name)
        planned = succeeds(*profile, "plan", "handlers.yaml", **HOOKS)
        assert f"Server: {server.base_url} (profile {name})" == planned.stdout.splitlines()[0]
        assert "+ 'Chat' (slack) https://hooks.example.com/***" in planned.stdout
        Path("plan.json").write_text(
            succeeds(*profile, "plan", "handlers.yaml", "--json", **HOOKS).stdout
        )
        succeeds(*profile, "apply", "handlers.yaml", "--plan", "plan.json", **HOOKS)
        hook = HOOKS[f"{name.upper()}_HOOK"]
        assert {
            f"On call ({name})": "dev@example.com",
            "Chat": f"https://hooks.example.com/{hook}",
            "Bot": f"1:{CANARY}-1",
        } == settings_of(server)
        again = succeeds(*profile, "plan", "handlers.yaml", "--exit-code", **HOOKS)
        assert again.stdout.splitlines()[-1].endswith("3 unchanged")
    assert [] == [each.output for each in said if CANARY in each.output]


def test_variables_come_from_flags_then_the_profile_then_the_environment_then_the_file(
    run: Run, servers: dict[str, Sandbox]
):
    def stage(*arguments: object, profile: str | None = None, **environment: str | None) -> str:
        flags = [] if profile is None else ["--profile", profile]
        environment = {**BARE, "HOOK": "x", **environment}
        planned = run(*flags, "plan", "handlers.yaml", "--sandbox", *arguments, **environment)
        assert 0 == planned.exit_code, planned.output
        return str(planned.stdout).partition("On call (")[2].partition(")")[0]

    Path("more.env").write_text("export STAGE='from a file'  # comment\n\nA=b\n")
    assert "dev" == stage()
    assert "environment" == stage(STAGE="environment")
    assert "environment" == stage(STAGE="environment", BITPEAK_PROFILE="staging")
    assert "staging" == stage(BITPEAK_PROFILE="staging")
    assert "staging" == stage(STAGE="environment", profile="staging")
    assert "from a file" == stage("--env-file", "more.env", profile="staging")
    assert "flag" == stage("--env-file", "more.env", "--var", "STAGE=flag", profile="staging")


def test_accounts_have_variables_for_the_files_that_they_share(
    run: Run, servers: dict[str, Sandbox]
):
    account = (
        "- {{name: {0}, api_key_file: {0}.key, base_url: '{1}', specs: ., variables: {{{2}}}}}\n"
    )
    Path("specs").mkdir()
    Path("handlers.yaml").rename("specs/shared.yaml")
    Path("accounts.yaml").write_text(
        account.format("staging", servers["staging"].base_url, "HOOK: '${STAGING_HOOK}', STAGE: a")
        + account.format("production", servers["production"].base_url, "HOOK: prod, STAGE: b")
    )
    arguments = ("specs", "--accounts", "accounts.yaml")
    noted = run("check", *arguments, **BARE)
    assert (0, "6 handlers, no problem found\n") == (noted.exit_code, noted.stdout)
    assert 1 == noted.stderr.count("HOOK is not set")
    assert 0 == run("apply", *arguments, "--var", "ADDRESS=x@y.zz", **BARE, **HOOKS).exit_code
    shown = {name: sorted(settings_of(server).items()) for name, server in servers.items()}
    assert ("On call (a)", "x@y.zz") == shown["staging"][2]
    assert ("Chat", f"https://hooks.example.com/STAGING-{CANARY}") == shown["staging"][1]
    assert ("On call (b)", "x@y.zz") == shown["production"][2]
    assert ("Chat", "https://hooks.example.com/prod") == shown["production"][1]


def test_check_notes_each_missing_variable_once_and_needs_no_secret(run: Run, tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text(
            "".join(
                f"- {{name: {name} {number}, type: slack, settings: {{slack: '{value}'}}}}\n"
                for name, value in (("a", "${A}"), ("b", "${B}"), ("f", "${file:/nowhere/f}"))
            )
        )
    noted = run("check", tmp_path)
    assert (0, "9 handlers, no problem found\n") == (noted.exit_code, noted.stdout)
    lines = noted.stderr.splitlines()
    assert 3 == len(lines)
    assert f"Note: {tmp_path}/0.yaml:1: [0].settings.slack: the environment variable A" in lines[0]
    assert lines[0].endswith("(and 2 more places)")
    assert "the file /nowhere/f cannot be read: No such file or directory" in lines[2]
    for command in (["check", "--strict"], ["plan", "--sandbox"]):
        refused = run(*command, tmp_path)
        assert (1, 3) == (refused.exit_code, len(refused.stderr.splitlines()))
    told = json.loads(run("check", tmp_path, "--json").stdout)
    assert (True, 3) == (told["ok"], len(told["unset"]))
    assert not json.loads(run("check", tmp_path, "--json", "--strict").stdout)["ok"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--var", "A"], "--var must be NAME=VALUE"),
        (["--var", "A=1", "--var", "A=2"], "--var A is given twice"),
        (["--env-file", "none.env"], "none.env: cannot be read"),
        (["--env-file", "bad.env"], "bad.env:3: must be NAME=value"),
    ],
)
def test_variables_that_cannot_be_read_are_refused_without_their_values(
    arguments: list[str], problem: str, run: Run, servers: dict[str, Sandbox]
):
    Path("bad.env").write_text(f"A='1\n2'\nB = {CANARY}\n")
    refused = run("plan", "handlers.yaml", "--sandbox", *arguments)
    assert (64 if "--var" in problem else 1) == refused.exit_code
    assert problem in refused.stderr
    assert CANARY not in refused.output
