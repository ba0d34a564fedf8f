"""The public names."""

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import bitpeak_async

PUBLIC = (
    "errors",
    "events",
    "keywords",
    "mappings",
    "notification_handlers",
    "options",
    "provisioning",
    "records",
    "settings",
    "with_replies",
)


@pytest.mark.parametrize("module", PUBLIC)
def test_what_a_module_exports_is_exported_at_the_top(module: str):
    exported = set(importlib.import_module(f"bitpeak_async.{module}").__all__)
    assert exported <= set(bitpeak_async.__all__)


def test_every_exported_name_exists_and_says_where_it_lives():
    assert sorted(bitpeak_async.__all__) == list(bitpeak_async.__all__)
    for name in bitpeak_async.__all__:
        assert hasattr(bitpeak_async, name)


def test_nothing_else_is_public():
    edges = {"fleet", "sandbox", "cli", "telemetry", "redis", "pytest_plugin"}
    modules = {"client", "sync", *edges, *PUBLIC}
    its_own = {"TYPE_CHECKING", "import_module"}
    # pytest rewrites the assertions of packages with a plugin; its "@py_builtins" start with @.
    public = {name for name in dir(bitpeak_async) if not name.startswith(("_", "@"))}
    assert set(bitpeak_async.__all__) - {"__version__"} == public - modules - its_own


def test_names_are_at_run_time_what_type_checkers_see():
    """And each module that they are imported from is among the homes."""
    seen = {
        alias.name: node.module
        for node in ast.walk(ast.parse(inspect.getsource(bitpeak_async)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bitpeak_async.")
        for alias in node.names
    }
    assert set(bitpeak_async.__all__) == set(seen)
    for name, module in seen.items():
        assert getattr(bitpeak_async, name) is getattr(importlib.import_module(module), name)


def test_the_package_imports_its_names_when_they_are_asked_for():
    """A description of handlers needs no aiohttp; a client does."""
    code = """if True:
        import sys
        before = {*sys.modules}  # a coverage run's own imports, for one
        import bitpeak_async
        assert "attrs" not in sys.modules
        assert not hasattr(bitpeak_async, "Unheard") and "attrs" not in sys.modules
        bitpeak_async.EmailSettings("a@example.com"), bitpeak_async.HandlerSpec
        assert bitpeak_async.errors.BitPeakError is bitpeak_async.BitPeakError
        assert "aiohttp" not in sys.modules
        bitpeak_async.BitPeak("key")
        for later in "_bulk", "provisioning", "_http.pagination", "_rate.stored":
            assert f"bitpeak_async.{later}" not in sys.modules
        assert not {"html", "difflib", "cattrs"} & {*sys.modules} - before
        assert bitpeak_async.sync.Stream is bitpeak_async.Stream
        from bitpeak_async import *
        assert "aiohttp" in sys.modules
        bitpeak_async.sync.shutdown()
        print(BitPeak.__name__, SyncBitPeak.__name__, __version__ == bitpeak_async.__version__)
    """
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
    )
    assert "BitPeak SyncBitPeak True\n" == run.stdout


def test_a_dependency_that_fails_at_import_is_named(monkeypatch):
    """As aiodns 3.5 does, and with it aiohttp, beside pycares 5."""

    def fail(_: str) -> None:
        raise AttributeError("module 'pycares' has no attribute 'ares_query_a_result'")

    monkeypatch.setattr(bitpeak_async, "import_module", fail)
    monkeypatch.delitem(vars(bitpeak_async), "BitPeak", raising=False)
    with pytest.raises(ImportError, match="BitPeak cannot be imported: module 'pycares'"):
        from bitpeak_async import BitPeak  # noqa: F401, PLC0415
