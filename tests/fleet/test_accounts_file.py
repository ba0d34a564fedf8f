"""Files of accounts: formats, references to keys, where the specs are, all mistakes at once."""

import pickle
from pathlib import Path

import pytest

from bitpeak_async import EmailSettings, HandlerSpec, Pace, PlanError
from bitpeak_async.fleet import Account, EnvironmentKey, FileKey, Fleet, LiteralKey, read_accounts
from bitpeak_async.provisioning.spec_files import loader
from bitpeak_async.sandbox import Sandbox

SPECS = "- {name: Mail, type: email, settings: {email: hey@example.com}}\n"
YAML = """
accounts:
- name: acme
  api_key: ${ACME_KEY}
  specs: [common.yaml, acme]
- name: globex
  api_key_file: keys/globex.key
  specs: common.yaml
  base_url: https://${HOST}/api
  requests_per_minute: 90.5
  in_flight: 4
"""
TOML = """
[[accounts]]
name = "acme"
api_key = "${ACME_KEY}"
specs = ["common.yaml", "acme"]

[[accounts]]
name = "globex"
api_key_file = "keys/globex.key"
specs = "common.yaml"
base_url = "https://${HOST}/api"
requests_per_minute = 90.5
in_flight = 4
"""
JSON = """[
{"name": "acme", "api_key": "${ACME_KEY}", "specs": ["common.yaml", "acme"]},
{"name": "globex", "api_key_file": "keys/globex.key", "specs": "common.yaml",
 "base_url": "https://${HOST}/api", "requests_per_minute": 90.5, "in_flight": 4}]
"""


def write(folder: Path, name: str, text: str = SPECS) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(file: Path, specs_dir: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        read_accounts(file, specs_dir, environ={})
    return caught.value.problems


@pytest.mark.parametrize(
    ("suffix", "text"),
    [("yaml", YAML), ("toml", TOML), ("json", JSON)],
    ids=["yaml", "toml", "json"],
)
def test_each_format_gives_the_same_accounts(tmp_path: Path, suffix: str, text: str):
    file = write(tmp_path, f"accounts.{suffix}", text)
    specs = tmp_path / "specs"
    assert [
        Account("acme", EnvironmentKey("ACME_KEY"), [specs / "common.yaml", specs / "acme"]),
        Account(
            "globex",
            FileKey(tmp_path / "keys" / "globex.key"),
            specs / "common.yaml",
            base_url="https://bitpeak.example.com/api",
            pace=Pace(requests_per_minute=90.5, in_flight=4),
        ),
    ] == read_accounts(file, specs, environ={"HOST": "bitpeak.example.com"})


@pytest.mark.parametrize(
    "there", ["acme.yaml", "acme.toml", "acme.json", "acme.csv", "acme/x.yaml"]
)
def test_specs_are_found_by_the_name_of_the_account(tmp_path: Path, there: str):
    write(tmp_path, there)
    file = write(tmp_path, "accounts.yaml", "- {name: acme, api_key: '${KEY}'}")
    [account] = read_accounts(file)
    assert (tmp_path / there.partition("/")[0],) == account.spec_files


def test_a_key_in_clear_is_masked(tmp_path: Path):
    write(tmp_path, "acme.yaml")
    file = write(tmp_path, "accounts.yaml", "- {name: acme, api_key: canary$$4711}")
    [account] = read_accounts(file)
    assert LiteralKey("canary$4711") == account.key
    assert "canary" not in repr(account)


def test_a_key_of_the_environment_is_not_read_before_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "canary-4711")
    write(tmp_path, "acme.yaml")
    [account] = read_accounts(write(tmp_path, "accounts.yaml", "- {name: acme, api_key: '${KEY}'}"))
    assert b"canary" not in pickle.dumps(account)


def test_all_mistakes_are_told_with_their_places(tmp_path: Path):
    write(tmp_path, "two.yaml")
    write(tmp_path, "two/more.yaml")
    file = write(
        tmp_path,
        "accounts.yaml",
        """
- name: one
  specs: a.yaml
- {name: two, api_key: x}
- name: three
  api_key: canary-${KEY}
  api_key_fil: x
  specs: a.yaml
- {name: one, api_key: a, api_key_file: b, specs: a.yaml, in_flight: 0}
- {name: "", api_key: "", specs: a.yaml, requests_per_minute: many}
- {name: a/b, api_key: x}
- {name: none, api_key: x, base_url: "${NOWHERE}"}
- 7
""",
    )
    assert (
        f"{file}:2: [0]: has no key: 'api_key: ${{NAME}}' or 'api_key_file: PATH'",
        (
            f"{file}:4: [1]: has no specs, and there is two and two.yaml in {tmp_path}; "
            f"add 'specs: [PATH]'"
        ),
        f"{file}:6: [2].api_key: must be ${{NAME}} alone, or a key; write $$ for a dollar",
        f"{file}:7: [2].api_key_fil: is not a known key; did you mean 'api_key_file'?",
        f"{file}:9: [3]: has the same name as [0] on line 2; names must be unique",
        (
            f"{file}:9: [3]: has both api_key and api_key_file; keep one: "
            f"'api_key: ${{NAME}}' or 'api_key_file: PATH'"
        ),
        f"{file}:9: [3].in_flight: must be a whole number of at least 1, not 0",
        f"{file}:10: [4].name: has no name; add one such as 'name: acme'",
        f"{file}:10: [4].api_key: is empty; write ${{NAME}}, or a key",
        f"{file}:10: [4].requests_per_minute: must be a number",
        f"{file}:11: [5]: has no specs, and its name is not a file name; add 'specs: [PATH]'",
        (
            f"{file}:12: [6].base_url: the environment variable NOWHERE is not set; "
            f"export it or write ${{NOWHERE:-default}}"
        ),
        (
            f"{file}:12: [6]: has no specs, and there is no none.yaml in {tmp_path}; "
            f"add 'specs: [PATH]'"
        ),
        f"{file}:13: [7]: must be a mapping, not a string",
    ) == problems(file)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("name", "null", "must be a string, not null"),
        ("name", '["a"]', "must be a string, not a list"),
        ("api_key", "null", "must be a string, not null"),
        ("specs", "null", "must be a string, not null"),
        ("specs", "[null]", "must be a string, not null"),
        ("base_url", "null", "must be a string, not null"),
        ("requests_per_minute", "null", "must be a string, not null"),
        ("requests_per_minute", "0", "must be a number above 0, not 0.0"),
        ("in_flight", "1.5", "must be a whole number"),
        ("in_flight", "[]", "must be a string, not a list"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_once(
    tmp_path: Path, key: str, value: str, problem: str
):
    account = {"name": '"a"', "api_key": '"x"', "specs": '"a.yaml"', key: value}
    pairs = ", ".join(f'"{each}": {account[each]}' for each in account)
    file = write(tmp_path, "accounts.json", f"[{{{pairs}}}]")
    name = " ('a')" if key != "name" else ""
    assert (f"{file}: [0].{key}{name}: {problem}",) == problems(file)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("accounts.csv", "name\nacme\n", "no known suffix; a file of accounts ends in .yaml, .yml"),
        ("accounts.toml", "", "is empty; write a list of accounts, or 'accounts = []' for none"),
        ("accounts.json", '{"accounts": 7}', "must be a list of accounts, or hold one as 'acc"),
        (
            "accounts.toml",
            "[[account]]",
            "accounts.toml: account: is not a known key; did you mean",
        ),
        ("accounts.yaml", "- [", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_accounts_says_so(tmp_path: Path, name, text, problem):
    assert problem in "\n".join(problems(write(tmp_path, name, text)))


def test_a_missing_file_says_so(tmp_path: Path):
    [problem] = problems(tmp_path / "accounts.yaml")
    assert f"{tmp_path / 'accounts.yaml'}: cannot be read: No such file or directory" == problem


async def test_a_missing_variable_is_reported_with_its_place(tmp_path: Path, sandbox: Sandbox):
    write(tmp_path, "acme.yaml")
    file = write(tmp_path, "accounts.yaml", "\n- {name: acme, api_key: '${NO_SUCH_KEY}'}")
    async with Fleet(read_accounts(file), base_url=sandbox.base_url) as fleet:
        with pytest.raises(PlanError) as caught:
            await fleet.provision()
    assert (
        f"{file}:2: account 'acme': the environment variable NO_SUCH_KEY is not set",
    ) == caught.value.problems
    assert 0 == sandbox.counts.total()


async def test_files_that_accounts_share_are_read_once(tmp_path: Path, monkeypatch):
    read: list[Path] = []
    original = loader.read_document

    def reading(file: Path, *arguments):
        read.append(file)
        return original(file, *arguments)

    monkeypatch.setattr(loader, "read_document", reading)
    common = write(tmp_path, "common.yaml")
    own = write(tmp_path, "own.yaml", SPECS.replace("Mail", "Own"))
    keys = [f"key-{n}" for n in range(20)]
    async with Sandbox(api_keys=keys) as sandbox:
        accounts = [Account(key, key, [common, own] if key > "key-5" else common) for key in keys]
        async with Fleet(accounts, base_url=sandbox.base_url) as fleet:
            assert (await fleet.provision()).ok
        [mail] = sandbox.handlers_of("key-0")
    assert "Mail" == mail["name"]
    assert sorted([common, own]) == sorted(read)


async def test_a_name_in_two_files_is_a_mistake_of_the_account_that_has_both(tmp_path, sandbox):
    first, second = write(tmp_path, "a.yaml"), write(tmp_path, "b.yaml")
    accounts = [
        Account("a", "key-a", first),
        Account("b", "key-b", second),
        Account("both", "key-c", [first, second]),
        Account("mixed", "key-d", [first, HandlerSpec("Mail", EmailSettings("x@example.com"))]),
    ]
    async with Fleet(accounts, base_url=sandbox.base_url) as fleet:
        with pytest.raises(PlanError) as caught:
            await fleet.plan()
    assert {
        (
            f"account 'both': {second}:1: [0]: has the same name as [0] at {first}:1; "
            f"names must be unique"
        ),
        "account 'mixed': specs 1 and 2 share the name 'Mail'",
    } == set(caught.value.problems)
