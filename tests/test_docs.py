"""Every code block of the README and of docs/ is run, against the sandbox."""

import ast
import asyncio
import importlib
import inspect
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import cast

import pytest
import typer.main
from sybil import Document, Example
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser
from typer.testing import CliRunner

import bitpeak_async
from bitpeak_async import fleet, redis, telemetry
from bitpeak_async.cli import _handler_commands, _provision_commands  # noqa: F401 - they register
from bitpeak_async.cli._app import app
from bitpeak_async.cli._exit import Exit
from bitpeak_async.fleet import dask
from bitpeak_async.provisioning import files
from bitpeak_async.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TESTING = DOCS / "testing.md"  # its blocks are tests, so pytest runs them
SHARED_LIMITS = DOCS / "shared-limits.md"  # its blocks need a Redis
QUICKSTARTS = [DOCS / f"quickstart{language}.md" for language in ("", "-uz", "-ru")]
FOLLOWED = [*QUICKSTARTS, DOCS / "tutorial.md"]  # whose commands are run too
API = (DOCS / "api.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def run_python(example: Example) -> None:
    """Run a block as a notebook would: ``await`` may stand outside of functions."""
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, example.path, "exec", flags, dont_inherit=True)
    result = eval(code, example.namespace)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(cast("Coroutine[None, None, None]", result))


def write_specs(example: Example) -> None:
    Path("handlers.yaml").write_text(example.parsed, encoding="utf-8")


def commands(block: str) -> list[list[str]]:
    """Return the arguments of each ``bitpeak`` in a block; without prompts, all are commands."""
    lines = re.findall(r"^\$ (.*)", block, re.MULTILINE) or block.splitlines()
    words = [shlex.split(line.partition(" > ")[0], comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["bitpeak"]]


def run_console(example: Example) -> None:
    """Run the commands; what the block shows beside them is what they print."""
    if Path(example.path) not in FOLLOWED:
        return
    printed = ""
    for arguments in commands(example.parsed):
        if arguments != ["sandbox"]:
            result = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "COLUMNS": "100"})
            assert 0 == result.exit_code, result.output
            printed += result.output
    if printed:
        shown = re.sub(r"^\$ .*\n", "", example.parsed, flags=re.MULTILINE).splitlines()
        assert [] == [line for line in shown if line not in printed], printed


@pytest.fixture
def threaded_sandbox() -> Iterator[Sandbox]:
    """With accounts beside the first one, for the page about fleets."""
    with Sandbox(api_keys=["acme-key", "globex-key"]) as sandbox:
        yield sandbox


PYTHON = CodeBlockParser("python", run_python)
PARSERS = [PYTHON, CodeBlockParser("yaml", write_specs), CodeBlockParser("console", run_console)]


def parse(page: Path, *parsers: CodeBlockParser) -> Document:
    return Document.parse(str(page), *parsers)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.dask] if page.name == "fleet.md" else [])
        for page in PAGES
        if page != TESTING
    ],
    ids=lambda page: page.name,
)
def test_the_blocks_of_a_page_run_in_order(
    page: Path,
    threaded_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    request: pytest.FixtureRequest,
):
    if page == SHARED_LIMITS:
        redis_server = request.getfixturevalue("redis_server")
        monkeypatch.setenv("BITPEAK_REDIS_URL", redis_server.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BITPEAK_API_KEY", threaded_sandbox.api_key)
    monkeypatch.setenv("BITPEAK_BASE_URL", threaded_sandbox.base_url)
    document = parse(page, *PARSERS)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    document.namespace = vars(module)
    document.namespace.update(
        monkeypatch=monkeypatch,
        printed=lambda: capsys.readouterr().out,
        sandbox=threaded_sandbox,
    )
    for example in document.examples():
        example.evaluate()


def test_the_tests_of_the_testing_guide_pass(pytester: pytest.Pytester):
    """Each section is a module of its own, in a pytest where a warning is an error."""
    document = parse(TESTING, PYTHON)
    sections = defaultdict[int, str](str)
    for example in document.examples():
        sections[document.text.count("\n## ", 0, example.region.start)] += example.parsed + "\n"
    pytester.makepyfile(**{f"test_section_{n}": source for n, source in sections.items()})
    # Except what pytest-asyncio says of each run without that option.
    warnings = (
        "-Werror",
        "-Wignore:The configuration option:pytest.PytestDeprecationWarning",
        # pytest cannot rewrite the assertions of what this process has imported already.
        "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning",
    )
    result = pytester.runpytest_inprocess(
        *warnings,
        *("--strict-markers", "--asyncio-mode=auto", "-pno:cacheprovider", "-pno:schemathesis"),
    )
    result.assert_outcomes(passed=document.text.count("def test_"))


def _commands_of_pages() -> list[list[str]]:
    shells = [CodeBlockParser(language, run_console) for language in ("console", "sh")]
    blocks = [example.parsed for page in PAGES for example in parse(page, *shells).examples()]
    return [arguments for block in blocks for arguments in commands(block)]


@pytest.mark.parametrize("arguments", _commands_of_pages(), ids=" ".join)
def test_commands_and_their_options_exist(arguments: list[str]):
    group = typer.main.get_command(app)
    context = group.make_context("bitpeak", list(arguments))
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    command.make_parser(type(context)(command, info_name=name, parent=context)).parse_args(rest)


@pytest.mark.parametrize(
    "module", [bitpeak_async, files, fleet, dask, bitpeak_async.sandbox, telemetry, redis]
)
def test_the_reference_has_all_that_is_public(module: ModuleType):
    reference = set(re.findall(r"^\.\. \w+(?::\w+)?:: ([\w.]+)", API, re.MULTILINE))
    names = {name.rpartition(".")[2] for name in reference}
    assert set() == {*module.__all__} - names - {"__version__"}


def test_the_quickstarts_have_the_same_blocks():
    first, *others = [
        [
            (example.region.evaluator.__name__, example.parsed)
            for example in parse(page, *PARSERS).examples()
        ]
        for page in QUICKSTARTS
    ]
    assert first
    for other in others:
        assert first == other


def test_the_quickstarts_have_the_same_sections_and_links():
    def shape(page: Path) -> list[str]:
        text = re.sub(
            r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        parts = re.findall(r"^#+ |\{doc\}`[^`]+`|`[^`]+`", text, re.MULTILINE)
        to_itself = re.compile(r"\{doc\}`.*<quickstart")
        return [part for part in parts if not to_itself.match(part)]

    first, *others = map(shape, QUICKSTARTS)
    assert {"## ", "{doc}`tutorial`", "`apply`"} <= {*first}
    for other in others:
        assert first == other


def test_the_quickstarts_lead_to_each_other():
    for page in QUICKSTARTS:
        led_to = re.findall(r"<(quickstart[\w-]*)>", page.read_text(encoding="utf-8"))
        assert {each.stem for each in QUICKSTARTS} - {page.stem} == {*led_to}


def test_the_page_of_the_command_line_has_all_commands_options_variables_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
):
    """It is made from the application when the documentation is built."""
    monkeypatch.syspath_prepend(DOCS)
    reference = importlib.import_module("cli_reference").reference()
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        section = reference.partition(f"### `bitpeak {name}`")[2].partition("\n## ")[0]
        assert f"bitpeak {name}" in section
        for each in command.params:
            shown = not getattr(each, "hidden", False)
            assert shown == all(f"`{opt}`" in reference for opt in each.opts if "-" in opt)
            assert not each.envvar or shown == (f"`{each.envvar}`" in reference)
    assert "[profiles.NAME]" in reference
    assert all(f"| {int(code)} | " in reference for code in Exit)
