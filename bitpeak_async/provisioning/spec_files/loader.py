"""Paths → the specs in their files; sets of paths may share files, and each file is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from bitpeak_async._secret import Secret
from bitpeak_async._structure import Keys
from bitpeak_async.provisioning.spec_files.document import Document, UnusableFileError
from bitpeak_async.provisioning.spec_files.paths import read_document, spec_files
from bitpeak_async.provisioning.spec_files.reader import SpecReader
from bitpeak_async.records import HandlerSpec


@frozen
class SpecSet:
    """The content of one or more files, or why they cannot be used.

    Attributes:
        specs: of all files, in order.
        problems: of all files, each ``file:line: path: what is wrong``.
    """

    specs: tuple[HandlerSpec, ...]
    problems: tuple[str, ...]


@frozen
class _File:
    document: Document
    specs: list[HandlerSpec]
    names: Mapping[str, Keys]


class SpecLoader:
    """Reads sets of spec files.

    Args:
        environ: environment variables, name → value; None for those of the process.
    """

    def __init__(self, environ: Secret[Mapping[str, str] | None]) -> None:
        self._environ = environ
        self._files: dict[Path, _File] = {}
        self._sets: dict[tuple[Path, ...], SpecSet] = {}

    def read(self, paths: Iterable[Path]) -> SpecSet:
        """Return the content of files, and of the spec files in and below directories."""
        key = tuple(paths)
        if key not in self._sets:
            self._sets[key] = self._read(key)
        return self._sets[key]

    def _read(self, paths: Iterable[Path]) -> SpecSet:
        specs: list[HandlerSpec] = []
        problems: list[str] = []
        first: dict[str, tuple[Document, Keys]] = {}
        for path in paths:
            directory = Document(str(path))
            files = [self._file(file) for file in spec_files(path, directory)]
            problems += directory.in_order()
            for file in files:
                shared: list[tuple[Keys, str]] = []
                for name, keys in file.names.items():
                    if name not in first:
                        first[name] = file.document, keys
                        continue
                    other, earlier = first[name]
                    shared.append((keys, file.document.same_name(earlier, other)))
                specs += file.specs
                problems += file.document.in_order(shared)
        return SpecSet(tuple(specs), tuple(problems))

    def _file(self, path: Path) -> _File:
        if path not in self._files:
            reader = SpecReader(Document(str(path)), self._environ)
            specs: list[HandlerSpec] = []
            with suppress(UnusableFileError):
                read_document(path, reader.document)
                specs = reader.read()
            self._files[path] = _File(reader.document, specs, reader.names)
        return self._files[path]
