"""Several files are one set: in order, read once, names unique across them."""

from pathlib import Path

import pytest
from spec_file import problems, write

from bitpeak_async import (
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    WebhookSettings,
)
from bitpeak_async.provisioning.files import read_specs

TOML = '[[handlers]]\nname = "a"\ntype = "email"\nsettings = {email = "a@example.com"}\n'


def test_several_files_are_one_set_in_the_order_given(tmp_path: Path):
    files = [
        write(tmp_path / "b.json", '[{"name": "b", "type": "internal_notification"}]'),
        write(tmp_path / "a.csv", "name,type,webhook\na,webhook,https://example.com\n"),
        write(tmp_path / "c.yml", "- {name: c, type: email, settings: {email: a@b}}"),
    ]
    assert [
        HandlerSpec("b", InternalNotificationSettings()),
        HandlerSpec("a", WebhookSettings("https://example.com")),
        HandlerSpec("c", EmailSettings("a@b")),
    ] == read_specs(*map(str, files), environ={})


def test_the_problems_of_all_files_are_told_in_their_order(tmp_path: Path):
    files = [
        write(tmp_path / "c.csv", "name,type\n\na,internal_notification\nb,email\n"),
        write(tmp_path / "b.json", "[\n"),
        tmp_path / "none.yaml",
        write(tmp_path / "d.ini", ""),
        write(tmp_path / "a.toml", TOML + "enabled = true\n"),
    ]
    assert [
        "c.csv:4: [1]: lacks 'email', which email needs",
        "b.json:2: is not JSON: expecting value; texts need double quotes",
        "none.yaml: cannot be read: No such file or directory",
        "d.ini: has no known suffix; a spec file ends in .yaml, .yml, .toml, .json, .csv",
        "a.toml: handlers[0].enabled ('a'): is not a known key; did you mean 'is_enabled'?",
        "a.toml: handlers[0] ('a'): has the same name as [0] at c.csv:3; names must be unique",
    ] == problems(*files)


def test_no_path_is_refused():
    with pytest.raises(ConfigurationError, match="at least one file or directory"):
        read_specs()
