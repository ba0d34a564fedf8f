"""Paths of files and directories → the documents there, each in the format of its suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from bitpeak_async.provisioning.spec_files.csv import read_csv
from bitpeak_async.provisioning.spec_files.document import Location, Node, Problems
from bitpeak_async.provisioning.spec_files.json import read_json
from bitpeak_async.provisioning.spec_files.toml import read_toml

Reader: TypeAlias = Callable[[str, Problems], Node | None]


def _read_yaml(text: str, problems: Problems) -> Node | None:
    # PyYAML comes with an extra that those who have no YAML do without.
    from bitpeak_async.provisioning.spec_files.yaml import read_yaml  # noqa: PLC0415

    return read_yaml(text, problems)


# Suffix → reader, and how that format says that there are no handlers, or accounts.
_READERS: Final[Mapping[str, tuple[Reader, str]]] = MappingProxyType(
    {
        ".yaml": (_read_yaml, "[]"),
        ".yml": (_read_yaml, "[]"),
        ".toml": (read_toml, "'{} = []'"),
        ".json": (read_json, "[]"),
        ".csv": (read_csv, "the row of column names alone"),
    }
)


def spec_files(path: Path, problems: Problems) -> list[Path]:
    """Return a file as it is, of a directory the spec files in it and below, sorted.

    What is wrong with a directory is noted in ``problems``.
    """
    if not path.is_dir():
        return [path]
    found = sorted(_below(path, problems))
    if not found:
        known = ", ".join(_READERS)
        problems.add(Location(), f"holds no spec file; put one there that ends in {known}")
    return found


def _below(directory: Path, problems: Problems) -> Iterator[Path]:
    """Yield the spec files in a directory and all below it, but none that is hidden."""

    def report(error: OSError) -> None:
        problems.add(Location(), f"cannot be read: {error.strerror}: {error.filename}")

    for parent, folders, files in os.walk(directory, onerror=report):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        for file in map(Path(parent).joinpath, files):
            known = file.suffix.lower() in _READERS and not file.name.startswith(".")
            if known and file.is_file():  # a pipe would be waited for
                yield file


def find_specs(folder: Path, name: str) -> list[Path]:
    """Return the spec file of a name in a folder, or the folder of that name; all there are."""
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in _READERS)]
    folders, files = candidates[:1], candidates[1:]
    return [*filter(Path.is_dir, folders), *filter(Path.is_file, files)]


def read_document(file: Path, problems: Problems, of: str = "handlers") -> Node:
    """Return what a file holds.

    Args:
        file: its path.
        problems: where what is wrong with it is noted.
        of: what it is a list of. Only handlers may be CSV.

    Raises:
        UnusableFileError: it cannot be read.
        ConfigurationError: it is YAML, and PyYAML is not installed.
    """
    known = [suffix for suffix in _READERS if of == "handlers" or suffix != ".csv"]
    if file.suffix.lower() not in known:
        noun = "a spec file" if of == "handlers" else f"a file of {of}"
        raise problems.fatal(Location(), f"has no known suffix; {noun} ends in {', '.join(known)}")
    reader, none = _READERS[file.suffix.lower()]
    document = reader(_text(file, problems), problems)
    if document is None:
        none = none.format(of)
        raise problems.fatal(Location(1), f"is empty; write a list of {of}, or {none} for none")
    return document


def _text(file: Path, problems: Problems) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise problems.fatal(Location(), f"cannot be read: {error.strerror}") from error
    except ValueError:
        raise problems.fatal(Location(), "cannot be read: no file has such a name") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise problems.fatal(Location(line), "is not UTF-8; save the file as UTF-8") from None
