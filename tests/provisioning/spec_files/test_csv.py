"""CSV: one row per handler, one column per API field; every problem has a line."""

from pathlib import Path

import pytest
from spec_file import check_problems, problems

CANARY = "canary-4711"
WRONG_CSV = [
    (
        f"Ops,telegram,{CANARY}\n",
        [":1: must begin with a row of column names that includes name and type"],
    ),
    ("\n\nname;type;slack\n", [":3: must begin with a row of column names that includes name "]),
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
            ":1: slack: the column appears twice; keep one of them",
            ":1: slak: is not a known column; did you mean 'slack'?",
            ":2: [0]: has 2 cells, but the header has 7",
            ":5: [1].slack: must be an absolute http(s) URL",
            ":6: [2]: has no name; ",
            ":6: [2]: has no type; ",
            ":7: [3]: has the same name as [1] on line 5; names must be unique",
            ":7: [3]: must have ASCII words as names, such as 'twilio': 'x y'",
            ":8: [4]['x y']: is not a known key; known: slack",
        ],
    ),
    (
        "name,type,telegram\na,telegram,1\nb,telegram,${NONE}\n",
        [
            ":2: [0]: lacks 'telegram_chat_id', which telegram needs",
            ":3: [1]: lacks 'telegram_chat_id', which telegram needs",
            ":3: [1].telegram: the environment variable NONE is not set",
        ],
    ),
]


@pytest.mark.parametrize(("content", "expected"), WRONG_CSV)
def test_a_problem_has_the_line_of_its_row(content: str, expected: list[str], tmp_path: Path):
    check_problems(tmp_path / "a.csv", content, expected)
    assert CANARY not in "\n".join(problems(tmp_path / "a.csv"))
