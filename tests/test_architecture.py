"""The layers: each module imports only what stands above it; imports stay light."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bitpeak_async

PACKAGE = Path(bitpeak_async.__file__).parent

# From the ground up. A module may import from rows above its own, packages from their own too.
LAYERS = (
    "errors",
    "settings",
    "records",
    "options",
    "events",
    "_emitter",
    "_garbage",
    "_assembly",
    "_codec",
    "_decoder",
    "_form",
    "_comparison",
    "_found",
    "_multipart",
    "_reply",
    "_wire",
    "_failures",
    "_retry",
    "_pace",
    "_pace_store",
    "_pace_link",
    "_shared_pace",
    "_pace_group",
    "_shared_gate",
    "_timeouts",
    "_version",
    "_checks",
    "_connections",
    "_transport",
    "_pagination",
    "_bulk",
    "_creation",
    "notification_handlers",
    "provisioning",
    "client",
    "fleet",
    "_caller",
    "_portal",
    "_stream",
    "sync",
    "telemetry",
    "redis",
    "sandbox",
    "cli",
    "pytest_plugin",
)
EDGES = {"telemetry", "redis", "sandbox", "cli", "pytest_plugin"}


def top_modules() -> set[str]:
    names = {path.stem for path in PACKAGE.glob("*.py")}
    return (names | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}) - {"__init__"}


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            base = node.module.split(".")
            names = [node.module] if len(base) > 1 else [f"{base[0]}.{n.name}" for n in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("bitpeak_async.")}
    return found & set(LAYERS)


def files(module: str) -> list[Path]:
    single = PACKAGE / f"{module}.py"
    return [single] if single.exists() else sorted((PACKAGE / module).rglob("*.py"))


def test_every_module_has_its_layer():
    assert set(LAYERS) == top_modules()


@pytest.mark.parametrize("module", LAYERS)
def test_a_module_imports_only_from_above(module: str):
    allowed = set(LAYERS[: LAYERS.index(module) + 1])
    if module == "sandbox":
        allowed = {"sandbox"}
    for path in files(module):
        assert set() == imports(path) - allowed, path


@pytest.mark.parametrize("module", set(LAYERS) - EDGES)
def test_the_sdk_does_not_need_its_edges(module: str):
    """Only the edges may import edges, and nothing imports relatively."""
    for path in files(module):
        assert set() == imports(path) & EDGES, path
        assert not any(
            isinstance(node, ast.ImportFrom) and node.level
            for node in ast.walk(ast.parse(path.read_text()))
        )


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


def test_only_one_module_knows_cattrs_and_one_the_session():
    for module, homes in {"cattrs": {"_codec"}, "ClientSession(": {"_connections"}}.items():
        users = {
            path.relative_to(PACKAGE).parts[0].removesuffix(".py")
            for path in PACKAGE.rglob("*.py")
            if module in path.read_text()
        }
        assert homes == users
