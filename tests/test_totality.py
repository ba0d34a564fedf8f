"""Each type of handler has all it needs, and each public callable a test of its type."""

import ast
import inspect
import json
import re
from enum import Enum
from pathlib import Path
from types import FunctionType

import pytest

import bitpeak_async
from bitpeak_async import HandlerType, fleet, sandbox, telemetry
from bitpeak_async.provisioning import files
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


def public_callables() -> set[str]:
    """Each public function, and each public method and property of each public class."""
    names = set()
    for module in (bitpeak_async, fleet, sandbox, files, telemetry):
        for name in module.__all__:
            each = getattr(module, name)
            if inspect.isfunction(each):
                names.add(name)
            elif inspect.isclass(each) and not issubclass(each, (BaseException, Enum)):
                kinds = (FunctionType, classmethod, staticmethod, property)
                members = [member for member, it in vars(each).items() if isinstance(it, kinds)]
                names |= {member for member in members if not member.startswith("_")}
    return names


def test_the_type_of_each_public_callable_is_asserted():
    """Else nobody would see it become ``Any``."""
    tree = ast.parse((ROOT / "tests/typing/api.py").read_text(encoding="utf-8"))
    asserted = {
        getattr(part, "attr", None) or getattr(part, "id", None)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and "assert_type" == getattr(call.func, "id", None)
        for part in ast.walk(call.args[0])
    }
    internal = {"fires", "catch_up"}  # of Injection and SecondWriter, for the sandbox itself
    assert {"provision", "read_specs", "inject"} <= public_callables()
    assert set() == public_callables() - asserted - internal
