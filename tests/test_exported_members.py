"""The public names."""

import importlib

import pytest

import bitpeak_async

PUBLIC = (
    "errors",
    "events",
    "notification_handlers",
    "options",
    "provisioning",
    "records",
    "settings",
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
    modules = {"client", "fleet", "sandbox", "cli", "sync", "telemetry", "pytest_plugin", *PUBLIC}
    # pytest rewrites the assertions of packages with a plugin; its "@py_builtins" start with @.
    public = {name for name in vars(bitpeak_async) if not name.startswith(("_", "@"))}
    assert set(bitpeak_async.__all__) - {"__version__"} == public - modules
