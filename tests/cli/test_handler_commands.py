"""The commands for single handlers."""

import json
import re
from pathlib import Path

import pytest
from builders import as_listed
from command_line import CANARY, Run, Terminal, piped

from bitpeak_async.sandbox import Fault, Sandbox

X = ("x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret")


def test_a_handler_is_created_shown_changed_and_deleted(run: Run):
    hook = f"https://hooks.slack.com/{CANARY}"
    created = run("create", "Ops", "--type", "slack", "--set", "slack=${HOOK}", HOOK=hook)
    assert (0, "created 1\n") == (created.exit_code, created.stdout)
    shown = run("get", 1)
    assert [
        "id:             1",
        "type:           slack",
        "name:           Ops",
        "enabled:        yes",
        "last delivery:  never",
        "settings:       https://hooks.slack.com/***",
    ] == shown.stdout.splitlines()
    changed = run("update", 1, "--name", "Old ops", "--disable", "--json")
    assert {"id": 1} == json.loads(changed.stdout)
    handler = json.loads(run("get", 1, "--json").stdout)
    assert {
        "id": 1,
        "type": "slack",
        "name": "Old ops",
        "settings": {"slack": "https://hooks.slack.com/***"},
        "is_enabled": False,
        "last_datetime": None,
        "datetime": handler["datetime"],
    } == handler
    assert "deleted 1\n" == run("delete", 1, "--yes").stdout
    assert 1 == run("get", 1).exit_code
    assert "404" in run("get", 1).stderr


def test_single_settings_fields_can_be_updated(run: Run):
    run("create", "Bot", "--type=telegram", "--set=telegram=1:a", "--set=telegram_chat_id=-100")
    assert 0 == run("update", 1, "--set", "telegram_chat_id=-200").exit_code
    handler = json.loads(run("get", 1, "--json").stdout)
    assert {"telegram": "***", "telegram_chat_id": "-200"} == handler["settings"]
    assert 0 == run("update", 1, "--type=email", "--set=email=a@example.com").exit_code
    assert "email" == json.loads(run("get", 1, "--json").stdout)["type"]


def test_an_update_with_fields_of_another_type_says_that_they_did_not_take(run: Run):
    run("create", "Bot", "--type=telegram", "--set=telegram=1:a", "--set=telegram_chat_id=-100")
    refused = run("update", 1, "--set", "slack=https://hooks.slack.com/x")
    assert 1 == refused.exit_code
    assert "did not take slack: handler 1 is of type telegram" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("create", "a", "--type=slak", "--set=slack=x"), "did you mean 'slack'?"),
        (("create", "a", "--type=slack"), "lacks 'slack', which slack needs"),
        (("create", "a", "--type=slack", "--set=slack=${NONE}"), "variable NONE is not set"),
        (("create", "a", "--type=slack", "--set", "slack"), "--set must be NAME=VALUE"),
        (("create", "a", "--type=email", "--set=email=a", "--set=email=b"), "is given twice"),
        (("create", "", "--type=email", "--set=email=a@b.cc"), "name must not be empty"),
        (("update", 1), "give --name, --type, --set, --enable or --disable to update"),
        (("update", 1, "--set=slak=x"), "did you mean 'slack'?"),
        (("get", 0), "must be a positive whole number"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused(
    arguments: tuple[object, ...], problem: str, run: Run
):
    refused = run(*arguments)
    code = 64 if "--set must be" in problem or "twice" in problem else 1
    assert (code, "") == (refused.exit_code, refused.stdout)
    assert problem in refused.stderr


def test_without_handlers_the_list_is_empty(run: Run):
    assert [] == json.loads(run("list", "--json").stdout)


def test_a_list_is_json_that_streams_with_secrets_masked(run: Run, specs: Path):
    run("apply", specs)
    listed = run("list", "--json")
    assert as_listed("Mail", "[red]Hook") == [each["name"] for each in json.loads(listed.stdout)]
    assert CANARY not in listed.output


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_delete_asks_first_on_a_terminal(
    answer: str, code: int, server: dict[str, str], specs: Path, run: Run
):
    run("apply", specs)
    terminal = Terminal("delete", 1, **server)
    terminal.until("? [y/N]: ")
    assert f"Delete 'Mail' from {server['BITPEAK_BASE_URL']}?" in terminal.screen
    terminal.type(answer + "\n")
    assert code == terminal.end()
    assert (1 if answer == "y" else 2) == len(json.loads(run("list", "--json").stdout))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("columns", [40, 90])
def test_a_narrow_terminal_gets_blocks_and_a_wide_one_a_table(
    columns: int, server: dict[str, str], specs: Path, run: Run
):
    run("apply", specs)
    terminal = Terminal("list", COLUMNS=str(columns), NO_COLOR="1", **server)
    assert 0 == terminal.end()
    shown = re.sub(r"\x1b\[[01]m", "", terminal.screen)
    assert "\x1b" not in shown
    assert all(len(line) <= max(columns, 60) for line in shown.splitlines())
    assert ("name:           Mail" in shown) == (columns == 40)
    assert "https://example.com/***" in shown


def test_a_list_that_cannot_be_read_prints_nothing_and_an_empty_one_its_header(
    run: Run, threaded_sandbox: Sandbox
):
    assert "id\ttype\tname\tenabled\tlast delivery\tsettings\n" == run("list").stdout
    threaded_sandbox.inject(Fault(status=403), times=None)
    refused = run("list")
    assert (4, "") == (refused.exit_code, refused.stdout)


def test_lists_are_narrowed_by_name_type_switch_and_age(run: Run, threaded_sandbox: Sandbox):
    for name, kind, field in (("a 1", "email", "a@b.cc"), ("a 2", "slack", "https://a.b/c")):
        threaded_sandbox.add(name=name, type=kind, settings={kind: field})
    threaded_sandbox.add(name="b", type="email", settings={"email": "a@b.cc"}, is_enabled=False)

    def names(*arguments: object) -> set[str]:
        return {each["name"] for each in json.loads(run("list", "--json", *arguments).stdout)}

    assert {"a 1", "a 2"} == names("--match", "a *")
    assert {"a 1", "b"} == names("--type", "email")
    assert {"b"} == names("--disabled")
    assert {"a 1"} == names("--enabled", "--type=email")
    assert {"a 1", "a 2", "b"} == names("--stale", "0d")
    assert set() == names("--stale", "30d")
    assert 64 == run("list", "--stale", "soon").exit_code


def test_a_handler_is_got_and_deleted_by_a_name_that_is_unique(run: Run, threaded_sandbox: Sandbox):
    for name in ("Ops", "Twin", "Twin"):
        threaded_sandbox.add(name=name, type="email", settings={"email": "a@b.cc"})
    assert 1 == json.loads(run("get", "Ops", "--json").stdout)["id"]
    for command in (["get", "Twin"], ["delete", "--name", "Twin", "--yes"]):
        refused = run(*command)
        assert 1 == refused.exit_code
        assert "several handlers have the name 'Twin': give one of the ids 2, 3" in refused.stderr
    assert "no handler has the name 'None'" in run("get", "None").stderr
    assert "deleted 1\n" == run("delete", "--name", "Ops", "--yes").stdout
    assert [64, 64] == [run("delete", *more).exit_code for more in ([], [2, "--name", "Twin"])]


def test_types_fields_and_profiles_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def completed(words: str) -> set[str]:
        count = str(len(words.split(" ")) - 1)
        done = piped(_BITPEAK_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
        return {*done.stdout.split()}

    (tmp_path / "bitpeak.toml").write_text("[profiles.staging]\n[profiles.production]\n")
    monkeypatch.chdir(tmp_path)
    assert {"slack"} == completed("bitpeak create a --type sla")
    assert {"telegram=", "telegram_chat_id="} == completed(
        "bitpeak create a --type telegram --set t"
    )
    assert {"staging"} == completed("bitpeak --profile s")
