"""The command line as people and scripts run it: real processes, pipes and a terminal."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders import as_listed
from command_line import BITPEAK, CANARY, EXAMPLE, TWO, Run, Terminal, piped
from typer.testing import CliRunner

from bitpeak_async.cli import _handler_commands, _provision_commands, main  # noqa: F401
from bitpeak_async.cli._app import app
from bitpeak_async.provisioning.files import spec_file_schema
from bitpeak_async.sandbox import Fault, Sandbox


def test_the_example_is_provisioned_and_a_second_plan_is_empty():
    done = piped("apply", EXAMPLE, "--sandbox")
    assert 0 == done.returncode, done.stderr
    lines = done.stdout.splitlines()
    assert 40 <= sum(line.startswith("+ ") for line in lines)
    assert "44 created, 0 updated, 0 unchanged, 0 failed on the sandbox" == lines[-2]
    assert lines[-1].startswith("Planned again: 0 to change")
    assert "\x1b" not in done.stdout + done.stderr
    types = set(re.findall(r"^\+ .* \((\w+)\)", done.stdout, re.MULTILINE))
    assert 9 == len(types)


def test_apply_writes_once_and_plan_writes_nothing(run: Run, specs: Path):
    planned = run("plan", specs)
    assert 0 == planned.exit_code
    assert "2 to change (2 to create, 0 to update), 0 unchanged" in planned.stdout
    assert "2 created" in run("apply", specs).stdout
    again = run("apply", specs)
    assert 0 == again.exit_code
    assert ["0 to change (0 to create, 0 to update), 2 unchanged"] == again.stdout.splitlines()[1:]


def test_a_plan_for_a_new_sandbox_only_creates(run: Run, specs: Path):
    assert "2 to create" in run("plan", specs, "--sandbox").stdout


def test_list_shows_handlers_without_their_secrets(run: Run, specs: Path):
    run("apply", specs)
    shown = run("list")
    assert 0 == shown.exit_code
    assert [
        "id\ttype\tname\tenabled\tlast delivery\tsettings",
        *as_listed(
            "1\temail\tMail\tyes\tnever\t'a@example.com'",
            "2\twebhook\t[red]Hook\tyes\tnever\thttps://example.com/***",
        ),
    ] == shown.stdout.splitlines()


@pytest.mark.parametrize("command", ["plan", "apply", "list"])
def test_commands_print_no_secret(command: str, run: Run, specs: Path):
    run("apply", specs)
    specs.write_text(TWO.replace("canary", "canary-changed"))
    shown = run(command, *([] if command == "list" else [specs]), "--base-url", "")
    shown_too = run(command, *([] if command == "list" else [specs]))
    assert CANARY not in shown.output + shown_too.output
    assert "canary" not in shown_too.output


def test_a_missing_variable_is_named_with_file_line_and_path(run: Run, tmp_path: Path):
    path = tmp_path / "h.yaml"
    path.write_text("- name: a\n  type: slack\n  settings:\n    slack: ${SLACK_HOOK}\n")
    refused = run("apply", path)
    assert 1 == refused.exit_code
    assert f"{path}:4: [0].settings.slack: the environment variable SLACK_HOOK" in refused.stderr
    assert "" == refused.stdout


def test_a_missing_file_is_reported_in_one_line_on_stderr(run: Run, tmp_path: Path):
    refused = run("plan", tmp_path / "none.yaml")
    assert 1 == refused.exit_code
    assert "cannot be read: No such file or directory" in refused.stderr
    assert 1 == len(refused.stderr.splitlines())


def test_the_error_for_a_missing_key_names_its_sources(run: Run, specs: Path):
    refused = run("plan", specs, BITPEAK_API_KEY=None)
    assert (1, "Error: the key is missing: use --api-key-file or set BITPEAK_API_KEY\n") == (
        refused.exit_code,
        refused.stderr,
    )


def test_a_refused_key_has_its_own_exit_code(run: Run):
    refused = run("list", BITPEAK_API_KEY=CANARY)
    assert 4 == refused.exit_code
    assert "401" in refused.stderr
    assert CANARY not in refused.output


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_the_sandbox_serves_until_ctrl_c_and_stores_its_handlers(
    flags: tuple[str, ...], tmp_path: Path, specs: Path, run: Run
):
    command = [*BITPEAK, "sandbox", "--database", str(tmp_path / "handlers.db"), *flags]
    for found in ("2 to create", "2 unchanged")[: 1 if flags else 2]:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            lines = "".join(process.stdout.readline().decode() for _ in range(4 if flags else 2))
            pattern = r'"(\w+)": "(\S+)"' if flags else r"export BITPEAK_(\w+)=(\S+)"
            said = {name.upper(): value for name, value in re.findall(pattern, lines)}
            env = {f"BITPEAK_{name}": value for name, value in said.items()}
            assert {"BITPEAK_BASE_URL", "BITPEAK_API_KEY"} == set(env)
            assert found in run("plan", specs, **env).stdout
            assert 0 == run("apply", specs, **env).exit_code
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
            page = env["BITPEAK_BASE_URL"].removesuffix("api")
            said_besides = f"Dashboard at {page}\nServing until Ctrl-C\n"
        assert (0, said_besides) == (process.returncode, errors.decode())


def test_a_port_in_use_is_an_error(server: dict[str, str]):
    port = server["BITPEAK_BASE_URL"].split(":")[2].split("/")[0]
    refused = piped("sandbox", "--port", port)
    assert 1 == refused.returncode
    assert refused.stderr.startswith("Error: ")


def test_output_is_escaped_in_a_locale_without_unicode():
    done = piped("apply", EXAMPLE, "--sandbox", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert 0 == done.returncode, done.stderr
    assert "+ '\\u041d\\u0430\\u0432" in done.stdout


def test_a_closed_pipe_causes_no_traceback():
    command = f"{' '.join(BITPEAK)} plan {EXAMPLE} --sandbox | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    assert 1 == len(done.stdout.splitlines())


def test_version_and_help():
    assert "bitpeak_async 0.1.0\n" == CliRunner().invoke(app, ["--version"]).stdout
    helped = CliRunner().invoke(app, ["--help"]).stdout
    assert "5 outcomes are unresolved" in " ".join(helped.split())
    assert "[profiles.NAME]" in helped
    assert helped == CliRunner().invoke(app, ["-h"]).stdout


@pytest.mark.parametrize(("status", "code"), [(422, 3), (403, 4)])
def test_failed_changes_have_their_own_exit_codes(
    status: int, code: int, specs: Path, run: Run, threaded_sandbox: Sandbox
):
    fault = Fault(status=status)
    threaded_sandbox.inject(fault, when=lambda request: request.fields.get("name") == "Mail")
    done = run("apply", specs)
    assert code == done.exit_code
    assert "! 'Mail': create notification handler 'Mail': " in done.stdout
    summary = f"1 created, 0 updated, 0 unchanged, 1 failed on {threaded_sandbox.base_url}"
    assert summary == done.stdout.splitlines()[-1]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_apply_asks_first_on_a_terminal(
    answer: str, code: int, server: dict[str, str], specs: Path, run: Run
):
    terminal = Terminal("apply", specs, **server)
    terminal.until("? [y/N]: ")
    assert f"Apply to {server['BITPEAK_BASE_URL']}?" in terminal.screen
    assert "\x1b[32m+ 'Mail'" in terminal.screen
    terminal.type(answer + "\n")
    assert code == terminal.end()
    assert ("2 created" in terminal.screen) == (answer == "y")
    assert ("2 unchanged" in run("plan", specs).stdout) == (answer == "y")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_ctrl_c_prints_the_partial_report(sandbox: Sandbox, specs: Path):
    sandbox.inject(Fault.slow(0.5), method="POST", times=None)
    terminal = Terminal(
        "apply",
        specs,
        "--yes",
        BITPEAK_BASE_URL=sandbox.base_url,
        BITPEAK_API_KEY=sandbox.api_key,
    )
    await terminal.sees(lambda: sandbox.in_flight >= 2)
    terminal.type("\x03")
    assert 130 == await asyncio.to_thread(terminal.end)
    assert "2 created, 0 updated, 0 unchanged, 0 failed" in terminal.screen
    assert "interrupted" in terminal.screen


def test_without_its_extra_the_command_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("bitpeak_async.cli._")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"install bitpeak_async\[cli\]"):
        main()


def test_the_schema_is_printed_and_an_export_can_name_it(run: Run, specs: Path):
    assert spec_file_schema() == json.loads(run("schema").stdout)
    run("apply", specs)
    exported = run("export", "--schema", "https://example.com/schema.json").stdout.splitlines()
    assert "# yaml-language-server: $schema=https://example.com/schema.json" == exported[0]
    for arguments in (["--schema=a", "--json"], ["--schema=a\nb"]):
        assert 64 == run("export", *arguments).exit_code
