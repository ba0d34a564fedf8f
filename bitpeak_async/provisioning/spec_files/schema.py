"""A JSON Schema of spec files, generated from the settings classes."""

from __future__ import annotations

from typing import Any, Final

from bitpeak_async.settings import CLASSES, FIELDS, Format

_REFERENCE: Final = {"type": "string", "pattern": r"\$\{"}
_WORD: Final = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"}
_TEXT: Final = {"anyOf": [{"type": "string", "pattern": r"\S"}, {"type": ["number", "boolean"]}]}
_FORMATS: Final[dict[Format, dict[str, Any]]] = {
    Format.TEXT: _TEXT,
    Format.EMAIL: {"type": "string", "pattern": r"^\S+@\S+$|\$\{"},
    Format.URL: {"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://\S+$|\$\{"},
}
_SWITCH: Final = {
    "anyOf": [{"enum": [True, False, "keep"]}, _REFERENCE],
    "default": True,
    "description": "Whether alerts are delivered; keep leaves the server's value unchanged.",
}


def spec_file_schema() -> dict[str, Any]:
    """Return the JSON Schema of spec files. Any text may be a reference such as ``${NAME}``."""
    handlers = {"type": "array", "items": {"$ref": "#/$defs/handler"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "BitPeak notification handlers",
        "anyOf": [
            handlers,
            {
                "type": "object",
                "properties": {"handlers": handlers},
                "required": ["handlers"],
                "additionalProperties": False,
            },
        ],
        "$defs": {"handler": _handler()},
    }


def _handler() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {**_TEXT, "description": "Identifies the handler."},
            # Other words are allowed, because the API may add types.
            "type": {"anyOf": [{"enum": [*CLASSES]}, _WORD, _REFERENCE]},
            "is_enabled": _SWITCH,
            "renamed_from": {**_TEXT, "description": "The old name of a handler to rename."},
            "settings": {"type": "object", "additionalProperties": _TEXT},
        },
        "required": ["name", "type"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": _settings({wire.name: wire.format for wire in FIELDS[cls].values()}),
            }
            for name, cls in CLASSES.items()
        ],
    }


def _settings(formats: dict[str, Format]) -> dict[str, Any]:
    """Return the schema of the settings of a documented type."""
    settings = {
        "properties": {name: _FORMATS[form] for name, form in formats.items()},
        "required": [*formats],
        "additionalProperties": False,
    }
    return {"properties": {"settings": settings}, "required": ["settings"] if formats else []}
