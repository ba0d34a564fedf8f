"""TOML → nodes that know their locations: the values from tomllib, the lines from a scan."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from bitpeak_async.provisioning.spec_files.document import (
    TOO_DEEP,
    Location,
    Node,
    Problems,
    UnusableFileError,
)
from bitpeak_async.provisioning.spec_files.toml_scan import NestedTooDeepError, Path, Scan

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_LONG_NUMBER: Final = re.compile(r"[0-9_]{1000}")


def read_toml(text: str, problems: Problems) -> Node | None:
    """Return the table that a text is, or None where it is empty.

    Values that are no strings are their text as written.

    Raises:
        UnusableFileError: the text is not TOML.
    """
    text = text.replace("\r\n", "\n")
    try:
        table = tomllib.loads(text)
        scan = Scan(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, problems) from None
    except NestedTooDeepError as error:
        raise problems.fatal(Location(error.line), TOO_DEEP) from None
    except RecursionError:
        raise problems.fatal(Location(), TOO_DEEP) from None
    except ValueError:
        # Python refuses to convert numbers of more than some 4,300 digits.
        number = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, number.start()) + 1 if number else 0
        raise problems.fatal(Location(line), "is not TOML: a number is too long") from None
    return _node(table, (), Location(1), scan) if table else None


def _syntax_error(
    error: tomllib.TOMLDecodeError, text: str, problems: Problems
) -> UnusableFileError:
    # Of the text, tomllib quotes single characters and keys, never values.
    problem = str(error)
    position = _POSITION.search(problem)
    line = int(position[1]) if position and position[1] else text.rstrip().count("\n") + 1
    problem = _POSITION.sub("", problem)
    return problems.fatal(Location(line), f"is not TOML: {problem[:1].lower()}{problem[1:]}")


def _node(value: Any, path: Path, location: Location, scan: Scan) -> Node:
    match value:
        case dict():
            return Node(
                {
                    key: _node(inner, own, location.inner(key, scan.lines.get(own, 0)), scan)
                    for key, inner in value.items()
                    for own in [(*path, key)]
                },
                location,
            )
        case list():
            return Node(
                [
                    _node(inner, own, location.item(index, scan.lines.get(own, 0)), scan)
                    for index, inner in enumerate(value)
                    for own in [(*path, index)]
                ],
                location,
            )
        case str():
            return Node(value, location)
        case _:
            return Node(scan.scalars[path], location)
