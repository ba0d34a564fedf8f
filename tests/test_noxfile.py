"""What the chores make of what their tools report."""

import importlib.util
import json
from contextlib import chdir
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOUND = {"name": "attrs", "version": "25.4.0", "vulns": []}
UNHEARD = {"name": "aiodns", "skip_reason": "Dependency not found on PyPI"}
MENDED = {"id": "GHSA-1", "fix_versions": ["3.12.14", "3.13.1"]}
OPEN = {"id": "GHSA-2", "fix_versions": []}
VULNERABLE = {"name": "aiohttp", "version": "3.12.0", "vulns": [MENDED, OPEN]}


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with chdir(ROOT):
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "vulnerable", "unheard"),
    [
        ([SOUND], [], []),
        ([SOUND, UNHEARD], [], ["aiodns"]),
        (
            [VULNERABLE, SOUND, UNHEARD],
            [
                "aiohttp 3.12.0 by GHSA-1, fixed in 3.12.14, 3.13.1",
                "aiohttp 3.12.0 by GHSA-2, fixed in no version",
            ],
            ["aiodns"],
        ),
    ],
)
def test_an_audit_tells_what_is_vulnerable_from_what_is_unheard_of(
    packages: list[Any], vulnerable: list[str], unheard: list[str], noxfile: ModuleType
):
    report = json.dumps({"dependencies": packages, "fixes": []})
    assert (vulnerable, unheard) == noxfile.read_audit(report)
