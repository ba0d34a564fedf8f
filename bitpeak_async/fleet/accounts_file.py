"""Read the accounts of a fleet from a file, with references to their keys.

::

    - name: acme
      api_key: ${ACME_KEY}
      specs: [common.yaml, acme]
    - name: globex
      api_key_file: keys/globex.key
      base_url: https://bitpeak.example.com/api
      requests_per_minute: 600
      in_flight: 8
      variables: {REGION: eu}
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NewType, TypeVar

from attrs import field, frozen

from bitpeak_async._checks import check_number
from bitpeak_async._secret import Secret, hides
from bitpeak_async._structure import Keys, file_kind, problems, strict_converter
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.keys import EnvironmentKey, FileKey, KeySource, LiteralKey
from bitpeak_async.options import Pace
from bitpeak_async.provisioning.spec_files.document import (
    Document,
    UnusableFileError,
    refuse,
)
from bitpeak_async.provisioning.spec_files.environment import UnsetError, environment, expand_value
from bitpeak_async.provisioning.spec_files.paths import find_specs, read_document

__all__ = ["read_accounts"]

N = TypeVar("N", int, float)

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@hides("environ")
def read_accounts(
    file: str | os.PathLike[str],
    specs_dir: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> list[Account]:
    """Read the accounts of a fleet from a TOML, YAML or JSON file.

    The file holds a list of accounts, at its root or under the key ``accounts``. Each account has:

    - ``name``.
    - ``api_key``, as ``${NAME}`` or in clear, or ``api_key_file``, relative to the file. The key
      is read when it is needed.
    - ``specs`` (optional): a path or list of paths of spec files and folders, relative to
      ``specs_dir``. By default the file or folder with the account's name, such as ``acme.yaml``.
    - ``base_url``, ``requests_per_minute``, ``in_flight`` (optional): override the fleet's.
    - ``variables`` (optional): values for ``${NAME}`` in its spec files; override the environment.

    Args:
        file: the path of the file.
        specs_dir: the folder of the spec files; by default the file's own.
        environ: variables for ``${NAME}`` outside of keys; by default the process environment.

    Raises:
        PlanError: the file cannot be read or used. ``problems`` lists everything, each as
            ``file:line: path: what is wrong, what would be right``; in JSON and TOML the
            account's name replaces the line.
        ConfigurationError: the file is YAML and PyYAML is not installed.
    """
    path = Path(file)
    document = Document(str(path))
    specs = path.parent if specs_dir is None else Path(specs_dir)
    reader = _AccountReader(document, Secret.of(environ), path.parent, specs)
    accounts: list[Account] = []
    with suppress(UnusableFileError):
        read_document(path, document, "accounts")
        accounts = reader.read()
    refuse(document.in_order())
    return accounts


_Paths = NewType("_Paths", tuple[Path, ...])


@frozen(kw_only=True)
class _Entry:
    """An account as it stands in the file."""

    name: str = ""
    api_key: KeySource | None = None
    api_key_file: FileKey | None = None
    specs: _Paths = _Paths(())
    base_url: str = ""
    requests_per_minute: float = 0
    in_flight: int = 0
    variables: dict[str, str | None] = field(factory=dict)


class _AccountReader:
    def __init__(
        self,
        document: Document,
        environ: Secret[Mapping[str, str] | None],
        folder: Path,
        specs_dir: Path,
    ) -> None:
        self._document = document
        self._environ = environment(environ)
        self._folder = folder
        self._specs_dir = specs_dir
        self._names: dict[str, Keys] = {}
        self._converter = strict_converter()
        hooks: dict[Any, Callable[[Any], object]] = {
            str: self._text,
            float: lambda data: _number(self._text(data), float, 0, above=True),
            int: lambda data: _number(self._text(data), int, 1),
            KeySource | None: self._api_key,
            FileKey | None: lambda data: FileKey(self._folder / self._text(data)),
            _Paths: self._paths,
            str | None: self._variable,
        }
        for cls, hook in hooks.items():
            self._converter.register_structure_hook(cls, partial(_call, hook))

    def read(self) -> list[Account]:
        items = self._document.items("accounts")
        return [made for keys, item in items if (made := self._account(keys, item)) is not None]

    def _account(self, keys: Keys, item: Any) -> Account | None:
        if not isinstance(item, dict):
            self._document.add(keys, f"must be a mapping, not {file_kind(item)}")
            return None
        name = self._unique_name(keys, item)
        given = [key for key in ("api_key", "api_key_file") if key in item]
        if len(given) != 1:
            problem = "has both api_key and api_key_file; keep one" if given else "has no key"
            self._document.add(keys, f"{problem}: 'api_key: ${{NAME}}' or 'api_key_file: PATH'")
        entry = _Entry()
        try:
            entry = self._converter.structure(item, _Entry)
        except ExceptionGroup as error:
            for inner, problem in problems(error):
                self._document.add((*keys, *inner), problem)
        specs = entry.specs
        if name and "specs" not in item:
            specs = self._specs_named(name, keys)
        key = entry.api_key or entry.api_key_file
        if key is None or not name:
            return None
        pace = None
        if entry.requests_per_minute or entry.in_flight:
            rate = entry.requests_per_minute or None
            pace = Pace(in_flight=entry.in_flight or Pace().in_flight, requests_per_minute=rate)
        return Account(
            name,
            key,
            specs,
            base_url=entry.base_url or None,
            pace=pace,
            variables={each: text for each, text in entry.variables.items() if text is not None},
            source=self._document.at(keys),
        )

    def _unique_name(self, keys: Keys, item: Mapping[str, Any]) -> str:
        """Return the name, even of an account with problems; empty if there is none."""
        try:
            name = self._text(item.get("name", ""))
        except ValueError:  # structure() reports it
            return ""
        if not name:
            where = (*keys, "name") if "name" in item else keys
            self._document.add(where, "has no name; add one such as 'name: acme'")
        elif (first := self._names.setdefault(name, keys)) is not keys:
            self._document.add(keys, self._document.same_name(first))
        return name

    def _specs_named(self, name: str, keys: Keys) -> _Paths:
        found: list[Path] = []
        problem = "its name is not a file name"
        if Path(name).name == name:
            found = find_specs(self._specs_dir, name)
            there = " and ".join(path.name for path in found) or f"no {name}.yaml"
            problem = f"there is {there} in {self._specs_dir}"
        if len(found) != 1:
            self._document.add(keys, f"has no specs, and {problem}; add 'specs: [PATH]'")
        return _Paths(tuple(found))

    def _text(self, data: object) -> str:
        return expand_value(data, self._environ.reveal())

    def _variable(self, data: object) -> str | None:
        """Return a variable's value, or None if it refers to one that is not set."""
        try:
            return self._text(data)
        except UnsetError:
            return None

    def _api_key(self, data: object) -> KeySource:
        if isinstance(data, str) and (variable := _VARIABLE.fullmatch(data)):
            return EnvironmentKey(variable[1])
        if isinstance(data, str) and "$" in data.replace("$$", ""):
            raise ValueError("must be ${NAME} alone, or a key; write $$ for a dollar")
        if data == "":
            raise ValueError("is empty; write ${NAME}, or a key")
        return LiteralKey(self._text(data))

    def _paths(self, data: object) -> _Paths:
        items = data if isinstance(data, list) else [data]
        return _Paths(tuple(self._specs_dir / self._text(item) for item in items))


def _call(hook: Callable[[Any], object], data: Any, _: object) -> object:
    return hook(data)


def _number(text: str, kind: type[N], low: float, *, above: bool = False) -> N:
    try:
        number = kind(text)
        check_number("it", number, low, above=above, integer=kind is int)
    except ConfigurationError as error:
        problem = str(error).removeprefix("it ")
    except ValueError:
        problem = "must be a whole number" if kind is int else "must be a number"
    else:
        return number
    raise ValueError(problem)
