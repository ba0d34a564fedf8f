"""Spec files in TOML, JSON and CSV, and several at once: the same model, the right lines."""

import os
from pathlib import Path

import pytest

from bitpeak_async import (
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    PlanError,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    WebhookSettings,
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


def write(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def problems(*files: Path, **environ: str) -> list[str]:
    """Return what is wrong with files, each without the folder of the first."""
    with pytest.raises(PlanError) as caught:
        read_specs(*files, environ=environ)
    assert "\n".join(caught.value.problems) == str(caught.value)
    folder = f"{files[0].parent}{os.sep}"
    return [problem.replace(folder, "") for problem in caught.value.problems]


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


def test_numbers_keep_their_text(tmp_path: Path):
    numbers = ["-0", "1e3", "1.50", "9" * 4000]
    rows = ",".join(
        f'{{"name": "{i}", "type": "telegram", "settings": {{"telegram": {number}, '
        f'"telegram_chat_id": true}}}}'
        for i, number in enumerate(numbers)
    )
    specs = read_specs(write(tmp_path / "a.json", f"[{rows}]"))
    assert [TelegramSettings(number, "true") for number in numbers] == [s.settings for s in specs]
    numbers = ["+1", "0x1F", "1_000", "1.50", "-inf", "1979-05-27 07:32:00", "07:32:00"]
    tables = "".join(
        f'[[handlers]]\nname = "{i}"\ntype = "telegram"\n'
        f"settings = {{telegram = {number}, telegram_chat_id = true}} # 1\n"
        for i, number in enumerate(numbers)
    )
    specs = read_specs(write(tmp_path / "a.toml", tables))
    assert [TelegramSettings(number, "true") for number in numbers] == [s.settings for s in specs]


TOML = '[[handlers]]\nname = "a"\ntype = "email"\nsettings = {email = "a@example.com"}\n'
WRONG_TOML = [
    ('a = "\n', [":1: is not TOML: illegal character '\\n'"]),
    ("# a\n\nhandlers = [", [":3: is not TOML: invalid value"]),
    ('handlers = """\n\n', [":1: is not TOML: "]),
    ("a = 1\na = 2\n", [":2: is not TOML: cannot overwrite a value"]),
    ("a = " + "1" * 5000, [":1: is not TOML: a number is too long"]),
    ("\na = " + "[" * 40 + "]" * 40, [":2: is nested deeper than 32 levels"]),
    ("a = " + "[" * 4000 + "]" * 4000, [": is nested deeper than 32 levels"]),
    ("\n" + ".".join("a" * 40) + " = 1", [":2: is nested deeper than 32 levels"]),
    ("[[" + ".".join("a" * 40) + "]]", [":1: is nested deeper than 32 levels"]),
    ("handlers = 1\n", [":1: handlers: must be a list of handlers"]),
    ("\n[handlers]\nname = 'a'", [":2: handlers: must be a list of handlers"]),
    (
        'x = """\n[[handlers]]\n""" # [[handlers]]\n\n' + TOML + "\n" + TOML + "enable = false\n",
        [
            ":1: x: is no known key; known: handlers",
            ":10: handlers[1]: has the same name as handlers[0] on line 5; names must be unique",
            ":14: handlers[1].enable: is no known key; did you mean 'is_enabled'?",
        ],
    ),
    (
        (
            "handlers = [\n  'text', # ]\n"
            "  {name = 'a',type = 'email',settings = {\"e mail\" = '''\nb''', email = []}},\n"
            "  {}]\nhandler = 1"
        ),
        [
            ":2: handlers[0]: must be a mapping, not a string",
            ":3: handlers[1].settings['e mail']: is no known key; did you mean 'email'?",
            ":4: handlers[1].settings.email: must be a string, not a list",
            ":5: handlers[2]: has no name; add one such as 'name: Work email'",
            ":5: handlers[2]: has no type; add one such as 'type: email'",
            ":6: handler: is no known key; did you mean 'handlers'?",
        ],
    ),
    (
        (
            "[[handlers]]\n[handlers.settings]\nslack='''\n''''\n[[handlers]]\nname='b'\n"
            "type = 'slack'\n\n[handlers.settings]\n\nslack = 5\n[[handlers.x]]\n[[handlers.x]]"
        ),
        [
            ":1: handlers[0]: has no name; ",
            ":1: handlers[0]: has no type; ",
            ":11: handlers[1].settings.slack: must be an absolute",
            ":12: handlers[1].x: is no known key; ",
        ],
    ),
]

WRONG_JSON = [
    ('[{"name": "a",}]', [":1: is not JSON: a key in double quotes was expected"]),
    ('[\n{"name" "a"}]', [":2: is not JSON: ':' was expected"]),
    ("[\n\n1 2]", [":3: is not JSON: ',' or ']' was expected"]),
    ('{"a": 1\n"b": 2}', [":2: is not JSON: ',' or '}' was expected"]),
    ("[1,]", [":1: is not JSON: a value was expected; texts need double quotes"]),
    ("[\nNaN]", [":2: is not JSON: NaN is no number"]),
    ("[-Infinity]", [":1: is not JSON: -Infinity is no number"]),
    ("[01]", [":1: is not JSON: a value was expected"]),
    ("[1.]", [":1: is not JSON: a value was expected"]),
    ("[", [":1: is not JSON: a value was expected"]),
    ("[]\n[]", [":2: is not JSON: more follows after its end"]),
    ('["a\n"]', [":1: is not JSON: invalid control character"]),
    ('\n["a', [":2: is not JSON: unterminated string starting"]),
    ('["\\x"]', [":1: is not JSON: invalid \\escape"]),
    ("\n" + "[" * 100_000, [":2: is nested deeper than 32 levels"]),
    ('{"a":' * 40, [":1: is nested deeper than 32 levels"]),
    ("null", [":1: must be a list of handlers, or hold one as 'handlers:'; it is null"]),
    (
        (
            '[\n{"name": null, "type": "email",\n"settings": {"email": "a"}},\n'
            '{"name": "a",\n"name": "b", "": 1,\n "type": "bell",\n"settings": []},'
            '{"name": "\\ud800", "type": "slack", "settings": {\n"slac": 1, "\\ud800": 1}}]'
        ),
        [
            ":2: [0].name: must be a string, not null",
            ":3: [0].settings.email: must be an email address",
            ":5: [1].name: the key is on line 4 already; keep one of them",
            ":5: [1]['']: is no known key; known: name, type, settings, is_enabled",
            ":7: [1].settings: must be a mapping, not a list",
            ":7: [2].name: must be valid Unicode",
            ":7: [2].settings: lacks 'slack', which slack needs",
            ":8: [2].settings.slac: is no known key; did you mean 'slack'?",
            ":8: [2].settings['\\ud800']: is no known key; known: slack",
        ],
    ),
]

WRONG_CSV = [
    (
        f"Ops,telegram,{CANARY}\n",
        [":1: must begin with a row of column names, among them name and type"],
    ),
    ("\n\nname;type;slack\n", [":3: must begin with a row of column names, among them name and "]),
    ('name,type\n"a\nb', [":2: is not CSV: unexpected end of data"]),
    ('name,type\n"a"b,c\n', [":2: is not CSV: ',' expected after '\"'"]),
    ("name,type\n" + "a" * 140_000, [":2: is not CSV: field larger than field limit"]),
    (
        (
            "name,type,,slack,slack,slak,x y\n"
            '"a\nb",email\n'
            "\n"
            "c,slack,,ftp://example.com,ftp://example.com,1,\n"
            ",,,,,,\n"
            "c,zabbix,,,,,1\n"
            "d,slack,,https://example.com,https://example.com,,1\n"
        ),
        [
            ":1: column 3 has no name; give it one or remove it",
            ":1: slack: the column is there twice; keep one of them",
            ":1: slak: is no known column; did you mean 'slack'?",
            ":2: [0]: has 2 cells, but the header has 7",
            ":5: [1].slack: must be an absolute http(s) URL",
            ":6: [2]: has no name; ",
            ":6: [2]: has no type; ",
            ":7: [3]: has the same name as [1] on line 5; names must be unique",
            ":7: [3]: must have ASCII words as names, such as 'twilio': 'x y'",
            ":8: [4]['x y']: is no known key; known: slack",
        ],
    ),
    (
        "name,type,telegram\na,telegram,1\nb,telegram,${NONE}\n",
        [
            ":2: [0]: lacks 'telegram_chat_id', which telegram needs",
            ":3: [1].telegram: the environment variable NONE is not set",
            ":3: [1]: lacks 'telegram_chat_id', which telegram needs",
        ],
    ),
]


@pytest.mark.parametrize(
    ("form", "content", "expected"),
    [
        (form, *case)
        for form, cases in [("toml", WRONG_TOML), ("json", WRONG_JSON), ("csv", WRONG_CSV)]
        for case in cases
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    form: str, content: str, expected: list[str], tmp_path: Path
):
    found = problems(write(tmp_path / f"a.{form}", content))
    assert [f"a.{form}{problem}" for problem in expected] == [
        problem[: len(f"a.{form}{start}")] for problem, start in zip(found, expected, strict=True)
    ]
    assert CANARY not in "\n".join(found)


@pytest.mark.parametrize("form", ["yaml", "toml", "json", "csv"])
def test_what_is_not_utf_8_says_so_with_its_line(form: str, tmp_path: Path):
    file = write(tmp_path / f"a.{form}", b"\n\n\xff")
    assert [f"a.{form}:3: is not UTF-8; save the file as UTF-8"] == problems(file)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("yaml", "- {telegram: *CANARY}"),
        ("yaml", "- {telegram: !CANARY}"),
        ("yaml", "- {telegram: !CANARY!a}"),
        ("yaml", "- telegram: CANARY: a"),
        ("yaml", "- telegram: 'CANARY"),
        ("yaml", "CANARY"),
        ("toml", "telegram = CANARY"),
        ("toml", 'telegram = "CANARY'),
        ("toml", "telegram = 'CANARY' CANARY"),
        ("toml", 'telegram = "\\CANARY"'),
        ("toml", "telegram: CANARY"),
        ("json", "[CANARY]"),
        ("json", '["CANARY'),
        ("json", '["\\CANARY"]'),
        ("json", '["CANARY" "CANARY"]'),
        ("csv", "CANARY,a\n"),
        ("csv", 'name,type\n"CANARY"CANARY\n'),
        ("csv", 'name,type\n"CANARY'),
        ("csv", "name,type\nCANARY,CANARY,CANARY\n"),
    ],
)
def test_a_broken_file_is_not_quoted(form: str, content: str, tmp_path: Path):
    file = write(tmp_path / f"a.{form}", content.replace("CANARY", CANARY))
    assert CANARY not in "\n".join(problems(file))


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


def test_several_files_are_one_set_in_the_order_given(tmp_path: Path):
    files = [
        write(tmp_path / "b.json", '[{"name": "b", "type": "internal_notification"}]'),
        write(tmp_path / "a.csv", "name,type,webhook\na,webhook,https://example.com\n"),
        write(tmp_path / "c.yml", "- {name: c, type: email, settings: {email: a@b}}"),
    ]
    assert [
        HandlerSpec("b", InternalNotificationSettings()),
        HandlerSpec("a", WebhookSettings("https://example.com")),
        HandlerSpec("c", EmailSettings("a@b")),
    ] == read_specs(*map(str, files), environ={})


def test_the_problems_of_all_files_are_told_in_their_order(tmp_path: Path):
    files = [
        write(tmp_path / "c.csv", "name,type\n\na,internal_notification\nb,email\n"),
        write(tmp_path / "b.json", "[\n"),
        tmp_path / "none.yaml",
        write(tmp_path / "d.ini", ""),
        write(tmp_path / "a.toml", TOML + "enabled = true\n"),
    ]
    assert [
        "c.csv:4: [1]: lacks 'email', which email needs",
        "b.json:2: is not JSON: a value was expected; texts need double quotes",
        "none.yaml: cannot be read: No such file or directory",
        "d.ini: has no known suffix; a spec file ends in .yaml, .yml, .toml, .json, .csv",
        "a.toml:1: handlers[0]: has the same name as [0] at c.csv:3; names must be unique",
        "a.toml:5: handlers[0].enabled: is no known key; did you mean 'is_enabled'?",
    ] == problems(*files)


def test_a_directory_is_read_in_the_order_of_paths(tmp_path: Path):
    for name in ("b.csv", "a/z.CSV", "a/b/c.csv", "c.csv"):
        write(tmp_path / name, f"name,type\n{name},internal_notification\n")
    for name in (".hidden.csv", ".git/a.csv", "a/.b/a.yaml", "README.md", "a/notes.txt", "csv"):
        write(tmp_path / name, "no spec file")
    names = [spec.name for spec in read_specs(tmp_path, environ={})]
    assert ["a/b/c.csv", "a/z.CSV", "b.csv", "c.csv"] == names


def test_a_hidden_directory_that_was_asked_for_is_read(tmp_path: Path):
    write(tmp_path / ".handlers" / "a.toml", TOML)
    assert 1 == len(read_specs(tmp_path / ".handlers"))


def test_a_directory_without_spec_files_says_so(tmp_path: Path):
    write(tmp_path / "empty" / ".a.yaml", "[]")
    assert [
        "empty: holds no spec file; put one there that ends in .yaml, .yml, .toml, .json, .csv",
        "b.toml:1: is empty; write a list of handlers, or 'handlers = []' for none",
    ] == problems(tmp_path / "empty", write(tmp_path / "b.toml", "# none\n"))


def test_a_folder_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "all" / "a.toml", TOML)
    locked = tmp_path / "all" / "locked"
    locked.mkdir()
    scan = os.scandir

    def deny(path: str) -> object:
        if path == str(locked):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)  # root reads what chmod locks
    assert [f"all: cannot be read: Permission denied: all{os.sep}locked"] == problems(
        tmp_path / "all"
    )


def test_a_path_that_no_system_has_says_so(tmp_path: Path):
    assert ["a\0.csv: cannot be read: no file has such a name"] == problems(tmp_path / "a\0.csv")


def test_no_path_is_refused():
    with pytest.raises(ConfigurationError, match="at least one file or directory"):
        read_specs()


def test_a_large_file_takes_time_in_proportion(tmp_path: Path):
    # Quadratic work on as many lines would take minutes.
    row = '{"name": "%d", "type": "email",\n"settings": {"email": "a@b"}}'
    rows = ",\n".join(row % number for number in range(20_000))
    assert 20_000 == len(read_specs(write(tmp_path / "a.json", f"[{rows}]"), environ={}))
