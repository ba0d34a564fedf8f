"""Each type has all it needs: a class, wire names, a sample, a sandbox rule, a row in the docs."""

import json
import re
from pathlib import Path

import pytest

from bitpeak_async import HandlerType
from bitpeak_async.sandbox.handler_types import FIELDS as SANDBOX_FIELDS
from bitpeak_async.settings import CLASSES, FIELDS

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "docs/types.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| `(\w+)` \|(.*?)\|(.*?)\|$", TABLE, re.MULTILINE)


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize("handler_type", HandlerType)
def test_a_type_is_known_everywhere(handler_type: HandlerType):
    cls = CLASSES[handler_type]
    wires = [wire.name for wire in FIELDS[cls].values()]
    sample = json.loads((ROOT / f"tests/samples/handlers/{handler_type}.json").read_text())
    assert (handler_type, set(wires)) == (sample["type"], set(sample["settings"]))
    assert set(wires) == set(SANDBOX_FIELDS[handler_type])
    [(_, name, python, wire)] = [row for row in ROWS if row[0] == handler_type]
    assert (cls.__name__, list(FIELDS[cls]), wires) == (name, words(python), words(wire))


def test_nobody_knows_a_type_that_is_none():
    assert set(HandlerType) == set(CLASSES) == set(SANDBOX_FIELDS) == {row[0] for row in ROWS}
