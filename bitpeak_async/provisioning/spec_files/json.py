"""JSON → document data; numbers keep their text from the file."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from bitpeak_async.provisioning.spec_files.document import TOO_DEEP, Document, plain


def read_json(text: str, document: Document) -> Any:
    """Return the value of a JSON text, or None if the text is empty.

    Duplicate keys are added to the document's problems.

    Raises:
        UnusableFileError: the text is not JSON.
    """
    try:
        # Tuples of pairs, because a dict would keep only the last of duplicate keys.
        data = json.loads(
            text, object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        if not text.strip():
            return None
        # These messages never quote the text, which may hold secrets.
        problem = error.msg.rstrip(": ").removesuffix(" at").lower()
        hint = "; texts need double quotes" if problem == "expecting value" else ""
        raise document.fatal(f"is not JSON: {problem}{hint}", error.lineno) from None
    except RecursionError:
        raise document.fatal(TOO_DEEP) from None
    except ValueError as error:
        raise document.fatal(f"is not JSON: {error}") from None
    return plain(data, document)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")
