"""The layers are import-linter's contracts in pyproject.toml; imports stay light."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import bitpeak_async

ROOT = Path(__file__).parents[1]
PACKAGE = Path(bitpeak_async.__file__).parent
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    """Import a script of ``docs/``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """The script that reads the layers from the contracts and draws them."""
    return script("layers")


def test_the_other_pictures_are_what_their_script_draws():
    """``python docs/pictures.py`` draws them again."""
    pictures = script("pictures").PICTURES
    drawn = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in pictures}
    assert {"create.svg", "plan.svg", "fleet.svg"} == {*drawn}
    assert pictures == drawn


def test_the_picture_of_the_layers_is_drawn_from_the_contracts(drawing: ModuleType):
    """``python docs/layers.py`` draws it again."""
    assert drawing.svg() == (ROOT / "docs" / "layers.svg").read_text(encoding="utf-8")


def test_the_table_of_modules_follows_the_contracts(drawing: ModuleType):
    table = CONTRIBUTING.partition("| its promise |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]
    assert rows[::-1] == [sorted(layer) for layer in drawing.layers()]


@pytest.mark.parametrize("title", ["A create whose reply is lost", "A page of handlers"])
def test_a_walk_through_the_code_is_short_and_follows_the_imports(title: str):
    """Each file is imported by one that was read before it."""
    text = CONTRIBUTING.partition(f"**{title}**")[2].partition("\n\n1. ")[2].partition("\n\n")[0]
    walk = re.findall(r"`(bitpeak_async/[\w/]+\.py)`", text)
    assert 5 <= len(walk) <= 8
    sources = [(ROOT / file).read_text(encoding="utf-8") for file in walk]
    for number, file in enumerate(walk[1:], 1):
        module = file.removesuffix(".py").replace("/", ".")
        assert any(f"from {module} import" in source for source in sources[:number]), file


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
        ("from cattrs", {"lenient", "decode", "_structure"}),
    ],
)
def test_a_dependency_has_one_home(text: str, homes: set[str]):
    core = [
        path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.relative_to(PACKAGE).parts
    ]
    assert homes == {path.stem for path in core if text in path.read_text()}


def test_each_suppression_gives_its_reason():
    """On its line, or in a comment on the line above."""
    lacking = []
    for path in sorted(PACKAGE.rglob("*.py")):
        lines = ["", *path.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(lines):
            suppressed, _, rest = line.partition("# noqa")
            if suppressed != line and not re.match(r": [A-Z]+\d+(, [A-Z]+\d+)* - \w", rest):
                is_explained = lines[number - 1].lstrip().startswith("# ")
                lacking += [] if is_explained else [f"{path.relative_to(PACKAGE)}:{number}"]
    assert [] == lacking
