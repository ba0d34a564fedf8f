"""Texts are cleaned as PHP does it: stated cases, over a socket, and compared with a real PHP."""

import json
import subprocess
from random import Random

import pytest
from installed import needs

from bitpeak_async.sandbox import Cleaning, Dialect


@pytest.mark.parametrize(
    ("options", "sent", "kept"),
    [
        ({}, " <b>R&D</b>  x ", " <b>R&D</b>  x "),
        ({"trims": True}, " \t\r\n\0\x0ba b \n", "a b"),
        ({"squeezes": True}, " a \n\t b ", " a b "),
        ({"strips_tags": True}, "<b>a</b> < b <i", "a < b "),
        ({"entities": 1}, 'R&D <o\'rni> "x"', "R&amp;D &lt;o&#039;rni&gt; &quot;x&quot;"),
        ({"entities": 2}, "R&D", "R&amp;amp;D"),
        ({"entities": 1}, "R&amp;D", "R&amp;amp;D"),
        ({"name_width": 64}, "я" * 80, "я" * 64),
        ({"entities": 1, "name_width": 3}, "R&D", "R&a"),
        ({"settings_width": 1}, "abc", "abc"),
        ({"composes": True}, "e\u0301", "é"),
        ({"lowers_emails": True}, "ABC", "ABC"),
    ],
)
def test_each_option_changes_names(options, sent, kept):
    fields = {"name": sent, "type": " email ", "is_enabled": " 1 "}

    assert {**fields, "name": kept} == Cleaning(**options).clean(fields)


def test_settings_have_a_width_of_their_own_and_emails_a_case():
    cleaning = Cleaning(trims=True, lowers_emails=True, name_width=1, settings_width=5)

    assert {"email": "a@b.c", "slack": "HTTPS", "name": "A"} == cleaning.clean(
        {"email": " A@B.COM", "slack": "HTTPS://X", "name": "ABC"}
    )


@pytest.mark.parametrize("option", ["entities", "name_width", "settings_width"])
def test_a_negative_number_is_refused(option):
    with pytest.raises(ValueError, match=option):
        Cleaning(**{option: -1})


async def test_creates_and_updates_are_cleaned_and_a_name_of_nothing_is_missing(serve):
    caller = await serve(dialect=Dialect(cleaning=Cleaning(trims=True, entities=1)))

    await caller.create(" R&D ", type="webhook", webhook=" https://example.com/?a=1&b=2")
    created = await caller.get(1)
    await caller.update(1, name="o'rni")
    empty = await caller.create("  ")

    assert ("R&amp;D", {"webhook": "https://example.com/?a=1&amp;b=2"}) == (
        created["name"],
        created["settings"],
    )
    assert "o&#039;rni" == (await caller.get(1))["name"]
    assert "The required fields are missing: name." == empty.json["errors"][0]["title"]
    assert "R&amp;D" != caller.sandbox.requests[0].fields["name"], "as it was sent"


PHP = """
$clean = [
    'strips_tags' => fn($text) => strip_tags($text),
    'trims' => fn($text) => trim($text),
    'squeezes' => fn($text) => preg_replace('/\\s+/', ' ', $text),
    'entities' => fn($text) => htmlspecialchars($text, ENT_QUOTES),
];
echo json_encode(array_map($clean[$argv[1]], json_decode(stream_get_contents(STDIN))));
"""


@pytest.mark.parametrize(
    ("option", "alphabet"),
    [
        ("strips_tags", "<<>ab &\n"),  # PHP also knows quotes and comments within tags
        ("trims", "a \t\r\n\0\x0b\x0c\xa0"),
        ("squeezes", "a \t\r\n\x0b\x0c\xa0ў"),
        ("entities", "&<>\"'a;ў"),
    ],
)
def test_it_agrees_with_php(option, alphabet):
    random = Random(20251205)
    texts = ["".join(random.choices(alphabet, k=random.randrange(12))) for _ in range(2000)]

    asked = subprocess.run(
        [needs("php"), "-r", PHP, option],
        input=json.dumps(texts).encode(),
        capture_output=True,
        check=True,
    )

    cleaning = Cleaning(**{option: True})
    assert json.loads(asked.stdout) == [cleaning.clean({"name": text})["name"] for text in texts]
