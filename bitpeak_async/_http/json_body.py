"""Parse the JSON in a reply, even if PHP printed something before it."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final

import msgspec

# A PHP warning or a byte-order mark may precede the JSON object: look for its first key.
_ENVELOPE: Final = re.compile(rb'\{\s*"(?:data|errors|error|message)"\s*:')


class ShapeError(ValueError):
    """JSON does not have the expected shape; holds the path and the problem."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def parse_json(body: bytes) -> Any:
    """Return the JSON value in a body.

    Raises:
        ShapeError: there is none, even after possible PHP output.
    """
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        problem = "not JSON (not UTF-8)"
    except RecursionError:
        problem = "not JSON (nested too deep)"
    except msgspec.DecodeError as error:
        problem = f"not JSON ({error})" if body.strip() else "an empty body"
    for start in islice(_ENVELOPE.finditer(body), 5):
        try:
            return msgspec.json.decode(body[start.start() :])
        except (ValueError, RecursionError):
            continue
    raise ShapeError("$", problem)
