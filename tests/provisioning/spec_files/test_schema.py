"""The JSON Schema takes the files that the reader takes, and refuses what it can tell is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bitpeak_async.provisioning.files import read_specs, spec_file_schema
from bitpeak_async.settings import CLASSES, FIELDS, Format

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = Draft202012Validator(spec_file_schema())
VALUES = {Format.TEXT: 1, Format.EMAIL: "a@example.com", Format.URL: "https://example.com/a"}


def handler(kind: str, **changes: Any) -> dict[str, Any]:
    settings = {wire.name: VALUES[wire.format] for wire in FIELDS[CLASSES[kind]].values()}
    return {"name": kind, "type": kind, "settings": settings, **changes}


ALL = [handler(kind) for kind in CLASSES]
MAIL = handler("email")
GOOD = {
    "all types": ALL,
    "under a key": {"handlers": ALL},
    "none": [],
    "references": [
        {
            **each,
            "is_enabled": "${ON:-true}",
            "settings": dict.fromkeys(each["settings"], "${A:-a@b.cc}"),
        }
        for each in ALL
        if each["type"] in ("email", "telegram", "x")
    ],
    "a reference within": [handler("slack", settings={"slack": "https://example.com/${A:-b}"})],
    "a type by reference": [{**MAIL, "type": "${KIND:-email}"}],
    "a new type": [{"name": 7, "type": "zabbix", "settings": {"url": "x", "port": 1}}],
    "a switch": [{**MAIL, "is_enabled": False, "renamed_from": "old"}],
    "a kept switch": [{**MAIL, "is_enabled": "keep"}],
    "no settings": [{"name": "a", "type": "internal_notification"}],
}
BAD = {
    "a text": "email",
    "another key": {"handler": ALL},
    "no name": [{"type": "email", "settings": {"email": "a@b.cc"}}],
    "an empty name": [{**MAIL, "name": " "}],
    "a null name": [{**MAIL, "name": None}],
    "no type": [{"name": "a", "settings": {}}],
    "a misspelt key": [{**MAIL, "is_enable": True}],
    "a wrong switch": [{**MAIL, "is_enabled": "on"}],
    "no settings": [{"name": "a", "type": "email"}],
    "a lacking field": [handler("telegram", settings={"telegram": "1:a"})],
    "a field of another type": [handler("email", settings={"email": "a@b.cc", "slack": "x"})],
    "no email": [handler("email", settings={"email": "a"})],
    "no URL": [handler("slack", settings={"slack": "hooks.slack.com"})],
    "a list": [handler("email", settings={"email": ["a@b.cc"]})],
}


@pytest.mark.parametrize("title", GOOD)
def test_a_good_file_is_taken_by_schema_and_reader(title: str, tmp_path: Path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(GOOD[title]))
    SCHEMA.validate(GOOD[title])
    read_specs(file, environ={})


@pytest.mark.parametrize("title", BAD)
def test_a_bad_file_is_refused(title: str):
    assert not SCHEMA.is_valid(BAD[title])


def test_the_schema_is_valid_takes_the_example_and_is_in_the_documentation():
    """``bitpeak schema > docs/handlers.schema.json`` writes it again."""
    Draft202012Validator.check_schema(spec_file_schema())
    example = DOCS / "examples" / "handlers.yaml"
    assert example.read_text().startswith("# yaml-language-server: $schema=../handlers.schema.json")
    SCHEMA.validate(yaml.safe_load(example.read_text()))
    assert spec_file_schema() == json.loads((DOCS / "handlers.schema.json").read_text())
