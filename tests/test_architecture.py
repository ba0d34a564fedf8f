"""The layers are import-linter's contracts in pyproject.toml; imports stay light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bitpeak_async

ROOT = Path(__file__).parents[1]
PACKAGE = Path(bitpeak_async.__file__).parent


def test_modules_import_only_from_lower_layers():
    # In a process of its own: import-linter disables every logger that exists.
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    linter = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert 0 == linter.returncode, linter.stdout


@pytest.fixture(scope="module")
def modules_of_the_sdk() -> set[str]:
    """All that is loaded once the SDK is imported."""
    code = "import sys; from bitpeak_async import *; print(*sys.modules)"
    # Measuring coverage would itself import sqlite3.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    python = [sys.executable, "-P", "-c", code]
    return {
        *subprocess.run(python, check=True, env=env, capture_output=True, text=True).stdout.split()
    }


@pytest.mark.parametrize(
    "name",
    [
        "aiohttp.web",
        "sqlite3",
        "typer",
        "click",
        "rich",
        "yaml",
        "distributed",
        "opentelemetry",
        "limits",
        "redis",
        "bitpeak_async.telemetry",
        "bitpeak_async.sandbox",
    ],
)
def test_importing_the_sdk_stays_light(name: str, modules_of_the_sdk: set[str]):
    assert "bitpeak_async" in modules_of_the_sdk
    assert name not in modules_of_the_sdk


@pytest.mark.parametrize(
    ("text", "homes"),
    [
        ("import cattrs", set()),
        ("from cattrs", {"converter", "decode", "_structure"}),
    ],
)
def test_a_dependency_has_one_home(text: str, homes: set[str]):
    core = [
        path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.relative_to(PACKAGE).parts
    ]
    assert homes == {path.stem for path in core if text in path.read_text()}
