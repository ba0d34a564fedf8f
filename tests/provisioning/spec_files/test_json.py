"""JSON: numbers keep their text, no duplicate key is lost, problems have path and name."""

from pathlib import Path

import pytest
from spec_file import check_problems, write

from bitpeak_async import TelegramSettings
from bitpeak_async.provisioning.files import read_specs


@pytest.mark.parametrize("number", ["-0", "1e3", "1.50", "9" * 5000])
def test_numbers_keep_their_text(number: str, tmp_path: Path):
    settings = f'{{"telegram": {number}, "telegram_chat_id": true}}'
    content = f'[{{"name": "a", "type": "telegram", "settings": {settings}}}]'
    [spec] = read_specs(write(tmp_path / "a.json", content))
    assert TelegramSettings(number, "true") == spec.settings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"name": "a",}]', [":1: is not JSON: "]),
        ('[\n{"name" "a"}]', [":2: is not JSON: expecting ':' delimiter"]),
        ("[\n\n1 2]", [":3: is not JSON: expecting ',' delimiter"]),
        ('{"a": 1\n"b": 2}', [":2: is not JSON: expecting ',' delimiter"]),
        ("[\na]", [":2: is not JSON: expecting value; texts need double quotes"]),
        ("[\nNaN]", [": is not JSON: NaN is not a number"]),
        ("[-Infinity]", [": is not JSON: -Infinity is not a number"]),
        ("[01]", [":1: is not JSON: expecting ',' delimiter"]),
        ("[1.]", [":1: is not JSON: expecting ',' delimiter"]),
        ("[", [":1: is not JSON: expecting value"]),
        ("[]\n[]", [":2: is not JSON: extra data"]),
        ('["a\n"]', [":1: is not JSON: invalid control character"]),
        ('\n["a', [":2: is not JSON: unterminated string starting"]),
        ('["\\x"]', [":1: is not JSON: invalid \\escape"]),
        ("\n" + "[" * 100_000, [": is nested deeper than 32 levels"]),
        ("[" * 40 + "]" * 40, [": is nested deeper than 32 levels"]),
        ('{"a":' * 40 + "1" + "}" * 40, [": is nested deeper than 32 levels"]),
        ("null", [":1: is empty; write a list of handlers, or [] for none"]),
        ("5", [": must be a list of handlers, or hold one as 'handlers:'; it is a string"]),
        (
            (
                '[\n{"name": null, "type": "email",\n"settings": {"email": "a"}},\n'
                '{"name": "a",\n"name": "b", "": 1,\n "type": "bell",\n"settings": []},'
                '{"name": "\\ud800", "type": "slack", "settings": {\n"slac": 1, "\\ud800": 1}}]'
            ),
            [
                ": [1].name: the key appears twice; keep one of them",
                ": [0].name: must be a string, not null",
                ": [0].settings.email: must be an email address",
                (
                    ": [1][''] ('a'): is not a known key; "
                    "known: name, type, settings, is_enabled, renamed_from"
                ),
                ": [1].settings ('a'): must be a mapping, not a list",
                ": [2].name ('\\ud800'): must be valid Unicode",
                ": [2].settings.slac ('\\ud800'): is not a known key; did you mean 'slack'?",
                ": [2].settings['\\ud800'] ('\\ud800'): is not a known key; known: slack",
                ": [2].settings ('\\ud800'): lacks 'slack', which slack needs",
            ],
        ),
    ],
)
def test_a_problem_has_a_path_and_a_name_and_only_one_of_syntax_a_line(
    content: str, expected: list[str], tmp_path: Path
):
    check_problems(tmp_path / "a.json", content, expected)


def test_a_large_file_takes_time_in_proportion(tmp_path: Path):
    # Quadratic work on as many lines would take minutes.
    row = '{"name": "%d", "type": "email",\n"settings": {"email": "a@b"}}'
    rows = ",\n".join(row % number for number in range(20_000))
    assert 20_000 == len(read_specs(write(tmp_path / "a.json", f"[{rows}]"), environ={}))
