"""Paths of files and directories → documents; the suffix determines the format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from bitpeak_async.provisioning.spec_files.csv import read_csv
from bitpeak_async.provisioning.spec_files.document import Document
from bitpeak_async.provisioning.spec_files.json import read_json
from bitpeak_async.provisioning.spec_files.toml import read_toml

Reader: TypeAlias = Callable[[str, Document], Any]


def _read_yaml(text: str, document: Document) -> Any:
    # PyYAML is an extra; other formats work without it.
    from bitpeak_async.provisioning.spec_files.yaml import read_yaml  # noqa: PLC0415

    return read_yaml(text, document)


# Suffix → reader, and the text of an empty list in that format.
_READERS: Final[Mapping[str, tuple[Reader, str]]] = MappingProxyType(
    {
        ".yaml": (_read_yaml, "[]"),
        ".yml": (_read_yaml, "[]"),
        ".toml": (read_toml, "'{} = []'"),
        ".json": (read_json, "[]"),
        ".csv": (read_csv, "the row of column names alone"),
    }
)


def spec_files(path: Path, document: Document) -> list[Path]:
    """Return the path of a file, or the sorted paths of the spec files in and below a directory.

    Problems with a directory are added to ``document``.
    """
    if not path.is_dir():
        return [path]
    found = sorted(_below(path, document))
    if not found:
        known = ", ".join(_READERS)
        document.add((), f"holds no spec file; add one that ends in {known}")
    return found


def _below(directory: Path, document: Document) -> Iterator[Path]:
    """Yield the spec files in and below a directory that are not hidden."""

    def report(error: OSError) -> None:
        document.add((), f"cannot be read: {error.strerror}: {error.filename}")

    for parent, folders, files in os.walk(directory, onerror=report):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        for file in map(Path(parent).joinpath, files):
            known = file.suffix.lower() in _READERS and not file.name.startswith(".")
            if known and file.is_file():  # reading a pipe would block
                yield file


def find_specs(folder: Path, name: str) -> list[Path]:
    """Return the subfolder and the spec files called ``name`` in a folder, if they exist."""
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in _READERS)]
    folders, files = candidates[:1], candidates[1:]
    return [*filter(Path.is_dir, folders), *filter(Path.is_file, files)]


def read_document(file: Path, document: Document, of: str = "handlers") -> None:
    """Read the data of a document from its file.

    Args:
        file: the path of the file.
        document: receives the data.
        of: what the file lists. Only handlers may be CSV.

    Raises:
        UnusableFileError: the file cannot be read.
        ConfigurationError: the file is YAML and PyYAML is not installed.
    """
    known = [suffix for suffix in _READERS if of == "handlers" or suffix != ".csv"]
    if file.suffix.lower() not in known:
        noun = "a spec file" if of == "handlers" else f"a file of {of}"
        raise document.fatal(f"has no known suffix; {noun} ends in {', '.join(known)}")
    reader, none = _READERS[file.suffix.lower()]
    document.data = reader(_text(file, document), document)
    if document.data is None:
        none = none.format(of)
        raise document.fatal(f"is empty; write a list of {of}, or {none} for none", 1)


def _text(file: Path, document: Document) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise document.fatal(f"cannot be read: {error.strerror}") from error
    except ValueError:
        raise document.fatal("cannot be read: its name is not a valid path") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise document.fatal("is not UTF-8; save the file as UTF-8", line) from None
