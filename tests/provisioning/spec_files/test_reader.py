"""Specs of a file: every key is checked, in each format alike, and all problems told at once."""

from pathlib import Path

import pytest
from spec_file import problems, problems_of, write

from bitpeak_async import (
    HandlerSpec,
    HandlerType,
    InternalNotificationSettings,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    XSettings,
)
from bitpeak_async.provisioning.files import read_specs

CANARY = "canary-4711"
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
SPECS = [
    HandlerSpec("Ops\nalerts", TelegramSettings("1:a", "-100123")),
    HandlerSpec("Chat", SlackSettings("https://example.com/$1"), is_enabled=False),
    HandlerSpec("Bell", InternalNotificationSettings()),
    HandlerSpec("Call", UnknownSettings("twilio_call", {"twilio_call": "+998", "retries": "3"})),
]
SAMPLES = {
    "toml": '''\
# a comment with [[handlers]]
[[handlers]]
name = """
Ops
alerts"""  # [[handlers]]
type = "telegram"
settings.telegram = "${TOKEN}"
settings.telegram_chat_id = -100123
[[handlers]]
name = "Chat"
type = 'slack'
is_enabled = false
settings = {slack = "${HOOK:-https://example.com/$$1}"}
[[handlers]]
name = "Bell"
"type" = "internal_notification"
[[handlers]]
name = "Call"
type = "twilio_call"
[handlers.settings]
twilio_call = "+998"
retries = 3
''',
    "json": r"""
{"handlers": [
  {"name": "Ops\nalerts", "type": "telegram",
   "settings": {"telegram": "${TOKEN}", "telegram_chat_id": -100123}},
  {"name": "Chat", "type": "slack", "is_enabled": false,
   "settings": {"slack": "${HOOK:-https://example.com/$$1}"}},
  {"name": "Bell", "type": "internal_notification", "settings": {}},
  {"name": "Call", "type": "twilio_call",
   "settings": {"twilio_call": "+998", "retries": 3}}
]}
""",
    "csv": """\
name,type,telegram,telegram_chat_id,slack,is_enabled,twilio_call,retries
"Ops
alerts",telegram,${TOKEN},-100123,,,,

Chat,slack,,,${HOOK:-https://example.com/$$1},FALSE,,
Bell,internal_notification,,,,true,,
Call,twilio_call,,,,,+998,3
""",
}


@pytest.mark.parametrize("form", SAMPLES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_format_has_the_same_words(form: str, end: str, tmp_path: Path):
    sample = SAMPLES[form].replace("\n", end)
    file = write(tmp_path / f"a.{form.upper()}", b"\xef\xbb\xbf" + sample.encode())
    name = SPECS[0].name if form != "csv" else SPECS[0].name.replace("\n", end)
    expected = [HandlerSpec(name, SPECS[0].settings), *SPECS[1:]]
    assert expected == read_specs(file, environ={"TOKEN": "1:a"})


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("handlers.*")), ids=lambda file: file.name)
def test_the_examples_can_be_read_without_an_environment(example: Path):
    assert read_specs(example, environ={})


def test_the_example_is_believable_without_an_environment():
    specs = read_specs(EXAMPLES / "handlers.yaml", environ={})
    assert 40 <= len(specs)
    assert set(HandlerType) == {spec.settings.type for spec in specs}
    assert {True, False} == {spec.is_enabled for spec in specs}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.yaml", "[]"),
        ("a.toml", "handlers = []"),
        ("a.json", "[]"),
        ("a.csv", "name,type,slack\n"),
    ],
)
def test_no_handlers_can_be_said(file: str, content: str, tmp_path: Path):
    assert [] == read_specs(write(tmp_path / file, content))


@pytest.mark.parametrize("form", ["yaml", "toml", "json", "csv"])
def test_an_empty_file_says_how_to_mean_it(form: str, tmp_path: Path):
    [problem] = problems(write(tmp_path / f"a.{form}", ""))
    assert problem.startswith(f"a.{form}:1: is empty; write a list of handlers, or ")


def test_settings_may_be_left_out_where_there_are_none(file: Path):
    file.write_text("- {name: Bell, type: internal_notification}\n")
    assert [HandlerSpec("Bell", InternalNotificationSettings())] == read_specs(file)


def test_a_new_type_needs_no_release(file: Path):
    file.write_text("- {name: Call, type: twilio_call, settings: {twilio_call: '+998'}}\n")
    unknown = UnknownSettings("twilio_call", {"twilio_call": "+998"})
    assert [HandlerSpec("Call", unknown)] == read_specs(file)


def test_an_x_account_needs_all_four(file: Path):
    names = ["x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret"]
    fields = "".join(f"    {name}: {name[2:]}\n" for name in names)
    file.write_text("- name: a\n  type: x\n  settings:\n" + fields)
    [spec] = read_specs(file)
    assert XSettings(*(name[2:] for name in names)) == spec.settings


def test_all_problems_are_reported_at_once_in_the_order_of_lines(file: Path):
    content = """
- name: a
  type: slak
  settings: {slack: https://example.com}
- name: a
  type: telegram
  settings:
    telegram: ${TOKEN}
    chat_id: 1
- typ: email
  name: [b]
- just text
- name: c
  type: webhook
  settings: {webhook: example.com}
  is_enabled: perhaps
  enabled: true
"""
    found = problems_of(file, content)
    assert [
        ":3: [0].type: 'slak' is not a documented type; did you mean 'slack'?",
        ":5: [1]: has the same name as [0] on line 2; names must be unique",
        ":7: [1].settings: lacks 'telegram_chat_id', which telegram needs",
        ":8: [1].settings.telegram: the environment variable TOKEN is not set; export it or ",
        ":9: [1].settings.chat_id: is not a known key; did you mean 'telegram_chat_id'?",
    ] == [found[0].partition(" known:")[0], *found[1:3], found[3][:83], found[4]]
    assert [
        ":10: [2].typ: is not a known key; did you mean 'type'?",
        ":10: [2]: has no type; add one such as 'type: email'",
        ":11: [2].name: must be a string, not a list",
        ":12: [3]: must be a mapping, not a string",
    ] == found[5:9]
    assert found[9].startswith(":15: [4].settings.webhook: must be an absolute http(s) URL")
    assert ":16: [4].is_enabled: must be true, false or keep" == found[10]
    assert ":17: [4].enabled: is not a known key; did you mean 'is_enabled'?" == found[11]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (
            "toml",
            '[[handlers]]\nname="${V}"\ntype="${V}"\nis_enabled="${V}"\nsettings.slack="${V}"',
        ),
        ("toml", '[[handlers]]\nname="${V}"\ntype="slack"\nsettings.slack="${V}"\n' * 2),
        ("json", '[{"name": "${V}", "type": "slack", "settings": {"slack": "${V}"}}, {}]'),
        ("json", '[{"name": "${V}", "type": "${V}", "settings": {"slack": "${V}"}}]'),
        ("csv", "name,type,is_enabled,slack\n${V},slack,${V},${V}\n${V},${V},${V},${V}\n"),
    ],
)
def test_no_value_of_the_environment_is_in_a_problem(form: str, content: str, tmp_path: Path):
    found = problems(write(tmp_path / f"a.{form}", content), V=CANARY)
    assert CANARY not in "\n".join(found)
