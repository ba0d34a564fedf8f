"""The fast lane of decoding: the same records as the general one, or none."""

import datetime as dt
import json
import pickle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from bitpeak_async import NotificationHandler
from bitpeak_async._http.assembly import handler_assembler
from bitpeak_async._http.converter import converter_of
from bitpeak_async.settings import CLASSES, FIELDS

SAMPLES = sorted((Path(__file__).parents[1] / "samples" / "handlers").glob("*.json"))
GENERAL = converter_of(dt.UTC, detailed=False)
MOMENTS = st.sampled_from(
    [
        "2025-12-05 14:25:37",
        "2025-12-05T14:25:37+05:00",
        "2025-12-05",
        "",
        "soon",
        None,
        5,
        "2025-12-05 14:25:37.5",
        "2025-12-05 14:25:37Z",
        "0000-00-00 00:00:00",
        " 2025-12-05",
    ]
)
WIRES = sorted({wire.name for fields in FIELDS.values() for wire in fields.values()})
VALUES = st.none() | st.text(max_size=3) | st.integers() | st.booleans() | st.lists(st.integers())
HANDLERS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-5, 5) | st.sampled_from(["7", True, None, 1.5]),
        "type": st.sampled_from([*CLASSES, "twilio", "", None, 3, []]),
        "name": st.text(max_size=3) | VALUES,
        "settings": st.dictionaries(st.sampled_from(WIRES), VALUES) | VALUES,
        "is_enabled": st.booleans() | st.sampled_from([0, 1, "1", "", None]),
        "last_datetime": MOMENTS,
        "datetime": MOMENTS,
        "more": VALUES,
    },
)


def general(raw: Any) -> NotificationHandler:
    return GENERAL.structure(raw, NotificationHandler)


def outcome(function: Any, raw: Any) -> Any:
    try:
        return function(raw)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
        return type(error)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_documented_shape_takes_the_fast_lane(sample: Path):
    """A sample is the JSON of one handler; a type that nobody documented goes the general way."""
    raw = json.loads(sample.read_bytes())
    refused: list[Any] = []
    handler = handler_assembler(dt.UTC, lambda raw: refused.append(raw) or general(raw))(raw)
    assert general(raw) == handler
    assert (raw["type"] in CLASSES) == (not refused)


@given(HANDLERS | VALUES)
def test_both_lanes_lead_to_the_same(raw: Any):
    assert outcome(general, raw) == outcome(handler_assembler(dt.UTC, general), raw)


def test_another_timezone_goes_the_general_way():
    assert general is handler_assembler(ZoneInfo("Asia/Tashkent"), general)


def test_what_was_assembled_is_frozen_and_whole():
    raw = json.loads(SAMPLES[0].read_bytes())
    handler = handler_assembler(dt.UTC, general)(raw)
    assert repr(general(raw)) == repr(handler)
    assert hash(general(raw)) == hash(handler)
    assert handler == pickle.loads(pickle.dumps(handler))
    assert handler != evolve(handler, name="other")
    for record in (handler, handler.settings):
        with pytest.raises(FrozenInstanceError):
            record.id = 5
