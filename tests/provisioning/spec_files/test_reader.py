"""Spec files: read whole, or refused with every problem, its line and what would be right."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpeak_async import (
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    HandlerType,
    InternalNotificationSettings,
    PlanError,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    XSettings,
)
from bitpeak_async.provisioning.files import read_specs
from bitpeak_async.provisioning.spec_files.environment import expand

CANARY = "canary-4711"
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "handlers.yaml"
MAIL = "- {name: a, type: email, settings: {email: a@example.com}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "handlers.yaml"


def problems(file: Path, content: str | bytes, **environ: str) -> list[str]:
    """Return what is wrong with a file, each without the file's own path."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PlanError) as caught:
        read_specs(file, environ=environ)
    assert "\n".join(caught.value.problems) == str(caught.value)
    return [problem.removeprefix(str(file)) for problem in caught.value.problems]


def test_the_example_is_believable_without_an_environment():
    specs = read_specs(EXAMPLE, environ={})
    assert 40 <= len(specs)
    assert set(HandlerType) == {spec.settings.type for spec in specs}
    assert {True, False} == {spec.is_enabled for spec in specs}


def test_every_word_of_the_api_is_understood(file: Path):
    file.write_text(
        """
handlers:
- name: Ops
  type: telegram
  settings:
    telegram: ${TOKEN}
    telegram_chat_id: -100123
- name: Chat
  type: slack
  settings: {slack: "${HOOK:-https://example.com/$$1}"}
  is_enabled: false
"""
    )
    assert [
        HandlerSpec("Ops", TelegramSettings("1:a", "-100123")),
        HandlerSpec("Chat", SlackSettings("https://example.com/$1"), is_enabled=False),
    ] == read_specs(file, environ={"TOKEN": "1:a"})


def test_settings_may_be_left_out_where_there_are_none(file: Path):
    file.write_text("- {name: Bell, type: internal_notification}\n")
    assert [HandlerSpec("Bell", InternalNotificationSettings())] == read_specs(file)


def test_a_new_type_needs_no_release(file: Path):
    file.write_text("- {name: Call, type: twilio_call, settings: {twilio_call: '+998'}}\n")
    unknown = UnknownSettings("twilio_call", {"twilio_call": "+998"})
    assert [HandlerSpec("Call", unknown)] == read_specs(file)


def test_anchors_and_merges_work(file: Path):
    file.write_text(
        """
- &off {name: a, type: email, settings: &mail {email: a@example.com}, is_enabled: false}
- {<<: *off, name: b}
- {name: c, type: email, settings: *mail}
"""
    )
    mail = EmailSettings("a@example.com")
    assert [
        HandlerSpec("a", mail, is_enabled=False),
        HandlerSpec("b", mail, is_enabled=False),
        HandlerSpec("c", mail),
    ] == read_specs(file)


def test_an_empty_list_is_no_handlers(file: Path):
    file.write_text("[]\n")
    assert [] == read_specs(file)


def test_a_byte_order_mark_is_passed_over(file: Path):
    file.write_bytes(b"\xef\xbb\xbf" + MAIL.encode())
    assert 1 == len(read_specs(file))


def test_everything_wrong_is_told_at_once_in_the_order_of_lines(file: Path):
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
    found = problems(file, content)
    assert [
        ":3: [0].type: 'slak' is no documented type; did you mean 'slack'?",
        ":5: [1]: has the same name as [0] on line 2; names must be unique",
        ":7: [1].settings: lacks 'telegram_chat_id', which telegram needs",
        ":8: [1].settings.telegram: the environment variable TOKEN is not set; export it or ",
        ":9: [1].settings.chat_id: is no known key; did you mean 'telegram_chat_id'?",
    ] == [found[0].partition(" known:")[0], *found[1:3], found[3][:83], found[4]]
    assert [
        ":10: [2].typ: is no known key; did you mean 'type'?",
        ":10: [2]: has no type; add one such as 'type: email'",
        ":11: [2].name: must be a string, not a list",
        ":12: [3]: must be a mapping, not a string",
    ] == found[5:9]
    assert found[9].startswith(":15: [4].settings.webhook: must be an absolute http(s) URL")
    assert ":16: [4].is_enabled: must be true or false" == found[10]
    assert ":17: [4].enabled: is no known key; did you mean 'is_enabled'?" == found[11]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", ":1: is empty; write a list of handlers, or [] for none"),
        ("# nothing\n", ":1: is empty; write a list of handlers, or [] for none"),
        ("text", ":1: must be a list of handlers, or hold one as 'handlers:'; it is a string"),
        ("null", ":1: must be a list of handlers, or hold one as 'handlers:'; it is null"),
        ("handlers: {}", "handlers: must be a list of handlers"),
        ("handlers: []\nhandler: []", ":2: handler: is no known key; did you mean 'handlers'?"),
        ("- {name: a", "is not YAML: "),
        ("- name: a: b", ":1: is not YAML: mapping values are not allowed"),
        (b"- name: \xff", ":1: is not UTF-8; save the file as UTF-8"),
        ("- name: a\x01", ":1: is not YAML: holds the control character '\\x01'"),
        ("- {name: a, name: b, type: x}", "the key is on line 1 already; keep one of them"),
        (MAIL + "---\n" + MAIL, "begins a second document; put all into one"),
        ("- !!python/object:os.system {}", "has a tag; leave it out"),
        ("- *nobody", "no & of that name stands before this *"),
        ("[" * 40 + "]" * 40, "is nested deeper than 32 levels"),
        ("- {<<: 1, name: a, type: email}", "must be a mapping, not a string"),
        ("- {[a]: 1}", "a key must be a word, not a list"),
        ("- {name: a, type: email, settings: {email: a}}", "must be an email address"),
        ("- {name: a, type: email, settings: {email: null}}", "must be a string, not null"),
        ("- {name: a, type: email, settings: [1]}", "settings: must be a mapping, not a list"),
        ("- {name: '', type: email, settings: {email: a@b}}", "name: must not be empty"),
        ("- {name: $HOME, type: email}", "holds a '$' that begins no ${NAME}; write $$"),
        ("- {name: a, type: pager duty, settings: {}}", "must be an ASCII word such as 'twilio'"),
        ("- {name: a, type: pager, settings: {slack: x}}", "did you mean 'slack'?"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: str | bytes, problem: str, file: Path):
    assert problem in "\n".join(problems(file, content))


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(PlanError, match="cannot be read: No such file or directory"):
        read_specs(tmp_path / "none.yaml")


def test_no_value_of_the_environment_is_in_a_problem(file: Path):
    content = """
- {name: "${V}", type: "${V}", settings: {slack: "${V}"}}
- {name: a, type: slack, settings: {slack: "${V}"}}
- {name: "${V}", type: email, settings: {email: "${V}"}, is_enabled: "${V}"}
"""
    assert CANARY not in "\n".join(problems(file, content, V=CANARY))


def test_without_pyyaml_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "bitpeak_async.provisioning.spec_files.yaml", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    file.write_text(MAIL)
    with pytest.raises(ConfigurationError, match=r"install bitpeak_async\[cli\]"):
        read_specs(file)


@given(st.text())
def test_text_without_dollars_is_left_alone(text: str):
    if "$" not in text:
        assert text == expand(text, {}, pytest.fail)


@given(st.text())
def test_a_doubled_dollar_is_one(text: str):
    assert text == expand(text.replace("$", "$$"), {}, pytest.fail)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A}", "1"),
        ("x${A}y${B:-2}z", "x1y2z"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("${B:-a$$b}", "a$b"),
    ],
)
def test_references_are_expanded(text: str, expanded: str):
    assert expanded == expand(text, {"A": "1", "EMPTY": ""}, pytest.fail)


def test_an_x_account_needs_all_four(file: Path):
    names = ["x_consumer_key", "x_consumer_secret", "x_access_token", "x_access_token_secret"]
    fields = "".join(f"    {name}: {name[2:]}\n" for name in names)
    file.write_text("- name: a\n  type: x\n  settings:\n" + fields)
    [spec] = read_specs(file)
    assert XSettings(*(name[2:] for name in names)) == spec.settings
