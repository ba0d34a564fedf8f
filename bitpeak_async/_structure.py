"""Structure plain data into attrs classes, strictly, and report each problem with its path.

cattrs is imported only when needed, because it takes a tenth of the package's import time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, get_args, get_origin

from attrs import fields_dict, has

from bitpeak_async.settings import FIELDS

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")
Key: TypeAlias = "str | int"
Keys: TypeAlias = tuple[Key, ...]

_WORD: Final = re.compile(r"\w+", re.ASCII)
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


def kind(value: object) -> str:
    """Return the JSON kind of a value. The value itself may be a secret and is never shown."""
    return {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def file_kind(value: object) -> str:
    """Return the kind of a value in the terms of spec files."""
    return {"an object": "a mapping", "an array": "a list"}.get(kind(value), kind(value))


def child_path(path: str, key: Key) -> str:
    """Return the path of a child, such as ``[3].settings['e mail']``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _WORD.fullmatch(key):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key


def did_you_mean(word: str, known: Iterable[str], aliases: Mapping[str, str] = _NO_ALIASES) -> str:
    """Return a hint for an unknown word.

    Args:
        word: the unknown word.
        known: the known words.
        aliases: maps other words to known ones.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import

    choices = list(known)
    close = get_close_matches(word, choices, n=1)
    if meant := aliases.get(word) or (close[0] if close else None):
        return f"did you mean {meant!r}?"
    return f"known: {', '.join(choices) or 'none'}"


def problems(error: Exception) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and the problem of each leaf of a detailed converter's error."""
    from cattrs import (  # noqa: PLC0415 - already loaded
        ClassValidationError,
        ForbiddenExtraKeysError,
        IterableValidationError,
    )

    inner: list[tuple[Key, Exception]]
    match error:
        case ClassValidationError():
            noted, others = error.group_exceptions()
            inner = [(_wire_name(error.cl, note.name), each) for each, note in noted]
        case IterableValidationError():
            indexed, others = error.group_exceptions()
            inner = [(note.index, each) for each, note in indexed]
        case ForbiddenExtraKeysError():
            known = fields_dict(error.cl)
            for extra in sorted(error.extra_fields):
                yield (extra,), f"is not a known key; {did_you_mean(extra, known)}"
            return
        case _:
            yield (), "missing" if isinstance(error, KeyError) else str(error)
            return
    for key, each in inner:
        yield from (((key, *keys), problem) for keys, problem in problems(each))
    for each in others:
        yield from problems(each)


def _wire_name(cls: type[Any], attribute: str) -> str:
    wires = FIELDS.get(cls, {})
    return wires[attribute].name if attribute in wires else attribute.rstrip("_")


def first_problem(error: Exception, path: str) -> tuple[str, str]:
    """Return the path of a detailed converter's first problem, below ``path``, and the problem."""
    keys, problem = next(problems(error))
    return reduce(child_path, keys, path), problem


def problem_lines(error: Exception, root: str = "") -> list[str]:
    """Return all problems of a detailed converter, each as ``path: problem`` below a root."""
    found = ((reduce(child_path, keys, root), problem) for keys, problem in problems(error))
    return [": ".join(filter(None, each)) for each in found]


def strict_converter() -> Converter:
    """Return a converter that refuses unknown keys and converts no kind of value."""
    from cattrs import Converter  # noqa: PLC0415 - see the top
    from cattrs.cols import list_structure_factory, mapping_structure_factory  # noqa: PLC0415 - the same
    from cattrs.gen import make_dict_structure_fn  # noqa: PLC0415 - the same

    converter = Converter(forbid_extra_keys=True)

    def is_array(cls: Any) -> bool:
        return get_origin(cls) is tuple

    def array_hook(cls: Any) -> Callable[[Any, Any], object]:
        list_of: Any = list
        structure = list_structure_factory(list_of[get_args(cls)[0]], converter)
        return _only((list,), "a list", lambda value, _: tuple(structure(value, cls)))

    converter.register_structure_hook_factory(is_array, array_hook)

    def is_dict(cls: Any) -> bool:
        return get_origin(cls) is dict

    def dict_hook(cls: Any) -> Callable[[Any, Any], object]:
        return _only((dict,), "a mapping", mapping_structure_factory(cls, converter))

    converter.register_structure_hook_factory(is_dict, dict_hook)
    converter.register_structure_hook_factory(
        has, lambda cls: _only((dict,), "a mapping", make_dict_structure_fn(cls, converter))
    )
    for cls, *kinds, expected in (
        (str, str, "a string"),
        (int, int, "a whole number"),
        (float, int, float, "a number"),
        (bool, bool, "true or false"),
    ):
        converter.register_structure_hook(cls, _only(kinds, expected, lambda value, _: value))
    return converter


def _only(
    kinds: Collection[type], expected: str, structure: Callable[[Any, Any], T]
) -> Callable[[Any, Any], T]:
    """Refuse other kinds, because cattrs would accept a string as an array."""

    def structure_only(value: Any, cls: Any) -> T:
        if type(value) not in kinds:
            raise ValueError(f"must be {expected}, not {file_kind(value)}")
        return structure(value, cls)

    return structure_only
