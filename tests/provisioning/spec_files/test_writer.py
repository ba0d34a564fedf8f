"""Written spec files: read back equal in every format, secrets apart, or refused with reasons."""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpeak_async import (
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    PlanError,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    XSettings,
)
from bitpeak_async._http.form import spec_problems
from bitpeak_async.provisioning.files import dump_environ, dump_specs, read_specs
from bitpeak_async.provisioning.spec_files.dump import DUMPERS
from bitpeak_async.settings import FIELDS, WIRE_FIELDS, Format, settings_fields

CANARY = "canary-4711"
FORMATS = sorted(DUMPERS)
TRICKY = (
    *("yes", "null", "~", "1e3", "007", "0x1F", "1_000", "true", ".nan", "2025-12-05", "=", "<<"),
    *(" a ", "a\n", "\na", "a\n\n b\n", "\ta", "a\r\nb", "a\rb", "#a", "a #b", "- a", "a: b"),
    *("$", "$$", "${A}", "${A:-b}", "$$${", "'", '"', "'''", '"""', "\\", "\\n", ",", ";", "a,b"),
    *("🙂", "Оповіщення", "\x7f", "\x01", "a\x85b", "a\u2028b", "\ufeff", "\ufffe", "\U0010ffff"),
    *("[", "{a}", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", "---", "...", "a" * 200),
)
TEXTS = st.sampled_from(TRICKY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(str.strip)
WORDS = TEXTS.map(lambda text: "".join(text.split()) or "a")
VALUES = {
    Format.TEXT: TEXTS,
    Format.EMAIL: WORDS.map("{}@example.com".format),
    Format.URL: WORDS.map("https://example.com/{}".format),
}
KNOWN = st.sampled_from(sorted(FIELDS, key=str)).flatmap(
    lambda cls: st.builds(
        cls, **{python: VALUES[wire.format] for python, wire in FIELDS[cls].items()}
    )
)
FIELD_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]*", fullmatch=True).filter(
    lambda name: name not in {*WIRE_FIELDS, "name", "type", "is_enabled", "renamed_from"}
)
UNKNOWN = st.builds(
    UnknownSettings,
    st.sampled_from(["twilio_call", "zabbix", "N_1", "null", "yes"]),
    st.dictionaries(FIELD_NAMES, TEXTS, max_size=3),
)
SPECS = st.lists(
    st.builds(HandlerSpec, TEXTS, KNOWN | UNKNOWN, st.booleans()).filter(
        lambda spec: not any(spec_problems(spec))
    ),
    max_size=6,
    unique_by=lambda spec: spec.name,
)
MAIL = EmailSettings("a@example.com")


def read_back(text: str, form: str, environ: Mapping[str, str]) -> list[HandlerSpec]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"handlers.{form}")
        file.write_bytes(text.encode())
        return read_specs(file, environ=environ)


def refused(*specs: HandlerSpec, form: Any = "json", **options: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        dump_specs(specs, form, **options)
    return caught.value.problems


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None, print_blob=True)
@given(specs=SPECS)
def test_what_can_be_sent_is_read_back_equal(form: Any, specs: list[HandlerSpec]):
    text = dump_specs(specs, form)
    loaded = read_back(text, form, {})
    assert specs == loaded
    assert text == dump_specs(loaded, form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", TRICKY)
def test_no_text_is_taken_for_something_else(form: Any, text: str):
    specs = [
        HandlerSpec(text, TelegramSettings(text, text), is_enabled=False),
        HandlerSpec("b", UnknownSettings("zabbix", {"settings": text, "Y": f"{text}{text}"})),
    ]
    assert specs == read_back(dump_specs(specs, form), form, {})


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=40, deadline=None, print_blob=True)
@given(specs=SPECS)
def test_with_its_variables_a_file_of_references_is_read_back_equal(
    form: Any, specs: list[HandlerSpec]
):
    environ: dict[str, str] = {}
    text = dump_specs(specs, form, environ=environ)
    assert specs == read_back(text, form, environ)
    assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", name) for name in environ)
    again: dict[str, str] = {}
    assert (text, environ) == (dump_specs(specs, form, environ=again), again)


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_in_a_file_of_references(form: Any):
    specs = [
        HandlerSpec("Chat", SlackSettings(f"https://example.com/{CANARY}")),
        HandlerSpec("Bot", TelegramSettings(CANARY, "-1")),
        HandlerSpec("X", XSettings(CANARY, CANARY, CANARY, CANARY)),
        HandlerSpec("New", UnknownSettings("zabbix", {"token": CANARY})),
    ]
    assert CANARY in dump_specs(specs, form)
    text = dump_specs(specs, form, environ={})
    assert CANARY not in text
    assert "-1" in text


def test_variables_are_named_after_handler_and_field():
    names = ["Ops alerts", "ops-alerts", "Café №2", "Оповіщення", "24/7", "3 a", "x" * 90]
    names += ["Навбатчи ўқ", "ops alerts", "NOC"]
    environ = {"NOC_TELEGRAM": "taken"}
    specs = [HandlerSpec(name, TelegramSettings(name, "-1")) for name in names]
    specs.append(HandlerSpec("LD", UnknownSettings("zabbix", {"PRELOAD": "a"})))
    dump_specs(specs, environ=environ, ids={"ops-alerts": 7, "24/7": 8, "Café №2": 1})
    assert {
        "NOC_TELEGRAM": "taken",
        "NOC_TELEGRAM_": "NOC",
        "OPS_ALERTS_09CB6FC7_TELEGRAM": "Ops alerts",
        "OPS_ALERTS_AD47903B_TELEGRAM": "ops alerts",
        "OPS_ALERTS_7_TELEGRAM": "ops-alerts",
        "CAFE_NO2_1_TELEGRAM": "Café №2",
        "OPOVISHCHENNYA_TELEGRAM": "Оповіщення",
        "NAVBATCHI_OQ_TELEGRAM": "Навбатчи ўқ",
        "HANDLER_8_TELEGRAM": "24/7",
        "HANDLER_3_A_TELEGRAM": "3 a",
        "X" * 60 + "_47C11CEC_TELEGRAM": "x" * 90,
        "HANDLER_LD_PRELOAD": "a",
    } == environ


@pytest.mark.parametrize("form", FORMATS)
def test_a_secret_that_was_not_returned_is_a_variable_to_fill_in(form: Any):
    environ: dict[str, str] = {}
    spec = HandlerSpec("Bot", TelegramSettings("", "-1"))
    text = dump_specs([spec], form, environ=environ)
    assert {"BOT_TELEGRAM": ""} == environ
    with pytest.raises(PlanError, match="must not be empty"):
        read_back(text, form, environ)
    filled = HandlerSpec("Bot", TelegramSettings("1:a", "-1"))
    assert [filled] == read_back(text, form, {"BOT_TELEGRAM": "1:a"})
    assert ("[0].settings.api_token: must not be empty",) == refused(spec, form=form)


def test_a_masked_secret_is_a_variable_too():
    environ: dict[str, str] = {}
    dump_specs([HandlerSpec("Chat", SlackSettings("****"))], environ=environ)
    assert {"CHAT_SLACK": "****"} == environ


def test_all_specs_that_a_file_cannot_hold_are_reported_at_once_without_values():
    specs = [
        HandlerSpec("a", SlackSettings(CANARY)),
        HandlerSpec("a", MAIL),
        HandlerSpec("", EmailSettings(CANARY), is_enabled=1),
        HandlerSpec("b", UnknownSettings("email", {"email": "a@example.com"})),
        HandlerSpec("c", UnknownSettings("slak", {"url": "a"})),
        HandlerSpec("d", UnknownSettings("zabbix", {"a b": CANARY, "port": 1, "x": "\ud800"})),
    ]
    found = refused(*specs)
    assert [
        f"[0].settings.webhook_url: must be {Format.URL.value}",
        "[1]: has the same name as [0]; names must be unique",
        "[2].name: must not be empty",
        "[2].settings.email: must be an email address such as 'hey@example.com'",
        "[2].is_enabled: must be True, False or None, not int",
        "[3].settings.type: read_specs returns 'email' as EmailSettings; use that",
        "[4].settings.type: read_specs refuses 'slak' as a misspelt 'slack'",
        "[5].settings.fields: must have ASCII words as names, such as 'twilio': 'a b'",
        "[5].settings.fields['port']: must be a string, not int",
        "[5].settings.fields['x']: must be valid Unicode (it contains half of a surrogate pair)",
    ] == list(found)
    assert CANARY not in "\n".join(found)
    references = refused(*specs, environ={})
    assert [*found[1:8], *found[8:]] == list(references)


def test_a_cell_has_a_limit_that_other_formats_have_not():
    spec = HandlerSpec("a", UnknownSettings("zabbix", {"zabbix": "$" * 70_000}))
    assert [spec] == read_back(dump_specs([spec], "json"), "json", {})
    limit = f"{csv.field_size_limit():,}"
    [problem] = refused(spec, form="csv")
    assert problem.startswith(f"[0].zabbix: a CSV cell holds at most {limit} characters")


def test_an_unknown_format_is_refused():
    with pytest.raises(ConfigurationError, match="must be one of yaml, toml, json, csv"):
        dump_specs([], "xml")


def test_what_is_usual_is_left_out_except_in_csv():
    specs = [
        HandlerSpec("a", MAIL),
        HandlerSpec("b", InternalNotificationSettings(), is_enabled=False),
    ]
    assert (
        "- name: a\n  type: email\n  settings:\n    email: a@example.com\n"
        "- name: b\n  type: internal_notification\n  is_enabled: false\n"
    ) == dump_specs(specs)
    assert (
        '[[handlers]]\nname = "a"\ntype = "email"\n'
        '[handlers.settings]\nemail = "a@example.com"\n\n'
        '[[handlers]]\nname = "b"\ntype = "internal_notification"\nis_enabled = false\n'
    ) == dump_specs(specs, "toml")
    assert [
        {"name": "a", "type": "email", "settings": {"email": "a@example.com"}},
        {"name": "b", "type": "internal_notification", "is_enabled": False},
    ] == json.loads(dump_specs(specs, "json"))
    assert (
        "name,type,is_enabled,email\r\n"
        "a,email,true,a@example.com\r\n"
        "b,internal_notification,false,\r\n"
    ) == dump_specs(specs, "csv")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_a_shell_reads_the_variables_as_they_are(tmp_path: Path):
    values = [text for text in TRICKY if text.isprintable() or text.isascii()]
    environ = {f"A_{index}": text for index, text in enumerate(values)} | {"EMPTY": ""}
    file = tmp_path / ".env"
    file.write_bytes(dump_environ(environ).encode())
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    command = f'set -a; . "$1"; "{sys.executable}" -c "{show}"'
    shell = subprocess.run(
        ["/bin/sh", "-c", command, "sh", str(file)],
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
    )
    assert environ == {
        name: value for name, value in json.loads(shell.stdout).items() if name in environ
    }


def test_without_pyyaml_the_other_formats_are_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "bitpeak_async.provisioning.spec_files.yaml", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    specs = [HandlerSpec("a", MAIL)]
    for form in ("toml", "json", "csv"):
        assert specs == read_back(dump_specs(specs, form), form, {})
    with pytest.raises(ConfigurationError, match=r"install bitpeak_async\[cli\]"):
        dump_specs(specs, "yaml")


def test_every_field_of_every_type_is_written_under_its_wire_name():
    values = {Format.TEXT: "a", Format.EMAIL: "a@b", Format.URL: "https://example.com/a"}
    specs = [
        HandlerSpec(cls.type, cls(**{name: values[wire.format] for name, wire in wires.items()}))
        for cls, wires in FIELDS.items()
    ]
    documents = json.loads(dump_specs(specs, "json"))
    assert [settings_fields(spec.settings) for spec in specs] == [
        document.get("settings", {}) for document in documents
    ]


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "problem"),
    [
        ((5,), {}, ConfigurationError, "specs must be an iterable of HandlerSpec, not int"),
        ((None,), {}, ConfigurationError, "specs must be an iterable of HandlerSpec, not NoneType"),
        ((["a"],), {}, PlanError, r"\[0\]: must be a HandlerSpec, not str"),
        (([], ["yaml"]), {}, ConfigurationError, "format must be one of"),
        (([],), {"environ": "A=1"}, ConfigurationError, "environ must be a dict to fill, not str"),
    ],
)
def test_what_cannot_be_dumped_is_refused(arguments, keywords, error, problem):
    with pytest.raises(error, match=problem):
        dump_specs(*arguments, **keywords)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (5, "environ must be a mapping of names to values, not int"),
        ("A=1", "environ must be a mapping of names to values, not str"),
        ({"A": 5}, "environ must map strings to strings"),
        ({5: "A"}, "environ must map strings to strings"),
    ],
)
def test_what_is_no_environment_is_refused(environ, problem, tmp_path):
    with pytest.raises(ConfigurationError, match=problem):
        dump_environ(environ)
    with pytest.raises(ConfigurationError, match=problem):
        read_specs(tmp_path / "a.json", environ=environ)


@pytest.mark.parametrize("path", [5, None, b"a.json", ["a.json"]], ids=repr)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigurationError, match=f"needs paths, not {type(path).__name__}"):
        read_specs(path)
