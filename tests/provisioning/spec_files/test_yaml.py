"""YAML: scalars keep their text, every problem its line."""

import sys
from pathlib import Path

import pytest
from spec_file import problems_of

from bitpeak_async import (
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    SlackSettings,
    TelegramSettings,
)
from bitpeak_async.provisioning.files import read_specs

CANARY = "canary-4711"
MAIL = "- {name: a, type: email, settings: {email: a@example.com}}\n"


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


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", ":1: is empty; write a list of handlers, or [] for none"),
        ("# nothing\n", ":1: is empty; write a list of handlers, or [] for none"),
        ("text", ":1: must be a list of handlers, or hold one as 'handlers:'; it is a string"),
        ("null", ":1: is empty; write a list of handlers, or [] for none"),
        ("handlers: {}", "handlers: must be a list of handlers"),
        ("handlers: []\nhandler: []", ":2: handler: is not a known key; did you mean 'handlers'?"),
        ("- {name: a", "is not YAML: "),
        ("- name: a: b", ":1: is not YAML: mapping values are not allowed in this context; quote"),
        (b"- name: \xff", ":1: is not UTF-8; save the file as UTF-8"),
        ("- name: a\x01", ":1: is not YAML: holds the control character '\\x01'"),
        ("- {name: a, name: b, type: x}", "the key is already on line 1; keep one of them"),
        (MAIL + "---\n" + MAIL, "begins a second document; put all handlers into one"),
        ("- !!python/object:os.system {}", "has a tag; remove it"),
        ("- *nobody", "has a * without an earlier & of that name"),
        ("[" * 40 + "]" * 40, "is nested deeper than 32 levels"),
        ("- {<<: 1, name: a, type: email}", "must be a mapping, not a string"),
        ("- {[a]: 1}", "a key must be a string, not a list"),
        ("- {name: a, type: email, settings: {email: a}}", "must be an email address"),
        ("- {name: a, type: email, settings: {email: null}}", "must be a string, not null"),
        (
            "- {name: a, type: email}\n- name: #ops",
            "name: must be a string, not null; quote a text",
        ),
        ("- {name: a, type: email, settings: [1]}", "settings: must be a mapping, not a list"),
        ("- {name: '', type: email, settings: {email: a@b}}", "name: must not be empty"),
        ("- {name: $HOME, type: email}", "holds a '$' that does not begin ${NAME}; write $$"),
        ("- {name: a, type: pager duty, settings: {}}", "must be an ASCII word such as 'twilio'"),
        ("- {name: a, type: pager, settings: {slack: x}}", "did you mean 'slack'?"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: str | bytes, problem: str, file: Path):
    assert problem in "\n".join(problems_of(file, content))


def test_no_value_of_the_environment_is_in_a_problem(file: Path):
    content = """
- {name: "${V}", type: "${V}", settings: {slack: "${V}"}}
- {name: a, type: slack, settings: {slack: "${V}"}}
- {name: "${V}", type: email, settings: {email: "${V}"}, is_enabled: "${V}"}
"""
    assert CANARY not in "\n".join(problems_of(file, content, V=CANARY))


def test_without_pyyaml_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "bitpeak_async.provisioning.spec_files.yaml", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    file.write_text(MAIL)
    with pytest.raises(ConfigurationError, match=r"install bitpeak_async\[cli\]"):
        read_specs(file)
