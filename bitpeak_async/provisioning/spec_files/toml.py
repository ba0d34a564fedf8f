"""TOML → document data. Integers and dates become their value as text: ``0x1F`` is ``31``."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from bitpeak_async.provisioning.spec_files.document import TOO_DEEP, Document, plain

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def read_toml(text: str, document: Document) -> Any:
    """Return the table of a TOML text, or None if it is empty.

    Raises:
        UnusableFileError: the text is not TOML.
    """
    try:
        return plain(tomllib.loads(text, parse_float=str), document) or None
    except tomllib.TOMLDecodeError as error:
        # tomllib's messages quote single characters and keys, never values.
        problem = str(error)
        position = _POSITION.search(problem)
        line = int(position[1]) if position and position[1] else text.rstrip().count("\n") + 1
        problem = _POSITION.sub("", problem)
        problem = f"is not TOML: {problem[:1].lower()}{problem[1:]}"
        raise document.fatal(problem, line) from None
    except RecursionError:
        raise document.fatal(TOO_DEEP) from None
    except ValueError:
        # Python refuses to convert numbers of more than about 4,300 digits.
        raise document.fatal("is not TOML: a number is too long") from None
