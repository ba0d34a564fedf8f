"""Plans, pruning, export and check from the shell."""

import asyncio
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from attrs import evolve
from builders import DIALECT, as_listed
from command_line import BITPEAK, CANARY, EXAMPLE, Run, Terminal, piped

from bitpeak_async import ConfigurationError
from bitpeak_async.cli._connection import Connection
from bitpeak_async.provisioning.files import read_specs
from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.settings import CLASSES, FIELDS, Format

MAIL = "- {name: Mail, type: email, settings: {email: a@example.com}}\n"


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.yaml"
    path.write_text(MAIL)
    return path


def names(run: Run) -> list[str]:
    return [each["name"] for each in json.loads(run("list", "--json").stdout)]


def test_the_exit_code_of_plan_can_report_changes(run: Run, specs: Path):
    assert 0 == run("plan", specs).exit_code
    assert 2 == run("plan", specs, "--exit-code").exit_code
    run("apply", specs)
    assert 0 == run("plan", specs, "--exit-code").exit_code


def test_a_reviewed_plan_is_applied_exactly_or_not_at_all(run: Run, specs: Path, tmp_path: Path):
    planned = run("plan", specs, "--json")
    reviewed = tmp_path / "plan.json"
    reviewed.write_text(planned.stdout)
    assert CANARY not in planned.stdout
    done = run("apply", specs, "--plan", reviewed, "--json")
    report = json.loads(done.stdout)
    assert ("2 created, 0 updated, 0 unchanged, 0 failed", True) == (
        report["summary"],
        report["ok"],
    )
    assert {"name": "Mail", "result": "created", "handler_id": 1, "error": None} in (
        report["outcomes"]
    )

    specs.write_text(specs.read_text().replace("a@example.com", "b@example.com"))
    other = run("apply", specs, "--plan", reviewed)
    assert 1 == other.exit_code
    assert "'Mail' has a different spec since the plan was made" in other.stderr
    missing = run("apply", specs, "--plan", tmp_path / "none.json")
    assert "none.json: cannot be read" in missing.stderr
    both = run("apply", specs, "--plan", reviewed, "--prune", "*")
    assert "--prune is already part of the plan" in both.stderr


def test_pruning_deletes_leftovers_within_limits(run: Run, specs: Path, mail: Path):
    run("apply", specs)
    assert "- '[red]Hook' (webhook, id 2)" in run("plan", mail, "--prune", "*").stdout
    refused = run("apply", mail, "--prune", "*", "--max-deletes", 0, "--yes")
    assert 1 == refused.exit_code
    assert "the plan deletes 1 handlers, at most 0 are allowed" in refused.stderr
    assert as_listed("Mail", "[red]Hook") == names(run)
    assert "1 deleted" in run("apply", mail, "--prune", "*", "--yes").stdout
    assert ["Mail"] == names(run)


def test_deleting_many_handlers_requires_force(run: Run, mail: Path, tmp_path: Path):
    many = tmp_path / "many.csv"
    many.write_text("name,type,email\n" + "".join(f"n{n},email,a@example.com\n" for n in range(9)))
    run("apply", many, mail)
    refused = run("apply", mail, "--prune", "*", "--yes")
    assert 1 == refused.exit_code
    assert "more than 30%" in refused.stderr
    assert 10 == len(names(run))
    assert "9 deleted" in run("apply", mail, "--prune", "*", "--force", "--yes").stdout


async def test_nothing_is_deleted_if_a_page_fails(sandbox: Sandbox, mail: Path):
    sandbox.seed_handlers(2500)
    sandbox.inject(Fault(status=501), method="GET", after=1, times=None)
    done = await asyncio.to_thread(
        piped,
        "apply",
        mail,
        "--prune=*",
        "--force",
        BITPEAK_BASE_URL=sandbox.base_url,
        BITPEAK_API_KEY=sandbox.api_key,
    )
    assert 1 == done.returncode
    assert "501" in done.stderr
    assert 2500 == len(sandbox.handlers)


def test_specs_come_from_stdin_as_yaml_or_json(server: dict[str, str], mail: Path):
    for text in (MAIL, json.dumps([{"name": "J", "type": "email", "settings": {"email": "a@b"}}])):
        command = [*BITPEAK, "plan", "-", "--json"]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            env={**os.environ, **server},
            check=True,
        )
        assert 1 == len(json.loads(done.stdout)["changes"])


def test_check_needs_no_server(run: Run, specs: Path, tmp_path: Path):
    assert "2 handlers, no problem found\n" == run("check", specs, BITPEAK_API_KEY=None).stdout
    broken = tmp_path / "broken.toml"
    broken.write_text('[[handlers]]\nname = "a"\ntyp = "email"\n')
    refused = run("check", specs, broken)
    assert (1, "") == (refused.exit_code, refused.stdout)
    problem = "handlers[0].typ ('a'): is not a known key; did you mean 'type'?"
    assert f"{broken}: {problem}" in refused.stderr
    told = run("check", broken, "--json")
    assert 1 == told.exit_code
    assert 2 == len(json.loads(told.stdout)["problems"])
    assert {"ok": True, "handlers": 2, "problems": [], "unset": []} == json.loads(
        run("check", specs, "--json").stdout
    )


# Export


@pytest.mark.parametrize("suffix", ["yaml", "toml", "json", "csv"])
def test_an_export_can_be_applied_and_changes_nothing(suffix: str, run: Run, tmp_path: Path):
    run("apply", EXAMPLE)
    output, env_file = tmp_path / f"handlers.{suffix}", tmp_path / "handlers.env"
    done = run("export", "--output", output, "--env-file", env_file)
    assert 0 == done.exit_code, done.stderr
    assert "44 handlers, " in done.stderr
    assert "example-on-call-bot" not in output.read_text(encoding="utf-8") + done.output
    assert 0o600 == stat.S_IMODE(env_file.stat().st_mode)
    assert re.search(r"^\w+=1000000001:example-on-call-bot$", env_file.read_text(), re.MULTILINE)
    variables = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    environ = {name: value.strip("'") for name, value in variables.items()}
    assert 44 == len(read_specs(output, environ=environ))
    assert "0 to change" in run("plan", output, **environ).stdout


def test_an_export_does_not_switch_off_what_awaits_confirmation(
    run: Run, threaded_sandbox: Sandbox
):
    threaded_sandbox.add(name="Mail", type="email", settings={"email": "a@example.com"})
    threaded_sandbox.inject(Fault.unreadable_handler(1, {"is_enabled": 2}), times=None)
    assert "is_enabled" not in run("export").stdout
    assert "pending" in run("list").stdout


def test_a_plans_limit_of_handlers_is_no_refused_key(
    run: Run, specs: Path, threaded_sandbox: Sandbox
):
    limit = Fault.api_error(401, "Your plan allows no more handlers.")
    threaded_sandbox.inject(limit, method="POST", times=None)
    done = run("apply", specs, "--yes")
    assert 3 == done.exit_code
    assert "Your plan allows no more handlers." in done.output


def test_an_export_goes_to_stdout_and_does_not_overwrite_files(
    run: Run, specs: Path, tmp_path: Path
):
    run("apply", specs)
    exported = run("export", "--match", "M*")
    assert MAIL.strip() in exported.stdout or "name: Mail" in exported.stdout
    assert "Hook" not in exported.stdout
    assert CANARY not in run("export").output
    assert as_listed("Mail", "[red]Hook") == [
        each["name"] for each in json.loads(run("export", "--json").stdout)
    ]
    taken = tmp_path / "taken.env"
    taken.write_text("mine")
    taken.chmod(0o644)
    refused = run("export", "--env-file", taken)
    assert f"{taken} would be overwritten; add --yes to allow it" in refused.stderr
    assert "mine" == taken.read_text()
    assert 0 == run("export", "--env-file", taken, "--yes").exit_code
    assert CANARY in taken.read_text()
    assert 0o600 == stat.S_IMODE(taken.stat().st_mode)


def test_a_secret_appears_only_in_the_env_file(run: Run, tmp_path: Path):
    """Every settings field of every type holds a canary, and each command prints all it can."""
    texts = {Format.URL: f"https://example.com/{CANARY}", Format.EMAIL: "open@example.com"}
    specs = [
        {
            "name": f"{kind} {n}",
            "type": kind,
            "settings": {
                wire.name: texts.get(wire.format, CANARY) if wire.secret else "open@example.com"
                for wire in FIELDS[cls].values()
            },
        }
        for n in range(2)
        for kind, cls in CLASSES.items()
    ]
    path, plan = tmp_path / "all.json", tmp_path / "plan.json"
    path.write_text(json.dumps(specs))
    said = [run("check", path), run("plan", path), run("plan", path, "--markdown")]
    said.append(run("plan", path, "--json"))
    plan.write_text(said[-1].stdout)
    said += [run("show", plan), run("show", plan, "--markdown")]
    assert said[1].stdout == said[4].stdout
    said += [run("apply", path, "--plan", plan), run("apply", path, "--json")]
    path.write_text(json.dumps(specs).replace(CANARY, f"{CANARY}-2"))
    said += [run("plan", path, *flags) for flags in ((), ("--json",), ("--markdown",))]
    said.append(run("apply", path))
    path.write_text(json.dumps(specs[1:2]).replace("https://", ""))
    said += [run("plan", path), run("list"), run("list", "--json"), run("export")]
    said += [run("get", n + 1, *flags) for n in range(9) for flags in ((), ("--json",))]
    assert {0, 1} == {each.exit_code for each in said}
    assert [] == [each.output for each in said if CANARY in each.output]


# Configuration


def test_flags_precede_the_environment_and_that_precedes_the_file(
    run: Run, server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    key, wrong = tmp_path / "key", tmp_path / "wrong"
    key.write_text(server["BITPEAK_API_KEY"] + "\n")
    wrong.write_text(CANARY)
    config = tmp_path / "bitpeak.toml"
    config.write_text(
        f'base_url = "{server["BITPEAK_BASE_URL"]}"\napi_key_file = "wrong"\nrate = 6000\n'
        '[profiles.right]\napi_key_file = "key"\n'
    )
    monkeypatch.chdir(tmp_path)
    bare = {"BITPEAK_BASE_URL": None, "BITPEAK_API_KEY": None}
    assert 4 == run("list", **bare).exit_code
    assert 0 == run("--profile", "right", "list", **bare).exit_code
    assert 0 == run("list", **{**bare, "BITPEAK_PROFILE": "right"}).exit_code
    assert 0 == run("list", **{**bare, "BITPEAK_API_KEY_FILE": str(key)}).exit_code
    assert 0 == run("list", "--api-key-file", key, **bare, BITPEAK_API_KEY_FILE="wrong").exit_code
    monkeypatch.chdir("/")
    assert 4 == run("--config", config, "list", **bare).exit_code
    assert 0 == run("list", BITPEAK_CONFIG=None).exit_code


@pytest.fixture
def profiles(server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``bitpeak.toml``, whose profile ``right`` has the server and the key."""
    (tmp_path / "key").write_text(server["BITPEAK_API_KEY"])
    (tmp_path / "bitpeak.toml").write_text(
        'base_url = "http://127.0.0.1:9/file"\n'
        f'[profiles.right]\nbase_url = "{server["BITPEAK_BASE_URL"]}"\napi_key_file = "key"\n'
        f'[profiles.url]\nbase_url = "{server["BITPEAK_BASE_URL"]}"\n'
        '[profiles.key]\napi_key_file = "key"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRONG = {"BITPEAK_BASE_URL": "http://127.0.0.1:9/environment", "BITPEAK_API_KEY": CANARY}


def test_a_profile_named_by_a_flag_precedes_the_environment(run: Run, profiles: Path, mail: Path):
    right = run("--profile", "right", "plan", mail, **WRONG)
    assert 0 == right.exit_code, right.stderr
    assert right.stdout.splitlines()[0].endswith("/api (profile right)")
    assert 4 == run("--profile", "url", "list", **WRONG).exit_code
    assert (
        0 == run("--profile", "url", "list", BITPEAK_BASE_URL=WRONG["BITPEAK_BASE_URL"]).exit_code
    )


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections that commands would open."""
    connections: list[Connection] = []

    def note(connection: Connection) -> None:
        connections.append(connection)
        raise ConfigurationError("not opened")

    monkeypatch.setattr(Connection, "open", note)
    return connections


def test_flags_precede_the_named_profile_and_that_of_the_environment_does_not_precede_it(
    run: Run, profiles: Path, server: dict[str, str], opened: list[Connection]
):
    flag = "http://127.0.0.1:9/flag"
    run("--profile", "right", "list", "--base-url", flag, **WRONG)
    run("list", **WRONG, BITPEAK_PROFILE="right")
    run("list", BITPEAK_BASE_URL=None, BITPEAK_PROFILE="right")
    run("list", BITPEAK_BASE_URL=None)
    urls = [flag, WRONG["BITPEAK_BASE_URL"], server["BITPEAK_BASE_URL"], "http://127.0.0.1:9/file"]
    assert urls == [each.base_url for each in opened]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--profile", "key"], {}),
        ([], {"BITPEAK_PROFILE": "key"}),
        ([], {"BITPEAK_PROFILE": "right", "BITPEAK_BASE_URL": WRONG["BITPEAK_BASE_URL"]}),
    ],
    ids=["named", "of the environment", "of the environment, with a server"],
)
def test_the_key_of_a_profile_goes_to_no_server_of_the_environment(
    arguments: list[str], environment: dict[str, str], run: Run, profiles: Path
):
    refused = run(*arguments, "list", BITPEAK_API_KEY=None, **environment)
    assert (1, "") == (refused.exit_code, refused.stdout)
    assert "would go to the server in BITPEAK_BASE_URL, which is not the" in refused.stderr


def test_the_key_of_a_profile_goes_to_its_own_server_whatever_names_it(run: Run, profiles: Path):
    """``run`` sets ``BITPEAK_BASE_URL`` to the same server."""
    assert 0 == run("list", BITPEAK_API_KEY=None, BITPEAK_PROFILE="right").exit_code


@pytest.mark.parametrize("file", ["in_flight = 7", "concurrency = 7"])
def test_old_names_of_options_rank_as_the_new_ones(
    file: str, run: Run, profiles: Path, opened: list[Connection]
):
    (profiles / "bitpeak.toml").write_text(file)
    run("list")
    run("list", BITPEAK_CONCURRENCY="1")
    run("list", BITPEAK_CONCURRENCY="7", BITPEAK_IN_FLIGHT="2")
    run("list", "--concurrency", 3, BITPEAK_IN_FLIGHT="7")
    run("list", "--in-flight", 4, "--concurrency", 7)
    assert [7, 1, 2, 3, 4] == [each.in_flight for each in opened]
    assert "--concurrency" not in run("list", "-h").stdout


# Exit codes and errors


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["list", "--base-url=http://bitpeak.example/api"],
            "unencrypted; --allow-insecure allows it",
        ),
        (["list", "--base-url=x"], "Error: --base-url must be an absolute http(s) URL"),
        (["list", "--deadline=-1"], "Error: --deadline must be"),
        (["list", "--requests-per-minute=0"], "Error: --requests-per-minute must be"),
    ],
)
def test_messages_speak_of_flags(arguments: list[str], problem: str, run: Run):
    refused = run(*arguments)
    assert (1, "") == (refused.exit_code, refused.stdout)
    assert problem in refused.stderr


def test_a_base_url_without_its_path_is_noticed(run: Run, server: dict[str, str]):
    url = server["BITPEAK_BASE_URL"].removesuffix("/api")
    refused = run("list", "--base-url", url)
    assert 1 == refused.exit_code
    assert f"The base URL {url} may lack /api at its end" in refused.stderr
    assert "/api missing" not in run("get", 7).stderr


def test_wrong_usage_is_neither_an_error_nor_a_change(run: Run, mail: Path):
    for arguments in (["lst"], ["plan"], ["plan", mail, "--exitcode"], ["list", "--in-flight=x"]):
        assert 64 == run(*arguments).exit_code


def test_conflicts_alone_have_an_exit_code(run: Run, mail: Path, threaded_sandbox: Sandbox):
    for _ in range(2):
        threaded_sandbox.add(name="Mail", type="email", settings={"email": "a@example.com"})
    assert 6 == run("plan", mail, "--exit-code").exit_code
    (mail.parent / "more.yaml").write_text(MAIL.replace("Mail", "More"))
    assert 2 == run("plan", mail.parent, "--exit-code").exit_code


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["plan", "none.yaml", "--json"], 1, "PlanError"),
        (["get", "7", "--json"], 1, "NotFoundError"),
        (["get", "--json"], 64, "UsageError"),
        (["lst", "--json"], 64, "UsageError"),
        (["delete", "7", "--json"], 64, "UsageError"),
        (["--profile", "none", "list", "--json"], 1, "ConfigurationError"),
    ],
)
def test_with_json_an_error_is_one_line_of_json(
    arguments: list[str], code: int, kind: str, run: Run
):
    refused = run(*arguments)
    assert (code, "") == (refused.exit_code, refused.stdout)
    assert kind == json.loads(refused.stderr)["error"]["type"]


def test_deleting_without_a_terminal_requires_yes(run: Run, specs: Path, mail: Path):
    run("apply", specs)
    for command in (["apply", mail, "--prune=*"], ["delete", 1]):
        refused = run(*command)
        assert 64 == refused.exit_code
        assert "deleting without a terminal needs --yes" in refused.stderr
        assert 2 == len(names(run))
    assert 0 == run("apply", mail, "--prune=*", "--yes").exit_code
    assert 0 == run("delete", 1, "--yes").exit_code
    assert [] == names(run)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("api_key = 'x'", "api_key: must not be in a file"),
        ("base_ulr = 'x'", "base_ulr: is not a known key; did you mean 'base_url'?"),
        ("zzz = 'x'", "known: base_url, api_key_file, in_flight, requests_per_minute, deadline"),
        ("rate = 'fast'", "requests_per_minute: must be a number, not a string"),
        ("concurrency = 1.5", "in_flight: must be a whole number, not a number"),
        ("requests_per_minute = true", "requests_per_minute: must be a number, not a boolean"),
        ("redis = 1\nrate = ''", "redis: must be a string, not a number"),
        ("redis = 1\nrate = ''", "requests_per_minute: must be a number, not a string"),
        ("base_url =", "is not TOML: "),
        ("profiles = 1", "profiles must be tables"),
        ("[profile.prod]", "profile: is not a known key; write [profiles.NAME]"),
        ("allow_insecure = 1", "allow_insecure: must be true or false, not a number"),
        ("variables = {A = 1}", "variables.A: must be a string, not a number"),
        ("variables = []", "variables: must be a mapping, not a list"),
        ("[profiles.prod]", "has no profile 'prof'; did you mean 'prod'?"),
        ("[profiles.prof]\nx = 1", "profiles.prof.x: is not a known key; known: base_url"),
    ],
)
def test_an_invalid_config_file_is_explained(content: str, problem: str, run: Run, tmp_path: Path):
    config = tmp_path / "bitpeak.toml"
    config.write_text(content)
    refused = run("--config", config, "--profile", "prof", "list")
    assert 1 == refused.exit_code
    assert problem in refused.stderr


def test_a_missing_profile_or_key_file_is_reported(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert "needs a bitpeak.toml in this folder" in run("--profile", "prod", "list").stderr
    assert "cannot be read: No such file" in run("--config", "none.toml", "list").stderr
    refused = run("list", "--api-key-file", tmp_path / "none")
    assert "the key cannot be read from" in refused.stderr
    (tmp_path / "binary").write_bytes(b"\xff")
    assert "it is not UTF-8" in run("list", "--api-key-file", tmp_path / "binary").stderr


# Terminal

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


def test_without_a_key_a_terminal_prompts_without_echo(server: dict[str, str], specs: Path):
    terminal = Terminal("list", BITPEAK_BASE_URL=server["BITPEAK_BASE_URL"], BITPEAK_API_KEY="")
    terminal.until(": ")
    assert f"API key for {server['BITPEAK_BASE_URL']}: " in terminal.screen
    terminal.type(server["BITPEAK_API_KEY"] + "\n")
    assert 0 == terminal.end()
    assert server["BITPEAK_API_KEY"] not in terminal.screen


@pytest.mark.parametrize("command", ["list", "delete", "apply"])
def test_ctrl_c_ends_a_question(command: str, server: dict[str, str], specs: Path, run: Run):
    run("apply", EXAMPLE)
    env = {**server, "BITPEAK_API_KEY": ""} if command == "list" else server
    arguments = {"list": [], "delete": ["1"], "apply": [str(specs)]}[command]
    terminal = Terminal(command, *arguments, stdout=None, **env)
    terminal.until("API key for " if command == "list" else "[y/N]: ")
    assert 130 == terminal.interrupt()
    assert 44 == len(names(run))


async def test_a_second_ctrl_c_stops_immediately(sandbox: Sandbox, specs: Path):
    sandbox.inject(Fault.stall(), method="POST", times=None)
    terminal = Terminal(
        "apply",
        specs,
        "--yes",
        BITPEAK_BASE_URL=sandbox.base_url,
        BITPEAK_API_KEY=sandbox.api_key,
    )
    await terminal.sees(lambda: sandbox.in_flight >= 2)
    terminal.type("\x03")
    await asyncio.to_thread(
        terminal.until, "Finishing 2 requests; press Ctrl-C again to stop at once"
    )
    began = asyncio.get_running_loop().time()
    terminal.type("\x03")
    assert 130 == await asyncio.to_thread(terminal.end)
    assert asyncio.get_running_loop().time() - began < 3  # the first alone would wait 4 more


def test_json_on_a_terminal_requires_yes(server: dict[str, str], specs: Path):
    terminal = Terminal("apply", specs, "--json", stdout=None, **server)
    assert 64 == terminal.end()
    assert "--json cannot ask for confirmation: add --yes" in terminal.screen


def test_progress_goes_to_the_terminal_and_json_to_the_pipe(server: dict[str, str], tmp_path: Path):
    target = tmp_path / "report.json"
    terminal = Terminal("apply", EXAMPLE, "--yes", "--json", stdout=target, **server)
    assert 0 == terminal.end()
    assert 44 == len(json.loads(target.read_text())["outcomes"])
    assert "Applying" in terminal.screen


async def test_progress_shows_a_pause_and_quiet_shows_nothing(sandbox: Sandbox, specs: Path):
    env = {"BITPEAK_BASE_URL": sandbox.base_url, "BITPEAK_API_KEY": sandbox.api_key}
    sandbox.inject(Fault.rate_limited(retry_after=1), method="POST")
    terminal = Terminal("apply", specs, "--yes", **env)
    await asyncio.to_thread(terminal.until, "rate limited, resumes in 1 s")
    assert 0 == await asyncio.to_thread(terminal.end)
    quiet = Terminal("apply", EXAMPLE, "--yes", "--quiet", **env)
    assert 0 == await asyncio.to_thread(quiet.end)
    assert "Applying" not in quiet.screen


def test_verbose_writes_the_log_to_stderr_and_no_secret(server: dict[str, str], specs: Path):
    done = piped("-v", "plan", specs, "--json", **server)
    assert 0 == done.returncode
    json.loads(done.stdout)
    assert " DEBUG   list notification handlers, page 1: request sent method=GET" in done.stderr
    assert CANARY not in done.stderr
    assert server["BITPEAK_API_KEY"] not in done.stderr


# What a hostile server, shell or reviewer may do


def test_names_survive_an_export_in_any_locale(server: dict[str, str], run: Run, tmp_path: Path):
    run("create", "Дежурные", "--type=email", "--set=email=a@example.com")
    for form in ("yaml", "json", "csv", "toml"):
        done = piped("export", "--format", form, **server, PYTHONIOENCODING="ascii", LC_ALL="C")
        path = tmp_path / f"out.{form}"
        path.write_text(done.stdout, encoding="utf-8")
        assert "0 to change" in run("plan", path).stdout


def test_a_masked_secret_is_exported_as_an_empty_variable(run: Run, tmp_path: Path):
    with Sandbox(dialect=evolve(DIALECT, secrets="masked")) as sandbox:
        sandbox.add(
            name="Bot", type="telegram", settings={"telegram": "1:a", "telegram_chat_id": "1"}
        )
        env = {"BITPEAK_BASE_URL": sandbox.base_url, "BITPEAK_API_KEY": sandbox.api_key}
        done = run(
            "export", f"--output={tmp_path / 'a.json'}", f"--env-file={tmp_path / 'a.env'}", **env
        )
    assert "1 handler, 1 secret, 1 secret not returned\n" == done.stderr
    assert "BOT_TELEGRAM=''\n" == (tmp_path / "a.env").read_text()


def test_an_export_reports_the_handlers_it_skips(run: Run, threaded_sandbox: Sandbox):
    for name in ("Twin", "Twin", "Good"):
        threaded_sandbox.add(name=name, type="email", settings={"email": "a@example.com"})
    threaded_sandbox.add(name=" ", type="email", settings={"email": "a@example.com"})
    done = run("export", "--json")
    assert 3 == done.exit_code
    assert ["Good"] == [each["name"] for each in json.loads(done.stdout)]
    assert "skipped: 'Twin': several handlers have this name (ids 1, 2)" in done.stderr
    assert "skipped: ' ' (id 4): name: must not be empty" in done.stderr


def test_a_variable_keeps_its_meaning_when_another_handler_is_deleted(
    run: Run, threaded_sandbox: Sandbox
):
    names = ("Дежурные", "报警", "告警", "ops-alerts", "Ops alerts", "ops alerts", "🚨 Ops")
    for name in names:
        threaded_sandbox.add(name=name, type="slack", settings={"slack": "https://example.com/a"})

    def variables() -> dict[str, str]:
        exported = json.loads(run("export", "--json").stdout)
        return {each["name"]: each["settings"]["slack"] for each in exported}

    before = variables()
    assert "${DEZHURNYE_SLACK}" == before["Дежурные"]
    assert ("${HANDLER_2_SLACK}", "${HANDLER_3_SLACK}") == (before["报警"], before["告警"])
    assert ("${OPS_ALERTS_4_SLACK}", "${OPS_7_SLACK}") == (before["ops-alerts"], before["🚨 Ops"])
    assert len(names) == len(set(before.values()))
    for handler_id in range(1, 6):
        run("delete", handler_id, "--yes")
    # What the other casing was called is not reused.
    assert {"ops alerts": "${OPS_ALERTS_SLACK}", "🚨 Ops": before["🚨 Ops"]} == variables()
    assert "${OPS_ALERTS_SLACK}" not in before.values()
    assert "name: 🚨 Oops" in _exported_yaml(run)


def _exported_yaml(run: Run) -> str:
    run("create", "🚨 Oops", "--type=email", "--set=email=a@example.com")
    return str(run("export").stdout)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output=a.txt"], "a.txt: has no known suffix"),
        (["--output=a.toml", "--format=csv"], "a.toml has the suffix of toml, but --format is csv"),
        (["--output=a.json", "--env-file=./a.json"], "are the same file, a.json"),
    ],
)
def test_an_export_that_would_lose_something_is_refused(
    arguments: list[str], problem: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    refused = run("export", *arguments)
    assert 1 == refused.exit_code
    assert problem in refused.stderr
    assert [] == list(tmp_path.iterdir())


def test_an_export_to_a_file_prints_its_counts_as_json(run: Run, specs: Path, tmp_path: Path):
    run("apply", specs)
    done = run("export", "--json", "--output", tmp_path / "out.toml")
    assert {"handlers": 2, "secrets": 1, "secrets_not_returned": 0} == json.loads(done.stdout)
    assert 2 == len(
        read_specs(tmp_path / "out.toml", environ={"RED_HOOK_2_WEBHOOK": "https://a.b"})
    )


def test_the_environments_key_precedes_the_config_files(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "bitpeak.toml").write_text('api_key_file = "wrong"')
    monkeypatch.chdir(tmp_path)
    assert 0 == run("list").exit_code
    assert 4 == run("list", "--api-key-file", "wrong").exit_code


@pytest.mark.parametrize("flags", ["", "--json"])
def test_a_pipe_that_closes_early_causes_no_traceback(
    flags: str, server: dict[str, str], threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(3000)
    command = f"{' '.join(BITPEAK)} list {flags} | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env={**os.environ, **server}, check=False
    )
    assert (b"", 1) == (done.stderr, len(done.stdout))


def test_closed_streams_cause_no_traceback(server: dict[str, str]):
    command = f"{' '.join(BITPEAK)} list >&- 2>&-"
    done = subprocess.run(["bash", "-c", command], env={**os.environ, **server}, check=False)
    assert 0 == done.returncode


def test_even_an_empty_reviewed_plan_is_checked_against_the_server(
    run: Run, mail: Path, tmp_path: Path
):
    run("apply", mail)
    reviewed = tmp_path / "plan.json"
    reviewed.write_text(run("plan", mail, "--json").stdout)
    assert 0 == run("apply", mail, "--plan", reviewed).exit_code
    run("update", 1, "--disable")
    stale = run("apply", mail, "--plan", reviewed)
    assert 1 == stale.exit_code
    assert [
        "Error: the plan is stale: 'Mail' changed since; plan again",
        "'Mail' changed since the plan was made (planned: keep, now: update is_enabled)",
    ] == stale.stderr.splitlines()


def test_a_reviewed_plan_is_for_one_server(run: Run, mail: Path, tmp_path: Path):
    reviewed = tmp_path / "plan.json"
    reviewed.write_text(run("plan", mail, "--sandbox", "--json").stdout)
    refused = run("apply", mail, "--plan", reviewed)
    assert "the plan is for http://127.0.0.1" in refused.stderr
    assert [] == names(run)


def test_a_tampered_plan_is_refused(run: Run, mail: Path, tmp_path: Path):
    many = tmp_path / "many.csv"
    many.write_text("name,type,email\n" + "".join(f"n{n},email,a@example.com\n" for n in range(12)))
    run("apply", many)
    run("create", "Mail", "--type=email", "--set=email=old@example.com")
    reviewed = tmp_path / "plan.json"
    plan = json.loads(run("plan", mail, "--prune=*", "--json").stdout)
    forged = {"field": "is_enabled\n- 'prod' (slack, id 5)", "before": "a", "after": "b"}
    update = {**plan["changes"][0], "differences": [forged]}
    for changed, flags, problem in (
        ({"reached": 0}, [], "the plan deletes 12 of the 13"),
        ({"changes": [update, *plan["changes"][1:]]}, ["--force"], "the plan is stale: 'Mail'"),
        ({"changes": [*plan["changes"], plan["changes"][-1]]}, [], "several changes of one"),
    ):
        reviewed.write_text(json.dumps({**plan, **changed}))
        refused = run("apply", mail, "--plan", reviewed, "--yes", *flags)
        assert 1 == refused.exit_code
        assert problem in refused.stderr
        assert "\n- 'prod'" not in refused.stdout
    assert 13 == len(names(run))


def test_a_pattern_that_is_not_valid_unicode_is_refused(run: Run, mail: Path):
    refused = run("plan", mail, "--prune", "\udcff*")
    assert 1 == refused.exit_code
    assert "prune must be valid Unicode" in refused.stderr


def test_a_servers_name_cannot_forge_a_line(run: Run, threaded_sandbox: Sandbox):
    threaded_sandbox.add(
        name="a\nsettings:       forged", type="email", settings={"email": "a@example.com"}
    )
    assert 6 == len(run("get", 1).stdout.splitlines())


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_the_pace_is_shared_through_a_redis(way: str, run: Run, specs: Path, redis_server):
    arguments = ("--redis", redis_server.url) if way == "flag" else ()
    environment = {"BITPEAK_REDIS_URL": redis_server.url} if way == "environment" else {}
    assert 0 == run("apply", specs, *arguments, **environment).exit_code
    assert redis_server.ask("--scan", "--pattern", "bitpeak:*")
    redis_server.kill()
    refused = run("list", *arguments, **environment)
    assert 1 == refused.exit_code
    assert "cannot be reached" in refused.stderr


def test_an_invalid_redis_url_is_refused_without_showing_it(run: Run, specs: Path):
    refused = run("apply", specs, BITPEAK_REDIS_URL=f"redis://:{CANARY}@x:port")
    assert 1 == refused.exit_code
    assert "redis://localhost:6379/0" in refused.stderr
    assert CANARY not in refused.output
