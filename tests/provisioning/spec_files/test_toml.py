"""TOML: values as TOML means them, syntax errors with a line, all others with path and name."""

from pathlib import Path

import pytest
from spec_file import check_problems, write

from bitpeak_async import TelegramSettings
from bitpeak_async.provisioning.files import read_specs

TOML = '[[handlers]]\nname = "a"\ntype = "email"\nsettings = {email = "a@example.com"}\n'


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.50", "1.50"),
        ("1_000.5", "1_000.5"),
        ("-inf", "-inf"),
        ("-100123", "-100123"),
        ("+1", "1"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("1979-05-27T07:32:00Z", "1979-05-27 07:32:00+00:00"),
        ("1979-05-27", "1979-05-27"),
        ("07:32:00", "07:32:00"),
        ("true", "true"),
    ],
)
def test_values_that_are_no_strings_have_the_text_that_toml_gives_them(
    written: str, text: str, tmp_path: Path
):
    content = (
        '[[handlers]]\nname = "a"\ntype = "telegram"\n'
        f"settings = {{telegram = {written}, telegram_chat_id = false}} # 1\n"
    )
    [spec] = read_specs(write(tmp_path / "a.toml", content))
    assert TelegramSettings(text, "false") == spec.settings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a = "\n', [":1: is not TOML: illegal character '\\n'"]),
        ("# a\n\nhandlers = [", [":3: is not TOML: invalid value"]),
        ('handlers = """\n\n', [":1: is not TOML: "]),
        ("a = 1\r\na = 2\r\n", [":2: is not TOML: cannot overwrite a value"]),
        ("a = " + "1" * 5000, [": is not TOML: a number is too long"]),
        ("a = 0x" + "1" * 5000, [": is not TOML: a number is too long"]),
        ("\na = " + "[" * 40 + "]" * 40, [": is nested deeper than 32 levels"]),
        ("a = " + "[" * 4000 + "]" * 4000, [": is nested deeper than 32 levels"]),
        ("\n" + ".".join("a" * 40) + " = 1", [": is nested deeper than 32 levels"]),
        ("[[" + ".".join("a" * 40) + "]]", [": is nested deeper than 32 levels"]),
        ("handlers = 1\n", [": handlers: must be a list of handlers"]),
        ("\n[handlers]\nname = 'a'", [": handlers: must be a list of handlers"]),
        (
            'x = """\n[[handlers]]\n""" # [[handlers]]\n\n' + TOML + TOML + "enable = false\n",
            [
                ": x: is not a known key; known: handlers",
                ": handlers[1].enable ('a'): is not a known key; did you mean 'is_enabled'?",
                ": handlers[1] ('a'): has the same name as handlers[0]; names must be unique",
            ],
        ),
        (
            (
                "handlers = [\n  'text', # ]\n"
                "  {name = 'a',type = 'email',settings = {\"e mail\" = '''\nb''', email = []}},\n"
                "  {}]\nhandler = 1"
            ),
            [
                ": handler: is not a known key; did you mean 'handlers'?",
                ": handlers[0]: must be a mapping, not a string",
                ": handlers[1].settings.email ('a'): must be a string, not a list",
                ": handlers[1].settings['e mail'] ('a'): is not a known key; did you mean 'email'?",
                ": handlers[2]: has no name; add one such as 'name: Work email'",
                ": handlers[2]: has no type; add one such as 'type: email'",
            ],
        ),
        (
            (
                "[[handlers]]\n[handlers.settings]\nslack='''\n''''\n[[handlers]]\nname='b'\n"
                "type = 'slack'\n\n[handlers.settings]\n\nslack = 5\n[[handlers.x]]\n"
            ),
            [
                ": handlers[0]: has no name; ",
                ": handlers[0]: has no type; ",
                ": handlers[1].x ('b'): is not a known key; ",
                ": handlers[1].settings.slack ('b'): must be an absolute",
            ],
        ),
    ],
)
def test_a_problem_has_a_path_and_a_name_and_only_one_of_syntax_a_line(
    content: str, expected: list[str], tmp_path: Path
):
    check_problems(tmp_path / "a.toml", content, expected)
