"""docs/openapi.yaml matches the sandbox, the samples and the SDK's types."""

import copy
import json
from functools import cache
from http import HTTPMethod
from pathlib import Path

import pytest
import requests
import schemathesis
import yaml
from hypothesis import settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bitpeak_async.sandbox import Dialect, Sandbox
from bitpeak_async.settings import CLASSES, FIELDS, WIRE_FIELDS, Format

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"
HANDLERS = {path.stem: json.loads(path.read_bytes()) for path in SAMPLES.glob("handlers/*.json")}
REPLIES = {path.stem: json.loads(path.read_bytes()) for path in SAMPLES.glob("replies/*.json")}
SCHEMA_OF_REPLY = {
    "list": "NotificationHandlerPage",
    "get": "NotificationHandlerReply",
    "create": "WrittenReply",
    "update": "WrittenReply",
    "missing_field": "ErrorReply",
    "not_found": "ErrorReply",
    "rate_limited": "ErrorReply",
    "unauthorized": "ErrorReply",
}

DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_bytes())
SCHEMAS = DOCUMENT["components"]["schemas"]
SETTINGS_OF_TYPE = {
    kind: reference.removeprefix("#/components/schemas/")
    for kind, reference in SCHEMAS["HandlerSettings"]["x-settings-of-type"].items()
}
ID = "notification_handler_id"
SEED = 20251205
QUICK = settings(max_examples=25, deadline=None, database=None)


@cache
def validator(schema):
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    )


def problems(schema, value):
    return [error.message for error in validator(schema).iter_errors(value)]


def properties(kind):
    return SCHEMAS[SETTINGS_OF_TYPE[kind]].get("properties", {})


def with_all_fields_of_a_type():
    """Return the document with forms that a server must accept.

    In the document, as on the vendor's page, every field of a type is optional; here a type comes
    with all of its own. No text is `0`, which is empty to PHP.
    """
    document = copy.deepcopy(DOCUMENT)
    for form in ("NewNotificationHandler", "NotificationHandlerUpdate"):
        known = document["components"]["schemas"][form]["properties"]
        for schema in known.values():
            if "minLength" in schema:
                schema["minLength"] = len("0") + 1
        shared = {name: known[name] for name in ("name", "is_enabled") if name in known}
        forms = [
            {
                "type": "object",
                "required": [*SCHEMAS[form].get("required", ["type"]), *properties(kind)],
                "properties": {
                    **shared,
                    "type": {"const": kind},
                    **{name: known[name] for name in properties(kind)},
                },
                "additionalProperties": False,
            }
            for kind in SETTINGS_OF_TYPE
        ]
        if "required" not in SCHEMAS[form]:
            forms.append({"type": "object", "properties": shared, "additionalProperties": False})
        document["components"]["schemas"][form] = {"oneOf": forms}
    return document


def load(document, mode):
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig(seed=SEED))
    schema.config.generation.update(modes=[mode])
    return schema


COMPLETE = load(with_all_fields_of_a_type(), GenerationMode.POSITIVE)
WRONG = load(DOCUMENT, GenerationMode.NEGATIVE)
OPERATIONS = {result.ok().label: result.ok() for result in COMPLETE.get_all_operations()}


def settings_are_those_of_the_type(context, reply, case):
    """Check settings against the schema of their type; `anyOf` alone accepts any of them."""
    if case.operation.method != "get" or reply.status_code != 200:
        return
    data = reply.json()["data"]
    for handler in data if isinstance(data, list) else [data]:
        if wrong := problems(SETTINGS_OF_TYPE[handler["type"]], handler["settings"]):
            raise Failure(
                operation=case.operation.label, title="Settings of another type", message=str(wrong)
            )


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    settings_are_those_of_the_type,
]


class Client:
    """Sends cases over one connection and checks the responses."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.session = requests.Session()

    def add(self):
        sample = HANDLERS["telegram"]
        return self.sandbox.add(**{key: sample[key] for key in ("name", "type", "settings")})

    def send(self, case, *, key=None):
        wire = case.as_transport_kwargs(
            base_url=self.sandbox.base_url,
            headers={"Authorization": f"Bearer {key or self.sandbox.api_key}"},
        )
        # Not `case.call()`, which opens a connection for each.
        reply = self.session.request(**wire, allow_redirects=False)
        case.validate_response(reply, checks=CHECKS)
        return reply


@pytest.fixture(autouse=True)
def _told_seed():
    print(f"schemathesis seed {SEED}")  # noqa: T201 - pytest shows it on failure


@pytest.fixture(scope="module")
def client():
    with Sandbox(seed=SEED) as sandbox:
        client = Client(sandbox)
        for kind in SETTINGS_OF_TYPE:
            sample = HANDLERS[kind]
            sandbox.add(name=sample["name"], type=kind, settings=sample["settings"])
        with client.session:
            yield client


def test_the_document_is_valid_openapi_3_1():
    assert [] == list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())
    assert "3.1.0" == DOCUMENT["openapi"]


def test_the_documented_calls_are_described_and_no_others():
    methods = {method.lower() for method in HTTPMethod}
    assert {
        "list_notification_handlers": ("get", "/notification-handlers/"),
        "create_notification_handler": ("post", "/notification-handlers"),
        "get_notification_handler": ("get", f"/notification-handlers/{{{ID}}}"),
        "update_notification_handler": ("post", f"/notification-handlers/{{{ID}}}"),
        "delete_notification_handler": ("delete", f"/notification-handlers/{{{ID}}}"),
    } == {
        operation["operationId"]: (method, path)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


def test_types_and_their_required_fields_are_those_of_the_sdk():
    assert list(CLASSES) == SCHEMAS["HandlerType"]["enum"]
    assert list(CLASSES) == list(SETTINGS_OF_TYPE)
    for kind, cls in CLASSES.items():
        schema = SCHEMAS[SETTINGS_OF_TYPE[kind]]
        assert cls.__name__ == SETTINGS_OF_TYPE[kind]
        names = [wire.name for wire in FIELDS[cls].values()]
        assert names == list(properties(kind))
        assert names == schema.get("required", [])


@pytest.mark.parametrize(
    ("form", "others"),
    [
        ("NewNotificationHandler", {"name", "type"}),
        ("NotificationHandlerUpdate", {"name", "type", "is_enabled"}),
    ],
)
def test_forms_have_the_fields_of_all_types_in_the_formats_of_the_sdk(form, others):
    written = {Format.TEXT: None, Format.EMAIL: "email", Format.URL: "uri"}
    own = {name: written[wire.format] for name, wire in WIRE_FIELDS.items()}
    described = SCHEMAS[form]["properties"]
    assert own.keys() | others == described.keys()
    assert own == {name: described[name].get("format") for name in own}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_sample_handlers_are_as_described(handler):
    settings_schema = SETTINGS_OF_TYPE.get(handler["type"], "OtherSettings")
    assert [] == problems("NotificationHandler", handler)
    assert [] == problems(settings_schema, handler["settings"])


@pytest.mark.parametrize("name", REPLIES)
def test_sample_replies_are_as_described(name):
    assert [] == problems(SCHEMA_OF_REPLY[name], REPLIES[name])


def test_examples_are_the_samples():
    creates = {
        f"new_{kind}": {"name": HANDLERS[kind]["name"], "type": kind, **HANDLERS[kind]["settings"]}
        for kind in CLASSES
    }
    described = DOCUMENT["components"]["examples"]
    assert creates | REPLIES == {name: example["value"] for name, example in described.items()}
    for create in creates.values():
        assert [] == problems("NewNotificationHandler", create)


@pytest.mark.parametrize(
    "damage",
    [{"id": "1"}, {"is_enabled": 1}, {"settings": []}, {"last_datetime": 0}, {"datetime": "now"}],
    ids=str,
)
def test_a_handler_that_is_not_as_described_is_noticed(damage):
    assert [] != problems("NotificationHandler", HANDLERS["email"] | damage)


@COMPLETE.parametrize()
@QUICK
def test_complete_requests_are_executed_and_answered_as_described(case, client):
    if ID in case.path_parameters:
        case.path_parameters[ID] = client.add()

    assert client.send(case).status_code in (200, 204)


@WRONG.parametrize()
@QUICK
def test_wrong_requests_get_a_described_reply_and_never_a_5xx(case, client):
    if str(case.path_parameters.get(ID)).isdecimal():
        case.path_parameters[ID] = client.add()

    client.send(case)


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_call_with_a_wrong_key_gets_the_described_401(label, client):
    path = {ID: client.add()} if ID in label else {}

    assert 401 == client.send(OPERATIONS[label].Case(path_parameters=path), key="wrong").status_code


@pytest.mark.parametrize("label", [label for label in OPERATIONS if ID in label])
def test_every_call_for_a_missing_handler_gets_the_described_404(label, client):
    case = OPERATIONS[label].Case(path_parameters={ID: 10**12})

    assert 404 == client.send(case).status_code


@pytest.mark.parametrize(
    "dialect",
    [{"ids": "string"}, {"booleans": "integer"}, {"empty_settings": "list"}, {"secrets": "hidden"}],
    ids=str,
)
def test_a_server_that_departs_from_the_description_is_noticed(dialect):
    with Sandbox(dialect=Dialect(**dialect)) as sandbox, pytest.raises(FailureGroup):
        client = Client(sandbox)
        sandbox.add(name="bell", type="internal_notification", settings={})
        client.add()
        with client.session:
            client.send(OPERATIONS["GET /notification-handlers/"].Case())
