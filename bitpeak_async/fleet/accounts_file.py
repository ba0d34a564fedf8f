"""A file of accounts → accounts, with their keys by reference.

::

    - name: acme
      api_key: ${ACME_KEY}
      specs: [common.yaml, acme]
    - name: globex
      api_key_file: keys/globex.key
      base_url: https://bitpeak.example.com/api
      requests_per_minute: 600
      in_flight: 8
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.keys import EnvironmentKey, FileKey, KeySource, LiteralKey
from bitpeak_async.options import Pace, check_number
from bitpeak_async.provisioning.spec_files.document import (
    Location,
    Node,
    Problems,
    UnusableFileError,
    refuse,
)
from bitpeak_async.provisioning.spec_files.node_reader import NodeReader, same_name
from bitpeak_async.provisioning.spec_files.paths import find_specs, read_document

__all__ = ["read_accounts"]

N = TypeVar("N", int, float)

_KEYS: Final = (
    "name",
    "api_key",
    "api_key_file",
    "specs",
    "base_url",
    "requests_per_minute",
    "in_flight",
)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@hides("environ")
def read_accounts(
    file: str | os.PathLike[str],
    specs_dir: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> list[Account]:
    """Read the accounts of a fleet from a TOML, YAML or JSON file.

    It is a list of accounts, or a mapping with the one key ``accounts`` that holds it. Each has
    a ``name`` and either ``api_key``, as ``${NAME}`` or in clear, or ``api_key_file``, relative
    to the file. Keys are not read here. ``specs`` is a path or a list of paths of spec files and
    folders, relative to ``specs_dir``; by default the file there of the account's name, such as
    ``acme.yaml``, or the folder of that name. ``base_url``, ``requests_per_minute`` and
    ``in_flight`` are what differs from the fleet's.

    Args:
        file: its path.
        specs_dir: where the spec files are; by default beside the file.
        environ: environment variables for ``${NAME}`` elsewhere than in keys; by default those of
            the process.

    Raises:
        PlanError: the file cannot be read or used. Its ``problems`` are all there are, each
            ``file:line: path: what is wrong, what would be right``.
        ConfigurationError: PyYAML is not installed and the file is YAML.
    """
    path = Path(file)
    problems = Problems(str(path))
    folder = path.parent if specs_dir is None else Path(specs_dir)
    reader = _AccountReader(problems, Secret.of(environ), path.parent, folder)
    accounts: list[Account] = []
    with suppress(UnusableFileError):
        # No variable holds the document: a traceback with locals would show keys in it.
        accounts = reader.read(read_document(path, problems, "accounts"))
    refuse(problems.in_order())
    return accounts


class _AccountReader(NodeReader):
    def __init__(
        self,
        problems: Problems,
        environ: Secret[Mapping[str, str] | None],
        folder: Path,
        specs_dir: Path,
    ) -> None:
        super().__init__(problems, environ)
        self._folder = folder
        self._specs_dir = specs_dir
        self._names: dict[str, Location] = {}

    def read(self, document: Node) -> list[Account]:
        nodes = self._list(document, "accounts")
        return [account for node in nodes if (account := self._account(node)) is not None]

    def _account(self, node: Node) -> Account | None:
        entry = self._mapping(node)
        if entry is None:
            return None
        self._refuse_unknown(entry, _KEYS)
        name = self._name(entry, node)
        key = self._key(entry, node)
        base_url = self._text(entry["base_url"]) if "base_url" in entry else None
        pace = self._pace(entry)
        if name is None:
            return None
        specs = self._specs(entry, name, node)
        if key is None:
            return None
        location = self._problems.at(node.location)
        return Account(name, key, specs, base_url=base_url, pace=pace, place=location)

    def _name(self, entry: Mapping[str, Node], node: Node) -> str | None:
        name = self._text(entry["name"]) if "name" in entry else ""
        if name == "":
            location = entry["name"].location if "name" in entry else node.location
            self._problems.add(location, "has no name; add one such as 'name: acme'")
        if not name:
            return None
        first = self._names.setdefault(name, node.location)
        if first is not node.location:
            self._problems.add(node.location, same_name(first.path, f"on line {first.line}"))
        return name

    def _key(self, entry: Mapping[str, Node], node: Node) -> KeySource | None:
        given = [key for key in ("api_key", "api_key_file") if key in entry]
        if len(given) != 1:
            problem = "has both api_key and api_key_file; keep one" if given else "has no key"
            self._problems.add(
                node.location, f"{problem}: 'api_key: ${{NAME}}' or 'api_key_file: PATH'"
            )
            return None
        if given == ["api_key_file"]:
            path = self._text(entry["api_key_file"])
            return None if path is None else FileKey(self._folder / path)
        return self._api_key(entry["api_key"])

    def _api_key(self, node: Node) -> KeySource | None:
        written = node.value
        if isinstance(written, str) and (variable := _VARIABLE.fullmatch(written)):
            return EnvironmentKey(variable[1])
        if isinstance(written, str) and "$" in written.replace("$$", ""):
            self._problems.add(
                node.location, "must be ${NAME} alone, or a key; write $$ for a dollar"
            )
            return None
        key = self._text(node)
        if key == "":
            self._problems.add(node.location, "is empty; write ${NAME}, or a key")
        return LiteralKey(key) if key else None

    def _specs(self, entry: Mapping[str, Node], name: str, node: Node) -> list[Path]:
        if "specs" in entry:
            value = entry["specs"].value
            items = value if isinstance(value, list) else [entry["specs"]]
            paths = [path for item in items if (path := self._text(item)) is not None]
            return [self._specs_dir / path for path in paths]
        found: list[Path] = []
        problem = "its name cannot be a file's"
        if Path(name).name == name:
            found = find_specs(self._specs_dir, name)
            there = " and ".join(path.name for path in found) or f"no {name}.yaml"
            problem = f"there is {there} in {self._specs_dir}"
        if len(found) != 1:
            self._problems.add(node.location, f"has no specs, and {problem}; add 'specs: [PATH]'")
        return found

    def _pace(self, entry: Mapping[str, Node]) -> Pace | None:
        rate = self._number(entry, "requests_per_minute", float, 0, above=True)
        in_flight = self._number(entry, "in_flight", int, 1)
        if rate is None and in_flight is None:
            return None
        return Pace(in_flight=in_flight or Pace().in_flight, requests_per_minute=rate)

    def _number(
        self,
        entry: Mapping[str, Node],
        name: str,
        kind: type[N],
        low: float,
        *,
        above: bool = False,
    ) -> N | None:
        if name not in entry or (text := self._text(entry[name])) is None:
            return None
        try:
            number = kind(text)
            check_number("it", number, low, above=above, integer=kind is int)
        except ValueError:
            noun = "a whole number" if kind is int else "a number"
            self._problems.add(entry[name].location, f"must be {noun}")
        except ConfigurationError as error:
            self._problems.add(entry[name].location, str(error).removeprefix("it "))
        else:
            return number
        return None
