"""Records: plain, frozen, and their types cannot disagree."""

import datetime as dt

import attrs
import pytest

from bitpeak_async.records import (
    HandlerSpec,
    NotificationHandler,
    Page,
    PageLinks,
    PageMeta,
    UnreadableHandler,
)
from bitpeak_async.settings import CLASSES, FIELDS, SlackSettings, UnknownSettings

CREATED = dt.datetime(2025, 12, 5, 14, 25, 37, tzinfo=dt.UTC)
META = PageMeta(page=1, results_per_page=25, total=2, total_pages=1)


def handler(settings):
    return NotificationHandler(1, "Ops", settings, True, None, CREATED)


@pytest.mark.parametrize(("name", "cls"), CLASSES.items())
def test_the_type_of_a_handler_is_that_of_its_settings(name, cls):
    assert name == handler(cls(*("value" for _ in FIELDS[cls]))).type


def test_an_unknown_type_is_kept():
    assert "twilio" == handler(UnknownSettings("twilio")).type


def test_the_type_of_a_handler_cannot_be_set():
    with pytest.raises(AttributeError):
        handler(UnknownSettings("twilio")).type = "email"


@pytest.mark.parametrize(
    ("record", "attribute"),
    [
        (handler(UnknownSettings("twilio")), "name"),
        (HandlerSpec("Ops", UnknownSettings("twilio")), "name"),
        (META, "page"),
        (PageLinks(), "next"),
        (Page((), META), "data"),
        (UnreadableHandler(None, None, "$.data[0]", "no"), "id"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_records_are_frozen_values(record, attribute):
    assert record == attrs.evolve(record)
    assert hash(record) == hash(attrs.evolve(record))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(record, attribute, None)


@pytest.mark.parametrize("make", [handler, lambda settings: HandlerSpec("Ops", settings)])
def test_a_record_shows_no_secret(make):
    shown = repr(make(SlackSettings("https://hooks.slack.com/services/canary")))
    assert "https://hooks.slack.com/***" in shown
    assert "canary" not in shown


def test_a_spec_is_enabled_by_default():
    assert HandlerSpec("Ops", UnknownSettings("twilio")).is_enabled


def test_a_handler_awaits_no_confirmation_by_default():
    assert not handler(UnknownSettings("twilio")).is_pending


def test_iterating_over_a_page_iterates_over_its_data():
    page = Page(("a", "b"), META)
    assert ["a", "b"] == list(page)
    assert 2 == len(page)
    assert PageLinks(None, None, None, None, None) == page.links
