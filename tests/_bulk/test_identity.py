"""Identity: a name and settings are recognised however a server cleans them, and no others."""

import datetime as dt
import html
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpeak_async import (
    EmailSettings,
    NotificationHandler,
    Settings,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    WebhookSettings,
)
from bitpeak_async._bulk.identity import Match, Names, compare, text_key

NOW = dt.datetime(2025, 12, 5, tzinfo=dt.UTC)
MAIL = EmailSettings("a@example.com")

Clean = Callable[[str], str]


def trim(text: str) -> str:
    return text.strip(" \t\n\r\0\x0b")


def squeeze(text: str) -> str:
    return " ".join(text.split())


def escape(text: str) -> str:
    """As PHP's ``htmlspecialchars`` with ``ENT_QUOTES``."""
    return html.escape(text).replace("&#x27;", "&#039;")


def sanitize(text: str) -> str:
    """As PHP's ``FILTER_SANITIZE_SPECIAL_CHARS``."""
    return "".join(f"&#{ord(char)};" if char in "'\"<>&" else char for char in text)


def compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


CLEANERS = (trim, squeeze, escape, sanitize, compose)
WORD = st.text(st.sampled_from("abcdeXY&;'\"<> ·#0123amplt éжшʻ\u0301\u00a0\t"), min_size=1)
NAMES = WORD.filter(lambda text: not text.isspace())
LONG = st.text(st.sampled_from("abcdefgh ijklmnop&'éжшʻ"), min_size=70, max_size=400).map(
    lambda text: "x" + squeeze(text)
)


def handler(number: int, name: str, settings: Settings = MAIL) -> NotificationHandler:
    return NotificationHandler(number, name, settings, True, None, NOW)


def matched(names: list[str], kept: list[str]) -> dict[str, Match]:
    match = Names(names)
    for number, name in enumerate(kept):
        match.add(handler(number, name))
    return {name: match.of(name) for name in names}


def ids(match: Match) -> list[int]:
    return [each.id for each in match.handlers]


@settings(deadline=None)  # the machine may be busy
@given(NAMES, st.lists(st.sampled_from(CLEANERS), max_size=4))
def test_a_name_has_one_key_however_it_is_cleaned(name: str, cleaners: list[Clean]):
    kept = name
    for clean in cleaners:
        kept = clean(kept)
    assert text_key(name) == text_key(kept)


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(NAMES | LONG, unique_by=text_key, max_size=12).filter(
        lambda each: not Names(each).clashes
    ),
    st.lists(st.sampled_from(CLEANERS), max_size=3),
    st.sampled_from([64, 128, 255, None]),
)
def test_every_name_finds_its_own_and_no_other(
    names: list[str], cleaners: list[Clean], width: int | None
):
    """Unless the server keeps several as one: then it is a conflict."""
    kept = []
    for name in names:
        for clean in cleaners:
            name = clean(name)  # noqa: PLW2901 - step by step
        kept.append(name[:width])
    found = matched(names, kept)
    for number, name in enumerate(names):
        match = found[name]
        if [number] != ids(match):
            assert number in ids(match)
            assert match.is_shared or len(match.handlers) > 1
            assert any(
                kept[number].startswith(each[:60]) for i, each in enumerate(kept) if i != number
            )


def test_an_equal_name_is_preferred():
    found = matched(["R&D", "ops"], ["R&amp;D", "R&D", "ops ", "Ops"])
    assert [1] == ids(found["R&D"])
    assert [2] == ids(found["ops"])


def test_several_that_may_be_meant_are_a_conflict():
    assert [0, 1] == ids(matched(["a b"], ["a  b", " a b"])["a b"])


def test_case_tells_names_apart():
    assert [] == ids(matched(["ops"], ["Ops"])["ops"])


@pytest.mark.parametrize("width", [64, 128, 255])
def test_a_name_is_found_where_it_was_cut(width: int):
    name = "Qo'ng'iroq & <ogohlantirish> " * 12
    for kept in (escape(name)[:width], escape(name[:width]), escape(escape(name))[:width]):
        assert [0] == ids(matched([name], [kept])[name]), kept


def test_a_beginning_of_another_length_is_another_name():
    assert [] == ids(matched(["x" * 90], ["x" * 70])["x" * 90])
    assert [] == ids(matched(["Work email"], ["Work"])["Work email"])


def test_a_cut_name_that_several_may_have_become_is_a_conflict():
    found = matched(["x" * 64 + " one", "x" * 64 + " two"], ["x" * 64])
    assert all(match.is_shared for match in found.values())


def test_tags_are_stripped_where_that_is_unambiguous():
    found = matched(["<b>ops</b> mail"], ["ops mail"])
    assert [0] == ids(found["<b>ops</b> mail"])
    found = matched(["<b>ops</b>", "<i>ops</i>"], ["ops"])
    assert all(match.is_shared for match in found.values())


def test_desired_names_of_one_identity_are_named_in_pairs():
    long = "x" * 64
    assert [("a b", " a b"), ("R&D", "R&amp;D"), (long, f"{long} 2")] == (
        Names(["a b", " a b", "R&D", "R&amp;D", f"{long} 2", long]).clashes
    )


@pytest.mark.parametrize(
    "kinds",
    [
        lambda n: f"{n}" + "&" + "amp;" * 500,
        lambda n: "&" * 2000 + f"{n}",
        lambda n: "<" * 2000 + f"{n}",
        lambda n: "x" * 300 + f"{n}",
    ],
)
def test_the_time_is_linear_in_the_names_and_in_their_length(kinds: Callable[[int], str]):
    def seconds(count: int) -> float:
        names = [kinds(n) for n in range(count)]
        began = time.process_time()
        matched(names, [name[:255] for name in names] + [escape(name) for name in names])
        return time.process_time() - began

    small = min(seconds(25) for _ in range(3))
    assert seconds(200) < 30 * max(small, 0.002)


# Settings


@pytest.mark.parametrize(
    ("sent", "kept", "differing", "hidden"),
    [
        (MAIL, MAIL, (), ()),
        (EmailSettings("A.B@Example.com"), EmailSettings(" a.b@example.com"), (), ()),
        (MAIL, EmailSettings("b@example.com"), ("settings.email",), ()),
        (
            WebhookSettings("https://x.example/?a&b"),
            WebhookSettings("https://x.example/?a&amp;b"),
            (),
            (),
        ),
        (WebhookSettings("https://x.example"), WebhookSettings("https://x.example/"), (), ()),
        (
            WebhookSettings("https://x.example/a"),
            WebhookSettings("https://x.example/A"),
            ("settings.webhook",),
            (),
        ),
        (SlackSettings("https://x.example/a"), SlackSettings(""), (), ("settings.slack",)),
        (
            TelegramSettings("1:abc", "-1"),
            TelegramSettings("1:a****", "-1"),
            (),
            ("settings.telegram",),
        ),
        (
            TelegramSettings("1:abc", "-1"),
            TelegramSettings("2:a****", "-2"),
            ("settings.telegram", "settings.telegram_chat_id"),
            (),
        ),
        (UnknownSettings("t", {"t": "a&b"}), UnknownSettings("t", {"t": "a&amp;amp;b"}), (), ()),
        (MAIL, SlackSettings(""), ("type",), ()),
        # Placeholders that are really desired
        (SlackSettings("https://x.example/..."), SlackSettings("https://x.example/..."), (), ()),
        (
            SlackSettings("https://x.example/..."),
            SlackSettings("https://x.example/****"),
            ("settings.slack",),
            (),
        ),
        (TelegramSettings("***", "-1"), TelegramSettings("***", "-1"), (), ()),
        (
            TelegramSettings("***", "-1"),
            TelegramSettings("*****", "-1"),
            ("settings.telegram",),
            (),
        ),
        (
            TelegramSettings("1:abc", "-1"),
            TelegramSettings("***", "-1"),
            (),
            ("settings.telegram",),
        ),
    ],
)
def test_settings_differ_where_they_cannot_be_the_same(
    sent: Settings, kept: Settings, differing: tuple[str, ...], hidden: tuple[str, ...]
):
    found = compare(sent, kept)
    assert (differing, hidden) == (found.differing, found.hidden)
